"""The MIMIC demo read a second way: its csv tables, and the raw JSON of its Encounters.

Nothing of the product is imported here: this is what the mapping is held against.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars

HOSPITAL = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"
PATIENT = "http://mimic.mit.edu/fhir/mimic/identifier/patient"
_NEW_YORK = ZoneInfo("America/New_York")
_LAB_ITEMS = (51222, 50811, 51640, 50983, 52623, 50824, 52455)


@dataclass(frozen=True)
class Admission:
    """One row of admissions. Times are aware, in UTC, so that a difference is elapsed time."""

    hadm_id: int
    subject_id: int
    start: datetime
    end: datetime
    row: dict[str, Any]


@dataclass(frozen=True)
class EdVisit:
    """One ED Encounter of the FHIR export."""

    id: str
    start: datetime
    end: datetime
    part_of: str


@dataclass
class Demo:
    """Tables by their own ids, and the ids that FHIR gave to stays and patients."""

    admissions: dict[int, Admission] = field(default_factory=dict)
    patients: dict[int, dict[str, Any]] = field(default_factory=dict)
    diagnoses: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    labs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    ed_visits: dict[int, list[EdVisit]] = field(default_factory=dict)
    stays: dict[str, int] = field(default_factory=dict)
    stay_part_of: dict[int, str] = field(default_factory=dict)

    def of_patient(self, subject_id: int) -> list[Admission]:
        """All admissions of a patient, in order of time."""
        found = [a for a in self.admissions.values() if a.subject_id == subject_id]
        return sorted(found, key=lambda a: a.start)

    def t0(self, admission: Admission) -> datetime:
        """Start of the ED visit that led into the admission, else the admission's own start.

        Tied by partOf, either way; else ended 6 h before to 2 h after the admission began. Visits
        that overlap or touch it are one with it.
        """
        encounter = next(k for k, v in self.stays.items() if v == admission.hadm_id)
        visits = self.ed_visits.get(admission.subject_id, [])
        tied = [
            v
            for v in visits
            if v.part_of == encounter or v.id == self.stay_part_of[admission.hadm_id]
        ]
        near = [v for v in visits if -6 <= _hours(v.end - admission.start) <= 2]
        led = tied or near
        if not led:
            return admission.start
        closest = min(led, key=lambda v: abs(v.end - admission.start))
        return _merged_start(closest, visits)


def read_demo(folder: Path) -> Demo:
    """Read `mimic-iv-demo`: four tables and the hospital and ED Encounters."""
    hosp, demo = folder / "csv" / "hosp", Demo()
    for row in _table(hosp / "admissions.csv.gz"):
        demo.admissions[row["hadm_id"]] = Admission(
            row["hadm_id"], row["subject_id"], local(row["admittime"]), local(row["dischtime"]), row
        )
    demo.patients = {row["subject_id"]: row for row in _table(hosp / "patients.csv.gz")}
    demo.diagnoses = _diagnoses(hosp / "diagnoses_icd.csv.gz")
    demo.labs = _labs(hosp / "labevents.csv.gz")
    _read_encounters(folder / "fhir", demo)
    return demo


def local(text: str) -> datetime:
    """A naive local time of the tables: New York, with its daylight saving (PROVENANCE.md)."""
    return datetime.fromisoformat(text).replace(tzinfo=_NEW_YORK).astimezone(UTC)


def new_york(moment: datetime) -> datetime:
    """An instant by the wall clock of the tables."""
    return moment.astimezone(_NEW_YORK)


def resources(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a .ndjson.gz file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def identifier(resource: dict[str, Any], system: str) -> int:
    """The number under an identifier system."""
    return int(next(i["value"] for i in resource["identifier"] if i["system"] == system))


def _read_encounters(folder: Path, demo: Demo) -> None:
    subjects = {
        f"Patient/{p['id']}": identifier(p, PATIENT)
        for p in resources(folder / "MimicPatient.ndjson.gz")
    }
    for stay in resources(folder / "MimicEncounter.ndjson.gz"):
        hadm_id = identifier(stay, HOSPITAL)
        demo.stays[stay["id"]] = hadm_id
        demo.stay_part_of[hadm_id] = _part_of(stay)
    for visit in resources(folder / "MimicEncounterED.ndjson.gz"):
        start, end = (datetime.fromisoformat(visit["period"][edge]) for edge in ("start", "end"))
        demo.ed_visits.setdefault(subjects[visit["subject"]["reference"]], []).append(
            EdVisit(visit["id"], start.astimezone(UTC), end.astimezone(UTC), _part_of(visit))
        )


def _part_of(encounter: dict[str, Any]) -> str:
    return str(encounter.get("partOf", {}).get("reference", "")).removeprefix("Encounter/")


def _merged_start(visit: EdVisit, visits: list[EdVisit]) -> datetime:
    start, end = visit.start, visit.end
    for _ in visits:  # each pass can only widen; as many passes as visits are enough
        touching = [v for v in visits if v.start <= end and v.end >= start]
        start = min(v.start for v in touching)
        end = max(v.end for v in touching)
    return start


def _hours(span: timedelta) -> float:
    return span / timedelta(hours=1)


def _diagnoses(path: Path) -> dict[int, list[tuple[str, str]]]:
    codes: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in _table(path):
        codes[int(row["hadm_id"])].append((f"icd{row['icd_version']}", str(row["icd_code"])))
    return codes


def _labs(path: Path) -> dict[int, list[dict[str, Any]]]:
    labs: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in _table(path, polars.col("itemid").is_in(_LAB_ITEMS)):
        times = {name: local(row[name]) for name in ("charttime", "storetime")}
        labs[row["subject_id"]].append(row | times)
    return labs


def _table(path: Path, wanted: polars.Expr | None = None) -> list[dict[str, Any]]:
    overrides = {"icd_code": polars.String, "comments": polars.String, "value": polars.String}
    frame = polars.read_csv(path, infer_schema_length=None)
    kept = {name: kind for name, kind in overrides.items() if name in frame.columns}
    frame = polars.read_csv(path, infer_schema_length=None, schema_overrides=kept)
    return (frame if wanted is None else frame.filter(wanted)).to_dicts()
