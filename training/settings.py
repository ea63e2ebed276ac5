"""One TOML for a whole run. Every setting has its default here; an unknown name is refused.

`load_settings` gives what the run folder keeps as config.toml, fully resolved.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import tomli_w

from model.shape import TabNetConfig
from training.errors import SettingError

_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_Part = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
_Fraction = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
_Words = Annotated[str, msgspec.Meta(min_length=1)]
_Rate = Annotated[float, msgspec.Meta(gt=0.0)]
_T = TypeVar("_T", bound=msgspec.Struct)


Baseline = Literal[
    "two_admissions", "lace", "hospital", "logistic", "xgboost", "lightgbm", "tabnet"
]


class CohortSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`reader`: what `path` holds. `clinosim`: nothing, the stays are generated there.

    `ed`, `note`: where MIMIC's modules lie if not below `path`; `without`: its tables to do without
    (`hosp.services`). `exclude`: features left out of
    the model. `split`: patients by hash, or the latest patients held out (MIMIC: by
    anchor_year_group). `people`, `seeds`: size of generated populations, and which;
    `start`, `end`: the days between which they live.
    """

    reader: Literal["mimic_iv", "fhir", "clinosim"]
    path: str
    ed: str = ""
    note: str = ""
    without: tuple[str, ...] = ()
    profile: str = ""
    follow_up_until: str = ""
    observation_is_stay: bool = False
    exclude: tuple[str, ...] = ()
    split: Literal["patient", "time"] = "patient"
    shards: _Positive = 16
    people: _Positive = 1800
    seeds: tuple[int, ...] = (101, 102)
    start: str = "2025-01-01"
    end: str = "2025-12-31"


class Fit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one stage is fitted: AdamW, linear warm-up, cosine to zero, gradients clipped.

    `patience`: epochs without a better selection metric before it stops; 0: never.
    `average`: decay of the moving average of weights that is kept instead of the last; 0: none.
    """

    epochs: _Positive
    batch: Annotated[int, msgspec.Meta(ge=2)]
    learning_rate: _Rate
    weight_decay: Annotated[float, msgspec.Meta(ge=0.0)] = 0.01
    warm_up: _Share = 0.1
    clip: _Rate = 1.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0
    average: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0


class Pretraining(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stage 1. `mask_ratio`: share of concepts hidden. `runs`: how often stages 1 and 2 are done,
    each with seeds of its own; member k of stage 3 starts from run k, counted round."""

    fit: Fit
    runs: _Positive = 1
    mask_ratio: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.5


class Alignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stage 2. `text_model`: name or folder; `package:NAME` is a model that a package carries.

    `pack`: padded tokens that go through the text tower at once. `cached_prefix`: frozen layers'
    outputs are kept in the run folder. `gradient_caching`: two passes, memory of one pack.
    """

    fit: Fit
    text_model: str
    trainable_layers: _Positive = 2
    most_chunks: _Positive | None = None
    pack: _Positive = 8192
    cached_prefix: bool = True
    gradient_caching: bool = True


class Finetuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stage 3. `members`: seeds averaged as logits. `freeze`: the embedding and feature-splitting
    layers stay as pretraining left them. `drop`: share of inputs hidden at random while training.
    `sparsity`: weight of the masks' entropy. `resample`: each member sees its own bootstrap of
    the patients, so that members differ as models of other samples would. `auxiliary`: a label
    learnt beside the first with `auxiliary_weight`, and not served."""

    fit: Fit
    members: _Positive = 5
    hidden: _Positive = 64
    dropout: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.1
    drop: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    sparsity: Annotated[float, msgspec.Meta(ge=0.0)] = 1e-4
    freeze: bool = True
    resample: bool = False
    auxiliary: str = ""
    auxiliary_weight: Annotated[float, msgspec.Meta(ge=0.0)] = 0.5


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`spread`: factor on the members' standard deviation in the interval (decision 0010)."""

    spread: Annotated[float, msgspec.Meta(ge=0.0)] = 2.75


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`resamples`: of patients, for intervals. `baselines`: which stand beside the model. `also`:
    labels against which the same predictions are reported too. `fractions`, `ablation_seeds`: shares
    of the labels and seeds of the ablation."""

    resamples: _Positive = 1000
    thresholds: tuple[_Part, ...] = (0.1, 0.2, 0.3)
    baselines: tuple[Baseline, ...] = (
        "two_admissions",
        "lace",
        "hospital",
        "logistic",
        "xgboost",
        "lightgbm",
    )
    also: tuple[str, ...] = ("readmission_30d_all_cause", "death_or_readmission_30d")
    fractions: tuple[_Fraction, ...] = (0.01, 0.1, 1.0)
    ablation_seeds: _Positive = 3


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the bundle says of itself. `published`: the bundle whose point scores stand beside."""

    name: _Words
    version: _Words
    title: _Words
    notice: _Words
    population: _Words
    outcome: _Words
    published: str
    synthetic: bool
    coverage_floors: dict[str, _Share] = {}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole TOML. `alignment` None: stage 2 is left out, and the model card says so.

    `threads`: of torch on the CPU. Small networks lose by more than one, and more change the last
    digits.
    """

    name: str
    task: Literal["readmission_30d", "critical_outcome"] = "readmission_30d"
    variant: Literal["triage", "ed_departure"] = "ed_departure"
    label: str = "readmission_30d"
    seed: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: _Positive = 1
    cohort: CohortSource
    encoder: TabNetConfig
    pretraining: Pretraining
    alignment: Alignment | None = None
    finetuning: Finetuning
    calibration: Calibration = Calibration()
    evaluation: Evaluation = Evaluation()
    release: Release


def load_settings(file: Path) -> Settings:
    """Read and check. Raises SettingError naming file and setting."""
    try:
        return msgspec.toml.decode(file.read_bytes(), type=Settings)
    except OSError as error:
        remedy = "Name a TOML file; configs/ has three to start from"
        raise SettingError(file, f"cannot be read ({error.strerror})", remedy) from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        remedy = "Mend the setting it names; docs/reference/training.md lists them all"
        raise SettingError(file, str(error), remedy) from error


def as_toml(settings: msgspec.Struct) -> bytes:
    """Fully resolved; a setting that is None is left out, which is how TOML says so."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(settings))).encode()


def _without_none(value: object) -> dict[str, object]:
    assert isinstance(value, dict)  # noqa: S101 - a struct is a table
    return {
        name: _without_none(part) if isinstance(part, dict) else part
        for name, part in value.items()
        if part is not None
    }
