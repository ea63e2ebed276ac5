"""Cases of whose a resource is: another patient's is a hard stop, and every spelling of the same."""

from collections.abc import Iterator

from tests.corpus.case import Case, Json, context, refused, scored
from tests.service.patients import (
    PATIENT,
    call,
    concept,
    condition,
    encounter,
    observation,
    patient,
    searchset,
    stay,
    subject,
)

_STRANGER = subject("another-person")
_UUID = "3f1c2d6e-52a4-4a57-9a39-6f7f0a9c1b11"
_DRUG = concept("http://www.nlm.nih.gov/research/umls/rxnorm", "197361")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _single()
    yield from _searched()
    yield from _spelled()
    yield from _nobody()


def _refused(name: str, request: Json, where: str) -> Case:
    why = "A client that mixes up charts: one foreign resource, and nothing of the answer is safe."
    return refused(name, why, request, 412, where=where)


def _single() -> Iterator[Case]:
    yield _refused("other-patient", call(patient=patient(id="another-person")), "prefetch.patient")
    yield _refused("other-stay", call(stay(subject=_STRANGER)), "prefetch.encounter")
    yield refused(
        "encounter-id-of-another-patient",
        "context.encounterId and context.patientId belong to two open charts.",
        context(
            call(
                encounter=encounter("stay-9", "2026-11-12T08:00:00Z", None, subject=_STRANGER),
                encounters=None,
            ),
            encounterId="stay-9",
        ),
        412,
        where="prefetch.encounter",
    )


def _searched() -> Iterator[Case]:
    visit = encounter("old", "2026-01-01", "2026-01-02", subject=_STRANGER)
    value = observation("718-7", 9.1, "g/dL", "2026-11-15T06:00:00Z", subject=_STRANGER)
    foreign = {
        "encounters": visit,
        "conditions": condition("I10", subject=_STRANGER),
        "observations": value,
        "procedures": _resource("Procedure", status="completed", code=_DRUG),
        "coverages": {"resourceType": "Coverage", "id": "x", "beneficiary": _STRANGER},
        "medication_requests": _resource("MedicationRequest", medicationCodeableConcept=_DRUG),
        "medication_statements": _resource("MedicationStatement", medicationCodeableConcept=_DRUG),
        "medication_administrations": _resource("MedicationAdministration"),
        "medication_dispenses": _resource("MedicationDispense"),
        "locations": visit,
    }
    for key, resource in foreign.items():
        path = f"prefetch.{key}.entry[0].resource"
        yield _refused(
            f"other-among-{key.replace('_', '-')}", call(**{key: searchset(resource)}), path
        )
    last = searchset(condition("I50.9"), condition("I10"), condition("E11.9", subject=_STRANGER))
    yield _refused(
        "other-as-last-entry", call(conditions=last), "prefetch.conditions.entry[2].resource"
    )
    broken = {"resourceType": "Condition", "id": 7, "recordedDate": [], "subject": _STRANGER}
    yield refused(
        "other-and-unreadable",
        "The foreign resource is malformed as well: whose it is must not hide in what is broken.",
        call(conditions=searchset(broken)),
        412,
        where="prefetch.conditions.entry[0].resource",
    )
    yield refused(
        "other-by-link",
        "Merged charts: the search follows Patient.link and answers with the old id too.",
        call(conditions=searchset(condition("I50.9"), condition("I10", subject=subject("p1-old")))),
        412,
        where="prefetch.conditions.entry[1].resource",
    )


def _resource(kind: str, **members: object) -> Json:
    return {"resourceType": kind, "id": "x", "subject": _STRANGER} | members


def _spelled() -> Iterator[Case]:
    for name, reference in (
        ("absolute", f"https://ehr.example/fhir/r4/Patient/{PATIENT}"),
        ("versioned", f"Patient/{PATIENT}/_history/12"),
        ("absolute-and-versioned", f"https://ehr.example/fhir/r4/Patient/{PATIENT}/_history/12"),
        ("bare-id", PATIENT),
    ):
        yield scored(
            f"subject-{name}",
            "Servers write references relative, absolute or with a version.",
            call(conditions=searchset(condition("I50.9", subject={"reference": reference}))),
            source="https://hl7.org/fhir/R4/references.html#literal",
            Condition="read",
        )
    yield scored(
        "subject-urn-uuid",
        "Exports refer by urn:uuid, where the id of the Patient is that UUID.",
        _renamed(_UUID),
    )


def _renamed(name: str) -> Json:
    """The usual request about a patient of that id; every reference is a urn:uuid."""
    mine = {"reference": f"urn:uuid:{name}"}
    index = stay(subject=mine)
    earlier = encounter("stay-0", "2026-06-01T08:00:00Z", "2026-06-04T12:00:00Z", subject=mine)
    visit = encounter(
        "ed-0", "2026-09-01T08:00:00Z", "2026-09-01T12:00:00Z", kind="EMER", subject=mine
    )
    request = call(
        index,
        patient=patient(id=name),
        encounters=searchset(index, earlier, visit),
        conditions=searchset(condition("I50.9", subject=mine)),
        observations=searchset(
            observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z", subject=mine),
            observation("2951-2", 131, "mmol/L", "2026-11-15T06:00:00Z", subject=mine),
        ),
    )
    return context(request, patientId=name)


def _nobody() -> Iterator[Case]:
    """A resource that names no patient is not guessed to be this one's."""
    for name, why, reference in (
        ("identifier", "A logical reference by identifier alone.", {"identifier": {"value": "MRN-0012345"}}),
        ("display", "A name in place of a reference.", {"display": "Doe, Jane Alexandra"}),
        ("conditional", "A conditional reference left over from a transaction.",
         {"reference": "Patient?identifier=MRN-0012345"}),
    ):  # fmt: skip
        blood = observation("718-7", 9.1, "g/dL", "2026-11-15T06:00:00Z", subject=reference)
        yield scored(
            f"nobody-by-{name}",
            f"{why} It is left out and counted, and the search is not complete without it.",
            call(observations=searchset(blood)),
            points={"lace": 10},
            noticed=["subject_missing"],
            Observation="partial",
        )
    yield refused(
        "stay-of-nobody",
        "The stay itself does not say whose it is.",
        call(stay(subject=None)),
        412,
        where="prefetch.encounter",
    )
