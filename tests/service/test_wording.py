"""The words: no card directs, no summary is too long, nothing of a record becomes markup."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cds_service.assessment import NotScored
from cds_service.hooks import task_wording, wording
from cds_service.hooks.follow_up import follow_up
from cds_service.hooks.schemas import Card
from cds_service.hooks.task_wording import WORDINGS
from cds_service.hooks.wording import plain
from tests.service.answering import ASSESSMENT, assessment_of, first_card, occasion
from tests.service.ed_patients import ed_call
from tests.service.patients import (
    NOW,
    Json,
    call,
    condition,
    observation,
    patient,
    searchset,
    stay,
)
from tests.service.test_cards import DIRECTIVE
from tests.service.trained import ED_SCORE, SCORE, critical_fields, fixed_assessor

GOLDENS = Path(__file__).resolve().parents[1] / "golden"
CARDS = sorted([*GOLDENS.glob("patients/*/cards.json"), *GOLDENS.glob("[es]*/*.json")])
GFM = MarkdownIt("gfm-like")
ASSESSOR = fixed_assessor(SCORE)
ED = fixed_assessor(ED_SCORE, **critical_fields("triage"))
PLAIN = {"text", "text_special", "softbreak", "paragraph_open", "paragraph_close", "inline"}
OURS = PLAIN | {
    f"{name}_{end}"
    for name in ("strong", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td")
    for end in ("open", "close")
}
"""What the words of a card are made of; no link, image, code or HTML among it."""


def golden_cards() -> Iterator[tuple[str, Json]]:
    for path in CARDS:
        found = json.loads(path.read_text("utf-8"))
        for card in found if isinstance(found, list) else [found]:
            yield path.parent.name + "/" + path.stem, card


def said(card: Json) -> str:
    """All that a clinician reads and that is ours: the displays of override reasons are HL7's."""
    suggestions = card.get("suggestions", ())
    words = [each["label"] for each in (*card.get("links", ()), *suggestions)]
    words += [action["description"] for each in suggestions for action in each["actions"]]
    return "\n".join((card["summary"], *card["detail"], *words))


def test_no_golden_card_directs() -> None:
    cards = dict(golden_cards())
    assert len(cards) > 15
    assert [name for name, card in cards.items() if DIRECTIVE.search(said(card))] == []


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from strings(each)


@pytest.mark.parametrize("module", [wording, task_wording], ids=lambda each: each.__name__)
def test_no_word_of_the_wording_directs(module: Any) -> None:
    constants = {k: v for k, v in vars(module).items() if not k.startswith("__")}
    found = [text for value in constants.values() for text in strings(value)]
    found += [text for each in WORDINGS.values() for text in strings(dict(each.reasons))]
    assert len(found) > 40
    assert [text for text in found if DIRECTIVE.search(text)] == []


@pytest.mark.parametrize("kind", ["Task", "ServiceRequest"])
def test_the_suggestion_offers_and_does_not_direct(kind: Any) -> None:
    made = follow_up(kind, ASSESSMENT, patient_id="p", encounter_id="e", at=NOW)
    assert not DIRECTIVE.search(made.label + made.actions[0].description)


@pytest.mark.parametrize("task", WORDINGS)
def test_every_reason_of_a_task_makes_a_short_summary(task: Any) -> None:
    bundle = (ASSESSOR if task == "readmission_30d" else ED).bundle
    for reason in WORDINGS[task].reasons:
        card = first_card(NotScored(None, reason, {}), occasion(bundle))
        assert 20 < len(card.summary) < 140
        assert "\n" not in card.summary


# markup

