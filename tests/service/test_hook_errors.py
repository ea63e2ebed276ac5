"""Calls that cannot be answered: a 4xx with an OperationOutcome that says where, and no value."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from sqlalchemy import text

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.security.logs import lines
from tests.service.patients import (
    URL,
    Json,
    authorization,
    call,
    database,
    encounter,
    now,
    observation,
    patient,
    searchset,
    serving,
    subject,
    view,
    without,
)

pytestmark = pytest.mark.sampled(10)

WHOLE = json.dumps(call()).encode()
DEEP = b"[" * 100_000
STRANGER = subject("stranger-7")


def diagnostics(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    outcome = OperationOutcome.model_validate_json(answer.content)
    found: str = outcome.issue[0].diagnostics
    return found


def changed(where: str, value: Any) -> bytes:
    """The whole request with one member replaced; `where` is a path of names."""
    request: Any = call()
    *way, last = where.split(".")
    inner = request
    for name in way:
        inner = inner[name]
    inner[last] = value
    return json.dumps(request).encode()


def lacking(where: str) -> bytes:
    request: Any = call()
    *way, last = where.split(".")
    inner = request
    for name in way:
        inner = inner[name]
    del inner[last]
    return json.dumps(request).encode()


def access(token: Any, server: Any = "https://ehr.example/fhir") -> bytes:
    """The whole request with what would let us read its FHIR server."""
    return json.dumps(call() | {"fhirServer": server, "fhirAuthorization": token}).encode()


def granted(name: str, value: Any) -> tuple[bytes, str]:
    """One member of fhirAuthorization spoilt."""
    return access(authorization("secret") | {name: value}), f"fhirAuthorization.{name}"


MALFORMED = {
    "nothing": (b"", "request body"),
    "not JSON": (b"hook=encounter-discharge", "request body"),
    "HTML": (b"<html><body>502</body></html>", "request body"),
    "cut off": (WHOLE[:-40], "request body"),
    "something after it": (WHOLE + b" x", "request body"),
    "an array": (b"[" + WHOLE + b"]", "request body"),
    "null": (b"null", "request body"),
    "a string": (b'"hook"', "request body"),
    "not UTF-8": (WHOLE.replace(b"female", b"fem\xffale"), "request body"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), "request body"),
    "a lone surrogate": (WHOLE.replace(b"Practitioner/d1", b"\\ud800"), "request body"),
    "NaN in a value": (WHOLE.replace(b"10.2", b"NaN"), "request body"),
    "Infinity in a value": (WHOLE.replace(b"10.2", b"Infinity"), "request body"),
    "deep nesting": (DEEP, "request body"),
    "deep nesting in an ignored member": (b'{"x":' + DEEP, "request body"),
    "deep nesting in context": (b'{"hook":"patient-view","hookInstance":"i","context":' + DEEP, ""),
    "hook a number of 30 digits": (changed("hook", 10**30), "hook"),
    "hook a list": (changed("hook", ["encounter-discharge"]), "hook"),
    "hook of others": (changed("hook", "order-sign"), "hook"),
    "no hook": (lacking("hook"), "hook"),
    "hookInstance null": (changed("hookInstance", None), "hookInstance"),
    "hookInstance empty": (changed("hookInstance", ""), "hookInstance"),
    "hookInstance endless": (changed("hookInstance", "i" * 10_000), "hookInstance"),
    "no hookInstance": (lacking("hookInstance"), "hookInstance"),
    "no context": (lacking("context"), "context"),
    "context null": (changed("context", None), "context"),
    "context a list": (changed("context", []), "context"),
    "context a string": (changed("context", "p1"), "context"),
    "no userId": (lacking("context.userId"), "context.userId"),
    "userId an object": (changed("context.userId", {}), "context.userId"),
    "no patientId": (lacking("context.patientId"), "context.patientId"),
    "patientId a number": (changed("context.patientId", 17), "context.patientId"),
    "patientId a reference": (changed("context.patientId", "Patient/p1"), "context.patientId"),
    "patientId empty": (changed("context.patientId", ""), "context.patientId"),
    "patientId with a control": (changed("context.patientId", "p\n1"), "context.patientId"),
    "no encounterId at discharge": (lacking("context.encounterId"), "context.encounterId"),
    "encounterId a list": (changed("context.encounterId", ["stay-1"]), "context.encounterId"),
    "fhirServer a number": (access(authorization("secret"), 7), "fhirServer"),
    "fhirServer empty": (access(None, ""), "fhirServer"),
    "a token for no server": (access(authorization("secret"), None), "fhirServer"),
    "fhirAuthorization a list": (access(["secret"]), "fhirAuthorization"),
    "fhirAuthorization empty": (access({}), "fhirAuthorization.token_type"),
    "access_token null": granted("access_token", None),
    "access_token a number": granted("access_token", 7),
    "access_token endless": granted("access_token", "s" * 10_000),
    "access_token that breaks a header": granted("access_token", "s\r\nX-Evil: 1"),
    "access_token no bearer token": granted("access_token", "s e"),
    "access_token not ASCII": granted("access_token", "s\u00e9"),
    "token_type of others": granted("token_type", "mac"),
    "token_type an object": granted("token_type", {}),
    "expires_in a string": granted("expires_in", "300"),
    "expires_in true": granted("expires_in", True),
    "expires_in null": granted("expires_in", None),
    "scope null": granted("scope", None),
    "scope a list": granted("scope", ["patient/*.rs"]),
    "subject null": granted("subject", None),
    "patient of the token a number": granted("patient", 7),
    "prefetch a list": (changed("prefetch", []), "prefetch"),
    "prefetch a string": (changed("prefetch", "none"), "prefetch"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_request_is_400_and_names_the_place(case: str, tmp_path: Path) -> None:
    body, where = MALFORMED[case]
    async with serving(tmp_path) as http:
        answer = await http.post(URL, content=body)
    assert diagnostics(answer, 400).startswith(where)


OTHERS: dict[str, tuple[Callable[[], Json], str]] = {
    "the token": (
        lambda: json.loads(access(authorization("secret", patient="stranger-7"))),
        "fhirAuthorization.patient",
    ),
    "the Patient": (lambda: call(patient=patient(id="stranger-7")), "prefetch.patient"),
    "the stay": (
        lambda: call(encounter("stay-1", "2026-11-10", None, subject=STRANGER)),
        "prefetch.encounter",
    ),
    "an earlier stay": (
        lambda: call(encounters=searchset(encounter("e", "2026-01-01", None, subject=STRANGER))),
        "prefetch.encounters.entry[0].resource",
    ),
    "a value": (
        lambda: call(
            observations=searchset(
                observation("718-7", 9, "g/dL", "2026-11-15"),
                observation("2951-2", 9, "mmol/L", "2026-11-15", subject=STRANGER),
            )
        ),
        "prefetch.observations.entry[1].resource",
    ),
    "a payer": (
        lambda: call(
            coverages=searchset({"resourceType": "Coverage", "id": "c", "beneficiary": STRANGER})
        ),
        "prefetch.coverages.entry[0].resource",
    ),
    "an include": (
        lambda: call(
            medication_requests=searchset()
            | {
                "entry": [
                    {
                        "resource": encounter("e", "2026-01-01", None, subject=STRANGER),
                        "search": {"mode": "include"},
                    }
                ]
            }
        ),
        "prefetch.medication_requests.entry[0].resource",
    ),
    "a value among the conditions": (
        lambda: call(
            conditions=searchset(observation("718-7", 9, "g/dL", "2026-11-15", subject=STRANGER))
        ),
        "prefetch.conditions.entry[0].resource",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
async def test_another_patients_resource_is_a_hard_stop(case: str, tmp_path: Path) -> None:
    build, where = OTHERS[case]
    async with serving(tmp_path) as http:
        said = diagnostics(await http.post(URL, json=build()), 412)
    assert said.startswith(f"{where}: ")
    assert "another patient" in said
    assert "stranger" not in said


REQUIRED: dict[str, tuple[Callable[[], Json], str]] = {
    "no prefetch": (lambda: without(call(), *call()["prefetch"]), "prefetch.patient"),
    "another stay": (
        lambda: call(encounter=encounter("e9", "2026-11-10", None)),
        "prefetch.encounter",
    ),
    "view without encounters": (lambda: without(view(), "encounters"), "prefetch.encounters"),
    "a Patient that cannot be read": (
        lambda: call(patient=patient(birthDate=1948)),
        "prefetch.patient",
    ),
    "a Patient without id": (lambda: call(patient=patient(id="")), "prefetch.patient"),
}


@pytest.mark.parametrize("case", REQUIRED)
async def test_without_required_data_it_is_412(case: str, tmp_path: Path) -> None:
    build, where = REQUIRED[case]
    async with serving(tmp_path) as http:
        assert diagnostics(await http.post(URL, json=build()), 412).startswith(f"{where}: ")


@pytest.mark.parametrize("path", ["/cds-services/other", "/nowhere", f"{URL}/"])
async def test_an_unknown_service_or_path_is_404(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        diagnostics(await http.post(path, content=WHOLE), 404)


async def test_another_method_is_405(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        diagnostics(await http.put(URL, content=WHOLE), 405)


@pytest.mark.parametrize("stated", [True, False])
async def test_a_body_over_the_limit_is_413(stated: bool, tmp_path: Path) -> None:
    async def pieces() -> Any:
        for _ in range(8):
            yield b" " * 1024

    async with serving(tmp_path, max_body_bytes=4096) as http:
        answer = await http.post(URL, content=b" " * 8192 if stated else pieces())
    assert "READMIT_MAX_BODY_BYTES" in diagnostics(answer, 413)


async def test_a_compressed_body_is_415(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post(URL, content=WHOLE, headers={"content-encoding": "gzip"})
    assert "Content-Encoding" in diagnostics(answer, 415)


async def test_curls_default_content_type_is_taken(tmp_path: Path) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    async with serving(tmp_path) as http:
        assert (await http.post(URL, content=WHOLE, headers=form)).status_code == 200


STRANGE = {
    "the last of two members counts": WHOLE.replace(
        b'{"hook":', b'{"hook": "order-sign", "hook":', 1
    ),
    "a value of 30 digits": WHOLE.replace(b"10.2", b"1" * 30),
    "a value of 400 digits": WHOLE.replace(b"10.2", b"1" * 400),
    "a fractional value beyond doubles": WHOLE.replace(b"10.2", b"1e999"),
    "a body large enough for a thread of its own": WHOLE + b" " * 1024 * 1024,
    "unknown members": changed("extension", {"org.example": {"a": [None]}}),
    "a token and a server that nobody lists": access(authorization("secret")),
    "a server without a token": access(None),
    "an unknown prefetch key": changed("prefetch.others", "<html>"),
    "an array for a resource": changed(
        "prefetch.conditions", searchset(call()) | {"entry": [{"resource": []}]}
    ),
}


@pytest.mark.parametrize("case", STRANGE)
async def test_what_is_strange_but_readable_is_answered(case: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post(URL, content=STRANGE[case])
    assert answer.status_code == 200
    assert len(answer.json()["cards"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("depth", [50, 400, 900, 980, 1000, 1100, 50_000])
@pytest.mark.parametrize("member", ["text", "valueQuantity", "component"])
async def test_nesting_inside_a_resource_is_never_a_5xx(
    depth: int, member: str, tmp_path: Path
) -> None:
    nest = b'{"' + member.encode() + b'": ' + b"[" * depth + b"]" * depth + b","
    body = WHOLE.replace(
        b'{"resourceType": "Observation",', nest + b'"resourceType": "Observation",'
    )
    assert body != WHOLE
    async with serving(tmp_path) as http:
        answer = await http.post(URL, content=body)
    assert answer.status_code in (200, 400, 412), answer.text


async def test_without_its_row_no_assessment_leaves(tmp_path: Path) -> None:
    app = create_app(Settings(dev=True, database=database(tmp_path)), clock=now)
    async with app.router.lifespan_context(app):
        async with app.state.service.store.engine.begin() as connection:
            await connection.execute(text("DROP TABLE assessment"))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            diagnostics(await http.post(URL, content=WHOLE), 503)


async def test_an_unforeseen_error_gives_its_number_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("female 1948-03-09")

    monkeypatch.setattr("cds_service.answering.assess", fail)
    async with serving(tmp_path) as http:
        said = diagnostics(await http.post(URL, content=WHOLE), 500)
    assert "Report request" in said
    assert "1948" not in said


async def test_a_client_that_leaves_within_its_body_is_no_error_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, sent = create_app(Settings(dev=True, database=database(tmp_path)), clock=now), list[Any]()
    messages = [
        {"type": "http.request", "body": WHOLE[:100], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {"type": "http", "method": "POST", "path": URL, "headers": [], "query_string": b""}
    async with app.router.lifespan_context(app):
        await app(asked, receive, send)
    assert sent == []
    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["started", "answered"]


async def test_a_body_that_does_not_end_is_408_and_the_connection_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.dependencies.BODY_S", 0.05)

    async def hangs() -> AsyncIterator[bytes]:
        yield WHOLE[:100]
        await asyncio.Event().wait()

    async with serving(tmp_path) as http:
        answer = await http.post(URL, content=hangs())
    assert "request body" in diagnostics(answer, 408)
    assert answer.headers["connection"] == "close"


class Full(StringIO):
    """A file on a disk without room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_log_whose_disk_is_full_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", Full())
    async with serving(tmp_path) as http:
        answers = [await http.post(URL, content=each) for each in (WHOLE, b"{")]
    assert [each.status_code for each in answers] == [200, 400]
