"""The code lists beside this file: read once, matched here. No meaning of their own.

Comorbidities follow Quan et al. 2005 (Med Care 43:1130) and match by ICD prefix within one ICD
version; everything else matches exactly.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from fhir_mapping.errors import CatalogueError

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = frozenset(
    (
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://hl7.org/fhir/sid/icd-10",
        "urn:oid:2.16.840.1.113883.6.90",
        "urn:oid:2.16.840.1.113883.6.3",
    )
)
ICD9 = frozenset(("http://hl7.org/fhir/sid/icd-9-cm", "urn:oid:2.16.840.1.113883.6.103"))
ESI_ANSWERS = {"LA21567-5": 1, "LA21752-3": 2, "LA21753-1": 3, "LA21754-9": 4, "LA21755-6": 5}
"""LOINC answer list LL3056-0 of 75636-1. The displays carry other numbers: ESI-3 is "Needs 2 or
more resources"."""
FOLDER = files("fhir_mapping") / "codelists"


@cache
def rows(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of `codelists/<name>.csv`. Raises CatalogueError where there is no such list."""
    try:
        text = (FOLDER / f"{name}.csv").read_text("utf-8")
    except OSError as missing:
        raise CatalogueError(f"codelists/{name}.csv: no such code list") from missing
    return tuple(csv.DictReader(text.splitlines()))


@cache
def loinc_measures() -> Mapping[str, str]:
    """LOINC code -> the measure it carries (`8867-4` -> `heart_rate`)."""
    return {row["code"]: row["measure"] for row in rows("loinc")}


@cache
def complaint_terms() -> Mapping[str, tuple[str, ...]]:
    """Chief-complaint feature -> its lower-case terms."""
    terms: dict[str, tuple[str, ...]] = {}
    for row in rows("complaints"):
        terms[row["feature"]] = (*terms.get(row["feature"], ()), row["term"])
    return terms


class PrefixList:
    """ICD prefixes to names, for one ICD version."""

    def __init__(self, pairs: Mapping[str, frozenset[str]]) -> None:
        self._names = pairs
        self._lengths = sorted({len(prefix) for prefix in pairs})

    def __call__(self, code: str) -> frozenset[str]:
        """The names whose prefix the code starts with; dots, blanks and case do not matter."""
        plain = code.upper().replace(".", "").replace(" ", "")
        found = [
            self._names.get(plain[:length]) for length in self._lengths if length <= len(plain)
        ]
        return frozenset().union(*(names for names in found if names))


@cache
def comorbidities(version: str) -> PrefixList:
    """The Quan 2005 lists for `icd10` or `icd9`: code -> cci_* and eci_* features."""
    return _prefixes("comorbidities", version, "feature")


@cache
def renal_severe(version: str) -> PrefixList:
    """The part of the Quan renal list that LACE calls moderate or severe (our choice)."""
    return _prefixes("lace_renal_severe", version, None)


@cache
def snomed_to_icd10() -> Mapping[str, str]:
    """SNOMED CT code -> the ICD-10-CM code we equate it with: a hand-written list of the codes seen
    in the open data sets, not a release map."""
    return {row["code"]: row["icd10"] for row in rows("snomed_conditions")}


def _prefixes(name: str, version: str, column: str | None) -> PrefixList:
    pairs: dict[str, set[str]] = defaultdict(set)
    for row in rows(name):
        if row["system"] == version:
            pairs[row["prefix"]].add(row[column] if column else name)
    return PrefixList({prefix: frozenset(names) for prefix, names in pairs.items()})
