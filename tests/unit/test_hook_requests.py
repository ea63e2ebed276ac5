"""The requests that the hook is measured with: as large as said, and none remembered from the one before."""

import json
from datetime import UTC, datetime
from pathlib import Path

from bench.requests import RESOURCES, Requests, resources_of
from cds_service.answering import assessed
from cds_service.assessment import Scored
from cds_service.hooks.call import read_call
from cds_service.services import offered
from cds_service.settings import READMISSION

NOW = datetime(2026, 11, 2, 19, 0, tzinfo=UTC)
BUNDLE = Path("bundles/lace-hospital")
REQUESTS = Requests()


def test_each_has_as_many_resources_and_bytes() -> None:
    bodies = [REQUESTS.body(number) for number in (0, 7, 629)]
    assert {resources_of(json.loads(body)["prefetch"]) for body in bodies} == {RESOURCES}
    assert len({len(body) for body in bodies}) == 1


def test_each_is_of_another_stay_with_another_vector() -> None:
    assessor = offered({READMISSION: BUNDLE}, ())[READMISSION].assessor
    found = [assessed(read_call(REQUESTS.body(number), NOW), assessor) for number in (0, 1, 629)]
    assert all(isinstance(each, Scored) for each in found)
    assert len({each.encounter_id for each in found}) == 3
    assert len({each.vector.values for each in found if each.vector}) == 3
