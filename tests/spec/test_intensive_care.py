"""Intensive care: stays before the index stay, and days within it."""

import json
from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    at,
    concept,
    issue_codes,
    read_all_but,
    refer,
    stay,
    value,
    vector,
    visit,
)

ICU_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode|ICU"


def place(id_: str, *, name: str | None = None, type_: str | None = None) -> Resource:
    row: dict[str, Any] = {"resourceType": "Location", "id": id_}
    row |= {"name": name} if name else {}
    return row | ({"type": [concept(type_)]} if type_ else {})


def at_place(start: str, end: str | None, id_: str = "unit", **more: Any) -> Resource:
    period = {"start": at(start)} | ({"end": at(end)} if end else {})
    return {"location": refer(f"Location/{id_}"), "period": period} | more


def before(*entries: Resource, **more: Any) -> Resource:
    """An earlier stay, 03-01 to 03-05, in the places given."""
    return visit("before", "IMP", "03-01 00:00", "03-05 00:00", location=list(entries), **more)


UNIT = place("unit", type_=ICU_CODE)
WARD = place("ward", name="Ward 3 West")


@pytest.mark.parametrize(
    ("place_", "answer"),
    [
        (place("unit", type_=ICU_CODE), 1),
        (place("unit", type_=ICU_CODE.replace("ICU", "CCU")), 1),
        (place("unit", type_=ICU_CODE.replace("ICU", "PEDICU")), 1),
        (place("unit", type_=ICU_CODE.replace("ICU", "HU")), 0),
        (place("unit", name="Medical Intensive Care Unit"), 1),
        (place("unit", name="Surgical ICU, bed 4"), 1),
        (place("unit", name="Coronary Care"), 1),
        (place("unit", name="Circuit training room"), 0),
        (place("unit", name="Ward 3 West"), 0),
    ],
)
def test_a_location_is_intensive_care_by_type_or_name(place_: Resource, answer: float) -> None:
    assert value("n_icu_30d", place_, before(at_place("03-02 00:00", "03-04 00:00"))) == answer


def test_or_by_the_name_on_the_encounter() -> None:
    named = at_place("03-02 00:00", "03-04 00:00") | {"location": {"display": "Neuro ICU"}}
    assert value("n_icu_30d", before(named)) == 1


def test_or_by_the_locations_identifier() -> None:
    unit = UNIT | {"identifier": [{"system": "urn:site", "value": "4W"}]}
    entry = at_place("03-02 00:00", "03-04 00:00")
    entry["location"] = {"reference": "Location?identifier=urn:site|4W"}
    assert value("n_icu_30d", unit, before(entry)) == 1


def test_or_by_a_class_that_it_had() -> None:
    period = {"start": at("03-02 00:00"), "end": at("03-03 00:00")}
    past = [{"class": {"code": "x", "display": "Intensive Care"}, "period": period}]
    assert value("n_icu_30d", before(classHistory=past)) == 1


def test_or_by_the_type_of_the_encounter() -> None:
    assert value("n_icu_30d", before(type=[concept("snomed|305351004")])) == 1
    assert value("icu_los_days", stay(type=[concept("snomed|305351004")])) == 5


MIMIC = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-"


def unit_stay(id_: str, of: str, start: str, end: str, **more: Any) -> Resource:
    """An ICU stay that is an encounter of its own, as MIMIC has it."""
    icu = [{"system": f"{MIMIC}icu"}]
    return visit(id_, "ACUTE", start, end, part_of=of, identifier=icu, **more)


def test_or_by_its_identifier_in_the_mimic_profile() -> None:
    hosp = [{"system": f"{MIMIC}hosp"}]
    rows = [
        before(at_place("03-02 00:00", None), identifier=hosp),
        stay(identifier=hosp, location=[at_place("03-11 00:00", None)]),
        unit_stay("i", "before", "03-02 00:00", "03-04 12:00"),
        unit_stay("j", "before", "03-04 00:00", "03-04 12:00", status="cancelled"),
    ]
    known = vector(UNIT, *rows, profile="mimic")
    assert (known["n_icu_30d"], known["n_hosp_30d"], known["icu_los_days"]) == (1, 1, 0)
    within = [
        unit_stay("k", "stay", "03-11 00:00", "03-13 00:00"),
        unit_stay("l", "stay", "03-11 12:00", "03-12 00:00"),
        unit_stay("m", "stay", "03-12 18:00", "03-13 12:00"),
        unit_stay("n", "stay", "03-14 00:00", "03-15 00:00", status="entered-in-error"),
    ]
    assert value("icu_los_days", *rows, *within, profile="mimic") == 2.5


