"""What a card says of a stay, in the form in which an earlier and a new one are compared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cds_service.assessment import Assessment, Baseline, Scored
from cds_service.hooks.alerts import Verdict
from cds_service.hooks.facts import ITEMS, items_of
from cds_service.hooks.task_wording import wording_of
from cds_service.received import Received
from cds_service.storage.store import Shown
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.history import Timing
from model.bundle import Bundle
from model.scoring import Value

SCORES = ("lace", "hospital")
_NOTHING_RECEIVED: Received = MappingProxyType({})


@dataclass(frozen=True)
class Said:
    """`sources`, `values` and `items` are None where they are not known: purged, or never had.

    `items`: for each point score the points of each of its items.
    """

    outcome: str
    reason: str | None
    timing: Timing | None
    bundle_digest: str
    mapping_digest: str
    probability: float | None
    points: Mapping[str, int | None]
    alerted: bool
    threshold: float | None
    sources: Mapping[str, str] | None
    values: tuple[Value, ...] | None
    items: Mapping[str, Mapping[str, int]] | None


def said_now(assessment: Assessment, bundle: Bundle, verdict: Verdict) -> Said:
    """What a card of this assessment would say."""
    scored = assessment if isinstance(assessment, Scored) else None
    points: dict[str, int | None] = dict.fromkeys(SCORES)
    if scored:
        points |= {each.score.name: each.score.points for each in scored.baselines}
    vector = assessment.vector
    return Said(
        outcome="scored" if scored else "not_scored",
        reason=None if isinstance(assessment, Scored) else assessment.reason,
        timing=vector.timing if vector else None,
        bundle_digest=bundle.digest,
        mapping_digest=CATALOGUE.digest,
        probability=scored.score.probability if scored else None,
        points=points,
        alerted=verdict.warns,
        threshold=verdict.threshold,
        sources=assessment.sources,
        values=vector.values if vector else None,
        items=items_of(scored) if scored else None,
    )


def said_before(shown: Shown, bundle: Bundle) -> Said:
    """What the stay's present card says, from its row and what is still kept of it."""
    row, contents = shown.row, shown.contents or {}
    values = contents.get("values") or None
    return Said(
        outcome=row["outcome"],
        reason=row["reason"],
        timing=row["timing"],
        bundle_digest=row["bundle_digest"],
        mapping_digest=row["mapping_digest"],
        probability=row["probability"],
        points={name: row[f"{name}_points"] for name in SCORES},
        alerted=bool(row["alerted"]),
        threshold=row["threshold"],
        sources=contents.get("sources"),
        values=None if values is None else tuple(values),
        items=_facts(contents, bundle).get(ITEMS),
    )


def contents_of(
    assessment: Assessment, card: Mapping[str, Any] | None, received: Received = _NOTHING_RECEIVED
) -> dict[str, Any]:
    """What is kept sealed of an assessment, the card it showed and the resources it rests on: what
    `said_before` and cds_service/recalled.py read."""
    vector = assessment.vector
    scored = assessment if isinstance(assessment, Scored) else None
    return {  # recalled.py's Contents
        "values": vector.values if vector else (),
        "evidence": vector.evidence if vector else (),
        "sources": assessment.sources,
        "issues": vector.issues if vector else (),
        "card": card,
        "missing": () if isinstance(assessment, Scored) else assessment.missing,
        "zone": str(vector.zone) if vector else None,
        "profile_detected": vector.profile_detected if vector else None,
        "score": scored.score if scored else None,
        "baselines": list(map(_kept, scored.baselines)) if scored else [],
        "base_rate": scored.base_rate if scored else None,
        "received": dict(received),
    }


def _kept(baseline: Baseline) -> dict[str, Any]:
    """A point score with its items; what it was published for is in the bundle."""
    score = baseline.score
    return {"name": score.name, "components": score.components, "reading": baseline.reading}


def _facts(contents: Mapping[str, Any], bundle: Bundle) -> Mapping[str, Any]:
    card: Mapping[str, Any] = contents.get("card") or {}
    found: Mapping[str, Any] = card.get("extension", {}).get(wording_of(bundle).extension, {})
    return found
