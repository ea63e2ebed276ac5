"""A cohort folder as the cohort command leaves it, from a table in memory."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy
import polars

from fhir_mapping.catalogue import CATALOGUE
from model.schema import Column
from training.cohorts.files import (
    DONE,
    NOTE_COLUMNS,
    NOTES,
    SCHEMA,
    VECTORS,
    part_columns,
    vector_columns,
    write_frame,
    write_json,
)
from training.cohorts.flow import Flow, LabelCount
from training.splits import tuning_slice
from training.tables import SPLITS, Floats, Table

_START = datetime(2024, 1, 1, tzinfo=UTC)


def written(folder: Path, table: Table, notes: Mapping[str, str]) -> Path:
    """Vectors, notes, schema and flow; the scores are made up."""
    folder.mkdir(parents=True)
    days = [timedelta(days=index % 300) for index in range(len(table))]
    points = polars.Series(numpy.arange(len(table)) % 13, dtype=polars.Int64)
    columns = {
        "subject_id": table.subjects.tolist(),
        "stay_id": table.stays.tolist(),
        "admission_time": [_START + each for each in days],
        "prediction_time": [_START + each + timedelta(days=4) for each in days],
        "split": table.splits.tolist(),
        "temporal_split": table.splits.tolist(),
        "tuning_slice": [tuning_slice(each) for each in table.subjects.tolist()],
        **{name: _flags(label) for name, label in table.labels.items()},
        "digest": ["0" * 64] * len(table),
        "lace": points,
        "hospital": points,
        **{each.name: _cells(table.column(each.name), each) for each in table.schema},
    }
    names = vector_columns(table.schema, [*table.labels])
    kinds = dict.fromkeys(names, polars.String) | part_columns(table.schema, [*table.labels])
    frame = polars.DataFrame(columns, schema_overrides=kinds).select(names)
    write_frame(folder / VECTORS, frame)
    write_frame(folder / NOTES, _notes(table, notes))
    write_json(folder / SCHEMA, table.schema)
    write_json(folder / "flow.json", flow(table, len(notes)))
    write_json(folder / "cohort.json", {"mapping": CATALOGUE.digest})
    (folder / DONE).touch()
    return folder


def flow(table: Table, notes: int) -> Flow:
    """Nobody left out but one."""
    patients = len({*table.subjects})
    return Flow(
        task="readmission_30d",
        subjects=patients,
        subjects_with_stays=patients,
        stays=len(table) + 1,
        excluded={"under_18": 1},
        kept=len(table),
        kept_subjects=patients,
        labels={
            name: LabelCount(int(label.sum()), int((label == 0).sum()), 0)
            for name, label in table.labels.items()
        },
        noticed={},
        splits={name: {"stays": len(table.split(name))} for name in SPLITS},
        notes=notes,
    )


def _notes(table: Table, notes: Mapping[str, str]) -> polars.DataFrame:
    patient_of = dict(zip(table.stays.tolist(), table.subjects.tolist(), strict=True))
    rows = [(patient_of[stay], stay, text) for stay, text in notes.items()]
    return polars.DataFrame(rows, schema=dict(NOTE_COLUMNS), orient="row")


def _flags(label: Floats) -> list[bool | None]:
    return [None if numpy.isnan(each) else bool(each) for each in label]


def _cells(cells: Floats, column: Column) -> list[float | str | None]:
    stated = [None if numpy.isnan(each) else float(each) for each in cells]
    if column.kind != "categorical":
        return list(stated)
    names = (*column.levels, "never heard of")
    return [None if each is None else names[int(each)] for each in stated]
