"""Play the corpus against a running service: `python -m tests.corpus http://127.0.0.1:8000`."""

import asyncio
import sys

import httpx

from tests.corpus.play import differences, load, play


async def report(url: str) -> int:
    """Print how each answer differs; the number of answers that do."""
    cases, differing = load(), 0
    async with httpx.AsyncClient(base_url=url, timeout=30.0) as http:
        for name, case in cases.items():
            found = differences(case, await play(http, case))
            differing += bool(found)
            sys.stdout.writelines(f"{name}: {each}\n" for each in found)
    sys.stdout.write(f"{len(cases) - differing} of {len(cases)} as expected\n")
    return differing


if __name__ == "__main__":
    sys.exit(bool(asyncio.run(report(sys.argv[1]))))
