"""The demo's FHIR resources written back as MIMIC-IV tables, as PhysioNet publishes them.

Times lose their zone: the tables have the hospital's wall clock. What the export does not have
(insurance, ED registration, provider ids) is left empty, but the columns are there.
"""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.parity.mimic_source import PATIENT, resources

Resource = dict[str, Any]
Row = dict[str, object]

COLUMNS = {
    "hosp/patients": "subject_id gender anchor_age anchor_year anchor_year_group dod",
    "hosp/admissions": (
        "subject_id hadm_id admittime dischtime deathtime admission_type admit_provider_id"
        " admission_location discharge_location insurance language marital_status race edregtime"
        " edouttime hospital_expire_flag"
    ),
    "hosp/services": "subject_id hadm_id transfertime prev_service curr_service",
    "hosp/diagnoses_icd": "subject_id hadm_id seq_num icd_code icd_version",
    "hosp/procedures_icd": "subject_id hadm_id seq_num chartdate icd_code icd_version",
    "hosp/labevents": (
        "labevent_id subject_id hadm_id specimen_id itemid order_provider_id charttime storetime"
        " value valuenum valueuom ref_range_lower ref_range_upper flag priority comments"
    ),
    "icu/icustays": ("subject_id hadm_id stay_id first_careunit last_careunit intime outtime los"),
    "ed/edstays": (
        "subject_id hadm_id stay_id intime outtime gender race arrival_transport disposition"
    ),
    "ed/triage": (
        "subject_id stay_id temperature heartrate resprate o2sat sbp dbp pain acuity chiefcomplaint"
    ),
    "ed/vitalsign": (
        "subject_id stay_id charttime temperature heartrate resprate o2sat sbp dbp rhythm pain"
    ),
    "ed/medrecon": ("subject_id stay_id charttime name gsn ndc etc_rn etccode etcdescription"),
    "ed/pyxis": "subject_id stay_id charttime med_rn name gsn_rn gsn",
    "ed/diagnosis": "subject_id stay_id seq_num icd_code icd_version icd_title",
    "note/discharge": "note_id subject_id hadm_id note_type note_seq charttime storetime text",
}
"""The header of each table, v2.2 and v3.1 alike."""
_ADMISSION_TYPES = {
    ("EMER", "EM"): "EW EMER.",
    ("AMB", "UR"): "URGENT",
    ("AMB", "EL"): "ELECTIVE",
    ("SS", "R"): "SURGICAL SAME DAY ADMISSION",
    ("OBSENC", "R"): "OBSERVATION ADMIT",
    ("AMB", "R"): "AMBULATORY OBSERVATION",
}
_RACES = {"2106-3": "WHITE", "2054-5": "BLACK/AFRICAN AMERICAN", "2028-9": "ASIAN"}
_VITALS = {
    "8310-5": "temperature",
    "8867-4": "heartrate",
    "9279-1": "resprate",
    "2708-6": "o2sat",
    "8480-6": "sbp",
    "8462-4": "dbp",
    "98137-3": "pain",
    "56839-4": "acuity",
    "8661-1": "chiefcomplaint",
    "8884-9": "rhythm",
}
_TRIAGE = "386478007"


def write_tables(fhir: Path, root: Path) -> None:
    """Every table of COLUMNS below `root`, `.csv.gz`, from the NDJSON files of `fhir`."""
    tables = Tables(fhir)
    for name, columns in COLUMNS.items():
        write_table(root / f"{name}.csv.gz", columns.split(), tables.rows(name))


