"""The demonstration from nothing to a bundle that is served, on made-up patients."""

import json
from pathlib import Path

import pytest

from cds_service.settings import READMISSION
from fhir_mapping.catalogue import CATALOGUE
from model import load_bundle
from tests.conftest import ROOT
from tests.docs.page_commands import works
from tests.service.requests import example
from tests.service.running import URL, running
from tests.training.command_line import call

pytestmark = [pytest.mark.slow, pytest.mark.long]
STAGES = ("cohort", "pretrain", "align", "finetune/0", "calibrate", "evaluate", "release")


async def test_the_small_demonstration_ends_in_a_bundle_that_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = tmp_path / "runs" / "small"
    result = call("demo", "--small", "--out", out)
    assert result.code == 0, result.err
    assert result.out == f"{out / 'bundle'}\n"
    assert all((out / "run" / name / "DONE").is_file() for name in STAGES)
    for also in ("before_discharge", "death_or_readmission_30d"):
        assert (out / "run" / "evaluate" / also / "report.html").is_file()
    bundle = load_bundle(out / "bundle", mapping_digest=CATALOGUE.digest)
    card = (out / "bundle" / "MODEL_CARD.md").read_text().lower()
    for said in (card, bundle.manifest.notice.lower()):
        assert "synthetic" in said
        assert "not for clinical use" in said
    assert str(tmp_path) not in card
    report = json.loads((out / "run" / "evaluate" / "evaluation.json").read_bytes())
    assert report["cohort"]["synthetic"] is True
    async with running(tmp_path, bundles={READMISSION: out / "bundle"}) as http:
        answer = await http.post(URL, json=example("margaret-heart-failure"))
    facts = answer.json()["cards"][0]["extension"]["org.readmit.readmission"]
    assert (facts["outcome"], facts["bundle_digest"]) == ("scored", bundle.digest)
    again = call("demo", "--small", "--out", out)
    assert (again.code, again.out) == (0, result.out)
    works(
        ROOT / "docs" / "tutorials" / "train-a-demonstration.md", tmp_path
    )  # goes on where it was
