"""A card as a golden keeps it: the detail line by line, and marks for what changes with every bundle."""

from typing import Any

from cds_service.hooks.task_wording import wording_of
from model.bundle import Bundle

_SHORT_DIGEST = 12


def reviewable(card: dict[str, Any], bundle: Bundle) -> dict[str, Any]:
    """`card` as sent."""
    facts = card["extension"][wording_of(bundle).extension]
    facts |= {"bundle_digest": "(bundle)", "mapping_digest": "(mapping)"}
    for suggestion in card.get("suggestions", ()):
        suggestion["uuid"] = "(uuid)"
    detail = card["detail"].replace(bundle.digest[:_SHORT_DIGEST], "(bundle)")
    reasons = f"({len(card['overrideReasons'])} of override_reasons.toml)"
    return card | {"uuid": "(uuid)", "detail": detail.split("\n"), "overrideReasons": reasons}
