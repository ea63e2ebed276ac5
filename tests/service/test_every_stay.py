"""Every finished hospital stay of the open data sets goes through the HTTP hook."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.replay import requests_of
from tests.service.running import URL, running

EXTENSION = "org.readmit.readmission"
SETS = [
    "mimic-iv-demo/fhir",
    "clinosim-101/ndjson",
    "clinosim-102/ndjson",
    "synthea-bulk100/ndjson",
    "synthea-bulk10-cc0",
]
SAMPLE = 12
_NEVER = {
    "exp": "deceased",
    "DIED": "deceased",
    "20": "deceased",
    "hosp": "hospice",
    "HOSPICE": "hospice",
    "50": "hospice",
    "51": "hospice",
    "ACUTE HOSPITAL": "transferred",
    "02": "transferred",
    "AGAINST ADVICE": "against advice",
    "aadvice": "against advice",
    "07": "against advice",
}


@pytest.mark.data
@pytest.mark.parametrize("folder", SETS)
async def test_a_sample_of_stays(folder: str, data_dir: Path, tmp_path: Path) -> None:
    assert await play(islice(requests_of(data_dir / folder), SAMPLE), tmp_path)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("folder", SETS)
async def test_every_stay(folder: str, data_dir: Path, tmp_path: Path) -> None:
    outcomes = await play(requests_of(data_dir / folder), tmp_path)
    assert outcomes["scored"] > 0
    assert outcomes["not_scored"] > 0


async def play(requests: Iterator[tuple[str, dict[str, Any]]], folder: Path) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    async with running(folder) as http:
        for _, request in requests:
            answer = await http.post(URL, content=json.dumps(request))
            assert answer.status_code == 200
            (card,) = answer.json()["cards"]
            said = card["extension"][EXTENSION]
            outcomes[said["outcome"]] += 1
            assert said["outcome"] == "scored" or said["reason"]
            exclusion = excluded(request["prefetch"])
            assert not (said["outcome"] == "scored" and exclusion), exclusion
    return outcomes


def excluded(prefetch: dict[str, Any]) -> str | None:
    """Why the stay must not be scored, told from the raw JSON alone."""
    patient, encounter = prefetch["patient"], prefetch["encounter"]
    stay = encounter.get("hospitalization", {})
    disposition = codes(stay.get("dischargeDisposition"))
    admitted, discharged = encounter["period"]["start"], encounter["period"]["end"]
    if "born" in codes(stay.get("admitSource")):
        return "newborn"
    if years(patient["birthDate"], admitted) < 18:
        return "under 18"
    died = patient.get("deceasedDateTime")
    if patient.get("deceasedBoolean") or (died and died[:10] <= discharged[:10]):
        return "deceased"
    return next((_NEVER[code] for code in disposition if code in _NEVER), None)


def years(birth: str, day: str) -> int:
    return int(day[:4]) - int(birth[:4]) - (day[5:10] < birth[5:10])


def codes(concept: dict[str, Any] | None) -> set[str]:
    return {coding.get("code", "") for coding in (concept or {}).get("coding", ())}
