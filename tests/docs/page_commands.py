"""The commands of a page, run from top to bottom as a reader would, in a folder that looks like the repository.

What a `bash` block says is run; a line that serves (`make run`, `readmit serve`) goes on in the background,
and the next one waits until it answers. Each line of a `text` block must be in what was printed, up to `...`.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.browsing import free_port

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "127.0.0.1:8000"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SERVES = re.compile(r"^(?:make run|\S*readmit serve\b[^|]*)$")
_WAIT = """
served() {
  for _ in $(seq 240); do curl -fs http://%s/health/ready >ready.log && return; sleep 0.25; done
  echo "the service does not answer"; return 1
}
stopped() { jobs -p | xargs -r kill 2>errors.log; wait; }
trap stopped EXIT
set -e
"""


@dataclass(frozen=True)
class Ran:
    """How a page's commands ended."""

    status: int
    printed: str


def blocks(markdown: str, language: str) -> list[str]:
    """The blocks of one language, without the indentation of a list."""
    return [
        re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        for found in _BLOCK.finditer(markdown)
        if found[2] == language
    ]


def lines_of(block: str) -> list[str]:
    """Whole commands: lines that go on are joined, those of a here-document stay apart."""
    return [line for line in block.replace("\\\n", " ").split("\n") if line.strip()]


def run(commands: list[str], folder: Path) -> Ran:
    """Run lines in a folder of links to the repository's files. What they write stays in it."""
    for each in ROOT.iterdir():
        if each.name not in (".git", "runs", "build") and not each.name.endswith(".sqlite"):
            (folder / each.name).symlink_to(each)
    address = f"127.0.0.1:{free_port()}"
    script = _WAIT % address + "\n".join(_line(each) for each in commands)
    done = subprocess.run(
        ["bash", "-c", script.replace(ADDRESS, address)],
        cwd=folder, env=_environment(address), capture_output=True, text=True, check=False,
        timeout=600,
    )  # fmt: skip
    return Ran(done.returncode, (done.stdout + done.stderr).replace(address, ADDRESS))


def works(page: Path, folder: Path) -> None:
    """Every command of a page ends well and prints what the page says."""
    text = page.read_text("utf-8")
    ran = run(commands_in(text), folder)
    assert ran.status == 0, ran.printed[-3000:]
    missing = [line for line in promised(text) if line not in ran.printed]
    assert missing == [], ran.printed[-3000:]


def commands_in(text: str) -> list[str]:
    """What the `bash` blocks of a page or a part of it say."""
    return [line for block in blocks(text, "bash") for line in lines_of(block)]


def promised(markdown: str) -> list[str]:
    """What the page says that its commands print."""
    return [
        line.partition("...")[0].strip()
        for block in blocks(markdown, "text")
        for line in lines_of(block)
    ]


def _line(command: str) -> str:
    if not _SERVES.match(command):
        return command
    serving = command.replace("make run", ".venv/bin/readmit serve --dev")
    return f"stopped; {serving} & served"


def _environment(address: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("READMIT_")}
    port = address.partition(":")[2]
    return kept | {"PYTHONPATH": str(ROOT), "READMIT_PORT": port, "PYTHONWARNINGS": "default"}
