"""Where the network looked: TabNet's own masks, by concept. No contribution, and kept apart from those."""

from dataclasses import dataclass

from cds_service.smart.view.drawing import scale_of
from cds_service.smart.view.moves import called
from cds_service.smart.view.stored import Stored
from cds_service.smart.view.words import NO_NETWORK, NOT_DECIDED, NOT_KEPT, NOT_LOADED
from model.scoring import Attention

_MOST = 8


@dataclass(frozen=True)
class Look:
    """One concept and its share."""

    name: str
    share: str
    width: float


@dataclass(frozen=True)
class Looked:
    """`looks` largest first, and the rest together; empty: then `why_not`."""

    looks: tuple[Look, ...]
    why_not: str | None


def looked_at(stored: Stored) -> Looked | None:
    """None where there is no estimate to speak of."""
    if stored.row["probability"] is None:
        return None
    if stored.assessor is None:
        return Looked((), NOT_LOADED)
    if stored.vector is None:
        return Looked((), NOT_KEPT)
    found = stored.assessor.scorer.attention(stored.vector.values)
    if found is None:
        trained = stored.assessor.bundle.trained
        return Looked((), NOT_DECIDED if trained else NO_NETWORK)
    return Looked(tuple(_looks(found)), None)


def _looks(found: Attention) -> list[Look]:
    ordered = sorted(found.by_concept.items(), key=lambda each: -each[1])
    shares = [(called(name), share) for name, share in ordered[:_MOST]]
    rest = ordered[_MOST:]
    if rest:
        shares.append((f"{len(rest)} other inputs together", sum(share for _, share in rest)))
    scale = scale_of([share for _, share in shares])
    return [Look(name, f"{100 * share:.1f} %", scale.at(share)) for name, share in shares]
