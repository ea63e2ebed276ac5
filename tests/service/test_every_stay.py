"""Every finished hospital stay of the open data sets goes through the HTTP hook.

Who must not be scored is told here a second time, from the raw JSON of Patient and Encounter.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.replay import requests_of
from tests.service.running import URL, running

EXTENSION = "org.readmit.readmission"
SETS: dict[str, dict[str | None, int]] = {
    "mimic-iv-demo/fhir": {
        None: 157,
        "deceased": 12,
        "hospice": 5,
        "transferred": 1,
        "against_advice": 1,
    },
    "clinosim-101/ndjson": {None: 390, "newborn": 16, "under_18": 8, "deceased": 13},
    "clinosim-102/ndjson": {None: 355, "newborn": 24, "under_18": 23, "deceased": 17},
    "synthea-bulk100/ndjson": {None: 68, "under_18": 33},
    "synthea-bulk10-cc0": {None: 49},
}
"""The stays of each set by the exclusion that their JSON shows; None: nothing there excludes them."""
SAMPLE = 12
SAMPLED = "synthea-bulk10-cc0"
DISPOSITIONS = {
    "deceased": "exp DIED 20 40 41 42",
    "hospice": "hosp HOSPICE 50 51",
    "transferred": "ACUTE-HOSPITAL 02 05 43 66 70 82 85 88 94 95",
    "against_advice": "aadvice AGAINST-ADVICE 07",
}
"""HL7 discharge-disposition, NUBC patient discharge status, and MIMIC's words."""
ADMISSION_TO_HOSPICE = "305336008"
OTHER_REASONS = {
    "observation_stay",
    "score_inputs_missing",
    "below_coverage_floor",
    "length_of_stay_implausible",
}


@pytest.mark.data
async def test_a_sample_of_stays(data_dir: Path, tmp_path: Path) -> None:
    played = await play(islice(requests_of(data_dir / SAMPLED), SAMPLE), tmp_path)
    assert sum(played.values()) == SAMPLE


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("folder", SETS)
async def test_every_stay(folder: str, data_dir: Path, tmp_path: Path) -> None:
    played = await play(requests_of(data_dir / folder), tmp_path)
    exclusions: Counter[str | None] = Counter()
    for (exclusion, _), count in played.items():
        exclusions[exclusion] += count
    assert exclusions == SETS[folder]
    outcomes = {outcome for _, outcome in played}
    assert outcomes == {"scored", "not_scored"}


async def play(
    requests: Iterator[tuple[str, dict[str, Any]]], folder: Path
) -> Counter[tuple[str | None, str]]:
    """(exclusion, outcome) of each stay, each answer checked on the way."""
    played: Counter[tuple[str | None, str]] = Counter()
    async with running(folder) as http:
        for _, request in requests:
            answer = await http.post(URL, content=msgspec.json.encode(request))
            assert answer.status_code == 200
            (card,) = answer.json()["cards"]
            said, exclusion = card["extension"][EXTENSION], excluded(request["prefetch"])
            check(said, exclusion)
            played[exclusion, said["outcome"]] += 1
    return played


def check(said: dict[str, Any], exclusion: str | None) -> None:
    """Scored only where nothing excludes it; not scored always with the reason."""
    if said["outcome"] == "scored":
        assert exclusion is None
        return
    assert said["outcome"] == "not_scored"
    allowed = OTHER_REASONS if exclusion is None else {exclusion, "observation_stay"}
    assert said["reason"] in allowed


def excluded(prefetch: dict[str, Any]) -> str | None:
    """Why the stay must not be scored, told from the raw JSON alone."""
    patient, encounter = prefetch["patient"], prefetch["encounter"]
    stay = encounter.get("hospitalization", {})
    if "born" in codes(stay.get("admitSource")):
        return "newborn"
    if years(patient["birthDate"], encounter["period"]["start"]) < 18:
        return "under_18"
    if patient.get("deceasedBoolean") or dead_by(patient, encounter["period"]["end"]):
        return "deceased"
    if any(ADMISSION_TO_HOSPICE in codes(kind) for kind in encounter.get("type", ())):
        return "hospice"
    left = {code.replace(" ", "-") for code in codes(stay.get("dischargeDisposition"))}
    return next((why for why, listed in DISPOSITIONS.items() if left & set(listed.split())), None)


def dead_by(patient: dict[str, Any], discharged: str) -> bool:
    """By date: the generator writes the last second of the day of a death."""
    died = str(patient.get("deceasedDateTime", ""))
    return "" < died[:10] <= discharged[:10]


def years(birth: str, day: str) -> int:
    return int(day[:4]) - int(birth[:4]) - (day[5:10] < birth[5:10])


def codes(concept: dict[str, Any] | None) -> set[str]:
    return {coding.get("code", "") for coding in (concept or {}).get("coding", ())}
