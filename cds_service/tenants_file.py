"""The tenants file: read once at start, checked as a whole; no network, no keys."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cds_service.errors import StartRefusedError
from cds_service.tenants import DEV, Api, Tenant


def load_tenants(path: Path) -> tuple[Tenant, ...]:
    """Every `[[tenant]]` of the file. Raises StartRefusedError naming the tenant and the field."""
    try:
        listed = tomllib.loads(path.read_text("utf-8")).get("tenant", [])
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as wrong:
        raise StartRefusedError(f"{path}: cannot be read as TOML ({wrong})") from None
    if not isinstance(listed, list) or not listed:
        raise StartRefusedError(f"{path}: has no [[tenant]]; then nobody is trusted")
    tenants = tuple(_tenant(path, number, each) for number, each in enumerate(listed, start=1))
    _check_distinct(path, tenants)
    _check_told_apart(path, [each.api for each in tenants if each.api])
    return tenants


def _tenant(path: Path, number: int, fields: Any) -> Tenant:
    try:
        tenant = Tenant.model_validate(fields)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the tenant"
        raise StartRefusedError(f"{path}: tenant {number}: {where}: {first['msg']}") from None
    if tenant.name == DEV:
        raise StartRefusedError(f"{path}: tenant {number}: the name {DEV} is taken by --dev")
    return _beside(path.parent, tenant)


def _beside(folder: Path, tenant: Tenant) -> Tenant:
    """Files that the tenants file names lie beside it."""
    placed: dict[str, Any] = {}
    if tenant.jwks:
        placed["jwks"] = folder / tenant.jwks
    if tenant.smart and tenant.smart.secret_file:
        secret = {"secret_file": folder / tenant.smart.secret_file}
        placed["smart"] = tenant.smart.model_copy(update=secret)
    if tenant.api and tenant.api.secret_file:
        secret = {"secret_file": folder / tenant.api.secret_file}
        placed["api"] = tenant.api.model_copy(update=secret)
    return tenant.model_copy(update=placed)


def _check_distinct(path: Path, tenants: Iterable[Tenant]) -> None:
    seen: set[tuple[str, str]] = set()
    for tenant in tenants:
        for key in (("name", tenant.name), ("iss and jku", f"{tenant.iss} {tenant.jku}")):
            if key in seen:
                raise StartRefusedError(f"{path}: two tenants have the same {key[0]}")
            seen.add(key)


def _check_told_apart(path: Path, apis: Sequence[Api]) -> None:
    """A token must lead to one tenant, by what it says of itself or because no other asks."""
    if sum(each.introspection is not None for each in apis) > 1:
        raise StartRefusedError(
            f"{path}: api.introspection: two tenants have it, and an opaque token does not say"
            " whose it is. Let all but one use jwks_uri."
        )
    pairs = [(each.issuer, each.audience) for each in apis]
    if len(set(pairs)) < len(pairs):
        raise StartRefusedError(f"{path}: api: two tenants have the same issuer and audience")
