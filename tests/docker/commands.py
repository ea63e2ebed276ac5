"""Commands that a manifest starts, read by our own command line and not run."""

from collections.abc import Sequence
from typing import Any

import typer


def parsed(app: typer.Typer, words: Sequence[str]) -> dict[str, Any]:
    """The options of a command. Raises click's UsageError where it has no such option."""
    group = typer.main.get_command(app)
    name, *options = words
    with group.make_context("readmit", [name, *options], resilient_parsing=False) as above:  # type: ignore[attr-defined]
        command = group.get_command(above, name)  # type: ignore[attr-defined]
        with command.make_context(name, options, parent=above) as context:
            return dict(context.params)
