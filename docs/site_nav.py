"""The site's contents: every page of docs/, by kind, so that a new page needs no entry anywhere."""

from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent
KINDS = {
    "Tutorials": "tutorials",
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Results": "results",
    "Decisions": "decisions",
}
FIRST = ("README.md", "first-card.md", "train-a-demonstration.md")
BESIDE = {
    "README": "source/README.md",
    "Glossary": "source/GLOSSARY.md",
    "Security": "source/SECURITY.md",
    "For developers": "source/DEVELOPERS.md",
}
"""Pages of the repository's root: `docs.site_links` brings them in."""


def on_config(config: Any) -> Any:
    """Write the contents into the builder's settings."""
    kinds = [{title: _pages(folder)} for title, folder in KINDS.items()]
    beside = [{title: page} for title, page in BESIDE.items()]
    config.nav = [{"Start": "README.md"}, *kinds, {"Repository": beside}]
    return config


def _pages(folder: str) -> list[str]:
    names = sorted((each.name for each in (PAGES / folder).glob("*.md")), key=_order)
    return [f"{folder}/{name}" for name in names]


def _order(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)
