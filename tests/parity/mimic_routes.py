"""The MIMIC demo by the FHIR route: per stay its vector and exclusion, to be held against tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fhir_mapping.exports import read_export
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay, PatientHistory, Sources
from fhir_mapping.outcomes import eligible
from fhir_mapping.reading import history_of
from fhir_mapping.stay import finished_stays
from tests.parity.mimic_source import Admission, Demo, local

AFTER_ALL = local("2300-01-01 00:00:00")
"""Later than any date of the demo: a clock that cuts nothing, a follow-up that excludes nobody."""


@dataclass(frozen=True)
class Route:
    """What FHIR gave for one stay."""

    history: PatientHistory
    stay: IndexStay
    vector: FeatureVector
    excluded: str | None


def by_fhir(folder: Path, demo: Demo) -> Mapping[int, Route]:
    """hadm_id -> the stay as the mapping reads it."""
    export = read_export(folder)
    histories = (history_of(resources) for _, resources in export.records())
    return dict(_routes(histories, export.sources, demo))


def _routes(
    histories: Iterable[PatientHistory], sources: Sources, demo: Demo
) -> Iterable[tuple[int, Route]]:
    for history in histories:
        for stay in finished_stays(history, AFTER_ALL):
            vector = extract(history, stay, sources)
            yield demo.stays[stay.visit.id], Route(history, stay, vector, eligible(history, stay))


def differing(
    demo: Demo, got: Callable[[int], object], expected: Callable[[Admission], object]
) -> dict[int, tuple[object, object]]:
    """hadm_id -> (by FHIR, by tables) where the two are not the same; floats to 1e-9."""
    found = {a.hadm_id: (got(a.hadm_id), expected(a)) for a in demo.admissions.values()}
    return {hadm: pair for hadm, pair in found.items() if not _same(*pair)}


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9
    return one == other
