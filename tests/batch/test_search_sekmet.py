"""Searches of another project's server, with its own SMART Backend Services: sekmet-fhir.

What it has of real Synthea patients is read by a worklist, a Group, a list and a search of the user's
own, and each stay is the same vector as out of the NDJSON files that it was loaded from.
"""

from dataclasses import replace
from pathlib import Path

import polars
import pytest

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens, Registered
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.export import TYPES
from cds_service.batch.sources.searching.asking import asked_of
from cds_service.batch.sources.searching.search import arrive_by_search
from cds_service.dependencies import system_clock
from cds_service.fhir_server import outgoing_client
from fhir_mapping.exports import export_files
from tests.batch.test_bulk_sekmet import KEYS, sekmet  # noqa: F401 - a fixture
from tests.batch.test_score import EXPORT, rows_of, scored
from tests.replay import read_folder
from tests.security.clients import signing_key
from tests.sekmet import Sekmet, resolved
from tests.service.patients import Json

pytestmark = [pytest.mark.slow, pytest.mark.data]
OWN = Registered("ES384", "ES384", KEYS["ES384"])
CLASSES = ("IMP", "ACUTE", "NONAC", "OBSENC", "SS")
FEW = 8
COMPARED = ("patient_id", "encounter_id", "vector_digest", "outcome", "reason", "probability")


@pytest.fixture(scope="module")
def charts(data_dir: Path) -> dict[str, list[bytes]]:
    """The lines of each patient of the export."""
    found = read_folder(data_dir / EXPORT).charts
    return {
        name: [line for lines in chart.values() for line in lines] for name, chart in found.items()
    }


@pytest.fixture(scope="module")
def in_hospital(charts: dict[str, list[bytes]]) -> list[str]:
    """Who has ever been: these have something to score."""
    return sorted(name for name, lines in charts.items() if any(b'"IMP"' in e for e in lines))


@pytest.fixture(scope="module")
def few(in_hospital: list[str]) -> list[str]:
    return in_hospital[:FEW]


@pytest.fixture(scope="module")
def loaded(sekmet: Sekmet, charts: dict[str, list[bytes]], in_hospital: list[str]) -> Sekmet:  # noqa: F811
    """With all of these, and some more."""
    others = [name for name in sorted(charts) if name not in in_hospital][:FEW]
    resources = [each for name in (*in_hospital, *others) for each in resolved(charts[name])]
    return sekmet.load(resources)


async def arrive(
    server: Sekmet,
    folder: Path,
    tail: str = "",
    choice: Choice = Choice(),  # noqa: B008 - frozen
    *,
    own: Registered = OWN,
    ids: tuple[str, ...] | None = None,
) -> Arrived:
    asked = asked_of(f"{server.base}{tail}", choice, CLASSES, ids)
    async with outgoing_client() as http:
        reads = (*TYPES, "Group")
        tokens = BackendTokens(http, server.base, own, reads=reads, clock=system_clock)
        return await arrive_by_search(
            asked, folder=folder, http=http, clock=system_clock, tokens=tokens
        )


async def found(arrived: Arrived, job: Job, folder: Path) -> polars.DataFrame:
    run, _ = await scored(arrived, job, folder)
    return rows_of(run).select(COMPARED)


@pytest.fixture(scope="module")
def direct(data_dir: Path) -> Arrived:
    """The files themselves; of what has none a search says that there is none."""
    return Arrived(tuple(export_files(data_dir / EXPORT)), types=frozenset(TYPES))


async def test_the_worklist_is_the_same_stays_and_vectors_as_the_files(
    loaded: Sekmet, direct: Arrived, job: Job, tmp_path: Path
) -> None:
    arrived = await arrive(loaded, tmp_path / "received")
    assert (arrived.types, arrived.partial, arrived.doubted) == (frozenset(TYPES), frozenset(), {})
    assert arrived.absent == 0
    assert arrived.transaction_time
    searched = await found(arrived, job, tmp_path / "searched")
    whole = await found(direct, job, tmp_path / "direct")
    ours = searched.filter(polars.col("patient_id").is_in(whole["patient_id"].implode()))
    assert ours.equals(whole)
    assert len(whole) == 101


async def test_a_group_a_list_and_a_search_of_ones_own(
    loaded: Sekmet, few: list[str], direct: Arrived, job: Job, tmp_path: Path
) -> None:
    member = [{"entity": {"reference": f"Patient/{each}"}} for each in few]
    group: Json = {"resourceType": "Group", "id": "few", "type": "person", "actual": True}
    loaded.load([group | {"member": member}])
    whole = await found(direct, job, tmp_path / "direct")
    wanted = whole.filter(polars.col("patient_id").is_in(few))
    of_group = await arrive(loaded, tmp_path / "a", "/Group/few")
    listed = await arrive(loaded, tmp_path / "b", ids=tuple(f"Patient/{each}" for each in few))
    stays = wanted.filter(polars.col("patient_id") == few[0])["encounter_id"].to_list()
    named = await arrive(loaded, tmp_path / "c", ids=tuple(f"Encounter/{each}" for each in stays))
    search = f"/Encounter?patient={few[1]}&class=IMP&_count=2"
    own = await arrive(loaded, tmp_path / "d", search)
    by = [
        await found(each, job, tmp_path / f"{n}")
        for n, each in enumerate([of_group, listed, named, own])
    ]
    assert by[0].equals(wanted)
    assert by[1].equals(wanted)
    assert by[2].equals(wanted.filter(polars.col("patient_id") == few[0]))
    assert by[3].equals(wanted.filter(polars.col("patient_id") == few[1]))
    assert named.stays == {few[0]: tuple(stays)}


async def test_what_is_said_of_a_wrong_key_scope_group_and_address(
    loaded: Sekmet, tmp_path: Path
) -> None:
    with pytest.raises(BatchError, match="invalid_client"):
        await arrive(loaded, tmp_path / "a", own=replace(OWN, key=signing_key("key-ES384")))
    with pytest.raises(BatchError, match="does not say who: status 403"):
        await arrive(loaded, tmp_path / "b", own=replace(OWN, scope="system/Patient.rs"))
    with pytest.raises(BatchError, match="does not say who: status 404"):
        await arrive(loaded, tmp_path / "c", "/Group/nobody")
    elsewhere = Sekmet(loaded.base + "/wrong", loaded.http)
    with pytest.raises(BatchError, match=r"names no token endpoint|answer"):
        await arrive(elsewhere, tmp_path / "d")


async def test_a_narrow_scope_leaves_types_unread(
    loaded: Sekmet, few: list[str], tmp_path: Path
) -> None:
    scope = "system/Patient.rs system/Encounter.rs system/Group.rs"
    arrived = await arrive(
        loaded, tmp_path / "a", own=replace(OWN, scope=scope), ids=(f"Patient/{few[0]}",)
    )
    assert arrived.types == {"Patient", "Encounter"}
