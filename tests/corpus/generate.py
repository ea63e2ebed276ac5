"""Write the files of the corpus: `python -m tests.corpus.generate`. What they mean is in README.md."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.corpus.makers import (
    access,
    envelope,
    prefetch,
    resources,
    searchsets,
    stays,
    times,
    values,
    whose,
    wire,
)

REQUESTS = Path(__file__).parent / "requests"
FAMILIES: tuple[ModuleType, ...] = (
    envelope,
    access,
    wire,
    prefetch,
    searchsets,
    whose,
    stays,
    times,
    values,
    resources,
)


def files() -> Iterator[tuple[Path, str]]:
    """Each file's path in the corpus and its text."""
    for family in FAMILIES:
        folder = family.__name__.rpartition(".")[2]
        for case in family.cases():
            yield Path(folder) / f"{case.name}.json", case.text(folder)


def main() -> int:
    """Write them all anew."""
    shutil.rmtree(REQUESTS, ignore_errors=True)
    written = list(files())
    for path, text in written:
        (REQUESTS / path).parent.mkdir(parents=True, exist_ok=True)
        (REQUESTS / path).write_text(text, "utf-8")
    sys.stdout.write(f"{len(written)} requests in {REQUESTS.name}/\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
