"""The same stay by hook, by page and by batch: one vector, one shown number."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.answering import assessed
from cds_service.assessment import Assessment, Assessor, Scored
from cds_service.batch.scoring import Choice, Record, assess_records
from cds_service.hooks.call import read_call
from cds_service.services import offered
from cds_service.settings import READMISSION
from cds_service.tenants import dev_tenant
from fhir_mapping.support import Support
from tests.conftest import ROOT
from tests.security.clients import Clock
from tests.service.requests import EXAMPLES, example, now
from tests.smart.ehr.state import ENCOUNTER, FakeEhr
from tests.smart.signing_in import Page, Readmit, entry, serving

DEMO = {READMISSION: ROOT / "bundles" / "demo"}
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
MARGARET = "margaret-heart-failure"


@pytest.fixture(scope="module")
def assessor() -> Assessor:
    tenant = dev_tenant(None, None, address="http://127.0.0.1:8000")
    return offered(DEMO, [tenant])[READMISSION].of(tenant)


@pytest.fixture
async def readmit(tmp_path: Path, north: FakeEhr, clock: Clock) -> AsyncIterator[Readmit]:
    async with serving(tmp_path, entry("north", north.base), clock=clock, bundles=DEMO) as started:
        yield started


def by_hook(name: str, assessor: Assessor) -> Assessment:
    return assessed(read_call(json.dumps(example(name)).encode(), now()), assessor)


def by_batch(name: str, assessor: Assessor) -> Assessment:
    """From the patient's whole record, as an export has it: with types of which there is none."""
    context = example(name)["context"]
    bundle = json.loads((ROOT / "examples" / "patients" / f"{name}.json").read_text("utf-8"))
    raws = [json.dumps(entry["resource"]).encode() for entry in bundle["entry"]]
    sources: dict[str, Any] = {each.resource_type: "read" for each in assessor.asked}
    record = Record(context["patientId"], raws, sources)
    named = Choice(named={context["patientId"]: (context["encounterId"],)})
    support = Support(())
    (found,) = assess_records([record], named, now(), support=support, assessor=assessor)
    return found.assessment


@pytest.mark.parametrize("name", NAMES)
def test_hook_and_batch_agree(name: str, assessor: Assessor) -> None:
    hook, batch = by_hook(name, assessor), by_batch(name, assessor)
    assert said(hook) == said(batch)


async def test_page_hook_and_batch_agree(
    readmit: Readmit, north: FakeEhr, assessor: Assessor
) -> None:
    page = await readmit.session(north)
    row = await scored(page, readmit)
    assert row["encounter_id"] == ENCOUNTER
    hook, batch = by_hook(MARGARET, assessor), by_batch(MARGARET, assessor)
    stored = ("scored", row["vector_digest"], row["probability"])
    assert stored == said(hook) == said(batch)


def said(found: Assessment) -> tuple[str, str | None, Any]:
    digest = found.vector.digest if found.vector else None
    if isinstance(found, Scored):
        return ("scored", digest, found.score.probability)
    return (found.reason, digest, None)


async def scored(page: Page, readmit: Readmit) -> dict[str, Any]:
    answer = await page.post("score", csrf=(await page.told())["csrf"])
    assert answer.status_code == 303, answer.text
    (row,) = await readmit.state.store.of_patient(
        "north", example(MARGARET)["context"]["patientId"]
    )
    return dict(row)
