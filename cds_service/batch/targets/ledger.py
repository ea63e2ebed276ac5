"""What was sent to one server of one tenant, remembered in the store."""

from cds_service.storage.store import Store


class StoreLedger:
    """Each call is one transaction, durable when it returns. Raises StoreUnavailableError."""

    def __init__(self, store: Store, tenant: str, fhir_server: str) -> None:
        self._store = store
        self._of = {"tenant": tenant, "fhir_server": fhir_server}

    async def begin(self, kind: str, uuid: str) -> str | None:
        """None: noted now that it will be sent. Else where it is; empty where that is not known."""
        return await self._store.begin_written(self._key(kind, uuid))

    async def end(self, kind: str, uuid: str, at: str) -> None:
        """Note where it is."""
        await self._store.end_written(self._key(kind, uuid), at)

    async def withdraw(self, kind: str, uuid: str) -> None:
        """It did not arrive."""
        await self._store.withdraw_written(self._key(kind, uuid))

    def _key(self, kind: str, uuid: str) -> dict[str, str]:
        return self._of | {"kind": kind, "uuid": uuid}
