"""A patient's record drawn in a few rows: FHIR JSON -> history -> index stay -> answer.

The usual patient `p` was born 1950-06-15 and has one finished stay, `stay`, from 10 March 2024
12:00 to 15 March 12:00. `ed_visit()` puts an ED visit `ed` of four hours before it. A time is
written `03-10 08:20` (of 2024, UTC); any other text goes into the record as it stands.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import DataIssue, IndexStay, NoStay, PatientHistory, Source, Sources
from fhir_mapping.profiles import load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.readings import Value
from fhir_mapping.resources import KNOWN_TYPES, decode
from fhir_mapping.scores import PointScore
from fhir_mapping.stay import index_stay

Resource = dict[str, Any]
Rows = Resource | Iterable[Resource]
Scoring = Callable[[PatientHistory, IndexStay, Sources], PointScore]

READ: Sources = dict.fromkeys(sorted(KNOWN_TYPES), "read")
NOW = datetime(2024, 6, 1, tzinfo=UTC)
SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "icd10": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd9": "http://hl7.org/fhir/sid/icd-9-cm",
    "pcs": "http://www.cms.gov/Medicare/Coding/ICD10",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "priority": "http://terminology.hl7.org/CodeSystem/v3-ActPriority",
    "source": "http://terminology.hl7.org/CodeSystem/admit-source",
    "disposition": "http://terminology.hl7.org/CodeSystem/discharge-disposition",
    "nubc": "https://www.nubc.org/CodeSystem/PatDischargeStatus",
    "mimic": "http://mimic.mit.edu/fhir/mimic/CodeSystem/",
}
_BAR = re.compile(r"(?<!\S)\|(?!\S)")
_SHORT = re.compile(r"(\d\d-\d\d) (\d\d:\d\d)(:\d\d)?")


def read_all_but(**others: Source) -> Sources:
    """Every resource type read, but these: `Location="not_read"`."""
    return {**READ, **others}


def at(time: str | None) -> str | None:
    """`03-10 08:20` is 2024-03-10T08:20:00Z."""
    found = _SHORT.fullmatch(time or "")
    return f"2024-{found[1]}T{found[2]}{found[3] or ':00'}Z" if found else time


def moment(time: str) -> datetime:
    """The instant of a short time."""
    return datetime.fromisoformat(at(time) or "")


def concept(*tokens: str, text: str | None = None) -> Resource:
    """A CodeableConcept of `system|code` or `system|code|display`; systems by their short name."""
    codings = []
    for token in tokens:
        system, code, display = (*token.split("|"), "", "")[:3]
        name, _, rest = system.partition(":")
        uri = SYSTEMS[name] + rest if name in SYSTEMS else system
        codings.append(_stated(system=uri, code=code, display=display))
    return _stated(coding=codings, text=text)


def refer(reference: str | None) -> Resource | None:
    return {"reference": reference} if reference else None


def patient(**fields: Any) -> Resource:
    return _resource("Patient", "p", **{"gender": "female", "birthDate": "1950-06-15"} | fields)


def visit(
    id_: str, class_: str, start: str | None, end: str | None = None, **fields: Any
) -> Resource:
    """An Encounter. For short `part_of`, `reason` (words) and HL7's codes, or `system|code`, as
    `disposition` (digits: NUBC's), `admit_source`, `priority`."""
    part_of, left = fields.pop("part_of", None), fields.pop("disposition", None)
    hospitalization = _stated(
        admitSource=_coded("source", fields.pop("admit_source", None)),
        dischargeDisposition=_coded("nubc" if (left or "").isdecimal() else "disposition", left),
    )
    own = {
        "status": "finished",
        "class": {"code": class_},
        "period": _stated(start=at(start), end=at(end)),
        "partOf": refer(part_of and f"Encounter/{part_of}"),
        "hospitalization": hospitalization,
        "priority": _coded("priority", fields.pop("priority", None)),
        "reasonCode": [concept(text=fields.pop("reason"))] if "reason" in fields else None,
    }
    return _resource("Encounter", id_, subject=refer("Patient/p"), **own | fields)


def stay(start: str | None = "03-10 12:00", end: str | None = "03-15 12:00", **f: Any) -> Resource:
    return visit("stay", f.pop("class_", "IMP"), start, end, **f)


def ed_visit(
    start: str = "03-10 08:00", end: str | None = "03-10 12:00", id_: str = "ed", **fields: Any
) -> Resource:
    return visit(id_, fields.pop("class_", "EMER"), start, end, **fields)


def observations(table: str) -> list[Resource]:
    """Rows `time | code | value | unit | more`: see `observation`; `more` is `key=value, ...`."""
    lines = enumerate(table.strip().splitlines())
    rows = [(n, [cell.strip() for cell in _BAR.split(line.strip())]) for n, line in lines]
    return [observation(*row[:4], **{"id": f"o{n}"} | _pairs(row[4:])) for n, row in rows]


def observation(time: str, code: str, value: str = "", unit: str = "", **more: str) -> Resource:
    """`value`: a number, `<5`, `"words"`, `int 5`, a code `system|code|display`, or a blood
    pressure `120/80`. `more`: id, status, issued, updated, encounter, part_of, text (of a
    coded value)."""
    own: Resource = {
        "status": more.get("status", "final"),
        "code": concept(code if "|" in code else f"loinc|{code}"),
        "effectiveDateTime": at(time),
        "issued": at(more.get("issued")),
        "meta": _stated(lastUpdated=at(more.get("updated"))),
        "encounter": refer(f"Encounter/{more['encounter']}") if "encounter" in more else None,
        "partOf": [refer(more["part_of"])] if "part_of" in more else None,
    }
    own |= _valued(value, unit, more.get("text"))
    return _resource("Observation", more.get("id", "o"), subject=refer("Patient/p"), **own)


def condition(code: str, *, kind: str | None = "problem-list-item", **more: Any) -> Resource:
    """A Condition with a code `system|code`; `more`: id, encounter, recorded, onset, abated,
    clinical, verified."""
    states = {"clinicalStatus": more.get("clinical"), "verificationStatus": more.get("verified")}
    own = {
        "code": concept(code),
        "category": [concept(f"s|{kind}")] if kind else None,
        "encounter": refer(more.get("encounter") and f"Encounter/{more['encounter']}"),
        "recordedDate": at(more.get("recorded")),
        "onsetDateTime": at(more.get("onset")),
        "abatementDateTime": at(more.get("abated")),
    }
    own |= {name: concept(f"s|{state}") for name, state in states.items() if state}
    return _resource("Condition", more.get("id", "c"), subject=refer("Patient/p"), **own)


def procedure(code: str, time: str | None, encounter: str | None = "stay", **more: Any) -> Resource:
    own = {
        "status": "completed",
        "code": concept(code),
        "performedDateTime": at(time),
        "encounter": refer(encounter and f"Encounter/{encounter}"),
    }
    return _resource("Procedure", more.pop("id", "pr"), subject=refer("Patient/p"), **own | more)


def drug(kind: str, name: str, id_: str = "", **fields: Any) -> Resource:
    """A medication resource; `name` is its text, or a reference `Medication/x` or `#x`."""
    by_reference = name.startswith(("Medication/", "#"))
    what = refer(name) if by_reference else concept(text=name)
    own = {"medicationReference" if by_reference else "medicationCodeableConcept": what}
    return _resource(kind, id_ or name, subject=refer("Patient/p"), **own | fields)


def history(*rows: Rows, profile: str | None = "us_core") -> PatientHistory:
    """The rows with the usual patient and stay, unless the rows have their own of that id."""
    flat = [patient(), stay()]
    for row in rows:
        flat += [row] if isinstance(row, dict) else row
    unique = {_key(each): each for each in flat}
    decoded = [decode(json.dumps(each).encode()) for each in unique.values()]
    kept = [each for each in decoded if each is not None and not isinstance(each, DataIssue)]
    assert len(kept) == len(unique), "a row that FHIR would not have"
    return history_of(kept, profile=load_profile(profile) if profile else None)


def stay_of(*rows: Rows, now: datetime = NOW, index: str = "stay") -> IndexStay | NoStay:
    return index_stay(history(*rows), index, now)


def vector(
    *rows: Rows, sources: Sources = READ, now: datetime = NOW, profile: str | None = "us_core"
) -> FeatureVector:
    known = history(*rows, profile=profile)
    return extract(known, _found(index_stay(known, "stay", now)), sources)


def scored(score: Scoring, *rows: Rows, sources: Sources = READ, now: datetime = NOW) -> PointScore:
    """LACE or HOSPITAL of the usual stay."""
    known = history(*rows)
    return score(known, _found(index_stay(known, "stay", now)), sources)


def value(feature: str, *rows: Rows, **options: Any) -> Value:
    return vector(*rows, **options)[feature]


def issue_codes(answer: FeatureVector, feature: str | None = None) -> set[str]:
    """Codes of the issues, or of those that concern one feature."""
    return {each.code for each in answer.issues if feature in (None, each.feature)}


def _coded(system: str, code: str | None) -> Resource | None:
    return concept(code if "|" in code else f"{system}|{code}") if code else None


def _found(stay_: IndexStay | NoStay) -> IndexStay:
    assert isinstance(stay_, IndexStay), stay_
    return stay_


def _valued(value: str, unit: str, text: str | None) -> Resource:
    if not value:
        return {}
    if "/" in value and "|" not in value and not value.startswith('"'):
        parts = zip(("loinc|8480-6", "loinc|8462-4"), value.split("/"), strict=True)
        return {"component": [{"code": concept(c), **_valued(v, unit, None)} for c, v in parts]}
    if value.startswith('"'):
        return {"valueString": value.strip('"')}
    if value.startswith("int "):
        return {"valueInteger": int(value[4:])}
    if "|" in value or text:
        return {"valueCodeableConcept": concept(*filter(None, [value.strip("|")]), text=text)}
    number = value.lstrip("<>=")
    comparator = value.removesuffix(number)
    return {"valueQuantity": _stated(value=float(number), comparator=comparator, unit=unit)}


def _resource(kind: str, id_: str, **fields: Any) -> Resource:
    return {"resourceType": kind, "id": id_, **_stated(**fields)}


def _stated(**fields: Any) -> Resource:
    return {name: each for name, each in fields.items() if each not in (None, "", {}, [])}


def _pairs(cells: list[str]) -> dict[str, str]:
    pairs = ",".join(cells).split(",")
    return {k.strip(): v.strip() for k, _, v in (p.partition("=") for p in pairs) if k.strip()}


def _key(resource: Resource) -> tuple[str, ...]:
    """Rows with a `meta` are versions that stand side by side."""
    version = json.dumps(resource) if "meta" in resource else ""
    return resource["resourceType"], resource["id"], version
