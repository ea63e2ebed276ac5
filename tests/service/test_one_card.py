"""One card for each stay: when it stays, when another one comes, and what that one says changed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.assessment import Assessment, Assessor, Scored
from cds_service.hooks.alerts import WINDOW
from cds_service.hooks.schemas import CardResponse
from cds_service.hooks.showing import Showing
from cds_service.settings import READMISSION
from cds_service.tenants import Alert
from fhir_mapping.readings import STAY_VITALS
from model.scoring import NO_PROBABILITY
from tests.service.answering import alerting, assessment_of, occasion, tenant
from tests.service.patients import (
    FAILED,
    URL,
    Json,
    call,
    card_of,
    facts,
    open_stay,
    serving,
    view,
)
from tests.service.patients import stay as finished
from tests.service.staying import Stay, estimated, in_progress, read, refused, valued
from tests.service.stored import KEY, START, opened
from tests.service.trained import SCORE, fixed_assessor, shipped_bundle, trained_bundle

pytestmark = pytest.mark.sampled(16)

ASSESSOR = fixed_assessor(SCORE)
POINTS = Assessor(shipped_bundle(), fixed_assessor(NO_PROBABILITY).scorer)
TITLE = "**What changed since the card of"


def scored(request: Json | None = None, assessor: Assessor = ASSESSOR) -> Scored:
    found = assessment_of(request or call(), assessor)
    assert isinstance(found, Scored)
    return found


NOW = scored()
OPEN = scored(view(open_stay()))
TALLY = scored(assessor=POINTS)
VITALS_ALONE = read(NOW, Observation="partial", **{STAY_VITALS: "read"})


def stay(assessor: Assessor = ASSESSOR, **choices: object) -> Stay:
    return Stay(occasion(assessor.bundle, tenant=tenant(**choices)))


def wire(found: Showing) -> bytes:
    return CardResponse(cards=found.cards).wire()


def uuids(calls: Stay) -> list[str]:
    return [each.columns["card_uuid"] for each in calls.showings]


def changes(found: Showing) -> list[str]:
    """The lines of the section that says what changed; none where there is no such section."""
    assert found.card is not None
    parts = [each for each in found.card["detail"].split("\n\n") if each.startswith("- ")]
    titles = [each for each in found.card["detail"].split("\n\n") if each.startswith(TITLE)]
    if not titles:
        return []
    after = found.card["detail"].partition(titles[0])[2]
    return [line[2:] for line in next(p for p in parts if p in after).splitlines()]


STANDS: dict[str, tuple[Assessment, Assessment]] = {
    "nothing": (NOW, NOW),
    "one percent": (estimated(NOW, 0.18), estimated(NOW, 0.19)),
    "less than two shown percent": (estimated(NOW, 0.175), estimated(NOW, 0.1949)),
    "an input that moves nothing": (NOW, valued(NOW, sodium_last=133.0)),
    "a source that was never wholly read": (read(NOW, Coverage="partial"), read(NOW, Coverage="not_read")),
    "the stay's vital signs, as before": (VITALS_ALONE, VITALS_ALONE),
    "the same reason": (refused(NOW, "hospice"), refused(NOW, "hospice")),
    "length of stay, in progress": (
        OPEN,
        estimated(valued(OPEN, hosp_los_days=30.0, icu_los_days=2.0), 0.9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STANDS)
def test_the_card_stands(case: str) -> None:
    first, second = STANDS[case]
    calls = stay()
    shown, again = calls.call(first), calls.call(second)
    assert wire(again) == wire(shown)
    assert (shown.first, again.first) == (True, False)


COMES: dict[str, tuple[Assessment, Assessment, str]] = {
    "two percent": (estimated(NOW, 0.18), estimated(NOW, 0.2), "Estimated risk: 20 %, before 18 %"),
    "not scored any more": (
        NOW,
        refused(NOW, "hospice"),
        "Result: not scored, the patient is discharged to hospice care; before: scored",
    ),
    "another reason": (
        refused(NOW, "hospice"),
        refused(NOW, "deceased"),
        "Result: not scored, the patient has died;"
        " before: not scored, the patient is discharged to hospice care",
    ),
    "discharged": (
        in_progress(NOW),
        NOW,
        "The stay is over now; the earlier card was written while it lasted",
    ),
    "taken back": (
        NOW,
        in_progress(NOW),
        "The stay is in progress; the earlier card took it to be over",
    ),
    "newly read": (read(NOW, Coverage="not_read"), NOW, "Newly read: Coverage (payer)"),
    "read in part before": (read(NOW, Coverage="partial"), NOW, "Newly read: Coverage (payer)"),
    "the stay's vital signs alone before": (
        read(NOW, **{"Observation": "partial", STAY_VITALS: "read"}),
        NOW,
        "Newly read: Observation (vital signs and laboratory values)",
    ),
    "the stay's vital signs alone now": (
        NOW,
        read(NOW, **{"Observation": "partial", STAY_VITALS: "read"}),
        "No longer read: Observation (vital signs and laboratory values)",
    ),
    "no longer read": (
        NOW,
        read(NOW, Condition="not_read", Coverage="partial"),
        "No longer read: Condition (comorbidities), Coverage (payer)",
    ),
    "the stay's vital signs alone": (
        read(NOW, Observation="not_read"),
        VITALS_ALONE,
        "Newly read: Observation (vital signs of this stay)",
    ),
    "the stay's vital signs no longer": (
        VITALS_ALONE,
        read(NOW, Observation="partial"),
        "No longer read: Observation (vital signs of this stay)",
    ),
    "the stay's vital signs, then all observations": (
        VITALS_ALONE,
        NOW,
        "Newly read: Observation (vital signs and laboratory values)",
    ),
    "all observations, then the stay's vital signs": (
        NOW,
        VITALS_ALONE,
        "No longer read: Observation (vital signs and laboratory values)",
    ),
    "length of stay corrected after discharge": (
        NOW,
        estimated(valued(NOW, hosp_los_days=30.0), 0.5),
        "Length of stay: 30 days, before 6.3 days",
    ),
    "more than length of stay, in progress": (
        OPEN,
        estimated(valued(OPEN, hosp_los_days=30.0, sodium_last=140.0), 0.9),
        "Last sodium: 140 mmol/L, before not known",
    ),
}


@pytest.mark.parametrize("case", COMES)
def test_another_card_comes_and_says_what_changed(case: str) -> None:
    first, second, words = COMES[case]
    calls = stay()
    calls.call(first)
    found = calls.call(second)
    assert found.first
    assert len(set(uuids(calls))) == 2
    assert words in changes(found)
    assert sum("ead: " in line for line in changes(found)) == ("ead: " in words)
    assert found.card is not None
    assert f"{TITLE} 2026-11-21 13:00 UTC**" in found.card["detail"]


def test_the_first_card_says_nothing_of_change() -> None:
    assert changes(stay().call(NOW)) == []


def test_another_bundle_is_said() -> None:
    calls = stay()
    calls.call(NOW)
    found = calls.call(NOW, bundle=replace(ASSESSOR.bundle, digest="e" * 64))
    assert changes(found)[0] == "Another version of the model or of what its inputs mean"


def test_there_and_back_are_three_cards_that_each_say_so() -> None:
    calls = stay()
    for probability in (0.18, 0.3, 0.18):
        calls.call(estimated(NOW, probability))
    assert len(set(uuids(calls))) == 3
    assert changes(calls.showings[1])[0] == "Estimated risk: 30 %, before 18 %"
    assert changes(calls.showings[2])[0] == "Estimated risk: 18 %, before 30 %"


def test_the_app_keeps_the_id_of_the_assessment_that_made_the_card() -> None:
    calls = stay(smart_launch="https://apps.example/launch")
    calls.call(NOW, assessment_uuid="00000000-0000-4000-8000-000000000001")
    again = calls.call(NOW, assessment_uuid="00000000-0000-4000-8000-000000000002")
    assert again.card is not None
    assert again.card["links"][0]["appContext"].endswith("1")


def test_a_purged_card_is_made_anew_under_its_uuid() -> None:
    calls = stay()
    calls.call(NOW)
    calls.purge()
    again = calls.call(estimated(NOW, 0.19))
    assert len(set(uuids(calls))) == 1
    assert not again.first
    assert again.card is not None
    assert "risk 19 %" in again.card["summary"]


def test_a_card_that_never_had_inputs_is_not_said_to_have_lost_them() -> None:
    calls = stay()
    calls.call(replace(refused(NOW, "encounter_unknown"), vector=None))
    assert changes(calls.call(NOW)) == [
        "Result: scored; before: not scored, the encounter is not among the data that were sent"
    ]


def test_a_change_after_a_purge_says_that_the_inputs_are_gone() -> None:
    calls = stay()
    calls.call(NOW)
    calls.purge()
    found = changes(calls.call(estimated(valued(NOW, sodium_last=140.0), 0.5)))
    assert found == [
        "Estimated risk: 50 %, before 18 %",
        "The inputs of the earlier card are no longer kept",
    ]


def test_inputs_are_named_once_for_each_concept_by_weight_and_at_most_five() -> None:
    calls = stay()
    calls.call(NOW)
    other = valued(
        NOW, n_hosp_30d=2.0, n_hosp_90d=2.0, n_hosp_365d=3.0, hosp_los_days=9.0, cci_chf=0.0,
        eci_chf=0.0, sodium_last=None, ed_heartrate_last=70.0, triage_heartrate=80.0, age=80.0,
        score_cci=9.0, gender="unknown",
    )  # fmt: skip
    assert changes(calls.call(estimated(other, 0.4)))[1:] == [
        "Admissions in the past year: 3, before 1",
        "Length of stay: 9 days, before 6.3 days",
        "Heart failure: no, before yes",
        "Last sodium: not known, before 131 mmol/L",
        "Heart rate at triage: 80 /min, before not known",
    ]


def test_a_difference_too_small_to_be_shown_is_not_named() -> None:
    calls = stay()
    calls.call(NOW)
    found = changes(calls.call(estimated(valued(NOW, sodium_last=131.01), 0.4)))
    assert found == ["Estimated risk: 40 %, before 18 %"]


# of a bundle that gives points


def points(total: int, *, items: Callable[[str], int] = lambda _: 0) -> Scored:
    """LACE with this total; what `items` names is added to the items of that name."""
    first, second = TALLY.baselines
    counted = tuple(
        replace(each, points=(each.points or 0) + items(each.name))
        for each in first.score.components
    )
    rest = total - sum(each.points or 0 for each in counted[1:])
    score = replace(first.score, components=(replace(counted[0], points=rest), *counted[1:]))
    return replace(
        TALLY, baselines=(replace(first, score=score, reading=first.published.read(total)), second)
    )


def test_points_within_a_class_leave_the_card_and_another_class_does_not() -> None:
    calls = stay(POINTS)
    first, inside, above = (calls.call(points(each)) for each in (6, 9, 10))
    assert (first.first, inside.first, above.first) == (True, False, True)
    assert changes(above)[0] == (
        "LACE: 10 of 19 (high), before 6 of 19 (moderate); Length of stay 4, before 0"
    )
    assert (first.alerted, above.alerted) == (False, True)


def test_a_score_that_cannot_be_summed_any_more_is_another_class() -> None:
    first, second = TALLY.baselines
    lacking = tuple(replace(each, points=None) for each in first.score.components[:1])
    score = replace(first.score, components=(*lacking, *first.score.components[1:]))
    calls = stay(POINTS)
    calls.call(TALLY)
    found = calls.call(
        replace(TALLY, baselines=(replace(first, score=score, reading=None), second))
    )
    assert (
        changes(found)[0]
        == "LACE: incomplete, before 10 of 19 (high); Length of stay not known, before 4"
    )


def test_points_for_a_longer_stay_in_progress_are_the_clock_alone() -> None:
    calls = stay(POINTS)
    shown, longer, more = (
        calls.call(in_progress(each))
        for each in (
            points(9),
            valued(points(11), hosp_los_days=20.0),
            points(11, items=lambda name: 2 if name == "charlson" else 0),
        )
    )
    assert wire(longer) == wire(shown)
    assert more.first


# thresholds


def test_crossing_a_threshold_is_material_in_both_directions() -> None:
    calls = Stay(occasion(ASSESSOR.bundle, tenant=alerting(threshold=0.185)))
    below, above, back = (calls.call(estimated(NOW, each)) for each in (0.18, 0.19, 0.18))
    assert [each.alerted for each in (below, above, back)] == [False, True, False]
    assert len(set(uuids(calls))) == 3
    assert "At or above the threshold now, before below it" in changes(above)
    assert "Below the threshold now, before at or above it" in changes(back)


def test_a_stay_in_progress_does_not_cross_by_the_clock_alone() -> None:
    calls = Stay(occasion(ASSESSOR.bundle, tenant=alerting(threshold=0.185)))
    shown = calls.call(estimated(OPEN, 0.18))
    later = calls.call(valued(estimated(OPEN, 0.25), hosp_los_days=30.0))
    assert wire(later) == wire(shown)
    assert (later.alerted, later.threshold) == (False, 0.185)


def test_another_threshold_of_the_site_counts_even_so() -> None:
    calls = Stay(occasion(ASSESSOR.bundle, tenant=alerting(threshold=0.185)))
    calls.call(estimated(OPEN, 0.18))
    found = calls.call(estimated(OPEN, 0.18), tenant=alerting(threshold=0.1))
    assert (found.first, found.alerted) == (True, True)


def test_a_warning_whose_threshold_was_taken_away_says_so() -> None:
    calls = Stay(occasion(ASSESSOR.bundle, tenant=alerting(threshold=0.1)))
    calls.call(NOW)
    assert changes(calls.call(NOW, tenant=tenant()))[-1] == (
        "There is no threshold now, and nothing warns; before at or above it"
    )


def test_a_stay_that_has_a_card_is_not_left_without_one_below_the_threshold() -> None:
    rule = Alert(threshold=0.185, below="none")
    calls = Stay(occasion(ASSESSOR.bundle, tenant=tenant(alerts={"readmission-risk": rule})))
    none, warned, back = (calls.call(estimated(NOW, each)) for each in (0.1, 0.19, 0.1))
    assert (none.card, none.columns["card_uuid"], none.first) == (None, None, False)
    assert warned.alerted
    assert back.card is not None
    assert back.card["indicator"] == "info"
    assert "Below the threshold now, before at or above it" in changes(back)


# properties

MOVES = st.one_of(
    st.sampled_from([0.05, 0.18, 0.19, 0.2, 0.21, 0.4]).map(lambda p: estimated(NOW, p)),
    st.sampled_from(["hospice", "deceased"]).map(lambda reason: refused(NOW, reason)),
    st.sampled_from([125.0, 131.0, 140.0, None]).map(lambda v: valued(NOW, sodium_last=v)),
    st.sampled_from(["Coverage", "Condition"]).map(lambda s: read(NOW, **{s: "not_read"})),
    st.just(in_progress(NOW)),
    st.just(OPEN),
)


@given(st.lists(MOVES, min_size=1, max_size=8))
def test_a_repeat_never_changes_the_card_and_a_new_one_always_says_what_changed(
    moves: list[Assessment],
) -> None:
    calls = stay()
    for assessment in moves:
        found, again = calls.call(assessment), calls.call(assessment)
        assert wire(again) == wire(found)
        assert not again.first
    shown = [each for each in calls.showings if each.first]
    assert len({each.columns["card_uuid"] for each in shown}) == len(shown)
    for earlier, later in pairwise(shown):
        assert wire(earlier) != wire(later)
        assert changes(later)


@given(st.lists(MOVES, max_size=6))
def test_the_same_calls_give_the_same_cards(moves: list[Assessment]) -> None:
    one, two = stay(), stay()
    assert [wire(one.call(each)) for each in moves] == [wire(two.call(each)) for each in moves]


@given(st.floats(0, 365), st.floats(0, 200), st.floats(0, 1))
def test_whatever_the_clock_makes_of_a_stay_in_progress_its_card_stands(
    days: float, intensive: float, probability: float
) -> None:
    calls = stay()
    shown = calls.call(OPEN)
    drifted = valued(OPEN, hosp_los_days=days, icu_los_days=intensive)
    assert wire(calls.call(estimated(drifted, round(probability, 4)))) == wire(shown)


def test_a_stored_card_is_sent_again_to_the_byte() -> None:
    found = stay().call(NOW)
    kept = msgspec.json.decode(msgspec.json.encode(found.card))
    assert CardResponse(cards=[kept]).wire() == wire(found)
    assert json.loads(wire(found))["cards"] == [found.card]


# over HTTP


async def test_a_repeated_call_is_answered_to_the_byte(url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        first, again = [await http.post(URL, json=call()) for _ in range(2)]
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        restarted = await http.post(URL, json=call())
    assert first.content == again.content == restarted.content


async def test_calls_of_one_stay_that_come_together_are_answered_with_one_card(
    url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        answers = await asyncio.gather(*(http.post(URL, json=call()) for _ in range(4)))
        again = await http.post(URL, json=call())
    assert {each.content for each in answers} == {again.content}


async def test_there_and_back_over_http_are_three_cards(url: str, tmp_path: Path) -> None:
    sent = [call(), call(conditions=FAILED), call(conditions=FAILED), call()]
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        cards = [await card_of(http, each) for each in sent]
    assert cards[1] == cards[2]
    assert len({each["uuid"] for each in cards}) == 3
    assert "- No longer read: Condition (comorbidities)" in cards[1]["detail"]
    assert "- Newly read: Condition (comorbidities)" in cards[3]["detail"]


async def test_a_stay_called_often_counts_once_in_the_capacity(url: str, tmp_path: Path) -> None:
    bundle = trained_bundle(tmp_path / "small")
    sent = [call(), call(conditions=FAILED), call(), call(finished(id="other"))]
    sent[-1]["context"]["encounterId"] = "other"
    async with serving(
        tmp_path, database=url, storage_keys=(KEY,), bundles={READMISSION: bundle}
    ) as http:
        cards = [await card_of(http, each) for each in sent]
    store = opened(url)
    counted = await store.first_probabilities(
        "dev",
        service_id=READMISSION,
        bundle=facts(cards[0])["bundle_digest"],
        since=START - WINDOW,
    )
    await store.close()
    assert [share for _, share in counted] == [facts(cards[n])["probability"] for n in (0, 3)]
