"""An assessment as it was recorded, looked up for replay: the row, its link, its contents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cds_service.storage.assessments import Stored, by_uuid
from cds_service.storage.chain import Link, digest_of
from cds_service.storage.links import link_of
from cds_service.storage.store import Store

Verdict = Literal["same", "differs", "not_here", "purged"]


@dataclass(frozen=True)
class Compared:
    """One thing then and now. `holds` None: it stands as stored, and cannot be computed again."""

    what: str
    holds: bool | None = True


@dataclass(frozen=True)
class Recorded:
    """What the database has of one assessment; `link` None where it is in no chain."""

    stored: Stored
    link: Link | None
    purged: Link | None

    @property
    def row(self) -> Mapping[str, Any]:
        """The assessment's columns."""
        return self.stored.row

    def as_written(self) -> Compared:
        """Whether the row is still the one that its link stands for."""
        if self.link is None:
            return Compared("the row is in no chain: run `readmit audit verify`", holds=False)
        if self.link.digest != digest_of(self.row):
            return Compared("the row was changed: run `readmit audit verify`", holds=False)
        return Compared(f"the row is as written: {self.link.tenant}, link {self.link.number}")

    def without_contents(self) -> tuple[Verdict, str]:
        """Why there is nothing to compute from."""
        if self.purged is None:
            return "differs", "the contents are gone, and no link says that they were purged"
        return "purged", (
            f"the inputs were purged at {self.purged.at:%Y-%m-%d %H:%M} UTC:"
            f" {self.purged.tenant}, link {self.purged.number}"
        )


async def recorded(store: Store, uuid: str) -> Recorded | None:
    """The assessment of that id, of whichever tenant."""
    async with store.database.reading() as connection:
        stored = await by_uuid(connection, uuid)
        if stored is None:
            return None
        link = await link_of(connection, "assessed", uuid)
        return Recorded(stored, link, await link_of(connection, "purged", uuid))


def values_of(contents: Mapping[str, Any]) -> Sequence[Any]:
    """The 105 values, or none where no vector was computed."""
    values: Sequence[Any] = contents["values"]
    return values


def verdict_of(compared: Iterable[Compared]) -> Verdict:
    """One thing that does not hold is enough."""
    return "differs" if any(each.holds is False for each in compared) else "same"
