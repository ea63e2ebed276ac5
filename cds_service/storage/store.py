"""The store as the service uses it: each method is one transaction, sealing included."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from cds_service.errors import UnsealError
from cds_service.observability import note
from cds_service.storage import assessments, feedback, listings, refused_views, tokens, written
from cds_service.storage.chain import Head
from cds_service.storage.database import Database
from cds_service.storage.links import heads
from cds_service.storage.vault import Vault


@dataclass(frozen=True)
class Shown:
    """An assessment as stored; `contents` None where they were purged or no storage key opens
    them."""

    row: Mapping[str, Any]
    contents: Mapping[str, Any] | None


@dataclass(frozen=True)
class Page:
    """Some of a patient's assessments; `total`: of how many. `more`: where the next page begins,
    None where this is the last."""

    shown: Sequence[Shown]
    total: int
    more: int | None


class Store:
    """The assessment store behind a SQLAlchemy URL. Every method raises StoreUnavailableError."""

    def __init__(self, url: str, vault: Vault) -> None:
        """Raises StartRefusedError where the URL or its driver cannot be used."""
        self.database = Database(url)
        self.vault = vault
        self._swept = datetime.fromtimestamp(0, UTC)

    async def migrate(self) -> None:
        """Bring the tables to the present version. Raises StartRefusedError."""
        await self.database.migrate()

    async def add_assessment(
        self, row: Mapping[str, Any], contents: Mapping[str, Any], *, after: str | None
    ) -> bool:
        """Write one assessment with its contents, durably. `after`: the assessment whose card the
        stay had when this one was made. False, and nothing is written: it would show a card first,
        and the stay has another one by now."""
        sealed = self.vault.seal(row["uuid"], contents)
        async with self.database.writing() as connection:
            return await assessments.add(connection, row, sealed, after=after)

    async def lacking(self, uuids: Collection[str]) -> set[str]:
        """Those of the ids under which no assessment is stored."""
        async with self.database.reading() as connection:
            return {*uuids} - await assessments.known(connection, uuids)

    async def add_assessments(
        self, rows: Collection[Mapping[str, Any]], contents: Mapping[str, Mapping[str, Any]]
    ) -> int:
        """Write those of the rows, of one tenant, that are not there yet, each with its contents by
        id, in one transaction; none of them shows a card. How many were written."""
        sealed = {row["uuid"]: self.vault.seal(row["uuid"], contents[row["uuid"]]) for row in rows}
        async with self.database.writing() as connection:
            known = await assessments.known(connection, sealed)
            new = [row for row in rows if row["uuid"] not in known]
            await assessments.add_unshown(connection, new, sealed)
        return len(new)

    async def shown(
        self,
        tenant: str,
        *,
        service_id: str,
        fhir_server: str | None,
        patient_id: str,
        encounter_id: str | None,
    ) -> Shown | None:
        """The newest assessment of that stay that showed its card first."""
        async with self.database.reading(alone=True) as connection:
            found = await assessments.shown(
                connection,
                tenant,
                service_id=service_id,
                fhir_server=fhir_server,
                patient_id=patient_id,
                encounter_id=encounter_id,
            )
        return Shown(found.row, self._contents(found)) if found else None

    async def assessment(self, tenant: str, uuid: str) -> Shown | None:
        """An assessment of that tenant by its id."""
        async with self.database.reading() as connection:
            found = await assessments.by_uuid(connection, uuid)
        if found is None or found.row["tenant"] != tenant:
            return None
        return Shown(found.row, self._contents(found))

    async def of_patient(self, tenant: str, patient_id: str) -> list[Mapping[str, Any]]:
        """The rows of one patient of that tenant, in the order in which they were made."""
        async with self.database.reading() as connection:
            return await assessments.of_patient(connection, tenant, patient_id)

    async def first_probabilities(
        self, tenant: str, *, service_id: str, bundle: str, since: datetime
    ) -> list[tuple[datetime, float]]:
        """When and with which probability each stay was first scored by the bundle of that digest,
        of those first scored since."""
        async with self.database.reading(alone=True) as connection:
            return await assessments.first_probabilities(
                connection, tenant, service_id=service_id, bundle=bundle, since=since
            )

    async def cards_of(
        self, tenant: str, *, service_id: str, card_uuids: Collection[str]
    ) -> dict[str, str]:
        """For each known card: the uuid of the assessment that showed it first."""
        async with self.database.reading() as connection:
            return await assessments.cards_of(
                connection, tenant, service_id=service_id, card_uuids=card_uuids
            )

    async def page_of_patient(
        self,
        tenant: str,
        patient_id: str,
        *,
        fhir_server: str | None = None,
        since: datetime | None = None,
        before: int | None = None,
        limit: int,
    ) -> Page:
        """Assessments of the patient, newest first; `fhir_server`: of the patient whom that server
        means; `before`: where the page before ended."""
        of = listings.of(tenant, patient_id, fhir_server=fhir_server, since=since)
        async with self.database.reading() as connection:
            total = await listings.count(connection, of)
            found = await listings.of_patient(connection, of, before=before, limit=limit + 1)
        shown = [Shown(each.row, self._contents(each)) for each in found[:limit]]
        more = found[limit - 1].row["id"] if len(found) > limit else None
        return Page(shown, total, more)

    async def stays_of(
        self, tenant: str, service_id: str, *, fhir_server: str, since: datetime, until: datetime
    ) -> list[listings.StayOfDay]:
        """The stays of one of the tenant's FHIR servers whose newest assessment was made in [since,
        until), ranked by risk."""
        async with self.database.reading() as connection:
            return await listings.stays_of(
                connection, tenant, service_id, fhir_server=fhir_server, since=since, until=until
            )

    async def add_feedback(
        self, rows: Sequence[Mapping[str, Any]], comments: Mapping[str, str]
    ) -> None:
        """Write the entries of one call, all or none; `comments` by the uuid of their entry."""
        sealed = {uuid: self.vault.seal(uuid, comment) for uuid, comment in comments.items()}
        async with self.database.writing() as connection:
            for row in rows:
                await feedback.add(connection, row, sealed.get(row["uuid"]))

    async def feedback_of(self, tenant: str, card_uuid: str) -> list[Mapping[str, Any]]:
        """What was said of one card of that tenant, in the order in which it came; no comments."""
        async with self.database.reading() as connection:
            return await feedback.of_card(connection, tenant, card_uuid)

    async def add_refused_view(self, row: Mapping[str, Any]) -> None:
        """Write that a user of the SMART app was not shown an assessment, with its link."""
        async with self.database.writing() as connection:
            await refused_views.add(connection, row)

    async def spend_token(self, digest: str, *, expires_at: datetime, now: datetime) -> bool:
        """False: it was already spent, in this worker or another, before or after a restart."""
        async with self.database.writing(alone=True) as connection:
            first = await tokens.spend(connection, digest, expires_at=expires_at)
        if abs(now - self._swept) >= tokens.SWEPT_EVERY:  # either way: the clock may be put back
            self._swept = now
            async with self.database.writing(alone=True) as connection:
                await tokens.sweep(connection, now)
        return first

    async def begin_written(self, key: Mapping[str, str]) -> str | None:
        """Note that a resource will be sent to a FHIR server; None if that was new. Else where it
        is, empty where that was never noted. `key`: tenant, fhir_server, kind, uuid."""
        async with self.database.writing() as connection:
            return await written.begin(connection, key)

    async def end_written(self, key: Mapping[str, str], place: str) -> None:
        """Note where a server has it."""
        async with self.database.writing() as connection:
            await written.end(connection, key, place)

    async def withdraw_written(self, key: Mapping[str, str]) -> None:
        """Forget that it was to be sent: it did not arrive."""
        async with self.database.writing() as connection:
            await written.withdraw(connection, key)

    async def heads(self) -> list[Head]:
        """The last link of every tenant's chain."""
        async with self.database.reading() as connection:
            return await heads(connection)

    async def close(self) -> None:
        """Give the connections back."""
        await self.database.close()

    @property
    def engine(self) -> AsyncEngine:
        """For reading what was written."""
        return self.database.engine

    def _contents(self, found: assessments.Stored) -> Mapping[str, Any] | None:
        if found.sealed is None:
            return None
        try:
            contents: Mapping[str, Any] = self.vault.unseal(found.row["uuid"], found.sealed)
        except UnsealError as closed:  # the answer can be given without them
            note(unsealed=type(closed).__name__)
            return None
        return contents
