"""Whatever the patient: what every vector promises."""

import math
from collections.abc import Mapping
from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import Source
from fhir_mapping.issues import ISSUES
from fhir_mapping.resources import KNOWN_TYPES
from fhir_mapping.when import parse_when
from tests.properties.answering import ALL_READ, Answer, answer_to
from tests.properties.records import Record, Resource, records

PROPERTIES = settings.get_profile("properties")
COUNTS = ("n_ed", "n_hosp", "n_icu")
ALONE = ("Condition", "Observation", "Procedure", "Coverage")
"""Types without which the rest of a record means what it meant before."""
STAND_INS = {"Observation": "mentions"}
"""Without the complaint as observed, the reason of the visit stands for it."""
LESS: tuple[Source, ...] = ("partial", "not_read")
SOURCES = st.dictionaries(st.sampled_from(sorted(KNOWN_TYPES)), st.sampled_from(LESS), min_size=1)


@PROPERTIES
@given(records())
def test_values_are_finite_and_within_their_range_or_missing(record: Record) -> None:
    vector = answer_to(record).vector
    assert len(vector.values) == len(CATALOGUE) == 105
    for feature in CATALOGUE:
        check_value(feature, vector[feature.name])


@PROPERTIES
@given(records())
def test_every_value_has_evidence_that_is_in_the_record(record: Record) -> None:
    check_evidence(answer_to(record).vector, record)


@PROPERTIES
@given(records())
def test_a_wider_window_never_counts_less(record: Record) -> None:
    check_windows(answer_to(record).vector)


@PROPERTIES
@given(records())
def test_every_issue_is_one_that_is_explained(record: Record) -> None:
    assert {issue.code for issue in answer_to(record).vector.issues} <= set(ISSUES)


@PROPERTIES
@given(records(), SOURCES)
def test_reading_less_only_makes_values_missing(record: Record, less: Mapping[str, Source]) -> None:
    check_less(answer_to(record), answer_to(record, {**ALL_READ, **less}))


@PROPERTIES
@given(records(), st.sampled_from(ALONE))
def test_a_type_that_was_not_sent_only_makes_values_missing(record: Record, kind: str) -> None:
    kept = record.but([each for each in record.resources if each["resourceType"] != kind])
    sources = {name: state for name, state in ALL_READ.items() if name != kind}
    check_less(answer_to(record), answer_to(kept, sources), but=STAND_INS.get(kind, "none"))


@PROPERTIES
@given(records(), st.integers(1, 12))
def test_a_page_of_the_newest_results_only_makes_values_missing(record: Record, count: int) -> None:
    timed = record.but([each for each in record.resources if not _is_result(each) or _moment(each)])
    page = newest(timed, count)
    less = answer_to(page, {**ALL_READ, "Observation": "partial"})
    check_less(answer_to(timed), less, but="mentions")


def newest(record: Record, count: int) -> Record:
    """The record with the newest observations only: all of so many moments."""
    page = sorted({_moment(each) for each in record.resources if _is_result(each)})[-count:]
    kept = [each for each in record.resources if not _is_result(each) or _moment(each) in page]
    return record.but(kept)


def _is_result(resource: Resource) -> bool:
    return bool(resource["resourceType"] == "Observation")


def _moment(resource: Resource) -> str:
    """When a result is effective; empty where only the day is known, or that in no known zone."""
    when = parse_when(resource.get("effectiveDateTime", ""), UTC)
    return "" if when is None or when.dated or when.zoneless else when.earliest.isoformat()


def check_value(feature: Feature, value: float | str | None) -> None:
    """Missing, or what its kind allows. A child's age is shown though a child is not scored."""
    if value is None:
        return
    if feature.kind == "categorical":
        assert value in feature.levels, feature.name
        return
    assert isinstance(value, float), feature.name
    assert math.isfinite(value), feature.name
    if feature.kind == "binary":
        assert value in (0.0, 1.0), feature.name
        return
    low = 0.0 if feature.name == "age" else feature.low
    assert low is not None
    assert feature.high is not None
    assert low <= value <= feature.high, (feature.name, value)
    assert value > 0 or not feature.positive, feature.name


def check_evidence(vector: FeatureVector, record: Record) -> None:
    """Each value has evidence of that value; it names a resource, or why there is none."""
    sent = {f"{each['resourceType']}/{each.get('id', '')}" for each in record.resources}
    for feature in CATALOGUE:
        rows, value = vector.evidence_for(feature.name), vector[feature.name]
        assert bool(rows) == (value is not None), feature.name
        for row in rows:
            assert row.value == value, feature.name
            assert row.reason, feature.name
            empty = feature.derived or value in (0.0, "unknown")
            assert row.reference in sent or (empty and not row.reference), row.reference


def check_windows(vector: FeatureVector) -> None:
    """30 days, 90 days, a year: each contains the one before."""
    for name in COUNTS:
        found = [vector[f"{name}_{days}"] for days in ("30d", "90d", "365d")]
        counts = [value for value in found if isinstance(value, float)]
        assert counts == sorted(counts), (name, found)


def check_less(full: Answer, less: Answer, *, but: str = "none") -> None:
    """What is known of less is what is known of more, or missing; a score is never more certain."""
    for feature in CATALOGUE:
        known, seen = full.vector[feature.name], less.vector[feature.name]
        assert seen in (known, None) or feature.reduce == but, (feature.name, known, seen)
    assert but != "none" or less.vector.coverage.known <= full.vector.coverage.known
    for one, other in zip(full.scores, less.scores, strict=True):
        assert other.at_least <= one.at_least
        for whole, part in zip(one.components, other.components, strict=True):
            assert part.points in (whole.points, None), part.name
