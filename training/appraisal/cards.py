"""The two documents that travel with a model, as Markdown, filled from the run.

Whatever the run cannot know says so; nothing is left to be read as "fine".
"""

import re
from collections.abc import Iterable

from training.appraisal import words
from training.appraisal.facts import RunFacts
from training.appraisal.findings import Evaluation
from training.appraisal.tripod import ITEMS, NOT_DONE, SITE

WARNING = (
    "> **SYNTHETIC DATA, NOT FOR CLINICAL USE.** The patients were generated. No number here says "
    "how well anything works in a hospital."
)
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")
PUBLISHED = (
    ("MIMIC-IV, 415,231 admissions, 18 % (arXiv 2604.22535)",
     "XGBoost 0.696 / 0.346, LightGBM 0.689 / 0.333, logistic 0.675 / 0.326"),
    ("MIMIC-IV, MEDS-DEV, survivors with later data, about 23 %",
     "CEHR-BERT 0.753 / 0.534, GenHPF 0.724 / 0.473"),
    ("MIMIC-IV notes and EHR graph (arXiv 2503.23050)", "0.72"),
    ("Rajkomar 2018, FHIR-format records of two centres", "0.75-0.76"),
    ("Cleveland Clinic deployed score, 600,872 discharges", "0.6875"),
    ("HOSPITAL (avoidable only), LACE, 2 or more admissions", "0.72, 0.65-0.68, 0.61"),
)  # fmt: skip


def tripod_ai(facts: RunFacts, evaluation: Evaluation | None = None) -> str:
    """All items of TRIPOD+AI, one row each."""
    lines = [
        f"# TRIPOD+AI: {_plain(facts.title)}",
        "",
        *_head(facts),
        f"Made on {facts.made_on} from the run's own record. {SITE} and {NOT_DONE} mark what a "
        "reader must not take for granted.",
        "",
        "| item | section | topic | in this run |",
        "|---|---|---|---|",
    ]
    for item in ITEMS:
        answer = _cell(item.answered(facts, evaluation))
        lines.append(f"| {item.number} | {item.section} | {item.topic} | {answer} |")
    return "\n".join(lines) + "\n"


def model_card(facts: RunFacts, evaluation: Evaluation | None = None) -> str:
    """What the model is, what it was trained on, how it did, and what it is not for."""
    sections = [
        _lines(f"# {_plain(facts.title)}", "", *_head(facts), *_identity(facts)),
        _section("Intended use", _use(facts)),
        _section("Not for", _not_for(facts)),
        _section("Training data", _data(facts)),
        _section("Performance", _performance(evaluation)),
        _section("Subgroups", _subgroups(evaluation)),
        _section("Interval", [words.verdict(evaluation) if evaluation else NOT_DONE]),
        _section("Figures of others", _published(facts)),
        _section("Known limits", _limits(facts)),
        _section("Regulation", [facts.stated.get("regulation", f"Not determined. {SITE}")]),
    ]
    return "\n".join(sections)


def _head(facts: RunFacts) -> list[str]:
    return [WARNING, ""] if facts.synthetic else []


def _identity(facts: RunFacts) -> list[str]:
    made = ", ".join(f"{_plain(k)} {_plain(v)}" for k, v in sorted(facts.environment.items()))
    return [
        f"- Bundle: {_plain(facts.bundle)}",
        f"- Task: {_plain(facts.task)}",
        *([f"- Predicts as of: {_plain(facts.variant)}"] if facts.variant else []),
        f"- Outcome: {_plain(facts.outcome)}",
        f"- Model: {_plain(facts.model) or 'not recorded'}",
        f"- Inputs: {facts.features}; output: a probability with an interval",
        f"- Seeds: {', '.join(map(str, facts.seeds)) or 'none stated'}",
        f"- Made on: {facts.made_on}",
        f"- Environment: {made or 'not recorded'}",
    ]


