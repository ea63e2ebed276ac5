"""How a benchmark is kept and shown: rows of ours beside something else, and under which conditions."""

import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
SECTIONS: Final = ("hook", "extraction", "batch", "spark", "scorer", "text", "pretraining")
"""In the order in which `python -m bench` runs them; each is `python -m bench.NAME` too."""
LATEST = "latest.json"

Row = dict[str, Any]


def row(
    name: str, ours: float, against: float, *, most: float | None, target: str, unit: str
) -> Row:
    """One line; `most`: up to which `ours` reaches the target, None where it is only told."""
    return {
        "name": name,
        "ours": round(ours, 3),
        "against": round(against, 3),
        "ratio": round(ours / against, 3),
        "target": target,
        "unit": unit,
        "reached": None if most is None else ours <= most,
    }


def times_faster(name: str, ours: float, against: float, *, least: float, unit: str) -> Row:
    """A line that reaches its target where `ours` takes at most the `least`-th part of `against`."""
    most = against / least
    return row(name, ours, against, most=most, target=f"<= against / {least:g}", unit=unit)


def told(name: str, ours: float, against: float, *, unit: str) -> Row:
    """A line without a target."""
    return row(name, ours, against, most=None, target="none", unit=unit)


def report(name: str, rows: Sequence[Row], conditions: Mapping[str, Any], title: str) -> None:
    """Write bench/results/NAME.json and NAME-conditions.json, all rows to latest.json; print the rows."""
    RESULTS.mkdir(exist_ok=True)
    _write(f"{name}.json", list(rows))
    _write(f"{name}-conditions.json", {**_machine(), **conditions})
    _write(LATEST, [each for section in SECTIONS for each in rows_of(section)])
    table = Table(*rows[0], title=title)
    for each in rows:
        table.add_row(*(str(cell) for cell in each.values()))
    Console().print(table)


def rows_of(section: str) -> list[Row]:
    """As they were last measured; none where they never were."""
    file = RESULTS / f"{section}.json"
    return json.loads(file.read_bytes()) if file.exists() else []


def conditions_of(section: str) -> dict[str, Any]:
    """Under which the section was last measured."""
    found: dict[str, Any] = json.loads((RESULTS / f"{section}-conditions.json").read_bytes())
    return found


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),  # noqa: TID251
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load_average_1_5_15_minutes": [round(load, 1) for load in os.getloadavg()],
    }


def _write(name: str, content: object) -> None:
    (RESULTS / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
