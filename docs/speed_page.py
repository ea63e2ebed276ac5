"""docs/results/speed.md out of the measured results: no benchmark runs for it."""

from collections.abc import Iterator
from typing import Any

from bench.reporting import SECTIONS, Row, conditions_of, rows_of
from bench.targets import BINDS, TARGETS, Target

ABOUT = (
    "Every figure is a ratio of two things measured by turns in one run: absolute times are this machine's and"
    " mean little elsewhere. `ratio` is ours / the other's; below 1 ours takes less. Made by `make bench`;"
    " what each section measures is told in [bench/README.md](../../bench/README.md), the numbers are in"
    " [bench/results/latest.json](../../bench/results/latest.json).\n"
)
SEEN = "The parts named here were seen in profiles of 2026-11-22 on the machine of the figures; no command measures them.\n"
TARGET_HEAD = ("what", "to reach", "reached", "measured", "on")
ROW_HEAD = ("what", "ours", "against", "unit", "ratio", "target", "reached")
_REACHED = {True: "yes", False: "**no**", None: ""}


def targets() -> Iterator[tuple[str, ...]]:
    """One line for each target; what nobody could measure says so."""
    found = {row["name"]: row for name in measured() for row in rows_of(name)}
    dates = {row["name"]: _date(name) for name in measured() for row in rows_of(name)}
    for target in TARGETS:
        rows = [found[name] for name in target.rows]
        on = ", ".join(sorted({dates[row["name"]] for row in rows}))
        yield target.what, target.goal, _verdict(target, rows), _figures(rows), on


def binding() -> Iterator[str]:
    """What binds, for each row that misses its target."""
    for section in SECTIONS:
        for row in rows_of(section):
            if row["reached"] is False:
                yield f"- **{row['name']}** ({row['ratio']:g}): {BINDS[row['name']]}"


def measured() -> list[str]:
    """The sections that have results."""
    return [section for section in SECTIONS if rows_of(section)]


def section_rows(section: str) -> Iterator[tuple[str, ...]]:
    """The rows of one section, as last measured."""
    for row in rows_of(section):
        figures = (f"{row[name]:g}" for name in ("ours", "against"))
        told = (row["unit"], f"{row['ratio']:g}", row["target"], _REACHED[row["reached"]])
        yield row["name"], *figures, *told


def conditions(section: str) -> str:
    """Date, machine and what was measured, in one line."""
    return "; ".join(
        f"{_words(name)} {_said(value)}" for name, value in conditions_of(section).items()
    )


def _verdict(target: Target, rows: list[Row]) -> str:
    return ", then ".join(_REACHED[row["reached"]] for row in rows) or target.absent


def _figures(rows: list[Row]) -> str:
    each = (
        f"{row['ours']:g} {row['unit']} beside {row['against']:g}: {row['ratio']:g}" for row in rows
    )
    return "; ".join(dict.fromkeys(each))


def _date(section: str) -> str:
    return str(conditions_of(section)["date"])


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
