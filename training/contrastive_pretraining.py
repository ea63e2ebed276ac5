"""Stage 2: a stay's record and its discharge summary are brought together (model/contrastive.py).

The loss sees the embeddings of the whole batch, of all processes, as leaves; each process then
carries the gradient of its own rows back. So global negatives and gradient caching (Gao et al.
2021, arXiv 2101.06983) are one mechanism.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.contrastive import LogitScale, ProjectionHead, info_nce, retrieval_at_1
from model.tabnet import TabNetEncoder
from model.text import TextEncoder, pack
from training.fitting.batches import one_stay_each
from training.fitting.world import World
from training.notes_corpus import Corpus
from training.settings import Alignment


class TwoTowers(nn.Module):
    """Both towers with their projections, and the scale."""

    def __init__(self, encoder: TabNetEncoder, text: TextEncoder) -> None:
        super().__init__()
        self.encoder, self.text = encoder, text
        self.project_record = ProjectionHead(encoder.config.output)
        self.project_text = ProjectionHead(text.width)
        self.logit_scale = LogitScale()

    def records(self, prepared: Tensor) -> Tensor:
        """(rows, columns) -> (rows, 128)."""
        projected: Tensor = self.project_record(self.encoder(prepared).embedding)
        return projected


class Contrast:
    """The symmetric loss of a batch in which no patient occurs twice."""

    def __init__(
        self,
        module: TwoTowers,
        train: tuple[Tensor, Corpus, Sequence[str]],
        selection: tuple[Tensor, Corpus],
        *,
        settings: Alignment,
        world: World,
    ) -> None:
        """train: (rows, columns) prepared on the module's device, the notes of the same rows, their
        patients."""
        self.module = module
        self._prepared, notes, self._subjects = train
        self._notes = notes.on(self._prepared.device)
        self._selection = selection[0], selection[1].on(selection[0].device)
        self._settings, self._world = settings, world

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """No two stays of a patient in one."""
        return one_stay_each(self._subjects, self._settings.fit.batch, generator)

    def backward(self, rows: Tensor, generator: torch.Generator) -> float:
        """Loss over all processes' rows; gradients of this one's."""
        own = self._world.share(rows)
        records = self.module.records(self._prepared[own])
        with torch.set_grad_enabled(not self._settings.gradient_caching):
            texts = self._texts(self._notes, own)
        gathered = [self._world.gather(part).requires_grad_() for part in (records, texts)]
        loss = info_nce(gathered[0], gathered[1], self.module.logit_scale()) / self._world.size
        loss.backward()  # type: ignore[no-untyped-call]
        slopes = [self._own_part(part.grad, len(rows)) * self._world.size for part in gathered]
        records.backward(slopes[0])  # type: ignore[no-untyped-call]
        self._carry_back(own, texts, slopes[1])
        return float(loss.detach()) * self._world.size

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """All selection stays as one batch: loss, and how often the nearest text is the own."""
        prepared, notes = self._selection
        records = self.module.records(prepared)
        texts = self._texts(notes, torch.arange(len(prepared)))
        loss = float(info_nce(records, texts, self.module.logit_scale()))
        found = retrieval_at_1(records.cpu(), texts.cpu())
        return {"selection": -loss, "tuning_loss": loss, "tuning_retrieval_at_1": found}

    def _own_part(self, gradient: Tensor | None, rows: int) -> Tensor:
        assert gradient is not None  # noqa: S101 - the loss depends on both
        return self._world.share(gradient)

    def _texts(self, notes: Corpus, rows: Tensor) -> Tensor:
        """(rows, 128): chunks in packs of like length, then the mean of a note's [CLS]."""
        chunks, note_of = notes.chunks_of(rows.tolist())
        cls: list[Tensor] = [torch.empty(0)] * len(chunks)
        for members in pack([notes.length(chunk) for chunk in chunks], self._settings.pack):
            for index, row in zip(members, self._encode(notes, chunks, members), strict=True):
                cls[index] = row
        return self._pooled(torch.stack(cls), note_of, len(rows))

    def _encode(self, notes: Corpus, chunks: Sequence[int], members: Sequence[int]) -> Tensor:
        chosen = [chunks[index] for index in members]
        kept = notes.prefixes(chosen, self._prepared.device)
        encoded: Tensor = self.module.text([notes.tokens(chunk) for chunk in chosen], kept)
        return encoded

    def _pooled(self, cls: Tensor, note_of: Tensor, notes: int) -> Tensor:
        summed = cls.new_zeros(notes, cls.shape[1]).index_add(0, note_of.to(cls.device), cls)
        counts = torch.bincount(note_of, minlength=notes).to(cls).unsqueeze(1)
        projected: Tensor = self.module.project_text(summed / counts)
        return projected

    def _carry_back(self, own: Tensor, texts: Tensor, slope: Tensor) -> None:
        """Gradient caching: notes again, few at a time, each with its row of the gradient."""
        if not self._settings.gradient_caching:
            texts.backward(slope)  # type: ignore[no-untyped-call]
            return
        for rows, part in zip(torch.split(own, _NOTES), torch.split(slope, _NOTES), strict=True):
            self._texts(self._notes, rows).backward(part)  # type: ignore[no-untyped-call]


_NOTES = 8  # carried back at once under gradient caching
