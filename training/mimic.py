"""MIMIC-IV v2.x and v3.x as downloaded, one patient at a time, in the mapping's own words.

The histories are what the FHIR export of the same rows gives (docs/reference/mimic_parity.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from fhir_mapping.history import Event, PatientHistory, Source, Sources
from fhir_mapping.readings import ED_VISITS
from fhir_mapping.stay import finished_stays
from training.errors import InputError, RunError
from training.readers.mimic_events import events_of, lab_items, payer_event
from training.readers.mimic_layout import find_sources, fingerprint
from training.readers.mimic_tables import Row, read_shard, write_shards
from training.readers.mimic_visits import SITE, Rows, person_of, visits_of
from training.subjects import Progress, Subject

_FEEDS = {
    "Patient": ("hosp.patients",),
    "Encounter": ("hosp.admissions",),
    ED_VISITS: ("ed.edstays",),
    "Location": ("icu.icustays",),
    "Condition": ("hosp.diagnoses_icd",),
    "Procedure": ("hosp.procedures_icd",),
    "Coverage": ("hosp.admissions",),
    "MedicationStatement": ("ed.medrecon",),
    "MedicationRequest": ("ed.medrecon",),
    "MedicationDispense": ("ed.pyxis",),
    "MedicationAdministration": ("ed.pyxis",),
}
"""FHIR type -> the tables of which a zero needs all (METHOD.md, Absence); Observation is apart.

Intensive care is told by Location in FHIR and by icustays here. Home drugs are in medrecon and
drugs given in the ED in pyxis alone: prescriptions, pharmacy and emar are the wards'. ED visits
have a key of their own, so that a download without the ED module keeps the zeros of the others.
"""
_ED_VALUES = ("ed.triage", "ed.vitalsign")
_LABS = "hosp.labevents"
_FOLDER = "mimic_tables"


class MimicReader:
    """A download of MIMIC-IV as a Reader. `without`: tables known to be missing (`hosp.services`).

    `root` holds hosp and icu; ed and note may lie below it or have folders of their own. A module
    that is nowhere is left out, and what only it feeds counts as not read. `memory` is DuckDB's
    limit. The constructor reads headers only. Raises InputError.

    `follow_up_until` is the end of time: each patient's dates are shifted by an amount of their
    own, so that there is no common date at which the data end.
    """

    name = "mimic_iv"
    follow_up_until = datetime.max.replace(tzinfo=UTC)

    def __init__(
        self,
        root: Path,
        ed: Path | None = None,
        note: Path | None = None,
        *,
        without: frozenset[str] = frozenset(),
        memory: str = "4GB",
    ) -> None:
        roots = {"hosp": root, "icu": root, "ed": ed or root, "note": note or root}
        self._tables = find_sources(roots, without)
        self._memory = memory
        self._work: Path | None = None

    def fingerprint(self) -> str:
        """Of the tables that are used, their file names and sizes, and the items of the profile."""
        return fingerprint(self._tables, *sorted(lab_items()))

    def prepare(self, work: Path, shards: int, progress: Progress) -> None:
        """Filter and cut the tables into `shards` below `work`; a table that is there whole for
        the same data and number of shards is kept. Raises InputError, RunError."""
        items = ", ".join(f"'{item}'" for item in sorted(lab_items()))
        write_shards(
            self._tables,
            work / _FOLDER,
            shards=shards,
            key=self.fingerprint(),
            memory=self._memory,
            wanted={_LABS: f"itemid IN ({items})"},
            progress=progress,
        )
        self._work = work / _FOLDER

    def subjects(self, shard: int) -> Iterator[Subject]:
        """The patients of one shard in order of their ids. Raises RunError before `prepare`."""
        if self._work is None:
            raise RunError(self.name, "subjects were asked for before prepare", "Call prepare")
        specs = [table.spec for table in self._tables]
        for subject_id, rows in read_shard(specs, self._work, shard, memory=self._memory):
            yield self._subject(subject_id, rows)

    @cached_property
    def sources(self) -> Sources:
        """What was read, by FHIR type, the same for every patient.

        Observation is read where the ED's values are: only the first value of a window needs
        that. The laboratory alone is part of it.
        """
        there = {table.spec.label for table in self._tables}
        found: dict[str, Source] = {
            kind: "read" if there.issuperset(tables) else "not_read"
            for kind, tables in _FEEDS.items()
        }
        known = there.issuperset(_ED_VALUES)
        found["Observation"] = "read" if known else "partial" if _LABS in there else "not_read"
        return found

    def _subject(self, subject_id: str, rows: Mapping[str, list[Row]]) -> Subject:
        patient, *others = rows["hosp.patients"]
        if others:
            problem, remedy = "a subject_id occurs more than once", "Use the table as downloaded"
            raise InputError("hosp.patients", problem, remedy)
        return Subject(
            subject_id=subject_id,
            history=self._history(rows),
            sources=self.sources,
            notes=_notes(rows),
            era=patient["anchor_year_group"] or "",
        )

    def _history(self, rows: Rows) -> PatientHistory:
        history = PatientHistory(
            person=person_of(rows),
            visits=visits_of(rows, with_ed=self.sources[ED_VISITS] == "read"),
            events=events_of(rows),
            issues=(),
            profile=SITE.name,
            profile_detected=False,
            zone=SITE.zone,
            plain_complaint_match=SITE.plain_complaint_match,
            ed_drugs_by_visit=SITE.ed_drugs_by_visit,
            outpatient_diagnoses=bool(SITE.diagnosis["outpatient_diagnoses"]),
        )
        payers = _payers(history, rows)
        return replace(history, events={**history.events, "payer": payers}) if payers else history


def _payers(history: PatientHistory, rows: Rows) -> tuple[Event, ...]:
    admissions = {row["hadm_id"]: row for row in rows["hosp.admissions"]}
    found = (
        payer_event(admissions[stay.visit.id], stay)
        for stay in finished_stays(history, datetime.max.replace(tzinfo=UTC))
    )
    return tuple(event for event in found if event)


def _notes(rows: Rows) -> Mapping[str, str]:
    """hadm_id -> the summary; addenda follow it."""
    notes: dict[str, str] = {}
    ordered = sorted(
        rows.get("note.discharge", ()),
        key=lambda row: (row["note_type"] != "DS", row["charttime"] or "", row["note_id"] or ""),
    )
    for row in ordered:
        hadm, text = row["hadm_id"], row["text"]
        if hadm and text:
            notes[hadm] = f"{notes[hadm]}\n\n{text}" if hadm in notes else text
    return notes
