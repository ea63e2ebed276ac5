"""`/openapi.json`: valid OpenAPI that says what the service does, and nothing that it does not."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis

from cds_service.app import create_app
from cds_service.errors import STATUS
from cds_service.hooks.openapi import document
from cds_service.services import Offered
from cds_service.settings import Settings
from tests.service.patients import Json, database, now, serving

HOOK, FEEDBACK = "/cds-services/{service_id}", "/cds-services/{service_id}/feedback"
HOOKS = ("/cds-services", HOOK, FEEDBACK)
READING = (
    "/assessments",
    "/assessments/{assessment_id}",
    "/fhir/metadata",
    "/fhir/RiskAssessment",
    "/fhir/RiskAssessment/_search",
    "/fhir/RiskAssessment/{assessment_id}",
)
OPEN = "/fhir/metadata"
MACHINES = ("/health/live", "/health/ready", "/metrics", "/openapi.json")


async def described(http: httpx.AsyncClient) -> Json:
    answer = await http.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found: Json = answer.json()
    return found


@pytest.fixture
def offered(tmp_path: Path) -> tuple[Offered, ...]:
    app = create_app(Settings(database=database(tmp_path), dev=True), clock=now)
    return tuple(app.state.service.services.values())


@pytest.mark.parametrize("guarded", [False, True])
def test_it_is_valid_openapi(guarded: bool, offered: tuple[Offered, ...]) -> None:
    described = document(offered, guarded=guarded, public_url="https://readmit.example")
    schemathesis.openapi.from_dict(described).validate()
    assert tuple(described["paths"]) == (*HOOKS, *READING, *MACHINES)


async def test_every_probe_that_is_described_is_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        for path in ("/cds-services", OPEN, *MACHINES):
            answer = await http.get(path)
            said = (await described(http))["paths"][path]["get"]["responses"]["200"]["content"]
            assert (answer.status_code, answer.headers["content-type"]) == (200, *said)


async def test_each_status_of_a_refusal_is_described_with_its_outcome(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answers = (await described(http))["paths"][HOOK]["post"]["responses"]
    without_a_token = {str(status) for status, _ in STATUS.values()} - {"401", "403"}
    assert set(answers) == {"200", "500", *without_a_token}
    for status in set(answers) - {"200"}:
        (media_type,) = answers[status]["content"]
        assert media_type == "application/fhir+json"


async def test_services_and_hooks_are_those_offered(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        found = await described(http)
        listed = (await http.get("/cds-services")).json()["services"]
    (parameter,) = found["paths"][HOOK]["parameters"]
    request = found["components"]["schemas"]["HookRequest"]["properties"]
    assert set(parameter["schema"]["enum"]) == {each["id"] for each in listed}
    assert set(request["hook"]["enum"]) == {each["hook"] for each in listed}
    assert set(request["prefetch"]["properties"]) == set(listed[0]["prefetch"])


@pytest.mark.parametrize("guarded", [False, True])
def test_hooks_and_reading_ask_for_a_token_and_only_where_clients_must_have_one(
    guarded: bool, offered: tuple[Offered, ...]
) -> None:
    found = document(offered, guarded=guarded, public_url=None)
    asking = [path for path, item in found["paths"].items() if "security" in operation(item)]
    guarding = [path for path in (*HOOKS, *READING) if path != OPEN]
    assert asking == (guarding if guarded else [])
    assert ("securitySchemes" in found["components"]) is guarded


def test_the_public_url_is_the_server(offered: tuple[Offered, ...]) -> None:
    url = "https://readmit.example"
    assert document(offered, guarded=True, public_url=url)["servers"] == [{"url": url}]
    assert "servers" not in document(offered, guarded=False, public_url=None)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_no_page_comes_from_elsewhere(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        assert (await http.get(path)).status_code == 404


def operation(item: Json) -> dict[str, Any]:
    return item.get("get") or item["post"]
