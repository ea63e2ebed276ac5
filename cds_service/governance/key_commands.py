"""`readmit new-key` and `readmit rewrap`: the keys that sealed contents are stored with."""

import asyncio

import typer

from cds_service.environment import settings_from
from cds_service.errors import StartRefusedError
from cds_service.governance.opening import opened, refusals_said, say
from cds_service.settings import Settings
from cds_service.storage.rewrapping import rewrap_some
from cds_service.storage.vault import new_key


def new_key_command() -> None:
    """Print a new storage key. Put it first in READMIT_STORAGE_KEYS and keep the others after it."""
    typer.echo(new_key())


def rewrap_command() -> None:
    """Store every record's key anew under the first storage key; then the others can go."""
    with refusals_said():
        settings = settings_from({})
        if not settings.storage_keys:
            raise StartRefusedError("READMIT_STORAGE_KEYS: needed; the first one encrypts")
        found = asyncio.run(_rewrap(settings))
    say(f"{found} sealed records are under the first storage key")


async def _rewrap(settings: Settings) -> int:
    rewrapped, last = 0, ""
    async with opened(settings) as store:
        while True:
            async with store.database.writing() as connection:
                page = await rewrap_some(connection, store.vault, after=last)
            if not page:
                return rewrapped
            rewrapped, last = rewrapped + len(page), page[-1]
