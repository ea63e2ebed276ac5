"""Exports of another project's server, with its own SMART Backend Services: sekmet-fhir.

Its limits, as of 0.1.1: a token for exports needs a wildcard; `_until` and `_elements` are not there.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from joserfc.jwk import Key

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens, Registered
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.export import TYPES, arrive_by_export
from cds_service.dependencies import system_clock
from cds_service.fhir_server import outgoing_client
from fhir_mapping.exports import read_export
from tests.security.clients import signing_key
from tests.sekmet import NAMES, Sekmet, examples, serving

pytestmark = pytest.mark.slow

KEYS = {name: signing_key(f"key-{name}", name) for name in ("ES384", "RS384")}
WILDCARD = "system/*.rs"


@pytest.fixture(scope="module")
def sekmet(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    clients = [client(name, key) for name, key in KEYS.items()]
    folder = tmp_path_factory.mktemp("sekmet")
    with serving(peers, folder, clients, token_lifetime_s=1) as empty:
        yield empty.load(examples())


def client(name: str, key: Key) -> dict:
    public = {"keys": [key.as_dict(private=False)]}
    return {"client_id": name, "jwks": public, "scopes": "system/*.rs"}


async def arrive(sekmet: Sekmet, level: str, folder: Path, own: Registered) -> Arrived:
    async with outgoing_client() as http:
        tokens = BackendTokens(http, sekmet.base, own, reads=TYPES, clock=system_clock)
        return await arrive_by_export(
            f"{sekmet.base}{level}", folder=folder, http=http, clock=system_clock, tokens=tokens
        )


def ids(folder: Path) -> set[tuple[str, str | None]]:
    export = read_export(folder)
    listed = [each for some in export.patients.values() for each in some] + export.shared
    return {(each.type, each.id) for each in listed}


def loaded() -> set[tuple[str, str]]:
    return {(e["resourceType"], e["id"]) for e in examples() if e["resourceType"] in TYPES}


@pytest.mark.parametrize("algorithm", sorted(KEYS))
async def test_the_whole_system_arrives_with_tokens_of_a_second(
    sekmet: Sekmet, tmp_path: Path, algorithm: str
) -> None:
    own = Registered(algorithm, algorithm, KEYS[algorithm], scope=WILDCARD)
    arrived = await arrive(sekmet, "/$export", tmp_path / "received", own)
    assert arrived.transaction_time
    assert arrived.partial == frozenset()
    (tmp_path / "received" / "export.json").unlink()
    assert ids(tmp_path / "received") == loaded()
    assert arrived.types == {kind for kind, _ in loaded()}


async def test_a_group_and_all_patients(sekmet: Sekmet, tmp_path: Path) -> None:
    own = Registered("ES384", "ES384", KEYS["ES384"], scope=WILDCARD)
    _, first = min(each for each in loaded() if each[0] == "Patient")
    member = {"entity": {"reference": f"Patient/{first}"}}
    group = {"resourceType": "Group", "id": "ward", "type": "person", "actual": True}
    sekmet.load([group | {"member": [member]}])
    one = await arrive(sekmet, "/Group/ward/$export", tmp_path / "one", own)
    whole = await arrive(sekmet, "/Patient/$export", tmp_path / "all", own)
    patients = [
        [path.read_bytes().count(b"\n") for path in arrived.files if "Patient" in path.name]
        for arrived in (one, whole)
    ]
    assert patients == [[1], [len(NAMES)]]


async def test_what_is_said_of_a_wrong_key_and_of_scopes(sekmet: Sekmet, tmp_path: Path) -> None:
    own = Registered("ES384", "ES384", KEYS["ES384"])
    with pytest.raises(BatchError, match=r"set `scope` of \[tenant.backend\] to system/\*.rs"):
        await arrive(sekmet, "/$export", tmp_path / "a", own)
    stranger = replace(own, key=signing_key("key-ES384"), scope=WILDCARD)
    with pytest.raises(BatchError, match="invalid_client"):
        await arrive(sekmet, "/$export", tmp_path / "b", stranger)
    with pytest.raises(BatchError, match="the Group has to exist"):
        await arrive(sekmet, "/Group/nobody/$export", tmp_path / "c", replace(own, scope=WILDCARD))
