"""The page of the benchmarks: every target is on it, and what misses one says what binds."""

import json
import re

import pytest

from bench.reporting import LATEST, RESULTS, SECTIONS, Row, conditions_of, row, rows_of
from bench.targets import BINDS, TARGETS, Target
from docs.generate import speed

FIELDS = ("name", "ours", "against", "ratio", "target", "unit", "reached")
ROWS: list[Row] = json.loads((RESULTS / LATEST).read_bytes())
MEASURED = [name for name in SECTIONS if rows_of(name)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.what)
def test_every_target_is_on_the_page(target: Target) -> None:
    (line,) = [each for each in speed().splitlines() if each.startswith(f"| {target.what} |")]
    verdict = line.split("|")[3].strip()
    assert re.fullmatch(r"(yes|\*\*no\*\*)(, then (yes|\*\*no\*\*))?|not measured.*", verdict)


def test_the_latest_results_are_those_of_all_sections() -> None:
    assert [each for name in SECTIONS for each in rows_of(name)] == ROWS
    assert all(tuple(each) == FIELDS for each in ROWS)


def test_a_row_has_a_name_of_its_own() -> None:
    names = [each["name"] for each in ROWS]
    assert sorted(names) == sorted(set(names))


def test_what_misses_its_target_says_what_binds_and_nothing_else_does() -> None:
    missed = {each["name"] for each in ROWS if each["reached"] is False}
    assert {name for name, why in BINDS.items() if why} == missed


@pytest.mark.parametrize("name", MEASURED)
def test_a_section_says_when_and_on_what_it_was_measured(name: str) -> None:
    assert {"date", "python", "machine"} <= conditions_of(name).keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_can_be_run_alone(name: str) -> None:
    source = (RESULTS.parent / f"{name}.py").read_text("utf-8")
    assert f"`python -m bench.{name}`" in source
    assert f'report("{name}", ' in source.replace("\n        ", " ")


@pytest.mark.parametrize(
    ("most", "reached"), [(2.0, True), (1.5, True), (1.4, False), (None, None)], ids=str
)
def test_a_row_reaches_its_target_up_to_the_limit(most: float | None, reached: bool | None) -> None:
    found = row("any", 1.5, 3.0, most=most, target="any", unit="ms")
    assert (found["ratio"], found["reached"]) == (0.5, reached)
