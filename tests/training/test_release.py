"""The bundle is what was trained: it scores alike, and says what train looked like."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy
import pytest

from fhir_mapping.catalogue import CATALOGUE
from model import Bundle, load_bundle, scorer_for
from model.trained import STAYS, TrainedModel, Value
from tests.conftest import ROOT
from tests.service.requests import example
from tests.service.running import URL, running
from tests.training.small_runs import LABEL, SETTINGS, changed, experiment
from training import release as releasing
from training.errors import RunError, SettingError
from training.experiment import Experiment
from training.release import Learnt, check_releasable, release
from training.settings import load_settings
from training.stages import calibrate, finetune, logits_for, network_of, pretrain
from training.tables import Floats, Table

FEW = 20

MADE_ON = date(2026, 11, 21)


@dataclass(frozen=True)
class Ready:
    """A run that may be released."""

    experiment: Experiment
    learnt: Learnt

    def to(self, out: Path) -> Bundle:
        return release(
            self.experiment, self.learnt, out, created=MADE_ON, card="# A card\n", pages={}
        )


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    made = experiment(tmp_path_factory.mktemp("release"))
    members = finetune(made, pretrain(made))
    return Ready(made, Learnt(members, calibrate(made, network_of(made, members))))


@pytest.fixture(scope="module")
def bundle(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("bundles") / "small"
    ready.to(out)
    return load_bundle(out, mapping_digest=CATALOGUE.digest)


def model_of(bundle: Bundle) -> TrainedModel:
    assert bundle.trained is not None
    return bundle.trained


def as_the_mapping_says(table: Table, row: Floats) -> list[Value]:
    """One row in catalogue order; the network takes nine of the 105."""
    stated: dict[str, Value] = {}
    for column, cell in zip(table.schema, row, strict=True):
        stated[column.name] = None if numpy.isnan(cell) else float(cell)
        if column.levels and stated[column.name] is not None:
            stated[column.name] = column.levels[int(cell)]
    return [stated.get(name, 1.0) for name in CATALOGUE.names]


def test_the_loaded_bundle_scores_every_stay_as_the_members_in_memory(
    ready: Ready, bundle: Bundle
) -> None:
    made, learnt = ready.experiment, ready.learnt
    values = made.table.values
    logits = logits_for(made, network_of(made, learnt.members), values)
    assert abs(model_of(bundle).logits(values) - logits).max() < 1e-6
    scorer = scorer_for(bundle)
    low, high = learnt.calibrator.interval(logits[:, :25])
    expected = learnt.calibrator.probability(logits[:, :25])
    for index, row in enumerate(values[:25]):
        score = scorer.score(as_the_mapping_says(made.table, row))
        assert score.probability == pytest.approx(expected[index], abs=1e-4)
        assert score.interval == pytest.approx((low[index], high[index]), abs=1e-4)


def test_the_bundle_holds_the_calibrator_and_the_preprocessing_of_the_run(
    ready: Ready, bundle: Bundle
) -> None:
    assert model_of(bundle).calibrator == ready.learnt.calibrator
    assert model_of(bundle).preprocessing == ready.experiment.preprocessing


def test_the_reference_patient_is_the_median_and_commonest_of_train(
    ready: Ready, bundle: Bundle
) -> None:
    train = ready.experiment.train
    for column, stated in zip(train.schema, model_of(bundle).reference, strict=True):
        cells = train.column(column.name)
        observed = cells[~numpy.isnan(cells)].tolist()
        if column.kind == "numeric":
            assert stated == sorted(observed)[len(observed) // 2] or stated == pytest.approx(
                numpy.median(observed)
            )
        else:
            commonest = max({*observed}, key=lambda each: (observed.count(each), -each))
            expected = column.levels[int(commonest)] if column.levels else commonest
            assert stated == expected


def test_histograms_and_missing_shares_are_those_of_train(ready: Ready, bundle: Bundle) -> None:
    train = ready.experiment.train
    for column in train.schema:
        stated, cells = model_of(bundle).histograms[column.name], train.column(column.name)
        observed = cells[~numpy.isnan(cells)]
        assert stated.missing == pytest.approx(numpy.isnan(cells).mean(), abs=1e-3)
        if column.kind == "numeric":
            bins = [-numpy.inf, *stated.edges, numpy.inf]
            counted = numpy.histogram(observed, bins)[0] / len(observed)
        else:
            levels = range(len(column.levels) + 1 if column.levels else 2)
            counts = numpy.array([(observed == level).sum() for level in levels])
            counted = numpy.where(counts < FEW, 0, counts) / len(observed)
        assert stated.shares == pytest.approx(counted, abs=0.01)


def test_of_values_that_few_stays_have_the_bundle_says_nothing(ready: Ready) -> None:
    train = ready.experiment.train
    cells = train.values.copy()
    cells[FEW - 1 :, train.schema.names.index("triage_sbp")] = numpy.nan
    stated = releasing.histograms(replace(train, values=cells))["triage_sbp"]
    assert (stated.edges, stated.shares) == ((), ())


def test_held_out_and_tuning_are_not_in_the_bundle(ready: Ready, tmp_path: Path) -> None:
    made = ready.experiment
    fewer = experiment(tmp_path / "fewer", table=made.table.rows(made.table.splits == "train"))
    for describe in (releasing.reference_patient, releasing.histograms):
        assert describe(made.train) == describe(fewer.table)


def test_the_base_rate_is_that_of_train(ready: Ready, bundle: Bundle) -> None:
    labels = ready.experiment.train.labels[LABEL]
    assert bundle.manifest.base_rate is not None
    assert bundle.manifest.base_rate.value == round(float(labels.mean()), 4)


def test_sample_stays_are_nobodys(ready: Ready, bundle: Bundle) -> None:
    stays = json.loads((bundle.path / STAYS).read_bytes())
    train = ready.experiment.train
    real = {tuple(as_the_mapping_says(train, row)) for row in train.values}
    assert len(stays) >= 8
    for stay in stays:
        by_name = dict(zip(train.schema.names, stay["values"], strict=True))
        assert tuple(by_name.get(name, 1.0) for name in CATALOGUE.names) not in real


def test_the_same_run_gives_the_same_bundle(ready: Ready, bundle: Bundle, tmp_path: Path) -> None:
    assert ready.to(tmp_path / "again").digest == bundle.digest


def test_a_bundle_is_written_once(ready: Ready, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(RunError, match="already there"):
        ready.to(tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def interrupted(write: Callable[[Path, bytes], int], after: int, error: BaseException) -> object:
    calls = 0

    def call(path: Path, content: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            write(path, content[:10])
            raise error
        return write(path, content)

    return call


@pytest.mark.parametrize("after", [0, 5, 11])
@pytest.mark.parametrize(
    ("error", "seen"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left on device"), RunError)],
    ids=["killed", "full"],
)
def test_a_release_that_does_not_end_leaves_nothing(
    error: BaseException,
    seen: type[BaseException],
    after: int,
    ready: Ready,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "write_bytes", interrupted(Path.write_bytes, after, error))
    with pytest.raises(seen):
        ready.to(tmp_path / "small")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert ready.to(tmp_path / "small").path.is_dir()


def test_what_a_killed_release_left_behind_does_not_hinder_the_next(
    ready: Ready, tmp_path: Path
) -> None:
    (tmp_path / ".small.part").mkdir()
    (tmp_path / ".small.part" / "weights.safetensors").write_bytes(b"half")
    ready.to(tmp_path / "small")
    assert [each.name for each in tmp_path.iterdir()] == ["small"]


def test_published_scores_that_are_not_there_are_told_before_anything_is_trained(
    tmp_path: Path,
) -> None:
    told = changed(SETTINGS, release={"published": str(tmp_path / "absent")})
    with pytest.raises(SettingError, match=r"release\.published: .*absent"):
        check_releasable(told, tmp_path / "out")


def test_a_floor_of_no_group_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    told = changed(SETTINGS, release={"coverage_floors": {"anything": 0.5}})
    with pytest.raises(SettingError, match=r"release\.coverage_floors: no groups: anything"):
        check_releasable(told, tmp_path / "out")


CONFIGS = sorted(set((ROOT / "configs").glob("*.toml")) - {ROOT / "configs" / "tenants.toml"})


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_every_config_that_comes_with_it_could_be_released(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    check_releasable(load_settings(file), tmp_path / "out")


async def test_the_service_serves_it_unchanged(
    ready: Ready, bundle: Bundle, tmp_path: Path
) -> None:
    request = example("margaret-heart-failure")
    async with running(tmp_path, bundles={"readmission-risk": bundle.path}) as http:
        answer = await http.post(URL, json=request)
    (card,) = answer.json()["cards"]
    facts = card["extension"]["org.readmit.readmission"]
    assert facts["outcome"] == "scored"
    assert facts["bundle_digest"] == bundle.digest
    assert f"{round(100 * facts['probability'])} %" in card["summary"]
    assert ready.experiment.settings.release.notice in card["detail"]
    assert {each["concept"] for each in facts["contributions"]} <= _concepts(ready)
    assert 0 < facts["probability"] < 1


def _concepts(ready: Ready) -> set[str]:
    names: Sequence[str] = ready.experiment.table.schema.concepts
    return {*names}
