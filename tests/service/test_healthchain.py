"""HealthChain's SandboxClient as a client that nobody here wrote, against the service in a process of its own.

Where its models differ from CDS Hooks 2.0: `isRecommended` of a suggestion and `autoLaunchable` (so
spelt) of a link are required, `extension` of a request is a list, and the context is sent without what a
hook adds to it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.servers import serving
from tests.corpus.makers.stays import open_stay
from tests.service.patients import PATIENT, STAY, URL, Json, call, facts, patient, view
from tests.service.trained import SHIPPED

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("healthchain_client.py")
ITS_LINK = "cards.0.links.0.autoLaunchable"
REQUIRED_BY_IT_ALONE = [ITS_LINK, "cards.0.suggestions.0.isRecommended"]
MINE = {"patientId": PATIENT}
CHILD = patient(birthDate="2015-01-01")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running service."""
    store = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('healthchain')}/test.sqlite"
    options = ["serve", "--dev", "--port", "{port}", "--bundle", str(SHIPPED), "--database", store]
    with serving(["cds_service", *options], ready="/cds-services") as address:
        yield address


def played(
    peers: Path, service: str, request: Json, context: Json | None = None, *, whole: bool = False
) -> Json:
    """What its client sends and gets with the prefetch of a request."""
    job: Json = {
        "url": service + URL,
        "workflow": request["hook"],
        "prefetch": request["prefetch"],
        "context": MINE if context is None else context,
        "whole": whole,
        "discovery": httpx.get(f"{service}/cds-services").json(),
    }
    done = subprocess.run(
        [peers / "python", SCRIPT],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: Json = json.loads(done.stdout)
    return told


def result(told: Json) -> Any:
    (card,) = told["response"]["cards"]
    return facts(card)


def test_patient_view_is_answered(peers: Path, service: str) -> None:
    told = played(peers, service, view(open_stay()))
    assert told["errors"] == []
    assert (result(told)["outcome"], result(told)["lace"]) == ("scored", 12)
    assert told["disputed"] == REQUIRED_BY_IT_ALONE


def test_of_a_card_without_suggestion_its_models_dispute_the_link_alone(
    peers: Path, service: str
) -> None:
    told = played(peers, service, view(open_stay(), patient=CHILD))
    assert (told["errors"], told["disputed"]) == ([], [ITS_LINK])
    (card,) = told["response"]["cards"]
    assert card["summary"].startswith("Readmission risk not scored")
    assert all(each["display"] for each in card["overrideReasons"])
    assert "extension" in card  # what its models dispute, its client hands on as received


def test_discovery_is_read_by_its_models(peers: Path, service: str) -> None:
    assert played(peers, service, view(open_stay()))["discovery_disputed"] == []


def test_discharge_without_encounter_id_is_400_as_the_hook_requires_it(
    peers: Path, service: str
) -> None:
    told = played(peers, service, call(), MINE | {"encounterId": STAY})
    assert set(told["sent"]["context"]) == {"userId", "patientId"}
    assert told["response"] == {}
    (error,) = told["errors"]
    assert "Error response 400" in error
    assert "context.encounterId: missing." in error


def test_discharge_with_its_whole_context_is_answered(peers: Path, service: str) -> None:
    told = played(peers, service, call(), MINE | {"encounterId": STAY}, whole=True)
    assert told["errors"] == []
    assert (result(told)["lace"], result(told)["hospital"]) == (10, 5)
    assert told["disputed"] == REQUIRED_BY_IT_ALONE


def test_the_patient_that_it_makes_up_beside_the_prefetch_is_a_hard_stop(
    peers: Path, service: str
) -> None:
    told = played(peers, service, view(open_stay()), {})
    (error,) = told["errors"]
    assert "Error response 412" in error
    assert "another patient" in error
