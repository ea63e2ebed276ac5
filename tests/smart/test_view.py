"""The page of a stored assessment: the card's numbers, every input, what is missing, and its safety."""

import html as escaping
import re
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cds_service.assessment import Scored, coverage_of
from cds_service.hooks.estimate import shown_value
from cds_service.hooks.override_reasons import OVERRIDE_REASONS
from cds_service.hooks.wording import whole_percent
from cds_service.settings import READMISSION
from cds_service.smart.routes_page import stored_of
from cds_service.smart.view import words
from cds_service.smart.view.page import STATIC, Facts, PageView, model_card, page, received
from cds_service.smart.view.stored import Stored, printable, received_at
from fhir_mapping.catalogue import CATALOGUE
from tests.service.ed_patients import SERVICE as ED_SERVICE
from tests.service.ed_patients import ed_call
from tests.service.requests import example, now
from tests.service.test_cards import DIRECTIVE
from tests.service.trained import ED_SCORE, SCORE, critical_fields, fixed_assessor
from tests.smart.reading import tags_of, text_of
from tests.smart.viewing import (
    FACTS,
    NAMES,
    ROOT,
    UUID,
    assessor,
    changed,
    html,
    purged,
    stored,
)

pytestmark = pytest.mark.sampled(60)

MOST_BYTES = 100_000
STYLE = (ROOT / "cds_service" / "smart" / "static" / "app.css").read_bytes()
SCORED = [name for name in NAMES if stored(name).row["outcome"] == "scored"]
BUNDLES = ("demo", "lace-hospital")
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x00"


def critical(score: Any = ED_SCORE) -> Stored:
    of = fixed_assessor(score, **critical_fields("ed_departure"))
    return stored(ed_call(), of, service_id=ED_SERVICE)


def gone(of: Stored) -> Stored:
    """The bundle that made it is no longer loaded."""
    return replace(of, assessor=None)


def pages() -> dict[str, str]:
    """One of each kind."""
    one = stored("margaret-heart-failure")
    return {
        **{
            f"{name} {bundle}": html(stored(name, assessor(bundle)))
            for name in NAMES
            for bundle in BUNDLES
        },
        "critical": html(critical()),
        "purged": html(purged(one)),
        "gone": html(gone(one)),
        "purged and gone": html(gone(purged(one))),
        "points gone": html(gone(stored("oncology", assessor("lace-hospital")))),
        "not scored and gone": html(gone(stored("newborn"))),
        "silent": html(one, replace(FACTS, silent=True)),
        "received": received(FACTS, "Patient/1", {"resourceType": "Patient"}, back="./"),
        "model card": model_card(FACTS, assessor().bundle, "# A card"),
        "compared": html(one, before=stored("no-labs")),
        "banner": html(one, replace(FACTS, needs_banner=True, denied=("Observation",))),
    }


PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_small_with_its_style(name: str) -> None:
    assert len(PAGES[name].encode()) + len(STYLE) < MOST_BYTES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_no_script_and_nothing_from_elsewhere(name: str) -> None:
    for tag, attributes in tags_of(PAGES[name]):
        assert tag not in ("script", "style", "iframe", "object", "base")
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
        for key in ("href", "src", "action"):
            assert "//" not in (attributes.get(key) or "")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_built_as_screen_readers_need_it(name: str) -> None:
    tags = tags_of(PAGES[name])
    names = [tag for tag, _ in tags]
    assert names.count("h1") == names.count("main") == 1
    assert names.count("table") == names.count("caption")
    assert ("html", {"lang": "en"}) in tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len({*ids})
    for tag, attributes in tags:
        if tag == "svg":
            drawn = attributes.get("aria-hidden") == "true" or attributes.get("role") == "img"
            assert drawn
        for key in ("aria-labelledby", "for"):
            assert {*(attributes.get(key) or "").split()} <= {*ids}
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids


@pytest.mark.parametrize("name", PAGES)
def test_nothing_tells_anybody_what_to_do(name: str) -> None:
    shown = "\n".join(
        line
        for line in text_of(PAGES[name]).splitlines()
        if line not in {each.display for each in OVERRIDE_REASONS}
    )
    assert not DIRECTIVE.search(shown)


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_the_cards_own_line(name: str, bundle: str) -> None:
    of = stored(name, assessor(bundle))
    assert of.contents is not None
    assert of.contents.card is not None
    assert f"<h1>{escaping.escape(of.contents.card['summary'])}</h1>" in html(of).replace(
        "&#39;", "&#x27;"
    )


