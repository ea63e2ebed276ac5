"""Run the service until it is told to stop: in this process, or in several workers on one port.

SIGTERM drains: no new connection is taken, what was accepted is answered, the exit status is 0.
"""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import uvicorn

from cds_service.errors import StartRefusedError
from cds_service.settings import Settings
from cds_service.storage.database import Database
from cds_service.storage.vault import new_key

if TYPE_CHECKING:
    from fastapi import FastAPI

DRAIN_S = 30
"""How long an accepted request may still take once the service is told to stop."""
_HUNG_S = 30
"""A worker silent for so long is replaced; the largest body keeps one busy for some seconds."""
_SECRET = {"storage_keys"}
"""Never an option: the workers find it in the environment, where it came from."""


def run(settings: Settings, *, announce: Callable[[], None]) -> None:
    """Check everything, announce, serve. Raises StartRefusedError before anything is served."""
    how: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_level": "warning",
        "access_log": False,
        "timeout_graceful_shutdown": DRAIN_S,
    }
    with _stopped_by_sigterm():
        if settings.workers == 1:
            _run_here(settings, announce, how)
        else:
            _run_workers(settings, announce, how)


def app_from_environment() -> "FastAPI":
    """What each worker serves: the settings reach it through the environment."""
    from cds_service.app import create_app

    return create_app(Settings())


def check(settings: Settings) -> None:
    """Load and verify what is to be served, and migrate the store. Raises StartRefusedError."""
    _prepared(settings)


def _prepared(settings: Settings) -> "FastAPI":
    from cds_service.app import create_app

    application = create_app(settings)
    _check_port(settings)
    asyncio.run(_migrate(settings.database))
    return application


def _run_here(settings: Settings, announce: Callable[[], None], how: dict[str, Any]) -> None:
    application = _prepared(settings)
    announce()
    uvicorn.run(application, **how)


def _run_workers(settings: Settings, announce: Callable[[], None], how: dict[str, Any]) -> None:
    """Checked in a process that ends: this one only watches, and need not hold the bundles."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as aside:
        aside.submit(check, settings).result()
    with tempfile.TemporaryDirectory(prefix="readmit-metrics-") as counted:
        os.environ |= environment_of(settings) | {"PROMETHEUS_MULTIPROC_DIR": counted}
        if not settings.storage_keys:  # one for all: what one worker seals another must open
            os.environ["READMIT_STORAGE_KEYS"] = json.dumps([new_key()])
        announce()
        uvicorn.run(
            f"{__name__}:{app_from_environment.__name__}",
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=_HUNG_S,
            **how,
        )


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings that were given, as the variables that give them again."""
    given = settings.model_dump(
        mode="json", include=settings.model_fields_set, exclude=_SECRET, exclude_none=True
    )
    return {
        f"READMIT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """uvicorn repeats the signal that stopped it when it has drained: an end, not a failure."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_port(settings: Settings) -> None:
    """Say so before announcing an address that another process answers."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as wrong:
            why = f"--host {settings.host} --port {settings.port}: {wrong.strerror}"
            if wrong.errno == errno.EADDRINUSE:
                why = f"port {settings.port} is taken; choose another with --port"
            raise StartRefusedError(why) from None


async def _migrate(database: str) -> None:
    """Before serving, so that a store which cannot be opened is a sentence and not a traceback."""
    store = Database(database)
    await store.migrate()
    await store.close()
