"""What a FHIR server deleted is purged from what is stored: the contents of each assessment that rests on it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cds_service.batch.arrived import Arrived
from cds_service.batch.job import Job
from cds_service.recalled import Contents, Recalled, recalled
from cds_service.storage.purging import of_assessment, purge_some, reclaim
from cds_service.storage.store import Store


def gone_of(arrived: Arrived) -> Mapping[str, frozenset[str]]:
    """By patient id the references of deleted resources: those that an earlier run had, and Patients."""
    patients = {name for kind, name in arrived.deleted if kind == "Patient"}
    return {
        each: arrived.gone.get(each, frozenset())
        | ({f"Patient/{each}"} if each in patients else set())
        for each in {*arrived.gone, *patients}
    }


async def purge_deleted(
    store: Store, job: Job, gone: Mapping[str, frozenset[str]], now: datetime
) -> int:
    """`gone`: by patient id the references of deleted resources. How many assessments lost their
    contents; rows and chain stay, as with `readmit purge`. Raises StoreUnavailableError."""
    purged = 0
    for patient, references in gone.items():
        for row in await store.of_patient(job.tenant.name, patient):
            if row["fhir_server"] == job.fhir_server and await _rests(store, row, references):
                await _purge(store, row, now)
                purged += 1
    if purged:
        await reclaim(store.database)
    return purged


async def _rests(store: Store, row: Mapping[str, Any], references: frozenset[str]) -> bool:
    shown = await store.assessment(row["tenant"], row["uuid"])
    if shown is None or shown.contents is None:
        return False
    return bool(_named(recalled(row, shown.contents)) & references)


def _named(found: Recalled) -> set[str]:
    """Every resource that an assessment speaks of, as references."""
    contents, row = found.contents or Contents(), found.row
    items = (item for each in contents.baselines for item in each.components)
    return {
        f"Patient/{row['patient_id']}",
        f"Encounter/{row['encounter_id']}",
        *contents.received,
        *(each.reference for each in contents.evidence),
        *(reference for item in items for reference in item.references),
    }


async def _purge(store: Store, row: Mapping[str, Any], now: datetime) -> None:
    async with store.database.writing() as connection:
        await purge_some(connection, row["tenant"], of_assessment(row["uuid"]), now=now)
