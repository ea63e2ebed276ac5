"""What training leaves in a bundle, read back and checked: network, calibrator, reference patient.

Pure: bytes in, a TrainedModel out. bundle.py has verified the bytes before they come here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
import numpy
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load

from model.calibration import Calibrator
from model.folded import FoldedNetwork, fold
from model.preprocessing import Preprocessing
from model.schema import Schema
from model.shape import TabNetConfig

SCHEMA = "schema.json"
NETWORK = "network.json"
PREPROCESSING = "preprocessing.json"
WEIGHTS = "weights.safetensors"
CALIBRATION = "calibration.json"
REFERENCE = "reference.json"
HISTOGRAMS = "histograms.json"
STAYS = "sample_stays.json"
FILES: Final = (
    SCHEMA,
    NETWORK,
    PREPROCESSING,
    WEIGHTS,
    CALIBRATION,
    REFERENCE,
    HISTOGRAMS,
    STAYS,
)
TOLERANCE = 1e-6

Value = float | str | None
Floats = NDArray[numpy.float64]
_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_T = TypeVar("_T")


class NetworkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of the members, all alike. `members`: how many are averaged as logits."""

    encoder: TabNetConfig
    members: Annotated[int, msgspec.Meta(ge=1)]


class SampleStay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vector in schema order and the probability that the released model gave it."""

    values: tuple[Value, ...]
    probability: _Share


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature in the training stays: `missing` share, and the share of observed values in
    each bin; numeric: between `edges` (outer bins open), else by level in schema order."""

    missing: _Share
    edges: tuple[float, ...]
    shares: tuple[_Share, ...]


@dataclass(frozen=True)
class TrainedModel:
    """Values in schema order -> logits of all members, probability, interval."""

    schema: Schema
    preprocessing: Preprocessing
    network: FoldedNetwork
    calibrator: Calibrator
    reference: tuple[Value, ...]
    histograms: Mapping[str, Histogram]

    def encode(self, values: Sequence[Value]) -> Floats:
        """(columns,) as the feature table holds them."""
        pairs = zip(self.schema, values, strict=True)
        return numpy.array([column.encode(value) for column, value in pairs])

    def prepare(self, table: Floats) -> torch.Tensor:
        """(rows, columns) as in a feature table -> the network's input."""
        return torch.from_numpy(self.preprocessing.apply(self.schema, table))

    def logits(self, table: Floats) -> Floats:
        """(rows, columns) -> (members, rows)."""
        with torch.inference_mode():
            found: Floats = self.network.logits(self.prepare(table)).double().numpy()
        return found


def read_trained(contents: Mapping[str, bytes]) -> TrainedModel:
    """From the files' bytes. Raises TrainedError naming the file."""
    network = _json(contents, NETWORK, NetworkFile)
    schema = _json(contents, SCHEMA, Schema)
    model = TrainedModel(
        schema,
        _preprocessing(contents, schema),
        _folded(contents, schema, network),
        _json(contents, CALIBRATION, Calibrator),
        _reference(contents, schema),
        _histograms(contents, schema),
    )
    _check_stays(contents, model)
    return model


class TrainedError(Exception):
    """A file's name and what is wrong with it; bundle.py makes it a BundleError."""

    def __init__(self, file: str, problem: str, *, sample: bool = False) -> None:
        super().__init__(f"{file}: {problem}")
        self.file, self.problem, self.sample = file, problem, sample


def _json(contents: Mapping[str, bytes], name: str, form: type[_T]) -> _T:
    try:
        return msgspec.json.decode(contents[name], type=form)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise TrainedError(name, f"not what the format asks for: {error}") from error


def _preprocessing(contents: Mapping[str, bytes], schema: Schema) -> Preprocessing:
    fitted = _json(contents, PREPROCESSING, Preprocessing)
    numeric = {column.name for column in schema if column.kind == "numeric"}
    if fitted.numeric.keys() != numeric:
        raise TrainedError(PREPROCESSING, f"its columns are not the numeric ones of {SCHEMA}")
    return fitted


def _folded(contents: Mapping[str, bytes], schema: Schema, network: NetworkFile) -> FoldedNetwork:
    try:
        tensors = load(contents[WEIGHTS])
        members = [
            {name.split(".", 1)[1]: tensors[name] for name in tensors if name.startswith(f"{i}.")}
            for i in range(network.members)
        ]
        folded = fold(schema, network.encoder, members)
        tried = folded.logits(torch.full((1, len(schema)), float("nan")))
        groups, width = int(folded.group_of.max()) + 1, network.encoder.output
        found = (folded.attention[0].weight.shape[-1], folded.hidden.weight.shape[1])
        if found != (groups, width) or tried.shape != (network.members, 1):
            raise RuntimeError("fits together, but not as described")
    except (SafetensorError, KeyError, RuntimeError, IndexError) as error:
        problem = f"does not hold the weights that {NETWORK} and {SCHEMA} describe"
        raise TrainedError(WEIGHTS, problem) from error
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise TrainedError(WEIGHTS, "holds weights that are not finite numbers")
    return folded


def _reference(contents: Mapping[str, bytes], schema: Schema) -> tuple[Value, ...]:
    reference = _json(contents, REFERENCE, tuple[Value, ...])
    _check_values(REFERENCE, reference, schema)
    return reference


def _check_values(file: str, values: Sequence[Value], schema: Schema) -> None:
    if len(values) != len(schema):
        raise TrainedError(file, f"has {len(values)} values, {SCHEMA} {len(schema)} columns")
    for column, value in zip(schema, values, strict=True):
        if value is not None and isinstance(value, str) != (column.kind == "categorical"):
            raise TrainedError(file, f"holds a value of {column.name} that is not {column.kind}")


def _histograms(contents: Mapping[str, bytes], schema: Schema) -> dict[str, Histogram]:
    histograms = _json(contents, HISTOGRAMS, dict[str, Histogram])
    if {*histograms} != {*schema.names}:
        raise TrainedError(HISTOGRAMS, f"its features are not those of {SCHEMA}")
    return histograms


def _check_stays(contents: Mapping[str, bytes], model: TrainedModel) -> None:
    stays = _json(contents, STAYS, tuple[SampleStay, ...])
    if not stays:
        raise TrainedError(STAYS, "needs at least one stay")
    for stay in stays:
        _check_values(STAYS, stay.values, model.schema)
    table = numpy.stack([model.encode(stay.values) for stay in stays])
    found = model.calibrator.probability(model.logits(table))
    stated = numpy.array([stay.probability for stay in stays])
    if not (abs(found - stated) <= TOLERANCE).all():
        raise TrainedError(STAYS, "a stay no longer gets its stored probability", sample=True)
