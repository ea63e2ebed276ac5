"""How a benchmark is kept and shown: rows of ours beside something else, and under which conditions."""

import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"

Row = dict[str, Any]


def row(name: str, ours: float, against: float, *, most: float, target: str, unit: str) -> Row:
    """One line; `most`: up to which `ours` reaches the target."""
    return {
        "name": name,
        "ours": round(ours, 3),
        "against": round(against, 3),
        "ratio": round(ours / against, 2),
        "target": target,
        "unit": unit,
        "reached": ours <= most,
    }


def report(name: str, rows: Sequence[Row], conditions: Mapping[str, Any], title: str) -> None:
    """Write bench/results/NAME.json and NAME-conditions.json, and print the rows."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),  # noqa: TID251
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    _write(f"{name}.json", list(rows))
    _write(f"{name}-conditions.json", {**machine, **conditions})
    table = Table(*rows[0], title=title)
    for each in rows:
        table.add_row(*(str(cell) for cell in each.values()))
    Console().print(table)


def _write(name: str, content: object) -> None:
    (RESULTS / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
