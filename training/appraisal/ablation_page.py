"""The ablation as Markdown: ways to start by fractions of the labels, and paired differences."""

from training.appraisal.ablation import Ablation, ArmDifference, ArmResult
from training.appraisal.words import show, where


def ablation_page(found: Ablation) -> str:
    """Two tables; a cell that is not estimable says why."""
    return "\n".join(
        (
            "## Ways to start, by share of the labels",
            "",
            where(found.cohort) + ".",
            "",
            "| labels | start | positives to learn from | seeds | AUROC | AUPRC | seeds' range |",
            "|---|---|---|---|---|---|---|",
            *map(_result, found.results),
            "",
            "Epochs are chosen on all labels of the selection slice, at every share.",
            "",
            "Paired differences, same stays, same resamples, means over seeds:",
            "",
            "| labels | start | against | AUROC | AUPRC |",
            "|---|---|---|---|---|",
            *map(_difference, found.differences),
            "",
        )
    )


def _result(each: ArmResult) -> str:
    spread = f"{each.seed_low:.4f} to {each.seed_high:.4f}" if each.seed_high else "-"
    return (
        f"| {each.fraction:.0%} | {each.arm} | {each.train_positives:,} | {each.seeds} "
        f"| {show(each.auroc)} | {show(each.auprc)} | {spread} |"
    )


def _difference(each: ArmDifference) -> str:
    return (
        f"| {each.fraction:.0%} | {each.arm} | {each.against} "
        f"| {show(each.auroc)} | {show(each.auprc)} |"
    )
