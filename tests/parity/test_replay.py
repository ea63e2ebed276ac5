"""A stay read long after its end gives what was known at its discharge, on whole real exports."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.exports import Export, read_export
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay, PatientHistory
from fhir_mapping.outcomes import eligible
from fhir_mapping.profiles import Profile, load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.resources import AnyResource, Encounter
from fhir_mapping.scores import PointScore, hospital, lace
from fhir_mapping.stay import finished_stays, index_stay
from tests.parity.known import known_at, reopened

NEVER = datetime.max.replace(tzinfo=UTC)
STAYS = {
    "mimic-iv-demo/fhir": 176,
    "clinosim-101/ndjson": 427,
    "synthea-bulk100/ndjson": 101,
    "synthea-bulk10-cc0": 49,
}
SAMPLE = 4
"""Every fourth patient of the quickly read exports in the default run."""

pytestmark = [pytest.mark.data, pytest.mark.sampled(1)]
SAMPLES = [
    pytest.param("mimic-iv-demo/fhir", SAMPLE, id="mimic-sample"),
    pytest.param("synthea-bulk100/ndjson", SAMPLE, id="synthea-sample"),
]
WHOLE = [pytest.param(name, 1, id=name, marks=pytest.mark.slow) for name in STAYS]


@dataclass(frozen=True)
class Read:
    """One finished stay as read from the whole record."""

    resources: Sequence[AnyResource]
    history: PatientHistory
    stay: IndexStay
    export: Export

    @property
    def profile(self) -> Profile:
        return load_profile(self.history.profile)


@dataclass(frozen=True)
class Outcome:
    """All that is computed of one stay."""

    vector: FeatureVector
    scores: tuple[PointScore, PointScore]
    eligible: str | None


@pytest.mark.parametrize(("name", "every"), [*SAMPLES, *WHOLE])
def test_what_came_after_the_discharge_changes_nothing(
    data_dir: Path, name: str, every: int
) -> None:
    cut = 0
    for read in stays_of(data_dir / name, every):
        known = known_at(read.resources, read.stay, read.profile)
        cut += encounters(read.resources) - encounters(known)
        full, then = outcome(read.resources, read), outcome(known, read)
        assert full.vector.digest == then.vector.digest, difference(full.vector, then.vector)
        assert full.vector.evidence == then.vector.evidence, read.stay.visit.id
        assert full.scores == then.scores, read.stay.visit.id
        assert full.eligible == then.eligible, read.stay.visit.id
    assert cut > 0, "no patient came again after a discharge: this proves nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), WHOLE)
def test_the_stay_in_progress_gives_the_same_but_for_its_destination(
    data_dir: Path, name: str, every: int
) -> None:
    for read in stays_of(data_dir / name, every):
        before = outcome(reopened(read.resources, read.stay), read, now=read.stay.prediction_time)
        full = outcome(read.resources, read)
        assert before.vector.timing == "before_discharge"
        assert before.vector["discharge_location"] is None
        found = difference(full.vector, before.vector)
        assert set(found) <= {"discharge_location"}, found
        assert points(before) == points(full), read.stay.visit.id
        assert before.eligible == full.eligible, read.stay.visit.id


@pytest.mark.slow
@pytest.mark.parametrize(("name", "every"), WHOLE)
def test_the_order_of_pages_and_of_resources_changes_nothing(
    data_dir: Path, name: str, every: int
) -> None:
    shuffler = random.Random(20260101)  # noqa: S311 - an order, not a secret
    for read in stays_of(data_dir / name, every):
        shuffled = list(read.resources)
        shuffler.shuffle(shuffled)
        full = outcome(read.resources, read)
        for order in (list(reversed(read.resources)), shuffled):
            assert outcome(order, read) == full, read.stay.visit.id


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), STAYS.items(), ids=STAYS)
def test_every_finished_stay_was_replayed(data_dir: Path, name: str, expected: int) -> None:
    export = whole(data_dir / name)
    stays = {
        each.id
        for resources in export.patients.values()
        for each in resources
        if isinstance(each, Encounter) and each.status == "finished"
    }
    read = [each.stay.visit.id for each in stays_of(data_dir / name, 1)]
    assert len(read) == len(set(read)) == expected
    assert set(read) <= stays


@cache
def whole(path: Path) -> Export:
    return read_export(path)


def stays_of(path: Path, every: int) -> Iterator[Read]:
    """The finished hospital stays of every so many patients."""
    export = whole(path)
    for _, resources in list(export.records())[::every]:
        history = history_of(resources)
        for stay in finished_stays(history, NEVER):
            yield Read(resources, history, stay, export)


def outcome(resources: Sequence[AnyResource], read: Read, *, now: datetime = NEVER) -> Outcome:
    history = history_of(resources)
    stay = index_stay(history, read.stay.visit.id, now)
    assert isinstance(stay, IndexStay)
    sources = read.export.sources
    return Outcome(
        extract(history, stay, sources),
        (lace(history, stay, sources), hospital(history, stay, sources)),
        eligible(history, stay),
    )


def encounters(resources: Sequence[AnyResource]) -> int:
    return sum(isinstance(each, Encounter) for each in resources)


def points(found: Outcome) -> list[tuple[str, int | None]]:
    return [(part.name, part.points) for score in found.scores for part in score.components]


def difference(one: FeatureVector, other: FeatureVector) -> dict[str, tuple[object, object]]:
    """Names and both values of what differs. The data sets are open: no secret in a message."""
    return {name: (one[name], other[name]) for name in CATALOGUE.names if one[name] != other[name]}
