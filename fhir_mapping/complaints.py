"""Chief complaint: which text was read, and whether it mentions a term."""

import re
from functools import lru_cache

from fhir_mapping.catalogue import Feature
from fhir_mapping.codelists import complaint_terms
from fhir_mapping.history import Origin
from fhir_mapping.readings import MISSING, Context, Reading, evidence_of
from fhir_mapping.windows import span_of

_NEGATION = re.compile(
    r"\b(?:no|not|denies|denied|denying|without|negative for|absence of)\b[^.;,\n]*$"
)
_LONGEST = 2000
"""A complaint is a line or two; the search for negations is quadratic in its length."""


def mentions(context: Context, feature: Feature) -> Reading:
    """1 where the complaint mentions a term; missing where no complaint was read.

    Plain match in the mimic profile, as the MIMIC-IV-ED benchmark; elsewhere at word starts and
    not under a simple negation ("denies chest pain").
    """
    texts = _complaints(context)
    if not texts:
        return MISSING
    plain = context.history.plain_complaint_match
    terms = complaint_terms()[feature.name]
    proof = next((t for t in texts if any(_says(t[1], term, plain) for term in terms)), None)
    origin, _ = proof or texts[0]
    value = 1.0 if proof else 0.0
    reason = "mentioned in the complaint" if proof else "not mentioned in the complaint"
    return Reading(value, (evidence_of(feature, origin, value, reason=reason),))


def _complaints(context: Context) -> list[tuple[Origin, str]]:
    """The complaint as observed; else the ED visit's reason; else the stay's."""
    stay = context.stay
    span = span_of("ed_last", stay)
    observed = [
        (event.origin, event.value)
        for event in context.history.of("complaint")
        if isinstance(event.value, str)
        and (event.time and event.time in span)
        and (event.issued is None or event.issued.by(stay.prediction_time))
    ]
    if observed:
        return sorted(observed, key=lambda each: each[0].reference)
    in_ed = [(visit.origin, reason) for visit in stay.ed_visits for reason in visit.reasons]
    return in_ed or [(stay.visit.origin, reason) for reason in stay.visit.reasons]


def _says(text: str, term: str, plain: bool) -> bool:
    lowered = text[:_LONGEST].lower()
    if plain or term not in lowered:
        return term in lowered
    return any(
        not _NEGATION.search(lowered, 0, found.start())
        for found in _at_word(term).finditer(lowered)
    )


@lru_cache
def _at_word(term: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(term)}")
