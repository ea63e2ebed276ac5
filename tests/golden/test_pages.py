"""What the app's page says, as a person reads it, around fixed scores: words and order, whatever a
network learns."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cds_service.smart.view.page import Facts
from cds_service.smart.view.stored import Stored
from tests.golden.reviewed import check_reviewed
from tests.service.ed_patients import SERVICE, ed_call
from tests.service.requests import now
from tests.service.trained import ED_SCORE, SCORE, critical_fields, fixed_assessor
from tests.smart.reading import text_of
from tests.smart.viewing import FACTS, assessor, changed, html, purged, stored

GOLDENS = Path(__file__).parent / "pages"
_DIGEST = 12


def fixed(name: str) -> Stored:
    return stored(name, fixed_assessor(SCORE))


def scored_again() -> str:
    before = changed(fixed("no-labs"), uuid="1" * 36, created_at=now() - timedelta(days=2))
    after = fixed("margaret-heart-failure")
    earlier = {**before.row, "probability": 0.0911, "lace_points": None}
    return html(after, rows=(earlier, after.row), before=before)


def with_denied_access() -> str:
    facts = replace(FACTS, denied=("Coverage",), narrowed=("Observation",), needs_banner=True)
    return html(fixed("no-labs"), facts)


CASES = {
    "heart-failure": lambda: html(fixed("margaret-heart-failure")),
    "before-discharge": lambda: html(fixed("in-progress")),
    "points-only": lambda: html(stored("sepsis-long-stay", assessor("lace-hospital"))),
    "not-scored": lambda: html(fixed("hospice")),
    "purged": lambda: html(purged(fixed("oncology"))),
    "gone": lambda: html(replace(fixed("oncology"), assessor=None)),
    "critical-outcome": lambda: html(
        stored(ed_call(), fixed_assessor(ED_SCORE, **critical_fields("triage")), service_id=SERVICE)
    ),
    "scored-again": scored_again,
    "denied-access": with_denied_access,
    "silent": lambda: html(fixed("oncology"), Facts("North Hospital", "csrf", silent=True)),
}


def page_of(case: str) -> str:
    """Less what changes with every bundle."""
    shown = text_of(CASES[case]())
    for digest in (assessor("lace-hospital").bundle.digest[:_DIGEST], "d" * _DIGEST):
        shown = shown.replace(digest, "(bundle)")
    return f"{shown}\n"


@pytest.mark.parametrize("case", CASES)
def test_page_is_the_reviewed_one(case: str, update_goldens: bool) -> None:
    golden, found = GOLDENS / f"{case}.txt", page_of(case)
    check_reviewed(golden, found, update=update_goldens)


def test_no_golden_without_a_case() -> None:
    assert sorted(path.stem for path in GOLDENS.iterdir()) == sorted(CASES)
