"""Who is in which subgroup, and that no hidden cell can be computed from what is shown."""

import re
from dataclasses import replace
from typing import Any

import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compared import LABEL, SETTINGS, generated, ours
from training.appraisal.findings import Estimate, NotEstimable, Subgroup
from training.appraisal.subgroups import Axis, Floor, axes_of, hidden_cells, hidden_counts
from training.evaluation import evaluate


@pytest.fixture(scope="module")
def groups() -> tuple[Subgroup, ...]:
    """F and M with a third sex that is too small, payers that are all large."""
    table, risk = generated()
    return evaluate(table, LABEL, (ours(risk),), settings=SETTINGS).subgroups


def test_subgroups_are_sex_age_payer_and_what_else_is_asked_for() -> None:
    table, _ = generated(50)
    assert [axis.name for axis in axes_of(table, ("oncology",))] == [
        "sex", "age band", "payer", "oncology"]  # fmt: skip
    assert {*axes_of(table, ("oncology",))[3].levels} == {"yes", "no"}


def test_levels_are_named_and_missing_is_a_level() -> None:
    table, _ = generated(6)
    table.values[:, 0] = [17, 18, 64, 85, numpy.nan, 45]
    table.values[:, 1] = [0, 1, 2, 3, numpy.nan, 0]
    sex, age = axes_of(table)[:2]
    assert sex.levels.tolist() == ["F", "M", "other", "unknown", "missing", "F"]
    assert age.levels.tolist() == ["under 18", "18-44", "45-64", "85 and over", "missing", "45-64"]


def test_columns_beside_the_features_group_too() -> None:
    table, _ = generated(4)
    extras: dict[str, Any] = {
        "race": numpy.array(["a", "", "b", "a"]),
        "unit": numpy.array([1.0, numpy.nan, 2.0, 1.0]),
    }
    found = {
        axis.name: axis.levels.tolist()
        for axis in axes_of(replace(table, extras=extras), ("unit",))
    }
    assert found["race and ethnicity"] == ["a", "missing", "b", "a"]
    assert found["unit"] == ["1", "missing", "2", "1"]


def test_counts_of_an_axis_never_give_away_a_hidden_cell(groups: tuple[Subgroup, ...]) -> None:
    hiding = {(group.axis, group.level): group.hidden for group in groups}
    assert {level: how for (axis, level), how in hiding.items() if axis == "sex"} == {
        "F": "nothing", "M": "counts", "other": "all"}  # fmt: skip
    assert {how for (axis, _), how in hiding.items() if axis == "payer"} == {"nothing"}


def test_a_kept_back_cell_shows_nothing_that_adds_up(groups: tuple[Subgroup, ...]) -> None:
    (kept,) = (group for group in groups if group.hidden == "counts")
    assert (kept.rows, kept.patients, kept.positives) == (None, None, None)
    own = kept.performance[0]
    assert isinstance(own.auroc, Estimate)
    assert isinstance(own.brier, NotEstimable)
    assert isinstance(own.in_the_large, NotEstimable)
    assert own.thresholds == ()


def test_a_hidden_cell_shows_nothing(groups: tuple[Subgroup, ...]) -> None:
    (hidden,) = (group for group in groups if group.hidden == "all")
    assert not re.search(rb'"(?:value|low|high)"', msgspec.json.encode(hidden.performance))
    assert (hidden.rows, hidden.patients, hidden.positives) == (None, None, None)


def test_many_stays_of_few_patients_are_too_few() -> None:
    rows, outcomes = numpy.ones(100, dtype=bool), numpy.arange(100) % 2.0
    floor = Floor(stays=50, patients=20, outcomes=20)
    assert floor.met(rows, (numpy.arange(100) % 20).astype(str), outcomes)
    assert not floor.met(rows, (numpy.arange(100) % 19).astype(str), outcomes)


_FLOOR = Floor(stays=8, patients=4, outcomes=2)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), min_size=1, max_size=80),
       st.integers(1, 12))  # fmt: skip
def test_hidden_cells_cannot_be_computed(rows: list[tuple[int, int]], patients: int) -> None:
    levels = numpy.array([str(level) for level, _ in rows])
    outcomes = numpy.array([float(outcome) for _, outcome in rows])
    subjects = numpy.array([str(i % patients) for i in range(len(rows))])
    hiding = hidden_cells(Axis("axis", levels), subjects, outcomes, floor=_FLOOR)
    hidden = [level for level, how in hiding.items() if how != "nothing"]
    for level, how in hiding.items():
        if not _FLOOR.met(levels == level, subjects, outcomes):
            assert how == "all"
    if hidden and len(hidden) < len(hiding):
        assert len(hidden) > 1
        assert _FLOOR.met(numpy.isin(levels, hidden), subjects, outcomes)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20))
def test_hidden_bars_cannot_be_computed(counts: list[int]) -> None:
    shown = hidden_counts(counts, 11)
    missing = [count for count, seen in zip(counts, shown, strict=True) if seen is None]
    assert all(seen is None or seen == 0 or seen >= 11 for seen in shown)
    assert all(seen in (None, count) for count, seen in zip(counts, shown, strict=True))
    if any(seen for seen in shown):
        assert not missing or (len(missing) > 1 and sum(missing) >= 11)
