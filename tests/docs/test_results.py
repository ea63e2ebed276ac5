"""The figures in the README are those of the result files, rounded and not retyped from memory."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8").partition("## Results")[2].partition("## Int")[0]
ROWS = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in README.splitlines()[3:8]}


def evaluation(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / path).read_bytes())["evaluation"]
    return found


def auroc(path: str, *, starts: str) -> dict[str, float]:
    (found,) = [
        each["auroc"] for each in evaluation(path)["performance"] if each["name"].startswith(starts)
    ]
    return found  # type: ignore[no-any-return]


def with_interval(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ("real readmissions", "docs/results/diabetes130.json"),
        ("the shipped demonstration", "bundles/demo/evaluation.json"),
    ],
)
def test_the_models_own_figures(row: str, path: str) -> None:
    (shown,) = [value for name, value in ROWS.items() if name.startswith(row)]
    assert shown == with_interval(auroc(path, starts="Readmit"))


def test_the_rivals_figures() -> None:
    (shown,) = [value for name, value in ROWS.items() if name.startswith("the same stays")]
    names = ("XGBoost", "LightGBM", "Logistic", "TabNet (its own")
    path = "docs/results/diabetes130.json"
    expected = [f"{auroc(path, starts=name)['value']:.3f}" for name in names]
    assert shown.split(" / ") == expected


def test_the_figures_of_known_risk() -> None:
    (shown,) = [value for name, value in ROWS.items() if name.startswith("generated stays")]
    page = (ROOT / "docs" / "results" / "known_risk.md").read_text("utf-8")
    ours, true = (
        re.findall(rf"\| AUROC of the {which}[^|]*\| ([\d.]+)", page)[0]
        for which in ("trained model", "true risk")
    )
    assert shown == f"{float(ours):.3f} / {float(true):.3f}"
