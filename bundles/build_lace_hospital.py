"""Makes the shipped bundle: LACE and HOSPITAL as published, no trained model, no calibrator.

From the repository's root, after any change of the catalogue, a code list or MODEL_CARD.md:

    python -m bundles.build_lace_hospital            write bundles/lace-hospital anew
    python -m bundles.build_lace_hospital --check    exit 1 where the shipped folder is stale

Tables and samples are typed in apart from each other, so that one checks the other.
MODEL_CARD.md is written by hand and says where each figure was read.
"""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from fhir_mapping.catalogue import CATALOGUE
from model import BaseRate, Manifest, PointClass, PublishedScore, Sample, write_bundle
from model.bundle import as_json
from model.manifest import CATALOGUE as CATALOGUE_CSV
from model.manifest import FORMAT, MODEL_CARD, SAMPLES, SCORES

SHIPPED = Path(__file__).parent / "lace-hospital"

LACE_PERCENT = (
    2.0, 2.5, 3.0, 3.5, 4.3, 5.1, 6.1, 7.3, 8.7, 10.3,
    12.2, 14.4, 17.0, 19.8, 23.0, 26.6, 30.4, 34.6, 39.1, 43.7,
)  # fmt: skip
LACE_NOTE = "Low, moderate and high are cut-offs in common use, not from the paper."
LACE_COHORT = "4812 medical and surgical patients sent home from 11 hospitals in Ontario, 2002-2006"
LACE_OUTCOME = "death or unplanned readmission within 30 days of discharge"
LACE_CITATION = "van Walraven C et al. CMAJ 2010;182(6):551-557"

# The catalogue's rows that carry the facts which the two scores count; the scores themselves
# are counted from events (fhir_mapping.scores).
FEATURES = (
    "n_ed_365d", "n_hosp_365d",
    "cci_mi", "cci_chf", "cci_pvd", "cci_stroke", "cci_dementia", "cci_pulmonary",
    "cci_rheumatic", "cci_liver_mild", "cci_diabetes_uncomplicated", "cci_diabetes_complicated",
    "cci_renal", "cci_cancer", "cci_liver_severe", "cci_cancer_metastatic", "cci_hiv",
    "admission_type", "hosp_los_days", "oncology_service", "procedure_any",
    "hemoglobin_last", "sodium_last",
)  # fmt: skip


def lace() -> PublishedScore:
    """One class for each total: the paper gives an expected risk for every point."""
    return PublishedScore(
        name="lace",
        title="LACE index",
        citation=LACE_CITATION,
        outcome=LACE_OUTCOME,
        cohort=LACE_COHORT,
        overall=0.08,
        source="0 points and the whole cohort: the paper's abstract (PMC2845681); each total:"
        " the calculator at soapnote.org/general/lace-index, which cites the paper",
        max_points=19,
        classes=tuple(
            PointClass(points, points, _lace_label(points), round(percent / 100, 3), LACE_NOTE)
            for points, percent in enumerate(LACE_PERCENT)
        ),
    )


def _lace_label(points: int) -> str:
    if points >= 10:
        return "high"
    return "moderate" if points >= 5 else "low"


def hospital() -> PublishedScore:
    """Three classes, as validated in 2016."""
    return PublishedScore(
        name="hospital",
        title="HOSPITAL score",
        citation="Donzé JD et al. JAMA Intern Med 2016;176(4):496-502",
        outcome="potentially avoidable readmission within 30 days of discharge",
        cohort="117065 adults discharged from the medical departments of 9 hospitals in"
        " 4 countries, 2011",
        overall=0.097,
        source="whole cohort: the paper's abstract (PMC5070968); classes: the calculator at"
        " cliniborg.com/2017/01/06/hospital-score-to-predict-readmission-risk",
        max_points=13,
        classes=(
            PointClass(0, 4, "low", 0.058, ""),
            PointClass(5, 6, "intermediate", 0.119, ""),
            PointClass(7, 13, "high", 0.228, ""),
        ),
    )


SAMPLED = (
    Sample("lace", 0, "low", 0.02),
    Sample("lace", 4, "low", 0.043),
    Sample("lace", 5, "moderate", 0.051),
    Sample("lace", 9, "moderate", 0.103),
    Sample("lace", 10, "high", 0.122),
    Sample("lace", 13, "high", 0.198),
    Sample("lace", 19, "high", 0.437),
    Sample("hospital", 0, "low", 0.058),
    Sample("hospital", 4, "low", 0.058),
    Sample("hospital", 5, "intermediate", 0.119),
    Sample("hospital", 6, "intermediate", 0.119),
    Sample("hospital", 7, "high", 0.228),
    Sample("hospital", 13, "high", 0.228),
)


def manifest() -> Manifest:
    """What the bundle is; `files` is filled in when it is written."""
    return Manifest(
        format=FORMAT,
        name="lace-hospital",
        version="1.0.0",
        created=datetime.date(2026, 11, 21),
        title="LACE and HOSPITAL: two published point scores, no trained model",
        notice="Two published point scores counted from this record. No model was trained: each"
        " figure belongs to the study and the outcome named with it and is not a probability"
        " for this patient.",
        kind="published_scores",
        task="readmission_30d",
        hooks=("encounter-discharge", "patient-view"),
        population="adults (18 or over) in an inpatient stay who leave hospital alive, not"
        " transferred to another acute hospital, not against advice, not to a hospice",
        mapping_digest=CATALOGUE.digest,
        features=FEATURES,
        coverage_floors={
            "history": 0.66,
            "diagnoses": 0.9,
            "this_stay": 0.18,
            "vitals": 0.0,
            "labs": 0.0,
            "medication": 0.0,
        },
        base_rate=BaseRate(0.08, LACE_OUTCOME, LACE_COHORT, LACE_CITATION),
        files={},
    )


def contents(model_card: bytes) -> Mapping[str, bytes]:
    """Every file but the manifest."""
    return {
        CATALOGUE_CSV: (files("fhir_mapping") / "catalogue.csv").read_bytes(),
        MODEL_CARD: model_card,
        SCORES: as_json((lace(), hospital())),
        SAMPLES: as_json(SAMPLED),
    }


def fresh() -> Mapping[str, bytes]:
    """All files as they should be, after the new bundle has been loaded and verified."""
    card = (SHIPPED / MODEL_CARD).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder) / SHIPPED.name, manifest(), contents(card))
        return {file.name: file.read_bytes() for file in sorted(bundle.path.iterdir())}


def stale() -> list[str]:
    """The names that are missing, changed or too many in the shipped folder."""
    made = fresh()
    found = {file.name: file.read_bytes() for file in SHIPPED.iterdir()}
    return sorted(name for name in made.keys() | found.keys() if made.get(name) != found.get(name))


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done or up to date, 1 stale."""
    parser = argparse.ArgumentParser(prog="python -m bundles.build_lace_hospital")
    parser.add_argument("--check", action="store_true", help="write nothing, report what is stale")
    if parser.parse_args(arguments).check:
        names = stale()
        if names:
            sys.stderr.write(
                f"stale in {SHIPPED.name}: {', '.join(names)}\n"
                "run: python -m bundles.build_lace_hospital\n"
            )
        return int(bool(names))
    for name, content in fresh().items():
        (SHIPPED / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
