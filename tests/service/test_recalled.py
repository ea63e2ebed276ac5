"""What is kept of an assessment says later what was found then: result, evidence, resources."""

import json
from datetime import UTC, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cds_service.answering import assessed
from cds_service.assessment import Scored
from cds_service.hooks.call import read_call
from cds_service.hooks.said import contents_of
from cds_service.recalled import Recalled, recalled, zone_of
from cds_service.received import LARGEST, received, references
from cds_service.services import offered
from cds_service.settings import READMISSION, Settings
from tests.service.requests import EXAMPLES, example, now
from tests.service.running import URL, running
from tests.service.stored import KEY, opened

pytestmark = pytest.mark.sampled(12)

ASSESSOR = offered(Settings().bundles, ())[READMISSION].assessor
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))


def kept(request: dict[str, object]) -> tuple[object, Recalled]:
    call = read_call(json.dumps(request).encode(), now())
    assessment = assessed(call, ASSESSOR)
    contents = contents_of(assessment, None, received(assessment, call.prefetch, {}))
    return assessment, recalled({}, msgspec.json.decode(msgspec.json.encode(contents)))


@pytest.mark.parametrize("name", NAMES)
def test_everything_comes_back_as_it_was(name: str) -> None:
    assessment, found = kept(example(name))
    assert found.contents is not None
    if not isinstance(assessment, Scored):
        assert found.contents.score is None
        return
    assert found.contents.score == assessment.score
    assert found.contents.values == assessment.vector.values
    assert found.contents.evidence == assessment.vector.evidence
    assert found.contents.base_rate == assessment.base_rate
    then = [(each.name, each.components, each.reading) for each in found.contents.baselines]
    assert then == [(b.score.name, b.score.components, b.reading) for b in assessment.baselines]
    assert found.zone.utcoffset(None) == assessment.vector.zone.utcoffset(None)


@pytest.mark.parametrize("name", NAMES)
def test_each_resource_of_the_evidence_is_kept_as_it_was_received(name: str) -> None:
    request = example(name)
    assessment, found = kept(request)
    assert found.contents is not None
    sent = {
        f"{resource['resourceType']}/{resource['id']}": resource
        for value in request["prefetch"].values()
        for resource in (
            [entry["resource"] for entry in value.get("entry", [])]
            if value["resourceType"] == "Bundle"
            else [value]
        )
    }
    assert found.contents.received.keys() == references(assessment)  # type: ignore[arg-type]
    assert all(sent[name] == kept for name, kept in found.contents.received.items())


def test_a_resource_that_holds_a_document_is_not_kept() -> None:
    request = example("margaret-heart-failure")
    request["prefetch"]["patient"]["photo"] = [{"data": "A" * LARGEST}]
    _, found = kept(request)
    assert found.contents is not None
    patient = request["prefetch"]["patient"]["id"]
    assert f"Patient/{patient}" not in found.contents.received
    assert found.contents.received


async def test_the_store_gives_it_to_its_tenant_alone(tmp_path: Path) -> None:
    async with running(tmp_path, storage_keys=(KEY,)) as http:
        request = example("oncology")
        answered = await http.post(URL, json=request)
    facts = answered.json()["cards"][0]["extension"]["org.readmit.readmission"]
    store = opened(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite")
    found = await store.assessment("dev", facts["assessment"])
    assert found is not None
    again = recalled(found.row, found.contents)
    assert again.contents is not None
    assert again.contents.score is not None
    assert again.contents.score.probability == facts["probability"] == again.row["probability"]
    assert await store.assessment("north", facts["assessment"]) is None
    patient = request["context"]["patientId"]
    assert [row["uuid"] for row in await store.of_patient("dev", patient)] == [facts["assessment"]]
    assert await store.of_patient("north", patient) == []
    await store.close()


def test_what_was_kept_before_reads_as_nothing_more() -> None:
    before = {"values": [1.0], "evidence": [], "sources": {}, "issues": [], "card": None}
    found = recalled({}, before)
    assert found.contents is not None
    assert (found.contents.score, found.contents.received, found.zone) == (None, {}, UTC)
    assert recalled({}, None).contents is None


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ("UTC", UTC),
        ("UTC-05:00", timezone(timedelta(hours=-5))),
        ("UTC+05:30", timezone(timedelta(hours=5, minutes=30))),
        ("America/New_York", ZoneInfo("America/New_York")),
    ],
)
def test_a_zone_is_read_back(words: str, zone: object) -> None:
    assert zone_of(words) == zone