def write_table(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]]) -> None:
    """One table; a column that a row does not have is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", newline="", compresslevel=1) as lines:
        writer = csv.DictWriter(lines, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summary_of(hadm_id: object) -> str:
    """A made-up note with what a csv can stumble over: commas, quotes, lines."""
    return f'Discharge Summary\n\nStay {hadm_id}: "stable", walking,\nsent home.\n___\n'


class Tables:
    """The rows of each table, made of the resources of an export."""

    def __init__(self, fhir: Path) -> None:
        self._fhir = fhir
        self._patients = {p["id"]: p for p in self._read("Patient")}
        self._subjects = {key: _number(p, PATIENT) for key, p in self._patients.items()}
        self._stays = {e["id"]: e for e in self._read("Encounter")}
        self._numbers = {
            e["id"]: int(e["identifier"][0]["value"])
            for kind in ("Encounter", "EncounterED", "EncounterICU")
            for e in self._read(kind)
        }
        self._first_years: dict[str, int] = {}
        for stay in self._stays.values():
            patient, year = _patient(stay), int(stay["period"]["start"][:4])
            self._first_years[patient] = min(year, self._first_years.get(patient, year))

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of `hosp/patients` and so on."""
        rows: Iterator[Row] = getattr(self, table.partition("/")[2])()
        return rows

    def _read(self, kind: str) -> Iterator[Resource]:
        return resources(self._fhir / f"Mimic{kind}.ndjson.gz")

    def _ids(self, resource: Resource) -> Row:
        return {"subject_id": self._subjects[_patient(resource)]}

    def _of_stay(self, resource: Resource) -> Row:
        encounter = resource.get("encounter", {}).get("reference", "").rpartition("/")[2]
        return self._ids(resource) | {"hadm_id": self._numbers.get(encounter, "")}

    def _of_ed(self, resource: Resource) -> Row:
        reference = resource.get("encounter", resource.get("context"))["reference"]
        return self._ids(resource) | {"stay_id": self._numbers[reference.rpartition("/")[2]]}

    def patients(self) -> Iterator[Row]:
        for key, patient in self._patients.items():
            year = self._first_years[key]
            yield {
                "subject_id": self._subjects[key],
                "gender": {"female": "F", "male": "M"}[patient["gender"]],
                "anchor_age": year - int(patient["birthDate"][:4]),
                "anchor_year": year,
                "anchor_year_group": "2011 - 2013",
                "dod": patient.get("deceasedDateTime", ""),
            }

    def admissions(self) -> Iterator[Row]:
        for stay in self._stays.values():
            yield self._ids(stay) | {
                "hadm_id": self._numbers[stay["id"]],
                "admittime": _wall(stay["period"]["start"]),
                "dischtime": _wall(stay["period"]["end"]),
                "admission_type": _ADMISSION_TYPES[stay["class"]["code"], _code(stay["priority"])],
                "admission_location": _code(stay["hospitalization"].get("admitSource")),
                "discharge_location": _code(stay["hospitalization"].get("dischargeDisposition")),
                "race": _race(self._patients[_patient(stay)]),
            }

    def services(self) -> Iterator[Row]:
        for stay in self._stays.values():
            yield self._ids(stay) | {
                "hadm_id": self._numbers[stay["id"]],
                "transfertime": _wall(stay["period"]["start"]),
                "curr_service": _code(stay["serviceType"]),
            }

    def diagnoses_icd(self) -> Iterator[Row]:
        for number, each in enumerate(self._read("Condition")):
            yield self._of_stay(each) | {"seq_num": number} | _icd(each)

    def procedures_icd(self) -> Iterator[Row]:
        for number, each in enumerate(self._read("Procedure")):
            date = {"seq_num": number, "chartdate": each["performedDateTime"][:10]}
            yield self._of_stay(each) | date | _icd(each)

    def labevents(self) -> Iterator[Row]:
        for each in self._read("ObservationLabevents"):
            quantity = each.get("valueQuantity", {})
            yield self._of_stay(each) | {
                "labevent_id": each["identifier"][0]["value"],
                "itemid": _code(each["code"]),
                "charttime": _wall(each["effectiveDateTime"]),
                "storetime": _wall(each.get("issued")),
                "value": quantity.get("value", "___"),
                "valuenum": quantity.get("value", ""),
                "valueuom": quantity.get("unit", ""),
                "comments": each.get("valueString", ""),
            }

    def icustays(self) -> Iterator[Row]:
        for stay in self._read("EncounterICU"):
            yield self._visit(stay)

    def edstays(self) -> Iterator[Row]:
        for stay in self._read("EncounterED"):
            words = stay["hospitalization"]
            yield self._visit(stay) | {
                "arrival_transport": _code(words["admitSource"]),
                "disposition": _code(words["dischargeDisposition"]),
            }

    def _visit(self, stay: Resource) -> Row:
        part_of = stay.get("partOf", {}).get("reference", "").rpartition("/")[2]
        return self._ids(stay) | {
            "hadm_id": self._numbers.get(part_of, ""),
            "stay_id": self._numbers[stay["id"]],
            "intime": _wall(stay["period"]["start"]),
            "outtime": _wall(stay["period"].get("end")),
        }

    def triage(self) -> Iterator[Row]:
        yield from self._measured(triage=True)

    def vitalsign(self) -> Iterator[Row]:
        yield from self._measured(triage=False)

    def _measured(self, *, triage: bool) -> Iterator[Row]:
        """The values of one row hang on one Procedure."""
        procedures = {p["id"]: p for p in self._read("ProcedureED")}
        held: dict[str, list[Resource]] = defaultdict(list)
        for kind in ("ObservationVitalSignsED", "ObservationED"):
            for each in self._read(kind):
                held[each["partOf"][0]["reference"].rpartition("/")[2]].append(each)
        columns = COLUMNS["ed/triage" if triage else "ed/vitalsign"].split()
        for key, procedure in procedures.items():
            if (_code(procedure["code"]) == _TRIAGE) == triage:
                row = self._of_ed(procedure) | {"charttime": _wall(procedure["performedDateTime"])}
                row |= _measures(held[key])
                yield {name: value for name, value in row.items() if name in columns}

    def diagnosis(self) -> Iterator[Row]:
        for number, each in enumerate(self._read("ConditionED")):
            yield self._of_ed(each) | {"seq_num": number} | _icd(each)

    def medrecon(self) -> Iterator[Row]:
        yield from self._drugs("MedicationStatementED", "dateAsserted")

    def pyxis(self) -> Iterator[Row]:
        yield from self._drugs("MedicationDispenseED", "whenHandedOver")

    def _drugs(self, kind: str, time: str) -> Iterator[Row]:
        for each in self._read(kind):
            name = each["medicationCodeableConcept"]["text"]
            yield self._of_ed(each) | {"charttime": _wall(each[time]), "name": name}

    def discharge(self) -> Iterator[Row]:
        for number, stay in enumerate(self._stays.values()):
            hadm = self._numbers[stay["id"]]
            yield self._ids(stay) | {
                "note_id": f"{hadm}-DS-{number}",
                "hadm_id": hadm,
                "note_type": "DS",
                "note_seq": number,
                "charttime": _wall(stay["period"]["end"]),
                "text": summary_of(hadm),
            }


