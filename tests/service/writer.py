"""Another process that writes assessments: `python -m tests.service.writer URL TENANT COUNT`.

Prints the id of each once it is acknowledged. COUNT 0: until it is killed.
"""

import asyncio
import sys
from itertools import count

from tests.service.stored import add, new_uuid, opened


async def write(url: str, tenant: str, wanted: int) -> None:
    store = opened(url)
    for number in count(1):
        row = await add(store, tenant, encounter_id=new_uuid())
        sys.stdout.write(f"{row['uuid']}\n")
        sys.stdout.flush()
        if number == wanted:
            break
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
