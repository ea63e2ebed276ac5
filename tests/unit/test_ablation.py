"""Arms are compared on the same stays and resamples; label subsets are nested by patient."""

import numpy
import pytest
from sklearn.metrics import roc_auc_score

from tests.compared import LABEL, SETTINGS, generated
from training.appraisal.ablation import ARMS, ArmRun, ablate, label_subset
from training.appraisal.findings import Estimate, NotEstimable
from training.errors import CohortError, SettingError
from training.metrics import expit
from training.tables import Floats


def test_label_subsets_are_nested_by_patient_and_follow_the_seed() -> None:
    table, _ = generated(2000)
    one, ten, everything = (label_subset(table, share, 7) for share in (0.01, 0.1, 1.0))
    assert everything.all()
    assert (ten | one == ten).all()
    for chosen, share in ((one, 0.01), (ten, 0.1)):
        patients = set(table.subjects[chosen])
        assert patients.isdisjoint(table.subjects[~chosen])
        assert len(patients) == pytest.approx(share * len(set(table.subjects)), abs=1)
    assert (label_subset(table, 0.1, 8) != ten).any()


def test_a_label_subset_does_not_depend_on_the_order_of_rows() -> None:
    table, _ = generated(500)
    turned = numpy.arange(500)[::-1]
    assert (label_subset(table.rows(turned), 0.1, 3) == label_subset(table, 0.1, 3)[turned]).all()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_outside_nought_to_one_is_refused(share: float) -> None:
    with pytest.raises(SettingError):
        label_subset(generated(10)[0], share, 0)


def arm_runs(risk: Floats, positives: int = 50) -> list[ArmRun]:
    """Arms that get better one after the other; two seeds each, two fractions."""
    draw = numpy.random.default_rng(3)
    logits = numpy.log(risk / (1 - risk))
    return [
        ArmRun(arm, share, seed, 5 if share < 0.1 else positives,
               expit(logits + draw.normal(0, 2 - place / 2, len(risk))))
        for place, arm in enumerate(ARMS)
        for share in (0.01, 0.1)
        for seed in (0, 1)
    ]  # fmt: skip


def test_an_ablation_averages_seeds_and_pairs_arms() -> None:
    table, risk = generated(1500)
    runs = arm_runs(risk)
    found = ablate(table, LABEL, runs, settings=SETTINGS)
    (result,) = (
        each for each in found.results if (each.arm, each.fraction) == ("masked+contrastive", 0.1)
    )
    outcomes = table.labels[LABEL]
    own = [
        roc_auc_score(outcomes, run.values)
        for run in runs
        if (run.arm, run.fraction) == ("masked+contrastive", 0.1)
    ]
    assert isinstance(result.auroc, Estimate)
    assert result.auroc.value == pytest.approx(numpy.mean(own), abs=1e-4)
    assert (result.seed_low, result.seed_high) == pytest.approx((min(own), max(own)), abs=1e-4)
    gain = next(each for each in found.differences
                if (each.arm, each.against, each.fraction)
                == ("masked+contrastive", "random", 0.1))  # fmt: skip
    assert isinstance(gain.auroc, Estimate)
    assert gain.auroc.low > 0


def test_an_arm_with_too_few_positives_to_learn_from_has_no_number() -> None:
    table, risk = generated(600)
    found = ablate(table, LABEL, arm_runs(risk), settings=SETTINGS)
    for each in (*found.results, *found.differences):
        assert isinstance(each.auroc, NotEstimable) is (each.fraction == 0.01)
    assert len(found.results) == 8
    assert len(found.differences) == 8


def test_an_arm_must_predict_for_every_stay() -> None:
    table, risk = generated(100)
    risk[3] = numpy.nan
    with pytest.raises(CohortError):
        ablate(table, LABEL, [ArmRun("random", 1.0, 0, 50, risk)], settings=SETTINGS)
