"""`make bench`: every section, one after the other, each in a process of its own."""

import subprocess
import sys

from rich.console import Console

from bench.reporting import SECTIONS


def main() -> int:
    """How many sections failed; the others are measured all the same."""
    say, failed = Console(stderr=True).print, []
    for section in SECTIONS:
        say(f"== {section}")
        if subprocess.run([sys.executable, "-m", f"bench.{section}"], check=False).returncode:
            failed.append(section)
    if failed:
        say(f"Failed: {', '.join(failed)}", style="red")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
