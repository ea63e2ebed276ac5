"""A source received in a process of its own, killed at a request, and received again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.batch.bulk_server.state import FakeBulk, system_now
from tests.batch.exporting import CLIENT_ID
from tests.conftest import ROOT
from tests.security.clients import signing_key


def received(server: FakeBulk, address: str, folder: Path, *, at: int) -> bytes:
    """What the second call says that came; the first was killed at request number `at`, 0: never."""
    server.clock = system_now
    server.seen.clear()
    started: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        if len(server.seen) == at:
            os.kill(started[0].pid, signal.SIGKILL)

    server.on_request = kill
    started.append(_started(server, address, folder))
    started[0].communicate()
    assert started[0].returncode == (-signal.SIGKILL if at else 0)
    server.on_request = lambda: None
    again = _started(server, address, folder)
    said, _ = again.communicate()
    assert again.returncode == 0
    return said


def _started(server: FakeBulk, address: str, folder: Path) -> "subprocess.Popen[bytes]":
    key, keys = signing_key("batch-key"), folder.with_suffix(".json")
    server.register(CLIENT_ID, {"keys": [key.as_dict(private=False)]})
    keys.write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    command = [sys.executable, "-m", "tests.batch.arriving", address, str(folder), str(keys)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