@pytest.mark.parametrize("name", SCORED)
def test_the_numbers_are_the_cards_to_the_character(name: str) -> None:
    of = stored(name)
    assert of.contents is not None
    assert of.contents.card is not None
    detail, shown = of.contents.card["detail"], text_of(html(of))
    stated = re.search(r"Estimated risk: (.+?)\*\* (.+?) \((.+?)\)\. (.+)", detail)
    assert stated is not None
    risk, outcome, interval, meaning = stated.groups()
    assert f"{risk} {outcome}" in shown
    assert f"{interval[:1].upper()}{interval[1:]}. {meaning}" in shown
    rate = re.search(r"\*\*To compare:\*\* (.+)", detail)
    assert rate is not None
    assert f"To compare: {rate[1]}" in shown.replace("\u2060", "")
    for line in re.findall(r"^\| (LACE|HOSPITAL) \| (.+?) \| (.+?) \| (.+?) \|$", detail, re.M):
        title, points, reading, figure = line
        if not points.startswith("at least"):
            assert f"{title} {points}, {reading}: {figure}" in shown


@pytest.mark.parametrize("name", NAMES)
def test_every_input_is_there_with_its_value(name: str) -> None:
    of = stored(name)
    if of.vector is None:
        return
    shown = text_of(html(of)).partition("\nEvery input\n")[2].splitlines()
    for feature in of.inputs:
        value = of.vector[feature.name]
        words_of = "not known" if value in (None, "unknown") else shown_value(feature, value)
        assert any(
            line.startswith((f"{feature.label} |", f"{feature.label} may be changed |"))
            and f"| {words_of} |" in line
            for line in shown
        ), feature.name


