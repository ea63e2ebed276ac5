"""From which probability a card warns: the site's threshold, its weighing, or its capacity."""

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from cds_service.assessment import Scored
from cds_service.hooks.alerts import WINDOW, Showings, threshold_of
from cds_service.hooks.showing import Showing, showing
from cds_service.tenants import Alert
from tests.service.answering import alerting, assessment_of, occasion, tenant
from tests.service.patients import NOW, Json, call, facts, patient
from tests.service.staying import estimated
from tests.service.trained import SCORE, fixed_assessor

ASSESSOR = fixed_assessor(SCORE)
DAY = timedelta(days=1)


def scored(probability: float, request: Json | None = None) -> Scored:
    found = assessment_of(request or call(), ASSESSOR)
    assert isinstance(found, Scored)
    return estimated(found, probability)


def shown(probability: float, recent: Showings = (), **rule: object) -> Showing:
    on = occasion(ASSESSOR.bundle, tenant=alerting(**rule))
    return showing(scored(probability), on, recent=recent)


def spread(count: int, days: float) -> list[tuple[datetime, float]]:
    """So many stays evenly over the days before NOW, probabilities evenly over 0 to 1."""
    step = timedelta(days=days) / count
    return [(NOW - step * (count - n), round((n * 37 % count) / count, 4)) for n in range(count)]


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        (Alert(), None),
        (Alert(threshold=0.18), 0.18),
        (Alert(missed_per_false=9), 0.1),
        (Alert(missed_per_false=0.25), 0.8),
        (Alert(missed_per_false=7.5), 0.1176),
    ],
)
def test_a_rule_that_needs_no_history(rule: Alert, threshold: float | None) -> None:
    assert threshold_of(rule, (), NOW) == threshold


@pytest.mark.parametrize(
    ("per_day", "threshold"),
    [
        (1.0, 0.9001),  # 28 of 280 stays in 28 days
        (2.5, 0.7501),
        (10.0, 0.0),  # the team can follow up everybody
        (0.01, 0.9965),  # nobody in 28 days
    ],
)
def test_a_capacity_is_the_lowest_threshold_that_keeps_to_it(
    per_day: float, threshold: float
) -> None:
    recent = spread(280, 28)
    found = threshold_of(Alert(per_day=per_day), recent, NOW)
    assert found == pytest.approx(threshold, abs=0.004)
    assert found is not None
    assert sum(p >= found for _, p in recent) <= per_day * 28
    lower = round(found - 0.0001, 4)
    assert found == 0.0 or sum(p >= lower for _, p in recent) > per_day * 28


def test_equal_probabilities_never_exceed_the_capacity() -> None:
    recent = [(NOW - DAY * (n % 14), 0.3) for n in range(280)]
    assert threshold_of(Alert(per_day=2), recent, NOW) == 0.3001


@pytest.mark.parametrize(
    ("count", "days", "enough"),
    [(29, 20, False), (30, 20, True), (300, 6.9, False), (300, 7, True)],
)
def test_a_short_history_gives_no_threshold(count: int, days: float, enough: bool) -> None:
    found = threshold_of(Alert(per_day=2), spread(count, days), NOW)
    assert (found is not None) == enough


def test_only_the_last_four_weeks_count() -> None:
    old = [(NOW - WINDOW - DAY, 0.99)] * 500
    recent = spread(280, 28)
    rule = Alert(per_day=2)
    assert threshold_of(rule, [*old, *recent], NOW) == threshold_of(rule, recent, NOW)


