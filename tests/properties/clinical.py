"""Random events of a record: measured values, diagnoses, procedures, payers, drugs."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.properties.chance import Chance, Span
from tests.properties.measures import LOINC, MEASURES, Measure

Resource = dict[str, Any]
When = Callable[[], str]
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
SNOMED = "http://snomed.info/sct"
CPT = "http://www.ama-assn.org/go/cpt"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
VISITS = ("Encounter/stay", "Encounter/stay", "Encounter/visit-0", "Encounter/visit-1")
SPANS: tuple[Span, ...] = ((-700, -1), (-0.4, 0.1), (-0.4, 0.1), (-0.4, 20))
"""Long before, in the emergency department, and during the stay or after it."""
COMPLAINTS = (
    "Chest pain, cough",
    "denies chest pain",
    "Shortness of breath",
    "abd pain \u0000 \U0001f915",
    "",
    "<b>fever</b>",
)
_STATUSES = ("final",) * 6 + ("amended", "corrected", "preliminary", "entered-in-error")
_ODD_UNITS = ("?units", "mg", "10*999999999", "", "%%")
_DIAGNOSES = (
    (ICD10, "I50.22"),
    (ICD10, "E11.22"),
    (ICD10, "C79.51"),
    (ICD10, "j449"),
    (ICD10, "I21.4"),
    (ICD10, "K74.60"),
    (ICD10, "N18.6"),
    (ICD10, "F10.20"),
    (ICD9, "428.0"),
    (ICD9, "250.00"),
    (SNOMED, "44054006"),
    (ICD10, ""),
)
_SAID = (("72514-3", "7"), ("98137-3", "5-7"), ("98137-3", "unable"), ("56839-4", "2"))


def event(chance: Chance) -> Resource:
    """An event before, at the beginning of, during or after the stay; its times may be odd."""
    span = chance.one(SPANS)
    return chance.one(_KINDS)(chance, lambda: chance.written(span))


def later_event(chance: Chance, span: Span) -> Resource:
    """An event in so many days after the admission; all its times are stated, and whole. A result
    may be of the stay itself, if it was issued then."""
    made = chance.one(_KINDS)(chance, lambda: chance.instant(chance.moment(span)))
    time, kind = chance.instant(chance.moment(span)), made["resourceType"]
    if kind == "Observation" and chance.once_in(2):
        return made | {"effectiveDateTime": chance.written(chance.one(SPANS)), "issued": time}
    period = {_PERIODS[kind]: {"start": time}} if kind in _PERIODS else {}
    return made | dict.fromkeys(_TIMES.get(kind, ()), time) | period


def twin(chance: Chance, observation: Resource) -> Resource:
    """The same measured again at the same time: another result, or a corrected version of it."""
    version = {"lastUpdated": chance.instant(chance.moment((-0.1, 0.1))), "versionId": "2"}
    return observation | _value(chance, MEASURES["hemoglobin"]) | {"meta": version}


def vital_signs(chance: Chance, moment: datetime) -> list[Resource]:
    """Every measure once, whole and final: what triage writes down."""
    return [
        _of_patient(chance, "Observation", {})
        | _value(chance, measure)
        | {"status": "final", "effectiveDateTime": chance.instant(moment)}
        for measure in MEASURES.values()
    ]


_TIMES = {
    "Observation": ("effectiveDateTime",),
    "Condition": ("recordedDate",),
    "Procedure": ("performedDateTime",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted",),
    "MedicationDispense": ("whenHandedOver",),
}
_PERIODS = {"Coverage": "period", "MedicationAdministration": "effectivePeriod"}


def _of_patient(chance: Chance, kind: str, members: Resource) -> Resource:
    who = "beneficiary" if kind == "Coverage" else "subject"
    return {"resourceType": kind, who: {"reference": "Patient/p"}, **chance.some(members)}


def _measured(chance: Chance, when: When) -> Resource:
    names = sorted(set(MEASURES) - {"systolic", "diastolic"})
    members = _value(chance, MEASURES[chance.one(names)])
    return _of_patient(chance, "Observation", members | _observed(chance, when))


def _pressure(chance: Chance, when: When) -> Resource:
    parts = [_value(chance, MEASURES[name]) for name in ("systolic", "diastolic")]
    members = {
        "status": parts[0].pop("status"),
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "component": parts,
    }
    return _of_patient(chance, "Observation", members | _observed(chance, when))


def _said(chance: Chance, when: When) -> Resource:
    """Pain, acuity and the chief complaint, in words or as a whole number."""
    code, words = chance.one((*_SAID, ("8661-1", chance.one(COMPLAINTS))))
    value = {"valueInteger": 3} if code == "72514-3" and chance.once_in(2) else {}
    members: Resource = {
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        **(value or {"valueString": words}),
    }
    return _of_patient(chance, "Observation", members | _observed(chance, when))


def _observed(chance: Chance, when: When) -> Resource:
    late = {"issued": when()} if chance.once_in(3) else {}
    return late | {
        "effectiveDateTime": when(),
        "encounter": {"reference": chance.one(VISITS)},
        "meta": {"versionId": "1", "lastUpdated": chance.written((-10, 20))},
    }


def _value(chance: Chance, measure: Measure) -> Resource:
    """Code, status and quantity of one measure; the unit may be another, unknown or absent."""
    value = chance.number(round(measure.low * 10), round(measure.high * 10)) / 10
    unit = chance.one(measure.units)
    quantity: Resource = {"value": unit.away(value), "code": unit.code}
    match chance.number(0, 15):
        case 0:
            quantity = {"value": value, "unit": chance.one(_ODD_UNITS)}
        case 1:
            quantity = {"value": value * chance.one((-1, 0, 50)), "unit": unit.code}
        case 2:
            quantity |= {"comparator": "<"}
    return {
        "status": chance.one(_STATUSES),
        "code": {"coding": [{"system": LOINC, "code": chance.one(measure.codes)}]},
        "valueQuantity": quantity,
    }


def _diagnosed(chance: Chance, when: When) -> Resource:
    system, code = chance.one(_DIAGNOSES)
    category = chance.one(("problem-list-item", "problem-list-item", "encounter-diagnosis", "sdoh"))
    over = {"abatementDateTime": when()} if chance.once_in(4) else {}
    members = over | {
        "code": {"coding": [{"system": system, "code": code}]},
        "category": [{"coding": [{"code": category}]}],
        "clinicalStatus": {"coding": [{"code": chance.one(("active", "active", "resolved"))}]},
        "verificationStatus": {"coding": [{"code": chance.one(("confirmed",) * 5 + ("refuted",))}]},
        "encounter": {"reference": chance.one(VISITS)},
        "recordedDate": when(),
        "onsetDateTime": when(),
    }
    return _of_patient(chance, "Condition", members)


def _operated(chance: Chance, when: When) -> Resource:
    system, code = chance.one(((CPT, "27447"), (CPT, "93306"), (SNOMED, "80146002")))
    members = {
        "status": chance.one(("completed", "completed", "not-done")),
        "code": {"coding": [{"system": system, "code": code}]},
        "encounter": {"reference": chance.one(VISITS)},
        "performedDateTime": when(),
    }
    return _of_patient(chance, "Procedure", members)


def _covered(chance: Chance, when: When) -> Resource:
    members = {
        "status": chance.one(("active", "active", "cancelled")),
        "type": {"text": chance.one(("Medicare", "Blue Cross PPO", "nothing known"))},
        "payor": [{"display": chance.one(("Medicaid of somewhere", "Self"))}],
        "period": {chance.one(("start", "start", "end")): when()},
    }
    return _of_patient(chance, "Coverage", members)


def _ordered(chance: Chance, when: When) -> Resource:
    members = _drug(chance) | {
        "status": chance.one(("active", "active", "stopped")),
        "intent": chance.one(("order", "plan", "proposal")),
        "encounter": {"reference": chance.one(VISITS)},
        "reportedBoolean": chance.once_in(2),
        "authoredOn": when(),
    }
    return _of_patient(chance, "MedicationRequest", members)


def _at_home(chance: Chance, when: When) -> Resource:
    status = chance.one(("active", "completed", "intended"))
    members = _drug(chance) | {"status": status, "dateAsserted": when()}
    return _of_patient(chance, "MedicationStatement", members)


def _given(chance: Chance, when: When) -> Resource:
    members = _drug(chance) | {"status": chance.one(("completed", "completed", "not-done"))}
    if chance.once_in(2):
        members |= {"context": {"reference": chance.one(("Encounter/ed", *VISITS))}}
    if chance.once_in(2):
        return _of_patient(chance, "MedicationDispense", members | {"whenHandedOver": when()})
    period = {"effectivePeriod": {"start": when()}}
    return _of_patient(chance, "MedicationAdministration", members | period)


def _drug(chance: Chance) -> Resource:
    name = chance.one(("Furosemide", " furosemide  ", "Apixaban", ""))
    if chance.once_in(2):
        return {"medicationCodeableConcept": {"text": name, "coding": [{"system": RXNORM}]}}
    inside = {"resourceType": "Medication", "id": "m", "code": {"text": name}}
    return {"contained": [inside], "medicationReference": {"reference": "#m", "display": "Drug"}}


_KINDS = (
    *(_measured,) * 8,
    *(_pressure,) * 3,
    *(_said,) * 3,
    *(_diagnosed,) * 4,
    _operated,
    _covered,
    _ordered,
    *(_given,) * 2,
    _at_home,
)
