"""docs/results/diabetes130.md, from what was found."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from training.appraisal.findings import Evaluation
from training.appraisal.words import show, verdict, where
from training.runs import environment

_NOTES = Path(__file__).parent / "notes.md"


def page(found: Evaluation, by_seed: Mapping[str, Sequence[float]]) -> str:
    """Markdown; the notes on what helped are kept beside the settings that they led to."""
    return "\n".join(
        (
            "# Real readmissions: Diabetes 130-US hospitals",
            "",
            "Written by `python -m bench.diabetes130`. UCI Diabetes 130-US Hospitals 1999-2008 "
            "(CC BY 4.0), rows of patients who died or went to hospice left out, split by "
            "`patient_nbr`, no input computed across a patient's rows. The label is the data "
            'set\'s own "readmitted within 30 days", planned or not.',
            "",
            where(found.cohort) + ".",
            "",
            *_table(found),
            "",
            *_differences(found),
            "",
            "## Seed by seed",
            "",
            *_seeds(by_seed),
            "",
            "## The interval",
            "",
            verdict(found),
            "",
            *(f"- {note}" for note in found.notes),
            "",
            _NOTES.read_text("utf-8").strip(),
            "",
            "## Made with",
            "",
            "```",
            environment().strip(),
            "```",
            "",
        )
    )


def _table(found: Evaluation) -> list[str]:
    rows = [
        f"| {each.name} | {show(each.auroc)} | {show(each.auprc)} | {show(each.brier)} "
        f"| {show(each.slope)} | {show(each.ece)} |"
        for each in found.performance
    ]
    head = "| model | AUROC | AUPRC | Brier | calibration slope | ECE |"
    return [head, "|---|---|---|---|---|---|", *rows]


def _differences(found: Evaluation) -> list[str]:
    """Paired, in the same resamples of patients."""
    rows = [
        f"| {each.name} | {show(each.auroc)} | {show(each.auprc)} |" for each in found.differences
    ]
    return [
        f"Difference to {found.performance[0].name}: the other less ours, same stays, same resamples.",
        "",
        "| model | AUROC | AUPRC |",
        "|---|---|---|",
        *rows,
    ]


def _seeds(by_seed: Mapping[str, Sequence[float]]) -> list[str]:
    rows = [
        f"| {name} | {numpy.mean(values):.4f} | {min(values):.4f} to {max(values):.4f} | {len(values)} |"
        for name, values in by_seed.items()
    ]
    return ["| model | mean AUROC of one | range | seeds |", "|---|---|---|---|", *rows]
