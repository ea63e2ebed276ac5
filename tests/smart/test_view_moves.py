"""What moved an estimate adds up to it, on the log-odds scale and on the page."""

import math
import re

import pytest

from cds_service.hooks.estimate import what_moves
from cds_service.smart.view.modifiable import MODIFIABLE, may_change
from cds_service.smart.view.moves import amounts, log_odds, moves_of
from cds_service.smart.view.words import NO_CONTRIBUTIONS, NOT_ATTRIBUTED
from fhir_mapping.catalogue import CATALOGUE
from model.scoring import TrainedScorer
from tests.smart.reading import text_of
from tests.smart.viewing import NAMES, assessor, changed, html, stored

pytestmark = pytest.mark.sampled(12)

SCORED = [name for name in NAMES if stored(name).row["outcome"] == "scored"]
NOT_SHOWN = 1e-3


def scorer() -> TrainedScorer:
    found = assessor().scorer
    assert isinstance(found, TrainedScorer)
    return found


def logit(values: tuple[float | str | None, ...]) -> float:
    probability = scorer().unrounded(values)
    return math.log(probability / (1.0 - probability))


def reference() -> tuple[float | str | None, ...]:
    """The bundle's typical patient in catalogue order."""
    bundle = assessor().bundle
    assert bundle.trained is not None
    given = dict(zip(bundle.manifest.features, bundle.trained.reference, strict=True))
    return tuple(given.get(name) for name in CATALOGUE.names)


@pytest.mark.parametrize("name", SCORED)
def test_contributions_and_what_is_left_over_are_the_whole_way(name: str) -> None:
    contents = stored(name).contents
    assert contents is not None
    assert contents.score is not None
    score = contents.score
    summed = sum(each.amount for each in score.contributions) + score.not_attributed
    assert summed == pytest.approx(logit(contents.values) - logit(reference()), abs=1e-4)


@pytest.mark.parametrize("name", SCORED)
def test_the_drawn_way_leads_from_the_typical_patient_to_this_one(name: str) -> None:
    of = stored(name)
    moves = moves_of(of)
    assert moves is not None
    assert moves.start.log_odds + sum(amounts(moves)) == pytest.approx(moves.end.log_odds)
    assert moves.end.log_odds == pytest.approx(log_odds(of.row["probability"]))
    held = of.row["probability"]
    rounding = 5e-5 / min(held, 1.0 - held) * 1.5  # of the fourth decimal, on the log-odds scale
    assert moves.start.log_odds == pytest.approx(logit(reference()), abs=max(rounding, 1e-3))


@pytest.mark.parametrize("name", SCORED)
def test_what_is_left_over_is_small_or_said(name: str) -> None:
    of = stored(name)
    contents = of.contents
    assert contents is not None
    assert contents.score is not None
    rest = contents.score.not_attributed
    assert f"{NOT_ATTRIBUTED} (what the method leaves over) | | {rest:+.3f}" in text_of(html(of))
    assert abs(rest) < NOT_SHOWN


@pytest.mark.parametrize("name", SCORED)
def test_each_bar_says_what_the_card_says(name: str) -> None:
    of = stored(name)
    assert of.vector is not None
    assert of.contents is not None
    assert of.contents.score is not None
    card = what_moves(of.contents.score, of.vector, assessor().bundle.manifest.features)
    page = text_of(html(of))
    listed = re.findall(r"^- (.+): (?:raises|lowers) the estimate \((.+)\)$", card, re.M)
    assert listed or "No single input" in card
    for words, amount in listed:
        line = next(line for line in page.splitlines() if line.startswith(words))
        assert line.endswith(f"| {amount}")


@pytest.mark.parametrize("name", SCORED)
def test_every_concept_has_a_bar_or_is_among_the_small_ones(name: str) -> None:
    of = stored(name)
    moves = moves_of(of)
    assert moves is not None
    assert of.contents is not None
    assert of.contents.score is not None
    bars = [bar for group in moves.groups for bar in group.bars if "each below" not in bar.name]
    assert len(bars) + len(moves.small) == len(of.contents.score.contributions)


def test_a_group_says_what_its_bars_add_up_to() -> None:
    moves = moves_of(stored("margaret-heart-failure"))
    assert moves is not None
    for group in moves.groups:
        assert group.subtotal == f"{sum(each.amount for each in group.bars):+.2f}"


def test_bars_stay_on_the_drawing() -> None:
    for name in SCORED:
        moves = moves_of(stored(name))
        assert moves is not None
        for bar in (each.bar for group in moves.groups for each in group.bars):
            assert 0.0 <= bar.left <= bar.left + bar.width <= 100.01


def test_what_was_not_kept_is_said_not_worked_out_anew() -> None:
    old = changed(stored("oncology"), {"score": None})
    assert moves_of(old) is None
    assert NO_CONTRIBUTIONS in html(old)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_probability_at_the_end_of_the_scale_has_a_place_on_it(probability: float) -> None:
    assert math.isfinite(log_odds(probability))


def test_what_may_be_changed_is_in_the_catalogue_and_has_a_reason() -> None:
    concepts = {feature.concept for feature in CATALOGUE}
    for until, listed in MODIFIABLE.items():
        assert until in ("until_discharge", "around_discharge")
        assert set(listed) <= concepts
        assert all(why.endswith(".") for why in listed.values())


def test_where_the_patient_goes_may_change_only_before() -> None:
    assert may_change("discharge_location", "readmission_30d", "before_discharge")
    assert may_change("discharge_location", "readmission_30d", "at_discharge") is None
    assert may_change("sodium_last", "readmission_30d", "at_discharge")
    assert may_change("age", "readmission_30d", "before_discharge") is None
    assert may_change("sodium_last", "critical_outcome", "before_discharge") is None


def test_what_may_be_changed_is_marked_with_its_reason() -> None:
    page = text_of(html(stored("margaret-heart-failure")))
    assert re.search(r"^Home medications \(10\) may be changed \|", page, re.M)
    assert f"Home medications: {MODIFIABLE['around_discharge']['n_medrecon']}" in page
