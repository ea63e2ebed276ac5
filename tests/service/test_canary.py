"""No value of a patient reaches a log or an error body: every one of them is a canary here."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from cds_service.app import create_app
from cds_service.observability import configure_logging
from cds_service.settings import Settings
from tests.service.patients import (
    URL,
    Json,
    authorization,
    call,
    concept,
    condition,
    database,
    encounter,
    now,
    observation,
    patient,
    searchset,
    subject,
)

pytestmark = pytest.mark.sampled(4)

# Not within a digest or a fraction of a second, where chance puts such digits.
CANARY = re.compile(
    r"canary|(?<![0-9a-f.])9{4}[0-9](?![0-9a-f])|19(11|12)-0[1-9]|zwitscher|secret", re.I
)
ME = "canary-patient"
MINE = subject(ME)
STAY = "canary-stay"


def laden() -> Json:
    """A request in which each string and number that is a patient's can be recognised."""
    value = observation("718-7", 99991.5, "canary-unit", "1912-03-04T05:06:07Z", subject=MINE)
    value |= {"id": "canary-obs", "note": [{"text": "canary note"}], "valueString": "zwitscher"}
    ill = condition("canary-code", subject=MINE, recordedDate="1912-01-01", id="canary-condition")
    ill |= {"code": concept("http://canary.example", "canary-code") | {"text": "canary text"}}
    index = encounter(STAY, "2026-11-10T08:00:00Z", "2026-11-16T15:00:00Z", subject=MINE)
    who = patient(id=ME, birthDate="1911-05-06", address=[{"text": "canary street 99992"}])
    who |= {
        "name": [{"family": "Canary"}],
        "identifier": [{"system": "urn:canary", "value": "99993"}],
    }
    request = call(
        index,
        patient=who,
        encounters=searchset(index),
        conditions=searchset(ill),
        observations=searchset(value, total=99994),
    )
    request |= {"hookInstance": "canary-instance", "fhirServer": "https://canary.example/fhir"}
    request["fhirAuthorization"] = authorization("secret-token", scope="canary", patient=ME)
    request["context"] = {"userId": "Practitioner/canary", "patientId": ME, "encounterId": STAY}
    return request


def sent(change: Callable[[Json], Any] = lambda _: None) -> bytes:
    request = laden()
    change(request)
    return json.dumps(request).encode()


def replaced(key: str, value: Any) -> bytes:
    return sent(lambda request: request["prefetch"].update({key: value}))


STRANGER = observation("718-7", 99995, "g/dL", "1912-01-01", subject=subject("canary-other"))
ANSWERED = {
    "scored": (sent(), 200),
    "not scored": (replaced("patient", laden()["prefetch"]["patient"] | {"birthDate": None}), 200),
    "malformed resource": (
        replaced("conditions", searchset({"resourceType": "Condition", "id": 99991})),
        200,
    ),
}
REFUSED = {
    "cut off": (sent()[:-60], 400),
    "not UTF-8": (sent().replace(b"zwitscher", b"zwit\xffscher"), 400),
    "NaN": (sent().replace(b"99991.5", b"NaN"), 400),
    "hook": (sent(lambda r: r.update(hook="canary-hook")), 400),
    "hookInstance": (sent(lambda r: r.update(hookInstance=["canary"])), 400),
    "context": (sent(lambda r: r.update(context="canary")), 400),
    "patientId": (sent(lambda r: r["context"].update(patientId="Patient/canary")), 400),
    "prefetch": (sent(lambda r: r.update(prefetch=["canary"])), 400),
    "HTML": (replaced("observations", "<html>canary</html>"), 412),
    "other type": (replaced("observations", {"resourceType": "canary"}), 412),
    "broken bundle": (replaced("observations", {"resourceType": "Bundle", "entry": "canary"}), 412),
    "unreadable Patient": (
        replaced("patient", {"resourceType": "Patient", "id": ME, "birthDate": 99991}),
        412,
    ),
    "wrong patient": (replaced("observations", searchset(STRANGER)), 412),
    "wrong encounter": (
        replaced("encounter", encounter("canary-e", "1912-01-01", None, subject=MINE)),
        412,
    ),
    "no patient": (sent(lambda r: r["prefetch"].pop("patient")), 412),
    "too large": (sent() + b" " * 40_000, 413),
}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger at DEBUG, with the configuration that `readmit serve` makes."""
    caplog.set_level(logging.DEBUG)
    configure_logging("debug")
    return caplog


async def post(folder: Path, body: bytes, *, path: str = URL, spoil: str = "") -> httpx.Response:
    settings = Settings(dev=True, database=database(folder), max_body_bytes=32_768)
    app = create_app(settings, clock=now)
    async with app.router.lifespan_context(app):
        if spoil:
            async with app.state.service.store.engine.begin() as connection:
                await connection.execute(text(spoil))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            return await http.post(path, content=body)


def leaks(
    logged: pytest.LogCaptureFixture, captured: pytest.CaptureFixture[str], body: str = ""
) -> list[str]:
    written = captured.readouterr()
    assert (
        "answered" in written.err
    )  # the line that must be there, so that we look at the right place
    lines = [record.getMessage() + (record.exc_text or "") for record in logged.records]
    return CANARY.findall("\n".join((written.out, written.err, *lines, body)))


def test_the_canaries_are_seen() -> None:
    assert len(CANARY.findall(sent().decode())) > 25


@pytest.mark.parametrize("case", ANSWERED)
async def test_an_answer_leaves_nothing_in_the_logs(
    case: str,
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    body, status = ANSWERED[case]
    answer = await post(tmp_path, body)
    assert answer.status_code == status, answer.text
    assert leaks(everything_logged, capfd) == []


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_quotes_nothing_anywhere(
    case: str,
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    body, status = REFUSED[case]
    answer = await post(tmp_path, body)
    assert answer.status_code == status, answer.text
    assert leaks(everything_logged, capfd, answer.text) == []


async def test_a_path_of_the_clients_choosing_is_not_quoted(
    tmp_path: Path, everything_logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await post(tmp_path, sent(), path="/cds-services/canary-service")
    assert answer.status_code == 404
    assert leaks(everything_logged, capfd, answer.text) == []


async def test_a_store_that_fails_quotes_nothing(
    tmp_path: Path, everything_logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await post(tmp_path, sent(), spoil="DROP TABLE assessment")
    assert answer.status_code == 503
    assert leaks(everything_logged, capfd, answer.text) == []


async def test_an_unforeseen_error_quotes_nothing(
    tmp_path: Path,
    everything_logged: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("canary 99991 zwitscher")

    monkeypatch.setattr("cds_service.answering.assess", fail)
    answer = await post(tmp_path, sent())
    assert answer.status_code == 500
    assert leaks(everything_logged, capfd, answer.text) == []
