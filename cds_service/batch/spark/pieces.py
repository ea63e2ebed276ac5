"""What arrived, cut into pieces that Spark's tasks read: neighbouring files together, a large one in parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cds_service.batch.lines import can_be_cut
from cds_service.batch.sorting import Sorted, Tally, sum_of, tally_of

_PIECE: Final = 64 * 2**20
"""Bytes."""
_MOST: Final = 10_000


@dataclass(frozen=True)
class Part:
    """The lines of a file that begin in [begin, end)."""

    file: Path
    begin: int = 0
    end: int | None = None


Piece = tuple[Part, ...]
"""Whole files, or one part of one."""


def pieces_of(files: Sequence[Path]) -> tuple[Piece, ...]:
    """Every line of the files in one piece; each is 64 MiB, or so much that they are 10,000."""
    sizes = {file: file.stat().st_size for file in files}
    size = max(_PIECE, sum(sizes.values()) // _MOST)
    return tuple(_pieces(sizes, size))


def _pieces(sizes: Mapping[Path, int], size: int) -> Iterator[Piece]:
    together: list[Part] = []
    held = 0
    for file, length in sizes.items():
        if length > size and can_be_cut(file):
            yield from ((Part(file, begin, begin + size),) for begin in range(0, length, size))
            continue
        together.append(Part(file))
        held += length
        if held >= size:
            yield tuple(together)
            together, held = [], 0
    if together:
        yield tuple(together)


def sorted_pieces(pieces: Sequence[Piece], groups: Sequence[Path]) -> Sorted:
    """What became of the lines of all pieces, whose groups are there."""
    tallies = [tally_of(group) for group in groups]
    before = dict(zip(groups, _lines_before(pieces, tallies), strict=True))
    return Sorted(tuple(groups), sum_of(tallies), before)


def _lines_before(pieces: Sequence[Piece], tallies: Sequence[Tally]) -> Iterator[int]:
    """Of the file in which a piece begins, the lines that lie in earlier pieces."""
    before = 0
    for piece, tally in zip(pieces, tallies, strict=True):
        before = before if piece[0].begin else 0
        yield before
        before += tally.lines
