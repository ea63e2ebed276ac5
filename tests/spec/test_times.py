"""Times as FHIR writes them: zone-less, date-only, partial, malformed."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.scores import lace
from fhir_mapping.when import When, exactly, parse_when, sortable
from tests.spec.record import (
    condition,
    ed_visit,
    issue_codes,
    observations,
    scored,
    stay,
    value,
    vector,
    visit,
)

NEW_YORK = ZoneInfo("America/New_York")
TICK = ".999999"


def drawn(when: When | None) -> str:
    """`earliest` or `earliest .. latest`, in UTC."""
    if when is None:
        return "none"
    edges = [each.isoformat().removesuffix("+00:00") for each in (when.earliest, when.latest)]
    return edges[0] if not when.dated else " .. ".join(edges)


@pytest.mark.parametrize(
    ("text", "zone", "meaning"),
    [
        ("2024-03-10T08:20:00Z", UTC, "2024-03-10T08:20:00"),
        ("2024-03-10T08:20:00+02:00", UTC, "2024-03-10T06:20:00"),
        ("2024-03-10T08:20:00-05:00", NEW_YORK, "2024-03-10T13:20:00"),
        ("2024-03-10T08:20:00.123Z", UTC, "2024-03-10T08:20:00.123000"),
        ("2024-03-10T08:20:00", UTC, "2024-03-10T08:20:00"),
        ("2024-01-10T08:20:00", NEW_YORK, "2024-01-10T13:20:00"),
        ("2024-07-10T08:20:00", NEW_YORK, "2024-07-10T12:20:00"),
        ("2024-07-10T08:20", NEW_YORK, "2024-07-10T12:20:00"),
        ("2024-03-15", UTC, f"2024-03-15T00:00:00 .. 2024-03-15T23:59:59{TICK}"),
        ("2024-01-15", NEW_YORK, f"2024-01-15T05:00:00 .. 2024-01-16T04:59:59{TICK}"),
        ("2024-03-10", NEW_YORK, f"2024-03-10T05:00:00 .. 2024-03-11T03:59:59{TICK}"),
        ("2024-02", UTC, f"2024-02-29T00:00:00 .. 2024-02-29T23:59:59{TICK}"),
        ("2023", UTC, f"2023-12-31T00:00:00 .. 2023-12-31T23:59:59{TICK}"),
    ],
)
def test_a_time_is_an_instant_or_a_day(text: str, zone: tzinfo, meaning: str) -> None:
    assert drawn(parse_when(text, zone)) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "10/03/2024",
        "2024-13-01",
        "2023-02-29",
        "2024-00",
        "2024-3-1",
        "2024-03-10 08:20:00Z",
        "2024-03-10T25:00:00Z",
        "2024-03-10T08:20:00Z ",
        "2024-03-10T08:20:00+99:00",
        "20240310",
        "0000",
        "0001-01-01",
        "9999-12-31",
        "٢٠٢٤-03-10T08:20:00Z",
    ],
)
def test_what_is_no_time_or_a_placeholder_says_nothing(text: str) -> None:
    assert parse_when(text, UTC) is None
    assert parse_when(text, NEW_YORK) is None


@pytest.mark.parametrize(
    ("time", "moment", "answers"),
    [  # ------------------------- before, by, since
        ("2024-03-10T08:00:00Z", "2024-03-10T08:00:00+00:00", (False, True, True)),
        ("2024-03-10T07:59:59Z", "2024-03-10T08:00:00+00:00", (True, True, False)),
        ("2024-03-10T08:00:01Z", "2024-03-10T08:00:00+00:00", (False, False, True)),
        ("2024-03-10", "2024-03-10T08:00:00+00:00", (False, True, True)),
        ("2024-03-09", "2024-03-10T00:00:00+00:00", (True, True, False)),
        ("2024-03-11", "2024-03-10T23:59:59+00:00", (False, False, True)),
        ("2024-03", "2024-03-10T08:00:00+00:00", (False, False, True)),
        ("2024", "2024-03-10T08:00:00+00:00", (False, False, True)),
    ],
)
def test_days_compare_by_date(time: str, moment: str, answers: tuple[bool, bool, bool]) -> None:
    when = parse_when(time, UTC)
    assert when is not None
    other = datetime.fromisoformat(moment)
    assert (when.before(other), when.by(other), when.since(other)) == answers


def test_an_instant_is_itself_in_any_zone() -> None:
    noon = datetime(2024, 3, 10, 8, tzinfo=NEW_YORK)
    assert drawn(exactly(noon)) == "2024-03-10T12:00:00"


def test_last_updates_sort_by_time_whatever_their_zone() -> None:
    earlier, later = "2024-03-10T10:00:00+02:00", "2024-03-10T09:00:00Z"
    assert sortable("soon") < sortable(earlier) < sortable(later)


def test_a_zoneless_value_is_read_in_the_profiles_zone_and_counted() -> None:
    ed = ed_visit("2024-03-10T08:00:00-04:00", "2024-03-10T12:00:00-04:00")
    rest = stay("2024-03-10T12:00:00-04:00", "2024-03-15T12:00:00-04:00")
    seen = observations("2024-03-10T08:30:00 | 8867-4 | 88 | /min")
    here = vector(ed, rest, seen, profile="synthea")
    assert here["triage_heartrate"] == 88
    assert "zone_assumed" in issue_codes(here)
    assert value("triage_heartrate", ed, rest, seen, profile="us_core") is None


@pytest.mark.parametrize(
    ("earlier", "answer"),
    [
        pytest.param("2024-03-09", 1, id="the day before T0"),
        pytest.param("2024-03-10", 0, id="the day of T0"),
        pytest.param("2024-02-09", 1, id="the day of T0 - 30 d"),
        pytest.param("2024-02-08", 0, id="one day earlier"),
        pytest.param("2024-02", 1, id="a month is its last day"),
        pytest.param("2024", 0, id="a year is its last day"),
        pytest.param("soon", 0, id="no time"),
    ],
)
def test_a_stay_by_date_only_counts_by_date(earlier: str, answer: float) -> None:
    assert value("n_hosp_30d", visit("before", "IMP", earlier, earlier)) == answer


def test_a_value_by_date_only_lies_in_a_window_of_that_day() -> None:
    seen = observations("2024-03-10 | 8867-4 | 88 | /min")
    assert value("triage_heartrate", ed_visit(), seen) == 88
    assert value("triage_heartrate", ed_visit("03-11 08:00"), seen) is None


@pytest.mark.parametrize("time", ["2024-13-40", "9999-12-31", ""])
def test_a_value_without_a_readable_time_is_left_out_and_counted(time: str) -> None:
    answer = vector(ed_visit(), observations(f"{time} | 8867-4 | 88 | /min"))
    assert answer["triage_heartrate"] is None
    assert "time_missing" in issue_codes(answer)


@pytest.mark.parametrize("profile", ["us_core", "synthea"])
@pytest.mark.parametrize(
    ("time", "shown"),
    [("2024-03-10", "2024-03-10"), ("03-10 16:20", "2024-03-10T16:20:00+00:00")],
)
def test_evidence_has_the_instant_or_the_day(profile: str, time: str, shown: str) -> None:
    answer = vector(observations(f"{time} | 8867-4 | 88 | /min"), profile=profile)
    assert [row.time for row in answer.evidence_for("triage_heartrate")] == [shown]


def test_people_read_days_in_the_zone_that_the_stay_is_written_in() -> None:
    at_night = condition("icd10|I50.9", recorded="2024-01-01T02:00:00Z")
    for admitted, day in (
        ("03-10 12:00", "2024-01-01"),
        ("2024-03-10T07:00:00-05:00", "2023-12-31"),
    ):
        answer = scored(lace, stay(admitted), at_night)
        assert [each.date for each in answer.components if each.name == "charlson"] == [day]
