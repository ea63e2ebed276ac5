import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fhir_mapping", "model", "training", "cds_service")
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
LONGEST = 300

GRAB_BAGS = re.compile(r"_?(utils?|helpers?|common|manager|base|misc)$")
# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/" + "(?:root|home|work|Users)" + r"/\w")
REGISTRY_HOST = re.compile(
    r"\b(?:" + "|".join(["py" + r"pi\.org", "python" + "hosted", "download.py" + "torch"]) + r")\b"
)
TICKET = re.compile(r"\b(?:issue|ticket|pull request) #?\d+\b|(?<![\w&/#\"'])#\d+\b", re.IGNORECASE)
FOREIGN = ("LICENSE", "NOTICE", "constraints.txt")


def in_words(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def kept_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = sorted(name for name in listed.stdout.split("\0") if name)
    return [ROOT / name for name in names if (ROOT / name).is_file() and name not in FOREIGN]


def lines_with(pattern: re.Pattern[str], *, among: list[Path]) -> list[str]:
    found = []
    for path in among:
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [
            f"{in_words(path)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
            for hit in pattern.finditer(text)
        ]
    return found


def test_packages_import_in_one_direction() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_a_grab_bag() -> None:
    parts = [
        (path, name) for path in MODULES for name in path.relative_to(ROOT).with_suffix("").parts
    ]
    assert [in_words(path) for path, name in parts if GRAB_BAGS.match(name)] == []


@pytest.mark.parametrize("path", MODULES, ids=in_words)
def test_module_says_what_it_is_for_and_stays_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "no docstring"
    assert len(source.splitlines()) <= LONGEST, "split it"


@pytest.mark.parametrize(
    "pattern", [MACHINE_PATH, REGISTRY_HOST], ids=["machine path", "registry host"]
)
def test_the_tree_names_no_place_of_ours(pattern: re.Pattern[str]) -> None:
    assert lines_with(pattern, among=kept_files()) == []


def test_prose_stands_without_a_tracker() -> None:
    prose = [path for path in kept_files() if path.suffix in {".py", ".md", ".toml", ".yaml"}]
    assert lines_with(TICKET, among=prose) == []
