"""A made-up MIMIC of one patient, one stay, and a way to write it wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.parity.mimic_writer import COLUMNS, write_table
from training.mimic import MimicReader
from training.subjects import Subject

Row = dict[str, object]
FORBIDDEN = ("10000001", "20000001", "2150-", "secret")
"""What the tables below hold of a patient: no message may have it."""
PERSON: Row = {"subject_id": 10000001}
STAY: Row = PERSON | {"hadm_id": 20000001}
VISIT: Row = PERSON | {"stay_id": 30000001}
ROWS: Mapping[str, list[Row]] = {
    "hosp/patients": [
        PERSON
        | {
            "gender": "F",
            "anchor_age": 91,
            "anchor_year": 2150,
            "anchor_year_group": "2008 - 2010",
        }
    ],
    "hosp/admissions": [
        STAY
        | {
            "admittime": "2150-03-01 10:00:00",
            "dischtime": "2150-03-05 10:00:00",
            "admission_type": "URGENT",
            "insurance": "Private",
            "race": "ASIAN - CHINESE",
            "discharge_location": "secret",
            "edregtime": "2150-03-01 05:00:00",
            "edouttime": "2150-03-01 11:00:00",
        }
    ],
    "hosp/services": [
        STAY | {"transfertime": "2150-03-02 10:00:00", "curr_service": "OMED"},
        STAY | {"transfertime": "2150-03-01 10:00:00", "curr_service": "MED"},
    ],
    "hosp/diagnoses_icd": [STAY | {"seq_num": 1, "icd_code": "I50 ", "icd_version": 10}],
    "hosp/procedures_icd": [
        STAY | {"seq_num": 1, "chartdate": "2150-03-02", "icd_code": "3893", "icd_version": 9}
    ],
    "hosp/labevents": [
        STAY
        | {
            "labevent_id": number,
            "itemid": item,
            "charttime": "2150-03-02 10:00:00",
            "value": value,
            "valuenum": numeric,
            "valueuom": "g/dL",
        }
        for number, (item, value, numeric) in enumerate(
            [(51222, "<5", "5"), (51222, "___", ""), (50971, "4", "4")]
        )
    ],
    "icu/icustays": [
        STAY
        | {
            "stay_id": 30000009,
            "intime": "2150-03-02 10:00:00",
            "outtime": "2150-03-03 10:00:00",
        }
    ],
    "ed/edstays": [
        STAY
        | VISIT
        | {
            "intime": "2150-03-01 05:00:00",
            "outtime": "2150-03-01 11:00:00",
            "arrival_transport": "WALK IN",
        }
    ],
    "ed/triage": [VISIT | {"temperature": 98.6, "heartrate": "secret", "pain": "7"}],
    "ed/vitalsign": [VISIT | {"charttime": "2150-03-01 06:00:00", "sbp": 120}],
    "ed/medrecon": [VISIT | {"charttime": "2150-03-01 06:00:00", "name": "Aspirin"}],
    "ed/pyxis": [VISIT | {"charttime": "2150-03-01 06:00:00", "name": "  Acetaminophen "}],
    "ed/diagnosis": [VISIT | {"seq_num": 1, "icd_code": "4280", "icd_version": 9}],
    "note/discharge": [
        STAY | {"note_id": "10000001-AD-2", "note_type": "AD", "note_seq": 2, "text": "Addendum."},
        STAY | {"note_id": "10000001-DS-1", "note_type": "DS", "note_seq": 1, "text": "Summary."},
    ],
}
Tables = Callable[..., Path]


def writer(tmp_path: Path) -> Tables:
    """A function that writes the tables below a folder, some left out, some with other rows."""

    def write(*without: str, folder: str = "mimic", **other: list[Row]) -> Path:
        root = tmp_path / folder
        for name, rows in ROWS.items():
            if not any(name.startswith(each) for each in without):
                chosen = other.get(name.partition("/")[2], rows)
                write_table(root / f"{name}.csv.gz", COLUMNS[name].split(), chosen)
        return root

    return write


def quiet(task: str, done: int, total: int) -> None:
    assert done <= total


def one_subject(reader: MimicReader, work: Path) -> Subject:
    reader.prepare(work, 1, quiet)
    (subject,) = reader.subjects(0)
    return subject
