"""Measures equal scikit-learn's, weights are repeated rows, and resampling is by patient."""

import time
from itertools import pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    roc_auc_score,
)

from training import metrics
from training.appraisal.bootstrap import patient_weights, percentile_interval
from training.appraisal.curves import binomial_interval, precision_recall_line, roc_line
from training.metrics import Tally, rank
from training.tables import Floats

Case = tuple[Floats, Floats, Floats]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Predictions with many ties, both outcomes, and whole weights, some of them nought."""
    rows = draw(st.integers(4, 60))
    levels = draw(st.integers(1, 30))
    values = draw(arrays.arrays(numpy.int64, rows, elements=st.integers(0, levels))) / levels
    outcomes = draw(arrays.arrays(numpy.int64, rows, elements=st.integers(0, 1)))
    weights = draw(arrays.arrays(numpy.int64, rows, elements=st.integers(0, 4)))
    outcomes[:2], weights[:2] = (0, 1), (1, 2)
    return values, outcomes.astype(float), weights.astype(float)


def generated(rows: int = 4000, seed: int = 0, slope: float = 1.0) -> tuple[Floats, Floats]:
    """Probabilities and outcomes that follow them, on the logit scale `slope` times as steeply."""
    draw = numpy.random.default_rng(seed)
    logits = draw.normal(-1.5, 1, rows)
    outcomes = (draw.random(rows) < metrics.expit(slope * logits)).astype(float)
    return metrics.expit(logits), outcomes


def tallied(case: Case) -> Tally:
    values, outcomes, weights = case
    return rank(values, outcomes).count(weights[None, :])


@given(cases())
def test_auroc_is_scikit_learns(case: Case) -> None:
    values, outcomes, weights = case
    expected = roc_auc_score(outcomes, values, sample_weight=weights)
    assert metrics.auroc(tallied(case))[0] == pytest.approx(expected, abs=1e-12)


@given(cases())
def test_auprc_is_scikit_learns(case: Case) -> None:
    values, outcomes, weights = case
    expected = average_precision_score(outcomes, values, sample_weight=weights)
    assert metrics.auprc(tallied(case))[0] == pytest.approx(expected, abs=1e-12)


@given(cases())
def test_brier_is_scikit_learns(case: Case) -> None:
    values, outcomes, weights = case
    expected = brier_score_loss(outcomes, values, sample_weight=weights)
    assert metrics.brier(tallied(case))[0] == pytest.approx(expected, abs=1e-12)


@given(cases(), st.floats(0.01, 0.99))
def test_thresholds_are_the_confusion_matrix(case: Case, threshold: float) -> None:
    values, outcomes, weights = case
    table = confusion_matrix(
        outcomes, values >= threshold, sample_weight=weights, labels=[0.0, 1.0]
    )
    (cleared, alarms), (missed, hits) = table
    found = metrics.at_threshold(tallied(case), threshold)
    assert found["sensitivity"][0] == pytest.approx(hits / (hits + missed))
    assert found["specificity"][0] == pytest.approx(cleared / (cleared + alarms))
    assert found["alerts_per_100"][0] == pytest.approx(100 * (hits + alarms) / table.sum())
    benefit = (hits - alarms * threshold / (1 - threshold)) / table.sum()
    assert metrics.net_benefit(tallied(case), threshold)[0] == pytest.approx(benefit)


@given(cases())
def test_a_weight_is_a_repeated_row(case: Case) -> None:
    values, outcomes, weights = case
    repeated = numpy.repeat(numpy.arange(len(values)), weights.astype(int))
    alone = rank(values[repeated], outcomes[repeated]).once()
    weighted = tallied(case)
    bins = metrics.equal_bins(weighted, 10)
    for measure in (metrics.auroc, metrics.auprc, metrics.brier, metrics.in_the_large):
        assert measure(weighted)[0] == pytest.approx(measure(alone)[0], abs=1e-9, nan_ok=True)
    assert metrics.ece(weighted, bins)[0] >= 0


@given(cases())
def test_order_of_rows_changes_nothing(case: Case) -> None:
    turned = tuple(part[::-1] for part in case)
    assert metrics.auroc(tallied(case)) == metrics.auroc(tallied((turned[0], turned[1], turned[2])))


def test_resamples_do_not_touch_each_other() -> None:
    values, outcomes = generated(300)
    weights = numpy.random.default_rng(1).integers(0, 3, (5, 300)).astype(float)
    ranked = rank(values, outcomes)
    together = ranked.count(weights)
    alone = [ranked.count(each[None, :]) for each in weights]
    for measure in (metrics.auroc, metrics.auprc, metrics.brier, metrics.in_the_large):
        numpy.testing.assert_allclose(measure(together), [measure(each)[0] for each in alone])
    lines = numpy.array([metrics.calibration_line(each) for each in alone])[:, :, 0]
    numpy.testing.assert_allclose(numpy.stack(metrics.calibration_line(together), axis=1), lines)


def test_only_the_rows_asked_for_count() -> None:
    values, outcomes = generated(400)
    chosen = numpy.arange(400) % 3 == 0
    part = rank(values, outcomes, chosen).count(numpy.ones((1, 400)))
    assert metrics.auroc(part) == metrics.auroc(rank(values[chosen], outcomes[chosen]).once())


def test_the_calibration_line_is_regression_without_a_penalty() -> None:
    values, outcomes = generated(3000, slope=0.6)
    weights = numpy.random.default_rng(2).integers(0, 3, 3000).astype(float)
    logits = metrics.logit(values)[:, None]
    fitted = LogisticRegression(C=numpy.inf, tol=1e-10, max_iter=1000)
    fitted.fit(logits, outcomes, sample_weight=weights)
    intercept, slope = metrics.calibration_line(rank(values, outcomes).count(weights[None, :]))
    assert slope[0] == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
    assert intercept[0] == pytest.approx(fitted.intercept_[0], abs=1e-5)


def test_where_newton_starts_changes_nothing() -> None:
    tally = rank(*generated(2000)).once()
    near, far = (metrics.calibration_line(tally, start) for start in ((0.1, 0.9), (-1.0, 2.5)))
    numpy.testing.assert_allclose(near, far, atol=1e-6)


def test_right_probabilities_have_slope_one_and_intercept_nought() -> None:
    tally = rank(*generated(60_000)).once()
    intercept, slope = metrics.calibration_line(tally)
    assert slope[0] == pytest.approx(1, abs=0.04)
    assert intercept[0] == pytest.approx(0, abs=0.06)
    assert metrics.in_the_large(tally)[0] == pytest.approx(0, abs=0.04)
    assert metrics.ece(tally, metrics.equal_bins(tally, 10))[0] < 0.01


def test_overconfident_probabilities_have_a_slope_below_one() -> None:
    values, outcomes = generated(20_000)
    stretched = metrics.expit(2 * metrics.logit(values))
    _, slope = metrics.calibration_line(rank(stretched, outcomes).once())
    assert slope[0] == pytest.approx(0.5, abs=0.05)


def test_in_the_large_is_the_shift_that_was_made() -> None:
    values, outcomes = generated(60_000)
    shifted = metrics.expit(metrics.logit(values) + 0.7)
    assert metrics.in_the_large(rank(shifted, outcomes).once())[0] == pytest.approx(-0.7, abs=0.04)


def test_separated_or_single_classes_have_no_line() -> None:
    values = numpy.array([0.1, 0.2, 0.8, 0.9])
    for outcomes in (numpy.array([0.0, 0, 1, 1]), numpy.zeros(4)):
        assert numpy.isnan(metrics.calibration_line(rank(values, outcomes).once())).all()
    assert numpy.isnan(metrics.in_the_large(rank(values, numpy.zeros(4)).once()))
    assert numpy.isnan(metrics.auroc(rank(values, numpy.zeros(4)).once()))


def test_certain_and_wrong_probabilities_stay_finite() -> None:
    values, outcomes = generated(200)
    values[:2], outcomes[:2] = (0.0, 1.0), (1.0, 0.0)
    assert numpy.isfinite(metrics.calibration_line(rank(values, outcomes).once())).all()


def test_bins_hold_equally_many_stays_and_keep_ties_together() -> None:
    values = numpy.repeat(numpy.arange(20) / 20, 5)
    starts = metrics.equal_bins(rank(values, numpy.zeros(100)).once(), 10)
    assert starts.tolist() == list(range(0, 20, 2))
    tied = metrics.equal_bins(rank(numpy.full(50, 0.3), numpy.zeros(50)).once(), 10)
    assert tied.tolist() == [0]


def test_ece_of_a_worked_case() -> None:
    values = numpy.array([0.2, 0.2, 0.2, 0.2, 0.6, 0.6, 0.6, 0.6])
    outcomes = numpy.array([0.0, 0, 0, 1, 1, 1, 1, 0])
    tally = rank(values, outcomes).once()
    expected = 0.5 * abs(0.25 - 0.2) + 0.5 * abs(0.75 - 0.6)
    assert metrics.ece(tally, metrics.equal_bins(tally, 2))[0] == pytest.approx(expected)


def test_acting_for_all_is_a_threshold_of_nought() -> None:
    values, outcomes = generated(500)
    tally = rank(values, outcomes).once()
    share = outcomes.mean()
    expected = share - (1 - share) * 0.2 / 0.8
    assert metrics.net_benefit_of_all(tally, 0.2)[0] == pytest.approx(expected)


def test_curves_begin_and_end_where_they_must() -> None:
    values, outcomes = generated(500)
    tally = rank(values, outcomes).once()
    roc, precision = roc_line(tally), precision_recall_line(tally)
    assert roc.y[-1] == 1
    assert all(low <= high for low, high in pairwise(roc.y))
    lowest = values[outcomes == 1].min()
    assert precision.y[-1] == pytest.approx(outcomes[values >= lowest].mean(), abs=1e-4)


@given(st.integers(0, 50), st.integers(1, 50))
def test_a_binomial_interval_holds_its_share(successes: int, more: int) -> None:
    trials = successes + more
    low, high = binomial_interval(successes, trials, 0.95)
    assert 0 <= low <= successes / trials <= high <= 1


def test_a_binomial_interval_covers_the_truth() -> None:
    draws = numpy.random.default_rng(3).binomial(200, 0.15, 2000)
    ends = [binomial_interval(int(each), 200, 0.95) for each in draws]
    assert numpy.mean([low <= 0.15 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.02)


# Resampling


def test_stays_of_a_patient_come_and_go_together() -> None:
    subjects = numpy.array(["a", "b", "a", "c", "b", "a"])
    (weights,) = patient_weights(subjects, 40, seed=0)
    assert (weights[:, [0, 2]] == weights[:, [5, 0]]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()


def test_resamples_follow_the_seed_and_not_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    subjects = numpy.arange(30).astype(str)
    whole = numpy.concatenate(list(patient_weights(subjects, 20, seed=4)))
    monkeypatch.setattr("training.appraisal.bootstrap._CELLS", 100)
    chunks = list(patient_weights(subjects, 20, seed=4))
    assert len(chunks) == 7
    numpy.testing.assert_array_equal(numpy.concatenate(chunks), whole)
    assert (numpy.concatenate(list(patient_weights(subjects, 20, seed=5))) != whole).any()


def drawn_auroc(subjects: Floats, values: Floats, outcomes: Floats, resamples: int) -> Floats:
    ranked = rank(values, outcomes)
    chunks = patient_weights(subjects.astype(str), resamples, seed=0)
    return numpy.concatenate([metrics.auroc(ranked.count(each)) for each in chunks])


def test_clustered_stays_need_wider_intervals_than_single_ones() -> None:
    draw = numpy.random.default_rng(5)
    patients = numpy.repeat(numpy.arange(150), 12)
    values = draw.normal(0, 1, 150)[patients]
    outcomes = (draw.random(150) < metrics.expit(values[::12]))[patients].astype(float)
    by_patient = drawn_auroc(patients, values, outcomes, 300)
    by_stay = drawn_auroc(numpy.arange(len(patients)), values, outcomes, 300)
    assert by_patient.std() > 2.5 * by_stay.std()


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = metrics.auroc(rank(*generated(200_000, seed=99)).once())[0]
    held = 0
    for seed in range(200):
        values, outcomes = generated(400, seed=seed)
        drawn = drawn_auroc(numpy.arange(400), values, outcomes, 200)
        interval = percentile_interval(drawn, 0.95)
        assert interval is not None
        held += interval[0] <= truth <= interval[1]
    assert 0.90 <= held / 200 <= 0.99


def test_an_interval_needs_nearly_all_resamples() -> None:
    drawn = numpy.arange(100.0)
    assert percentile_interval(drawn, 0.9) == (pytest.approx(4.95), pytest.approx(94.05))
    drawn[:6] = numpy.nan
    assert percentile_interval(drawn, 0.9) is None
    assert percentile_interval(numpy.array([]), 0.9) is None


@pytest.mark.slow
def test_a_thousand_resamples_of_a_large_split_take_seconds() -> None:
    values, outcomes = generated(20_000)
    ranked = rank(values, outcomes)
    begun = time.perf_counter()
    for weights in patient_weights(numpy.arange(20_000).astype(str), 1000, seed=0):
        tally = ranked.count(weights)
        metrics.auroc(tally)
        metrics.auprc(tally)
        metrics.calibration_line(tally)
    assert time.perf_counter() - begun < 30
