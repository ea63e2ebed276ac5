"""The service as its own processes, for what only those can show: workers, restarts, real sockets."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from cds_service.app import create_app
from cds_service.settings import READMISSION, Settings
from tests.security.clients import PUBLIC, ROOT, STORAGE_KEY, Ehr, tenants_file
from tests.service.patients import database

START_SECONDS = 60.0


def application() -> FastAPI:
    """What uvicorn starts: everything else is in the environment."""
    return create_app(Settings())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(folder: Path, *ehrs: Ehr, workers: int = 1) -> Iterator[str]:
    """The address of a service that trusts these EHRs; all of them on one folder share a database."""
    port = free_port()
    command = [
        "-m",
        "uvicorn",
        "tests.security.served:application",
        "--factory",
        "--port",
        str(port),
    ]
    how = ["--workers", str(workers), "--no-access-log", "--log-level", "warning"]
    environment = {
        "READMIT_TENANTS": str(tenants_file(folder, *ehrs)),
        "READMIT_PUBLIC_URL": PUBLIC,
        "READMIT_STORAGE_KEYS": json.dumps([STORAGE_KEY]),
        "READMIT_DATABASE": database(folder),
        "READMIT_BUNDLES": json.dumps({READMISSION: "bundles/lace-hospital"}),
        "PYTHONPATH": str(ROOT),
    }
    with (folder / f"{port}.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, *command, *how],
            cwd=ROOT, env=os.environ | environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, folder / f"{port}.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/health/live").status_code:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail(f"the service did not start:\n{log.read_text()[-3000:]}")
