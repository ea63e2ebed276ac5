"""An answer beside the one that somebody has reviewed; `make update-goldens` writes it anew."""

import json
from pathlib import Path
from typing import Any


def check_reviewed(golden: Path, found: str, *, update: bool) -> None:
    """Line by line, so that a difference reads as one."""
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, "utf-8")
    name = f"{golden.parent.name}/{golden.name}"
    assert golden.is_file(), f"{name} is not there: make update-goldens"
    reviewed = golden.read_text("utf-8")
    assert found.splitlines() == reviewed.splitlines(), "make update-goldens, and review the diff"


def as_text(card: dict[str, Any]) -> str:
    """A card as its golden keeps it."""
    return json.dumps(card, indent=1, ensure_ascii=False) + "\n"
