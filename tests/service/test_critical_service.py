"""The second task over HTTP: off by default, two hooks, the ED visit, its clock, its card."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.app import create_app
from cds_service.errors import StartRefusedError
from cds_service.hooks.task_wording import WORDINGS
from cds_service.settings import Settings
from fhir_mapping.emergency import Variant
from model.scoring import Score
from tests.service.answering import assessment_of, first_card, occasion
from tests.service.ed_patients import (
    ARRIVED,
    LEFT,
    SERVICE,
    URL,
    VISIT,
    ed_call,
    ed_card,
    ed_facts,
    ed_view,
    ed_visit,
    in_ed,
    in_intensive_care,
)
from tests.service.patients import (
    NOW,
    Json,
    call,
    encounter,
    patient,
    searchset,
    serving,
    without,
)
from tests.service.test_cards import DIRECTIVE, members
from tests.service.test_store import rows
from tests.service.trained import (
    CRITICAL,
    ED_SCORE,
    NOTICE,
    SHIPPED,
    TAKEN_IN_ED,
    critical_bundle,
    critical_fields,
    fixed_assessor,
    trained_bundle,
)

pytestmark = pytest.mark.sampled(5)

SHARES = st.floats(0.0, 1.0).map(lambda share: round(share, 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return critical_bundle(tmp_path_factory.mktemp("critical") / "departure")


@pytest.fixture(scope="module")
def triage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return critical_bundle(tmp_path_factory.mktemp("critical") / "triage", variant="triage")


def start(folder: Path, **settings: Any) -> None:
    create_app(Settings(bundles={SERVICE: folder}, dev=True, **settings))


def test_it_is_off_by_default(folder: Path) -> None:
    assert not Settings().critical_outcome
    with pytest.raises(StartRefusedError, match=r"off: .*regulated use.*READMIT_CRITICAL_OUTCOME"):
        start(folder)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"variant": None}, "states its variant, triage or ed_departure"),
        (
            {"features": ("age", "insurance", "hosp_los_days")},
            "hosp_los_days, insurance, not known",
        ),
        ({"variant": "triage"}, "ed_heartrate_last, ed_los_hours, not known at triage"),
        ({"hooks": ()}, "names no hook; critical_outcome answers encounter-start and patient-view"),
        ({"hooks": ("encounter-discharge",)}, "names encounter-discharge; critical_outcome"),
    ],
    ids=["no variant", "known too late", "known at departure only", "no hook", "another hook"],
)
def test_a_bundle_that_contradicts_its_task_stops_the_start(
    fields: Json, words: str, tmp_path: Path
) -> None:
    bundle = trained_bundle(tmp_path / "bundle", **critical_fields("ed_departure") | fields)
    with pytest.raises(StartRefusedError, match=words):
        start(bundle, critical_outcome=True)


def test_points_alone_do_not_predict_it(tmp_path: Path) -> None:
    copy = tmp_path / "points"
    copy.mkdir()
    for file in SHIPPED.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((copy / "manifest.json").read_bytes())
    stated = {"task": "critical_outcome", "variant": "triage", "hooks": ["encounter-start"]}
    (copy / "manifest.json").write_text(json.dumps(manifest | stated))
    with pytest.raises(StartRefusedError, match="is not a trained bundle"):
        start(copy, critical_outcome=True)


async def test_discovery_has_both_hooks_and_asks_for_what_the_bundle_reads(
    folder: Path, tmp_path: Path
) -> None:
    async with serving(tmp_path, **in_ed(folder)) as http:
        listed = (await http.get("/cds-services")).json()["services"]
    asked = {each["hook"]: each["prefetch"] for each in listed}
    assert set(asked) == {"encounter-start", "patient-view"}
    assert asked["encounter-start"]["encounter"] == "Encounter/{{context.encounterId}}"
    assert "encounterId" not in json.dumps(asked["patient-view"])
    keys = set(asked["encounter-start"])
    assert keys - set(asked["patient-view"]) == {"encounter", "vitals"}
    assert {"encounters", "locations", "conditions", "observations"} < keys
    assert not keys & {"procedures", "coverages", "medication_administrations"}
    for each in listed:
        assert "readmission" not in f"{each['title']} {each['description']}".lower()
        assert "12 h of leaving the ED, or death in hospital" in each["description"]
        assert f"For nobody. {NOTICE}" in each["description"]
        assert "regulated use" in each["usageRequirements"]


@pytest.mark.parametrize(
    "request_", [ed_call(), ed_view()], ids=["encounter-start", "patient-view"]
)
async def test_both_hooks_score_the_visit_in_progress(
    request_: Json, folder: Path, tmp_path: Path
) -> None:
    async with serving(tmp_path, **in_ed(folder)) as http:
        card = await ed_card(http, request_)
    (row,) = rows(tmp_path)
    said = ed_facts(card)
    assert said["outcome"] == "scored"
    assert said["variant"] == "ed_departure"
    assert said["prediction_time"] == NOW.isoformat()
    assert said["total_inputs"] == len(TAKEN_IN_ED)
    assert (row["encounter_id"], row["service_id"]) == (VISIT, SERVICE)
    assert row["probability"] == said["probability"]
    assert (row["lace_points"], row["hospital_points"]) == (None, None)
    assert not {"lace", "hospital"} & set(said)


@pytest.mark.parametrize("hook", ["encounter-start", "patient-view"])
async def test_a_visit_that_is_over_is_scored_as_at_departure(
    hook: str, folder: Path, tmp_path: Path
) -> None:
    request = ed_call(ed_visit(end=LEFT)) | {"hook": hook}
    async with serving(tmp_path, **in_ed(folder)) as http:
        said = ed_facts(await ed_card(http, request))
    assert said["prediction_time"] == "2026-11-21T11:45:00+00:00"


async def test_at_triage_nothing_after_the_first_hour_is_seen(triage: Path, tmp_path: Path) -> None:
    late = searchset(encounter("later", "2026-11-21T11:30:00Z", None))
    async with serving(tmp_path, **in_ed(triage)) as http:
        one = ed_facts(await ed_card(http, ed_call()))
        two = ed_facts(await ed_card(http, ed_call(medication_requests=late, coverages=None)))
        few = ed_facts(await ed_card(http, ed_call(ed_visit(start="2026-11-21T11:20:00Z"))))
    assert one["prediction_time"] == two["prediction_time"] == "2026-11-21T11:00:00+00:00"
    assert one["variant"] == "triage"
    assert few["prediction_time"] == NOW.isoformat()


REFUSED: dict[str, tuple[Json, str]] = {
    "a child": (ed_call(patient=patient(birthDate="2015-03-09")), "under_18"),
    "of unknown age": (ed_call(patient=patient(birthDate=None)), "age_unknown"),
    "dead": (ed_call(patient=patient(deceasedBoolean=True)), "deceased"),
    "in intensive care": (
        ed_call(None, in_intensive_care("2026-11-21T11:50:00Z")), "in_icu_already",
    ),
    "a cancelled visit": (ed_call(ed_visit(status="cancelled")), "encounter_cancelled"),
    "an inpatient": (ed_call(encounter(VISIT, ARRIVED, None)), "not_emergency"),
    "planned": (ed_call(ed_visit(status="planned")), "not_arrived_yet"),
    "arriving later": (ed_call(ed_visit(start="2026-11-21T12:01:00Z")), "not_arrived_yet"),
    "no arrival": (ed_call(ed_visit(period={})), "arrival_time_unknown"),
    "no departure": (ed_call(ed_visit(status="finished")), "departure_time_unknown"),
    "left before it began": (
        ed_call(ed_visit(end="2026-11-21T09:00:00Z")), "departure_before_arrival",
    ),
    "never closed": (ed_call(ed_visit(start="2026-11-01T09:00:00Z")), "ed_visit_too_long"),
    "not in the ED": (ed_view(ed_visit(end=LEFT)), "no_open_ed_visit"),
    "in two EDs": (ed_view(None, ed_visit("ed-2")), "several_open_ed_visits"),
    "a thin record": (without(ed_call(), "conditions"), "below_coverage_floor"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_who_is_not_scored_and_why(case: str, folder: Path, tmp_path: Path) -> None:
    request, reason = REFUSED[case]
    async with serving(tmp_path, **in_ed(folder)) as http:
        card = await ed_card(http, request)
    (row,) = rows(tmp_path)
    said = ed_facts(card)
    assert (said["outcome"], said["reason"], row["reason"]) == ("not_scored", reason, reason)
    assert card["summary"].startswith("Risk of intensive care or death in hospital not scored: ")
    assert len(card["summary"]) < 140
    assert "This is not a low risk." in card["detail"]
    assert "readmission" not in json.dumps(card).lower()
    assert "probability" not in said


def test_every_reason_of_either_task_has_words_that_fit() -> None:
    for words in WORDINGS.values():
        for said in words.reasons.values():
            assert len(f"{words.not_scored}: {said}") < 140
    assert {reason for _, reason in REFUSED.values()} <= set(WORDINGS["critical_outcome"].reasons)


async def test_a_hook_of_the_other_task_is_refused(folder: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, **in_ed(folder)) as http:
        found = await http.post(URL, json=call())
    assert found.status_code == 400
    assert "Call it from encounter-start or patient-view." in found.text


async def test_encounter_start_must_name_the_encounter(folder: Path, tmp_path: Path) -> None:
    async with serving(tmp_path, **in_ed(folder)) as http:
        found = await http.post(URL, json=ed_view() | {"hook": "encounter-start"})
    assert found.status_code == 400
    assert "context.encounterId" in found.text


def fixed(score: Score = ED_SCORE, *, variant: Variant = "ed_departure", **settings: Any) -> Json:
    assessor = fixed_assessor(score, **critical_fields(variant), **settings)
    card = first_card(assessment_of(ed_call(), assessor), occasion(assessor.bundle))
    return card.model_dump(by_alias=True, exclude_none=True)


def test_the_summary_names_the_outcome_the_number_and_the_moment() -> None:
    assert fixed()["summary"] == (
        "Intensive care within 12 h of leaving the ED, or death in hospital: estimated 18 %"
        " (cohort 8 %), as of 21 Nov 12:00"
    )


def test_the_detail_begins_with_the_notice_and_says_of_what_and_as_of_when() -> None:
    detail = fixed()["detail"]
    assert detail.startswith(f"**{NOTICE}**\n\n**Estimated risk: 18 %** {CRITICAL}")
    assert f"**To compare:** The bundle's base rate: 8.1 % {CRITICAL}" in detail
    assert (
        "**When:** As of 2026-11-21 12:00 UTC (at departure, or now until then). Time-bound:"
        in detail
    )
    assert "regulated use" in detail
    assert "this ED visit" in detail
    at_triage = fixed(variant="triage")["detail"]
    assert "As of 2026-11-21 11:00 UTC (at most one hour after arrival)." in at_triage


def test_no_points_of_readmission_scores_and_no_word_of_it() -> None:
    card = json.dumps(fixed())
    assert "LACE" not in card
    assert "What adds points" not in card
    assert not re.search("readmission|readmitted|discharge", card.replace("before_discharge", ""))


def test_the_site_s_readmission_rate_is_not_the_rate_of_this_outcome() -> None:
    card = fixed(site_base_rate=0.14)
    assert "14" not in card["summary"]
    assert "This site's rate" not in card["detail"]


def test_nothing_in_it_directs_warns_or_is_empty() -> None:
    sure = replace(ED_SCORE, probability=0.9999, interval=(0.99, 1.0))
    for card in (fixed(), fixed(sure), fixed(variant="triage")):
        assert card["indicator"] == "info"
        assert not DIRECTIVE.search(f"{card['summary']}\n{card['detail']}")
        assert not [each for each in members(card) if each in (None, "", [], {})]


@given(SHARES, st.floats(0.0, 1.0))
def test_no_number_makes_the_summary_too_long(share: float, rate: float) -> None:
    fields = critical_fields("ed_departure")
    fields["base_rate"] = type(fields["base_rate"])(rate, CRITICAL, "a cohort", "a test")
    assessor = fixed_assessor(replace(ED_SCORE, probability=share), **fields)
    card = first_card(assessment_of(ed_call(), assessor), occasion(assessor.bundle))
    assert len(card.summary) < 140


async def test_the_moment_is_told_in_the_zone_of_the_visit(folder: Path, tmp_path: Path) -> None:
    visit = ed_visit(start="2026-11-21T05:00:00-05:00")
    async with serving(tmp_path, **in_ed(folder)) as http:
        card = await ed_card(http, ed_call(visit))
    assert card["summary"].endswith("as of 21 Nov 07:00")
    assert "As of 2026-11-21 07:00 UTC-05:00" in card["detail"]


async def test_a_repeated_call_gets_the_same_card_until_something_has_changed(
    folder: Path, tmp_path: Path
) -> None:
    icu = ed_call(None, in_intensive_care("2026-11-21T11:50:00Z"))
    async with serving(tmp_path, **in_ed(folder)) as http:
        one, same, other = [await ed_card(http, each) for each in (ed_call(), ed_call(), icu)]
    assert one == same
    assert other["uuid"] != one["uuid"]
    assert "Result: not scored, intensive care has begun already; before: scored" in other["detail"]


async def test_a_resource_type_that_is_not_asked_for_is_not_called_unread(
    folder: Path, tmp_path: Path
) -> None:
    async with serving(tmp_path, **in_ed(folder)) as http:
        card = await ed_card(http, without(ed_call(), "procedures", "coverages"))
    assert set(ed_facts(card)["sources"]) == {
        "Patient", "Encounter", "Location", "Condition", "Observation", "MedicationRequest",
        "MedicationStatement",
    }  # fmt: skip
    assert "Not read" not in card["detail"]


def test_readmission_bundles_know_no_encounter_start(tmp_path: Path) -> None:
    bundle = trained_bundle(tmp_path / "b", hooks=("encounter-start", "patient-view"))
    with pytest.raises(StartRefusedError, match="names encounter-start; readmission_30d answers"):
        start(bundle)
