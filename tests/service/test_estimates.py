"""The card of a trained bundle: the number, its certainty, what moves it, and when there is none."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.assessment import Assessor, NotScored, Scored, coverage_of
from cds_service.hooks.estimate import largest
from cds_service.hooks.schemas import Card
from cds_service.hooks.wording import CONCEPTS, SPOKEN_FOR, whole_percent
from cds_service.services import offered
from cds_service.settings import READMISSION
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.extract import extract
from fhir_mapping.history import IndexStay
from fhir_mapping.prefetch import PREFETCH
from fhir_mapping.reading import history_of
from fhir_mapping.stay import index_stay
from model.bundle import load_bundle
from model.scoring import Contribution, Score, scorer_for
from tests.service.answering import assessment_of, first_card, occasion
from tests.service.patients import Json, call, card_of, facts, open_stay, serving, view
from tests.service.requests import EXAMPLES, example, gathered, now
from tests.service.test_cards import DIRECTIVE, members
from tests.service.test_store import rows
from tests.service.trained import FLOORS, NOTICE, SCORE, TAKEN, fixed_assessor, trained_bundle

pytestmark = pytest.mark.sampled(10)

SHARES = st.floats(0.0, 1.0).map(lambda share: round(share, 4))
KEYS = [template.key for template in PREFETCH if template.count]
SHOWN = re.compile(r"risk (less than 1|more than 99|\d+) %")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_bundle(tmp_path_factory.mktemp("trained") / "small")


@pytest.fixture(scope="module")
def small(folder: Path) -> Assessor:
    return offered({READMISSION: folder}, ())[READMISSION].assessor


def answered(request: Json, assessor: Assessor) -> Card:
    return first_card(assessment_of(request, assessor, now()), occasion(assessor.bundle))


def fixed(score: Score = SCORE, request: Json | None = None, rate: float | None = None) -> Card:
    return answered(request or call(), fixed_assessor(score, site_base_rate=rate))


def test_the_summary_says_the_number_and_what_to_hold_it_against() -> None:
    assert fixed().summary.startswith(
        "Estimated 30-day readmission risk 18 % (cohort average 15 %) at discharge, "
    )
    assert "(site average 14 %)" in fixed(rate=0.14).summary


def test_the_notice_comes_first_and_the_point_scores_stand_beside() -> None:
    detail = fixed().detail
    assert detail.startswith(f"**{NOTICE}**\n\n**Estimated risk: 18 %** readmission within 30 days")
    assert detail.index("Published point scores beside it") > detail.index("Estimated risk")
    assert "| LACE | 10 of 19 | high | 12.2 % death or unplanned readmission" in detail
    assert "**To compare:** The bundle's base rate: 15.1 %" in detail
    assert "A small network, version 0.1.0" in detail


@pytest.mark.parametrize(
    ("holds", "name", "never"),
    [
        (True, "(90 % interval: 9 % to 32 %)", "spread"),
        (False, "(spread between models: 9 % to 32 %)", "90 %"),
    ],
)
def test_the_interval_is_called_what_it_is(holds: bool, name: str, never: str) -> None:
    said = fixed(replace(SCORE, interval_holds=holds))
    assert name in said.detail
    assert never not in said.detail
    assert facts(said.model_dump())["interval_holds"] is holds


def test_without_an_interval_none_is_said() -> None:
    said = fixed(replace(SCORE, interval=None))
    assert "**Estimated risk: 18 %** readmission within 30 days.\n" in said.detail
    assert not {"interval", "interval_holds"} & set(facts(said.model_dump()))


def moves(card: Card) -> list[str]:
    return [line for line in card.detail.splitlines() if "the estimate (" in line]


def test_what_moves_it_is_listed_largest_first_with_its_value_and_direction() -> None:
    assert moves(fixed()) == [
        "- Earlier admissions (Admissions in the past year: 1): raises the estimate (+0.91)",
        "- Length of stay (6.3 days): raises the estimate (+0.40)",
        "- Heart failure (recorded): lowers the estimate (-0.25)",
        "- Last sodium (131 mmol/L): raises the estimate (+0.10)",
        "- Heart rate (not known): lowers the estimate (-0.05)",
    ]
    assert "typical patient of the training cohort" in fixed().detail
    assert "associations in that cohort, not causes" in fixed().detail


def test_shown_and_other_contributions_add_up_to_the_distance() -> None:
    detail = fixed().detail
    assert "- All other inputs together (+0.04), not attributed (+0.000)" in detail
    amounts = [float(each) for each in re.findall(r"\(([+-][\d.]+)\)", detail)]
    distance = sum(each.amount for each in SCORE.contributions) + SCORE.not_attributed
    assert sum(amounts) == pytest.approx(distance, abs=0.03)


def test_a_contribution_too_small_to_be_seen_is_not_listed() -> None:
    tiny = replace(SCORE, contributions=(Contribution("age", 0.0049),))
    assert moves(fixed(tiny)) == []
    assert "No single input noticeably" in fixed(tiny).detail
    assert "contributions" not in facts(fixed(tiny).model_dump())


def test_every_concept_has_one_name_and_shows_a_feature_of_its_own() -> None:
    several = [c for c in {f.concept for f in CATALOGUE} if c in CONCEPTS]
    assert set(CONCEPTS) == set(several)
    for concept, feature in SPOKEN_FOR.items():
        assert CATALOGUE[feature].concept == concept
    every = replace(
        SCORE,
        contributions=tuple(
            Contribution(concept, 1.0) for concept in dict.fromkeys(f.concept for f in CATALOGUE)
        ),
    )
    names = set()
    for first in range(0, len(every.contributions), 5):
        part = replace(every, contributions=every.contributions[first : first + 5])
        names |= {re.split(r" \(|: ", line)[0] for line in moves(fixed(part))}
    complaints = sum(f.concept.startswith("complaint_") for f in CATALOGUE)
    assert len(names) == len(every.contributions) - complaints + 1  # "Complaint: ..." was cut
    assert not [name for name in names if "Elixhauser" in name]


def test_before_discharge_the_card_says_that_the_stay_is_not_over() -> None:
    said = fixed(request=view(open_stay()))
    assert "before discharge" in said.summary
    assert "the stay is not over" in said.detail


def test_a_probability_is_information_and_gives_no_directive() -> None:
    sure = replace(SCORE, probability=0.9999, interval=(0.99, 1.0))
    for card in (fixed(), fixed(sure), fixed(request=view(open_stay()))):
        assert card.indicator == "info"
        assert not DIRECTIVE.search(f"{card.summary}\n{card.detail}")


@given(SHARES, st.none() | st.floats(0.001, 0.999))
def test_no_number_makes_the_summary_too_long(share: float, rate: float | None) -> None:
    card = fixed(replace(SCORE, probability=share), view(open_stay()), rate)
    assert len(card.summary) < 140


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "less than 1 %"),
        (0.005, "less than 1 %"),
        (0.0051, "1 %"),
        (0.125, "12 %"),
        (0.135, "14 %"),
        (0.1849, "18 %"),
        (0.995, "more than 99 %"),
        (0.9949, "99 %"),
        (1.0, "more than 99 %"),
    ],
)
def test_a_percent_is_rounded_half_to_even_and_never_certain(share: float, shown: str) -> None:
    assert whole_percent(share) == shown


def test_markup_in_a_bundle_shows_as_text() -> None:
    assessor = fixed_assessor(SCORE)
    manifest = assessor.bundle.manifest
    hostile = type(manifest)(
        **{name: getattr(manifest, name) for name in manifest.__struct_fields__}
        | {"notice": "<b>a</b> **b** [c](d)", "title": "| e |"}
    )
    assessor = replace(assessor, bundle=replace(assessor.bundle, manifest=hostile))
    card = answered(call(), assessor)
    assert "<" not in card.detail
    assert "\\*\\*b\\*\\* \\[c\\](d)" in card.detail


@pytest.mark.parametrize("request_", [call(), view(open_stay())])
def test_nothing_sent_is_null_or_empty(request_: Json, small: Assessor) -> None:
    sent = answered(request_, small).wire()
    assert not [each for each in members(sent) if each in (None, "", [], {})]


SCORED = ["margaret-heart-failure", "elective-knee", "copd-frequent-ed", "oncology", "no-labs"]


@pytest.mark.parametrize("case", SCORED)
def test_hook_and_scorer_give_the_same_number(case: str, folder: Path, small: Assessor) -> None:
    request = example(case)
    found = gathered(request)
    history = history_of(found.resources, issues=found.issues)
    stay = index_stay(history, request["context"]["encounterId"], now())
    assert isinstance(stay, IndexStay)
    vector = extract(history, stay, found.sources)
    alone = scorer_for(load_bundle(folder)).score(vector.values)
    card = answered(request, small)
    said = facts(card.model_dump())
    assert alone.probability is not None
    assert alone.interval is not None
    assert (said["probability"], tuple(said["interval"])) == (alone.probability, alone.interval)
    assert f"risk {whole_percent(alone.probability)} " in card.summary
    assert said["contributions"] == [
        {"concept": each.concept, "log_odds": round(each.amount, 4)} for each in largest(alone)
    ]


def test_patients_differ(small: Assessor) -> None:
    found = [assessment_of(example(case), small, now()) for case in SCORED]
    numbers = {each.score.probability for each in found if isinstance(each, Scored)}
    assert len(numbers) == len(SCORED)


def withheld(request: Json, keys: Sequence[str]) -> Json:
    for key in keys:
        request["prefetch"].pop(key, None)
    return request


@pytest.mark.parametrize("count", [0, 1, 2, len(KEYS)])
def test_whatever_is_withheld_a_number_is_within_its_interval_and_above_the_floors(
    count: int, small: Assessor
) -> None:
    outcomes = set()
    for keys in combinations(KEYS, count):
        found = assessment_of(withheld(example("other-units"), keys), small, now())
        assert found.vector is not None
        groups = coverage_of(found.vector, small.bundle).groups
        thin = {n for n, (known, total) in groups.items() if known / total < FLOORS.get(n, 0.0)}
        outcomes.add(type(found))
        if isinstance(found, NotScored):
            assert found.reason == "below_coverage_floor"
            assert set(found.missing) == thin != set()
            continue
        assert not thin
        score = found.score
        assert score.probability is not None
        assert score.interval is not None
        assert 0.0 <= score.interval[0] <= score.probability <= score.interval[1] <= 1.0
    assert NotScored in outcomes or count == 0
    assert Scored in outcomes or count == len(KEYS)


def test_coverage_counts_what_the_network_takes(small: Assessor) -> None:
    card, vector = answered(call(), small), assessment_of(call(), small, now()).vector
    assert vector is not None
    known = [name for name in TAKEN if vector[name] not in (None, "unknown")]
    coverage = coverage_of(vector, small.bundle)
    assert (coverage.known, coverage.total) == (len(known), len(TAKEN))
    assert f"**Based on {len(known)} of {len(TAKEN)} inputs:**" in card.detail
    assert facts(card.model_dump())["total_inputs"] == len(TAKEN)


def test_the_value_of_a_feature_that_the_network_does_not_take_is_not_shown(tmp_path: Path) -> None:
    few = tuple(name for name in TAKEN if name != "n_hosp_365d")
    bundle = load_bundle(trained_bundle(tmp_path / "few", features=few))
    card = first_card(assessment_of(call(), fixed_assessor(SCORE)), occasion(bundle))
    assert moves(card)[0].startswith("- Earlier admissions (0): ")


def test_not_scored_has_the_notice_and_no_number(small: Assessor) -> None:
    for case in ("hospice", "newborn", "transferred"):
        card = answered(example(case), small)
        assert card.detail.startswith(f"**{NOTICE}**\n\n**Not scored:**")
        assert not SHOWN.search(card.summary)
        assert not {"probability", "interval", "lace"} & set(facts(card.model_dump()))


async def test_the_row_has_the_probability_of_the_card(folder: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, bundles={READMISSION: folder}) as http:
        card = await card_of(http, call())
        (row,) = rows(tmp_path)
    assert row["probability"] == facts(card)["probability"]
    assert row["known_inputs"] == facts(card)["known_inputs"]
    assert SHOWN.search(card["summary"])


async def test_a_repeated_call_gets_the_same_card(folder: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, bundles={READMISSION: folder}) as http:
        cards = [await card_of(http, call()) for _ in range(2)]
    assert cards[0] == cards[1]


def test_every_example_request_has_an_answer(small: Assessor) -> None:
    for path in EXAMPLES.glob("*.json"):
        assert answered(example(path.stem), small).summary
