"""A patient's record in neutral words: what every reader produces and extract consumes.

Not FHIR: resources.py and events.py know that. A table reader builds the same types.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Literal

import msgspec

from fhir_mapping.when import When

Source = Literal["read", "partial", "not_read"]
"""How much of one resource type was seen (METHOD.md, Absence): all of the look-back, part, none."""

Sources = Mapping[str, Source]
"""By FHIR resource type; a type that is not a key was not read. ED visits may have a key of their
own (readings.ED_VISITS)."""

Role = Literal["ed", "hospital", "icu", "other"]
Timing = Literal["at_discharge", "before_discharge"]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a statement comes from: reference (`Observation/12`), version, last update."""

    reference: str
    version: str = ""
    last_updated: str = ""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One timed statement about the patient.

    `kind` is a measure (`heart_rate`), or one of `diagnosis problem procedure ed_drug home_drug
    payer complaint`. `value` and `unit` are as received; `name` is what is counted or matched
    (a code, a drug's name). `row` tells a triage value from a serial one where the site does.
    `current` says of a problem that it was active when the record was read.
    """

    kind: str
    origin: Origin
    time: When | None = None
    issued: When | None = None
    ended: When | None = None
    value: float | str | None = None
    unit: str | None = None
    name: str = ""
    features: frozenset[str] = frozenset()
    visit: str = ""
    row: Literal["", "triage", "serial", "unknown"] = ""
    comparator: str = ""
    current: bool = True


class Segment(msgspec.Struct, frozen=True, gc=False):
    """A stretch of intensive care within a visit; `end` None while it lasts."""

    start: When
    end: When | None


class Visit(msgspec.Struct, frozen=True, gc=False):
    """One encounter, its role decided by the site profile. Category levels as in the catalogue."""

    id: str
    role: Role
    origin: Origin
    status: str
    start: When | None = None
    end: When | None = None
    part_of: str = ""
    admission_type: str = "unknown"
    arrival: str = "unknown"
    disposition: str = "unknown"
    oncology: bool | None = None
    newborn: bool = False
    transferred_in: bool = False
    hospice: bool = False
    acute: bool = True
    disposition_uncoded: bool = False
    unresolved_locations: bool = False
    reasons: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()


class Person(msgspec.Struct, frozen=True, gc=False):
    """The patient. A partial `birth` is its last possible day; `deceased_on` None with `deceased`
    True: the day is not known."""

    id: str
    origin: Origin
    birth: date | None = None
    birth_partial: bool = False
    sex: str = "unknown"
    ethnicity: str = "unknown"
    deceased: bool = False
    deceased_on: When | None = None


@dataclass(frozen=True)
class DataIssue:
    """Something about the data that a person should know. Never a patient's value.

    `code` is one of docs/reference/issues.md; `count` how often; `feature` where it concerns one.
    """

    code: str
    resource: str
    count: int = 1
    feature: str | None = None


@dataclass(frozen=True)
class PatientHistory:
    """Everything read about one patient, unordered; `events` grouped by kind."""

    person: Person
    visits: tuple[Visit, ...]
    events: Mapping[str, tuple[Event, ...]]
    issues: tuple[DataIssue, ...]
    profile: str
    profile_detected: bool
    zone: tzinfo = UTC
    plain_complaint_match: bool = False
    outpatient_diagnoses: bool = False
    ed_drugs_by_visit: bool = False

    def of(self, kind: str) -> tuple[Event, ...]:
        """All events of one kind."""
        return self.events.get(kind, ())


@dataclass(frozen=True)
class IndexStay:
    """The stay to be scored and its clock (METHOD.md, The clock).

    `t0` is the start of the index ED visit, else of the admission. `ed_visits` are merged into
    [`ed_start`, `ed_end`]; `ed_end` None where it was not written. `zone`: the one the
    stay itself is written in, for dates that people read.
    """

    visit: Visit
    admission: datetime
    prediction_time: datetime
    timing: Timing
    t0: datetime
    ed_visits: tuple[Visit, ...] = ()
    ed_start: datetime | None = None
    ed_end: datetime | None = None
    zone: tzinfo = UTC
    issues: tuple[DataIssue, ...] = ()


@dataclass(frozen=True)
class NoStay:
    """Why no index stay could be made of an encounter."""

    reason: str


def tally(issues: Iterable[DataIssue]) -> tuple[DataIssue, ...]:
    """Equal issues added up, in a fixed order."""
    counts: dict[tuple[str, str, str], int] = {}
    for issue in issues:
        key = (issue.code, issue.resource, issue.feature or "")
        counts[key] = counts.get(key, 0) + issue.count
    return tuple(
        DataIssue(code, resource, count, feature or None)
        for (code, resource, feature), count in sorted(counts.items())
    )
