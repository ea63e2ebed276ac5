"""docs/results/paper.md: the paper's table beside ours, filled from a run on MIMIC-IV where there is one.

python -m docs.paper                         "needs MIMIC-IV" in every cell
python -m docs.paper --run runs/mimic_iv     from its evaluation and ablation
"""

import argparse
from pathlib import Path

import msgspec

from training.appraisal.ablation import Ablation
from training.appraisal.ablation_page import ablation_page
from training.appraisal.findings import Evaluation
from training.appraisal.words import show, verdict, where

PAGE = Path(__file__).parent / "results" / "paper.md"
NEEDED = "needs MIMIC-IV"
CLAIMS = (
    (
        "TabNet, masked + contrastive, against XGBoost",
        "+4.1 % AUROC (absolute or relative: not said)",
    ),
    ("the same with few labels", "larger gains (no figure in what could be read)"),
    ("XGBoost", "not known"),
)
OTHERS = (
    ("MIMIC-IV, 415,231 admissions, 18 % (arXiv 2604.22535)", "XGBoost 0.696 / 0.346"),
    ("the same", "LightGBM 0.689 / 0.333"),
    ("the same", "logistic regression 0.675 / 0.326"),
    ("MIMIC-IV, MEDS-DEV (survivors with later data, about 23 %)", "CEHR-BERT 0.753 / 0.534"),
    ("MIMIC-IV notes and EHR graph (arXiv 2503.23050)", "0.72"),
)
HEAD = """# The paper's table: 30-day readmission on MIMIC-IV

Ketabi and Ramachandram, arXiv 2505.17643. What it claims, and what our run finds on the same database. MIMIC-IV
is for credentialed users: whoever has it fills this page by

```
make paper
```

(settings `configs/mimic_iv.toml`, run folder `runs/mimic_iv`, the ablation included). MIMIC-IV holds
patients of one hospital's emergency department and intensive care: no claim of general validity follows.
CMS's planned-readmission algorithm is not applied; planned means elective.
"""


def page(evaluation: Evaluation | None, ablation: Ablation | None) -> str:
    """Markdown."""
    claims = [f"| {what} | {claim} | {_ours(what, evaluation)} |" for what, claim in CLAIMS]
    others = [f"| {cohort} | {figures} |" for cohort, figures in OTHERS]
    return "\n".join(
        (
            HEAD,
            "| | the paper | ours, held_out |",
            "|---|---|---|",
            *claims,
            "",
            *_found(evaluation),
            "",
            ablation_page(ablation)
            if ablation
            else f"Ablation by start and share of labels: {NEEDED}.",
            "",
            "## Figures of others (AUROC / AUPRC)",
            "",
            "Other cohorts and rules: for orientation.",
            "",
            "| cohort | figures |",
            "|---|---|",
            *others,
            "",
        )
    )


def _ours(what: str, evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return NEEDED
    named = {each.name: each for each in evaluation.performance}
    if what == "XGBoost":
        return f"{show(named['XGBoost'].auroc)} / {show(named['XGBoost'].auprc)}"
    if "few labels" in what:
        return "see the ablation below"
    gap = next(each for each in evaluation.differences if each.name == "XGBoost")
    return f"{show(evaluation.performance[0].auroc)}; XGBoost less ours: {show(gap.auroc)}"


def _found(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return [f"All models on held_out with intervals: {NEEDED}."]
    rows = [
        f"| {each.name} | {show(each.auroc)} | {show(each.auprc)} | {show(each.brier)} "
        f"| {show(each.slope)} |"
        for each in evaluation.performance
    ]
    head = ["| model | AUROC | AUPRC | Brier | slope |", "|---|---|---|---|---|"]
    return [where(evaluation.cohort) + ".", "", *head, *rows, "", verdict(evaluation)]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    run = parser.parse_args().run
    evaluation = ablation = None
    if run:
        read = msgspec.json.decode
        evaluation = read((run / "evaluate" / "evaluation.json").read_bytes(), type=Evaluation)
        ablation = read((run / "ablation" / "ablation.json").read_bytes(), type=Ablation)
    PAGE.write_text(page(evaluation, ablation), "utf-8")


if __name__ == "__main__":
    main()
