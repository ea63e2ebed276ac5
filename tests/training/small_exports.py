"""A FHIR export of generated patients: a stay or two each, and what was written at discharge."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy

from tests.spec.record import Resource, observation, patient, visit
from tests.training.small_runs import WORDS

CANARY = "Zyxomel"  # stands in every record, and may stand in no message
_START = datetime(2024, 2, 1, 12, tzinfo=UTC)
_LAST = datetime(2024, 12, 31, tzinfo=UTC)


def written(file: Path, people: int = 150, *, notes: bool = True) -> Path:
    """One NDJSON. Without `notes` no summary is in it."""
    draw = numpy.random.default_rng(3)
    rows = [row for number in range(people) for row in _person(number, draw)]
    kept = [row for row in rows if notes or row["resourceType"] != "DocumentReference"]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
    return file


def _person(number: int, draw: numpy.random.Generator) -> Iterator[Resource]:
    who, sick = f"g{number}", bool(draw.random() < 0.5)
    born = 1985 - int(draw.integers(40)) - 10 * sick
    named = [{"family": CANARY}]
    yield _of(who, patient(birthDate=f"{born}-06-15", name=named), who)
    yield _stay(who, "late", _LAST - timedelta(days=3), days=2)  # tells how far the export goes
    begins = _START + timedelta(days=int(draw.integers(60)))
    for count in range(1 + 2 * sick):
        days = int(draw.integers(1, 9))
        yield from _recorded(who, f"stay{count}", begins, days, draw)
        begins += timedelta(days=days + int(draw.integers(5, 25 if draw.random() < 0.7 else 60)))


def _recorded(
    who: str, name: str, begins: datetime, days: int, draw: numpy.random.Generator
) -> Iterator[Resource]:
    yield _stay(who, name, begins, days)
    found = f"{draw.normal(11, 2):.1f}"
    taken = (begins + timedelta(hours=2)).isoformat()
    yield _of(who, observation(taken, "718-7", found, "g/dL", id=f"{name}-hb"))
    yield _note(who, name, begins + timedelta(days=days), draw)


def _stay(who: str, name: str, begins: datetime, days: int) -> Resource:
    ends = begins + timedelta(days=days)
    drawn = visit(name, "IMP", begins.isoformat(), ends.isoformat(), priority="EM")
    return _of(who, drawn)


def _note(who: str, stay: str, when: datetime, draw: numpy.random.Generator) -> Resource:
    text = f"Name: {CANARY}\nCourse:\n" + " ".join(draw.choice(WORDS, draw.integers(2, 12)))
    data = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": f"{who}-{stay}-note",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": f"Patient/{who}"},
        "date": when.isoformat(),
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
        "context": {"encounter": [{"reference": f"Encounter/{who}-{stay}"}]},
    }


def _of(who: str, row: Resource, id_: str = "") -> Resource:
    """The row as this patient's own."""
    text = json.dumps(row).replace("Patient/p", f"Patient/{who}")
    found: Resource = json.loads(text)
    return found | {"id": id_ or f"{who}-{found['id']}"}
