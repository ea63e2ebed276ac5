"""What a process that will be killed runs: `readmit`, with the environment that it is given."""

import os
from collections.abc import Mapping, Sequence

from typer.testing import CliRunner

from cds_service.batch import run
from cds_service.cli import app

SHARE = 750
"""So little memory for a shard that a small export has several."""


def one_run(words: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    run._SHARE = SHARE  # type: ignore[misc]
    os._exit(CliRunner().invoke(app, words).exit_code)
