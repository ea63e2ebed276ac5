"""Files that are there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from polars.exceptions import PolarsError

from cds_service.batch.errors import BatchError

_REFUSED: Final = (OSError, PolarsError)
"""A full disk is not always an OSError: polars has words of its own for it."""


@contextmanager
def drafted(file: Path, attempt: str = "") -> Iterator[Path]:
    """Where to write; it becomes `file` when the block ends well, and is removed when not.

    `attempt` tells processes apart that may write the same. Raises BatchError where it cannot be
    written.
    """
    draft = file.with_name(f".{file.name}{attempt}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(file)
    except _REFUSED as wrong:
        raise BatchError(
            file.name,
            f"cannot be written ({getattr(wrong, 'strerror', None) or 'input/output error'}).",
            "Free space or give leave to write there, and run the same command again.",
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
