"""Writes the example patients from cases/*.toml: `python examples/generate.py [--check]`. Needs no network."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from datetime import date
from pathlib import Path

from chart import Chart
from drugs import add_drugs
from findings import (
    STAY,
    add_diagnoses,
    add_observations,
    add_problems,
    add_procedures,
    add_summary,
    encounter,
)
from visits import add_coverage, add_earlier_visit, add_index_stay, add_patient
from vocabulary import Json
from wire import collection, hook_request

HERE = Path(__file__).resolve().parent
TABLE = ("<!-- table -->\n", "<!-- end of table -->\n")


def chart_of(name: str, case: Json) -> Chart:
    chart = Chart(name, case)
    add_patient(chart)
    add_coverage(chart)
    add_index_stay(chart)
    add_diagnoses(
        chart, case["record"]["diagnoses"], case["stay"]["period"][0], encounter(chart, STAY)
    )
    add_problems(chart)
    for visit in case.get("earlier", []):
        reference = add_earlier_visit(chart, visit)
        ended = visit.get("stay", visit.get("ed"))[-1]
        add_diagnoses(chart, visit["diagnoses"], ended, {"reference": reference})
    add_observations(chart)
    add_procedures(chart)
    add_drugs(chart)
    add_summary(chart)
    return chart


def line_of_list(name: str, case: Json) -> Json:
    """What the page shows of a patient before one is chosen."""
    person, admitted = case["person"], date.fromisoformat(case["stay"]["period"][0][:10])
    born = date.fromisoformat(person["birth"])
    age = admitted.year - born.year - ((admitted.month, admitted.day) < (born.month, born.day))
    return {
        "name": name,
        "person": f"{person['given']} {person['family']}",
        "age": f"{age} years" if age else "newborn",
        "title": case["title"],
        "why": case["why"],
        "expect": case["expect"],
    }


def spread(value: object, *, levels: int, pad: str = "") -> str:
    """JSON opened up for some levels and then one value to the line: a diff names what changed."""
    if levels == 0 or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = pad + " "
    keys = (
        [f"{json.dumps(key)}: " for key in value] if isinstance(value, dict) else [""] * len(value)
    )
    values = value.values() if isinstance(value, dict) else value
    rows = [
        f"{inner}{key}{spread(part, levels=levels - 1, pad=inner)}"
        for key, part in zip(keys, values, strict=True)
    ]
    left, right = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(rows)
    return f"{left}\n{body}\n{pad}{right}"


def readme_with(lines: list[Json]) -> str:
    start, end = TABLE
    before, rest = (HERE / "README.md").read_text("utf-8").split(start)
    rows = [f"| `{row['name']}` | {row['age']} | {row['why']} | {row['expect']} |" for row in lines]
    head = ["| patient | age | why it is there | what to expect |", "|---|---|---|---|"]
    return before + start + "\n".join(head + rows) + "\n" + end + rest.split(end)[1]


def wanted() -> tuple[dict[Path, str], list[Chart]]:
    """Every file that we generate with its text, and the charts behind them."""
    cases = {
        path.stem: tomllib.loads(path.read_text("utf-8")) for path in HERE.glob("cases/*.toml")
    }
    cases = dict(sorted(cases.items(), key=lambda item: item[1]["order"]))
    charts = [chart_of(name, case) for name, case in cases.items()]
    lines = [line_of_list(name, case) for name, case in cases.items()]
    files = {
        HERE / "index.json": spread(lines, levels=2) + "\n",
        HERE / "README.md": readme_with(lines),
    }
    for chart in charts:
        files[HERE / "patients" / f"{chart.name}.json"] = spread(collection(chart), levels=2) + "\n"
        files[HERE / "requests" / f"{chart.name}.json"] = (
            spread(hook_request(chart), levels=4) + "\n"
        )
    return files, charts


def stale(files: dict[Path, str]) -> list[Path]:
    there = {
        HERE / "index.json",
        HERE / "README.md",
        *HERE.glob("patients/*"),
        *HERE.glob("requests/*"),
    }
    changed = {
        path for path, text in files.items() if not path.exists() or path.read_text("utf-8") != text
    }
    return sorted(changed | (there - files.keys()))


def invalid(charts: list[Chart]) -> list[str]:
    """Ids of resources that FHIR R4B does not accept. Imported here: the models are slow to load."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    wrong = []
    for resource in [r for chart in charts for r in [*chart.resources, collection(chart)]]:
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except ValidationError as error:
            wrong.append(f"{resource['id']}: {error}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when stale or invalid"
    )
    check = parser.parse_args().check
    files, charts = wanted()
    if check:
        problems = [f"stale: {path.relative_to(HERE)}" for path in stale(files)] + invalid(charts)
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        return 1 if problems else 0
    for path in stale(files):
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path], "utf-8") if path in files else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
