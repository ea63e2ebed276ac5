"""MIMIC rows into a person and visits: what the words of the tables mean.

Times are the hospital's wall clock, read in the zone of the mimic profile. Codes that the profile lists are looked up there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from fhir_mapping.history import Origin, Person, Segment, Visit
from fhir_mapping.profiles import load_profile
from fhir_mapping.when import When
from training.errors import InputError
from training.readers.mimic_tables import Row

SITE = load_profile("mimic")
Rows = Mapping[str, Sequence[Row]]
_ONCOLOGY = frozenset(
    token.rpartition("|")[2]
    for token in SITE.encounter["oncology_codes"]
    if "mimic-services" in token
)
_ADMISSION_TYPES = {
    "EW EMER.": "emergency",
    "DIRECT EMER.": "emergency",
    "URGENT": "urgent",
    "ELECTIVE": "elective",
    "SURGICAL SAME DAY ADMISSION": "surgical_same_day",
    "OBSERVATION ADMIT": "observation",
    "EU OBSERVATION": "observation",
    "AMBULATORY OBSERVATION": "observation",
    "DIRECT OBSERVATION": "observation",
}
_RACES = {
    "WHITE": "white",
    "PORTUGUESE": "white",
    "SOUTH AMERICAN": "white",
    "BLACK": "black",
    "ASIAN": "asian",
    "HISPANIC": "hispanic",
    "AMERICAN INDIAN": "native_american",
    "NATIVE HAWAIIAN": "pacific_islander",
    "MULTIPLE RACE": "other",
    "OTHER": "other",
}
"""By how the 33 values begin. PORTUGUESE and SOUTH AMERICAN as the FHIR export has them."""


def person_of(rows: Rows) -> Person:
    """The patient. Born on 1 January of `anchor_year - anchor_age`: the completed years at a date
    are then the benchmark's age, of which MIMIC gives the year only. Above 89 `anchor_age` is 91
    in every version: such an age is a lower bound.

    `race` is stated by admission; the first admission's holds, because one filled in from a
    later stay would tell that there was one.
    """
    patient = rows["hosp.patients"][0]
    stated = min(rows["hosp.admissions"], key=lambda row: row["admittime"] or "~", default=None)
    died = when(patient["dod"])
    return Person(
        id=_text(patient, "subject_id"),
        origin=Origin(f"Patient/{patient['subject_id']}"),
        birth=_birth(patient),
        sex=patient["gender"] if patient["gender"] in ("M", "F") else "unknown",
        ethnicity=_ethnicity((stated and stated["race"]) or ""),
        deceased=died is not None,
        deceased_on=died,
    )


def visits_of(rows: Rows, *, with_ed: bool) -> tuple[Visit, ...]:
    """Hospital, ICU and ED stays, their ids MIMIC's own.

    Without the ED module the ED registration of an admission stands for the visit that led to it
    (id `<hadm_id>-ed`): so T0 is the same moment.
    """
    services = _last_services(rows.get("hosp.services", ()))
    visits = [_admission(row, services) for row in rows["hosp.admissions"]]
    visits += [_intensive_care(row) for row in rows.get("icu.icustays", ())]
    if with_ed:
        visits += [_ed_visit(row) for row in rows.get("ed.edstays", ())]
    else:
        visits += _registered(rows["hosp.admissions"])
    return tuple(visits)


def when(text: str | None) -> When | None:
    """A time or a date of the tables; None where the cell is empty or holds neither."""
    return SITE.when(text.replace(" ", "T", 1)) if text else None


def timed(row: Row, column: str, table: str) -> When:
    """A time that the row cannot be without. Raises InputError naming table and column."""
    found = when(row[column])
    if found is None:
        raise InputError(
            f"{table}.{column}",
            "a row's time is empty or not written YYYY-MM-DD HH:MM:SS",
            "Use the files as downloaded, not re-saved by a spreadsheet",
        )
    return found


def _admission(row: Row, services: Mapping[str, str]) -> Visit:
    hadm, source = _text(row, "hadm_id"), row["admission_location"]
    service = services.get(hadm)
    end, place = when(row["dischtime"]), _level("disposition", row["discharge_location"])
    return Visit(
        id=hadm,
        role="hospital",
        origin=_encounter(hadm),
        status="finished" if end else "in-progress",
        start=timed(row, "admittime", "hosp.admissions"),
        end=end,
        admission_type=_ADMISSION_TYPES.get(row["admission_type"] or "", "unknown"),
        arrival=_level("arrival", source) or "unknown",
        oncology=None if service is None else service in _ONCOLOGY,
        transferred_in=_level("admit_source", source) == "transfer",
        disposition=place or "unknown",
        disposition_uncoded=bool(row["discharge_location"]) and place is None,
    )


def _intensive_care(row: Row) -> Visit:
    start, end = timed(row, "intime", "icu.icustays"), when(row["outtime"])
    stay = _text(row, "stay_id")
    return Visit(
        id=stay,
        role="icu",
        origin=_encounter(stay),
        status="finished" if end else "in-progress",
        start=start,
        end=end,
        part_of=row["hadm_id"] or "",
        segments=(Segment(start, end),),
    )


def _ed_visit(row: Row) -> Visit:
    stay, place = _text(row, "stay_id"), _level("disposition", row["disposition"])
    return Visit(
        id=stay,
        role="ed",
        origin=_encounter(stay),
        status="finished",
        start=timed(row, "intime", "ed.edstays"),
        end=when(row["outtime"]),
        part_of=row["hadm_id"] or "",
        arrival=_level("arrival", row["arrival_transport"]) or "unknown",
        disposition=place or "unknown",
        disposition_uncoded=bool(row["disposition"]) and place is None,
    )


def _registered(admissions: Iterable[Row]) -> Iterator[Visit]:
    for row in admissions:
        start = when(row["edregtime"])
        if start:
            hadm = _text(row, "hadm_id")
            yield Visit(
                id=f"{hadm}-ed",
                role="ed",
                origin=_encounter(hadm),
                status="finished",
                start=start,
                end=when(row["edouttime"]),
                part_of=hadm,
            )


def _last_services(rows: Iterable[Row]) -> Mapping[str, str]:
    """hadm_id -> the service that discharged: the one moved to last (HOSPITAL score, O)."""
    ordered = sorted(rows, key=lambda row: row["transfertime"] or "")
    return {row["hadm_id"] or "": row["curr_service"] or "" for row in ordered}


def _level(table: str, word: str | None) -> str | None:
    return SITE.level(table, "", word) if word else None


def _birth(patient: Row) -> date | None:
    try:
        return date(int(patient["anchor_year"] or "") - int(patient["anchor_age"] or ""), 1, 1)
    except ValueError:
        return None


def _ethnicity(race: str) -> str:
    return next((level for word, level in _RACES.items() if race.startswith(word)), "unknown")


def _encounter(number: str) -> Origin:
    return Origin(f"Encounter/{number}")


def _text(row: Row, column: str) -> str:
    return row[column] or ""
