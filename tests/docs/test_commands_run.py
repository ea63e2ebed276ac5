"""The commands of the tutorials and of the README run, and print what the pages say."""

import re
from pathlib import Path

import pytest

from docs.cli_page import commands
from tests.docs.page_commands import ROOT, blocks, commands_in, run, works

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
SLOW = "connect-a-sandbox-ehr"
WHERE_ONE_IS_TRAINED = "train-a-demonstration"  # tests/training/test_demo.py
TUTORIALS = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem == SLOW else [])
    for page in sorted((ROOT / "docs" / "tutorials").glob("*.md"))
    if page.stem != WHERE_ONE_IS_TRAINED
]
TENANTS = (
    '[[tenant]]\nname = "north"\niss = "https://ehr.example"\njku = "https://ehr.example/jwks"\n'
)
COMMAND = re.compile(r"(?<![\w-])(readmit(?:-train)?(?: audit)? [a-z][\w-]*)([^#|\n]*)")


@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_works_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    works(page, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heading", "printed"),
    [
        ("Five minutes", ('"cards": [{', "scores.parquet; summary in", "24 stays, 21 eligible")),
        ("In a hospital", ("Discovery: http", "Whole.")),
    ],
)
def test_the_readmes_commands_work(heading: str, printed: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "tenants.toml").write_text(TENANTS)
    lines = [line.replace("FOLDER", "examples/patients") for line in commands_in(section(heading))]
    ran = run(lines, tmp_path)
    assert ran.status == 0, ran.printed[-3000:]
    assert [each for each in printed if each not in ran.printed] == [], ran.printed[-3000:]


def test_every_make_target_that_a_page_names_is_there() -> None:
    named = {name for page in pages() for name in re.findall(r"(?:^|`)make ([a-z-]+)", page, re.M)}
    assert {"run", "test", "docs"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", MAKEFILE, re.M)] == []


def test_every_command_and_option_that_a_page_names_is_there() -> None:
    known = {
        name: {word.strip("`") for row in rows for word in row[0].split(", ")}
        for name, _, rows in commands()
    }
    wrong = [
        (name, option)
        for page in pages()
        for block in [*blocks(page, "bash"), *re.findall(r"`(readmit[^`]*)`", page)]
        for name, rest in COMMAND.findall(block.replace("\\\n", " "))
        for option in ("--help", *re.findall(r"--[a-z-]+", rest))
        if option not in known.get(name, ()) | {"--help"} or name not in known
    ]
    assert wrong == []


def section(heading: str) -> str:
    return README.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def pages() -> list[str]:
    found = [ROOT / "README.md", *(ROOT / "docs").glob("*/*.md")]
    return [page.read_text("utf-8") for page in found]