@pytest.mark.parametrize(
    ("entries", "answer"),
    [
        pytest.param([("03-02 00:00", "03-03 00:00")], 1, id="one"),
        pytest.param(
            [("03-02 00:00", "03-02 12:00"), ("03-02 17:59", "03-03 00:00")], 1, id="gap < 6 h"
        ),
        pytest.param(
            [("03-02 00:00", "03-02 12:00"), ("03-02 18:00", "03-03 00:00")], 2, id="gap of 6 h"
        ),
        pytest.param(
            [("03-02 00:00", "03-04 00:00"), ("03-02 06:00", "03-02 07:00")], 1, id="one in another"
        ),
        pytest.param([("03-02 00:00", None), ("03-04 00:00", None)], 1, id="no end"),
    ],
)
def test_segments_close_together_are_one_stay(
    entries: list[tuple[str, str | None]], answer: float
) -> None:
    rows = before(*(at_place(start, end) for start, end in entries))
    assert value("n_icu_30d", UNIT, rows) == answer


@pytest.mark.parametrize(
    ("start", "counts"),
    [
        ("02-09 12:00", (1, 1, 1)),
        ("02-09 11:59", (0, 1, 1)),
        ("2023-12-11T12:00:00Z", (0, 1, 1)),
        ("2023-03-11T12:00:00Z", (0, 0, 1)),
        ("2023-03-11T11:59:00Z", (0, 0, 0)),
        ("03-10 11:59", (1, 1, 1)),
        ("03-10 12:00", (0, 0, 0)),
    ],
)
def test_windows_count_by_the_start_of_intensive_care(
    start: str, counts: tuple[float, ...]
) -> None:
    answer = vector(UNIT, before(at_place(start, None)))
    assert tuple(answer[f"n_icu_{days}d"] for days in (30, 90, 365)) == counts


@pytest.mark.parametrize("status", ["planned", "reserved"])
def test_a_bed_that_was_only_planned_is_none(status: str) -> None:
    assert value("n_icu_30d", UNIT, before(at_place("03-02 00:00", None, status=status))) == 0


@pytest.mark.parametrize(
    ("entries", "days"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([("03-11 00:00", "03-12 12:00")], 1.5, id="one"),
        pytest.param([("03-09 00:00", "03-11 12:00")], 1, id="clipped to the stay"),
        pytest.param([("03-14 12:00", "03-17 00:00")], 1, id="clipped to the prediction time"),
        pytest.param([("03-14 12:00", None)], 1, id="not over"),
        pytest.param([("03-11 00:00", "03-12 00:00"), ("03-13 00:00", "03-14 00:00")], 2, id="two"),
        pytest.param(
            [("03-11 00:00", "03-13 00:00"), ("03-12 00:00", "03-14 00:00")], 3, id="overlapping"
        ),
        pytest.param(
            [("03-11 00:00", "03-14 00:00"), ("03-12 00:00", "03-13 00:00")], 3, id="one in another"
        ),
        pytest.param(
            [("03-12 12:00", "03-13 00:00"), ("03-13 00:00", None)], 3, id="the second not over"
        ),
        pytest.param(
            [("03-12 12:00", None), ("03-13 00:00", "03-14 00:00")], 3, id="the first not over"
        ),
        pytest.param([("2024-03-11", "2024-03-12")], 2, id="by date: whole days"),
        pytest.param([("03-20 00:00", "03-21 00:00")], 0, id="after discharge"),
    ],
)
def test_days_within_the_index_stay(entries: list[tuple[str, str | None]], days: float) -> None:
    rows = stay(location=[at_place(start, end) for start, end in entries])
    answer = vector(UNIT, rows)
    assert answer["icu_los_days"] == pytest.approx(days, abs=1e-9)
    assert answer["n_icu_365d"] == 0


def test_days_are_clipped() -> None:
    row = stay("2023-06-01T00:00:00Z", location=[at_place("2023-06-01T00:00:00Z", None)])
    answer = vector(UNIT, row)
    assert answer["icu_los_days"] == 200
    assert issue_codes(answer, "icu_los_days") == {"clipped"}


def test_an_unknown_location_leaves_a_zero_open_but_not_a_count() -> None:
    unknown = at_place("03-02 00:00", "03-03 00:00", "gone")
    known = at_place("03-04 00:00", "03-05 00:00")
    assert value("n_icu_30d", UNIT, before(unknown)) is None
    assert value("n_icu_30d", UNIT, before(unknown, known)) == 1
    assert value("icu_los_days", stay(location=[at_place("03-11 00:00", None, "gone")])) is None


def test_where_locations_were_not_read_a_zero_is_missing() -> None:
    sources = read_all_but(Location="not_read")
    assert value("n_icu_30d", before(), sources=sources) is None
    assert value("n_icu_30d", before(at_place("03-02 00:00", None)), WARD, sources=sources) is None
    row = json.loads(json.dumps(before(at_place("03-02 00:00", None))))
    row["location"][0]["location"]["display"] = "ICU 2"
    assert value("n_icu_30d", row, sources=sources) == 1
