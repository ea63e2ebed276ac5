"""The reference page of the cards: one reviewed golden of each kind, as a clinician reads it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds_service.hooks.override_reasons import OVERRIDE_REASONS

_GOLDENS = Path(__file__).resolve().parents[1] / "tests" / "golden"
_CARDS = {
    "An estimate, at discharge": "estimates/interval-that-held.json",
    "An estimate, before discharge": "estimates/spread-before-discharge.json",
    "A warning": "showings/warns-by-weighing.json",
    "Below a threshold": "showings/below-the-capacity.json",
    "Too few stays for a threshold": "showings/no-threshold-yet.json",
    "A second card of the same stay": "showings/changed.json",
    "With a SMART app and a service request": "showings/app-and-service-request.json",
    "Published point scores alone": "patients/margaret-heart-failure/cards.json",
    "Not scored": "estimates/not-scored.json",
    "The second task, off by default": "showings/critical-outcome.json",
}
_NO_CARD = """## No card

`{"cards": []}` is the whole answer for a tenant with `silent = true`, and below the threshold of a
rule with `below = "none"` for a stay that has no card yet. Both are scored and stored all the same.
"""


def cards_body() -> str:
    """Every kind, then what is on each of them."""
    return "\n".join((*(_card(*each) for each in _CARDS.items()), _NO_CARD, _reasons()))


def _card(title: str, golden: str) -> str:
    found = json.loads((_GOLDENS / golden).read_text("utf-8"))
    card = found[0] if isinstance(found, list) else found
    quoted = "\n".join(f"> {line}".rstrip() for line in _lines(card))
    return f"## {title}\n\n{quoted}\n"


def _lines(card: dict[str, Any]) -> Iterator[str]:
    yield from (f"**{card['summary']}** (`{card['indicator']}`)", "")
    yield from card["detail"]
    for each in card.get("suggestions", ()):
        yield from ("", f"Suggestion: **{each['label']}**. {each['actions'][0]['description']}.")
    for each in card.get("links", ()):
        yield from ("", f"Link: **{each['label']}** (SMART app)")


def _reasons() -> str:
    rows = "".join(f"| `{each.code}` | {each.display} |\n" for each in OVERRIDE_REASONS)
    return (
        "## Override reasons\n\nOn every card, from the example value set of CDS Hooks 3.0; feedback"
        f" may name any other.\n\n| code | display |\n| --- | --- |\n{rows}"
    )
