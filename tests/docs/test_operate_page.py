"""The page for operators names what there is: log events, metrics, spans and paths."""

import re
from pathlib import Path

from cds_service.metrics import REGISTRY
from cds_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "operate.md").read_text("utf-8")


def code(name: str) -> str:
    return (ROOT / "cds_service" / name).read_text("utf-8")


def test_every_event_of_the_log_is_explained() -> None:
    events = re.findall(r'get_logger\(\)\.\w+\(\s*"(\w+)"', code("observability.py"))
    assert len(events) > 3
    assert [event for event in events if f"| `{event}` |" not in PAGE] == []


def test_every_metric_in_an_alarm_is_there() -> None:
    named = set(re.findall(r"readmit_\w+?(?=_total|_bucket)", PAGE))
    assert named
    assert named <= {each.name for each in REGISTRY.collect()}


def test_every_span_is_named() -> None:
    spans = re.findall(r'span\("(\w+)"', code("answering.py"))
    assert len(spans) > 3
    assert [name for name in spans if f"`{name}`" not in PAGE] == []


def test_every_probe_and_setting_is_there() -> None:
    routes = re.findall(r'@router\.get\("([^"]+)"\)', code("probes.py"))
    assert [route for route in routes if f"`GET {route}`" not in PAGE] == []
    named = {name.lower() for name in re.findall(r"READMIT_(\w+)", PAGE)}
    assert named <= set(Settings.model_fields)
