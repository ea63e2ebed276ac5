"""Discharge summaries as chunks of token ids, with what the frozen layers make of them on disk.

Frozen layers' outputs are kept in blocks, each written whole, so that a killed run goes on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.notes import clean
from model.text import TextEncoder, chunk, pack
from training.errors import RunError
from training.subjects import Progress
from training.writing import write_bytes

_BLOCK = 128  # chunks in one file


@dataclass
class Corpus:
    """`ids`: every chunk's token ids; `starts`: (notes + 1,) where each note's chunks begin.

    `states`: frozen layers' outputs, one (tokens, width) array a chunk; None: made when needed.
    """

    ids: list[Tensor]
    starts: list[int]
    states: list[NDArray[numpy.float32]] | None = None

    def chunks_of(self, notes: Sequence[int]) -> tuple[list[int], Tensor]:
        """Chunk numbers of these notes in order, and for each the position of its note."""
        chunks: list[int] = []
        note_of: list[int] = []
        for position, note in enumerate(notes):
            span = range(self.starts[note], self.starts[note + 1])
            chunks.extend(span)
            note_of.extend([position] * len(span))
        return chunks, torch.tensor(note_of)

    def length(self, number: int) -> int:
        """Tokens of a chunk."""
        return len(self.ids[number])

    def tokens(self, number: int) -> Tensor:
        """Token ids of a chunk."""
        return self.ids[number]

    def prefixes(self, chunks: Sequence[int], device: torch.device) -> list[Tensor] | None:
        """What the first trainable layer receives, where it is kept."""
        if self.states is None:
            return None
        kept = [self.states[each] for each in chunks]
        together = torch.from_numpy(numpy.concatenate(kept)).to(device)
        return list(torch.split(together, [len(each) for each in kept]))

    def on(self, device: torch.device) -> "Corpus":
        """The same notes with their token ids on the device; `states` stay on disk."""
        together = torch.cat(self.ids).to(device)
        ids = list(torch.split(together, [len(each) for each in self.ids]))
        return Corpus(ids, self.starts, self.states)


def tokenise(tokenizer: Any, texts: Sequence[str], most: int | None) -> Corpus:
    """Clean each text and cut it into chunks."""
    ids: list[Tensor] = []
    starts = [0]
    for text in texts:
        ids.extend(chunk(tokenizer, clean(text), most=most))
        starts.append(len(ids))
    return Corpus(ids, starts)


def keep_prefixes(corpus: Corpus, encoder: TextEncoder, folder: Path, progress: Progress) -> None:
    """Fill `states` from disk, making what is not there yet. Raises RunError on a full disk."""
    corpus.states = []
    for start in range(0, len(corpus.ids), _BLOCK):
        progress("frozen text layers", start, len(corpus.ids))
        block = corpus.ids[start : start + _BLOCK]
        file = folder / f"{_digest(block)}.npy"
        if not file.exists():
            _write_block(file, block, encoder)
        corpus.states.extend(_read_block(file, [len(ids) for ids in block]))
    progress("frozen text layers", len(corpus.ids), len(corpus.ids))


def _write_block(file: Path, block: Sequence[Tensor], encoder: TextEncoder) -> None:
    states: list[Tensor] = [torch.empty(0)] * len(block)
    device = next(encoder.parameters()).device
    for members in pack([len(ids) for ids in block], 8192):
        made = encoder.prefix([block[index].to(device) for index in members])
        for index, state in zip(members, made, strict=True):
            states[index] = state.cpu()
    write_bytes(file, torch.cat(states).numpy().tobytes())


def _read_block(file: Path, lengths: Sequence[int]) -> list[NDArray[numpy.float32]]:
    tokens = sum(lengths)
    try:
        flat = numpy.memmap(file, dtype=numpy.float32, mode="r")
        table = flat.reshape(tokens, -1)
    except (OSError, ValueError) as error:
        remedy = "Delete the file and start the same command again"
        raise RunError(file, "is not what was written", remedy) from error
    ends = numpy.cumsum(lengths)[:-1]
    return numpy.split(table, ends)


def _digest(block: Sequence[Tensor]) -> str:
    """Files of other texts are never taken for these."""
    summed = hashlib.sha256()
    for ids in block:
        summed.update(len(ids).to_bytes(4, "big") + ids.numpy().tobytes())
    return summed.hexdigest()[:32]
