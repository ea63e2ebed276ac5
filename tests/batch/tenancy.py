"""The settings of a site whose one tenant is registered at a fake server."""

import json
from pathlib import Path

from cds_service.dependencies import system_clock
from cds_service.smart.app_keys import new_app_keys, read_app_keys
from tests.batch.bulk_server.state import FakeBulk
from tests.service.stored import KEY


def tenancy(server: FakeBulk, folder: Path) -> dict[str, str]:
    """Environment of `readmit` for the tenant `north`, whose files are put into the folder."""
    server.clock = system_clock
    keys, tenants = folder / "app-keys.json", folder / "tenants.toml"
    keys.write_text(new_app_keys())
    server.register("readmit-batch", json.loads(read_app_keys(keys).public()))
    tenants.write_text(
        f'[[tenant]]\nname = "north"\niss = "https://n.example"\njku = "https://n.example/jwks"\n'
        f'fhir_servers = ["{server.base}"]\n'
        '[tenant.backend]\nclient_id = "readmit-batch"\nalgorithm = "ES384"\n'
    )
    return {
        "READMIT_TENANTS": str(tenants),
        "READMIT_PUBLIC_URL": "https://readmit.example",
        "READMIT_APP_KEYS": str(keys),
        "READMIT_STORAGE_KEYS": f'["{KEY}"]',
    }
