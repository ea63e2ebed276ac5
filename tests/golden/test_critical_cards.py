"""Cards of the second task, around fixed scores: words and order, whatever a network learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cds_service.tenants import Alert
from fhir_mapping.emergency import Variant
from model.scoring import Score
from tests.golden.reviewable import reviewable
from tests.golden.reviewed import as_text, check_reviewed
from tests.service.answering import assessment_of, first_card, occasion, tenant
from tests.service.ed_patients import (
    LEFT,
    SERVICE,
    ed_call,
    ed_view,
    ed_visit,
    in_intensive_care,
)
from tests.service.patients import Json
from tests.service.trained import ED_SCORE, critical_fields, fixed_assessor

GOLDENS = Path(__file__).parent / "critical"
SPREAD = replace(ED_SCORE, probability=0.0312, interval=(0.0031, 0.21), interval_holds=False)
IN_ICU = ed_call(None, in_intensive_care("2026-11-21T11:50:00Z"))
WARNING = tenant(alerts={SERVICE: Alert(missed_per_false=9)})
CASES: dict[str, tuple[Json, Variant, Score]] = {
    "at-triage": (ed_call(), "triage", ED_SCORE),
    "in-the-ed": (ed_view(), "ed_departure", ED_SCORE),
    "at-departure-spread": (ed_call(ed_visit(end=LEFT)), "ed_departure", SPREAD),
    "in-intensive-care": (IN_ICU, "triage", ED_SCORE),
    "no-visit": (ed_view(ed_visit(end=LEFT)), "ed_departure", ED_SCORE),
}


def card_of(case: str) -> dict[str, Any]:
    request, variant, score = CASES[case]
    assessor = fixed_assessor(score, **critical_fields(variant))
    on = occasion(assessor.bundle, service_id=SERVICE, tenant=WARNING)
    return reviewable(first_card(assessment_of(request, assessor), on).wire(), assessor.bundle)


@pytest.mark.parametrize("case", CASES)
def test_card_is_the_reviewed_one(case: str, update_goldens: bool) -> None:
    golden = GOLDENS / f"{case}.json"
    check_reviewed(golden, as_text(card_of(case)), update=update_goldens)


def test_no_golden_without_a_case() -> None:
    assert sorted(path.stem for path in GOLDENS.iterdir()) == sorted(CASES)
