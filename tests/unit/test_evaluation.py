"""What an evaluation may say, what it must keep to itself, and what it must refuse."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.compared import LABEL, SETTINGS, generated, ours
from training.appraisal.findings import Estimate, Evaluation, NotEstimable
from training.appraisal.gauges import too_few
from training.appraisal.predictors import top_cut
from training.errors import SettingError, TrainingError
from training.evaluation import Predictions, evaluate
from training.metrics import expit
from training.tables import Floats, Table


@pytest.fixture(scope="module")
def whole() -> tuple[Evaluation, Table, Floats, Floats]:
    """One evaluation of three predictors; the score lacks every fourth stay."""
    table, risk = generated()
    points = numpy.round(risk * 20)
    points[::4] = numpy.nan
    draw = numpy.random.default_rng(1)
    noisy = expit(numpy.log(risk / (1 - risk)) + draw.normal(0, 1, len(risk)))
    predictions = (ours(risk), Predictions("noisy", "probability", noisy),
                   Predictions("LACE", "score", points))  # fmt: skip
    bounds = (risk * 0.8, numpy.minimum(1, risk * 1.2))
    found = evaluate(table, LABEL, predictions, intervals=bounds, settings=SETTINGS)
    return found, table, risk, points


Whole = tuple[Evaluation, Table, Floats, Floats]


def numbers(found: Any) -> Iterator[float]:
    """Every number anywhere in a structure."""
    if isinstance(found, dict):
        for value in found.values():
            yield from numbers(value)
    elif isinstance(found, list):
        for value in found:
            yield from numbers(value)
    elif isinstance(found, float | int):
        yield found


def test_the_first_numbers_are_scikit_learns_in_four_decimals(whole: Whole) -> None:
    found, table, risk, points = whole
    auroc = found.performance[0].auroc
    assert isinstance(auroc, Estimate)
    assert auroc.value == round(roc_auc_score(table.labels[LABEL], risk), 4)
    assert auroc.low < auroc.value < auroc.high
    there = ~numpy.isnan(points)
    score = found.performance[2].auroc
    assert isinstance(score, Estimate)
    assert score.value == round(roc_auc_score(table.labels[LABEL][there], points[there]), 4)


def test_every_number_knows_its_cohort_split_interval_and_date(whole: Whole) -> None:
    cohort = whole[0].cohort
    assert (cohort.name, cohort.split, cohort.evaluated_on) == (
        "generated", "held_out", "2026-01-02")  # fmt: skip
    assert "95%" in cohort.interval
    assert "patients" in cohort.interval
    assert (cohort.rows, cohort.patients) == (2400, len(set(whole[1].subjects)))


def test_true_probabilities_are_calibrated_within_the_interval(whole: Whole) -> None:
    first = whole[0].performance[0]
    assert isinstance(first.slope, Estimate)
    assert isinstance(first.in_the_large, Estimate)
    assert first.slope.low < 1 < first.slope.high
    assert first.in_the_large.low < 0 < first.in_the_large.high


def test_points_are_ranked_and_never_calibrated(whole: Whole) -> None:
    score = whole[0].performance[2]
    for metric in (score.brier, score.slope, score.intercept, score.in_the_large, score.ece):
        assert isinstance(metric, NotEstimable)
    assert isinstance(score.auroc, Estimate)
    assert score.decision_curve == ()
    assert all(rule.rule.startswith("top") for rule in score.thresholds)


def test_missing_values_are_counted_and_the_pair_is_taken_where_both_are(whole: Whole) -> None:
    found, table, risk, points = whole
    there = ~numpy.isnan(points)
    assert (found.performance[2].rows, found.performance[2].left_out) == (1800, 600)
    pair = found.differences[1]
    assert pair.rows == 1800
    outcomes = table.labels[LABEL][there]
    expected = roc_auc_score(outcomes, points[there]) - roc_auc_score(outcomes, risk[there])
    assert isinstance(pair.auroc, Estimate)
    assert pair.auroc.value == pytest.approx(expected, abs=1e-4)
    assert any("600 of 2400" in note for note in found.notes)


def test_a_predictor_does_not_differ_from_itself() -> None:
    table, risk = generated(600)
    twin = Predictions("twin", "probability", risk)
    found = evaluate(table, LABEL, (ours(risk), twin), settings=SETTINGS)
    for metric in (found.differences[0].auroc, found.differences[0].brier):
        assert metric == Estimate(0.0, 0.0, 0.0)


def test_paired_intervals_are_narrower_than_the_two_apart(whole: Whole) -> None:
    first, second = (each.auroc for each in whole[0].performance[:2])
    pair = whole[0].differences[0].auroc
    assert isinstance(first, Estimate)
    assert isinstance(second, Estimate)
    assert isinstance(pair, Estimate)
    assert pair.high - pair.low < (first.high - first.low) + (second.high - second.low)
    assert pair.high < 0


def test_the_same_input_gives_the_same_bytes_and_another_seed_others() -> None:
    table, risk = generated(600)
    first, again, other = (
        msgspec.json.encode(evaluate(table, LABEL, (ours(risk),), settings=each))
        for each in (SETTINGS, SETTINGS, replace(SETTINGS, seed=1))
    )
    assert first == again
    assert first != other


def test_rows_without_the_label_count_nowhere() -> None:
    table, risk = generated(800)
    unlabelled = numpy.arange(800) % 5 == 0
    labels = {LABEL: numpy.where(unlabelled, numpy.nan, table.labels[LABEL])}
    found = evaluate(replace(table, labels=labels), LABEL, (ours(risk),), settings=SETTINGS)
    alone = evaluate(table.rows(~unlabelled), LABEL, (ours(risk[~unlabelled]),), settings=SETTINGS)
    assert found == alone


def test_fewer_than_twenty_positives_give_no_number_of_performance() -> None:
    table, risk = generated(400)
    places = numpy.flatnonzero(table.labels[LABEL])
    for count, estimable in ((19, False), (20, True)):
        outcomes = numpy.zeros(400)
        outcomes[places[:count]] = 1
        found = evaluate(
            replace(table, labels={LABEL: outcomes}), LABEL, (ours(risk),), settings=SETTINGS
        )
        assert isinstance(found.performance[0].auroc, Estimate) is estimable
        assert isinstance(found.cohort.prevalence, Estimate) is estimable
        assert (found.performance[0].drawn is not None) is estimable
    assert too_few(numpy.zeros(50), 20) == "fewer than 20 positives"
    assert too_few(numpy.ones(50), 20) == "fewer than 20 negatives"


def test_nothing_written_is_nan_and_all_of_it_can_be_read_again(whole: Whole) -> None:
    written = msgspec.json.encode(whole[0])
    assert msgspec.json.decode(written, type=Evaluation) == whole[0]
    assert all(numpy.isfinite(each) for each in numbers(msgspec.json.decode(written)))


def test_no_stay_or_patient_is_named() -> None:
    table, risk = generated(300)
    named = replace(
        table,
        subjects=numpy.char.add("subject-", table.subjects),
        stays=numpy.char.add("stay-", table.stays),
    )
    found = evaluate(named, LABEL, (ours(risk),), settings=SETTINGS)
    assert b"subject-" not in msgspec.json.encode(found)
    assert b"stay-" not in msgspec.json.encode(found)


# Thresholds, tenths, alarms


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.floats(0.01, 0.9))
def test_a_top_share_is_not_exceeded_unless_the_highest_value_alone_does(
    values: list[int], share: float
) -> None:
    array = numpy.array(values, dtype=float)
    cut = top_cut(array, share)
    flagged = (array >= cut).mean()
    assert flagged <= share + 1e-9 or cut == array.max()
    lower = array[array < cut]
    assert not len(lower) or (array >= lower.max()).mean() > share


def test_a_top_share_that_fits_exactly_is_taken_whole() -> None:
    assert top_cut(numpy.arange(10.0), 0.2) == 8
    assert top_cut(numpy.array([0.0, 0, 1, 1]), 0.2) == 1


def test_the_interval_is_that_of_the_first_predictor_alone(whole: Whole) -> None:
    first, second = (each.drawn for each in whole[0].performance[:2])
    assert first is not None
    assert second is not None
    assert all(tenth.interval_low is not None for tenth in first.deciles)
    assert all(tenth.interval_low is None for tenth in second.deciles)


def test_top_shares_alert_as_often_as_they_say(whole: Whole) -> None:
    rules = {rule.rule: rule for rule in whole[0].performance[0].thresholds}
    for name, alerts in (("top 5%", 5.0), ("top 10%", 10.0), ("top 20%", 20.0)):
        found = rules[name].alerts_per_100
        assert isinstance(found, Estimate)
        assert found.value == pytest.approx(alerts, abs=0.1)


def test_tenths_say_whether_the_interval_holds() -> None:
    table, risk = generated(3000)
    for shift, answer in ((0.0, "holds"), (0.2, "does_not_hold")):
        middle = numpy.minimum(1, risk + shift)
        bounds = (middle * 0.9, numpy.minimum(1, middle * 1.1))
        found = evaluate(table, LABEL, (ours(risk),), intervals=bounds, settings=SETTINGS)
        assert found.interval_verdict == answer
    assert "spread between models" in " ".join(found.notes)
    drawn = found.performance[0].drawn
    assert drawn is not None
    assert sum(tenth.rows for tenth in drawn.deciles) == 3000
    assert len(drawn.deciles) == 10


def test_without_an_interval_there_is_no_verdict() -> None:
    table, risk = generated(600)
    found = evaluate(table, LABEL, (ours(risk),), settings=SETTINGS)
    assert found.interval_verdict == "not_estimable"


def test_too_good_on_real_data_raises_the_leak_alarm() -> None:
    table, risk = generated(1000, spread=3.0)
    for synthetic, alarms in ((False, 1), (True, 0)):
        settings = replace(SETTINGS, synthetic=synthetic)
        notes = evaluate(table, LABEL, (ours(risk),), settings=settings).notes
        assert sum("LEAK ALARM: ours" in note for note in notes) == alarms
        assert any("synthetic" in note for note in notes) is synthetic


# What is refused


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label": "other"}, "no such label"),
        ({"predictions": ()}, "predictors are missing"),
        ({"predictions": "twice"}, "share a name"),
        ({"values": "short"}, "one per row"),
        ({"values": "above one"}, "outside"),
        ({"values": "infinite"}, "infinite"),
        ({"split": "tuning"}, "another split"),
        ({"labels": "none"}, "no stay has this label"),
        ({"bounds": "short"}, "bounds"),
    ],
)
def test_what_would_mean_something_else_is_refused(change: dict[str, Any], problem: str) -> None:
    table, risk = generated(100)
    if change.get("labels"):
        table = replace(table, labels={LABEL: numpy.full(100, numpy.nan)})
    values = {"short": risk[:50], "above one": risk + 1, "infinite": risk * numpy.inf}.get(
        change.get("values", ""), risk
    )
    predictions = {"": (ours(values),), "twice": (ours(risk), ours(risk))}.get(
        change.get("predictions", ""), ()
    )
    bounds = (risk[:5], risk[:5]) if change.get("bounds") else None
    settings = replace(SETTINGS, split=change.get("split", "held_out"))
    with pytest.raises(TrainingError, match=problem):
        evaluate(
            table, change.get("label", LABEL), predictions, intervals=bounds, settings=settings
        )


@pytest.mark.parametrize("wrong", [{"thresholds": (0.0,)}, {"level": 1.0}, {"resamples": 0}])
def test_settings_outside_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        replace(SETTINGS, **wrong)
