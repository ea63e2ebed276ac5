"""Random but valid-looking FHIR records of one patient around one stay, as JSON objects.

Anything may be missing, any status may occur, times are written in every way. Clinical sense is
not aimed at: what holds for these holds for what a hospital sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.properties import clinical
from tests.properties.chance import ADMISSION, Chance, Span

Resource = dict[str, Any]
PATIENT = {"reference": "Patient/p"}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
PLACES: tuple[Resource, ...] = (
    {"resourceType": "Location", "id": "icu", "type": [{"coding": [{"code": "ICU"}]}]},
    {"resourceType": "Location", "id": "ward", "name": "Ward 4 East"},
)
_STATUSES = ("finished",) * 7 + ("in-progress", "cancelled", "entered-in-error", "planned")
_CLASSES = ("EMER", "EMER", "IMP", "IMP", "OBSENC", "SS", "AMB", "VR")
_SYNTHEA = "https://github.com/synthetichealth/synthea"


@dataclass(frozen=True)
class Record:
    """A patient's resources, the stay to be scored, and the clock of the call."""

    resources: tuple[Resource, ...]
    encounter_id: str
    now: datetime

    def but(self, resources: Sequence[Resource]) -> "Record":
        """The same question put to other resources."""
        return replace(self, resources=tuple(resources))


SEEDS = st.integers(0, 2**20)
"""Hypothesis draws evenly only from ranges below 2^24."""


def records() -> st.SearchStrategy[Record]:
    """Records whose index stay can be read; all else is left to chance."""
    return st.builds(record, SEEDS, st.integers(0, 60))


def record(seed: int, events: int) -> Record:
    """The record of a seed, with so many events."""
    chance = Chance(seed)
    days = 900 if chance.once_in(8) else 30
    over = None if chance.once_in(4) else chance.moment((0, days))
    found = [_patient(chance), _index(chance, over)]
    arrival = ADMISSION if chance.once_in(4) else chance.moment((-0.5, -0.2))
    found += [_index_ed(chance, arrival)] if arrival < ADMISSION else []
    if not chance.once_in(3):
        found += numbered("first", clinical.vital_signs(chance, arrival + timedelta(minutes=9)))
    found += numbered("visit", [_visit(chance, (-500, 40)) for _ in range(chance.number(0, 7))])
    found += PLACES if not chance.once_in(4) else ()
    found += numbered("event", [clinical.event(Chance((seed, n))) for n in range(events)])
    found += _twins(chance, found)
    clock = chance.moment((1, 60))
    return Record(tuple(found), "stay", max(clock, over) if over else clock)


def later(seed: int, after: datetime) -> list[Resource]:
    """What happened two days after a moment and on: readmissions, values, diagnoses, drugs."""
    first = (after - ADMISSION) / timedelta(days=1) + 2
    chance, span = Chance(("later", seed)), (first, first + 90)
    visits = [_visit(chance, span) for _ in range(chance.number(1, 4))]
    events = [clinical.later_event(chance, span) for _ in range(chance.number(1, 9))]
    return [*numbered("later-visit", visits), *numbered("later-event", events)]


def unrelated(seed: int) -> list[Resource]:
    """An observation, a condition and a visit that no feature speaks of, and another type."""
    chance = Chance(("unrelated", seed))
    time = chance.written(chance.one(clinical.SPANS))
    glucose = {"coding": [{"system": "http://loinc.org", "code": "2339-0"}]}
    found: list[Resource] = [
        {"resourceType": "Observation", "status": "final", "code": glucose}
        | {"effectiveDateTime": time, "valueQuantity": {"value": 99, "code": "mg/dL"}},
        {"resourceType": "Condition", "recordedDate": time}
        | {"code": {"coding": [{"system": clinical.ICD10, "code": "Z02.0"}]}},
        {"resourceType": "Encounter", "class": {"system": ACT, "code": "AMB"}}
        | {"status": "finished", "period": {"start": time}},
        {"resourceType": "Immunization", "occurrenceDateTime": time},
    ]
    return numbered("unrelated", [each | {"subject": PATIENT} for each in found])


