"""The worklist without network and browser: who comes first, who stands apart, what a spreadsheet gets."""

import csv
import io
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.answers import Fetched
from cds_service.cells import harmless
from cds_service.hooks.task_wording import wording_of
from cds_service.smart.worklist.days import bounds, day_of
from cds_service.smart.worklist.listed import Reading, Worklist, worklist
from cds_service.smart.worklist.spreadsheet import HEAD, as_csv, file_name
from cds_service.smart.worklist.stays import CHUNK, Stay, queries, stays_in
from cds_service.storage.listings import StayOfDay
from tests.service.patients import Json, searchset
from tests.service.stored import assessment
from tests.service.trained import shipped_bundle

BUNDLE = shipped_bundle()
LONDON = ZoneInfo("Europe/London")
READING = Reading(BUNDLE, wording_of(BUNDLE), LONDON)
ALL = frozenset(("Encounter", "Location", "Patient"))
WARD = Stay("p", "Doe, Jane", "1948-03-09", "Ward 4", "12", "finished", None)
UNSCORED: Json = {"outcome": "not_scored", "probability": None, "lace_points": None}


def stay(name: str = "e", *, newest: Json | None = None, **columns: Any) -> StayOfDay:
    row = assessment(encounter_id=name, patient_id="p", bundle_digest=BUNDLE.digest, **columns)
    if newest is None:
        return StayOfDay(row, row if row["outcome"] == "scored" else None)
    return StayOfDay({**row, **UNSCORED, **newest}, row)


def listed(
    *stays: StayOfDay, per_day: float | None = None, unit: str = "", **found: Stay
) -> Worklist:
    return worklist(stays, found, READING, per_day=per_day, unit=unit)


def test_ranks_follow_the_order_and_filters_move_nobody_up() -> None:
    days = [stay(name, probability=p) for name, p in (("a", 0.9), ("b", 0.5), ("c", 0.2))]
    other = Stay("p", None, None, "Ward 5", None, "finished", None)
    found = listed(*days, a=WARD, b=other, c=WARD)
    assert [(each.encounter_id, each.rank) for each in found.ranked] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]
    filtered = listed(*days, a=WARD, b=other, c=WARD, unit="Ward 4")
    assert [(each.encounter_id, each.rank) for each in filtered.ranked] == [("a", 1), ("c", 3)]
    assert filtered.units == ("Ward 4", "Ward 5")
    assert (found.total, filtered.total, found.unread) == (3, 3, 0)


@pytest.mark.parametrize(
    ("per_day", "within"), [(None, 3), (0.5, 0), (1, 1), (2.9, 2), (3, 3), (50, 3)]
)
def test_the_line_is_drawn_where_the_capacity_ends(per_day: float | None, within: int) -> None:
    found = listed(*(stay(str(n)) for n in range(3)), per_day=per_day)
    assert len(found.within) == within
    assert len(found.beyond) == 3 - within


def test_the_line_counts_the_whole_day_also_where_a_unit_is_shown() -> None:
    days = [stay(name) for name in "abc"]
    other = Stay("p", None, None, "Ward 5", None, None, None)
    found = listed(*days, a=other, b=WARD, c=WARD, per_day=2, unit="Ward 4")
    assert [each.encounter_id for each in found.within] == ["b"]
    assert [each.encounter_id for each in found.beyond] == ["c"]


def test_without_a_score_a_stay_stands_apart_and_says_why() -> None:
    (entry,) = listed(stay(outcome="not_scored", reason="under_18", probability=None)).apart
    assert entry.rank is None
    assert entry.risk is None
    assert entry.points == ()
    assert entry.remark == "Not scored: the patient is under 18; the scores are for adults."


def test_whoever_is_out_of_the_population_since_is_not_ranked_by_an_earlier_score() -> None:
    found = listed(stay(newest={"reason": "deceased"}, probability=0.18))
    assert found.ranked == ()
    (entry,) = found.apart
    assert entry.risk == "18 %"
    assert entry.remark
    assert "the patient has died" in entry.remark
    assert "The estimate is from before." in entry.remark


