"""A bill of materials of the service's image, CycloneDX: what pip installs in it, not Debian's packages.

Told from this environment by cyclonedx-py, and cut down to what the image installs.
"""

import json
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

from docker.closure import closure, normal

TELLER = Path(".venv-tools/bin/cyclonedx-py")
WRITTEN = Path("dist/readmit.cdx.json")


def told(teller: Path) -> dict[str, Any]:
    """Everything that is installed beside this interpreter. Raises CalledProcessError."""
    options = ["--pyproject", "pyproject.toml", "--mc-type", "application", "--output-reproducible"]
    command = [teller, "environment", sys.executable, *options, "--of", "JSON"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def cut(bill: dict[str, Any], names: Set[str]) -> dict[str, Any]:
    """The bill with the components of these names alone, and what of them depends on what."""
    kept = [each for each in bill["components"] if normal(each["name"]) in names]
    known = {each["bom-ref"] for each in kept} | {bill["metadata"]["component"]["bom-ref"]}
    graph = [
        each | {"dependsOn": sorted(known & set(each.get("dependsOn", [])))}
        for each in bill["dependencies"]
        if each["ref"] in known
    ]
    return bill | {"components": kept, "dependencies": graph}


def main() -> None:
    """Writes the bill."""
    bill = cut(told(TELLER), set(closure()))
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(json.dumps(bill, indent=1) + "\n", "utf-8")
    print(f"{WRITTEN}: {len(bill['components'])} components")


if __name__ == "__main__":
    main()
