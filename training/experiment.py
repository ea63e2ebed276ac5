"""One feature table and the settings to learn from it: what all stages share. Any schema.

Who may be seen by which stage is decided here, once: nothing but verdicts.py asks for held_out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy
import torch
from torch import Tensor

from model.masking import Layout, layout_of
from model.preprocessing import Preprocessing, fit_preprocessing
from model.tabnet import TabNetEncoder
from training.errors import CohortError, SettingError
from training.fitting.world import ALONE, World
from training.runs import Run, derived_seed
from training.settings import Settings
from training.splits import tuning_slice
from training.subjects import Progress
from training.tables import Table


@dataclass(frozen=True)
class Experiment:
    """`notes`: discharge summary by stay; empty where there are none."""

    run: Run
    table: Table
    notes: Mapping[str, str]
    progress: Progress
    world: World = ALONE

    @property
    def settings(self) -> Settings:
        """The run's."""
        return self.run.settings

    @cached_property
    def device(self) -> torch.device:
        """`auto`: CUDA where there is one."""
        name = self.settings.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and not torch.cuda.is_available():
            remedy = 'Set it to "auto" or "cpu", or install a CUDA build of torch'
            raise SettingError("device", "is cuda, and torch finds no GPU here", remedy)
        return torch.device(name)

    @cached_property
    def train(self) -> Table:
        """All stays of train, labelled or not."""
        return _some(self.table.split("train"), "train")

    @cached_property
    def selection(self) -> Table:
        """The half of tuning that chooses: epochs and settings."""
        return self._tuning("selection")

    @cached_property
    def calibration(self) -> Table:
        """The half of tuning that the calibrator is fitted on; it chose nothing."""
        return self._tuning("calibration")

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """Fitted on train alone."""
        return fit_preprocessing(self.table.schema, self.train.values, self.settings.encoder.bins)

    @cached_property
    def layout(self) -> Layout:
        """Where the reconstruction of each column lies."""
        return layout_of(self.table.schema)

    def inputs(self, table: Table) -> Tensor:
        """(rows, columns) prepared, on the device."""
        prepared = self.preprocessing.apply(self.table.schema, table.values)
        return torch.from_numpy(prepared).to(self.device)

    def encoder(self, start: Mapping[str, Tensor] | None, purpose: str) -> TabNetEncoder:
        """First weights from `start`, or drawn by a seed of their own."""
        torch.manual_seed(self.seed("weights", purpose))
        encoder = TabNetEncoder(self.table.schema, self.preprocessing, self.settings.encoder)
        if start is not None:
            encoder.load_state_dict(start)
        return encoder.to(self.device)

    def seed(self, *purpose: object) -> int:
        """A seed for one purpose."""
        return derived_seed(self.settings.seed, *purpose)

    def _tuning(self, part: str) -> Table:
        tuning = self.table.split("tuning")
        slices = numpy.array([tuning_slice(subject) for subject in tuning.subjects], dtype=str)
        return _some(tuning.rows(slices == part), f"tuning, {part} slice")


def _some(table: Table, name: str) -> Table:
    if len(table) < 2:
        problem = f"{len(table)} stays are in it, and a stage needs two at least"
        raise CohortError(name, problem, "Use a larger cohort")
    return table
