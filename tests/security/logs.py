"""What the service wrote of a call: its one line, and whether any text got out that must not."""

import json
from collections.abc import Iterable
from typing import Any

import pytest


def lines(written: str) -> list[dict[str, Any]]:
    """The JSON lines of standard error."""
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


def answered(written: str) -> dict[str, Any]:
    """The line of the last call."""
    return [line for line in lines(written) if line["event"] == "answered"][-1]


def leaked(secrets: Iterable[str], written: str, logged: pytest.LogCaptureFixture) -> list[str]:
    """Those of the secrets that were written anywhere."""
    records = [record.getMessage() + (record.exc_text or "") for record in logged.records]
    everything = "\n".join((written, *records))
    return [secret for secret in secrets if secret in everything]
