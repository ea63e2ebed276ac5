"""Traces: four steps of a call with ids of ours and counts; nothing where nobody listens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cds_service import tracing
from tests.service.patients import URL, call, serving
from tests.service.test_canary import ANSWERED, CANARY, REFUSED

pytestmark = pytest.mark.sampled(4)

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_SDK = """
import asyncio, pathlib, sys
sys.modules["opentelemetry.sdk"] = None
from tests.service.patients import URL, call, serving
async def answered():
    async with serving(pathlib.Path(sys.argv[1])) as http:
        print((await http.post(URL, json=call())).status_code)
asyncio.run(answered())
"""
ALLOWED = {"service", "keys", "resources", "outcome"}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What a configured provider exports, in this test only."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return exporter


async def test_a_call_is_one_trace_of_four_steps(
    heard: InMemorySpanExporter, tmp_path: Path
) -> None:
    async with serving(tmp_path) as http:
        assert (await http.post(URL, json=call())).status_code == 200
    spans = {each.name: each for each in heard.get_finished_spans()}
    assert set(spans) == {"hook", "gather", "assess", "store"}
    hook = spans.pop("hook")
    assert hook.parent is None
    assert {each.parent.span_id for each in spans.values() if each.parent} == {hook.context.span_id}
    assert dict(hook.attributes or {}) == {"service": "readmission-risk"}
    assert dict(spans["assess"].attributes or {}) == {"outcome": "scored"}
    assert set(spans["gather"].attributes or {}) == {"keys", "resources"}


@pytest.mark.parametrize("case", ANSWERED | REFUSED)
async def test_nothing_of_a_patients_is_in_a_trace(
    case: str, heard: InMemorySpanExporter, tmp_path: Path
) -> None:
    body, status = (ANSWERED | REFUSED)[case]
    async with serving(tmp_path, max_body_bytes=32_768) as http:
        assert (await http.post(URL, content=body)).status_code == status
    written = [each.to_json() for each in heard.get_finished_spans()]
    assert written or status in (400, 413)
    for each in written:
        shown = json.loads(each)
        assert set(shown["attributes"]) <= ALLOWED
        said = json.dumps([shown["attributes"], shown["events"], shown["status"]])
        assert CANARY.findall(said) == []


def test_a_failure_is_marked_without_what_it_says(heard: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="canary"), tracing.span("assess"):
        raise ValueError("canary")
    (failed,) = heard.get_finished_spans()
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert (failed.status.description, failed.events) == (None, ())


def test_without_a_provider_a_step_runs_as_it_is() -> None:
    with tracing.span("assess", service="a") as said:
        said("outcome", "scored")
        assert not trace.get_current_span().is_recording()


@pytest.mark.slow
def test_without_the_sdk_a_call_is_answered(tmp_path: Path) -> None:
    """In a process of its own, since here the SDK is imported already."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SDK, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, ["200"]), done.stderr
