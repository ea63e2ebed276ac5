"""The card: what it says, how it is escaped, and that it is what CDS Hooks 2.0 allows."""

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cds_service.assessment import Assessment, Assessor, NotScored, Scored
from cds_service.hooks.schemas import Card, CardResponse
from cds_service.hooks.wording import REASONS, plain
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.profiles import load_profile
from model.bundle import load_bundle
from model.scoring import scorer_for
from tests.service.answering import assessment_of, first_card, occasion
from tests.service.patients import (
    EXTENSION,
    FAILED,
    PATIENT,
    Json,
    call,
    condition,
    encounter,
    open_stay,
    patient,
    searchset,
    stay,
    view,
    without,
)

BUNDLE = load_bundle(
    Path(__file__).resolve().parents[2] / "bundles" / "lace-hospital",
    mapping_digest=CATALOGUE.digest,
)
ASSESSOR = Assessor(BUNDLE, scorer_for(BUNDLE))
DIRECTIVE = re.compile(
    r"\b(should|must|shall|ought|needs? to|ha(?:s|ve) to|recommend\w*|consider|ensure|make sure"
    r"|advise\w*|urge|please|start|stop|continue|discontinue|initiate|give|administer|prescribe"
    r"|schedule|arrange|refer|check|treat|avoid|monitor|contact the|call the)\b",
    re.I,
)
# METHOD.md, Who is scored; the clock; and what the service itself finds
CODES = {
    "under_18",
    "age_unknown",
    "newborn",
    "not_inpatient",
    "observation_stay",
    "deceased",
    "hospice",
    "transferred",
    "against_advice",
    "encounter_unknown",
    "encounter_cancelled",
    "admission_time_unknown",
    "discharge_time_unknown",
    "discharge_before_admission",
    "not_admitted_yet",
    "patient_unknown",
    "no_open_stay",
    "several_open_stays",
    "below_coverage_floor",
    "score_inputs_missing",
    "length_of_stay_implausible",
}


def card(request: Json, assessor: Assessor = ASSESSOR) -> Card:
    return first_card(assessment_of(request, assessor), occasion(assessor.bundle))


def assessed(request: Json) -> Assessment:
    return assessment_of(request, ASSESSOR)


def scored(request: Json | None = None) -> Scored:
    found = assessed(request or call())
    assert isinstance(found, Scored)
    return found


def extension(made: Card) -> Json:
    found: Json = made.extension[EXTENSION]
    return found


def test_a_scored_card_says_points_class_and_inputs() -> None:
    made = card(call())
    assert made.summary.startswith("LACE 10 of 19 (high), HOSPITAL 5 of 13 (intermediate)")
    assert "at discharge" in made.summary
    assert re.search(r"\d+ of 105 inputs", made.summary)


def test_each_figure_stands_beside_its_own_outcome() -> None:
    rows = {
        line.split("|")[1].strip(): line
        for line in card(call()).detail.splitlines()
        if "| " in line
    }
    assert "12.2 % death or unplanned readmission" in rows["LACE"]
    assert "11.9 % potentially avoidable readmission" in rows["HOSPITAL"]
    assert "not a probability for this patient" in card(call()).detail
    assert "probability" not in extension(card(call()))


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (0.14, "This site's rate, as set: 14.0 %"),
        (None, "The bundle's base rate: 8.0 % death or unplanned readmission"),
    ],
)
def test_the_comparison_says_whose_rate_it_is(site: float | None, said: str) -> None:
    assert f"**To compare:** {said}" in card(call(), replace(ASSESSOR, site_base_rate=site)).detail


def test_drivers_are_in_words_with_value_and_date_once_for_both_scores() -> None:
    detail = card(call()).detail
    assert "- Last haemoglobin 10.2 g/dL, 2026-11-15 (HOSPITAL +1)" in detail
    assert "- Comorbidity: congestive heart failure, latest proof 2025-02-03 (LACE +2)" in detail
    assert len(re.findall("Length of stay 6.3 days", detail)) == 1
    assert "(LACE +4, HOSPITAL +2)" in detail


