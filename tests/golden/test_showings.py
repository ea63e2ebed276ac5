"""Cards as a site's choices make them: thresholds, what changed, the app, another draft, another task."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.answering import assessed
from cds_service.assessment import Assessor, Scored
from cds_service.hooks.alerts import Showings
from cds_service.hooks.call import read_call
from cds_service.hooks.cards import Occasion
from cds_service.hooks.showing import WireCard, showing
from cds_service.settings import READMISSION
from cds_service.tenants import Alert
from model.scoring import scorer_for
from tests.golden.answers import CLOCK, REQUESTS
from tests.golden.reviewable import reviewable
from tests.golden.reviewed import as_text, check_reviewed
from tests.service.answering import assessment_of, occasion, tenant
from tests.service.ed_patients import ed_call
from tests.service.staying import Stay, estimated, in_progress, read, valued
from tests.service.trained import (
    ED_SCORE,
    SCORE,
    critical_fields,
    fixed_assessor,
    shipped_bundle,
)

GOLDENS = Path(__file__).parent / "showings"
TRAINED = fixed_assessor(SCORE)
POINTS = Assessor(shipped_bundle(), scorer_for(shipped_bundle()))
ED = fixed_assessor(ED_SCORE, **critical_fields("ed_departure"))
MONTH: Showings = [
    (CLOCK - timedelta(hours=2 * n + 1), round((n * 37 % 336) / 336, 4)) for n in range(336)
]


def scored(assessor: Assessor = TRAINED) -> Scored:
    """The patient of the golden margaret-heart-failure."""
    body = (REQUESTS / "margaret-heart-failure.json").read_bytes()
    found = assessed(read_call(body, CLOCK), assessor)
    assert isinstance(found, Scored)
    return found


def on(assessor: Assessor = TRAINED, **choices: Any) -> Occasion:
    name = "margaret-heart-failure-patient-1"
    return occasion(assessor.bundle, patient_id=name, at=CLOCK, tenant=tenant(**choices))


def by(rule: Alert) -> dict[str, Any]:
    return {"alerts": {READMISSION: rule}}


def shown(assessor: Assessor = TRAINED, recent: Showings = (), **choices: Any) -> WireCard | None:
    return showing(scored(assessor), on(assessor, **choices), recent=recent).card


def changed() -> WireCard | None:
    stay, now = Stay(on(**by(Alert(threshold=0.2)))), scored()
    before = estimated(read(in_progress(now), Coverage="not_read"), 0.2349)
    stay.call(valued(before, n_hosp_365d=5.0, hosp_los_days=12.9, sodium_last=None))
    return stay.call(now).card


def points_changed() -> WireCard | None:
    stay, now = Stay(on(POINTS)), scored(POINTS)
    first, second = now.baselines
    lower = replace(first, score=replace(first.score, components=first.score.components[:2]))
    stay.call(replace(now, baselines=(lower, second)))
    return stay.call(now).card


CASES: dict[str, Callable[[], WireCard | None]] = {
    "warns-set-by-the-site": lambda: shown(**by(Alert(threshold=0.15))),
    "warns-by-weighing": lambda: shown(**by(Alert(missed_per_false=9))),
    "below-the-capacity": lambda: shown(recent=MONTH, **by(Alert(per_day=2))),
    "no-threshold-yet": lambda: shown(recent=MONTH[:20], **by(Alert(per_day=2))),
    "changed": changed,
    "points-changed": points_changed,
    "app-and-service-request": lambda: shown(
        smart_launch="https://apps.example/launch", follow_up="ServiceRequest"
    ),
    "critical-outcome": lambda: showing(assessment_of(ed_call(), ED), occasion(ED.bundle)).card,
}
BUNDLES = {"points-changed": POINTS.bundle, "critical-outcome": ED.bundle}


@pytest.mark.parametrize("case", CASES)
def test_card_is_the_reviewed_one(case: str, update_goldens: bool) -> None:
    golden, card = GOLDENS / f"{case}.json", CASES[case]()
    assert card is not None
    kept = reviewable(dict(card), BUNDLES.get(case, TRAINED.bundle))
    check_reviewed(golden, as_text(kept), update=update_goldens)


def test_no_golden_without_a_case() -> None:
    assert sorted(path.stem for path in GOLDENS.iterdir()) == sorted(CASES)
