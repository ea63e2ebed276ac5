"""What pyproject.toml asks for, one a line, with the extras named: layers of an image without the code."""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path


def requirements(pyproject: Path, extras: Sequence[str]) -> list[str]:
    """What builds the package and what it needs to run. Raises KeyError for an extra that is not there."""
    told = tomllib.loads(pyproject.read_text("utf-8"))
    named = told["project"]["optional-dependencies"]
    wanted = [*told["build-system"]["requires"], *told["project"]["dependencies"]]
    return [*wanted, *(each for extra in extras for each in named[extra])]


if __name__ == "__main__":
    print("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])))
