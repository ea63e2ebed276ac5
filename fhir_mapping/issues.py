"""What the codes of a DataIssue mean, for people. The codes are written where they arise."""

from collections.abc import Mapping

ISSUES: Mapping[str, str] = {
    "birth_date_partial": "Only year or month of birth is known; age is the years that are certain.",
    "celsius_labelled_fahrenheit": "25 to 46 labelled degF: taken as Celsius.",
    "client_error": "The client sent an OperationOutcome in place of this data.",
    "clipped": "Outside the valid range but no outlier: set to the nearest valid value.",
    "comparator": "A value with a comparator, such as <5: not a number to be used.",
    "diagnosis_without_visit": "A coded diagnosis whose encounter is not in the record.",
    "disposition_not_understood": "Where the patient goes is stated in words or unknown codes.",
    "drug_without_name": "A medication with neither name, code nor reference.",
    "end_of_unfinished_stay": "An end in the past, but the stay is not finished: it counts until now.",
    "estimated_end_ignored": "An unfinished stay with an end in the future: an estimate.",
    "fraction_labelled_percent": "Oxygen saturation of at most 1 %: taken as a fraction.",
    "implausible": "Outside the outlier range, or zero where that is an artefact: discarded.",
    "malformed_resource": "A resource that is not valid JSON or has a value of the wrong type.",
    "procedure_codes_not_listed": "The stay has procedures in a code system that is not on the site's list.",
    "row_kind_unknown": "An ED value that cannot be told to be a triage or a serial one.",
    "search_outcome": "The client's search reported a problem.",
    "status_not_usable": "Not final, amended or corrected: left out.",
    "stay_by_date_only": "The stay starts or ends on a day without a time.",
    "subject_missing": "A resource that does not say whose it is: left out.",
    "time_missing": "A measured value without a readable time: left out.",
    "unexpected_resource": "A resource of another type than the search asked for: left out.",
    "unit_missing": "A number without a unit: discarded, never guessed.",
    "unit_unknown": "A unit that cannot be read or does not fit: discarded, never guessed.",
    "value_missing": "An observation without a value.",
    "value_not_numeric": "Words where a number is needed: discarded.",
    "zone_assumed": "A time without a zone, read in the site profile's zone.",
}
"""Code -> meaning. Every code that occurs is here, and every code here occurs (a test)."""
