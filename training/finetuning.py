"""Stage 3: the encoder and a head learn the label; several members, averaged as logits later."""

from collections.abc import Sequence

import numpy
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from model.classifier import Classifier
from model.masking import Layout, hide_concepts
from training.fitting.batches import shuffled
from training.fitting.world import World
from training.settings import Finetuning

_ROWS = 4096  # evaluated at once


class Classification:
    """Mean cross-entropy of a batch, and the masks' entropy where it has a weight."""

    def __init__(
        self,
        module: Classifier,
        train: tuple[Tensor, Tensor],
        selection: tuple[Tensor, Tensor],
        *,
        settings: Finetuning,
        layout: Layout,
        world: World,
    ) -> None:
        """train, selection: (rows, columns) prepared and (rows, outputs) labels, the auxiliary
        one NaN where it is not known, on the module's device."""
        self.module = module
        self._train, self._selection = train, selection
        self._settings, self._layout, self._world = settings, layout, world

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """All rows once."""
        return shuffled(len(self._train[0]), self._settings.fit.batch, generator)

    def backward(self, rows: Tensor, generator: torch.Generator) -> float:
        """Inputs may be hidden at random, as in pretraining; drawn for the whole batch."""
        own = self._world.share(rows)
        inputs = self._train[0][own]
        if self._settings.drop:
            hidden = hide_concepts(len(rows), self._layout, self._settings.drop, generator)
            hidden = self._world.share(hidden).to(inputs.device)
            inputs = inputs.masked_fill(hidden, float("nan"))
        encoded = self.module.encoder(inputs)
        logits = self.module.head(encoded.embedding)
        loss = self._loss(logits, self._train[1][own])
        share = len(own) / len(rows)
        (share * (loss + self._settings.sparsity * encoded.sparsity)).backward()
        return float(self._world.total(share * loss.detach()))

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        first, *others = (
            functional.binary_cross_entropy_with_logits(
                logits[:, index], labels[:, index].nan_to_num(0.0), reduction="none"
            )
            for index in range(labels.shape[1])
        )
        for index, losses in enumerate(others, start=1):
            known = ~labels[:, index].isnan()
            first = first + self._settings.auxiliary_weight * losses * known
        return first.mean()

    def evaluate(self) -> dict[str, float]:
        """Cross-entropy selects: it is a proper score and steadier than a rank."""
        inputs, labels = self._selection[0], self._selection[1][:, 0]
        logits = logits_of(self.module, inputs)
        loss = float(functional.binary_cross_entropy_with_logits(logits, labels))
        metrics = {"selection": -loss, "tuning_loss": loss}
        if 0 < int(labels.sum()) < len(labels):
            metrics["tuning_auroc"] = float(roc_auc_score(labels.cpu(), logits.cpu()))
        return metrics


@torch.no_grad()
def logits_of(module: Classifier, inputs: Tensor) -> Tensor:
    """(rows,) in evaluation mode."""
    module.eval()
    return torch.cat([module(rows) for rows in torch.split(inputs, _ROWS)])


def resampled(subjects: NDArray[numpy.str_], seed: int) -> NDArray[numpy.int64]:
    """Rows of a bootstrap of patients: as many draws as there are patients, all stays of each."""
    patients, of_row = numpy.unique(subjects, return_inverse=True)
    drawn = numpy.random.default_rng(seed).integers(len(patients), size=len(patients))
    rows_of = numpy.split(
        numpy.argsort(of_row, kind="stable"), numpy.cumsum(numpy.bincount(of_row))[:-1]
    )
    return numpy.concatenate([rows_of[patient] for patient in drawn])
