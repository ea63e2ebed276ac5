"""From a reader's patients to a cohort folder: rows by shard, then one table, one flow, one DONE.

A killed run goes on with the next shard; the finished table has the same bytes either way.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.emergency import features_known_at
from fhir_mapping.outcomes import Rules
from model.schema import Schema
from training.cohorts.critical_rows import LABELS as CRITICAL_LABELS
from training.cohorts.critical_rows import harvest_critical
from training.cohorts.files import (
    DONE,
    NOTE_COLUMNS,
    NOTES,
    SCHEMA,
    VECTORS,
    catalogue_schema,
    digest_of,
    part_columns,
    vector_columns,
    write_frame,
    write_json,
)
from training.cohorts.flow import Flow, flow_of, flow_page
from training.cohorts.rows import LABELS, Harvest, harvest_readmissions
from training.errors import CohortError, RunError, SettingError
from training.splits import SALT, Shares, split_of, temporal_splits, tuning_slice
from training.subjects import Progress, Reader, Subject
from training.writing import writable, write_whole

Task = Literal["readmission_30d", "critical_outcome"]
Variant = Literal["", "triage", "ed_departure"]
_LAYOUT = 1
"""Raised when the columns change their meaning: an older folder is then not resumed."""
_STARTED = "started.json"
_PARTS = "parts"
_WORK = "work"


@dataclass(frozen=True)
class CohortSettings:
    """What decides a cohort beside its data. `variant` is for critical outcomes alone.

    `shards`: parts that are built, kept and resumed one at a time. Raises SettingError.
    """

    task: Task = "readmission_30d"
    variant: Variant = ""
    observation_is_stay: bool = False
    require_notes: bool = False
    shares: Shares = Shares()  # noqa: RUF009 - frozen
    salt: str = SALT
    shards: int = 16

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise SettingError("shards", f"{self.shards} is too few", "Give 1 or more")
        if (self.task == "critical_outcome") != bool(self.variant):
            remedy = "Give triage or ed_departure for critical_outcome and none for readmission_30d"
            raise SettingError("variant", f"{self.variant or 'none'} with {self.task}", remedy)

    @property
    def labels(self) -> Sequence[str]:
        """The label columns, the primary one first."""
        return LABELS if self.task == "readmission_30d" else CRITICAL_LABELS

    @property
    def schema(self) -> Schema:
        """The features of the task."""
        if self.variant:
            return catalogue_schema(features_known_at(self.variant))
        return catalogue_schema()


@dataclass(frozen=True)
class Cohort:
    """A finished cohort. `digest`: SHA-256 of its vectors.parquet."""

    folder: Path
    flow: Flow
    digest: str


def build_cohort(reader: Reader, settings: CohortSettings, out: Path, progress: Progress) -> Cohort:
    """Build or resume the cohort in `out`; a finished one is returned as it is.

    Raises CohortError where no stay is left (or no note, where notes are required), RunError where
    `out` holds another cohort or cannot be written, and what the reader raises.
    """
    identity = _identity(reader, settings)
    _start(out, identity)
    if not (out / DONE).is_file():
        reader.prepare(out / _WORK, settings.shards, progress)
        for shard in range(settings.shards):
            _build_part(reader, settings, out, shard)
            progress("Build cohort", shard + 1, settings.shards)
        _finish(reader, settings, out, identity)
    for scaffold in (_WORK, _PARTS):  # copies of records and notes: not kept longer than needed
        shutil.rmtree(out / scaffold, ignore_errors=True)
    flow = msgspec.json.decode((out / "flow.json").read_bytes(), type=Flow)
    return Cohort(out, flow, digest_of(out / VECTORS))


def _identity(reader: Reader, settings: CohortSettings) -> dict[str, Any]:
    return {
        "layout": _LAYOUT,
        "settings": asdict(settings),
        "reader": reader.name,
        "fingerprint": reader.fingerprint(),
        "mapping": CATALOGUE.digest,
    }


def _start(out: Path, identity: Mapping[str, Any]) -> None:
    """Claim an empty folder, or see that it is this cohort's own."""
    started = out / _STARTED
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        found = sorted(each.name for each in out.iterdir() if not each.name.endswith(".part"))
    if _STARTED not in found:
        if found:
            raise RunError(out, "the folder holds something else", "Name a new or empty folder")
        write_json(started, identity)
        return
    held = msgspec.json.decode(started.read_bytes())
    wanted = msgspec.json.decode(msgspec.json.encode(identity))
    differing = sorted(name for name in wanted if held.get(name) != wanted[name])
    if differing:
        problem = f"it was begun with other {' and '.join(differing)}"
        raise RunError(out, problem, "Name another folder, or remove this one to build it anew")