def test_coverage_is_given_in_all_and_by_group() -> None:
    made = card(call())
    known = extension(made)["known_inputs"]
    found = re.search(rf"\*\*Based on {known} of 105 inputs:\*\* (.*)\.", made.detail)
    assert found
    shares = [tuple(map(int, each)) for each in re.findall(r"(\d+)/(\d+)", found[1])]
    assert sum(part for part, _ in shares) == known
    assert sum(whole for _, whole in shares) == 105


def test_what_was_not_read_and_what_for_is_said() -> None:
    detail = card(without(call(coverages=FAILED), "observations")).detail
    unread = next(line for line in detail.splitlines() if line.startswith("**Not read:**"))
    assert "Observation (vital signs and laboratory values)" in unread
    assert "Coverage (payer)" in unread
    assert "Condition" not in unread


def test_what_was_read_in_part_is_said() -> None:
    sent = searchset(condition("I50.9"), total=40)
    assert "**Read in part:** Condition (comorbidities)." in card(call(conditions=sent)).detail


def test_an_incomplete_score_says_what_lacks_and_what_is_certain() -> None:
    detail = card(call(observations=None)).detail
    assert re.search(r"\| HOSPITAL \| at least \d+ of 13 \| not known \| none \|", detail)
    assert re.search(r"\*\*HOSPITAL is incomplete:\*\* .*haemoglobin.*sodium", detail)


def test_before_discharge_the_card_says_that_the_stay_is_not_over() -> None:
    made = card(view(open_stay()))
    assert "before discharge" in made.summary
    assert "the stay is not over" in made.detail
    assert extension(made)["timing"] == "before_discharge"


@pytest.mark.parametrize(
    ("profile", "said"), [(None, "detected from the data"), ("us_core", "as set")]
)
def test_the_profile_is_named_and_how_it_was_chosen(profile: str | None, said: str) -> None:
    assessor = replace(ASSESSOR, profile=load_profile(profile) if profile else None)
    assert f"Read with the site profile us\\_core, {said}." in card(call(), assessor).detail


def test_the_bundle_says_what_it_is() -> None:
    made = card(call())
    assert made.source.label == f"Readmit - {BUNDLE.manifest.title}"
    assert BUNDLE.manifest.version in made.detail
    assert BUNDLE.digest[:12] in made.detail
    assert "No model was trained" in made.detail


def test_the_extension_has_the_digests_and_what_was_read() -> None:
    found = extension(card(call()))
    assert found["bundle_digest"] == BUNDLE.digest
    assert found["mapping_digest"] == CATALOGUE.digest
    assert found["vector_digest"] == scored().vector.digest
    assert (found["lace"], found["hospital"]) == (10, 5)
    assert set(found["sources"].values()) == {"read"}