@pytest.mark.parametrize("reason", ["below_coverage_floor", "score_inputs_missing"])
def test_a_later_call_that_read_too_little_takes_nothing_back(reason: str) -> None:
    found = listed(stay(newest={"reason": reason}))
    (entry,) = found.ranked
    assert entry.rank == 1
    assert entry.remark
    assert entry.remark.startswith("Not scored at ")


def test_an_entry_says_what_is_known_and_what_was_not_read() -> None:
    (known,) = listed(stay(probability=0.1849, alerted=True), e=WARD).ranked
    assert (known.name, known.unit, known.bed, known.state) == (
        "Doe, Jane", "Ward 4", "12", "discharged",
    )  # fmt: skip
    assert (known.risk, known.warned) == ("18 %", True)
    assert known.points == ("LACE 11 (high)", "HOSPITAL 5 (intermediate)")
    (unknown,) = listed(stay(probability=None, timing="before_discharge")).ranked
    assert (unknown.name, unknown.unit, unknown.risk) == (None, None, None)
    assert unknown.state == "not read; assessed before discharge"
    assert listed(stay()).unread == 1


def test_points_of_another_bundle_have_no_class() -> None:
    row = assessment(bundle_digest="0" * 64)
    assert listed(StayOfDay(row, row)).ranked[0].points == ("LACE 11", "HOSPITAL 5")


def test_stays_are_asked_for_in_chunks_with_what_was_granted() -> None:
    asked = queries((f"e{n}" for n in range(2 * CHUNK + 1)), ALL)
    assert len(asked) == 3
    assert asked[2] == (
        f"Encounter?_id=e100&_count={CHUNK}&_include=Encounter:patient&_include=Encounter:location"
    )
    assert queries(["e"], {"Encounter"}) == [f"Encounter?_id=e&_count={CHUNK}"]
    assert queries(["e"], {"Patient"}) == []
    assert queries(["e", "e", "a b", "a,b", "a&b=c", "x" * 65, ""], {"Encounter"}) == [
        f"Encounter?_id=e&_count={CHUNK}"
    ]


def place(name: str, kind: str | None = None, **other: Any) -> Json:
    coded = {"physicalType": {"coding": [{"code": kind}]}} if kind else {}
    return {"location": {"reference": f"Location/{name}", "display": name}} | coded | other


def read(*resources: Json, **encounter: Any) -> dict[str, Stay]:
    made: Json = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "subject": {"reference": "Patient/p"},
        "period": {"start": "2026-11-10", "end": "2026-11-16T15:00:00Z"},
    } | encounter
    page = msgspec.Raw(msgspec.json.encode(searchset(made, *resources)))
    return stays_in([Fetched(pages=[page])])


def test_a_stay_is_read_with_name_unit_and_bed() -> None:
    names = [
        {"use": "old", "family": "Roe"},
        {"use": "official", "family": "Doe", "given": ["Jane", "Q"]},
    ]
    person = {"resourceType": "Patient", "id": "p", "birthDate": "1948-03-09", "name": names}
    places = [place("Ward 3", "wa", status="completed"), place("Ward 4", "wa"), place("12", "bd")]
    assert read(person, location=places) == {
        "e": Stay(
            "p", "Doe, Jane Q", "1948-03-09", "Ward 4", "12", "finished", "2026-11-16T15:00:00Z"
        )
    }


PLACES: dict[str, tuple[list[Json], list[Json], tuple[str | None, str | None]]] = {
    "none": ([], [], (None, None)),
    "all left": ([place("Ward 3", status="completed")], [], ("Ward 3", None)),
    "kind unknown": ([place("Ward 3")], [], ("Ward 3", None)),
    "the bed says where it stands": (
        [{"location": {"reference": "Location/b"}}],
        [
            {
                "resourceType": "Location", "id": "b", "name": "B-2",
                "physicalType": {"coding": [{"code": "bd"}]},
                "partOf": {"display": "Ward 9"},
            }
        ],
        ("Ward 9", "B-2"),
    ),
    "not included": ([{"location": {"reference": "Location/b"}}], [], (None, None)),
    "no objects": ([7], [], (None, None)),  # type: ignore[list-item]
}  # fmt: skip


