"""Cases of times: missing, reversed, without a zone, without a time, placeholders."""

from collections.abc import Iterator

from tests.corpus.case import Case, Json, lacking, not_scored, scored
from tests.service.patients import call, encounter, observation, patient, searchset, stay

_RULE = "https://hl7.org/fhir/R4/datatypes.html#dateTime"
_BLOOD_LOST = {"lace": 10}


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _stays()
    yield from _unusable_stays()
    yield from _births()
    yield from _values()


def _stay(start: str | None, end: str | None, **members: str) -> Json:
    held = {"start": start, "end": end}
    return call(stay(period={key: value for key, value in held.items() if value}, **members))


def _stays() -> Iterator[Case]:
    yield scored(
        "stay-with-offset",
        "The same instants, written in the hospital's zone.",
        _stay("2026-11-10T03:00:00-05:00", "2026-11-16T10:00:00-05:00"),
    )
    yield scored(
        "stay-with-fractions",
        "Times with fractions of a second.",
        _stay("2026-11-10T08:00:00.000Z", "2026-11-16T15:00:00.1234567Z"),
    )
    yield scored(
        "stay-without-zone",
        "A time needs a zone in FHIR; many exports leave it out.",
        _stay("2026-11-10T08:00:00", "2026-11-16T15:00:00"),
        noticed=["zone_assumed"],
        source=_RULE,
    )
    yield scored(
        "stay-by-date",
        "Only the days are known, as in billing systems.",
        _stay("2026-11-10", "2026-11-16"),
        noticed=["stay_by_date_only"],
    )
    yield scored(
        "stay-open-with-estimated-end",
        "An unfinished stay whose end is the planned day of discharge.",
        _stay("2026-11-01T12:00:00Z", "2099-01-01T10:00:00Z", status="in-progress"),
        points={"lace": 13, "hospital": 5},
        noticed=["estimated_end_ignored"],
    )
    yield scored(
        "stay-open-with-placeholder-end",
        "Year 9999 for an end that is not known.",
        _stay("2026-11-01T12:00:00Z", "9999-12-31T00:00:00Z", status="in-progress"),
        points={"lace": 13, "hospital": 5},
    )
    yield scored(
        "stay-not-closed",
        "The end is written but the status was never set to finished: it counts until now.",
        _stay("2026-11-01T12:00:00Z", "2026-11-18T12:00:00Z", status="in-progress"),
        points={"lace": 13, "hospital": 5},
        noticed=["end_of_unfinished_stay"],
    )


def _unusable_stays() -> Iterator[Case]:
    for name, why, request, reason in (
        ("without-period", "No period at all.", call(lacking(stay(), "period")), "admission_time_unknown"),
        ("without-start", "Only the end.", _stay(None, "2026-11-16T15:00:00Z"), "admission_time_unknown"),
        ("without-end", "Finished, but not when.", _stay("2026-11-10T08:00:00Z", None), "discharge_time_unknown"),
        ("reversed", "The end before the start: typed by hand.",
         _stay("2026-11-16T15:00:00Z", "2026-11-10T08:00:00Z"), "discharge_before_admission"),
        ("in-american-dates", "Dates as people write them.", _stay("11/10/2026", "11/16/2026"), "admission_time_unknown"),
        ("from-year-1", "The smallest date of a programming language.",
         _stay("0001-01-01T00:00:00Z", "2026-11-16T15:00:00Z"), "admission_time_unknown"),
        ("with-empty-period", "An empty object, against FHIR's rules.", call(stay(period={})), "admission_time_unknown"),
        ("of-decades", "A stay of thirty years: the wrong century was typed.",
         _stay("1996-11-10T08:00:00Z", "2026-11-16T15:00:00Z"), "length_of_stay_implausible"),
    ):  # fmt: skip
        yield not_scored(f"stay-{name}", why, request, reason)


def _births() -> Iterator[Case]:
    for name, text in (("year", "1948"), ("month", "1948-03")):
        yield scored(
            f"birth-{name}-only",
            "Systems that protect the date of birth give a part of it.",
            call(patient=patient(birthDate=text)),
            noticed=["birth_date_partial"],
        )
    yield not_scored(
        "birth-in-words",
        "A date of birth that is no date.",
        call(patient=patient(birthDate="9 March 1948")),
        "age_unknown",
    )
    yield scored(
        "birth-by-extension",
        "The primitive's extension beside the value, here the time of birth.",
        call(
            patient=patient(
                _birthDate={
                    "extension": [
                        {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime"}
                    ]
                }
            )
        ),
    )


def _blood(**members: object) -> Json:
    blood = lacking(observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z"), "effectiveDateTime")
    salt = observation("2951-2", 131, "mmol/L", "2026-11-15T06:00:00Z")
    return call(observations=searchset(blood | members, salt))


def _values() -> Iterator[Case]:
    for name, member, value in (
        ("instant", "effectiveInstant", "2026-11-15T06:00:00Z"),
        (
            "period",
            "effectivePeriod",
            {"start": "2026-11-15T06:00:00Z", "end": "2026-11-15T06:05:00Z"},
        ),
    ):
        yield scored(
            f"value-by-{name}", "effective[x] in another of its forms.", _blood(**{member: value})
        )
    yield scored(
        "value-without-time",
        "No effective time: a last value cannot be told from an older one.",
        _blood(),
        points=_BLOOD_LOST,
        noticed=["time_missing"],
    )
    yield scored(
        "value-at-24-hours",
        "24:00, which FHIR does not have.",
        _blood(effectiveDateTime="2026-11-15T24:00:00Z"),
        points=_BLOOD_LOST,
        noticed=["time_missing"],
    )
    yield scored(
        "value-after-discharge",
        "A value of the day after must not be seen by an assessment at discharge.",
        _blood(effectiveDateTime="2026-11-17T06:00:00Z"),
        points=_BLOOD_LOST,
    )
    yield scored(
        "value-by-date",
        "A value of a day without its time.",
        _blood(effectiveDateTime="2026-11-15"),
    )
    yield scored(
        "earlier-stay-without-end",
        "An earlier stay that nobody closed still counts as an admission.",
        call(encounters=searchset(stay(), encounter("stay-0", "2026-06-01T08:00:00Z", None))),
        points={"lace": 9, "hospital": 5},
    )
