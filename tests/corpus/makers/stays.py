"""Cases of who is scored: the stay, how it ends, whether the patient lives, which stay is meant."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.case import Case, Json, context, lacking, not_scored, refused, scored
from tests.service.patients import call, concept, encounter, patient, searchset, stay, view

_DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
_SOURCE = "http://terminology.hl7.org/CodeSystem/admit-source"
_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
_START, _END = "2026-11-10T08:00:00Z", "2026-11-16T15:00:00Z"
_NUBC = "https://www.nubc.org/CodeSystem/PatDischargeStatus"
WHILE_THERE = {"lace": 12, "hospital": 5}
"""The points of `open_stay` alone: no ED visit before it, and a length that counts until now."""
_MEASURE = "https://www.cmaj.ca/content/182/6/551"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _ends()
    yield from _kinds()
    yield from _people()
    yield from _statuses()
    yield from _views()
    yield from _other_versions()


def open_stay(name: str = "stay-1") -> Json:
    """In progress, and so long already that another day makes no difference to the points."""
    return encounter(name, "2026-11-01T12:00:00Z", None)


def _left(code: str, system: str = _DISPOSITION) -> Json:
    return call(stay(hospitalization={"dischargeDisposition": concept(system, code)}))


def _ends() -> Iterator[Case]:
    for code, system, name, reason in (
        ("hosp", _DISPOSITION, "to-hospice", "hospice"),
        ("02", _NUBC, "to-another-hospital", "transferred"),
        ("aadvice", _DISPOSITION, "against-advice", "against_advice"),
        ("exp", _DISPOSITION, "dead", "deceased"),
    ):
        yield not_scored(
            f"left-{name}",
            "Outside the population in which readmission within 30 days is predicted.",
            _left(code, system),
            reason,
            source=_MEASURE,
        )
    yield scored("left-home", "Home is where most patients go.", _left("home"))
    yield scored(
        "left-to-other-facility",
        "Another facility need not be an acute hospital.",
        _left("other-hcf"),
    )
    yield scored(
        "left-in-words",
        "The disposition as free text only: it is noticed and not guessed.",
        call(stay(hospitalization={"dischargeDisposition": {"text": "to daughter's house"}})),
        noticed=["disposition_not_understood"],
    )


def _kinds() -> Iterator[Case]:
    for kind, name, reason in (
        ("EMER", "emergency-visit", "not_inpatient"),
        ("AMB", "outpatient-visit", "not_inpatient"),
        ("OBSENC", "observation", "observation_stay"),
        ("NONAC", "non-acute", "not_acute"),
    ):
        yield not_scored(
            f"kind-{name}",
            "encounter-discharge fires at the end of every encounter of a facility.",
            call(encounter("stay-1", _START, _END, kind=kind)),
            reason,
            source="https://cds-hooks.hl7.org/hooks/encounter-discharge/",
        )
    yield scored(
        "kind-acute",
        "Class ACUTE in place of IMP.",
        call(encounter("stay-1", _START, _END, kind="ACUTE")),
    )
    yield scored(
        "kind-elective",
        "A planned admission counts no points for acuity.",
        call(stay(priority=concept(_PRIORITY, "EL"))),
        points={"lace": 7, "hospital": 4},
    )
    yield not_scored(
        "kind-without-priority",
        "Nothing says whether the admission was acute, so neither score can be summed.",
        call(stay(priority=None)),
        "score_inputs_missing",
    )


def _people() -> Iterator[Case]:
    for name, why, person, reason in (
        ("under-18", "The scores are for adults.", patient(birthDate="2012-05-06"), "under_18"),
        ("birth-date-missing", "A patient without a date of birth.", lacking(patient(), "birthDate"), "age_unknown"),
        ("deceased-boolean", "Dead, and not said when.", patient(deceasedBoolean=True), "deceased"),
        ("deceased-in-stay", "Died on the day of discharge.", patient(deceasedDateTime="2026-11-16"), "deceased"),
    ):  # fmt: skip
        yield not_scored(f"person-{name}", why, call(patient=person), reason)
    yield not_scored(
        "person-newborn",
        "A birth is an inpatient stay of the child too.",
        call(
            stay(hospitalization={"admitSource": concept(_SOURCE, "born")}),
            patient=patient(birthDate="2026-11-10"),
        ),
        "newborn",
    )
    yield scored(
        "person-died-later",
        "The chart is opened again after a death at home: at discharge the patient was alive.",
        call(patient=patient(deceasedDateTime="2026-11-19T04:00:00Z")),
    )
    yield scored(
        "person-not-deceased",
        "deceasedBoolean false.",
        call(patient=patient(deceasedBoolean=False)),
    )
    yield scored(
        "person-gender-of-their-own",
        "A code that is not in FHIR's list.",
        call(patient=patient(gender="non-binary")),
    )


def _statuses() -> Iterator[Case]:
    for status in ("cancelled", "entered-in-error"):
        yield not_scored(
            f"status-{status}",
            "The stay did not take place.",
            call(stay(status=status)),
            "encounter_cancelled",
        )
    yield not_scored(
        "status-planned",
        "A pre-admission: the patient is not there yet.",
        call(encounter("stay-1", "2026-12-01", None, status="planned")),
        "not_admitted_yet",
    )
    yield scored(
        "status-on-leave",
        "The patient is at home for a weekend of an open stay.",
        call(open_stay() | {"status": "onleave"}),
        points={"lace": 13, "hospital": 5},
    )
    yield scored(
        "status-cancelled-in-the-past",
        "An earlier admission that was entered in error counts for nothing.",
        _earlier(status="entered-in-error"),
    )


def _earlier(**members: Any) -> Json:
    visit = encounter("ed-0", "2026-09-01T08:00:00Z", "2026-09-01T12:00:00Z", kind="EMER")
    past = [
        encounter(f"stay-a{n}", f"2026-0{n}-01T08:00:00Z", f"2026-0{n}-03T08:00:00Z", **members)
        for n in range(2, 5)
    ]
    return call(encounters=searchset(stay(), visit, *past))


def _views() -> Iterator[Case]:
    first, second = open_stay("stay-1"), open_stay("stay-2")
    yield not_scored(
        "view-no-open-stay", "A chart opened between stays.", view(stay()), "no_open_stay"
    )
    yield not_scored("view-no-encounters", "A new patient.", view(), "no_open_stay")
    yield not_scored(
        "view-two-open-stays",
        "A stay that nobody closed beside the one that goes on: which is meant is not guessed.",
        view(first, second),
        "several_open_stays",
    )
    yield scored(
        "view-one-of-two-by-id",
        "The same with the encounter named.",
        context(view(first, second), encounterId="stay-1"),
        points=WHILE_THERE,
    )
    yield scored(
        "view-open-stay-and-emergency-visit",
        "An ED visit that was never closed is no stay, but counts as a visit.",
        view(first, encounter("ed-1", "2026-10-01T12:00:00Z", None, kind="EMER")),
        points={"lace": 13, "hospital": 5},
    )


def _other_versions() -> Iterator[Case]:
    """Encounters of other FHIR versions. What they say of the stay cannot be read as R4."""
    five = lacking(stay(), "period") | {
        "class": [concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP")],
        "status": "completed",
        "actualPeriod": {"start": _START, "end": _END},
        "admission": {"dischargeDisposition": concept(_DISPOSITION, "home")},
    }
    two = stay() | {"class": "inpatient", "patient": {"reference": "Patient/p1"}}
    for name, index in (("r5", five), ("dstu2", two)):
        yield refused(
            f"encounter-of-{name}",
            "No FHIR version is agreed between client and service, so the wrong one comes.",
            call(index),
            412,
            where="prefetch.encounter",
            source="https://github.com/cds-hooks/docs/issues/11",
        )
    yield not_scored(
        "earlier-encounter-of-r5",
        "One encounter of another version among the past ones: the past is known in part.",
        call(encounters=searchset(stay(), five | {"id": "stay-5"})),
        "below_coverage_floor",
    )