@pytest.mark.parametrize("case", PLACES)
def test_where_a_patient_is(case: str) -> None:
    places, locations, expected = PLACES[case]
    found = read(*locations, location=places)["e"]
    assert (found.unit, found.bed) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, None),
        ("Jane", None),
        ([], None),
        ([{}], None),
        ([{"text": "Jane Doe"}], "Jane Doe"),
        ([{"family": "Doe"}], "Doe"),
        ([{"given": ["Jane"]}], "Jane"),
        ([{"family": "D\u202eoe\n"}], "Doe"),
        ([7, {"family": "Doe", "given": "Jane"}], "Doe"),
    ],
)
def test_a_name_of_any_form(name: object, expected: str | None) -> None:
    assert read({"resourceType": "Patient", "id": "p", "name": name})["e"].name == expected


def test_what_is_no_fhir_is_left_out() -> None:
    pages = [b"<html>", b'{"entry": [{"resource": 7}, {"resource": {"id": "e"}}]}', b"[]"]
    assert stays_in([Fetched(pages=[msgspec.Raw(each) for each in pages])]) == {}
    assert read(subject={"reference": "https://ehr.example/fhir/Patient/p"})["e"].patient_id == "p"
    assert read(subject={"reference": "Group/p"})["e"].patient_id == ""
    assert read(subject="Patient/p")["e"].patient_id == ""


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    cell = harmless(text)
    assert cell.lstrip()[:1] not in {*"=+-@\t\r\n＝＋－＠"}  # noqa: RUF001
    assert cell.replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", " =", "\n=", "＝"])  # noqa: RUF001
def test_what_could_be_a_formula_gets_an_apostrophe(start: str) -> None:
    assert harmless(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("between", [";", "; ", ';"', ';\t"" '])
def test_what_another_country_takes_for_the_next_cell_is_no_formula_either(between: str) -> None:
    assert harmless(f"Doe{between}=1+1;-2") == f"Doe{between}'=1+1;'-2"


@pytest.mark.parametrize(
    "text", ["", "Doe; Jane", "Doe, Jane", "1948-03-09", "O'Neil", "a=b", "1", "'x"]
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


texts = st.text(st.characters(exclude_categories=("Cs",)))


@given(texts, texts, texts)
def test_a_spreadsheet_reads_every_cell_back_where_it_was(name: str, unit: str, bed: str) -> None:
    found = listed(stay(), e=Stay("p", name, None, unit, bed, "finished", None))
    written = as_csv(found)
    assert written.startswith(b"\xef\xbb\xbf")
    head, row = csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""))
    assert tuple(head) == HEAD
    cells = dict(zip(head, row, strict=True))
    for column, value in (("name", name), ("unit", unit), ("bed", bed)):
        assert cells[column] == harmless(value)
    assert not any(cell.lstrip()[:1] in {*"=+-@"} for cell in row if cell.lstrip())


def test_the_spreadsheet_says_rank_capacity_and_why() -> None:
    found = listed(
        stay("a"), stay("b"), stay("c", outcome="not_scored", reason="under_18"), per_day=1
    )
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode("utf-8-sig"), newline="")))
    assert [each["rank"] for each in rows] == ["1", "2", ""]
    assert [each["within capacity"] for each in rows] == ["yes", "no", ""]
    assert rows[2]["remark"].startswith("Not scored: ")
    assert as_csv(found).count(b"\r\n") == 4
    assert file_name(date(2026, 11, 21)) == "readmit-worklist-2026-11-21.csv"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", date(2026, 7, 1)),
        (None, date(2026, 7, 1)),
        ("2026-03-29", date(2026, 3, 29)),
        ("yesterday", date(2026, 7, 1)),
        ("9999-12-31", date(2026, 7, 1)),
        ("0001-01-01", date(2026, 7, 1)),
    ],
)
def test_the_day_is_the_sites_own(said: str | None, expected: date) -> None:
    late = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # past midnight in London
    assert day_of(said, now=late, zone=LONDON) == expected


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)]
)
def test_a_day_may_have_an_hour_more_or_less(day: date, hours: int) -> None:
    start, end = bounds(day, LONDON)
    assert (end - start).total_seconds() == hours * 3600
    assert start.astimezone(LONDON).date() == day
