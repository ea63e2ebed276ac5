"""Coverage into a payer class, by the rows of codelists/payers.csv: the first that fits wins."""

import re
from functools import cache

from fhir_mapping.codelists import rows
from fhir_mapping.elements import Coding
from fhir_mapping.resources import Coverage

_SYSTEMS = {
    "https://nahdo.org/sopt": "sopt_prefix",
    "urn:oid:2.16.840.1.113883.3.221.5": "sopt_prefix",
    "http://terminology.hl7.org/CodeSystem/coverage-selfpay": "coverage_selfpay",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": "act_code",
    "http://hl7.org/fhir/v3/ActCode": "act_code",
}
PRECEDENCE = ("medicare", "medicaid", "private", "other", "none")
"""Where several coverages are active, the first of these is the payer (our choice)."""


def payer_of(coverage: Coverage) -> str | None:
    """`medicare medicaid private other none`, or None where nothing tells."""
    kind = coverage.coverage_type
    codings = kind.codings if kind else ()
    names = [kind.text if kind else None, *(coding.display for coding in codings)]
    names += [payor.display for payor in coverage.payor or ()]
    words = _plain(" ".join(filter(None, names)))
    for row in _rules():
        if _fits(*row[:2], codings, words):
            return row[2] if row[2] in PRECEDENCE else None
    return None


def _fits(match: str, value: str, codings: tuple[Coding, ...], words: str) -> bool:
    if match == "text_word":
        return f" {value} " in words
    codes = [coding.code or "" for coding in codings if _SYSTEMS.get(coding.system or "") == match]
    return any(
        code.startswith(value) if match == "sopt_prefix" else code == value for code in codes
    )


@cache
def _rules() -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (
            row["match"],
            _plain(row["value"]).strip() if row["match"] == "text_word" else row["value"],
            row["payer"],
        )
        for row in rows("payers")
    )


def _plain(text: str) -> str:
    """Lower case, apostrophes dropped, all else that is no letter or digit a blank."""
    return f" {re.sub('[^a-z0-9]+', ' ', text.lower().replace(chr(39), ''))} ".replace("  ", " ")
