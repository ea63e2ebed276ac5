"""Where the tables and the FHIR export of the demo differ, complete, and the page that says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fhir_mapping.catalogue import CATALOGUE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "mimic_parity.md"

BIRTH = (
    "The export makes up a day of birth (the first transfer less anchor_age years); the tables give "
    "the year, and the reader counts years as the benchmark does. Never more than one year."
)
FROM_AGE = "Rests on the age."
PAYER = "The export has no Coverage; `admissions.insurance` is read."
RACE = (
    "One race per patient: the export takes WHITE over UNKNOWN of an earlier stay, and writes OTHER "
    "as unknown; the reader takes the first admission's, OTHER as other."
)
NO_ED = "There is no ED module among these tables: missing, not zero."
ED_BOUND = (
    "There is no ED module among these tables: missing where none is seen; visits that led to an "
    "admission are (edregtime), so that a count is a lower bound. Two stays follow a registration "
    "that has no ED Encounter in the export, and count one more."
)
ED_TIMES = (
    "edregtime and edouttime stand for the ED visit: they differ from edstays, or there is no "
    "ED Encounter in the export."
)
T0 = "T0 comes of edregtime, and differs for seven stays (see below)."
NO_TABLE = "The csv of the demo that we have lacks this table (`without`): missing, not zero."

_FROM_ED = {
    "triage_temperature": 85,
    "triage_heartrate": 87,
    "triage_resprate": 87,
    "triage_o2sat": 87,
    "triage_sbp": 87,
    "triage_dbp": 87,
    "triage_pain": 79,
    "triage_acuity": 92,
    "triage_map": 87,
    "ed_temperature_last": 86,
    "ed_heartrate_last": 91,
    "ed_resprate_last": 90,
    "ed_o2sat_last": 91,
    "ed_sbp_last": 91,
    "ed_dbp_last": 91,
    "ed_pain_last": 79,
    "n_med": 105,
    "n_medrecon": 99,
    "score_cart": 87,
    "score_rems_partial": 87,
    "score_news_partial": 85,
    "score_news2_partial": 85,
    "score_mews_partial": 85,
    "arrival_transport": 176,
}
Differences = Mapping[str, tuple[int, str]]
"""Feature -> number of the 176 stays where it differs, and why."""

CSV: Differences = {
    "age": (53, BIRTH),
    "score_cci": (7, FROM_AGE),
    "insurance": (176, PAYER),
    "ethnicity": (14, RACE),
    "n_ed_30d": (166, ED_BOUND),
    "n_ed_90d": (148, ED_BOUND),
    "n_ed_365d": (123, ED_BOUND),
    "ed_los_hours": (22, ED_TIMES),
    "n_hosp_30d": (2, T0),
    "n_hosp_90d": (2, T0),
    "n_hosp_365d": (2, T0),
    "hemoglobin_last": (3, T0),
    "sodium_last": (3, T0),
    "eci_alcohol": (1, T0),
    "eci_drugs": (1, T0),
    "eci_depression": (1, T0),
    "n_icu_30d": (176, NO_TABLE),
    "n_icu_90d": (176, NO_TABLE),
    "n_icu_365d": (176, NO_TABLE),
    "icu_los_days": (176, NO_TABLE),
    "oncology_service": (176, NO_TABLE),
    "procedure_any": (176, NO_TABLE),
    **{name: (count, NO_ED) for name, count in _FROM_ED.items()},
    **{f.name: (99, NO_ED) for f in CATALOGUE if f.name.startswith("chiefcom_")},
}
WRITTEN: Differences = {
    "age": (53, BIRTH),
    "score_cci": (7, FROM_AGE),
    "score_cart": (3, FROM_AGE),
    "score_rems_partial": (3, FROM_AGE),
    "insurance": (176, PAYER),
}


@dataclass(frozen=True)
class _Part:
    title: str
    what: str
    differences: Differences


_PARTS = (
    _Part(
        "The demo's own csv",
        "patients, admissions, diagnoses_icd and labevents as downloaded, against the FHIR export. "
        "No other table of the demo is at hand.",
        CSV,
    ),
    _Part(
        "All tables, written from the export",
        "`tests/parity/mimic_writer.py` writes the FHIR resources as the published tables of hosp, "
        "icu, ed and note; these are read against the export. Notes are made up.",
        WRITTEN,
    ),
)
_HEAD = """# MIMIC-IV from tables and from FHIR

`training.mimic.MimicReader` reads the tables, `fhir_mapping` the FHIR export of the same patients. Below is every
feature that differs on the 176 stays of 66 patients of the demo, with its cause; all others of the 105 are equal,
bit by bit. Exclusions and labels are equal by both ways. Written by
`pytest tests/parity/test_mimic_reader.py --update-goldens`; the same test fails where the page is not true.
"""
_TAIL = """
## The seven stays with another T0

Without the ED module an admission's `edregtime` to `edouttime` stands for the ED visit that led to it. Five stays have
a registration but no ED Encounter in the export; in one the export has two ED visits that touch and are one, of which
the registration is the second; in one the registration of the stay before ends within two hours of its start. With the
ED module T0 is equal for all 176.

## What the reader decides

| matter | decision |
|---|---|
| Versions | v2.0 to v3.1 of hosp and icu, v2 of MIMIC-IV-ED and MIMIC-IV-Note, by their columns; v1 is refused |
| Times | wall clock of America/New_York with daylight saving, as the export has them; each stay bears the issue `zone_assumed` |
| Follow-up | no end: dates are shifted by patient, so there is no common last day. Readmissions elsewhere, or after the data end, are not seen |
| Age | `anchor_age + year of T0 - anchor_year`; above 89 anchor_age is 91 in every version, so such an age is a lower bound |
| Race | the first admission's: one filled in from a later stay would tell that there was one |
| Payer | the admission's `insurance`, from T0 to discharge. v2 has Medicare, Medicaid, Other (private ones in it); v3 has Private and No charge too |
| Oncology service | the last service of the stay, the one that discharged (HOSPITAL); the export has the first. The demo's csv at hand has no services: not counted |
| ED diagnoses | read: no history, but LACE counts those of the index visit |
| transfers | not read: nothing needs them |
| Laboratory | the items that the mimic profile lists; rows without a number are left out |
| Era | `anchor_year_group` |
| Module absent | ed: the key `Encounter/ed`, and the medication types, are not read; icu: Location; note: no notes. Encounter stays read, for its hospital stays |
| Observation | read where triage and vitalsign are; partial where labevents is alone |
| ED coverage | MIMIC-IV-ED spans fewer years than hosp: a stay outside them has no ED visit although it was registered in one. As in the export |
"""


def page() -> str:
    """docs/reference/mimic_parity.md."""
    return "\n".join((_HEAD, *map(_section, _PARTS))) + _TAIL


def _section(part: _Part) -> str:
    rows = (
        f"| `{name}` | {part.differences[name][0]} | {part.differences[name][1]} |"
        for name in CATALOGUE.names
        if name in part.differences
    )
    equal = len(CATALOGUE.names) - len(part.differences)
    head = f"## {part.title}\n\n{part.what} {equal} of 105 features are equal on every stay."
    return "\n".join((f"{head}\n", "| feature | stays | cause |", "|---|---|---|", *rows, ""))