def numbered(prefix: str, resources: Sequence[Resource]) -> list[Resource]:
    return [each | {"id": f"{prefix}-{n}"} for n, each in enumerate(resources)]


def _twins(chance: Chance, found: Sequence[Resource]) -> list[Resource]:
    """Other results of the same moment, and other versions of the same result."""
    results = [each for each in found if "valueQuantity" in each and not chance.once_in(3)]
    again = [clinical.twin(chance, each) for each in results]
    return [each | {"id": f"{each['id']}b"} if chance.once_in(2) else each for each in again]


def _patient(chance: Chance) -> Resource:
    race = {"url": "ombCategory", "valueCoding": {"code": chance.one(("2106-3", "2054-5", "UNK"))}}
    members: Resource = {
        "gender": chance.one(("male", "female", "other", "unknown")),
        "birthDate": chance.one(("1941-05-03", "1960-11-11", "1990", "1972-11", "2026-03-01")),
        "extension": [{"url": RACE, "extension": [race]}],
    }
    if chance.once_in(3):
        members |= {"identifier": [{"system": _SYNTHEA, "value": "1"}]}
    return {"resourceType": "Patient", "id": "p", **chance.some(members)}


def _index(chance: Chance, over: datetime | None) -> Resource:
    period = {"start": chance.instant(ADMISSION)}
    period |= {"end": chance.instant(over)} if over else {}
    stay: Resource = {"status": "finished" if over else "in-progress", "subject": PATIENT}
    stay |= {"period": period, "class": {"system": ACT, "code": "IMP"}, "id": "stay"}
    days = (over - ADMISSION) / timedelta(days=1) if over else 20
    return {"resourceType": "Encounter", **chance.some(_details(chance, (0, days))), **stay}


def _index_ed(chance: Chance, arrival: datetime) -> Resource:
    """The ED visit that led into the stay: tied to it, or only close in time."""
    period = {"start": arrival, "end": chance.moment((-0.2, 0.05))}
    visit: Resource = {"resourceType": "Encounter", "id": "ed", "status": "finished"}
    visit |= {"class": {"system": ACT, "code": "EMER"}, "subject": PATIENT}
    visit |= {"period": {edge: chance.instant(moment) for edge, moment in period.items()}}
    tie = {"partOf": {"reference": "Encounter/stay"}} if chance.once_in(2) else {}
    return visit | tie | {"reasonCode": [{"text": chance.one(clinical.COMPLAINTS)}]}


def _visit(chance: Chance, span: Span) -> Resource:
    start = chance.moment(span)
    minutes = chance.number(-600, 90_000) if chance.once_in(6) else chance.number(30, 9_000)
    end = start + timedelta(minutes=minutes)
    members = _details(chance, span) | {
        "period": chance.some({"start": chance.instant(start), "end": chance.instant(end)}),
        "status": chance.one(_STATUSES),
        "class": {"system": ACT, "code": chance.one(_CLASSES)},
    }
    if chance.once_in(6):
        members |= {"partOf": {"reference": chance.one(("Encounter/stay", "Encounter/visit-0"))}}
    return {"resourceType": "Encounter", "subject": PATIENT, **chance.some(members)}


def _details(chance: Chance, span: Span) -> Resource:
    hospitalization = {
        "dischargeDisposition": chance.one(("home", "snf", "exp", "02", "07", "nowhere")),
        "admitSource": chance.one(("emd", "born", "outp")),
    }
    place = chance.one(("Location/icu", "Location/ward", "Location/nowhere"))
    edges = sorted((chance.moment(span), chance.moment(span)))
    period = dict(zip(("start", "end"), map(chance.instant, edges), strict=True))
    return {
        "priority": {"coding": [{"code": chance.one(("EM", "UR", "EL", "R"))}]},
        "hospitalization": {k: {"coding": [{"code": v}]} for k, v in hospitalization.items()},
        "serviceType": {"text": chance.one(("Oncology", "Cardiology"))},
        "reasonCode": [{"text": chance.one(clinical.COMPLAINTS)}],
        "location": [{"location": {"reference": place}, "period": chance.some(period)}],
    }
