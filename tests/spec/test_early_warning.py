"""The partial early-warning scores: every edge of every bin, and what is between two bins."""

from collections.abc import Iterator

import pytest

from fhir_mapping.derived import FUNCTIONS, INPUTS, bins
from tests.spec.record import ed_visit, observations, patient, value, vector

RESTING = {
    "age": 30.0,
    "triage_resprate": 14.0,
    "triage_heartrate": 80.0,
    "triage_o2sat": 98.0,
    "triage_temperature": 37.0,
    "triage_sbp": 120.0,
    "triage_dbp": 80.0,
    "triage_map": 90.0,
}

# value: points, the rest of the patient being at 0 points
TABLES = {
    "cart": """
        triage_resprate  | 1:0 20:0 20.9:0 21:8 23:8 23.5:8 24:12 25:12 25.5:12 26:15 29:15 30:22
        triage_heartrate | 1:0 109:0 109.9:0 110:4 139:4 139.5:13 140:13 200:13
        triage_dbp       | 1:13 34:13 34.9:13 35:6 39:6 39.5:6 40:4 49:4 49.5:0 50:0 90:0
        age              | 18:0 54:0 55:4 69:4 70:9 100:9
        """,
    "rems": """
        age              | 18:0 44:0 45:2 54:2 55:3 64:3 65:5 74:5 75:6 100:6
        triage_map       | 1:4 49:4 49.9:4 50:2 69:2 69.5:2 70:0 109:0 109.9:0 110:2 129:2 130:3
        triage_map       | 159:3 159.5:4 160:4 200:4
        triage_heartrate | 1:4 39:4 39.5:4 40:3 54:3 55:2 69:2 70:0 109:0 110:2 139:2 140:3 179:3
        triage_heartrate | 179.5:4 180:4
        triage_resprate  | 1:4 5:4 5.9:4 6:2 9:2 9.5:2 10:1 11:1 12:0 24:0 24.5:0 25:1 34:1 35:3
        triage_resprate  | 49:3 49.5:4 50:4
        triage_o2sat     | 1:4 74:4 74.9:4 75:3 85:3 85.5:3 86:1 89:1 89.5:0 90:0 100:0
        """,
    "news": """
        triage_o2sat     | 1:3 91:3 91.5:3 92:2 93:2 93.5:2 94:1 95:1 95.5:1 96:0 100:0
        """,
    "news2": """
        triage_resprate  | 1:3 8:3 8.5:3 9:1 11:1 11.5:1 12:0 20:0 20.5:0 21:2 24:2 24.5:2 25:3 60:3
        triage_temperature | 30:3 35.0:3 35.05:3 35.1:1 36.0:1 36.05:1 36.1:0 38.0:0 38.05:0
        triage_temperature | 38.1:1 39.0:1 39.05:1 39.1:2 42:2
        triage_sbp       | 1:3 90:3 90.5:3 91:2 100:2 100.5:2 101:1 110:1 110.5:1 111:0 219:0
        triage_sbp       | 219.5:0 220:3 300:3
        triage_heartrate | 1:3 40:3 40.5:3 41:1 50:1 50.5:1 51:0 90:0 90.5:0 91:1 110:1 110.5:1
        triage_heartrate | 111:2 130:2 130.5:2 131:3 200:3
        """,
    "mews": """
        triage_sbp       | 1:3 70:3 70.5:3 71:2 80:2 80.5:2 81:1 100:1 100.5:1 101:0 199:0 199.5:0
        triage_sbp       | 200:2 300:2
        triage_heartrate | 1:2 40:2 40.5:2 41:1 50:1 50.5:1 51:0 100:0 100.5:0 101:1 110:1 110.5:1
        triage_heartrate | 111:2 129:2 129.5:2 130:3 200:3
        triage_resprate  | 1:2 8:2 8.9:2 9:0 14:0 14.5:0 15:1 20:1 20.5:1 21:2 29:2 29.5:2 30:3
        triage_temperature | 30:2 34.9:2 34.99:2 35:0 38.4:0 38.45:0 38.5:2 42:2
        """,
}
TABLES["news"] += TABLES["news2"]


def cells() -> Iterator[tuple[str, str, float, float]]:
    for score, table in TABLES.items():
        for line in table.strip().splitlines():
            item, _, entries = line.partition("|")
            for entry in entries.split():
                received, _, points = entry.partition(":")
                yield score, item.strip(), float(received), float(points)


@pytest.mark.parametrize(("score", "item", "received", "points"), list(cells()))
def test_each_bin(score: str, item: str, received: float, points: float) -> None:
    count = FUNCTIONS[score]
    assert count(RESTING | {item: received}) - count(RESTING) == points


@pytest.mark.parametrize("score", TABLES)
def test_a_resting_patient_has_no_points_and_every_item_is_tested(score: str) -> None:
    assert FUNCTIONS[score](RESTING) == 0
    tested = {item for name, item, _, _ in cells() if name == score}
    assert tested == set(INPUTS[score])


@pytest.mark.parametrize("written", ["21", "21-23", "below 21 0", "<21 a", ""])
def test_what_is_no_bin_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="not a bin"):
        bins(written)


SICK = """
    03-10 08:10 | 9279-1  | 30     | /min
    03-10 08:10 | 8867-4  | 140    | /min
    03-10 08:10 | 59408-5 | 85     | %
    03-10 08:10 | 8310-5  | 39.5   | Cel
    03-10 08:10 | 85354-9 | 80/30  | mm[Hg]
    """
POINTS = {
    "score_cart": 22 + 13 + 13 + 9,
    "score_rems_partial": 5 + 4 + 3 + 1 + 3,
    "score_news_partial": 3 + 3 + 2 + 3 + 3,
    "score_news2_partial": 3 + 2 + 3 + 3,
    "score_mews_partial": 2 + 3 + 3 + 2,
}


@pytest.mark.parametrize(("feature", "points"), POINTS.items())
def test_a_sick_patient_of_73(feature: str, points: float) -> None:
    answer = vector(ed_visit(), observations(SICK))
    assert answer["age"] == 73
    assert answer["triage_map"] == pytest.approx(80 / 3 + 2 * 30 / 3, abs=1e-6)
    assert answer[feature] == points


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        ("9279-1", "cart rems_partial news_partial news2_partial mews_partial"),
        ("8867-4", "cart rems_partial news_partial news2_partial mews_partial"),
        ("59408-5", "rems_partial news_partial"),
        ("8310-5", "news_partial news2_partial mews_partial"),
        ("85354-9", "cart rems_partial news_partial news2_partial mews_partial"),
    ],
)
def test_a_missing_input_makes_the_score_missing(left_out: str, missing: str) -> None:
    table = "\n".join(line for line in SICK.strip().splitlines() if left_out not in line)
    answer = vector(ed_visit(), observations(table))
    assert {name for name in POINTS if answer[name] is None} == {
        f"score_{name}" for name in missing.split()
    }


def test_without_an_age() -> None:
    rows = (patient(birthDate=None), ed_visit(), observations(SICK))
    missing = {name for name in (*POINTS, "score_cci") if value(name, *rows) is None}
    assert missing == {"score_cart", "score_rems_partial", "score_cci"}


def test_evidence_names_the_inputs() -> None:
    (row,) = vector(ed_visit(), observations(SICK)).evidence_for("score_cart")
    assert row.reason == "from triage_resprate, triage_heartrate, triage_dbp, age"
