"""What is asked of a server: the address of an `$export`, and its parameters as a query or as a body."""

from collections.abc import Sequence
from typing import Any, Final

import httpx
import msgspec

from cds_service.batch.calling.addresses import checked

_OPERATION: Final = "$export"
_INSTANT: Final = "_since"


class Asked(msgspec.Struct, frozen=True):
    """One export as the user wants it. `since`: an instant of the server's own clock. `patients`:
    ids of the only patients to export; servers take that parameter in a POST alone."""

    address: str
    types: tuple[str, ...]
    since: str | None = None
    patients: tuple[str, ...] = ()

    def query(self, types: Sequence[str]) -> httpx.URL:
        """The address with its parameters; those that the user wrote stay as written."""
        return httpx.URL(self.address).copy_merge_params(dict(self._own(types)))

    def body(self, types: Sequence[str]) -> bytes:
        """The same as Parameters, a value each: version 4 knows no lists with commas."""
        pairs = [*httpx.URL(self.address).params.multi_items(), *self._own(types)]
        parameter: list[dict[str, Any]] = [
            {"name": name, _value_of(name): each}
            for name, value in pairs
            for each in (value.split(",") if name == "_type" else [value])
        ]
        parameter += [
            {"name": "patient", "valueReference": {"reference": f"Patient/{each}"}}
            for each in self.patients
        ]
        return msgspec.json.encode({"resourceType": "Parameters", "parameter": parameter})

    def _own(self, types: Sequence[str]) -> list[tuple[str, str]]:
        since = [(_INSTANT, self.since)] if self.since else []
        written = httpx.URL(self.address).params
        return [each for each in [("_type", ",".join(types)), *since] if each[0] not in written]


def export_address(address: str) -> tuple[str, str]:
    """Base of the FHIR server, and the address of the export; that of the whole system where a base
    alone is given. Raises BatchError."""
    url = httpx.URL(checked(address, "the source"))
    path = url.path.rstrip("/")
    if not path.endswith(f"/{_OPERATION}"):
        path = f"{path}/{_OPERATION}"
    above = path.removesuffix(f"/{_OPERATION}").split("/")
    if above[-1:] == ["Patient"]:
        above = above[:-1]
    elif above[-2:-1] == ["Group"]:
        above = above[:-2]
    base = url.copy_with(path="/".join(above) or "/", query=None)
    return str(base).rstrip("/"), str(url.copy_with(path=path))


def _value_of(name: str) -> str:
    return "valueInstant" if name == _INSTANT else "valueString"


def kind_of(value: Any) -> str:
    """A resource type where it is one, else nothing."""
    fits = isinstance(value, str) and value.isascii() and value.isalpha() and len(value) <= 64
    return str(value) if fits else ""
