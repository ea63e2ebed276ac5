"""Discovery: one service under two hooks, described as CDS Hooks 2.0 asks, and callable as said."""

import re
from pathlib import Path

import pytest

from cds_service.hooks.discovery import described
from cds_service.services import offered
from cds_service.settings import READMISSION
from fhir_mapping.prefetch import PREFETCH
from tests.service.answering import tenant
from tests.service.patients import Json, serving
from tests.service.trained import SHIPPED

TOKEN = re.compile(r"\{\{(.*?)\}\}")
ALLOWED = {
    "encounter-discharge": {"context.patientId", "context.encounterId"},
    "patient-view": {"context.patientId"},
}


async def services(folder: Path) -> dict[str, Json]:
    async with serving(folder) as http:
        answer = await http.get("/cds-services")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return {each["hook"]: each for each in answer.json()["services"]}


async def test_the_same_id_answers_both_hooks(tmp_path: Path) -> None:
    found = await services(tmp_path)
    assert set(found) == {"encounter-discharge", "patient-view"}
    assert {each["id"] for each in found.values()} == {"readmission-risk"}


async def test_each_entry_has_what_the_specification_requires_and_nothing_unknown(
    tmp_path: Path,
) -> None:
    for each in (await services(tmp_path)).values():
        assert set(each) == {"hook", "id", "title", "description", "prefetch", "usageRequirements"}
        assert all(each.values())
        assert "FHIR R4" in each["usageRequirements"]


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ((), "The service reads no FHIR server for you"),
        (("https://ehr.example.org/fhir",), "What is left out is read from fhirServer"),
    ],
)
def test_a_client_is_told_whether_its_fhir_server_is_read(
    servers: tuple[str, ...], words: str
) -> None:
    asking = tenant(fhir_servers=servers)
    (service,) = offered({READMISSION: SHIPPED}, [asking]).values()
    assert words in described(service, "patient-view", asking).usage_requirements


async def test_every_key_is_offered_and_patient_view_asks_for_no_encounter_by_id(
    tmp_path: Path,
) -> None:
    found = await services(tmp_path)
    keys = {template.key for template in PREFETCH}
    assert set(found["encounter-discharge"]["prefetch"]) == keys
    assert set(found["patient-view"]["prefetch"]) == keys - {"encounter", "vitals"}


@pytest.mark.parametrize("hook", ALLOWED)
async def test_templates_use_only_tokens_that_the_hook_has_and_r4_sorting(
    tmp_path: Path, hook: str
) -> None:
    for query in (await services(tmp_path))[hook]["prefetch"].values():
        assert set(TOKEN.findall(query)) <= ALLOWED[hook]
        assert "_sort:" not in query  # the specification's own example is DSTU2


async def test_the_page_is_there_under_dev(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        assert (await http.get("/")).status_code == 200
