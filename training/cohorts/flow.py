"""Who is in a cohort and who is not, and why: counted once by first reason, and drawn.

A flow in the manner of CONSORT: boxes from all stays to the splits, what was left out beside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import polars

from training.tables import SPLITS

WORDS = {
    "encounter_cancelled": "cancelled or entered in error",
    "visit_cancelled": "cancelled, in error or without an arrival time",
    "not_admitted_yet": "planned only",
    "admission_time_unknown": "admission time unknown",
    "discharge_time_unknown": "discharge time unknown",
    "discharge_before_admission": "discharge before admission",
    "departure_before_arrival": "departure before arrival",
    "not_finished": "not finished",
    "newborn": "newborn",
    "age_unknown": "age unknown",
    "under_18": "under 18 years",
    "deceased": "died by discharge",
    "hospice": "hospice",
    "not_acute": "not acute care",
    "observation_stay": "observation only",
    "transferred": "transferred to another acute hospital",
    "against_advice": "left against advice",
    "continued": "continued in a next stay (counted there)",
    "follow_up_too_short": "follow-up ends too early for the label",
    "in_icu_already": "intensive care before the prediction time",
    "stay_not_finished": "the stay it led to is not over",
}
_NOTICED = {
    "died_without_readmission": "died within 30 days without a readmission (negative)",
    "death_time_unknown": "dead, but when is not known",
    "readmission_type_unknown": "next stay of unknown type (counted as unplanned)",
}
_WIDTH, _LINE, _GAP = 720, 18, 24


@dataclass(frozen=True)
class LabelCount:
    """How often a label is 1, 0, and not known."""

    positive: int
    negative: int
    missing: int


@dataclass(frozen=True)
class Flow:
    """The counts of a cohort. `stays` are ED visits for critical outcomes.

    stays = kept + the sum of `excluded`. `splits`: stays, patients and positives of the primary
    label in each.
    """

    task: str
    subjects: int
    subjects_with_stays: int
    stays: int
    excluded: Mapping[str, int]
    kept: int
    kept_subjects: int
    labels: Mapping[str, LabelCount]
    noticed: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    notes: int

    @property
    def biggest_exclusion(self) -> str:
        """What took most stays, in words."""
        if not self.excluded:
            return "The data have no finished stays: check that Encounters are in them"
        reason, count = max(self.excluded.items(), key=lambda each: (each[1], each[0]))
        return f"Most are left out as: {WORDS.get(reason, reason)} ({count}); see the rules"


def flow_of(
    counts: Mapping[str, int],
    vectors: polars.DataFrame,
    notes: polars.DataFrame,
    task: str,
    labels: Sequence[str],
) -> Flow:
    """The flow of the added-up counts and the finished rows."""
    return Flow(
        task=task,
        subjects=counts.get("subjects", 0),
        subjects_with_stays=counts.get("subjects_with_stays", 0),
        stays=counts.get("stays", 0),
        excluded=_below("excluded/", counts),
        kept=len(vectors),
        kept_subjects=vectors["subject_id"].n_unique(),
        labels={name: _label_count(vectors[name]) for name in labels},
        noticed=_below("noticed/", counts),
        splits={name: _split_count(vectors, name, labels[0]) for name in SPLITS},
        notes=len(notes),
    )


def flow_page(flow: Flow) -> str:
    """A small HTML page with the diagram as inline SVG; no script, nothing fetched."""
    noun = _noun(flow)
    boxes = _Drawing()
    boxes.main([f"{flow.stays:,} {noun}", f"of {flow.subjects_with_stays:,} patients"])
    out = [f"{count:,}  {WORDS.get(reason, reason)}" for reason, count in _by_size(flow.excluded)]
    boxes.side([f"Left out: {sum(flow.excluded.values()):,}", *out])
    boxes.main([f"{flow.kept:,} {noun} in the cohort", f"of {flow.kept_subjects:,} patients"])
    boxes.side(_outcomes(flow))
    boxes.row([_split_lines(name, counts) for name, counts in flow.splits.items()])
    title = f"Cohort flow: {escape(flow.task)}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<body><h1>{title}</h1>{boxes.svg(title)}</body></html>\n"
    )


class _Drawing:
    """Boxes from the top down, joined by lines."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._y = 8
        self._last: int | None = None

    def main(self, lines: Sequence[str]) -> None:
        """A box on the left, joined to the one above."""
        self._join(160)
        self._last = self._box(20, 280, lines)
        self._y = self._last + _GAP

    def side(self, lines: Sequence[str]) -> None:
        """A box on the right, off the line that runs down."""
        middle = self._y + (len(lines) * _LINE + 12) // 2
        self._parts.append(f'<path d="M160 {middle}H320"/>')
        self._y = self._box(320, 390, lines) + _GAP

    def row(self, columns: Sequence[Sequence[str]]) -> None:
        """Boxes beside one another: what the last one is split into."""
        self._join(160)
        width = (_WIDTH - 40) // len(columns) - 10
        starts = [20 + index * (width + 15) for index in range(len(columns))]
        self._y = max(self._box(x, width, each) for x, each in zip(starts, columns, strict=True))

    def svg(self, title: str) -> str:
        """The whole drawing."""
        style = "font:13px sans-serif;max-width:100%"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{_WIDTH}" '
            f'height="{self._y + 8}" viewBox="0 0 {_WIDTH} {self._y + 8}" style="{style}">'
            f'<title>{title}</title><g fill="none" stroke="#345">{"".join(self._parts)}</g></svg>'
        )

    def _join(self, x: int) -> None:
        if self._last is not None:
            self._parts.append(f'<path d="M{x} {self._last}V{self._y}"/>')

    def _box(self, x: int, width: int, lines: Sequence[str]) -> int:
        height = len(lines) * _LINE + 12
        self._parts.append(f'<rect x="{x}" y="{self._y}" width="{width}" height="{height}"/>')
        for number, line in enumerate(lines, start=1):
            at = f'x="{x + 10}" y="{self._y + number * _LINE + 2}"'
            self._parts.append(f'<text {at} fill="#123" stroke="none">{escape(line)}</text>')
        return self._y + height


def _noun(flow: Flow) -> str:
    return "ED visits" if flow.task == "critical_outcome" else "hospital stays"


def _outcomes(flow: Flow) -> list[str]:
    lines = [f"{each.positive:,}  {name}" for name, each in flow.labels.items()]
    lines += [f"{count:,}  {_NOTICED.get(name, name)}" for name, count in flow.noticed.items()]
    return ["Outcomes", *lines, f"{flow.notes:,}  with a discharge summary"]


def _split_lines(name: str, counts: Mapping[str, int]) -> list[str]:
    rate = counts["positive"] / counts["stays"] if counts["stays"] else 0
    return [
        name,
        f"{counts['stays']:,} of {counts['subjects']:,} patients",
        f"{counts['positive']:,} positive ({rate:.1%})",
    ]


def _by_size(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _below(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    found = {name: n for name, n in sorted(counts.items()) if name.startswith(prefix) and n}
    return {name.removeprefix(prefix): count for name, count in found.items()}


def _label_count(label: polars.Series) -> LabelCount:
    positive, missing = int(label.sum() or 0), label.null_count()
    return LabelCount(positive, len(label) - positive - missing, missing)


def _split_count(vectors: polars.DataFrame, name: str, label: str) -> dict[str, int]:
    part = vectors.filter(polars.col("split") == name)
    return {
        "stays": len(part),
        "subjects": part["subject_id"].n_unique(),
        "positive": int(part[label].sum() or 0),
    }