def _use(facts: RunFacts) -> list[str]:
    where = "in the emergency department" if facts.variant else "at discharge"
    stated = facts.stated.get("use", f"Informs clinicians {where}; it directs nothing.")
    return [stated, "", f"Population: {_plain(facts.population)}."]


def _not_for(facts: RunFacts) -> list[str]:
    stays_out = ["Any clinical use"] if facts.synthetic else ["Use before local validation"]
    return [
        f"- {each}."
        for each in (
            *stays_out,
            "Patients outside the population above",
            "Refusing or delaying care",
            "Time-critical decisions",
        )
    ]


def _data(facts: RunFacts) -> list[str]:
    dates = f"{facts.data_from or 'unknown'} to {facts.data_until or 'unknown'}"
    lines = [f"{_plain(facts.data_source)}, {dates}."]
    if facts.flow:
        lines += ["", "| step | stays |", "|---|---|"]
        lines += [f"| {_plain(step.text)} | {step.stays:,} |" for step in facts.flow]
    if facts.splits:
        lines += ["", "| split | stays | patients | positive |", "|---|---|---|---|"]
        lines += [
            f"| {each.name} | {each.stays:,} | {each.patients:,} | {each.positives:,} |"
            for each in facts.splits
        ]
    return lines


def _performance(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None:
        return [f"No evaluation was run. {NOT_DONE}"]
    names = ("AUROC", "AUPRC", "Brier", "slope", "in the large")
    lines = [
        words.where(evaluation.cohort) + ".",
        "",
        *(f"- **{_plain(note)}**" for note in evaluation.notes),
        "",
        f"| predictor | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for each in evaluation.performance:
        found = (each.auroc, each.auprc, each.brier, each.slope, each.in_the_large)
        lines.append(f"| {_plain(each.name)} | {' | '.join(map(words.show, found))} |")
    return [*lines, "", *_differences(evaluation)]


def _differences(evaluation: Evaluation) -> list[str]:
    return [
        f"- {_plain(each.name)} less {_plain(each.against)}, the same resamples: AUROC "
        f"{words.show(each.auroc)}, AUPRC {words.show(each.auprc)} on {each.rows:,} stays"
        for each in evaluation.differences
    ]


def _subgroups(evaluation: Evaluation | None) -> list[str]:
    if evaluation is None or not evaluation.subgroups:
        return [NOT_DONE]
    lines = [f"{_plain(evaluation.performance[0].name)}; {words.where(evaluation.cohort)}.", ""]
    lines += ["| group | stays | AUROC | in the large |", "|---|---|---|---|"]
    shown = [each for each in evaluation.subgroups if each.hidden != "all"]
    for each in shown:
        own, count = each.performance[0], "hidden" if each.rows is None else f"{each.rows:,}"
        found = f"{words.show(own.auroc)} | {words.show(own.in_the_large)}"
        lines.append(f"| {each.axis}: {_plain(each.level)} | {count} | {found} |")
    hidden = len(evaluation.subgroups) - len(shown)
    total = len(evaluation.subgroups)
    reason = "too few stays, or kept back so that another one cannot be computed"
    return [*lines, "", f"{hidden} of {total} groups are hidden: {reason}."]


def _published(facts: RunFacts) -> list[str]:
    if facts.task != "readmission_30d":
        return ["None collected for this task."]
    lines = ["Other cohorts and other rules: for orientation, not for comparison.", ""]
    lines += ["| cohort | AUROC / AUPRC |", "|---|---|"]
    return lines + [f"| {cohort} | {figures} |" for cohort, figures in PUBLISHED]


def _limits(facts: RunFacts) -> list[str]:
    answers = {item.number: item for item in ITEMS}
    return [answers["26"].answered(facts, None)]


def _section(title: str, lines: Iterable[str]) -> str:
    return _lines(f"## {title}", "", *lines)


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """An answer of several parts, ours in bold: one line that stays in its cell, no HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _plain(text: str) -> str:
    """Text that came from settings or data, so that it cannot become mark-up."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
