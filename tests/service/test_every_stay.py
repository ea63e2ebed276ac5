"""Every finished hospital stay of the open data sets goes through the HTTP hook.

Who must not be scored is told here a second time, from the raw JSON of Patient and Encounter. What was
assessed is counted on the way: the coverage page is of these stays, and says what they show now.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from cds_service import answering
from cds_service.assessment import Assessment
from docs.coverage import PAGE, SETS, Seen, page, survey
from fhir_mapping.catalogue import CATALOGUE
from tests.replay import requests_of
from tests.service.running import URL, running

EXTENSION = "org.readmit.readmission"
EXCLUDED: dict[str, dict[str | None, int]] = {
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


class Played(NamedTuple):
    """`answers`: how often each (exclusion, outcome); `seen`: what was assessed."""

    answers: Counter[tuple[str | None, str]]
    seen: Seen


Play = Callable[[str], Awaitable[Played]]


@pytest.fixture(scope="module")
def play_all(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Every stay of a set, played once."""
    done: dict[str, Played] = {}

    async def of(folder: str) -> Played:
        if folder not in done:
            requests = requests_of(data_dir / folder)
            done[folder] = await play(requests, tmp_path_factory.mktemp("played"))
        return done[folder]

    return of


@pytest.mark.data
async def test_a_sample_of_stays(data_dir: Path, tmp_path: Path) -> None:
    played = await play(islice(requests_of(data_dir / SAMPLED), SAMPLE), tmp_path)
    assert sum(played.answers.values()) == played.seen.stays == SAMPLE


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("folder", EXCLUDED)
async def test_every_stay(folder: str, play_all: Play) -> None:
    played = await play_all(folder)
    exclusions: Counter[str | None] = Counter()
    for (exclusion, _), count in played.answers.items():
        exclusions[exclusion] += count
    assert exclusions == EXCLUDED[folder]
    outcomes = {outcome for _, outcome in played.answers}
    assert outcomes == {"scored", "not_scored"}


@pytest.mark.slow
@pytest.mark.data
async def test_the_page_is_fresh_and_every_feature_is_found_or_its_data_named(
    play_all: Play, data_dir: Path
) -> None:
    others = survey(data_dir, [name for name, folder in SETS.items() if folder not in EXCLUDED])
    assert others
    seen = {
        name: others[name] if name in others else (await play_all(folder)).seen
        for name, folder in SETS.items()
    }
    assert PAGE.read_text("utf-8") == page(seen), "run `python -m docs.coverage`"
    needed = PAGE.read_text("utf-8").partition("## Found in no data set")[2]
    for name in CATALOGUE.names:
        found = any(each.found[name] for each in seen.values())
        assert found or f"`{name}`" in needed


async def play(requests: Iterator[tuple[str, dict[str, Any]]], folder: Path) -> Played:
    """Each answer is checked on the way."""
    played = Played(Counter(), Seen())
    async with running(folder) as http:
        with counting(played.seen):
            for _, request in requests:
                answer = await http.post(URL, content=msgspec.json.encode(request))
                assert answer.status_code == 200
                (card,) = answer.json()["cards"]
                said, exclusion = card["extension"][EXTENSION], excluded(request["prefetch"])
                check(said, exclusion)
                played.answers[exclusion, said["outcome"]] += 1
    return played


@contextmanager
def counting(seen: Seen) -> Iterator[None]:
    """All that the service assesses is added."""
    assessed = answering.assessed

    def counted(*given: Any) -> Assessment:
        found = assessed(*given)
        seen.add(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "assessed", counted)
        yield


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
