"""report.json and report.html of one evaluation: the same input gives the same bytes.

The page stands alone: no script, no network, figures inline.
"""

from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.appraisal import words
from training.appraisal.facts import RunFacts
from training.appraisal.findings import AtThreshold, Evaluation, Subgroup
from training.appraisal.plots import plots
from training.errors import RunError

PAGE, NUMBERS = "report.html", "report.json"
_TEMPLATES = Path(__file__).parent / "appraisal"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What report.json holds."""

    facts: RunFacts
    evaluation: Evaluation


def write_report(evaluation: Evaluation, facts: RunFacts, out: Path) -> None:
    """Write both files into the folder `out`, or neither. Raises RunError."""
    if evaluation.cohort.synthetic != facts.synthetic:
        remedy = "Say so in both or in neither"
        raise RunError(out, "run and evaluation differ on whether the data are synthetic", remedy)
    written = {
        NUMBERS: report_json(evaluation, facts),
        PAGE: report_html(evaluation, facts).encode(),
    }
    drafts = {out / f".{name}.part": out / name for name in written}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for draft, final in drafts.items():
            draft.write_bytes(written[final.name])
        for draft, final in drafts.items():
            draft.replace(final)
    except OSError as failed:
        raise RunError(out, "the report cannot be written", "Check folder and space") from failed
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def report_json(evaluation: Evaluation, facts: RunFacts) -> bytes:
    """Both, indented, keys in a fixed order."""
    report = Report(facts=facts, evaluation=evaluation)
    return msgspec.json.format(msgspec.json.encode(report, order="deterministic"), indent=1) + b"\n"


def report_html(evaluation: Evaluation, facts: RunFacts) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(PAGE).render(
        evaluation=evaluation,
        facts=facts,
        about=_about(facts),
        axes=_by_axis(evaluation),
        plots=plots(evaluation),
        settings=_settings(facts),
        show=words.show,
        percent=words.percent,
        verdict=words.verdict(evaluation),
        where=words.where(evaluation.cohort),
        own_thresholds=_own_thresholds,
    )


def _about(facts: RunFacts) -> list[tuple[str, str]]:
    return [
        ("Task", facts.task),
        ("Outcome", facts.outcome),
        ("Population", facts.population),
        ("Data", facts.data_source),
        (
            "Data from and until",
            f"{facts.data_from or 'unknown'} to {facts.data_until or 'unknown'}",
        ),
        ("Bundle", facts.bundle),
        ("Seeds", ", ".join(map(str, facts.seeds)) or "none stated"),
        ("Made on", facts.made_on),
    ]


def _by_axis(evaluation: Evaluation) -> list[tuple[str, list[Subgroup]]]:
    found = groupby(evaluation.subgroups, key=attrgetter("axis"))
    return [(axis, list(groups)) for axis, groups in found]


def _own_thresholds(group: Subgroup) -> tuple[AtThreshold, ...]:
    return group.performance[0].thresholds


def _settings(facts: RunFacts) -> str:
    encoded: Any = msgspec.json.encode(facts.settings, order="deterministic")
    return str(msgspec.json.format(encoded, indent=2).decode())
