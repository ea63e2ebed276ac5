"""Whatever the patient: what must not matter does not matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mapping.catalogue import CATALOGUE
from tests.properties.answering import answer_to, difference
from tests.properties.chance import OFFSETS, respelled
from tests.properties.measures import in_other_unit
from tests.properties.records import SEEDS, Record, later, records, unrelated

PROPERTIES = settings.get_profile("properties")
TOLERANCE = 1e-6
"""Absolute and relative, for a value that came in another unit."""


@PROPERTIES
@given(st.data(), records())
def test_the_order_of_resources(data: st.DataObject, record: Record) -> None:
    shuffled = record.but(data.draw(st.permutations(record.resources)))
    assert not difference(answer_to(record), answer_to(shuffled))


@PROPERTIES
@given(st.data(), records())
def test_resources_sent_twice(data: st.DataObject, record: Record) -> None:
    again = data.draw(st.lists(st.sampled_from(record.resources), max_size=10))
    assert not difference(answer_to(record), answer_to(record.but([*again, *record.resources])))


@PROPERTIES
@given(records(), SEEDS)
def test_what_happens_after_the_prediction_time(record: Record, seed: int) -> None:
    before = answer_to(record)
    happened = later(seed, before.vector.prediction_time)
    assert not difference(before, answer_to(record.but([*record.resources, *happened])))


@PROPERTIES
@given(records(), SEEDS)
def test_codes_that_no_feature_knows(record: Record, seed: int) -> None:
    more = record.but([*record.resources, *unrelated(seed)])
    assert not difference(answer_to(record), answer_to(more))


@PROPERTIES
@given(records(), st.sampled_from(OFFSETS))
def test_the_zone_in_which_an_instant_is_written(record: Record, offset: int) -> None:
    elsewhere = record.but(
        [  # the stay's own zone is the one its dates are shown in
            each if each.get("id") == record.encounter_id else respelled(each, offset)
            for each in record.resources
        ]
    )
    assert not difference(answer_to(record), answer_to(elsewhere))


@PROPERTIES
@given(records(), st.integers(0, 3))
def test_the_unit_in_which_a_value_is_written(record: Record, turn: int) -> None:
    observed = [
        in_other_unit(each, turn) if each["resourceType"] == "Observation" else each
        for each in record.resources
    ]
    one, other = answer_to(record).vector, answer_to(record.but(observed)).vector
    for name in CATALOGUE.names:
        assert _near(one[name], other[name]), (name, one[name], other[name])


def _near(one: float | str | None, other: float | str | None) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE * max(1.0, abs(one))
    return one == other