REFUSED: dict[str, tuple[Json, str]] = {
    "a child": (call(patient=patient(birthDate="2015-01-01")), "under_18"),
    "no birth date": (call(patient=patient(birthDate=None)), "age_unknown"),
    "dead": (call(patient=patient(deceasedBoolean=True)), "deceased"),
    "an ED visit": (
        call(encounter("stay-1", "2026-11-10", "2026-11-11", kind="EMER")),
        "not_inpatient",
    ),
    "observation": (
        call(encounter("stay-1", "2026-11-10", "2026-11-12", kind="OBSENC")),
        "observation_stay",
    ),
    "cancelled": (call(stay(status="cancelled")), "encounter_cancelled"),
    "no open stay": (view(), "no_open_stay"),
    "two open stays": (view(open_stay("a"), open_stay("b")), "several_open_stays"),
    "nothing read": (
        without(call(), "encounters", "locations", "conditions", "observations", "procedures"),
        "below_coverage_floor",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_score_is_an_info_card_that_says_why(case: str) -> None:
    request, reason = REFUSED[case]
    made = card(request)
    assert made.indicator == "info"
    assert made.summary == f"Readmission risk not scored: {REASONS[reason]}"
    assert f"**Not scored:** {REASONS[reason]}. This is not a low risk." in made.detail
    assert extension(made)["outcome"] == "not_scored"
    assert extension(made)["reason"] == reason
    assert not {"lace", "hospital", "probability"} & set(extension(made))


@pytest.mark.parametrize("reason", sorted({*CODES, *REASONS}))
def test_every_reason_has_words_that_fit(reason: str) -> None:
    made = first_card(NotScored(None, reason, {}, ()), occasion(BUNDLE))
    assert len(made.summary) < 140
    assert reason not in made.summary or "_" not in reason


def test_no_combination_of_points_makes_the_summary_too_long_or_critical() -> None:
    found = scored()
    first, second = found.baselines
    ways = [
        [replace(each, reading=reading) for reading in (*each.published.classes, None)]
        for each in (first, second)
    ]
    for pair in product(*ways):
        made = first_card(replace(found, baselines=pair), occasion(BUNDLE))
        high = any(each.reading and each.reading.label == "high" for each in pair)
        assert len(made.summary) < 140
        assert made.indicator == ("warning" if high else "info")


def members(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(found for each in inner for found in members(each))]


@pytest.mark.parametrize("request_", [call(), view(), view(open_stay()), REFUSED["a child"][0]])
def test_nothing_sent_is_null_or_empty(request_: Json) -> None:
    sent = json.loads(CardResponse(cards=[card(request_).wire()]).wire())
    assert not [each for each in members(sent) if each in (None, "", [], {})]


def test_the_card_has_only_the_members_of_the_specification() -> None:
    (sent,) = json.loads(CardResponse(cards=[card(call()).wire()]).wire())["cards"]
    assert set(sent) == {
        "uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior",
        "overrideReasons", "extension",
    }  # fmt: skip
    assert set(sent["source"]) == {"label", "topic"}


def test_the_card_gives_no_directive() -> None:
    for request in (call(), view(open_stay()), view(), REFUSED["a child"][0]):
        made = card(request)
        assert not DIRECTIVE.search(f"{made.summary}\n{made.detail}")


def test_a_repeated_call_gets_the_same_uuid_and_a_new_hook_instance_changes_nothing() -> None:
    again = call() | {"hookInstance": "another"}
    assert UUID(card(call()).uuid).version == 5
    assert card(call()) == card(again)


def test_another_patient_or_another_answer_is_another_card() -> None:
    found = scored()
    mine, theirs = (
        first_card(found, occasion(BUNDLE, patient_id=name)) for name in (PATIENT, "p2")
    )
    assert len({mine.uuid, theirs.uuid, card(call(conditions=None)).uuid}) == 3


MARKUP = (
    "<script>alert(1)</script> **bold** [click](https://evil.example) | `x` <img src=x onerror=y>"
)


def test_markup_in_a_resource_shows_as_text() -> None:
    coded = {"coding": [{"system": MARKUP, "code": MARKUP, "display": MARKUP}], "text": MARKUP}
    request = call(
        stay(reasonCode=[coded], type=[coded]),
        patient=patient(name=[{"text": MARKUP}]),
        conditions=searchset(
            condition("I50.9") | {"code": condition("I50.9")["code"] | {"text": MARKUP}}
        ),
    )
    made = card(request)
    assert "<" not in made.detail + made.summary
    assert "](" not in made.detail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Haemoglobin 10.2 g/dL", "Haemoglobin 10.2 g/dL"),
        ("<b>&</b>", "&lt;b&gt;&amp;&lt;/b&gt;"),
        ("*a* _b_ `c` ~d~", "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~"),
        ("[a](b)", "\\[a\\](b)"),
        ("a | b", "a \\| b"),
        ("a\\*b", "a\\\\\\*b"),
        ("one\n\n# two\r\n- three", "one \\# two - three"),
    ],
)
def test_a_value_is_escaped_for_markdown_and_html(text: str, shown: str) -> None:
    assert plain(text) == shown