SAID = {
    "by the site": (
        {"threshold": 0.18}, (),
        "at or above the threshold of 18.0 %, set by this site.",
    ),
    "by weighing": (
        {"missed_per_false": 9}, (),
        "10.0 %, which is this site's weighing: a missed outcome counts as much as 9 follow-ups",
    ),
    "by capacity": (
        {"per_day": 2.5}, spread(280, 28),
        "which keeps to this site's capacity of 2.5 follow-ups a day, by the stays of the last 28 days",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
def test_a_warning_says_which_threshold_and_why(case: str) -> None:
    rule, recent, words = SAID[case]
    found = shown(0.9, recent, **rule)
    assert found.card is not None
    assert found.card["indicator"] == "warning"
    assert "**Why this card warns:** the estimate is at or above" in found.card["detail"]
    assert words in found.card["detail"]
    assert found.alerted
    assert facts(dict(found.card))["threshold"] == found.threshold
    assert facts(dict(found.card))["alerted"] is True


@pytest.mark.parametrize("case", SAID)
def test_below_it_the_card_informs_and_says_so(case: str) -> None:
    rule, recent, _ = SAID[case]
    found = shown(0.05, recent, **rule)
    assert found.card is not None
    assert found.card["indicator"] == "info"
    assert "**Below the threshold** of" in found.card["detail"]
    assert not found.alerted


def test_at_the_threshold_it_warns() -> None:
    assert shown(0.18, threshold=0.18).alerted
    assert not shown(0.1799, threshold=0.18).alerted


@pytest.mark.parametrize(
    ("probability", "threshold", "said"),
    [
        (0.2999, 0.30, "the estimate is 29.99 % and the threshold 30.00 %"),
        (0.2049, 0.2045, "the estimate is 20.49 % and the threshold 20.45 %"),
        (0.2901, 0.30, ""),
        (0.31, 0.30, ""),
        (0.30, 0.30, ""),
    ],
)
def test_where_rounding_hides_the_side_of_the_threshold_the_card_has_more_digits(
    probability: float, threshold: float, said: str
) -> None:
    card = shown(probability, threshold=threshold).card
    assert card is not None
    assert ("To the hundredth" in card["detail"]) is bool(said)
    assert said in card["detail"]


def test_a_site_may_want_no_card_below_and_the_row_says_what_was_decided() -> None:
    found = shown(0.17, threshold=0.18, below="none")
    assert (found.card, found.cards) == (None, [])
    assert found.columns == {
        "card_uuid": None,
        "first_showing": False,
        "silent": False,
        "alerted": False,
        "threshold": 0.18,
    }
    assert shown(0.18, threshold=0.18, below="none").card is not None


def test_while_the_history_is_short_the_card_says_that_nothing_warns() -> None:
    found = shown(0.99, spread(20, 20), per_day=2, below="none")
    assert found.card is not None
    assert found.card["indicator"] == "info"
    assert "**No threshold yet:**" in found.card["detail"]
    assert "Until then nothing warns." in found.card["detail"]
    assert found.threshold is None


def test_without_a_rule_nothing_is_said_of_thresholds() -> None:
    found = shown(0.99)
    assert found.card is not None
    assert "threshold" not in found.card["detail"]
    assert found.card["indicator"] == "info"


def test_not_scored_never_warns_and_is_said_whatever_the_rule() -> None:
    child = assessment_of(call(patient=patient(birthDate="2015-01-01")), ASSESSOR)
    rule = Alert(threshold=0.0001, below="none")
    on = occasion(ASSESSOR.bundle, tenant=tenant(alerts={"readmission-risk": rule}))
    found = showing(child, on)
    assert found.card is not None
    assert (found.card["indicator"], found.alerted, found.threshold) == ("info", False, None)


# sixty days of discharges


def discharges(seed: int, *, growth: float) -> Iterator[list[float]]:
    """For each of sixty days the probabilities of its stays: fewer at weekends, and by the end so
    much more, or less, than at the beginning."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for day in range(60):
        expected = (90 if day % 7 in (5, 6) else 150) * (1 + growth * day / 60)
        count = round(chance.gauss(expected, math.sqrt(expected)))
        logits = (chance.gauss(-1.7, 0.9) for _ in range(count))
        yield [round(1 / (1 + math.exp(-each)), 4) for each in logits]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("growth", [-0.15, 0.0, 0.15])
@pytest.mark.parametrize("per_day", [15, 30])
def test_warnings_keep_to_the_capacity_when_two_months_are_replayed(
    per_day: int, growth: float, seed: int
) -> None:
    rule = Alert(per_day=per_day)
    recent: list[tuple[datetime, float]] = []
    warnings = []
    for day, stays in enumerate(discharges(seed, growth=growth)):
        threshold = threshold_of(rule, recent, NOW + DAY * day)
        warnings.append(sum(threshold is not None and each >= threshold for each in stays))
        times = (NOW + DAY * day + timedelta(minutes=10 * n) for n in range(len(stays)))
        recent += zip(times, stays, strict=True)
    after = warnings[28:]
    assert sum(warnings[:7]) == 0
    assert sum(after) / len(after) == pytest.approx(per_day, rel=0.1)
