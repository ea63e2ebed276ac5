"""What check-site says of the open data sets, counted anew from their raw JSON."""

import gzip
import json
import math
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars
import pytest
from typer.testing import CliRunner

from cds_service.cli import app
from fhir_mapping.catalogue import CATALOGUE
from tests.batch.site_checks import checked, codings, feature, patient_of, raw

pytestmark = [pytest.mark.data, pytest.mark.sampled(2)]

LABITEMS = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-d-labitems"
HOSPITAL = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"
LEAST = 5
Found = dict[str, Any]


@pytest.fixture(scope="module")
def mimic(data_dir: Path) -> Path:
    return data_dir / "mimic-iv-demo" / "fhir"


@pytest.fixture(scope="module")
def mimic_found(mimic: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return checked(mimic, tmp_path_factory.mktemp("mimic") / "out")


@pytest.fixture(scope="module")
def synthea(data_dir: Path) -> Path:
    return data_dir / "synthea-bulk100" / "ndjson"


@pytest.fixture(scope="module")
def synthea_found(synthea: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    return checked(synthea, tmp_path_factory.mktemp("synthea") / "out")


def rank(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def test_every_resource_is_counted(mimic: Path, mimic_found: Found) -> None:
    counts: Counter[str] = Counter()
    for file in mimic.glob("*.ndjson.gz"):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            counts.update(json.loads(line)["resourceType"] for line in lines)
    assert {each["type"]: each["count"] for each in mimic_found["resources"]} == counts
    assert mimic_found["patients"] == counts["Patient"]
    unused = [each["type"] for each in mimic_found["resources"] if not each["used"]]
    assert unused == ["Organization"]
    assert [each["type"] for each in mimic_found["not_read"]] == ["Coverage"]


def test_stays_are_the_finished_hospital_encounters(mimic: Path, mimic_found: Found) -> None:
    hospital = [
        each
        for each in raw(mimic, "MimicEncounter")
        if any(one["system"] == HOSPITAL for one in each["identifier"])
    ]
    stays = mimic_found["stays"]
    assert stays["finished"] == sum(each["status"] == "finished" for each in hospital) == 176
    not_scored = sum(each["stays"] for each in stays["not_scored"])
    assert stays["scored"] + not_scored == stays["finished"]
    gone = [
        each
        for each in hospital
        if ("DIED" in [c for _, c in codings(each["hospitalization"].get("dischargeDisposition"))])
    ]
    died = {each["reason"]: each["stays"] for each in stays["not_scored"]}["deceased"]
    assert died == len(gone) == 12


def test_length_of_stay_is_as_late_as_the_stay_is_long(mimic: Path, mimic_found: Found) -> None:
    """The evidence of a length of stay is its start."""
    hours = [
        (
            datetime.fromisoformat(each["period"]["end"])
            - datetime.fromisoformat(each["period"]["start"])
        ).total_seconds()
        / 3600
        for each in raw(mimic, "MimicEncounter")
    ]
    late = feature(mimic_found, "hosp_los_days")["hours_before_discharge"]
    assert late["median"] == pytest.approx(rank(hours, 0.5), abs=0.51)
    assert late["p90"] == pytest.approx(rank(hours, 0.9), abs=0.51)


def test_dispositions_are_named_as_received(mimic: Path, mimic_found: Found) -> None:
    stays: Counter[str] = Counter()
    patients = defaultdict(set)
    for each in raw(mimic, "MimicEncounter"):
        for _, code in codings(each["hospitalization"].get("dischargeDisposition")):
            stays[code] += 1
            patients[code].add(patient_of(each))
    named = feature(mimic_found, "discharge_location")
    assert {each["code"]: each["stays"] for each in named["codes"]} == {
        code: count for code, count in stays.items() if len(patients[code]) >= LEAST
    }
    assert (named["found"], named["unknown"]) == (stays.total(), 176 - stays.total())


def test_units_are_those_received(mimic: Path, mimic_found: Found) -> None:
    haemoglobin: Counter[str] = Counter()
    sodium: Counter[str] = Counter()
    for each in raw(mimic, "MimicObservationLabevents"):
        if each.get("valueQuantity", {}).get("value") is None:
            continue
        spelling = each["valueQuantity"].get("code") or each["valueQuantity"].get("unit", "")
        code = codings(each["code"])[0]
        if code in {(LABITEMS, item) for item in ("51222", "50811", "51640")}:
            haemoglobin[spelling] += 1
        elif code in {(LABITEMS, item) for item in ("50983", "52623", "50824", "52455")}:
            sodium[spelling] += 1
    units: dict[str, dict[str, int]] = defaultdict(dict)
    for row in mimic_found["units"]:
        units[row["measure"]][row["unit"]] = row["values"]
    assert units["hemoglobin"] == haemoglobin
    assert units["sodium"] == sodium
    assert all(each["understood"] for each in mimic_found["units"])


def test_what_nothing_maps_is_counted_with_its_patients(mimic: Path, mimic_found: Found) -> None:
    rhythm = [
        each
        for each in raw(mimic, "MimicObservationED", "MimicObservationVitalSignsED")
        if ("http://loinc.org", "8884-9") in codings(each["code"])
    ]
    (listed,) = [each for each in mimic_found["unmapped"] if each["code"] == "8884-9"]
    assert (listed["count"], listed["patients"]) == (len(rhythm), len(set(map(patient_of, rhythm))))
    assert (listed["display"], listed["local"]) == ("Heart rate rhythm", False)


def test_rare_codes_are_only_counted(mimic: Path, mimic_found: Found) -> None:
    patients = defaultdict(set)
    times: Counter[str] = Counter()
    for each in raw(mimic, "MimicProcedureICU"):
        for _, code in codings(each["code"]):
            patients[code].add(patient_of(each))
            times[code] += 1
    rare = {code for code, of in patients.items() if len(of) < LEAST}
    shown = {e["code"]: e for e in mimic_found["unmapped"] if e["element"] == "Procedure.code"}
    assert rare
    assert rare.isdisjoint(shown)
    assert all(each["patients"] == len(patients[code]) for code, each in shown.items())
    (left,) = [e for e in mimic_found["not_listed"] if e["element"] == "Procedure.code"]
    assert left["rare_codes"] == len(rare)
    assert left["rare_count"] == sum(times[code] for code in rare)
    assert left["further_codes"] == len(patients) - len(rare) - len(shown)


def test_missing_is_what_extract_leaves_empty(
    mimic: Path, mimic_found: Found, tmp_path: Path
) -> None:
    out = tmp_path / "rows.parquet"
    done = CliRunner().invoke(app, ["extract", "--fhir", str(mimic), "--out", str(out)])
    assert done.exit_code == 0
    rows = polars.read_parquet(out)
    missing = {each["name"]: each["missing"] for each in mimic_found["features"]}
    assert missing == {name: rows[name].null_count() for name in CATALOGUE.names}
    for each in mimic_found["features"]:
        known = (each["found"], each["nothing_there"], each["unknown"], each["missing"])
        assert sum(known) == len(rows) == mimic_found["stays"]["finished"]
    assert mimic_found["stays"]["eligible"] == rows["eligible"].sum()


def test_synthea_counts(synthea: Path, synthea_found: Found) -> None:
    encounters = [e for e in raw(synthea, "Encounter") if e["class"]["code"] == "IMP"]
    assert synthea_found["stays"]["finished"] == len(encounters) == 101
    weights = [
        each
        for each in raw(synthea, "Observation")
        if ("http://loinc.org", "29463-7") in codings(each["code"])
    ]
    (listed,) = [each for each in synthea_found["unmapped"] if each["code"] == "29463-7"]
    assert listed["count"] == len(weights)
    assert listed["patients"] == len(set(map(patient_of, weights)))


def test_synthea_panels_count_by_their_components(synthea: Path, synthea_found: Found) -> None:
    systolic = [
        part
        for each in raw(synthea, "Observation")
        for part in each.get("component", ())
        if ("http://loinc.org", "8480-6") in codings(part["code"])
    ]
    (listed,) = [each for each in synthea_found["units"] if each["measure"] == "systolic"]
    assert (listed["unit"], listed["values"]) == ("mm[Hg]", len(systolic))
    assert "55284-4" not in {each["code"] for each in synthea_found["unmapped"]}
    assert "85354-9" not in {each["code"] for each in synthea_found["unmapped"]}


def test_the_deep_check_finds_what_is_not_r4(data_dir: Path, tmp_path: Path) -> None:
    """clinosim writes a MedicationAdministration's dosage with elements of another Dosage."""
    source = data_dir / "clinosim-101" / "ndjson"
    given = []
    for each in raw(source, "MedicationAdministration"):
        given.append(each)
        if len(given) == 300:
            break
    patients = {patient_of(each) for each in given}
    people = [each for each in raw(source, "Patient") if each["id"] in patients]
    (tmp_path / "part.ndjson").write_text("\n".join(map(json.dumps, (*given, *people))))
    found = checked(tmp_path / "part.ndjson", tmp_path / "out", "--sample", 300)
    errors = {
        each["path"]: each["resources"]
        for each in found["deep_check"]["errors"]
        if each["type"] == "MedicationAdministration"
    }
    named: dict[str, set[str]] = defaultdict(set)
    times: Counter[str] = Counter()
    for each in given:
        for name in {"timing", "doseAndRate"} & set(each.get("dosage", ())):
            named[name].add(patient_of(each))
            times[name] += 1
    shared = {f"dosage.{n}": times[n] for n in named if len(named[n]) >= LEAST}
    hidden = sum(times[n] for n in named if len(named[n]) < LEAST)
    assert times
    assert errors == shared | ({"dosage.(unknown element)": hidden} if hidden else {})