def _measures(observations: Iterable[Resource]) -> Row:
    parts = [part for each in observations for part in (each, *each.get("component", ()))]
    return {
        _VITALS[code]: part.get("valueString", part.get("valueQuantity", {}).get("value", ""))
        for part in parts
        if (code := _code(part["code"])) in _VITALS
    }


def _icd(resource: Resource) -> Row:
    coding = resource["code"]["coding"][0]
    return {"icd_code": coding["code"], "icd_version": coding["system"].rpartition("icd")[2]}


def _race(patient: Resource) -> str:
    codes = json.dumps(patient.get("extension", ()))
    if "2135-2" in codes:
        return "HISPANIC OR LATINO"
    return next((race for code, race in _RACES.items() if code in codes), "UNKNOWN")


def _number(resource: Resource, system: str) -> int:
    return int(next(i["value"] for i in resource["identifier"] if i["system"] == system))


def _patient(resource: Resource) -> str:
    return str(resource["subject"]["reference"]).rpartition("/")[2]


def _code(concept: Resource | None) -> str:
    return str(concept["coding"][0]["code"]) if concept else ""


def _wall(text: str | None) -> str:
    """`2180-05-06T22:23:00-04:00` -> `2180-05-06 22:23:00`."""
    return (text or "")[:19].replace("T", " ")
