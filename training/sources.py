"""From the settings to a cohort and its table: which reader, which rules, which features."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from fhir_mapping.catalogue import CATALOGUE
from training.cohort import Cohort, CohortSettings, build_cohort
from training.cohorts.files import VECTORS, digest_of, load_notes, load_table
from training.cohorts.flow import Flow
from training.errors import RunError, SettingError
from training.experiment import Experiment
from training.fhir_cohort import FhirReader
from training.fitting.world import ALONE, World
from training.mimic import MimicReader
from training.readers.synthetic_stays import SyntheticSettings, generate
from training.runs import Run
from training.settings import CohortSource, Settings
from training.subjects import Progress, Reader
from training.writing import write_bytes

_WORKERS = 2


def make_cohort(run: Run, progress: Progress) -> Cohort:
    """Build or resume the run's cohort. Raises what build_cohort raises."""
    settings = run.settings
    rules = CohortSettings(
        task=settings.task,
        variant=settings.variant if settings.task == "critical_outcome" else "",
        observation_is_stay=settings.cohort.observation_is_stay,
        require_notes=settings.alignment is not None,
        shards=settings.cohort.shards,
    )
    reader = _reader(settings.cohort, run.folder, progress)
    return build_cohort(reader, rules, run.folder / "cohort", progress)


def experiment_of(run: Run, progress: Progress, world: World = ALONE) -> Experiment:
    """The run's table and notes. Raises InputError where the cohort is not finished."""
    folder = run.folder / "cohort"
    table = load_table(folder)
    _check_same(run, folder)
    if run.settings.cohort.split == "time":
        table = replace(table, splits=table.extras["temporal_split"])
    notes = load_notes(folder) if run.settings.alignment else {}
    kept = table.without(frozenset(run.settings.cohort.exclude))
    return Experiment(run, kept, notes, progress, world)


def _check_same(run: Run, folder: Path) -> None:
    """Stages that were trained on one cohort are never mixed with another. Raises RunError."""
    held = msgspec.json.decode((folder / "cohort.json").read_bytes(), type=_Held)
    if held.mapping != CATALOGUE.digest:
        remedy = "Build the cohort again with this version, in a new run folder"
        raise RunError(folder, "was made with another catalogue or other code lists", remedy)
    seen, digest = run.folder / "cohort.sha256", digest_of(folder / VECTORS).encode()
    if not seen.exists():
        write_bytes(seen, digest)
    elif seen.read_bytes() != digest:
        remedy = "Take a new run folder: what was trained here has seen other splits"
        raise RunError(folder, "is not the cohort that this run was trained on", remedy)


class _Held(msgspec.Struct):
    mapping: str


def flow_of_run(run: Run) -> Flow:
    """Who was left out, and why."""
    return msgspec.json.decode((run.folder / "cohort" / "flow.json").read_bytes(), type=Flow)


def source_in_words(settings: Settings) -> str:
    """For cards and reports; no path of anybody's machine."""
    match settings.cohort.reader:
        case "mimic_iv":
            return "MIMIC-IV (one hospital's emergency and intensive care patients)"
        case "clinosim":
            source = settings.cohort
            return (
                f"clinosim, seeds {', '.join(map(str, source.seeds))}, {source.people} people each"
            )
        case "fhir":
            return "a FHIR export of the site"


def _reader(source: CohortSource, folder: Path, progress: Progress) -> Reader:
    match source.reader:
        case "mimic_iv":
            return MimicReader(
                Path(source.path),
                ed=_path(source.ed),
                note=_path(source.note),
                without=frozenset(source.without),
            )
        case "clinosim":
            stays = SyntheticSettings(source.people, source.seeds, source.start, source.end)
            export = generate(folder / "synthetic_stays", stays, progress, workers=_WORKERS)
            return FhirReader(export, follow_up_until=_moment(source.follow_up_until))
        case "fhir":
            return FhirReader(
                Path(source.path),
                profile=source.profile or None,
                follow_up_until=_moment(source.follow_up_until),
            )


def _path(stated: str) -> Path | None:
    return Path(stated) if stated else None


def _moment(stated: str) -> datetime | None:
    if not stated:
        return None
    try:
        moment = datetime.fromisoformat(stated)
    except ValueError as error:
        remedy = "Write it as 2025-12-31 or 2025-12-31T23:59:59+00:00"
        raise SettingError("cohort.follow_up_until", "is no date or time", remedy) from error
    if len(stated) == len("2025-12-31"):
        moment += timedelta(days=1, microseconds=-1)  # a day is meant whole
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
