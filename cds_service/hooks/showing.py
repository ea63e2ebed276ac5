"""What one call shows: no card, the card that the stay has already, or another one. Pure.

The one way from an assessment to an answer. A stay has one card: a client drops a service's earlier
cards when it answers again, so a repeated call gets the same card, and a new one says what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.assessment import Assessment
from cds_service.hooks.alerts import Showings, Verdict, verdict
from cds_service.hooks.cards import Occasion, Succession, card_of
from cds_service.hooks.changes import what_changed
from cds_service.hooks.materiality import material
from cds_service.hooks.said import said_before, said_now
from cds_service.storage.store import Shown

WireCard = Mapping[str, Any]


@dataclass(frozen=True)
class Showing:
    """What leaves the service, and what its row keeps of that.

    `card` as sent; None where nothing is shown. `first`: no earlier answer showed this card.
    `alerted` of a silent tenant: the card would have warned.
    """

    card: WireCard | None
    first: bool
    silent: bool
    alerted: bool
    threshold: float | None

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The cards of the answer."""
        return [] if self.card is None else [dict(self.card)]

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the assessment's row that say what was shown."""
        return {
            "card_uuid": None if self.card is None else self.card["uuid"],
            "first_showing": self.first,
            "silent": self.silent,
            "alerted": self.alerted,
            "threshold": self.threshold,
        }


def showing(
    assessment: Assessment,
    occasion: Occasion,
    *,
    earlier: Shown | None = None,
    recent: Showings = (),
) -> Showing:
    """Decide what this call shows.

    `earlier`: the card that the stay has already. `recent`: when each stay of the last
    alerts.WINDOW was first scored and its probability; needed only for a rule of capacity.
    """
    kept = _kept(earlier, occasion)
    rule = occasion.tenant.alert(occasion.service_id)
    found = verdict(assessment, rule, recent=recent, at=occasion.at, kept=kept)
    if occasion.tenant.silent:
        return _nothing(occasion, found)
    if earlier is not None:
        return _again(assessment, occasion, found, earlier)
    if found.withheld:
        return _nothing(occasion, found)
    return _new(card_of(assessment, occasion, found).wire(), found)


def unshown(assessment: Assessment, occasion: Occasion) -> Showing:
    """What nobody is shown, as in a batch. A rule of capacity has nothing to count there: no warning."""
    rule = occasion.tenant.alert(occasion.service_id)
    return _nothing(occasion, verdict(assessment, rule, recent=(), at=occasion.at))


def _kept(earlier: Shown | None, occasion: Occasion) -> float | None:
    """The threshold that the stay was first held against; of another bundle it is on another scale."""
    if earlier is None or earlier.row["bundle_digest"] != occasion.bundle.digest:
        return None
    threshold: float | None = earlier.row["threshold"]
    return threshold


def _nothing(occasion: Occasion, found: Verdict) -> Showing:
    return Showing(
        None,
        first=False,
        silent=occasion.tenant.silent,
        alerted=found.warns,
        threshold=found.threshold,
    )


def _new(card: WireCard, found: Verdict) -> Showing:
    return Showing(card, first=True, silent=False, alerted=found.warns, threshold=found.threshold)


def _again(assessment: Assessment, occasion: Occasion, found: Verdict, earlier: Shown) -> Showing:
    """A stay that has a card: even below a threshold it is never left without one."""
    bundle = occasion.bundle
    before, now = said_before(earlier, bundle), said_now(assessment, bundle, found)
    reasons = material(before, now, bundle)
    if not reasons:
        return _same(assessment, occasion, found, earlier)
    words = what_changed(
        before,
        now,
        since=earlier.row["created_at"],
        assessment=assessment,
        bundle=bundle,
    )
    succession = Succession(earlier.row["card_uuid"], words)
    return _new(card_of(assessment, occasion, found, succession=succession).wire(), found)


def _same(assessment: Assessment, occasion: Occasion, found: Verdict, earlier: Shown) -> Showing:
    """The stored card to the byte; where it was purged, one made anew under its uuid."""
    row = earlier.row
    card = (earlier.contents or {}).get("card")
    if card is None:
        card = card_of(assessment, occasion, found, known_as=row["card_uuid"]).wire()
    return Showing(
        card, first=False, silent=False, alerted=bool(row["alerted"]), threshold=row["threshold"]
    )
