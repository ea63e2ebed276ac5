"""What a search asks for: its parameters read, its next page sealed. No database.

FHIR R4, Search: `patient=123` and `patient=Patient/123` are one; what we do not know is left out, as
the `self` link then shows, unless the client prefers strict handling. A link to the next page names
no patient: it carries the search sealed, for the same tenant and an hour.
"""

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from cds_service.addresses import listed
from cds_service.errors import ParameterError, UnsealError
from cds_service.storage.vault import Sealed, Vault
from cds_service.tenants import Tenant

MOST: Final = 100
USUAL: Final = 20
PAGE: Final = "page"
_KEPT: Final = timedelta(hours=1)
Parameters = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Search:
    """`server`: whose id that is, None where it was not said. `before`: where the page before ended.
    `limit` 0: only how many there are."""

    patient_id: str
    server: str | None = None
    since: datetime | None = None
    limit: int = USUAL
    before: int | None = None


def json_search(given: Parameters, tenant: Tenant) -> Search:
    """`patient`, `since`, `count`. Raises ParameterError for any other."""
    _check_known(given, ("patient", "since", "count"))
    since = _one(given, "since")
    return Search(
        *_patient(given, tenant),
        _moment(since) if since is not None else None,
        max(_count(given, "count"), 1),
    )


def fhir_search(given: Parameters, tenant: Tenant, *, strict: bool) -> Search:
    """`patient` and `_count`. Raises ParameterError."""
    if strict:
        _check_known(given, ("patient", "_count", "_format"))
    return Search(*_patient(given, tenant), None, _count(given, "_count"))


def self_query(search: Search) -> str:
    """The parameters that were understood, as the `self` link of a searchset says them."""
    base = f"{search.server}/" if search.server else ""
    patient = f"{base}Patient/{search.patient_id}"
    return urlencode({"patient": patient, "_count": search.limit}, safe="/")


def sealed_page(search: Search, before: int, tenant: Tenant, *, vault: Vault, now: datetime) -> str:
    """The next page of a search, as a parameter that says nothing."""
    sealed = vault.seal(_subject(tenant), asdict(replace(search, before=before)) | {"at": now})
    return f"{sealed.wrapped_key.decode()}.{base64.urlsafe_b64encode(sealed.content).decode()}"


def opened_page(page: str, tenant: Tenant, *, vault: Vault, now: datetime) -> Search:
    """The search that goes on. Raises ParameterError."""
    key, _, content = page.partition(".")
    try:
        sealed = Sealed(key.encode("ascii"), base64.urlsafe_b64decode(content.encode("ascii")))
        kept: dict[str, Any] = vault.unseal(_subject(tenant), sealed)
    except (UnsealError, binascii.Error, ValueError):
        raise _stale() from None
    if now - datetime.fromisoformat(kept.pop("at")) > _KEPT:
        raise _stale()
    since = kept.pop("since")
    return Search(**kept, since=datetime.fromisoformat(since) if since else None)


def _subject(tenant: Tenant) -> str:
    return f"page of {tenant.name}"


def _stale() -> ParameterError:
    return ParameterError(PAGE, "not a page of yours, or over an hour old.", "Search again.")


def _patient(given: Parameters, tenant: Tenant) -> tuple[str, str | None]:
    """The id of `123`, `Patient/123`, or the whole address on a server of the tenant's; and which,
    where there are several."""
    said = _one(given, "patient")
    if not said:
        raise ParameterError("patient", "is needed.", "Name one: patient=123 or Patient/123.")
    before, _, name = said.rpartition("Patient/")
    server = listed(before, tenant.fhir_servers) if before else None
    if before and server is None:
        raise ParameterError(
            "patient", "names a server that is none of this site's.", "Name the patient by id."
        )
    if not name or "," in name:
        raise ParameterError("patient", "must be one id.", "Search for one patient at a time.")
    return name, server if len(tenant.fhir_servers) > 1 else None


def _count(given: Parameters, name: str) -> int:
    said = _one(given, name)
    if said is None:
        return USUAL
    if not (said.isascii() and said.isdecimal()) or len(said) > 9:
        raise ParameterError(name, "is no number.", f"Give one from 0 to {MOST}.")
    return min(int(said), MOST)


def _moment(said: str) -> datetime:
    try:
        moment = datetime.fromisoformat(said.replace(" ", "+"))  # a + that was not escaped
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day have times that UTC has not
        pass
    raise ParameterError("since", "is no time with its zone.", "Write it as 2026-11-21T08:00:00Z.")


def _one(given: Parameters, name: str) -> str | None:
    values = given.get(name, ())
    if len(values) > 1:
        raise ParameterError(name, "is given more than once.", "Give it once.")
    return values[0] if values else None


def _check_known(given: Parameters, known: Collection[str]) -> None:
    if any(name not in known for name in given):
        raise ParameterError("query", "has an unknown parameter.", f"Known: {', '.join(known)}.")
