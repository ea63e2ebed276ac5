"""The words of the cards, in one place. No decisions: assessment.py made them."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

from fhir_mapping.history import Timing
from fhir_mapping.readings import STAY_VITALS

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
    "admission_time_unknown": "when the stay began is not known",
    "discharge_time_unknown": "the stay is finished but its end is not known",
    "discharge_before_admission": "the stay ends before it starts",
    "not_admitted_yet": "the stay has not begun",
    "length_of_stay_implausible": "the length of stay is implausible; one of the stay's dates may be wrong",
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
    STAY_VITALS: "vital signs of this stay",
    "Procedure": "procedures",
    "Coverage": "payer",
    "MedicationRequest": "home medications",
    "MedicationStatement": "home medication lists",
    "MedicationAdministration": "drugs given in the ED",
    "MedicationDispense": "drugs dispensed in the ED",
    "Patient": "the patient",
}
"""Source, most of them a resource type -> what it would have told."""

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

FOLLOW_UP = "Follow-up contact after discharge"
FOLLOW_UP_LABEL = "Draft a follow-up contact"
FOLLOW_UP_CREATES: Mapping[str, str] = {
    "Task": "Creates a draft task for a follow-up contact after discharge, to review and complete",
    "ServiceRequest": (
        "Creates a draft service request for a follow-up contact after discharge, to review and sign"
    ),
}
APP_LABEL = "Inputs and sources of this card"
TOPIC_SYSTEM = "urn:org.readmit:card-topic"
WARNS = "**Why this card warns:** the estimate is at or above the threshold of {}, {}."
INFORMS = "**Below the threshold** of {}, {}: for information."
SET_BY_SITE = "set by this site"
BY_CAPACITY = (
    "which keeps to this site's capacity of {:g} follow-ups a day, by the stays of the last 28 days"
)
BY_WEIGHING = (
    "which is this site's weighing: a missed outcome counts as much as {:g} follow-ups that were"
    " not needed"
)
UNROUNDED = " To the hundredth, the estimate is {:.2f} % and the threshold {:.2f} %."
NO_THRESHOLD_YET = (
    "**No threshold yet:** it is worked out from the stays of the last 28 days, and those seen so far"
    " are too few. Until then nothing warns."
)
CHANGED = "What changed since the card of"
OUTCOME_CHANGED = "Result: {}; before: {}"
TIMING_CHANGED: Mapping[Timing, str] = {
    "at_discharge": "The stay is over now; the earlier card was written while it lasted",
    "before_discharge": "The stay is in progress; the earlier card took it to be over",
}
BUNDLE_CHANGED = "Another version of the model or of what its inputs mean"
CROSSED: Mapping[bool, str] = {
    True: "At or above the threshold now, before below it",
    False: "Below the threshold now, before at or above it",
}
THRESHOLD_GONE = "There is no threshold now, and nothing warns; before at or above it"
INPUTS_GONE = "The inputs of the earlier card are no longer kept"
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
_MARKUP = re.compile(
    r"""[\\`*_\[\]|#~]                            # emphasis, code, links, tables, headings
    | (?<=[^\W\d])[.:](?=\w) | (?<=\w)[.:](?=[^\W\d]|/) | /(?=/)  # addresses: links by themselves
    | ^[-+](?=\s|[-+\s]*$)                       # lists and rules, where a line begins with it""",
    re.VERBOSE,
)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_WORD_JOINER = "\u2060"  # shows nothing, and no mail address has one


def plain(text: str) -> str:
    """Text that GitHub-flavoured Markdown and HTML show as it is."""
    shown = "".join(each for each in text if each.isprintable() or each.isspace())
    escaped = _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", " ".join(shown.split())))
    safe = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe.replace("@", f"@{_WORD_JOINER}")


def percent(share: float) -> str:
    """A share as a percent with one decimal."""
    return f"{share * 100:.1f} %"


def rounded_percent(share: float) -> int:
    """A share in whole percent, half to even."""
    return int((Decimal(str(share)) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))


def whole_percent(share: float) -> str:
    """A share as a whole percent; what is not quite 0 or 100 is not called so."""
    rounded = rounded_percent(share)
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
