"""Who is in the Group that is exported, read before the export begins, so that nobody joins unseen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import msgspec

from cds_service.batch.calling.sending import Sender
from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import export_address
from fhir_mapping.subjects import patient_of

GROUP: Final = "Group"
_ROSTER: Final = "roster.json"
_OPERATION: Final = "/$export"


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _Member(msgspec.Struct, frozen=True):
    entity: _Reference = _Reference()
    inactive: bool = False


class Group(msgspec.Struct, tag_field="resourceType", tag="Group"):
    """`actual`: it lists its members; else it describes them."""

    actual: bool = True
    member: tuple[_Member, ...] = ()

    def active(self) -> Iterator[str]:
        """References to those who are in it now."""
        return (each.entity.reference for each in self.member if not each.inactive)


async def roster(address: str, sender: Sender, folder: Path) -> frozenset[str] | None:
    """Ids of the patients in the Group of `.../Group/ID/$export`, of another export nobody; read once,
    then from `folder`. None where the server does not let it be read, or the Group does not list
    them all. Raises BatchError where it cannot be kept."""
    group = _group_of(address)
    if group is None:
        return frozenset()
    file = folder / _ROSTER
    if not file.is_file():
        with drafted(file) as draft:
            draft.write_bytes(msgspec.json.encode(await _members(group, sender)))
    return msgspec.json.decode(file.read_bytes(), type=frozenset[str] | None)


def _group_of(address: str) -> str | None:
    url = httpx.URL(export_address(address)[1])
    group = url.path.removesuffix(_OPERATION)
    return str(url.copy_with(path=group, query=None)) if "/Group/" in group else None


async def _members(group: str, sender: Sender) -> frozenset[str] | None:
    try:
        answer = await sender.read("GET", group)
        read = msgspec.json.decode(answer.body, type=Group)
    except (BatchError, httpx.HTTPError, msgspec.MsgspecError, UnicodeError):
        return None
    members = tuple(read.active())
    if answer.status != 200 or not read.actual or any(map(_is_group, members)):
        return None
    return frozenset(each for each in map(patient_of, members) if each)


def _is_group(reference: str) -> bool:
    """Whoever is in that one is not listed here."""
    return f"/{reference}".rpartition("/")[0].endswith(f"/{GROUP}")
