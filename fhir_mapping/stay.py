"""The index stay and its clock: which visit, since when, as of when (METHOD.md, The clock)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from fhir_mapping.history import DataIssue, IndexStay, NoStay, PatientHistory, Role, Visit

DEAD_STATUS = frozenset(("cancelled", "entered-in-error"))
_NOT_HAPPENED = DEAD_STATUS | {"planned"}
OPEN_STATUS = frozenset(("in-progress", "onleave", "arrived", "triaged"))
_ED_ENDS_BEFORE = timedelta(hours=6)
_ED_ENDS_AFTER = timedelta(hours=2)


def index_stay(history: PatientHistory, encounter_id: str, now: datetime) -> IndexStay | NoStay:
    """The stay of `encounter_id` as of its end where it is finished, else as of `now` (aware).

    NoStay where no prediction time can be had: `encounter_unknown encounter_cancelled
    not_inpatient not_admitted_yet admission_time_unknown discharge_time_unknown
    discharge_before_admission`.
    """
    visit = next((each for each in history.visits if each.id == encounter_id), None)
    refusal = _refusal(visit)
    if visit is None or visit.start is None or refusal:
        return NoStay(refusal or "encounter_unknown")
    admission = visit.start.earliest
    finished = visit.status == "finished"
    prediction_time = visit.end.latest if finished and visit.end else now
    if prediction_time < admission:
        return NoStay("discharge_before_admission" if finished else "not_admitted_yet")
    ed_visits = _index_ed_visits(history.visits, visit, admission, prediction_time)
    ed_start = min((_start(each) for each in ed_visits), default=None)
    return IndexStay(
        visit=visit,
        admission=admission,
        prediction_time=prediction_time,
        timing="at_discharge" if finished else "before_discharge",
        t0=ed_start or admission,
        ed_visits=ed_visits,
        ed_start=ed_start,
        ed_end=_departure(ed_visits, prediction_time),
        zone=history.zone if visit.start.offset is None else timezone(visit.start.offset),
        issues=tuple(noticed(visit, finished, now)),
    )


def open_visits(history: PatientHistory, role: Role) -> tuple[Visit, ...]:
    """The visits of a role that are in progress, in order of their ids."""
    found = (each for each in history.visits if each.role == role and is_open(each))
    return tuple(sorted(found, key=lambda each: each.id))


def is_open(visit: Visit) -> bool:
    """Whether a visit is in progress."""
    return visit.status in OPEN_STATUS


def finished_stays(history: PatientHistory, now: datetime) -> Iterator[IndexStay]:
    """Every finished hospital stay as an index stay, in order of their ids."""
    for visit in sorted(history.visits, key=lambda each: each.id):
        stay = index_stay(history, visit.id, now) if visit.status == "finished" else None
        if isinstance(stay, IndexStay):
            yield stay


def happened(visit: Visit) -> bool:
    """True for a visit that took or takes place: not planned, cancelled or entered in error."""
    return visit.start is not None and visit.status not in _NOT_HAPPENED


def _refusal(visit: Visit | None) -> str | None:
    if visit is None:
        return "encounter_unknown"
    if visit.status in DEAD_STATUS:
        return "encounter_cancelled"
    if visit.role != "hospital":
        return "not_inpatient"
    if visit.status == "planned":
        return "not_admitted_yet"
    if visit.start is None:
        return "admission_time_unknown"
    if visit.status == "finished" and visit.end is None:
        return "discharge_time_unknown"
    return None


def noticed(visit: Visit, finished: bool, now: datetime) -> Iterable[DataIssue]:
    """What a person should know of the times of the index visit."""
    if not finished and visit.end:
        late = visit.end.latest > now
        yield DataIssue("estimated_end_ignored" if late else "end_of_unfinished_stay", "Encounter")
    if visit.disposition_uncoded:
        yield DataIssue("disposition_not_understood", "Encounter")
    if (visit.start and visit.start.dated) or (finished and visit.end and visit.end.dated):
        yield DataIssue("stay_by_date_only", "Encounter")
    if (visit.start and visit.start.zoneless) or (finished and visit.end and visit.end.zoneless):
        yield DataIssue("zone_assumed", "Encounter")


def _index_ed_visits(
    visits: Iterable[Visit], index: Visit, admission: datetime, prediction_time: datetime
) -> tuple[Visit, ...]:
    """The ED visit that led into the stay, with those that overlap or touch it."""
    candidates = [
        each
        for each in visits
        if each.role == "ed" and happened(each) and _start(each) <= prediction_time
    ]
    tied = [v for v in candidates if index.id == v.part_of or (v.id and v.id == index.part_of)]
    seeds = tied or [v for v in candidates if _leads_into(v, admission)]
    if not seeds:
        return ()
    seed = min(seeds, key=lambda v: (abs(_end(v, prediction_time) - admission), _start(v), v.id))
    return _merged(seed, candidates, prediction_time)


def _leads_into(visit: Visit, admission: datetime) -> bool:
    end = visit.end
    return end is not None and (
        end.since(admission - _ED_ENDS_BEFORE) and end.by(admission + _ED_ENDS_AFTER)
    )


def _merged(
    seed: Visit, candidates: Iterable[Visit], prediction_time: datetime
) -> tuple[Visit, ...]:
    """The run of overlapping or touching visits that the seed is in."""
    run: list[Visit] = []
    until = _start(seed)
    for each in sorted(candidates, key=lambda each: (_start(each), each.id)):
        if run and _start(each) > until:
            if any(visit is seed for visit in run):
                break
            run.clear()
        ends = _end(each, prediction_time) if each is seed else _known_end(each)
        until = max(until, ends) if run else ends
        run.append(each)
    return tuple(run)


def _departure(ed_visits: tuple[Visit, ...], prediction_time: datetime) -> datetime | None:
    """The last end that is known; now while the patient is there; None where it was not written."""
    if not ed_visits:
        return None
    known = [each.end.latest for each in ed_visits if each.end]
    if not known and all(each.status == "finished" for each in ed_visits):
        return None
    return min(max(known, default=prediction_time), prediction_time)


def _start(visit: Visit) -> datetime:
    assert visit.start is not None  # noqa: S101 - happened() holds for every caller
    return visit.start.earliest


def _known_end(visit: Visit) -> datetime:
    """Without an end it is only known to have begun: a forgotten visit must not reach until now."""
    return visit.end.latest if visit.end else _start(visit)


def _end(visit: Visit, prediction_time: datetime) -> datetime:
    return visit.end.latest if visit.end else max(prediction_time, _start(visit))
