"""What Docker, Compose and Kubernetes read of docker/, as far as the tests need it."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"


class Instruction(NamedTuple):
    """A line of a Dockerfile with what continues it, and the stage it belongs to, from 0 on."""

    stage: int
    word: str
    rest: str


def instructions(name: str) -> list[Instruction]:
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / name).read_text("utf-8"), flags=re.MULTILINE)
    found, stage = [], -1
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Instruction(stage, word, " ".join(rest.split())))
    return found


def copied(name: str, stage: int) -> list[tuple[list[str], str]]:
    """What a stage takes of the repository, and where to."""
    lines = [each.rest for each in instructions(name) if (each.stage, each.word) == (stage, "COPY")]
    words = [shlex.split(line) for line in lines if not line.startswith("--from")]
    return [(each[:-1], each[-1]) for each in words]


def environment(name: str, stage: int) -> dict[str, str]:
    lines = [each.rest for each in instructions(name) if (each.stage, each.word) == (stage, "ENV")]
    return dict(pair.split("=", 1) for line in lines for pair in shlex.split(line))


def let_in(path: str) -> bool:
    """Whether .dockerignore lets a path of the repository into an image: the last match decides."""
    into = True
    for pattern, again in _patterns():
        if pattern.fullmatch(path):
            into = again
    return into


def _patterns() -> list[tuple[re.Pattern[str], bool]]:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    told = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [(_pattern(each.removeprefix("!")), each.startswith("!")) for each in told]


def _pattern(text: str) -> re.Pattern[str]:
    """A match of a folder is one of all that lies in it."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    split = re.split(r"(\*\*/|\*\*|\*|\[[^]]+\])", text)
    written = [
        pieces.get(each, each if each.startswith("[") else re.escape(each)) for each in split
    ]
    return re.compile("".join(written) + "(?:/.*)?")


def kept_files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = sorted(set(filter(None, done.stdout.split("\0"))))
    return [name for name in names if (ROOT / name).is_file()]


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]


def variables(path: Path) -> dict[str, str]:
    """A file of NAME=value lines."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def texts(of: object) -> Iterator[str]:
    """Every text in a tree of YAML."""
    if isinstance(of, dict):
        for each in of.values():
            yield from texts(each)
    elif isinstance(of, list):
        for each in of:
            yield from texts(each)
    elif isinstance(of, str):
        yield of
