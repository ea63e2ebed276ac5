"""Which codes prove which comorbidity. When a diagnosis is history is in test_diagnoses.py."""

import pytest

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.codelists import comorbidities, rows, snomed_to_icd10
from tests.spec.record import condition, stay, value, vector

FLAGS = [feature.name for feature in CATALOGUE if feature.reduce == "diagnosed"]
MIMIC = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd"

#                                     ICD-10     ICD-9
PROOFS = {
    "cci_mi": ("I21.4", "410.71"),
    "cci_chf": ("I50.9", "428.0"),
    "cci_pvd": ("I70.0", "440.9"),
    "cci_stroke": ("I63.9", "434.91"),
    "cci_dementia": ("F03.90", "290.0"),
    "cci_pulmonary": ("J44.9", "496"),
    "cci_rheumatic": ("M06.9", "714.0"),
    "cci_pud": ("K25.9", "533.90"),
    "cci_liver_mild": ("K74.60", "571.5"),
    "cci_diabetes_uncomplicated": ("E11.9", "250.00"),
    "cci_diabetes_complicated": ("E11.22", "250.40"),
    "cci_paralysis": ("G81.90", "342.90"),
    "cci_renal": ("N18.3", "585.3"),
    "cci_cancer": ("C50.919", "174.9"),
    "cci_liver_severe": ("K72.90", "572.2"),
    "cci_cancer_metastatic": ("C78.00", "197.0"),
    "cci_hiv": ("B20", "042"),
    "eci_chf": ("I11.0", "402.91"),
    "eci_arrhythmia": ("I48.91", "427.31"),
    "eci_valvular": ("I35.0", "424.1"),
    "eci_phtn": ("I26.99", "415.19"),
    "eci_pvd": ("I73.9", "443.9"),
    "eci_hypertension_complicated": ("I13.0", "403.91"),
    "eci_hypertension_uncomplicated": ("I10", "401.9"),
    "eci_paralysis": ("G82.20", "344.1"),
    "eci_neuro_other": ("G40.909", "345.90"),
    "eci_pulmonary": ("J45.909", "493.90"),
    "eci_diabetes_complicated": ("E11.65", "250.60"),
    "eci_diabetes_uncomplicated": ("E10.9", "250.01"),
    "eci_hypothyroid": ("E03.9", "244.9"),
    "eci_renal": ("N18.6", "585.6"),
    "eci_liver": ("B18.2", "070.54"),
    "eci_pud": ("K25.7", "531.70"),
    "eci_hiv": ("B20", "042"),
    "eci_lymphoma": ("C85.90", "202.80"),
    "eci_tumor_metastatic": ("C79.51", "198.5"),
    "eci_tumor_solid": ("C34.90", "162.9"),
    "eci_rheumatic": ("M32.10", "710.0"),
    "eci_coagulopathy": ("D69.6", "287.5"),
    "eci_obesity": ("E66.9", "278.00"),
    "eci_weight_loss": ("E43", "263.9"),
    "eci_fluids_lytes": ("E87.1", "276.1"),
    "eci_blood_loss": ("D50.0", "280.0"),
    "eci_anemia": ("D50.9", "280.9"),
    "eci_alcohol": ("F10.20", "303.90"),
    "eci_drugs": ("F11.20", "304.00"),
    "eci_psychoses": ("F20.9", "295.90"),
    "eci_depression": ("F32.9", "311"),
}


def known(code: str, profile: str = "us_core") -> set[str]:
    """The flags that one active problem sets."""
    row = condition(code, recorded="01-01 00:00", clinical="active")
    answer = vector(row, profile=profile)
    return {name for name in FLAGS if answer[name]}


def test_there_are_48_flags_and_a_proof_for_each() -> None:
    assert len(FLAGS) == 48
    assert list(PROOFS) == FLAGS


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_has_its_codes(flag: str) -> None:
    ten, nine = PROOFS[flag]
    assert flag in known(f"icd10|{ten}")
    assert flag in known(f"icd9|{nine}")


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        ("icd10|I50.9", "cci_chf eci_chf"),
        ("icd10|I509", "cci_chf eci_chf"),
        ("icd10|i50.9", "cci_chf eci_chf"),
        ("icd10| I50 .9 ", "cci_chf eci_chf"),
        ("icd10|I50", "cci_chf eci_chf"),
        ("icd10|I50.9XYZ", "cci_chf eci_chf"),
        ("icd10|I5", ""),
        ("icd10|", ""),
        ("icd10|E66.9", "eci_obesity"),
        ("icd10|Z99.9", ""),
        ("icd9|428.0", "cci_chf eci_chf"),
        ("icd9|4280", "cci_chf eci_chf"),
        ("icd9|042", "cci_hiv eci_hiv"),
        ("icd9|42", ""),
        ("icd10|428.0", ""),
        ("icd9|I50.9", ""),
        ("icd9|V42.0", "cci_renal eci_renal"),
        ("icd10|V42.0", ""),
        ("http://hl7.org/fhir/sid/icd-10|I50.9", "cci_chf eci_chf"),
        ("urn:oid:2.16.840.1.113883.6.90|I50.9", "cci_chf eci_chf"),
        ("urn:oid:2.16.840.1.113883.6.103|428.0", "cci_chf eci_chf"),
        ("urn:site:diagnoses|I50.9", ""),
        ("loinc|I50.9", ""),
        ("snomed|44054006", "cci_diabetes_uncomplicated eci_diabetes_uncomplicated"),
        ("snomed|46177005", "cci_renal eci_renal"),
        ("snomed|195967001", "cci_pulmonary eci_pulmonary"),
        ("snomed|999999", ""),
        ("icd10|44054006", ""),
    ],
)
def test_codes_match_by_prefix_within_their_version(code: str, flags: str) -> None:
    assert known(code) == set(flags.split())


@pytest.mark.parametrize(
    ("code", "profile", "flags"),
    [
        (f"{MIMIC}10|I509", "mimic", "cci_chf eci_chf"),
        (f"{MIMIC}9|4280", "mimic", "cci_chf eci_chf"),
        (f"{MIMIC}10|4280", "mimic", ""),
        (f"{MIMIC}9|I509", "mimic", ""),
        (f"{MIMIC}10|I509", "us_core", ""),
    ],
)
def test_local_systems_are_the_profiles(code: str, profile: str, flags: str) -> None:
    assert known(code, profile) == set(flags.split())


def test_every_coding_of_a_condition_counts() -> None:
    row = condition("snomed|44054006", recorded="01-01 00:00")
    row["code"]["coding"] += [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "I50.9"}]
    assert value("cci_chf", row) == 1
    assert value("cci_diabetes_uncomplicated", row) == 1


def test_a_condition_without_codes_proves_nothing() -> None:
    row = condition("icd10|I50.9", recorded="01-01 00:00") | {"code": {"text": "heart failure"}}
    assert value("cci_chf", row) == 0


def test_synthea_diagnoses_are_snomed() -> None:
    row = condition("snomed|44054006", kind=None, onset="01-01 00:00")
    assert value("cci_diabetes_uncomplicated", stay(), row, profile="synthea") == 1


@pytest.mark.parametrize("row", rows("snomed_conditions"), ids=lambda row: row["display"])
def test_each_snomed_row_states_the_features_of_its_icd_code(row: dict[str, str]) -> None:
    assert snomed_to_icd10()[row["code"]] == row["icd10"]
    assert comorbidities("icd10")(row["icd10"]) == set(row["features"].split())
