"""Cards that say a probability, around fixed scores: words and order, whatever a network learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.answering import assessed
from cds_service.assessment import Assessor
from cds_service.hooks.call import read_call
from model.scoring import Contribution
from tests.golden.answers import CLOCK, REQUESTS
from tests.golden.reviewable import reviewable
from tests.golden.reviewed import as_text, check_reviewed
from tests.service.answering import first_card, occasion
from tests.service.trained import SCORE, fixed_assessor

GOLDENS = Path(__file__).parent / "estimates"
SPREAD = replace(
    SCORE,
    probability=0.125,
    interval=(0.0031, 0.9962),
    interval_holds=False,
    contributions=(Contribution("n_medrecon", -0.3), Contribution("depression", 0.004)),
    not_attributed=-0.0021,
)
CASES: dict[str, tuple[str, Assessor]] = {
    "interval-that-held": ("margaret-heart-failure", fixed_assessor(SCORE)),
    "spread-before-discharge": ("in-progress", fixed_assessor(SPREAD, site_base_rate=0.135)),
    "not-scored": ("hospice", fixed_assessor(SCORE)),
}


def card_of(case: str) -> dict[str, Any]:
    """As sent, less what changes with the catalogue; the detail line by line."""
    request, assessor = CASES[case]
    call = read_call((REQUESTS / f"{request}.json").read_bytes(), CLOCK)
    on = occasion(assessor.bundle, patient_id=call.patient_id, at=call.received)
    return reviewable(first_card(assessed(call, assessor), on).wire(), assessor.bundle)


@pytest.mark.parametrize("case", CASES)
def test_card_is_the_reviewed_one(case: str, update_goldens: bool) -> None:
    golden = GOLDENS / f"{case}.json"
    check_reviewed(golden, as_text(card_of(case)), update=update_goldens)


def test_no_golden_without_a_case() -> None:
    assert sorted(path.stem for path in GOLDENS.iterdir()) == sorted(CASES)
