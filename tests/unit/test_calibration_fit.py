"""The calibrator finds the slope and intercept that made the labels, and never fails."""

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from model.calibration import Calibrator, expit
from training.calibration import fit_calibrator
from training.tables import Floats


def drawn(
    rows: int, slope: float, intercept: float, seed: int = 1, members: int = 3
) -> tuple[Floats, Floats]:
    """(members, rows) logits whose mean, times slope and plus intercept, is the truth."""
    chance = numpy.random.default_rng(seed)
    logits = chance.normal(0.0, 1.5, (members, rows))
    truth = expit(slope * logits.mean(0) + intercept)
    return logits, (chance.random(rows) < truth).astype(float)


def fit(logits: Floats, labels: Floats) -> Calibrator:
    return fit_calibrator(logits, labels, spread=1.0)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.5), (2.0, 0.7)])
def test_it_finds_the_slope_and_intercept_that_made_the_labels(
    slope: float, intercept: float
) -> None:
    found = fit(*drawn(40_000, slope, intercept))
    assert found.slope == pytest.approx(slope, abs=0.05)
    assert found.intercept == pytest.approx(intercept, abs=0.05)


def test_it_is_plain_logistic_regression() -> None:
    logits, labels = drawn(600, 0.8, -1.0)
    found = fit(logits, labels)
    plain = LogisticRegression(C=1e9, tol=1e-10).fit(logits.mean(0)[:, None], labels)
    assert found.slope == pytest.approx(float(plain.coef_[0, 0]), abs=1e-3)
    assert found.intercept == pytest.approx(float(plain.intercept_[0]), abs=1e-3)
    assert (found.rows, found.positives) == (600, int(labels.sum()))


def test_calibrated_risks_sum_to_what_happened() -> None:
    logits, labels = drawn(2_000, 0.4, 1.0)
    assert fit(logits, labels).probability(logits).mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_its_uncertainty_is_that_of_repeated_fits() -> None:
    fits = [fit(*drawn(400, 0.8, -1.0, seed)) for seed in range(200)]
    slopes, intercepts = ([getattr(each, name) for each in fits] for name in ("slope", "intercept"))
    stated = numpy.mean([each.covariance for each in fits], axis=0)
    assert math.sqrt(stated[0]) == pytest.approx(numpy.std(slopes), rel=0.2)
    assert math.sqrt(stated[2]) == pytest.approx(numpy.std(intercepts), rel=0.2)
    covered = [
        abs(each.slope - 0.8) < norm.ppf(0.95) * math.sqrt(each.covariance[0]) for each in fits
    ]
    assert 0.83 <= numpy.mean(covered) <= 0.96


def test_a_separable_slice_gives_a_finite_slope() -> None:
    labels = numpy.array([0.0] * 20 + [1.0] * 20)
    found = fit((labels * 2 - 1)[None] * 3.0, labels)
    assert 0.5 < found.slope < 20
    assert found.probability(numpy.array([[3.0, -3.0]])).tolist() == pytest.approx([1, 0], abs=0.02)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_a_tiny_slice_gives_a_calibrator(rows: int) -> None:
    logits = numpy.linspace(-1.0, 1.0, rows)[None]
    labels = numpy.zeros(rows)
    labels[-1] = 1.0
    low, high = fit(logits, labels).interval(logits)
    assert ((low >= 0) & (low < high) & (high <= 1)).all()


def test_a_model_that_ranks_the_wrong_way_round_says_the_base_rate() -> None:
    logits, labels = drawn(4_000, -1.5, -1.0)
    found = fit(logits, labels)
    assert 0 < found.slope <= 0.05
    risks = found.probability(logits)
    assert risks.mean() == pytest.approx(labels.mean(), abs=0.01)
    assert risks.max() - risks.min() < 0.2


def test_logits_that_are_all_alike_give_the_base_rate() -> None:
    labels = numpy.array([1.0, 0.0, 0.0, 0.0] * 20)
    found = fit(numpy.full((2, 80), 4.0), labels)
    assert found.probability(numpy.full((2, 1), 4.0))[0] == pytest.approx(0.25, abs=0.01)


@settings(max_examples=150)
@given(
    rows=st.lists(
        st.tuples(st.floats(-40, 40), st.floats(-40, 40), st.booleans()), min_size=2, max_size=30
    )
)
def test_whatever_the_slice_there_is_a_calibrator_with_a_rising_risk(
    rows: list[tuple[float, float, bool]],
) -> None:
    logits = numpy.array([[one, other] for one, other, _ in rows]).T
    found = fit(logits, numpy.array([float(label) for *_, label in rows]))
    assert found.slope > 0
    assert not found.interval_holds
    low, high = found.interval(logits)
    risk = found.probability(logits)
    assert ((low <= risk) & (risk <= high)).all()
