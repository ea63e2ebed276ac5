"""Stage 3: the encoder alone and a feed-forward head -> one logit a stay. No text is needed."""

from torch import Tensor, nn

from model.tabnet import TabNetEncoder


class Head(nn.Module):
    """(rows, width) -> (rows, outputs) logits. The first output is the label; a second one may
    learn a related label beside it, and is not served."""

    def __init__(self, width: int, hidden: int, dropout: float, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.layers(rows)
        return logits


class Classifier(nn.Module):
    """(rows, columns) prepared -> (rows,) logits."""

    def __init__(
        self, encoder: TabNetEncoder, hidden: int, dropout: float = 0.0, outputs: int = 1
    ) -> None:
        super().__init__()
        self.frozen = False
        self.encoder = encoder
        self.head = Head(encoder.config.output, hidden, dropout, outputs)

    def forward(self, prepared: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(prepared).embedding)
        return logits[:, 0]

    def freeze_feature_parts(self) -> None:
        """Hold the embedding and feature-splitting layers as pretraining left them."""
        self.frozen = True
        for parameter in self.encoder.feature_parts():
            parameter.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Classifier":
        """As nn.Module's, but batch statistics of frozen layers stay as pretraining left them."""
        super().train(mode)
        if self.frozen:
            self.encoder.network.initial_splitter.eval()
        return self