HOSTILE = st.text(st.sampled_from("<>&[]()!*_`~|#\\/:.@+-= \n\r\t\0‮aw1x\"'")) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](https://attacker.example/x.png)",
        "[click](javascript:alert(1))",
        "[ref]: https://attacker.example",
        "https://attacker.example/?q=1",
        "www.attacker.example",
        "attacker.com",
        "nurse@attacker.example",
        "mailto:nurse@attacker.example",
        "<https://attacker.example>",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "```\ncode\n```",
        "# heading",
        "1. one",
        "> quote",
        "---",
        "&lt;b&gt; &#60;b&#62; &amp;",
        "\u202etxt.exe",
        "a\x1b[31mred\x07",
        "<!-- comment -->",
        "<details><summary>x</summary></details>",
        "~~gone~~ **bold** _it_ `code`",
        "\\<b\\>",
    ]
)


def tokens(text: str) -> list[Token]:
    found = GFM.parse(text)
    return [*found, *(inner for each in found for inner in each.children or ())]


def visible(text: str) -> str:
    """Without what no eye sees: controls, directions, joiners; spaces as one."""
    return " ".join("".join(c for c in text if c.isprintable() or c.isspace()).split())


@given(HOSTILE)
def test_a_value_shows_as_it_is_and_as_nothing_else(text: str) -> None:
    for line in (plain(text), f"**Words:** {plain(text)}", f"- Words ({plain(text)})"):
        made = tokens(line)
        assert {each.type for each in made} <= OURS
        assert not {each.type for each in made} & {"link_open", "image", "html_inline"}
    shown = "".join(each.content for each in tokens(plain(text)) if each.type.startswith("text"))
    assert visible(shown) == visible(text)


@given(HOSTILE)
def test_a_value_stays_in_its_cell(text: str) -> None:
    made = tokens(f"| a | b |\n|---|---|\n| {plain(text)} | end |")
    assert sum(each.type == "td_open" for each in made) == 2
    assert {each.type for each in made} <= OURS


def hostile_request(text: str) -> Json:
    """A record that says `text` wherever a record can say something in words."""
    coded = {"coding": [{"system": text, "code": text, "display": text}], "text": text}
    ill = condition("I50.9")
    measured = observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z")
    return call(
        stay(reasonCode=[coded], type=[coded], serviceType=coded, hospitalization={"x": text}),
        patient=patient(name=[{"text": text, "family": text}], address=[{"text": text}]),
        conditions=searchset(ill | {"code": ill["code"] | {"text": text}}, condition(text or "x")),
        observations=searchset(
            measured | {"note": [{"text": text}], "interpretation": [coded]},
            measured | {"id": "other", "valueQuantity": {"value": 9.0, "unit": text}},
            measured | {"id": "third", "valueString": text, "code": coded},
        ),
    )


HARMLESS = first_card(
    assessment_of(hostile_request("x"), ASSESSOR), occasion(ASSESSOR.bundle)
).detail


def checked(card: Card, text: str) -> None:
    made = tokens(card.detail)
    assert {each.type for each in made} <= OURS
    if len(visible(text)) > 6 and text not in HARMLESS:
        assert text not in card.detail
        assert text not in card.summary


@given(HOSTILE)
def test_no_text_of_a_record_becomes_markup_on_a_card(text: str) -> None:
    assessment = assessment_of(hostile_request(text), ASSESSOR)
    checked(first_card(assessment, occasion(ASSESSOR.bundle)), text)


def test_the_cards_of_the_goldens_are_made_of_our_elements_alone() -> None:
    for name, card in golden_cards():
        assert {each.type for each in tokens("\n".join(card["detail"]))} <= OURS, name


def test_the_renderer_would_see_markup() -> None:
    assert "link_open" in {each.type for each in tokens("https://attacker.example")}
    assert "html_block" in {each.type for each in tokens("<script>alert(1)</script>")}
    assert "image" in {each.type for each in tokens("![x](y)")}


def test_the_second_task_directs_no_more_than_the_first() -> None:
    card = first_card(assessment_of(ed_call(), ED), occasion(ED.bundle))
    assert not DIRECTIVE.search(card.summary + card.detail)
    assert re.search("regulated use", card.detail)
