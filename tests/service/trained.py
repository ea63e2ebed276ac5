"""A small trained bundle over some of the catalogue's features, and answers fixed by hand.

Its weights are drawn, not learnt: what it says of a patient means nothing.
"""

import datetime
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy
import torch

from cds_service.assessment import Assessor
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.emergency import Variant, features_known_at
from model.bundle import Bundle, as_json, load_bundle
from model.bundle import write_bundle as write
from model.calibration import Calibrator
from model.classifier import Classifier
from model.folded import fold
from model.manifest import FORMAT, SAMPLES, SCORES, BaseRate, Manifest
from model.preprocessing import Preprocessing, fit_preprocessing
from model.schema import Column, Schema
from model.scoring import Attention, Contribution, Move, Score, Value
from model.shape import TabNetConfig
from model.tabnet import TabNetEncoder
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
)
from tests.networks import weight_bytes

SHIPPED = Path(__file__).resolve().parents[2] / "bundles" / "lace-hospital"
TAKEN = (
    "age", "n_ed_365d", "n_hosp_30d", "n_hosp_365d", "cci_chf", "eci_chf", "cci_renal",
    "triage_heartrate", "n_medrecon", "admission_type", "hosp_los_days", "sodium_last",
)  # fmt: skip
"""Some of each coverage group, in the catalogue's order; admission_type is a category."""
TAKEN_IN_ED = (
    "age", "arrival_transport", "n_ed_365d", "n_hosp_365d", "n_icu_365d", "triage_heartrate",
    "triage_sbp", "ed_heartrate_last", "cci_chf", "eci_chf", "cci_renal", "ed_los_hours", "n_medrecon",
)  # fmt: skip
"""Some of what is known at ED departure; at triage two of them are not."""
FLOORS = {"history": 0.6, "diagnoses": 0.6, "this_stay": 0.3}
NOTICE = "Weights drawn for a test. Not for clinical use."
MANIFEST = Manifest(
    format=FORMAT,
    name="small",
    version="0.1.0",
    created=datetime.date(2026, 11, 21),
    title="A small network",
    notice=NOTICE,
    kind="trained",
    task="readmission_30d",
    hooks=("encounter-discharge", "patient-view"),
    population="nobody",
    mapping_digest=CATALOGUE.digest,
    features=TAKEN,
    coverage_floors=FLOORS,
    base_rate=BaseRate(0.1512, "readmission within 30 days", "400 generated stays", "a test"),
    files={},
)
CRITICAL = "intensive care within 12 h of leaving the ED, or death in hospital"
_CONFIG = TabNetConfig(n_d=4, n_a=4, n_steps=2, virtual_batch_size=8, embedding=2, output=6)


def trained_bundle(folder: Path, **fields: Any) -> Path:
    """Write it to a new folder; `fields` replace those of MANIFEST."""
    manifest = msgspec.structs.replace(MANIFEST, **fields)
    schema = Schema(tuple(_column(CATALOGUE[name]) for name in manifest.features))
    write(folder, manifest, _contents(schema))
    return folder


def critical_bundle(folder: Path, *, variant: Variant = "ed_departure", **fields: Any) -> Path:
    """A bundle of the second task."""
    return trained_bundle(folder, **critical_fields(variant) | fields)


def critical_fields(variant: Variant) -> dict[str, Any]:
    """What its manifest has instead of MANIFEST's."""
    known = features_known_at(variant)
    return {
        "task": "critical_outcome",
        "variant": variant,
        "hooks": ("encounter-start", "patient-view"),
        "features": tuple(name for name in TAKEN_IN_ED if name in known),
        "base_rate": BaseRate(0.081, CRITICAL, "400 generated ED visits", "a test"),
    }


def fixed_assessor(score: Score, *, site_base_rate: float | None = None, **fields: Any) -> Assessor:
    """The words of a trained bundle around a score that no network gave."""
    bundle = load_bundle(SHIPPED)
    manifest = msgspec.structs.replace(MANIFEST, **{"features": CATALOGUE.names} | fields)
    bundle = replace(bundle, manifest=manifest, digest="d" * 64)
    return Assessor(bundle, Fixed(score), site_base_rate=site_base_rate)


def shipped_bundle() -> Bundle:
    """LACE and HOSPITAL, which have no probability."""
    return load_bundle(SHIPPED, mapping_digest=CATALOGUE.digest)


