"""What the service sends is valid by JSON Schemas stated apart from its code, requirement by requirement."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task
from markdown_it import MarkdownIt

from tests.corpus.play import REQUESTS
from tests.security.clients import Clock, Ehr, public, signing_key, trusting
from tests.service.patients import URL, Json, call, concept, patient, stay
from tests.service.wire_format import BREAKS, CARD, OPTIONAL, WHOLE, changed

SCHEMAS = REQUESTS.parent / "schemas"
RESPONSE, DISCOVERY = (
    jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))
    for name in ("response", "discovery")
)
MARKDOWN = MarkdownIt("commonmark").enable("table")
ELECTIVE = concept("http://terminology.hl7.org/CodeSystem/v3-ActPriority", "EL")
CALLS: dict[str, tuple[str, Json]] = {
    "scored": ("north", call()),
    "again": ("north", call()),
    "changed": ("north", call(stay(priority=ELECTIVE))),
    "not scored": ("north", call(patient=patient(birthDate="2015-01-01"))),
    "elsewhere": ("south", call()),
    "silent": ("quiet", call()),
}
"""Name -> which client calls, and what; in this order, against one service."""


@pytest.fixture(scope="module")
async def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """What the service sent to each of the calls, and to discovery."""
    folder, clock = tmp_path_factory.mktemp("wire"), Clock()
    chosen = {
        "north": {"smart_launch": "https://app.example/launch"},
        "south": {"follow_up": "ServiceRequest"},
        "quiet": {"silent": True},
    }
    ehrs = {name: client(folder, name, **each) for name, each in chosen.items()}
    got: dict[str, Json] = {}
    async with trusting(folder, *ehrs.values(), clock=clock) as http:
        listed = await http.get("/cds-services", headers=ehrs["north"].authorization())
        got["discovery"] = listed.json()
        for name, (who, request) in CALLS.items():
            clock.at += timedelta(seconds=1)
            headers = ehrs[who].authorization(URL)
            got[name] = (await http.post(URL, json=request, headers=headers)).json()
    return got


def client(folder: Path, name: str, **choices: Any) -> Ehr:
    """A client whose key set was handed over as a file."""
    key, file = signing_key(f"key-of-{name}"), folder / f"{name}.json"
    file.write_bytes(public(key))
    return Ehr(name, f"https://{name}.example", key, None, choices={"jwks": str(file)} | choices)


def card(answer: Json) -> Json:
    (found,) = answer["cards"]
    return found


def test_the_whole_form_is_valid() -> None:
    RESPONSE.validate(WHOLE)


@pytest.mark.parametrize("requirement", BREAKS)
def test_an_answer_that_breaks_the_requirement_is_found(requirement: str) -> None:
    for changes in BREAKS[requirement]:
        assert not RESPONSE.is_valid(changed(WHOLE, *changes)), changes


@pytest.mark.parametrize("requirement", OPTIONAL)
def test_an_answer_that_uses_the_liberty_is_valid(requirement: str) -> None:
    RESPONSE.validate(changed(WHOLE, *OPTIONAL[requirement]))


@pytest.mark.parametrize("name", CALLS)
async def test_every_answer_is_valid(name: str, answers: dict[str, Json]) -> None:
    RESPONSE.validate(answers[name])


async def test_a_scored_card_has_all_members_that_this_service_uses(
    answers: dict[str, Json],
) -> None:
    sent = card(answers["scored"])
    assert set(sent) == set(changed(WHOLE)["cards"][0])
    assert set(sent["source"]) == {"label", "topic"}
    assert [each["type"] for each in sent["links"]] == ["smart"]
    assert {"code", "system", "display"} == set(sent["overrideReasons"][0])
    assert [each["type"] for each in sent["suggestions"][0]["actions"]] == ["create"]


async def test_nothing_is_applied_without_the_user(answers: dict[str, Json]) -> None:
    for name in CALLS:
        assert set(answers[name]) == {"cards"}


async def test_nothing_to_say_is_an_empty_list_of_cards(answers: dict[str, Json]) -> None:
    assert answers["silent"] == {"cards": []}


async def test_a_uuid_names_one_card(answers: dict[str, Json]) -> None:
    by_uuid = {
        card(answers[name])["uuid"]: card(answers[name]) for name in CALLS if name != "silent"
    }
    assert card(answers["again"]) == card(answers["scored"])
    assert len(by_uuid) == len(CALLS) - 2


async def test_the_detail_is_markdown_with_a_table_and_no_html(answers: dict[str, Json]) -> None:
    for name in ("scored", "changed", "not scored"):
        read = MARKDOWN.parse(card(answers[name])["detail"])
        kinds = {inner.type for each in read for inner in (each, *(each.children or ()))}
        assert not kinds & {"html_block", "html_inline", "image", "link_open"}
        assert ("table_open" in kinds) == (name != "not scored")


async def test_the_source_is_no_way_into_the_record_but_the_link_is(
    answers: dict[str, Json],
) -> None:
    first, other = card(answers["scored"]), card(answers["not scored"])
    assert first["source"] == other["source"]
    contexts = {each["links"][0]["appContext"] for each in (first, other)}
    assert len(contexts) == 2
    assert {each["links"][0]["url"] for each in (first, other)} == {"https://app.example/launch"}


@pytest.mark.parametrize(("name", "model"), [("scored", Task), ("elsewhere", ServiceRequest)])
async def test_a_suggestion_creates_one_new_draft_of_fhir_r4(
    name: str, model: Any, answers: dict[str, Json]
) -> None:
    (suggestion,) = card(answers[name])["suggestions"]
    (action,) = suggestion["actions"]
    made = model.model_validate(action["resource"])
    assert (made.status, made.id) == ("draft", None)


async def test_discovery_is_valid(answers: dict[str, Json]) -> None:
    DISCOVERY.validate(answers["discovery"])
    assert not RESPONSE.is_valid(answers["discovery"])


ONE = ("services", 0)
BROKEN_DISCOVERY = {
    "6": [((), "services"), (("services",), {"id": "a"})],
    "7": [((*ONE, "hook"), 7), ((*ONE, "hook"), "")],
    "8": [((*ONE, "title"), 7)],
    "9": [((*ONE, "description"), 7), ((*ONE, "description"), "")],
    "10": [((*ONE, "id"), 7), ((*ONE, "id"), "a/b")],
    "11": [((*ONE, "prefetch"), ["Patient/1"]), ((*ONE, "prefetch"), {})],
    "12": [((*ONE, "usageRequirements"), {})],
    "36": [((*ONE, "prefetch", "patient"), {"query": "Patient/1"})],
}


@pytest.mark.parametrize("requirement", BROKEN_DISCOVERY)
async def test_a_discovery_that_breaks_the_requirement_is_found(
    requirement: str, answers: dict[str, Json]
) -> None:
    for path, value in BROKEN_DISCOVERY[requirement]:
        broken = changed(answers["discovery"], (path, value)) if path else value
        assert not DISCOVERY.is_valid(broken)


async def test_a_card_beyond_the_specification_is_found(answers: dict[str, Json]) -> None:
    """A member that clients do not know is dropped by them without a word."""
    assert not RESPONSE.is_valid(changed(answers["scored"], ((*CARD, "probability"), 0.2)))
