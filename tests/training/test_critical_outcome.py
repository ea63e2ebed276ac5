"""The second task goes the same way, on generated data, to a bundle that the service can offer."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from cds_service.services import offered
from fhir_mapping.emergency import features_known_at
from model.manifest import MODEL_CARD
from model.shape import TabNetConfig
from tests.generated_cohort import generate
from tests.training.small_cohorts import written
from training import commands
from training.appraisal.findings import Estimate
from training.commands import Session
from training.progress import silent
from training.runs import open_run
from training.settings import Fit, Settings, load_settings
from training.tables import Table
from training.verdicts import finished_evaluation

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "mimic_iv_critical.toml"
TODAY = date(2026, 11, 21)


def at_departure(table: Table) -> Table:
    """The features known when the ED is left, and the second task's label."""
    kept = frozenset(features_known_at("ed_departure"))
    seen = table.without(frozenset(table.schema.names) - kept)
    labels = {"critical_outcome": table.labels["readmission_30d"]}
    return replace(seen, labels=labels, extras={})


def small(settings: Settings) -> Settings:
    """A network and stages of seconds."""
    change = msgspec.structs.replace
    few = Fit(epochs=4, batch=256, learning_rate=0.005)
    encoder = TabNetConfig(
        n_d=8, n_a=8, n_steps=2, n_independent=1, n_shared=1, virtual_batch_size=128, bins=8,
        embedding=4, output=16, attention="concept", attention_start=0.01,
    )  # fmt: skip
    return change(
        settings,
        threads=1,
        encoder=encoder,
        pretraining=change(settings.pretraining, fit=change(few, epochs=1)),
        finetuning=change(settings.finetuning, fit=few, members=2, freeze=False, drop=0.1),
        evaluation=change(settings.evaluation, resamples=50, baselines=("logistic",)),
    )


@pytest.mark.slow
def test_critical_outcome_is_trained_evaluated_and_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIG.parents[1])
    run = open_run(tmp_path / "run", small(load_settings(CONFIG)))
    written(run.folder / "cohort", at_departure(generate(12_000, 5).table), {})
    session = Session(run, TODAY, silent)
    for stage in (commands.do_pretrain, commands.do_finetune, commands.do_evaluate):
        stage(session)
    bundle = commands.do_release(session, tmp_path / "bundle")
    assert bundle.manifest.task == "critical_outcome"
    assert bundle.manifest.variant == "ed_departure"
    assert "Predicts as of: ed\\_departure" in (bundle.path / MODEL_CARD).read_text()
    service = offered({"ed-risk": bundle.path}, (), critical_outcome=True)["ed-risk"]
    assert service.hooks == ("encounter-start", "patient-view")
    assert bundle.manifest.features == features_known_at("ed_departure")
    assert "insurance" not in bundle.manifest.features
    found = finished_evaluation(session.experiment).performance[0].auroc
    assert isinstance(found, Estimate)
    assert found.value > 0.65
