"""Splits by patient: fixed by the id alone, disjoint, near their shares; and by time."""

from collections import Counter

import pytest

from training.errors import SettingError
from training.splits import Shares, split_of, temporal_splits, tuning_slice

PINNED = {
    "10000032": ("train", "selection"),
    "10000084": ("held_out", "selection"),
    "ü": ("train", "calibration"),
    "p1": ("held_out", "calibration"),
    "p7": ("tuning", "calibration"),
    "p10": ("tuning", "selection"),
}
MANY = [f"p{number}" for number in range(20_000)]


def test_the_split_of_these_patients_never_moves() -> None:
    """A changed hash would open held_out to patients that were trained on."""
    found = {each: (split_of(each), tuning_slice(each)) for each in PINNED}
    assert found == PINNED


def test_shares_are_met_and_the_salt_matters() -> None:
    counts = Counter(split_of(each) for each in MANY)
    assert counts["train"] / len(MANY) == pytest.approx(0.7, abs=0.01)
    assert counts["held_out"] / len(MANY) == pytest.approx(0.15, abs=0.01)
    assert [split_of(p) for p in MANY[:50]] != [split_of(p, salt="other") for p in MANY[:50]]


def test_the_two_slices_are_halves_of_every_split() -> None:
    """The second hash owes nothing to the first."""
    for split in ("train", "tuning", "held_out"):
        slices = Counter(tuning_slice(each) for each in MANY if split_of(each) == split)
        assert slices["selection"] / slices.total() == pytest.approx(0.5, abs=0.03)


def test_all_in_one_split() -> None:
    assert {split_of(each, Shares(0, 0, 1)) for each in MANY[:100]} == {"held_out"}
    assert {split_of(each, Shares(1, 0, 0)) for each in MANY[:100]} == {"train"}


@pytest.mark.parametrize("parts", [(0.7, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_shares_that_are_none_are_refused(parts: tuple[float, float, float]) -> None:
    with pytest.raises(SettingError, match="sum to 1"):
        Shares(*parts)


def test_the_latest_patients_are_held_out() -> None:
    days = {f"p{day}": f"2024-01-{day:02d}" for day in range(1, 21)}
    found = temporal_splits(days)
    assert [name for name, split in found.items() if split == "held_out"] == ["p18", "p19", "p20"]
    assert [name for name, split in found.items() if split == "tuning"] == ["p15", "p16", "p17"]


def test_an_era_stays_together() -> None:
    eras = {"2008 - 2010": 33, "2011 - 2013": 24, "2014 - 2016": 22, "2017 - 2019": 18}
    last = {
        f"{era}/{n}": era for era, size in {**eras, "2020 - 2022": 3}.items() for n in range(size)
    }
    found = temporal_splits(last)
    assert {(last[name], split) for name, split in found.items()} == {
        ("2008 - 2010", "train"),
        ("2011 - 2013", "train"),
        ("2014 - 2016", "tuning"),
        ("2017 - 2019", "held_out"),
        ("2020 - 2022", "held_out"),
    }


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, {}),
        ({"a": "2024", "b": "2024"}, {"a": "train", "b": "train"}),
        ({"a": "2023", "b": "2024"}, {"a": "train", "b": "held_out"}),
    ],
)
def test_few_eras(last: dict[str, str], expected: dict[str, str]) -> None:
    assert temporal_splits(last) == expected
