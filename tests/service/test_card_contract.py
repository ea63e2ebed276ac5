"""The wire contract of a card beyond its text: suggestion, reasons, link, topic, no empty member."""

import json
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from cds_service.assessment import Scored
from cds_service.hooks.override_reasons import OVERRIDE_REASONS
from cds_service.hooks.schemas import Action, Card, Coding, Link, Source, Suggestion, pruned
from tests.service.answering import ASSESSMENT, assessment_of, first_card, occasion, tenant
from tests.service.patients import NOW, PATIENT, STAY, Json, call, facts, patient
from tests.service.trained import SCORE, fixed_assessor

ASSESSOR = fixed_assessor(SCORE)
APP = "https://apps.example/launch"
CHILD = call(patient=patient(birthDate="2015-01-01"))
CREATE = Action(type="create", description="words", resource={"resourceType": "Task"})


def card(request: Json | None = None, **choices: Any) -> Json:
    assessment = assessment_of(request or call(), ASSESSOR)
    return first_card(assessment, occasion(ASSESSOR.bundle, tenant=tenant(**choices))).wire()


def bare(**members: Any) -> Card:
    shared: Json = {
        "uuid": ASSESSMENT, "summary": "s", "detail": "d", "indicator": "info",
        "source": Source(label="l"), "extension": {},
    }  # fmt: skip
    return Card(**shared | members)


def suggested(*recommended: bool) -> tuple[Suggestion, ...]:
    return tuple(
        Suggestion(label="l", uuid=ASSESSMENT, is_recommended=each, actions=(CREATE,))
        for each in recommended
    )


BROKEN = {
    "suggestions without selectionBehavior": lambda: bare(suggestions=suggested(False)),
    "selectionBehavior without suggestions": lambda: bare(selection_behavior="any"),
    "two recommended, at most one chosen": lambda: bare(
        suggestions=suggested(True, True), selection_behavior="at-most-one"
    ),
    "an override reason without display": lambda: bare(
        override_reasons=(Coding(code="c", system="s"),)
    ),
    "critical": lambda: bare(indicator="critical"),
    "a summary of 140 characters": lambda: bare(summary="x" * 140),
    "an empty summary": lambda: bare(summary=""),
    "appContext on an absolute link": lambda: Link(
        label="l", url=APP, type="absolute", app_context="c"
    ),
    "create without a resource": lambda: Action(type="create", description="d"),
    "delete with a resource": lambda: Action(
        type="delete", description="d", resource={}, resource_id="Task/1"
    ),
    "delete of nothing": lambda: Action(type="delete", description="d"),
    "an unknown member": lambda: bare(suggestion=()),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_the_specification_forbids_cannot_be_made(case: str) -> None:
    with pytest.raises(ValidationError):
        BROKEN[case]()


@pytest.mark.parametrize("behaviour", ["any", "at-most-one"])
def test_what_it_allows_can(behaviour: str) -> None:
    several = suggested(*(behaviour == "any" for _ in range(2)))
    assert bare(suggestions=several, selection_behavior=behaviour).suggestions == several
    assert Action(type="delete", description="d", resource_id="Task/1").resource is None


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"a": None, "b": "", "c": [], "d": {}, "e": 0, "f": False}, {"e": 0, "f": False}),
        ({"a": {"b": {"c": [None, "", {}]}}, "d": 1}, {"d": 1}),
        ([{"a": [[]]}, "x"], ["x"]),
    ],
)
def test_nothing_empty_is_left_however_deep(value: Any, left: Any) -> None:
    assert pruned(value) == left


@pytest.mark.parametrize("request_", [call(), CHILD], ids=["scored", "not scored"])
def test_every_card_offers_the_published_override_reasons(request_: Json) -> None:
    listed = card(request_)["overrideReasons"]
    assert len(listed) == len({each["code"] for each in listed}) == 12
    systems = {each["system"] for each in listed}
    assert systems == {"http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"}
    assert all(each["display"] for each in listed)
    assert listed[0] == {
        "code": "cds-not-applicable",
        "system": systems.pop(),
        "display": "PC CDS does not apply to patient",
    }
    assert [each.code for each in OVERRIDE_REASONS][-1] == "recipient-does-not-understand"


@pytest.mark.parametrize(("kind", "subject"), [("Task", "for"), ("ServiceRequest", "subject")])
def test_a_scored_card_suggests_one_draft(kind: str, subject: str) -> None:
    made = card(follow_up=kind)
    (suggestion,) = made["suggestions"]
    (action,) = suggestion["actions"]
    assert made["selectionBehavior"] == "any"
    assert (action["type"], set(action)) == ("create", {"type", "description", "resource"})
    assert action["resource"] == {
        "resourceType": kind,
        "status": "draft",
        "intent": "proposal",
        "code": {"text": "Follow-up contact after discharge"},
        subject: {"reference": f"Patient/{PATIENT}"},
        "encounter": {"reference": f"Encounter/{STAY}"},
        "authoredOn": f"{NOW:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_the_uuid_of_the_suggestion_derives_from_the_cards() -> None:
    made, again, other = card(), card(), card(call(conditions=None))
    assert made["suggestions"][0]["uuid"] == again["suggestions"][0]["uuid"]
    assert len({each["suggestions"][0]["uuid"] for each in (made, other)}) == 2
    assert UUID(made["suggestions"][0]["uuid"]).version == 5


@pytest.mark.parametrize(
    ("request_", "choices"),
    [(call(), {"follow_up": "none"}), (CHILD, {})],
    ids=["the site wants none", "not scored"],
)
def test_otherwise_nothing_is_suggested(request_: Json, choices: Json) -> None:
    assert not {"suggestions", "selectionBehavior"} & set(card(request_, **choices))


@pytest.mark.slow
@pytest.mark.parametrize("validator", [("fhirkit", "validate"), ("pyrofile", "file")])
@pytest.mark.parametrize("kind", ["Task", "ServiceRequest"])
def test_other_validators_accept_the_draft_and_refuse_a_broken_one(
    kind: str, validator: tuple[str, str], peers: Path, tmp_path: Path
) -> None:
    draft = card(follow_up=kind)["suggestions"][0]["actions"][0]["resource"]
    for content, accepted in ((draft, True), (draft | {"authoredOn": "yesterday"}, False)):
        (file := tmp_path / "draft.json").write_text(json.dumps(content))
        command = [peers / validator[0], validator[1], file]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == accepted, done.stdout + done.stderr


@pytest.mark.parametrize("request_", [call(), CHILD], ids=["scored", "not scored"])
def test_the_app_is_told_the_opaque_id_and_nothing_else(request_: Json) -> None:
    (link,) = card(request_, smart_launch=APP)["links"]
    assert link == {
        "label": "Inputs and sources of this card",
        "url": APP,
        "type": "smart",
        "appContext": ASSESSMENT,
    }
    assert "links" not in card(request_)


def test_the_topic_is_the_task() -> None:
    assert card()["source"]["topic"] == {
        "code": "readmission-30d",
        "system": "urn:org.readmit:card-topic",
        "display": "30-day readmission",
    }


def test_the_extension_has_the_id_and_the_points_of_each_item() -> None:
    found, assessment = facts(card()), assessment_of(call(), ASSESSOR)
    assert isinstance(assessment, Scored)
    assert found["assessment"] == ASSESSMENT
    assert found["alerted"] is False
    assert "threshold" not in found
    for baseline in assessment.baselines:
        name = baseline.score.name
        assert sum(found["items"][name].values()) == baseline.score.points == found[name]


def test_nothing_is_applied_by_itself() -> None:
    assert "systemActions" not in json.dumps(card())
