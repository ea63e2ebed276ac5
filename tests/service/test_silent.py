"""A silent tenant: everything is scored and stored, and no score leaves in any part of an answer."""

import re
from pathlib import Path
from typing import Any

import pytest

from cds_service.hooks.showing import showing
from tests.security.clients import Ehr, key_server, signing_key, trusting
from tests.service.answering import ASSESSMENT, alerting, assessment_of, occasion
from tests.service.patients import URL, Json, call, open_stay, patient, view, without
from tests.service.staying import estimated
from tests.service.test_one_card import NOW, stay
from tests.service.test_store import rows
from tests.service.trained import SCORE, fixed_assessor, trained_bundle

ASSESSOR = fixed_assessor(SCORE)
OUTCOMES: dict[str, tuple[Json, str | None]] = {
    "scored": (call(), None),
    "in progress": (view(open_stay()), None),
    "a child": (call(patient=patient(birthDate="2015-01-01")), "under_18"),
    "no stay": (view(), "no_open_stay"),
    "hardly anything read": (
        without(call(), "encounters", "locations", "conditions", "observations", "procedures"),
        "below_coverage_floor",
    ),
}
CHOICES: Json = {"silent": True, "smart_launch": "https://apps.example/launch"}
HEADERS = {"content-length", "content-type"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_bundle(tmp_path_factory.mktemp("trained") / "small")


async def test_every_outcome_is_stored_and_answered_by_nothing(
    bundle: Path, tmp_path: Path
) -> None:
    with key_server(key := signing_key()) as keys:
        ehr = Ehr("quiet", "https://quiet.example", key, keys.address, choices=CHOICES)
        async with trusting(tmp_path, ehr, bundles={"readmission-risk": bundle}) as http:
            http.auth = ehr.auth()
            answers = [await http.post(URL, json=sent) for sent, _ in OUTCOMES.values()]
            discovery = (await http.get("/cds-services")).text
    for answer in answers:
        assert (answer.status_code, answer.content) == (200, b'{"cards": []}')
        assert set(answer.headers) == HEADERS
    kept = rows(tmp_path)
    assert [row["reason"] for row in kept] == [reason for _, reason in OUTCOMES.values()]
    for row, (_, reason) in zip(kept, OUTCOMES.values(), strict=True):
        assert (row["silent"], row["card_uuid"], row["first_showing"]) == (1, None, 0)
        assert (row["probability"] is None) == (reason is not None)
        assert row["uuid"] not in discovery
    assert "extension" not in discovery
    assert not re.search(r"\b0\.\d|\d %", discovery)


@pytest.mark.parametrize("case", OUTCOMES)
def test_nothing_is_shown_and_nothing_of_a_card_is_kept(case: str) -> None:
    sent, _ = OUTCOMES[case]
    tenant = alerting(threshold=0.01).model_copy(update={"silent": True})
    found = showing(assessment_of(sent, ASSESSOR), occasion(ASSESSOR.bundle, tenant=tenant))
    assert (found.card, found.cards, found.first, found.silent) == (None, [], False, True)


def test_whether_it_would_have_warned_is_kept() -> None:
    tenant = alerting(threshold=0.18).model_copy(update={"silent": True})
    on = occasion(ASSESSOR.bundle, tenant=tenant)
    assert [showing(estimated(NOW, each), on).alerted for each in (0.17, 0.18)] == [False, True]


def test_a_stay_whose_card_was_shown_before_gets_none_either() -> None:
    calls = stay()
    calls.call(NOW)
    silent = alerting().model_copy(update={"silent": True})
    for assessment in (NOW, estimated(NOW, 0.9)):
        assert calls.call(assessment, tenant=silent).cards == []


async def test_when_the_silence_ends_the_stay_gets_its_first_card(tmp_path: Path) -> None:
    with key_server(key := signing_key()) as keys:
        for silent in (True, False):
            choices: dict[str, Any] = CHOICES | {"silent": silent}
            ehr = Ehr("quiet", "https://quiet.example", key, keys.address, choices=choices)
            async with trusting(tmp_path, ehr) as http:
                http.auth = ehr.auth()
                answer = await http.post(URL, json=call())
        card = answer.json()["cards"][0]
    assert "What changed" not in card["detail"]
    assert card["links"][0]["appContext"] == rows(tmp_path)[-1]["uuid"] != ASSESSMENT
