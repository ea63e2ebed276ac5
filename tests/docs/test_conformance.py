"""Each requirement on a CDS service is shown by tests that exist, and the page says what is so."""

import ast
from functools import cache
from pathlib import Path

import pytest

from docs.conformance import MAPPING, PAGE, Requirement, listed, mapping, page
from tests.corpus.play import load
from tests.service.test_cds_hooks_wire import BROKEN_DISCOVERY
from tests.service.wire_format import BREAKS, OPTIONAL

ROOT = MAPPING.parents[1]
WAYS = ("tests", "measured", "not_applicable")
NUMBERED = {
    "test_an_answer_that_breaks_the_requirement_is_found": BREAKS,
    "test_an_answer_that_uses_the_liberty_is_valid": OPTIONAL,
    "test_a_discovery_that_breaks_the_requirement_is_found": BROKEN_DISCOVERY,
}
"""Tests with a case for each requirement, by its number."""
CASES = NUMBERED | {"test_the_answer_is_as_the_corpus_expects": load()}
NAMED = sorted({test for each in mapping().values() for test in each.get("tests", ())})


@pytest.fixture
def requirements(data_dir: Path) -> tuple[Requirement, ...]:
    return listed(data_dir)


@cache
def functions_of(file: str) -> frozenset[str]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, kinds))


@pytest.mark.parametrize("test", NAMED)
def test_every_test_that_is_named_exists(test: str) -> None:
    file, _, name = test.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    assert name in functions_of(file)
    assert not case or case in CASES[name]


@pytest.mark.parametrize("name", mapping())
def test_every_requirement_is_shown_in_one_way_and_told_in_few_words(name: str) -> None:
    entry = mapping()[name]
    assert sum(way in entry for way in WAYS) == 1
    assert set(entry) <= {"in_words", "note", *WAYS}
    assert 0 < len(entry["in_words"].split()) <= 10
    assert all(entry.values())
    assert (ROOT / entry.get("measured", ".")).exists()


@pytest.mark.parametrize("test", NUMBERED)
def test_a_case_for_a_requirement_is_named_by_that_requirement(test: str) -> None:
    for number in NUMBERED[test]:
        named = mapping()[f"cds-hooks_2.0@{number}"]["tests"]
        assert any(each.endswith(f"::{test}[{number}]") for each in named), number


@pytest.mark.data
def test_the_mapping_has_every_requirement_of_the_list_and_no_other(
    requirements: tuple[Requirement, ...],
) -> None:
    assert sorted(each.id for each in requirements) == sorted(mapping())


@pytest.mark.data
def test_what_a_service_shall_or_shall_not_do_is_shown_by_tests(
    requirements: tuple[Requirement, ...],
) -> None:
    binding = [each for each in requirements if each.verb in ("SHALL", "SHALL NOT")]
    assert len(binding) == 78
    assert [each.id for each in binding if not each.tests] == []


@pytest.mark.data
def test_the_page_is_fresh(requirements: tuple[Requirement, ...]) -> None:
    assert PAGE.read_text("utf-8") == page(requirements), "run `python -m docs.conformance`"
