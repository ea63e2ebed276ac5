"""Whether a stay needs another card than the one it has. Pure; decision 0014 says why so.

Material is, and nothing else is:

- another outcome, or another reason for not scoring
- the stay was in progress and is over now, or the other way round
- another bundle or another mapping
- the shown percentage moved by two or more; of a bundle without one, the class of a point score
- the card would warn where it did not, or the other way round
- a source was read that was not, or is not any more

Before discharge the lengths of stay grow with the clock. Where nothing else changed, neither the
percentage nor the class nor, by the same threshold, the side of it is material.
"""

from collections.abc import Mapping
from typing import Literal

from cds_service.hooks.said import SCORES, Said
from cds_service.hooks.wording import rounded_percent
from cds_service.tasks import inputs_of
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.readings import STAY_VITALS
from model.bundle import Bundle

Reason = Literal["outcome", "timing", "bundle", "estimate", "class", "threshold", "sources"]
CLOCK_DRIVEN = frozenset(("hosp_los_days", "icu_los_days"))
_LEAST_MOVE = 2


def material(before: Said, now: Said, bundle: Bundle) -> tuple[Reason, ...]:
    """Why another card is due; empty where the present one stands."""
    drift = only_the_clock(before, now, bundle)
    crossed = before.alerted != now.alerted
    checks: dict[Reason, bool] = {
        "outcome": (before.outcome, before.reason) != (now.outcome, now.reason),
        "timing": before.timing != now.timing,
        "bundle": _made_by(before) != _made_by(now),
        "estimate": not drift and _moved(before.probability, now.probability),
        "class": not drift and _other_class(before, now, bundle),
        "threshold": crossed and not (drift and before.threshold == now.threshold),
        "sources": bool(newly_read(before, now) or no_longer_read(before, now)),
    }
    return tuple(reason for reason, holds in checks.items() if holds)


def only_the_clock(before: Said, now: Said, bundle: Bundle) -> bool:
    """Whether nothing but time passed. Not where it cannot be told."""
    in_progress = before.timing == now.timing == "before_discharge"
    if not in_progress or before.values is None or before.items is None or now.items is None:
        return False
    return not (changed_features(before, now, bundle) - CLOCK_DRIVEN) and (
        _lasting(before.items) == _lasting(now.items)
    )


def changed_features(before: Said, now: Said, bundle: Bundle) -> frozenset[str]:
    """The inputs of the bundle whose values differ; none where they cannot be compared."""
    if before.values is None or now.values is None or _made_by(before) != _made_by(now):
        return frozenset()
    pairs = zip(CATALOGUE.names, before.values, now.values, strict=True)
    taken = frozenset(inputs_of(bundle.manifest))
    return frozenset(name for name, old, new in pairs if old != new and name in taken)


def newly_read(before: Said, now: Said) -> tuple[str, ...]:
    """Sources that were not wholly read and are now."""
    return _read_in_first(now.sources, before.sources)


def no_longer_read(before: Said, now: Said) -> tuple[str, ...]:
    """Sources that were wholly read and are not any more."""
    return _read_in_first(before.sources, now.sources)


def class_of(said: Said, score: str, bundle: Bundle) -> str | None:
    """The class that a score's points were published to be in."""
    points = said.points[score]
    found = None if points is None else bundle.published[score].read(points)
    return found.label if found else None


def _read_in_first(
    first: Mapping[str, str] | None, second: Mapping[str, str] | None
) -> tuple[str, ...]:
    if first is None or second is None:
        return ()
    return tuple(kind for kind in first if _is_read(first, kind) and not _is_read(second, kind))


def _is_read(sources: Mapping[str, str], kind: str) -> bool:
    """The stay's own vital signs are told apart only where the observations are not all read."""
    kinds = (kind, "Observation") if kind == STAY_VITALS else (kind,)
    return any(sources.get(each) == "read" for each in kinds)


def _made_by(said: Said) -> tuple[str, str]:
    return said.bundle_digest, said.mapping_digest


def _moved(before: float | None, now: float | None) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(rounded_percent(before) - rounded_percent(now)) >= _LEAST_MOVE


def _other_class(before: Said, now: Said, bundle: Bundle) -> bool:
    if now.probability is not None:
        return False
    return any(class_of(before, s, bundle) != class_of(now, s, bundle) for s in SCORES)


def _lasting(items: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {
        score: {name: points for name, points in found.items() if name not in CLOCK_DRIVEN}
        for score, found in items.items()
    }
