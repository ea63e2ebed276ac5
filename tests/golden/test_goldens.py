"""Whole example patients: every value, both point scores and the card, reviewed once by a person."""

from functools import cache
from pathlib import Path

import pytest

from tests.golden.answers import FILES, REQUESTS, answers
from tests.golden.reviewed import check_reviewed

PATIENTS = Path(__file__).parent / "patients"
CASES = sorted(path.stem for path in REQUESTS.glob("*.json"))

_answers = cache(answers)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("case", CASES)
def test_answer_is_the_reviewed_one(case: str, file: str, update_goldens: bool) -> None:
    golden, answer = PATIENTS / case / file, _answers(case)[file]
    check_reviewed(golden, answer, update=update_goldens)


@pytest.mark.parametrize("case", CASES)
def test_each_case_says_why_it_is_there(case: str) -> None:
    assert (PATIENTS / case / "README.md").read_text("utf-8").startswith(f"# {case}\n")


def test_no_golden_without_an_example() -> None:
    assert sorted(path.name for path in PATIENTS.iterdir() if path.is_dir()) == CASES