def _build_part(reader: Reader, settings: CohortSettings, out: Path, shard: int) -> None:
    """Rows, notes and, last, the counts, which say that the part is whole."""
    name = out / _PARTS / f"{shard:04d}"
    if name.with_suffix(".json").is_file():
        return
    with writable(out):
        name.parent.mkdir(exist_ok=True)
    harvest = Harvest()
    add = _harvester(reader, settings)
    for subject in reader.subjects(shard):
        add(subject, harvest)
    columns = part_columns(settings.schema, settings.labels)
    write_frame(name.with_suffix(".vectors.parquet"), _frame(harvest.rows, columns))
    write_frame(name.with_suffix(".notes.parquet"), _frame(harvest.notes, NOTE_COLUMNS))
    write_json(name.with_suffix(".json"), harvest.counts)


def _harvester(reader: Reader, settings: CohortSettings) -> Callable[[Subject, Harvest], None]:
    until = reader.follow_up_until
    if settings.variant:
        variant = settings.variant
        return lambda subject, harvest: harvest_critical(subject, until, variant, harvest)
    rules = Rules(observation_is_stay=settings.observation_is_stay)
    return lambda subject, harvest: harvest_readmissions(subject, until, rules, harvest)


def _frame(rows: list[dict[str, Any]], columns: Mapping[str, Any]) -> polars.DataFrame:
    kept = {name: [row.get(name) for row in rows] for name in columns}
    return polars.DataFrame(kept, schema=dict(columns), strict=True)


def _finish(
    reader: Reader, settings: CohortSettings, out: Path, identity: Mapping[str, Any]
) -> None:
    vectors = _with_splits(_gathered(out, "vectors", settings), settings)
    notes = _gathered(out, "notes", settings).sort("subject_id", "stay_id")
    counts = _counts(out, settings)
    flow = flow_of(counts, vectors, notes, settings.task, settings.labels)
    _check(flow, settings, out)
    ordered = vectors.sort("subject_id", "admission_time", "stay_id")
    write_frame(out / VECTORS, ordered.select(vector_columns(settings.schema, settings.labels)))
    write_frame(out / NOTES, notes)
    write_json(out / SCHEMA, settings.schema)
    write_json(out / "flow.json", flow)
    write_whole(out / "flow.html", lambda draft: draft.write_text(flow_page(flow), "utf-8"))
    until = reader.follow_up_until.isoformat()
    write_json(out / "cohort.json", {**identity, "follow_up_until": until, "flow": flow})
    write_whole(out / DONE, lambda draft: draft.write_text(f"{digest_of(out / VECTORS)}\n"))


def _gathered(out: Path, kind: str, settings: CohortSettings) -> polars.DataFrame:
    names = (f"{shard:04d}.{kind}.parquet" for shard in range(settings.shards))
    return polars.concat([polars.read_parquet(out / _PARTS / name) for name in names])


def _with_splits(vectors: polars.DataFrame, settings: CohortSettings) -> polars.DataFrame:
    """Each patient's split by hash, its slice where that is `tuning`, and its split by time."""
    last = vectors.group_by("subject_id").agg(
        polars.col("era").max(), polars.col("prediction_time").max()
    )
    seen = {subject: era or moment.isoformat() for subject, era, moment in last.rows()}
    by_time = temporal_splits(seen, settings.shares)
    subjects = sorted(seen)
    split = [split_of(each, settings.shares, settings.salt) for each in subjects]
    slices = [tuning_slice(each, settings.salt) for each in subjects]
    table = {
        "subject_id": subjects,
        "split": split,
        "temporal_split": [by_time[each] for each in subjects],
        "tuning_slice": [
            part if name == "tuning" else None for part, name in zip(slices, split, strict=True)
        ],
    }
    frame = polars.DataFrame(table, schema=dict.fromkeys(table, polars.String))
    return vectors.join(frame, on="subject_id", how="left")


def _counts(out: Path, settings: CohortSettings) -> Counter[str]:
    counts: Counter[str] = Counter()
    for shard in range(settings.shards):
        part = (out / _PARTS / f"{shard:04d}.json").read_bytes()
        counts.update(msgspec.json.decode(part, type=dict[str, int]))
    return counts


def _check(flow: Flow, settings: CohortSettings, out: Path) -> None:
    if not flow.kept:
        raise CohortError(out, f"no stay is left of {flow.stays}", flow.biggest_exclusion)
    if settings.require_notes and not flow.notes:
        problem = f"none of the {flow.kept} stays has a discharge summary"
        remedy = "Export DocumentReference or Composition too, or name the site's document types"
        raise CohortError(out, problem, remedy)
