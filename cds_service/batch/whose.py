"""Whose patients a command is about: the tenant that an operator names."""

from cds_service.batch.errors import BatchError
from cds_service.settings import Settings
from cds_service.tenants import Tenant, dev_tenant
from cds_service.tenants_file import load_tenants


def tenant_named(settings: Settings, name: str | None) -> Tenant:
    """A tenant of the tenants file; without a file the only one there is. Raises BatchError or
    StartRefusedError."""
    if settings.tenants is None:
        if name is not None:
            raise BatchError("--tenant", "there are none.", "Set READMIT_TENANTS.")
        return dev_tenant(settings.profile, settings.base_rate, address=settings.address)
    tenants = {each.name: each for each in load_tenants(settings.tenants)}
    if name not in tenants:
        raise BatchError("--tenant", "names no tenant.", f"Known: {', '.join(tenants)}.")
    return tenants[name]
