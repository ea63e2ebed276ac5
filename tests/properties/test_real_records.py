"""The same statements on real and published records, begun from stays drawn at random."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.errors import PatientError
from tests.properties.answering import ALL_READ, answer_of, answer_to, difference
from tests.properties.chance import OFFSETS, respelled
from tests.properties.damage import damaged
from tests.properties.real import real_records
from tests.properties.records import SEEDS, Record, later, unrelated
from tests.properties.test_what_holds import (
    SOURCES,
    check_evidence,
    check_less,
    check_value,
    check_windows,
)

REAL = settings.get_profile("real")
pytestmark = pytest.mark.data


@pytest.fixture(scope="session")
def real(data_dir: Path) -> st.SearchStrategy[Record]:
    return st.sampled_from(real_records(data_dir))


@pytest.mark.slow
@REAL
@given(st.data(), SEEDS)
def test_more_that_must_not_matter(
    real: st.SearchStrategy[Record], data: st.DataObject, seed: int
) -> None:
    record = data.draw(real)
    full = answer_to(record)
    again = data.draw(st.lists(st.sampled_from(record.resources), max_size=20))
    more = [*later(seed, full.vector.prediction_time), *unrelated(seed)]
    sent = record.but([*again, *more, *record.resources])
    assert not difference(full, answer_to(sent))


@pytest.mark.slow
@REAL
@given(st.data(), st.sampled_from(OFFSETS))
def test_the_zone_in_which_an_instant_is_written(
    real: st.SearchStrategy[Record], data: st.DataObject, offset: int
) -> None:
    record = data.draw(real)
    elsewhere = record.but(
        [  # the stay's own zone is the one its dates are shown in
            each if each.get("id") == record.encounter_id else respelled(each, offset)
            for each in record.resources
        ]
    )
    assert not difference(answer_to(record), answer_to(elsewhere))


@REAL
@given(st.data())
def test_every_vector_keeps_its_promises(
    real: st.SearchStrategy[Record], data: st.DataObject
) -> None:
    record, less = data.draw(real), data.draw(SOURCES)
    answer = answer_to(record)
    for feature in CATALOGUE:
        check_value(feature, answer.vector[feature.name])
    check_evidence(answer.vector, record)
    check_windows(answer.vector)
    check_less(answer, answer_to(record, {**ALL_READ, **less}))


@REAL
@given(st.data(), SEEDS, st.integers(1, 200))
def test_damaged_resources_raise_nothing(
    real: st.SearchStrategy[Record], data: st.DataObject, seed: int, times: int
) -> None:
    record = data.draw(real)
    try:
        answer = answer_of(damaged(record.resources, seed, times), record)
    except PatientError:
        return
    for feature in CATALOGUE if answer else ():
        check_value(feature, answer.vector[feature.name] if answer else None)
