"""What a batch left at its end, without what says which run it was and when."""

import json
from pathlib import Path
from typing import Any

import polars

from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from tests.service.tampering import found


def outputs(folder: Path, run: str = "run") -> dict[str, Any]:
    """Of `out.parquet`, `out.ndjson` and `out.csv` in the folder, and what the run put aside."""
    table = polars.read_parquet(folder / "out.parquet").sort("uuid")
    lines = (folder / "out.ndjson").read_text("utf-8").splitlines()
    return {
        "uuids": table["uuid"].to_list(),
        "rows": table.drop("hook_instance", "created_at").rows(),
        "rows of the csv": len(polars.read_csv(folder / "out.csv")),
        "resources": sorted(json.loads(line)["id"] for line in lines),
        "aside": (folder / run / "aside.ndjson").read_bytes(),
    }


async def stored(url: str) -> list[str]:
    """The ids of what is in the store, whose chain is whole."""
    store = Store(url, Vault())
    async with store.database.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT uuid FROM assessment")
        uuids = sorted(uuid for (uuid,) in rows)
    assert await found(store) == []
    await store.close()
    return uuids
