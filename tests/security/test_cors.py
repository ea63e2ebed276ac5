"""Browser-based clients: the origins that are listed, nothing for others, preflight without a token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.clients import DISCOVERY, Ehr, key_server, signing_key, trusting
from tests.service.patients import FAILED, URL, call

ORIGIN, OTHER = "https://ehr.example", "https://other.example"
ALLOW = "access-control-allow-origin"


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    key = signing_key()
    with key_server(key) as server:
        yield Ehr("north", "https://ehr.example", key, server.address)


def preflight(
    origin: str, method: str = "POST", asked: str = "authorization,content-type"
) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": asked,
    }


@pytest.mark.parametrize(("method", "path"), [("GET", DISCOVERY), ("POST", URL)])
async def test_a_preflight_needs_no_token(method: str, path: str, ehr: Ehr, tmp_path: Path) -> None:
    async with trusting(tmp_path, ehr, cors_origins=(ORIGIN,)) as http:
        answer = await http.options(path, headers=preflight(ORIGIN, method))
    assert answer.status_code == 200
    assert answer.headers[ALLOW] == ORIGIN
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == {
        "GET",
        "POST",
        "OPTIONS",
    }
    assert {"Authorization", "Content-Type"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    [
        preflight(OTHER),
        preflight("null"),
        preflight("https://ehr.example.evil.example"),
        preflight("http://ehr.example"),
    ],
    ids=lambda asked: asked["Origin"],
)
async def test_an_origin_that_is_not_listed_gets_no_leave(
    asked: dict[str, str], ehr: Ehr, tmp_path: Path
) -> None:
    async with trusting(tmp_path, ehr, cors_origins=(ORIGIN,)) as http:
        answer = await http.options(URL, headers=asked)
        called = await http.get("/health/live", headers={"Origin": asked["Origin"]})
    assert answer.status_code == 400
    assert ALLOW not in answer.headers
    assert ALLOW not in called.headers


@pytest.mark.parametrize(("method", "asked"), [("DELETE", "authorization"), ("POST", "x-other")])
async def test_other_methods_and_headers_get_no_leave(
    method: str, asked: str, ehr: Ehr, tmp_path: Path
) -> None:
    async with trusting(tmp_path, ehr, cors_origins=(ORIGIN,)) as http:
        answer = await http.options(URL, headers=preflight(ORIGIN, method, asked))
    assert answer.status_code == 400


async def test_without_the_setting_no_browser_may_call(ehr: Ehr, tmp_path: Path) -> None:
    async with trusting(tmp_path, ehr) as http:
        answer = await http.options(URL, headers=preflight(ORIGIN))
        called = await http.get("/health/live", headers={"Origin": ORIGIN})
    assert answer.status_code == 405
    assert not [
        name for name in (*answer.headers, *called.headers) if name.startswith("access-control")
    ]


@pytest.mark.parametrize("status", [200, 400, 401, 404, 412, 500])
async def test_a_page_of_a_listed_origin_may_read_every_answer(
    status: int, ehr: Ehr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = URL + ("x" if status == 404 else "")
    sent = ehr.authorization("/elsewhere" if status == 401 else path) | {"Origin": ORIGIN}
    body = call(patient=FAILED) if status == 412 else call()
    if status == 500:
        monkeypatch.setattr("cds_service.hooks.routes.read_call", lambda *_, **__: 1 / 0)
    async with trusting(tmp_path, ehr, cors_origins=(OTHER, ORIGIN)) as http:
        answer = await http.post(path, headers=sent, json=[] if status == 400 else body)
    assert answer.status_code == status, answer.text
    assert answer.headers[ALLOW] == ORIGIN
    assert "Origin" in answer.headers["vary"]
