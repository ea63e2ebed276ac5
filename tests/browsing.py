"""Chromium, and `readmit serve` as a process of its own, for tests that click through pages."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Playwright,
    sync_playwright,
)

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "tests" / "screenshots"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60


@contextmanager
def chromium() -> Iterator[tuple[Playwright, Browser]]:
    """Headless. Without a Chromium the test is skipped, under CI it fails."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=CHROMIUM_ARGS)
        yield playwright, browser
        browser.close()


@contextmanager
def chromium_with(
    playwright: Playwright, folder: Path, preferences: Mapping[str, object]
) -> Iterator[BrowserContext]:
    """A Chromium whose user has chosen these settings."""
    file = folder / "Default" / "Preferences"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(preferences))
    context = playwright.chromium.launch_persistent_context(
        folder, executable_path=executable(), args=CHROMIUM_ARGS
    )
    yield context
    context.close()


def executable() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    message = "no Chromium here: install Debian's package `chromium` to run the page's tests"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def watched(page: Page) -> Iterator[Page]:
    """The page, closed afterwards; a dialog, a script error or a breach of its policy is an error."""
    noticed: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        noticed.append(dialog.message)
        dialog.dismiss()

    def hear(line: ConsoleMessage) -> None:
        if "Content Security Policy" in line.text or "Uncaught" in line.text:
            noticed.append(line.text)

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: noticed.append(str(error)))
    page.on("console", hear)
    yield page
    page.close()
    assert noticed == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(
    folder: Path, port: int, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """`readmit serve` on a port of loopback, with an empty database; its log is service.log."""
    start = [sys.executable, "-c", "from cds_service.cli import app; app()", "serve"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    database = ["--database", f"sqlite+aiosqlite:///{folder / 'readmit.sqlite'}"]
    address = f"http://127.0.0.1:{port}"
    with (folder / "service.log").open("w+") as log:
        command = [*start, *where, *database, *options]
        with _running(command, log, dict(environment or {})) as process:
            _wait_for(f"{address}/health/live", process, Path(log.name))
            yield address


@contextmanager
def _running(
    command: list[str], log: IO[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=os.environ | environment
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(address, timeout=5):  # noqa: S310 - our own loopback address
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"the service did not start:\n{log.read_text()[-3000:]}")
