"""The stays of many patients, assessed by the rules of a hook, their scores asked for together. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cds_service.assessment import Assessment, Assessor, NotScored, Ready, readied
from fhir_mapping.encounters import role_of, visits_of
from fhir_mapping.errors import PatientError
from fhir_mapping.history import DataIssue, NoStay, PatientHistory, Role, Source, Visit, tally
from fhir_mapping.reading import history_of, profile_of
from fhir_mapping.resources import AnyResource, Encounter, Patient, decode, latest_versions, type_of
from fhir_mapping.stay import is_open
from fhir_mapping.support import Support

_AT_ONCE: Final = 1024
"""Stays whose scores are asked for together."""


@dataclass(frozen=True)
class Choice:
    """Which stays are assessed: those that `named` lists by patient; else, and where it has None for
    a patient, the finished ones that ended from `since` and before `until`, or those in progress."""

    which: Literal["finished", "open"] = "finished"
    since: datetime | None = None
    until: datetime | None = None
    named: Mapping[str, Sequence[str] | None] | None = None


@dataclass(frozen=True)
class Record:
    """What there is about one patient, as received. `sources`: how much was read of each type."""

    patient_id: str
    raws: Sequence[bytes]
    sources: Mapping[str, Source]


@dataclass(frozen=True)
class Assessed:
    """One stay; or a patient of whom no stay can be told, with no encounter."""

    record: Record
    assessment: Assessment


def assess_records(
    records: Iterable[Record],
    choice: Choice,
    as_of: datetime,
    *,
    support: Support,
    assessor: Assessor,
) -> Iterator[Assessed]:
    """Every chosen stay of every record, in their order. `as_of` is the run's one clock, aware."""
    waiting: list[tuple[Record, Ready | NotScored]] = []
    for record in records:
        found = _readied(record, choice, as_of, support=support, assessor=assessor)
        waiting.extend((record, each) for each in found)
        if len(waiting) >= _AT_ONCE:
            yield from _scored(waiting, assessor)
            waiting = []
    yield from _scored(waiting, assessor)


def _scored(
    waiting: Sequence[tuple[Record, Ready | NotScored]], assessor: Assessor
) -> Iterator[Assessed]:
    ready = [each for _, each in waiting if isinstance(each, Ready)]
    scores = iter(assessor.scorer.scores([each.vector.values for each in ready]))
    for record, each in waiting:
        done = each if isinstance(each, NotScored) else each.scored(next(scores))
        yield Assessed(record, done)


def _readied(
    record: Record, choice: Choice, as_of: datetime, *, support: Support, assessor: Assessor
) -> Iterator[Ready | NotScored]:
    if not _may_have_stays(record, choice, assessor):
        return
    resources, issues = _decoded(record.raws)
    sources = _doubted(record.sources, issues)
    try:
        history = history_of(
            [*resources, *support.of(resources)], profile=assessor.profile, issues=issues
        )
    except PatientError:
        yield NotScored(None, "patient_unknown", sources)
        return
    for encounter_id in _chosen(history.visits, record.patient_id, choice, assessor.rules.role):
        yield _of_stay(history, encounter_id, sources, as_of, assessor=assessor)


def _may_have_stays(record: Record, choice: Choice, assessor: Assessor) -> bool:
    """Told by few of the resources: most patients of an export have no stay that is asked for, and
    the others of theirs need not be read."""
    few, _ = _decoded(raw for raw in record.raws if type_of(raw) in ("Patient", "Encounter"))
    newest = latest_versions(few)
    patients = [each for each in newest if isinstance(each, Patient)]
    encounters = [each for each in newest if isinstance(each, Encounter)]
    if len(patients) != 1:
        return True
    site, role = assessor.profile or profile_of(patients[0], encounters), assessor.rules.role
    visits = visits_of((each for each in encounters if role_of(each, site) == role), (), site)
    return bool(_chosen(visits, record.patient_id, choice, role))


def _of_stay(
    history: PatientHistory,
    encounter_id: str,
    sources: Mapping[str, Source],
    as_of: datetime,
    *,
    assessor: Assessor,
) -> Ready | NotScored:
    stay = assessor.rules.index(history, encounter_id, as_of, assessor.bundle.manifest)
    if isinstance(stay, NoStay):
        return NotScored(encounter_id, stay.reason, sources)
    return readied(history, stay, sources, as_of, assessor=assessor)


def _decoded(raws: Iterable[bytes]) -> tuple[list[AnyResource], tuple[DataIssue, ...]]:
    resources: list[AnyResource] = []
    issues: list[DataIssue] = []
    for resource in map(decode, raws):
        if isinstance(resource, DataIssue):
            issues.append(resource)
        elif resource is not None:
            resources.append(resource)
    return resources, tuple(tally(issues))


def _doubted(sources: Mapping[str, Source], issues: Iterable[DataIssue]) -> Mapping[str, Source]:
    """A type of which a resource could not be read is no longer whole: a zero needs that."""
    broken = {each.resource for each in issues} & sources.keys()
    return {**sources, **{name: "partial" for name in broken if sources[name] == "read"}}


def _chosen(visits: Iterable[Visit], patient_id: str, choice: Choice, role: Role) -> list[str]:
    named = None if choice.named is None else choice.named.get(patient_id, ())
    if named is not None:
        return list(named)
    return sorted(each.id for each in visits if each.role == role and _asked_for(each, choice))


def _asked_for(visit: Visit, choice: Choice) -> bool:
    if choice.which == "open":
        return is_open(visit)
    return visit.status == "finished" and _ended_within(visit, choice)


def _ended_within(visit: Visit, choice: Choice) -> bool:
    """Where the end is not known and a span is asked for, nobody can say: it is not in it."""
    if choice.since is None and choice.until is None:
        return True
    if visit.end is None:
        return False
    late = choice.until is not None and visit.end.latest >= choice.until
    return not late and (choice.since is None or visit.end.latest >= choice.since)
