"""A source received in a process of its own, to be killed: `python -m tests.batch.arriving ADDRESS FOLDER KEYS`."""

import asyncio
import sys
from hashlib import sha256
from pathlib import Path

from cds_service.batch.calling.backend import BackendTokens, Registered
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.export import TYPES, arrive_by_export
from cds_service.batch.sources.searching.asking import asked_of, base_of, is_export
from cds_service.batch.sources.searching.search import arrive_by_search
from cds_service.dependencies import system_clock
from cds_service.fhir_server import outgoing_client
from cds_service.smart.app_keys import read_app_keys


async def arrive(address: str, folder: Path, keys: Path) -> None:
    key = read_app_keys(keys).signing("ES384")
    assert key
    async with outgoing_client() as http:
        own = Registered("readmit-batch", "ES384", key)
        tokens = BackendTokens(http, base_of(address), own, reads=TYPES, clock=system_clock)
        around = {"folder": folder, "http": http, "clock": system_clock, "tokens": tokens}
        if is_export(address):
            arrived = await arrive_by_export(address, **around)
        else:
            arrived = await arrive_by_search(asked_of(address, Choice(), (), None), **around)
    lines = b"".join(sorted(line for path in arrived.files for line in path.open("rb")))
    sys.stdout.write(f"{len(arrived.files)} {arrived.deleted} {sha256(lines).hexdigest()}")


asyncio.run(arrive(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
