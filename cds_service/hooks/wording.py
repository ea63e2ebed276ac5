"""The words of the cards, in one place. No decisions: assessment.py made them."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from fhir_mapping.history import Timing

REASONS: Mapping[str, str] = {
    "under_18": "the patient is under 18; the scores are for adults",
    "age_unknown": "the date of birth is not in the record",
    "newborn": "this is a newborn's stay",
    "not_inpatient": "this is not an inpatient stay",
    "observation_stay": "this is an observation stay, not an inpatient admission",
    "not_acute": "this is not an acute inpatient stay",
    "deceased": "the patient has died",
    "hospice": "the patient is discharged to hospice care",
    "transferred": "the patient is transferred to another acute hospital",
    "against_advice": "the patient leaves against medical advice",
    "encounter_unknown": "the encounter is not among the data that were sent",
    "encounter_cancelled": "the encounter was cancelled or entered in error",
    "admission_time_unknown": "the start of the stay is not known",
    "discharge_time_unknown": "the stay is finished but its end is not known",
    "discharge_before_admission": "the stay ends before it starts",
    "not_admitted_yet": "the stay has not begun",
    "length_of_stay_implausible": "the length of stay is implausible; check the stay's dates",
    "patient_unknown": "no Patient resource was found for this patient",
    "no_open_stay": "no inpatient stay is in progress",
    "several_open_stays": "several inpatient stays are in progress; which one is meant is unclear",
    "below_coverage_floor": "too little of the record could be read",
    "score_inputs_missing": "inputs that the scores need are not in the record",
}
"""Reason code -> the words after "not scored:"."""

SOURCES: Mapping[str, str] = {
    "Encounter": "earlier visits and stays",
    "Location": "intensive care",
    "Condition": "comorbidities",
    "Observation": "vital signs and laboratory values",
    "Procedure": "procedures",
    "Coverage": "payer",
    "MedicationRequest": "home medications",
    "MedicationStatement": "home medication lists",
    "MedicationAdministration": "drugs given in the ED",
    "MedicationDispense": "drugs dispensed in the ED",
    "Patient": "the patient",
}
"""Resource type -> what it would have told."""

GROUPS: Mapping[str, str] = {
    "history": "earlier visits",
    "diagnoses": "comorbidities",
    "vitals": "vital signs",
    "labs": "laboratory",
    "medication": "medication",
    "this_stay": "this stay",
}
TIMINGS: Mapping[Timing, str] = {
    "at_discharge": "At discharge: as of the end of the stay.",
    "before_discharge": (
        "Before discharge: the stay is not over. Its length counts until now,"
        " and where the patient goes is not known."
    ),
}
WHEN: Mapping[Timing, str] = {
    "at_discharge": "at discharge",
    "before_discharge": "before discharge",
}
DATED: Mapping[str, str] = {
    "hosp_los_days": "admitted ",
    "admission_type": "admitted ",
    "charlson": "latest proof ",
    "ed_visits_six_months": "latest ",
    "n_hosp_365d": "latest ",
}
"""Score item -> what its date is, where the item does not say so itself."""

LIMITS = (
    "Unplanned readmission here means not elective; CMS's planned-readmission algorithm is not"
    " applied. For review by a clinician; regulatory status not determined."
)
CONCEPTS: Mapping[str, str] = {
    "prior_ed_visits": "Earlier ED visits",
    "prior_admissions": "Earlier admissions",
    "icu_use": "Intensive care",
    "temperature": "Temperature",
    "heart_rate": "Heart rate",
    "respiratory_rate": "Respiratory rate",
    "oxygen_saturation": "Oxygen saturation",
    "blood_pressure": "Blood pressure",
    "pain": "Pain score",
    "liver": "Liver disease",
    "diabetes": "Diabetes",
    "paralysis": "Paralysis",
    "hypertension": "Hypertension",
    "anaemia": "Anaemia",
    "derived_score": "Charlson and early-warning scores",
}
"""Concept of several features -> its name, where the label of the first of them is too narrow."""

SPOKEN_FOR: Mapping[str, str] = {
    "prior_ed_visits": "n_ed_365d",
    "prior_admissions": "n_hosp_365d",
    "icu_use": "icu_los_days",
    "derived_score": "score_cci",
}
"""Concept of several numbers -> the feature whose value is shown with it."""

UNITS: Mapping[str, str] = {"a": "years", "d": "days", "h": "hours", "mm[Hg]": "mmHg", "Cel": "°C"}
"""Unit of the catalogue -> as people write it; a unit in braces is not written."""

UNKNOWN = "not known"
OUTCOME = "readmission within 30 days"
AVERAGES: Mapping[str, str] = {"site": "site average", "bundle": "cohort average"}
INTERVALS: Mapping[bool, tuple[str, str]] = {
    True: ("90 % interval", "The interval held on stays that it was not fitted on."),
    False: (
        "spread between models",
        "It shows how far the bundle's models disagree and how surely they were calibrated; how often"
        " it holds the true risk was not shown.",
    ),
}
"""Whether the interval held -> what it is called, and what that means."""

MOVES = (
    "**What moves this estimate most**, against a typical patient of the training cohort. These are"
    " associations in that cohort, not causes; in brackets the change in log-odds."
)
NOTHING_MOVES = "- No single input noticeably"
BESIDE = "**Published point scores beside it**, each for the outcome it was published for:"
_MARKUP = re.compile(r"([\\`*_\[\]|#~])")


def plain(text: str) -> str:
    """Text that Markdown and HTML show as it is."""
    shown = "".join(each for each in text if each.isprintable() or each.isspace())
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", " ".join(escaped.split()))


def percent(share: float) -> str:
    """A share as a percent with one decimal."""
    return f"{share * 100:.1f} %"


def whole_percent(share: float) -> str:
    """A share as a whole percent, half to even; what is not quite 0 or 100 is not called so."""
    rounded = int((Decimal(str(share)) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
    if rounded == 0:
        return "less than 1 %"
    return "more than 99 %" if rounded == 100 else f"{rounded} %"


def moved(name: str, shown: str, amount: float) -> str:
    """One line: what it is, its value in this patient, which way it moves the estimate."""
    verb = "raises" if amount > 0 else "lowers"
    return f"- {name}{f' ({shown})' if shown else ''}: {verb} the estimate ({amount:+.2f})"


def listed(words: list[str]) -> str:
    """Commas between words."""
    return ", ".join(words)
