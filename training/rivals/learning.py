"""What a fitted baseline is given, and how: never more than two splits and the rows asked for."""

from dataclasses import dataclass

import numpy

from model.schema import Schema
from training.errors import CohortError, SettingError
from training.tables import Floats, Table


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """`trials` is the random search of either boosting, each of at most `rounds` trees, stopped
    `patience` rounds after the best on tuning. `epochs` is TabNet's. More `threads` may change
    last digits.
    """

    seed: int = 0
    threads: int = 1
    trials: int = 12
    rounds: int = 2000
    patience: int = 50
    epochs: int = 60
    epoch_patience: int = 10

    def __post_init__(self) -> None:
        counts = (self.threads, self.trials, self.rounds, self.patience, self.epochs)
        if min(*counts, self.epoch_patience) < 1:
            raise SettingError("baselines", "a count is below 1", "Correct it")


@dataclass(frozen=True)
class Learning:
    """The labelled rows of train and tuning (rows, columns), and the rows to predict for."""

    schema: Schema
    train: Floats
    train_outcomes: Floats
    tuning: Floats
    tuning_outcomes: Floats
    asked: Floats

    @property
    def categorical(self) -> list[int]:
        """Places of the categorical columns."""
        return [i for i, column in enumerate(self.schema) if column.kind == "categorical"]

    @property
    def measured(self) -> list[int]:
        """Places of the others."""
        return [i for i, column in enumerate(self.schema) if column.kind != "categorical"]


def learning_of(table: Table, label: str, rows: Table) -> Learning:
    """Raises CohortError where train or tuning lacks an outcome."""
    train, tuning = (table.split(name).labelled(label) for name in ("train", "tuning"))
    for split, part in (("train", train), ("tuning", tuning)):
        if len(numpy.unique(part.labels[label])) < 2:
            problem = f"{label} has not both outcomes there"
            raise CohortError(f"baselines, {split}", problem, "Use a larger cohort")
    return Learning(
        table.schema,
        train.values,
        train.labels[label],
        tuning.values,
        tuning.labels[label],
        rows.values,
    )
