"""Every command of `readmit-train`, from a FHIR export to a bundle that loads."""

from pathlib import Path

import pytest
from rich.console import Console

from fhir_mapping.catalogue import CATALOGUE
from model import load_bundle
from tests.conftest import ROOT
from tests.training import small_exports
from tests.training.command_line import Called, call, configured, stage
from tests.training.small_runs import changed, with_fit
from training import cli
from training.settings import Settings, load_settings

COMMANDS = ("cohort", "pretrain", "align", "finetune", "evaluate", "release")


def settings_for(folder: Path, all_stages: Settings) -> Settings:
    export = small_exports.written(folder / "export" / "all.ndjson")
    told = with_fit(all_stages, epochs=1)
    return changed(
        told,
        cohort={"path": str(export), "shards": 2},
        evaluation={"baselines": ("two_admissions", "lace", "hospital", "logistic")},
    )


@pytest.fixture(scope="module")
def called(
    all_stages: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Called]]:
    """Each command in its turn."""
    folder = tmp_path_factory.mktemp("commands")
    configured(folder, settings_for(folder, all_stages))
    more = {"evaluate": ["--ablation"], "release": ["--out", str(folder / "bundle")]}
    return folder, {name: stage(name, folder, *more.get(name, [])) for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_ends_well_and_says_in_one_line_what_it_made(
    name: str, called: tuple[Path, dict[str, Called]]
) -> None:
    result = called[1][name]
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == 1
    assert small_exports.CANARY not in result.out + result.err


def test_what_each_command_says(called: tuple[Path, dict[str, Called]]) -> None:
    folder, results = called
    assert results["cohort"].out == "320 of 470 stays of 150 patients\n"
    assert results["finetune"].out == "2 members, calibrated on 25 stays\n"
    assert results["evaluate"].out == f"{folder / 'run' / 'evaluate' / 'report.html'}\n"
    assert results["release"].out == f"{folder / 'bundle'}\n"


def test_a_run_folder_holds_its_settings_and_a_whole_folder_for_each_stage(
    called: tuple[Path, dict[str, Called]],
) -> None:
    run = called[0] / "run"
    assert load_settings(run / "config.toml") == load_settings(called[0] / "run.toml")
    assert "torch" in (run / "environment.txt").read_text()
    stages = ("cohort", "pretrain", "align", "finetune/0", "finetune/1", "calibrate", "evaluate")
    for name in (*stages, "ablation"):
        assert (run / name / "DONE").is_file(), name
        assert not list((run / name).glob("*.part"))
        assert not list((run / name).glob("checkpoint*"))


def test_the_ablation_compares_every_way_to_start(called: tuple[Path, dict[str, Called]]) -> None:
    page = (called[0] / "run" / "ablation" / "ablation.md").read_text()
    cells = (called[0] / "run" / "ablation").glob("*/1/0/DONE")
    arms = {each.parts[-4] for each in cells}
    assert arms == {"random", "masked", "contrastive", "masked+contrastive"}
    assert all(arm in page for arm in arms)


def test_the_bundle_is_of_the_run(called: tuple[Path, dict[str, Called]]) -> None:
    bundle = load_bundle(called[0] / "bundle", mapping_digest=CATALOGUE.digest)
    assert bundle.manifest.kind == "trained"
    assert bundle.manifest.features == CATALOGUE.names
    card = (called[0] / "bundle" / "MODEL_CARD.md").read_text()
    assert "synthetic" in card.lower()
    assert str(called[0]) not in "".join(
        each.read_text() for each in (called[0] / "bundle").glob("*.md")
    )


def test_nothing_of_a_patient_is_in_the_bundle(called: tuple[Path, dict[str, Called]]) -> None:
    for file in (called[0] / "bundle").iterdir():
        assert small_exports.CANARY.encode() not in file.read_bytes(), file.name
        assert b"g17-stay0" not in file.read_bytes(), file.name


def test_no_folder_of_the_trainers_is_in_the_bundle(called: tuple[Path, dict[str, Called]]) -> None:
    for file in (called[0] / "bundle").iterdir():
        for folder in (called[0].parent, ROOT):
            assert str(folder).encode() not in file.read_bytes(), file.name


@pytest.mark.slow
def test_run_goes_from_the_data_to_the_bundle_and_skips_what_is_done(
    called: tuple[Path, dict[str, Called]], tmp_path: Path
) -> None:
    configured(tmp_path, load_settings(called[0] / "run.toml"))
    first = stage("run", tmp_path, "--out", tmp_path / "bundle")
    assert (first.code, first.out) == (0, f"{tmp_path / 'bundle'}\n"), first.err
    again = stage("run", tmp_path, "--out", tmp_path / "bundle")
    assert (again.code, again.out) == (0, first.out), again.err
    elsewhere = stage("run", tmp_path, "--out", tmp_path / "another")
    assert elsewhere.code == 0, elsewhere.err
    made = [
        {each.name: each.read_bytes() for each in folder.iterdir()}
        for folder in (called[0] / "bundle", tmp_path / "bundle", tmp_path / "another")
    ]
    assert made[0] == made[1] == made[2]


def test_what_a_command_says_goes_to_standard_output_on_a_terminal_too(
    called: tuple[Path, dict[str, Called]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars are drawn on standard error, and take hold of standard output while they are."""
    monkeypatch.setattr(cli, "_console", Console(stderr=True, force_terminal=True))
    result = stage("cohort", called[0])
    assert result.out == called[1]["cohort"].out


def test_without_a_command_it_lists_them() -> None:
    said = call("--help").out
    assert all(name in said for name in (*COMMANDS, "run", "demo"))
