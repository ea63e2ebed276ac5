"""`readmit extract`: an export in, one row per finished index stay out. No service, no network."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import polars
import typer
from msgspec import structs
from rich.console import Console
from rich.progress import track

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.errors import MappingError
from fhir_mapping.exports import Export, read_export
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import PatientHistory
from fhir_mapping.outcomes import eligible
from fhir_mapping.profiles import Profile, load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.readings import Evidence
from fhir_mapping.stay import finished_stays

_console = Console(stderr=True)
_ROW = ("patient", "encounter")
COLUMNS = (*_ROW, "prediction_time", "eligible", "coverage", "profile", *CATALOGUE.names)
EVIDENCE_COLUMNS = (*_ROW, *Evidence.__struct_fields__)
_NEVER = datetime.max.replace(tzinfo=UTC)
"""Finished stays carry their own clock; no other is ever asked."""


@dataclass
class Extraction:
    """Rows and evidence in order of patient and encounter, and what was noticed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    noticed: Counter[str] = field(default_factory=Counter)


def extract_command(
    fhir: Annotated[Path, typer.Option(help="Folder of NDJSON (.gz too) or Bundles, or one file.")],
    out: Annotated[Path, typer.Option(help="One row per finished index stay: .csv or .parquet.")],
    profile: Annotated[
        str | None,
        typer.Option(help="Site profile; else detected from the data of each patient, and said."),
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="Where every value comes from: .csv or .parquet.")
    ] = None,
) -> None:
    """Compute the 105 features of every finished index stay of a FHIR export."""
    try:
        _check_paths(out, evidence)
        site = load_profile(profile) if profile else None
        export = read_export(fhir)
    except MappingError as wrong:
        raise typer.BadParameter(str(wrong)) from wrong
    result = extract_export(export, site, keep_evidence=evidence is not None)
    write_table(result.rows, COLUMNS, out)
    if evidence:
        write_table(result.evidence, EVIDENCE_COLUMNS, evidence)
    _report(result, out)


def extract_export(
    export: Export, site: Profile | None, *, keep_evidence: bool = False
) -> Extraction:
    """The table of an export. A patient without a Patient resource is counted, not lost silently."""
    result = Extraction()
    result.noticed.update(f"{issue.code}: {issue.resource}" for issue in export.issues)
    for patient, resources in track(
        list(export.records()),
        description="Patients",
        console=_console,
        transient=True,
        disable=not _console.is_terminal,
    ):
        try:
            history = history_of(resources, profile=site)
        except MappingError:
            result.noticed["patient_resource_missing: Patient"] += 1
            continue
        for encounter, is_eligible, vector in vectors_of(history, export):
            row = {"patient": patient, "encounter": encounter}
            result.rows.append(row | _row(vector, is_eligible))
            result.noticed.update(_issues(vector))
            if keep_evidence:
                result.evidence.extend(
                    row | _words(structs.asdict(each)) for each in vector.evidence
                )
    return result


def vectors_of(
    history: PatientHistory, export: Export
) -> Iterator[tuple[str, bool, FeatureVector]]:
    """(encounter, eligible, vector) of each finished hospital stay."""
    for stay in finished_stays(history, _NEVER):
        vector = extract(history, stay, export.sources)
        yield stay.visit.id, eligible(history, stay) is None, vector


def write_table(rows: list[dict[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write by suffix, whole or not at all: a broken run leaves the former file as it was."""
    frame = polars.DataFrame(rows, columns if not rows else None, infer_schema_length=None)
    draft = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        frame.write_parquet(draft)
    else:
        frame.write_csv(draft)
    draft.replace(path)


def _row(vector: FeatureVector, is_eligible: bool) -> dict[str, Any]:
    return {
        "prediction_time": vector.prediction_time.isoformat(),
        "eligible": is_eligible,
        "coverage": vector.coverage.known,
        "profile": vector.profile,
        **dict(zip(CATALOGUE.names, vector.values, strict=True)),
    }


def _words(evidence: dict[str, Any]) -> dict[str, Any]:
    return evidence | {"value": str(evidence["value"])}


def _issues(vector: FeatureVector) -> Counter[str]:
    counted: Counter[str] = Counter()
    for issue in vector.issues:
        counted[f"{issue.code}: {issue.feature or issue.resource}"] += issue.count
    return counted


def _check_paths(*paths: Path | None) -> None:
    named = [path for path in paths if path]
    for path in named:
        if path.suffix not in (".csv", ".parquet"):
            raise MappingError(f"{path.name}: end the name in .csv or .parquet")
        if not path.parent.is_dir():
            raise MappingError(f"{path.parent}: no such folder; make it first")
    if len({path.resolve() for path in named}) < len(named):
        raise MappingError("--out and --evidence name the same file; give them two")


def _report(result: Extraction, out: Path) -> None:
    profiles = Counter(row["profile"] for row in result.rows)
    able = sum(row["eligible"] for row in result.rows)
    _console.print(f"{out}: {len(result.rows)} stays, {able} eligible; profile {_list(profiles)}")
    for noticed, count in sorted(result.noticed.items()):
        _console.print(f"  {count:6d}  {noticed}")


def _list(counts: Iterable[str]) -> str:
    return ", ".join(sorted(counts)) or "none"
