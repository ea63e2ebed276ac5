"""Whatever a client sends, the service answers or refuses in its own words: never a 5xx.

Ten thousand requests in the full run: those made from the service's own OpenAPI description, and
those shaped like the records that hospitals send.
"""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from hypothesis import given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.app import create_app
from cds_service.settings import READMISSION, Settings
from tests.properties.fhir_resources import hook_request, hook_requests
from tests.service.patients import URL, now
from tests.service.trained import trained_bundle

SHAPED, DESCRIBED = settings.get_profile("shaped"), settings.get_profile("described")
HOOK, FEEDBACK = "/cds-services/{service_id}", "/cds-services/{service_id}/feedback"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
Post = Callable[[bytes], httpx.Response]


def parts(number: int) -> list[Any]:
    """The first part belongs to the quick run; the others are spread over processes."""
    return [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, number + 1))]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("fuzzed")
    chosen = Settings(
        database=f"sqlite+aiosqlite:///{folder}/test.sqlite",
        bundles={READMISSION: trained_bundle(folder / "bundle", coverage_floors={})},
        log_level="error",
        dev=True,
    )
    return create_app(chosen, clock=now)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="module")
def post(service: FastAPI, portal: BlockingPortal) -> Iterator[Post]:
    transport = httpx.ASGITransport(service, raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=transport, base_url="http://test")
    lifespan = portal.wrap_async_context_manager(service.router.lifespan_context(service))
    with lifespan, portal.wrap_async_context_manager(http):
        yield lambda body: portal.call(lambda: http.post(URL, content=body))


def test_requests_shaped_like_records_get_past_the_door(post: Post) -> None:
    answers = [post(hook_request(number, number % 21)) for number in range(100)]
    assert sum(answer.status_code == 200 for answer in answers) > 30
    assert {answer.status_code for answer in answers} == {200, 400, 412}


@pytest.mark.parametrize("part", parts(9))
def test_a_request_shaped_like_a_record_is_answered_or_refused(part: int, post: Post) -> None:
    @SHAPED
    @seed(part)
    @given(hook_requests())
    def check(body: bytes) -> None:
        answer = post(body)
        assert answer.status_code in (200, 400, 412), answer.text
        said = answer.json()
        if answer.status_code == 200:
            assert len(said["cards"]) == 1
        else:
            assert said["resourceType"] == "OperationOutcome"

    check()


@pytest.fixture(scope="module")
def description(service: FastAPI) -> Iterator[Any]:
    yield schemathesis.openapi.from_asgi("/openapi.json", service)
    shutdown_lifespans()


@pytest.mark.parametrize("part", parts(1))
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("path", [HOOK, FEEDBACK])
def test_a_request_by_the_description_is_answered_as_it_says(
    path: str, mode: GenerationMode, part: int, description: Any
) -> None:
    @DESCRIBED
    @seed(part)
    @given(case=description[path]["POST"].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
