"""`/metrics`: what happened, counted by kind; never whom it happened to."""

import json
import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from cds_service import metrics
from cds_service.app import create_app
from cds_service.settings import Settings
from tests.service.asked import asked
from tests.service.patients import URL, Json, call, database, now, patient, serving, view
from tests.service.test_canary import ANSWERED, CANARY, REFUSED, sent

_VALUE = re.compile(r" [^ ]+$", re.MULTILINE)
_ROUTE = '{route="/cds-services/{service_id}",status="%s"}'
_ASSESSED = '{outcome="%s",reason="%s",service="readmission-risk",tenant="dev"}'
Counts = dict[str, float]


async def counts(http: httpx.AsyncClient) -> Counts:
    """Each series with its value."""
    lines = (await http.get("/metrics")).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {series: float(value) for series, value in pairs}


def rise(after: Counts, before: Counts) -> Counts:
    """What was counted between, without the duration and without asking for the counts."""
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    left_out = ("readmit_request_seconds", "readmit_bundle")
    return {
        name: value
        for name, value in grown.items()
        if value and not name.startswith(left_out) and "/metrics" not in name
    }


UNBORN = call(patient=patient(birthDate=None))
COUNTED: dict[str, tuple[str, str | Json, Counts]] = {
    "scored": (
        URL,
        call(),
        {
            "readmit_requests_total" + _ROUTE % 200: 1,
            "readmit_assessments_total" + _ASSESSED % ("scored", ""): 1,
        },
    ),
    "not scored": (
        URL,
        view(),
        {
            "readmit_requests_total" + _ROUTE % 200: 1,
            "readmit_assessments_total" + _ASSESSED % ("not_scored", "no_open_stay"): 1,
        },
    ),
    "malformed": (
        URL,
        "[",
        {
            "readmit_requests_total" + _ROUTE % 400: 1,
            'readmit_refusals_total{code="structure",status="400"}': 1,
        },
    ),
    "unknown service": (
        "/cds-services/p1",
        call(),
        {
            "readmit_requests_total" + _ROUTE % 404: 1,
            'readmit_refusals_total{code="not-found",status="404"}': 1,
        },
    ),
    "unknown path": (
        "/patients/p1",
        call(),
        {
            'readmit_requests_total{route="none",status="404"}': 1,
            'readmit_refusals_total{code="not-found",status="404"}': 1,
        },
    ),
}


@pytest.mark.parametrize("case", COUNTED)
async def test_a_request_is_counted_by_route_template_and_kind(case: str, tmp_path: Path) -> None:
    path, body, expected = COUNTED[case]
    async with serving(tmp_path) as http:
        before = await counts(http)
        await http.post(path, content=body if isinstance(body, str) else json.dumps(body))
        assert rise(await counts(http), before) == expected


async def test_a_row_that_is_not_taken_is_counted(tmp_path: Path) -> None:
    app = create_app(Settings(database=database(tmp_path), dev=True), clock=now)
    async with app.router.lifespan_context(app), asked(app) as http:
        async with app.state.service.store.engine.begin() as connection:
            await connection.execute(text("DROP TABLE assessment"))
        before = await counts(http)
        await http.post(URL, json=call())
        counted = rise(await counts(http), before)
    assert counted["readmit_store_failures_total"] == 1
    assert not any(name.startswith("readmit_assessments") for name in counted)


async def test_a_fetch_is_counted_by_how_it_ended(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        before = await counts(http)
        metrics.fhir_fetched("timeout")
        assert rise(await counts(http), before) == {
            'readmit_fhir_fetches_total{outcome="timeout"}': 1
        }


async def test_the_bundle_is_named_and_durations_have_buckets(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        await http.post(URL, json=call())
        found = await counts(http)
    (bundle,) = (name for name in found if name.startswith("readmit_bundle{") and "demo" in name)
    assert found[bundle] == 1
    assert 'service="readmission-risk"' in bundle
    buckets = [name for name in found if "_seconds_bucket" in name and "{service_id}" in name]
    assert len({re.search(r'le="([^"]+)"', name)[1] for name in buckets}) == 12  # type: ignore[index]


async def test_nothing_of_a_patients_is_in_the_metrics(tmp_path: Path) -> None:
    bodies = [body for body, _ in (ANSWERED | REFUSED).values()]
    async with serving(tmp_path, max_body_bytes=32_768) as http:
        for body in bodies:
            await http.post(URL, content=body)
        await http.post("/cds-services/canary-service", content=sent())
        await http.request("CANARY", "/canary/99991?canary=1", headers={"canary": "secret"})
        page = (await http.get("/metrics")).text
    assert "readmit_assessments_total" in page
    assert CANARY.findall(_VALUE.sub("", page)) == []  # a duration may look like one
