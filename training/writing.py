"""How training writes a file: whole or not at all; a full disk is a sentence with a remedy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars

from training.errors import RunError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside and rename: `path` is there whole or as it was. Raises RunError."""
    draft = path.with_name(f".{path.name}.part")
    with writable(path):
        try:
            write(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """`content` whole or not at all. Raises RunError."""
    write_whole(path, lambda draft: draft.write_bytes(content))


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Raise RunError for what the file system refuses."""
    try:
        yield
    except (OSError, polars.exceptions.PolarsError) as wrong:
        said = getattr(wrong, "strerror", None) or type(wrong).__name__
        remedy = "Free space or give write access, then start the same command again: it resumes"
        raise RunError(path, f"cannot be written ({said})", remedy) from wrong
