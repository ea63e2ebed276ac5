"""Who is trusted, settled once at start: the tenants of a file, or under --dev this machine."""

from cds_service.addresses import is_loopback
from cds_service.errors import StartRefusedError
from cds_service.settings import Settings
from cds_service.tenants import Tenant, dev_tenant
from cds_service.tenants_file import load_tenants


def tenants_of(settings: Settings) -> tuple[Tenant, ...]:
    """Those who are served. Raises StartRefusedError where nobody would be, or anybody."""
    if settings.tenants is None:
        _check_dev(settings)
        return (dev_tenant(settings.profile, settings.base_rate, address=settings.address),)
    _check_tenants(settings)
    return load_tenants(settings.tenants)


def _check_dev(settings: Settings) -> None:
    if not settings.dev:
        raise StartRefusedError(
            "nobody is trusted: name the clients in READMIT_TENANTS (docs/reference/tenants.md),"
            " or use --dev to try it on this machine."
        )
    if not is_loopback(settings.host):
        raise StartRefusedError(
            f"--host {settings.host}: under --dev it listens on loopback only, for nobody proves"
            " who he is. Use 127.0.0.1, ::1 or localhost, or name READMIT_TENANTS."
        )


def _check_tenants(settings: Settings) -> None:
    if settings.dev:
        raise StartRefusedError(
            "--dev and READMIT_TENANTS: under --dev anybody on this machine is served, without a"
            " token. Choose one of the two."
        )
    if settings.public_url is None:
        raise StartRefusedError(
            "READMIT_PUBLIC_URL is needed with READMIT_TENANTS: tokens name the address that the"
            " client calls, as it is seen from outside."
        )
    if not settings.storage_keys:
        raise StartRefusedError(
            "READMIT_STORAGE_KEYS is needed with READMIT_TENANTS: inputs and comments are stored"
            " encrypted. `readmit new-key` makes a key."
        )
