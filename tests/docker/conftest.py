"""The tools that look at docker/: absent they skip, under CI they fail."""

from pathlib import Path

import pytest

from tests.conftest import UNDER_CI
from tests.docker.reading import ROOT


@pytest.fixture(scope="session")
def tools() -> Path:
    commands = ROOT / ".venv-tools" / "bin"
    if (commands / "python").exists():
        return commands
    message = "the tools that look at docker/ are not here: make tools"
    if UNDER_CI:
        pytest.fail(message)
    pytest.skip(message)
