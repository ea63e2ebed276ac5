"""From a finished run to a bundle: everything that serving needs, and what training looked like.

The bundle is written beside and renamed, so that a service never finds half of one.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

import numpy
from safetensors.torch import save
from torch import Tensor

from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS
from model.bundle import Bundle, as_json, load_bundle, write_bundle
from model.calibration import Calibrator
from model.errors import BundleError
from model.manifest import CATALOGUE as CATALOGUE_FILE
from model.manifest import FORMAT, MODEL_CARD, SAMPLES, SCORES, BaseRate, Manifest
from model.schema import Column, Schema
from model.trained import (
    CALIBRATION,
    HISTOGRAMS,
    NETWORK,
    PREPROCESSING,
    REFERENCE,
    SCHEMA,
    STAYS,
    WEIGHTS,
    Histogram,
    NetworkFile,
    SampleStay,
    Value,
)
from training.errors import RunError, SettingError
from training.experiment import Experiment
from training.settings import Settings
from training.stages import logits_for, network_of
from training.tables import Floats, Table

_HOOKS = {
    "readmission_30d": ("encounter-discharge", "patient-view"),
    "critical_outcome": ("encounter-start", "patient-view"),
}
_SAMPLES = 8
_BINS = 10
_LEAST = 20  # stays behind anything that a bundle says of values


@dataclass(frozen=True)
class Learnt:
    """What the stages before made."""

    members: Sequence[Mapping[str, Tensor]]
    calibrator: Calibrator


def release(
    experiment: Experiment,
    learnt: Learnt,
    out: Path,
    *,
    created: date,
    card: str,
    pages: Mapping[str, bytes],
) -> Bundle:
    """Write the bundle to `out`, which must not exist. Raises RunError, SettingError."""
    check_releasable(experiment.settings, out)
    contents = {**_contents(experiment, learnt), **pages, MODEL_CARD: card.encode()}
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        write_bundle(beside, _manifest(experiment, created), contents)
        beside.rename(out)
    except OSError as error:
        remedy = "Make room or give write access, then release again"
        raise RunError(out, f"cannot be written ({error.strerror})", remedy) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return load_bundle(out, mapping_digest=CATALOGUE.digest)


def check_releasable(settings: Settings, out: Path) -> None:
    """What can be known before a stage is run. Raises RunError, SettingError."""
    if out.exists():
        raise RunError(out, "already there, and a bundle is written once", "Choose a new folder")
    _published(settings.release.published)
    unknown = sorted({*settings.release.coverage_floors} - {*COVERAGE_GROUPS})
    if unknown:
        remedy = f"Choose of {', '.join(COVERAGE_GROUPS)}"
        raise SettingError("release.coverage_floors", f"no groups: {', '.join(unknown)}", remedy)


def _manifest(experiment: Experiment, created: date) -> Manifest:
    settings = experiment.settings
    stated = settings.release
    labels = experiment.train.labels[settings.label]
    known = labels[~numpy.isnan(labels)]
    return Manifest(
        format=FORMAT,
        name=stated.name,
        version=stated.version,
        created=created,
        title=stated.title,
        notice=stated.notice,
        kind="trained",
        task=settings.task,
        variant=settings.variant if settings.task == "critical_outcome" else None,
        hooks=_HOOKS[settings.task],
        population=stated.population,
        mapping_digest=CATALOGUE.digest,
        features=experiment.table.schema.names,
        coverage_floors=stated.coverage_floors,
        base_rate=BaseRate(
            value=round(float(known.mean()), 4),
            outcome=stated.outcome,
            cohort=f"{settings.name}: {len(known)} stays of train",
            source="the training cohort of this bundle",
        ),
        files={},
    )


def _contents(experiment: Experiment, learnt: Learnt) -> dict[str, bytes]:
    schema = experiment.table.schema
    network = NetworkFile(experiment.settings.encoder, len(learnt.members))
    return {
        CATALOGUE_FILE: (files("fhir_mapping") / "catalogue.csv").read_bytes(),
        SCHEMA: as_json(schema),
        NETWORK: as_json(network),
        PREPROCESSING: as_json(experiment.preprocessing),
        WEIGHTS: save(_weights(learnt.members)),
        CALIBRATION: as_json(learnt.calibrator),
        REFERENCE: as_json(reference_patient(experiment.train)),
        HISTOGRAMS: as_json(histograms(experiment.train)),
        STAYS: as_json(_sample_stays(experiment, learnt)),
        **_published(experiment.settings.release.published),
    }


def _weights(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What scoring reads; the shared layers are named by each step that uses them."""
    return {
        f"{index}.{name}": each.contiguous().clone()
        for index, member in enumerate(members)
        for name, each in member.items()
        if not name.endswith("num_batches_tracked") and ".shared_layers." not in name
    }


