"""What the demonstration page reads over HTTP. The page itself is in test_ehr_page.py."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cds_service.web.gallery import Gallery
from cds_service.web.routes import STATIC, ehr_page_router

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOW = datetime(2027, 3, 4, 12, tzinfo=UTC)
NAMES = [line["name"] for line in json.loads((EXAMPLES / "index.json").read_bytes())]


async def get(path: str, *, examples: Path = EXAMPLES) -> httpx.Response:
    app = FastAPI()
    app.include_router(ehr_page_router(Gallery(examples), clock=lambda: NOW))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ehr") as client:
        return await client.get(path)


async def test_page_lists_the_dozen_escaped_and_under_a_strict_policy() -> None:
    page = await get("/")
    assert page.text.count('type="radio"') == 12
    assert "<script>alert" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert "<script>" not in page.text
    assert "<style" not in page.text
    assert "style=" not in page.text


async def test_page_says_when_there_are_no_examples(tmp_path: Path) -> None:
    page = await get("/", examples=tmp_path)
    assert "No example patients found" in page.text


@pytest.mark.parametrize("name", STATIC)
async def test_static_files_have_their_type(name: str) -> None:
    answer = await get(f"/static/ehr/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == STATIC[name]


@pytest.mark.parametrize(
    "path",
    [
        "/static/ehr/routes.py",
        "/static/ehr/..%2Froutes.py",
        "/dev/patients/nobody",
        "/dev/patients/..%2Fx",
    ],
)
async def test_nothing_else_can_be_had(path: str) -> None:
    assert (await get(path)).status_code == 404


@pytest.mark.parametrize("name", NAMES)
async def test_each_patient_has_both_requests_and_a_summary(name: str) -> None:
    patient: dict[str, Any] = (await get(f"/dev/patients/{name}")).json()
    discharge, opened = patient["discharge"], patient["patient_view"]
    assert discharge["hook"] == "encounter-discharge"
    assert opened["hook"] == "patient-view"
    assert opened["hookInstance"] != discharge["hookInstance"]
    assert "encounter" not in opened["prefetch"]
    assert 120 <= len(patient["summary"].split()) <= 300


async def test_finished_stays_are_served_as_shipped_and_named_to_patient_view() -> None:
    patient = (await get("/dev/patients/oncology")).json()
    assert patient["discharge"] == json.loads(
        (EXAMPLES / "requests" / "oncology.json").read_bytes()
    )
    assert patient["patient_view"]["context"]["encounterId"] == "oncology-stay-1"


async def test_a_stay_in_progress_began_three_days_ago_and_is_found_without_its_id() -> None:
    patient = (await get("/dev/patients/in-progress")).json()
    encounter = patient["discharge"]["prefetch"]["encounter"]
    assert encounter["period"] == {"start": "2027-03-01T19:20:00-05:00"}
    assert "encounterId" not in patient["patient_view"]["context"]


async def test_patients_are_listed_with_the_reason_why_they_are_there() -> None:
    lines = (await get("/dev/patients")).json()
    assert [line["name"] for line in lines] == NAMES
    assert all(line["why"] and line["age"] and line["person"] for line in lines)
