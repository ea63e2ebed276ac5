"""The commands of the tutorials and of the README run, and print what the pages say."""

import re
from pathlib import Path

import pytest

from tests.docs.page_commands import ROOT, blocks, lines_of, promised, run

TUTORIALS = ROOT / "docs" / "tutorials"
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
SLOW = {"train-a-demonstration"}
PAGES = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else [])
    for page in sorted(TUTORIALS.glob("*.md"))
]


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_works_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    ran = run([line for block in blocks(text, "bash") for line in lines_of(block)], tmp_path)
    assert ran.status == 0, ran.printed[-3000:]
    missing = [line for line in promised(text) if line not in ran.printed]
    assert missing == [], ran.printed[-3000:]