def _published(folder: str) -> dict[str, bytes]:
    """The point scores that stand beside the model, from the bundle that was reviewed for them.

    A relative path is taken from the working folder, else from the checkout.
    """
    path = Path(folder) if Path(folder).exists() else Path(__file__).parents[1] / folder
    try:
        bundle = load_bundle(path, mapping_digest=CATALOGUE.digest)
        return {name: (bundle.path / name).read_bytes() for name in (SCORES, SAMPLES)}
    except (BundleError, OSError) as error:
        remedy = "Name the folder of a bundle of published scores, such as bundles/lace-hospital"
        raise SettingError("release.published", str(error), remedy) from error


def reference_patient(train: Table) -> tuple[Value, ...]:
    """Medians and commonest levels of train: whom contributions are measured against."""
    return tuple(
        _typical(column, train.values[:, index]) for index, column in enumerate(train.schema)
    )


def _typical(column: Column, cells: Floats) -> Value:
    observed = cells[~numpy.isnan(cells)]
    if not len(observed):
        return None
    if column.kind == "numeric":
        return float(numpy.median(observed))
    values, counts = numpy.unique(observed, return_counts=True)
    return _stated(column, float(values[counts.argmax()]))


def histograms(train: Table) -> dict[str, Histogram]:
    """By feature: missing share and the shape of what was observed, to see drift against."""
    return {
        column.name: _histogram(column, train.values[:, index])
        for index, column in enumerate(train.schema)
    }


def _histogram(column: Column, cells: Floats) -> Histogram:
    """Nothing of the shape where few stays have a value; no bin of fewer than that at its edge."""
    observed = cells[~numpy.isnan(cells)]
    missing = round(1.0 - len(observed) / len(cells), 3)
    if len(observed) < _LEAST:
        return Histogram(missing, (), ())
    if column.kind == "numeric":
        bins = max(1, min(_BINS, len(observed) // _LEAST))
        inner = numpy.unique(numpy.quantile(observed, numpy.linspace(0, 1, bins + 1)[1:-1]))
        found = numpy.searchsorted(inner, observed, side="right")
        counts = numpy.bincount(found, minlength=len(inner) + 1)
        edges = tuple(float(f"{edge:.4g}") for edge in inner)
    else:
        counts = numpy.bincount(observed.astype(int), minlength=len(column.levels) + 1 or 2)
        counts, edges = numpy.where(counts < _LEAST, 0, counts), ()
    return Histogram(missing, edges, tuple(round(float(n), 3) for n in counts / len(observed)))


def _sample_stays(experiment: Experiment, learnt: Learnt) -> tuple[SampleStay, ...]:
    """Made-up stays: each cell is drawn from what many stays have, apart from the other cells."""
    train, draw = experiment.train, numpy.random.default_rng(experiment.seed("samples"))
    common = [_common(column, train.values[:, i]) for i, column in enumerate(train.schema)]
    stays = [tuple(each[int(draw.integers(len(each)))] for each in common) for _ in range(_SAMPLES)]
    encoded = numpy.array([_encoded(train.schema, stay) for stay in stays])
    logits = logits_for(experiment, network_of(experiment, learnt.members), encoded)
    probabilities = learnt.calibrator.probability(logits)
    pairs = zip(stays, probabilities, strict=True)
    return tuple(SampleStay(stay, float(probability)) for stay, probability in pairs)


def _common(column: Column, cells: Floats) -> list[Value]:
    """What a made-up stay may hold: quartiles to three digits, levels that many stays have."""
    observed = cells[~numpy.isnan(cells)]
    if len(observed) < _LEAST:
        return [None]
    if column.kind == "numeric":
        quartiles = numpy.quantile(observed, (0.25, 0.5, 0.75))
        return [None, *(float(f"{each:.3g}") for each in quartiles)]
    values, counts = numpy.unique(observed, return_counts=True)
    kept = [_stated(column, float(each)) for each in values[counts >= _LEAST]]
    return kept or [None]


def _encoded(schema: Schema, stay: Sequence[Value]) -> list[float]:
    return [column.encode(value) for column, value in zip(schema, stay, strict=True)]


def _stated(column: Column, cell: float) -> Value:
    if column.kind != "categorical":
        return cell
    index = int(cell)
    return column.levels[index] if index < len(column.levels) else "unknown"