class Fixed:
    """A scorer that always says the same."""

    def __init__(self, score: Score) -> None:
        self._score = score

    def score(self, values: Sequence[Value]) -> Score:
        return self._score

    def attention(self, values: Sequence[Value]) -> Attention | None:
        return ATTENTION

    def could_move(
        self, values: Sequence[Value], among: Collection[str], *, most: int = 5
    ) -> tuple[Move, ...]:
        return tuple(Move(name, 0.1204, 0.3349) for name in sorted(among)[:most])


SCORE = Score(
    probability=0.1849,
    interval=(0.0925, 0.3150),
    contributions=(
        Contribution("prior_admissions", 0.9134),
        Contribution("hosp_los_days", 0.4),
        Contribution("heart_failure", -0.251),
        Contribution("sodium_last", 0.1),
        Contribution("heart_rate", -0.05),
        Contribution("age", 0.04),
        Contribution("gender", -0.001),
    ),
    not_attributed=0.0004,
    interval_holds=True,
)

ATTENTION = Attention(
    by_column={"hosp_los_days": 0.61, "n_hosp_365d": 0.39},
    by_concept={"hosp_los_days": 0.61, "prior_admissions": 0.39},
)
ED_SCORE = replace(
    SCORE,
    contributions=(
        Contribution("heart_rate", 0.8112),
        Contribution("heart_failure", 0.3),
        Contribution("age", -0.2204),
        Contribution("ed_los_hours", 0.001),
    ),
)


def _column(feature: Feature) -> Column:
    return Column(feature.name, feature.kind, feature.concept, feature.levels)


def _contents(schema: Schema) -> dict[str, bytes]:
    raw = _table(schema)
    fitted = fit_preprocessing(schema, raw, 0)
    members = [_member(schema, fitted, seed) for seed in (1, 2)]
    calibrator = Calibrator(
        slope=0.9, intercept=-1.0, covariance=(0.01, -0.002, 0.02), spread=1.0, rows=400,
        positives=80, interval_holds=True,
    )  # fmt: skip
    with torch.inference_mode():
        prepared = torch.from_numpy(fitted.apply(schema, raw[:3]))
        served = fold(schema, _CONFIG, [each.state_dict() for each in members])
        logits = served.logits(prepared).double().numpy()
    rows = [_values(schema, row) for row in raw[:3]]
    risks = calibrator.probability(logits)
    parts = {
        SCHEMA: schema,
        NETWORK: NetworkFile(_CONFIG, len(members)),
        PREPROCESSING: fitted,
        CALIBRATION: calibrator,
        REFERENCE: rows[0],
        HISTOGRAMS: {name: Histogram(0.0, (), (1.0,)) for name in schema.names},
        STAYS: [SampleStay(row, float(p)) for row, p in zip(rows, risks, strict=True)],
    }
    table = (files("fhir_mapping") / "catalogue.csv").read_bytes()
    published = {name: (SHIPPED / name).read_bytes() for name in (SCORES, SAMPLES)}
    return {
        **published,
        **{name: as_json(part) for name, part in parts.items()},
        WEIGHTS: weight_bytes(members),
        "catalogue.csv": table,
        "MODEL_CARD.md": b"# A card\n",
    }


def _table(schema: Schema) -> numpy.ndarray[Any, numpy.dtype[numpy.float64]]:
    chance = numpy.random.default_rng(5)
    columns = []
    for column in schema:
        top = len(column.levels) if column.levels else 2
        numbers = chance.gamma(2.0, 4.0, 60)
        columns.append(
            numbers if column.kind == "numeric" else chance.integers(0, top, 60).astype(float)
        )
    return numpy.stack(columns, axis=1)


def _values(schema: Schema, row: numpy.ndarray[Any, Any]) -> tuple[Value, ...]:
    return tuple(
        column.levels[int(cell)] if column.levels else float(cell)
        for column, cell in zip(schema, row, strict=True)
    )


def _member(schema: Schema, fitted: Preprocessing, seed: int) -> Classifier:
    """Drawn wide enough that patients differ."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = TabNetEncoder(schema, fitted, _CONFIG)
        member = Classifier(encoder, hidden=5, dropout=0.1, outputs=1)
        for parameter in member.parameters():
            parameter.data *= 1.5
    return member.eval()