@pytest.mark.parametrize("name", NAMES)
def test_known_inputs_are_counted_as_on_the_card(name: str) -> None:
    of = stored(name)
    if not isinstance(of.assessment, Scored):
        return
    coverage = coverage_of(of.assessment.vector, assessor().bundle)
    found = re.findall(r": (\d+) of (\d+) known", text_of(html(of)))
    assert (sum(int(k) for k, _ in found), sum(int(n) for _, n in found)) == (
        coverage.known,
        coverage.total,
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_link_leads_to_a_resource_as_received(name: str) -> None:
    of = stored(name)
    contents = of.contents
    assert contents is not None
    page_of = html(of)
    linked = re.findall(rf'href="received/{UUID}/(\d+)">(\w+) \1</a>', page_of)
    assert len(linked) == page_of.count('href="received/')
    for number, kind in linked:
        found = received_at(contents, int(number))
        assert found is not None
        reference, resource = found
        assert reference == f"{kind}/{resource['id']}"
    assert {int(number) for number, _ in linked} == set(range(1, len(contents.received) + 1))
    assert received_at(contents, 0) is None
    assert received_at(contents, len(contents.received) + 1) is None


@pytest.mark.parametrize("name", NAMES)
def test_no_id_of_the_record_is_in_a_link(name: str) -> None:
    of = stored(name)
    assert of.contents is not None
    targets = [a.get("href") or a.get("action") or "" for _, a in tags_of(html(of))]
    ids = [reference.partition("/")[2] for reference in of.contents.received]
    assert not [target for target in targets for each in ids if each in target]


def test_where_a_unit_was_another_the_received_value_is_said() -> None:
    assert "received as" in text_of(html(stored("other-units")))


def test_what_is_missing_says_why_and_how_far_it_could_move_the_number() -> None:
    of = stored("no-labs")
    shown = text_of(html(of))
    assert "Last sodium | not in the record" in shown
    assert words.COULD_MOVE in shown
    moved = re.findall(r"^(Last \w+) \| \| ([\d.]+) % to ([\d.]+) %$", shown, re.M)
    assert {"Last sodium", "Last haemoglobin"} <= {label for label, *_ in moved}
    assert all(float(low) <= float(high) for _, low, high in moved)


def test_five_are_listed_and_no_derived_one() -> None:
    request = example("margaret-heart-failure")
    for key in ("observations", "vitals"):
        del request["prefetch"][key]
    shown = text_of(html(stored(request, fixed_assessor(SCORE))))
    rows = re.findall(r"^(.+?) \| \| 12.0 % to 33.5 %$", shown, re.M)
    assert len(rows) == 5
    assert not {feature.label for feature in CATALOGUE if feature.derived} & {*rows}


@pytest.mark.parametrize(
    ("name", "never"),
    [
        ("elective-knee", ("arrival_transport", "triage_acuity")),
        ("in-progress", ("discharge_location",)),
    ],
)
def test_what_no_record_could_say_moves_nothing(name: str, never: tuple[str, ...]) -> None:
    shown = text_of(html(stored(name, fixed_assessor(SCORE))))
    moved = re.findall(r"^(.+?) \| \| 12.0 % to 33.5 %$", shown, re.M)
    for label in (CATALOGUE[each].label for each in never):
        assert f"{label} | {words.WHY_MISSING['not_yet']}" in shown
        assert label not in moved


def test_what_was_not_read_is_missing_for_that_reason() -> None:
    request = example("margaret-heart-failure")
    del request["prefetch"]["coverages"]
    shown = text_of(html(stored(request)))
    assert "Payer | Coverage not read" in shown
    assert re.search(r"^Payer \| \| [\d.]+ % to [\d.]+ %$", shown, re.M)
    assert "Not read: Coverage (payer)." in shown


def test_what_the_training_stays_cannot_tell_is_said() -> None:
    request = example("margaret-heart-failure")
    for key in ("observations", "vitals"):
        del request["prefetch"][key]
    shown = text_of(html(stored(request)))
    assert "Observation not read" in shown
    assert re.search(
        r"^Missing inputs of which the training stays had too few values to tell how far: \d+\.$",
        shown,
        re.M,
    )


def test_a_type_that_was_not_granted_is_said_and_is_no_zero() -> None:
    facts = replace(FACTS, denied=("Condition", "Coverage"), narrowed=("Observation",))
    shown = text_of(html(stored("oncology"), facts))
    assert "Access was not granted to: Condition (comorbidities), Coverage (payer)." in shown
    assert "Access was granted to a part only of: Observation" in shown


def test_attention_is_apart_and_adds_up() -> None:
    shown = text_of(html(stored("oncology")))
    start = shown.index("\nAttention by input")
    shares = re.findall(
        r"\| ([\d.]+) %$", shown[start:].partition("\nWhat was not seen\n")[0], re.M
    )
    assert sum(map(float, shares)) == pytest.approx(100.0, abs=0.6)
    assert words.ATTENTION in shown


def test_without_the_bundle_what_needs_it_says_so() -> None:
    shown = text_of(html(gone(stored("no-labs"))))
    assert shown.count(words.NOT_LOADED) == 2  # attention, and how far it could move
    assert "What moves this estimate" in shown
    assert "is no longer loaded" in shown
    assert "Model card" not in shown


def test_purged_inputs_are_said_and_the_result_stays() -> None:
    of = purged(stored("oncology"))
    shown = text_of(html(of))
    assert words.PURGED in shown
    assert words.NOT_KEPT in shown
    assert words.NOT_LOADED not in shown
    assert f"{whole_percent(of.row['probability'])} unplanned readmission" in shown
    assert "received/" not in html(of)


def test_inputs_of_another_catalogue_are_not_named() -> None:
    of = changed(stored("oncology"), mapping_digest="0" * 64)
    assert words.OTHER_CATALOGUE in text_of(html(of))


def test_a_stay_that_was_not_scored_says_why_and_that_it_is_no_low_risk() -> None:
    shown = text_of(html(stored("newborn")))
    assert "Not scored:" in shown
    assert "This is not a low risk." in shown
    assert "What moves this estimate" not in shown


def test_a_reason_of_a_service_that_is_gone_is_said_by_its_code() -> None:
    shown = text_of(html(purged(changed(gone(stored("newborn")), reason="of_another_service"))))
    assert "Readmission risk not scored: of_another_service" in shown
    assert "This is not a low risk." in shown


def test_a_bundle_of_points_gives_points_and_no_percent() -> None:
    of = stored("margaret-heart-failure", assessor("lace-hospital"))
    shown = text_of(html(of))
    assert "no percent of its own" in shown
    assert "LACE 17 of 19, high" in shown
    assert words.ATTENTION not in shown
    assert 'class="gauge"' not in html(of)


def test_the_second_task_has_its_own_words() -> None:
    shown = text_of(html(critical()))
    assert "intensive care within 12 h of leaving the ED, or death in hospital" in shown
    assert "Time-critical predictions are a regulated use" in shown
    assert "This ED visit" in shown
    assert "eadmission" not in shown.replace("Readmit", "")
    assert words.MAY_CHANGE not in shown


def test_the_page_of_a_service_that_is_gone_keeps_to_its_own_task() -> None:
    other = SimpleNamespace(of=lambda _tenant: assessor())
    state: Any = SimpleNamespace(services={READMISSION: other})
    session: Any = SimpleNamespace(tenant=None)
    of = stored_of(critical().kept, session, state)
    assert (of.task, of.assessor) == ("critical_outcome", None)
    assert "eadmission" not in text_of(html(of)).replace("Readmit", "")


def test_a_silent_site_sees_no_result_at_all() -> None:
    of = stored("margaret-heart-failure", silent=True)
    shown = html(of, replace(FACTS, silent=True))
    assert words.SILENT in shown
    assert "%" not in text_of(shown)
    assert "LACE" not in shown


def test_what_was_made_silently_is_in_no_history() -> None:
    of = stored("margaret-heart-failure")
    silent = {**of.row, "uuid": "made-silently", "silent": True}
    assert "made-silently" not in html(of, rows=(silent, of.row))


def history(count: int) -> tuple[Stored, list[dict[str, Any]]]:
    of = stored("margaret-heart-failure")
    rows = [
        {
            **of.row,
            "uuid": f"{number:08}-0000-4000-8000-000000000000",
            "created_at": now() - timedelta(days=3 * (count - number)),
            "probability": round(0.02 + 0.01 * number, 4),
            "bundle_digest": "e" * 64 if number < 2 else of.row["bundle_digest"],
        }
        for number in range(count)
    ]
    return of, [*rows, dict(of.row)]


def test_earlier_assessments_are_drawn_and_listed() -> None:
    of, rows = history(4)
    shown = html(of, rows=rows)
    text = text_of(shown)
    assert "Estimates over time: 2 % on 2026-11-09, 3 % on 2026-11-12" in text
    assert shown.count('class="hollow"') == 2
    assert shown.count("?assessment=0000000") == 4
    assert text.count(words.OTHER_MODEL) == 3  # twice in the table, once in the sentence
    table = text[text.index("newest first") :]
    assert table.index("shown here") < table.index("2026-11-18")


def test_a_long_history_is_cut_and_says_so() -> None:
    of, rows = history(60)
    shown = html(of, rows=rows)
    assert "37 older ones are not listed." in shown
    assert len(shown.encode()) + len(STYLE) < MOST_BYTES


def test_scored_again_shows_both_and_what_changed() -> None:
    before = stored("no-labs")
    after = stored("other-units")
    shown = text_of(html(after, before=before))
    assert "This assessment beside the one before it" in shown
    was, is_now = (whole_percent(each.row["probability"]) for each in (before, after))
    assert re.search(rf"^Result \| {was} \| {is_now}", shown, re.M)
    assert re.search(r"^Last sodium \| not known \| [\d.]+ mmol/L$", shown, re.M)


def test_scored_again_without_a_difference_says_so() -> None:
    of = stored("oncology")
    assert words.NOTHING_CHANGED in html(of, before=of)
    assert words.INPUTS_NOT_COMPARED in html(of, before=purged(of))


def test_the_forms_carry_what_their_routes_need() -> None:
    shown = html(stored("oncology"), replace(FACTS, home="/smart/s/abc/"))
    forms = [a for tag, a in tags_of(shown) if tag == "form"]
    assert [each["action"] for each in forms] == [
        "/smart/s/abc/logout",
        "/smart/s/abc/score",
        "/smart/s/abc/feedback",
        "/smart/s/abc/feedback",
    ]
    assert all(each["method"] == "post" for each in forms)
    assert shown.count('name="csrf" value="csrf-of-a-test"') == len(forms)
    codes = re.findall(r'<option value="(.+?)">', shown)
    assert codes == [each.code for each in OVERRIDE_REASONS]


def test_without_a_card_there_is_none_to_answer() -> None:
    of = changed(stored("oncology"), card_uuid=None)
    assert words.NO_CARD in html(of)
    assert "feedback" not in html(of)


def test_the_banner_says_whose_page_it_is() -> None:
    facts = replace(FACTS, needs_banner=True)
    of = stored("margaret-heart-failure")
    assert "born 19" in text_of(html(of, facts))
    assert "born 19" not in text_of(html(of))
    assert "not kept with this assessment" in html(purged(of), facts)


def test_the_banner_has_the_name_in_use() -> None:
    of = stored("margaret-heart-failure")
    assert of.contents is not None
    former = {"use": "old", "family": "Formerly"}
    named = {"name": [former, {"use": "official", "family": "Nowadays"}]}
    received = {**of.contents.received, f"Patient/{of.row['patient_id']}": named}
    shown = html(changed(of, {"received": received}), replace(FACTS, needs_banner=True))
    assert "Nowadays" in shown
    assert "Formerly" not in shown


def test_another_patients_name_is_never_in_the_banner() -> None:
    of = changed(stored("margaret-heart-failure"), patient_id="somebody-else")
    assert "Margaret" not in html(of, replace(FACTS, needs_banner=True))


def hostile() -> Stored:
    of = stored("margaret-heart-failure")
    assert of.contents is not None
    evidence = tuple(
        type(row)(
            **{
                **{name: getattr(row, name) for name in row.__struct_fields__},
                "reason": HOSTILE,
                "received": HOSTILE,
                "received_unit": HOSTILE,
            }
        )
        for row in of.contents.evidence
    )
    name = f"Patient/{of.row['patient_id']}"
    patient = {"name": [{"text": HOSTILE}], "birthDate": HOSTILE, "gender": 7}
    return changed(of, {"evidence": evidence, "received": {**of.contents.received, name: patient}})


def test_text_of_the_record_is_text_on_the_page() -> None:
    facts = Facts(printable(HOSTILE), printable(HOSTILE), needs_banner=True)
    for shown in (
        html(hostile(), facts),
        received(FACTS, f"Patient/{HOSTILE}", {"note": HOSTILE, HOSTILE: [HOSTILE]}, back="./"),
        model_card(FACTS, assessor().bundle, HOSTILE.replace("\x00", "")),
    ):
        assert "script" not in [tag for tag, _ in tags_of(shown)]
        assert "alert(1)" in text_of(shown)
        assert "\x00" not in shown
    assert "\u202e" not in html(hostile(), facts)
    assert "\u202e" not in received(FACTS, "Patient/1", {"note": HOSTILE}, back="./")


def test_printable_keeps_words_and_drops_what_steers() -> None:
    assert printable("Åse\tØ\nfor \u202eevil\x1b[31m") == "Åse Ø for evil[31m"


def test_a_resource_is_shown_as_it_was_received() -> None:
    shown = received(FACTS, "Observation/x", {"valueQuantity": {"value": 1.5}}, back="../../")
    assert '"value": 1.5' in text_of(shown).replace("&quot;", '"')
    assert 'href="../../"' in shown
    assert "Observation, as it was received" in shown


def test_the_model_card_has_the_intended_use_at_its_address() -> None:
    shown = model_card(FACTS, assessor().bundle, "# Card\nwords")
    assert 'id="intended-use"' in shown
    assert "adults (18 or over)" in shown
    assert "#intended-use" in html(stored("oncology"))


def test_a_threshold_is_said_and_drawn() -> None:
    of = changed(stored("oncology"), threshold=0.2, alerted=False)
    assert "Below the threshold of 20.0 %." in html(of)
    assert 'class="threshold"' in html(of)


def test_a_site_rate_is_the_sites() -> None:
    of = stored("oncology", fixed_assessor(SCORE, site_base_rate=0.14))
    assert "This site's rate, as set: 14.0 %" in escaping.unescape(html(of))


def test_the_static_files_are_there() -> None:
    for name in STATIC:
        assert (ROOT / "cds_service" / "smart" / "static" / name).is_file()


def test_a_page_can_be_made_of_little() -> None:
    """A row from before anything but values was kept."""
    of = stored("oncology")
    bare = changed(
        of, {"score": None, "baselines": (), "base_rate": None, "received": {}, "card": None}
    )
    assert text_of(page(PageView(bare, FACTS)))
    assert text_of(page(PageView(gone(bare), FACTS)))
