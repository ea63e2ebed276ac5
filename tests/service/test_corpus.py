"""The corpus of tricky requests, each with its expected answer, and what holds for every answer."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from cds_service.hooks.call import HOOKS
from fhir_mapping.resources import KNOWN_TYPES
from tests.corpus.generate import REQUESTS, files
from tests.corpus.play import body, differences, load, play
from tests.service.patients import serving

pytestmark = pytest.mark.sampled(70)

CASES = load()
BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "lace-hospital"
PUBLIC = {*HOOKS, *KNOWN_TYPES, "OperationOutcome", "readmission-risk"}
"""Words of the specifications, which an error may use whether the request does or not."""
_SHORTEST = 9
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("corpus")
    async with serving(folder, bundles={"readmission-risk": BUNDLE}) as client:
        yield client


@pytest.mark.parametrize("name", CASES)
async def test_the_answer_is_as_the_corpus_expects(name: str, http: httpx.AsyncClient) -> None:
    case = CASES[name]
    answer = await play(http, case)
    assert differences(case, answer) == []
    if answer.status_code == 200:
        check_cards(answer.json())
    else:
        check_refusal(case, answer)


def check_cards(response: Any) -> None:
    """CDS Hooks 2.0, Use of JSON: nothing null, nothing empty; no markup of a record's."""
    assert [each for each in members(response) if each in (None, "", [], {})] == []
    for card in response["cards"]:
        assert "<" not in card["summary"] + card["detail"]
        assert "](" not in card["detail"]


def check_refusal(case: Any, answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == "application/fhir+json"
    outcome = OperationOutcome.model_validate_json(answer.content)
    assert outcome.issue[0].severity == "error"
    assert [each for each in members(answer.json()) if each in (None, "", [], {})] == []
    assert [text for text in strings(case) if text in answer.text] == []


def members(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from members(each)


def strings(case: Any) -> set[str]:
    """Every longer string of the request that is a value, or might be: never to be repeated."""
    if "request" in case:
        found = {each for each in members(case["request"]) if isinstance(each, str)}
    else:
        names = set(_QUOTED.findall(json.dumps(next(iter(CASES.values())))))
        found = set(_QUOTED.findall(body(case).decode("utf-8", "replace"))) - names
    return {text for text in found - PUBLIC if len(text) >= _SHORTEST}


def test_the_files_are_what_the_generator_writes() -> None:
    written = dict(files())
    kept = {
        path.relative_to(REQUESTS): path.read_text("utf-8") for path in REQUESTS.rglob("*.json")
    }
    assert kept == written, "run `python -m tests.corpus.generate`"


def test_every_case_says_why_in_one_line_and_has_a_name_of_its_own() -> None:
    listed = list(files())
    assert len({path for path, _ in listed}) == len(listed) == len(CASES) >= 70
    for path in REQUESTS.rglob("*.json"):
        case = json.loads(path.read_text("utf-8"))
        assert f"{case['name']}.json" == path.relative_to(REQUESTS).as_posix()
        assert case["why"].endswith(".")
        assert len(case["why"]) <= 140
        assert sum(way in case for way in ("request", "body", "body_base64")) == 1
