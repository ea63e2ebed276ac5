"""Requests made from our description of the read API: answered as it says, never by a server error."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.service.patients import database, now
from tests.service.stored import KEY, add, opened

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
BOTH, FITTING = tuple(GenerationMode), (GenerationMode.POSITIVE,)
READING = (
    ("/assessments", "GET", BOTH),
    ("/assessments/{assessment_id}", "GET", FITTING),  # no text in a path is no text
    ("/fhir/RiskAssessment", "GET", BOTH),
    ("/fhir/RiskAssessment/_search", "POST", BOTH),
    ("/fhir/RiskAssessment/{assessment_id}", "GET", FITTING),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("reading")

    async def fill() -> None:
        store = opened(database(folder))
        await store.migrate()
        await add(store, "dev", patient_id="0")
        await store.close()

    asyncio.run(fill())
    bundles = {"readmission-risk": Path("bundles/lace-hospital")}
    chosen: dict[str, Any] = {"storage_keys": (KEY,), "bundles": bundles, "dev": True}
    return create_app(Settings(database=database(folder), **chosen), clock=now)


@pytest.fixture(scope="module")
def description(service: FastAPI) -> Iterator[Any]:
    yield schemathesis.openapi.from_asgi("/openapi.json", service)
    shutdown_lifespans()


@pytest.mark.parametrize(
    ("path", "method", "mode"), [(*where, mode) for *where, modes in READING for mode in modes]
)
def test_a_request_by_the_description_is_answered_as_it_says(
    path: str, method: str, mode: GenerationMode, description: Any
) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(case=description[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS)

    check()
