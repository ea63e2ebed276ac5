"""The shipped demonstration's contributions beside 4,096 slopes, for each example (decision 0026)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from torch import Tensor

from cds_service.answering import assessed
from cds_service.hooks.call import read_call
from cds_service.services import offered
from cds_service.settings import READMISSION
from model import attribution
from tests.brute_force import by_brute_force
from tests.conftest import ROOT

NOW = datetime(2026, 11, 2, 19, tzinfo=UTC)
SCORED = (
    "copd-frequent-ed",
    "elective-knee",
    "margaret-heart-failure",
    "no-labs",
    "oncology",
    "other-units",
    "sepsis-long-stay",
)
NEAR, POINTS = 6e-4, 160
"""Logits in any column; slopes of each network."""


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slopes are taken at a time."""
    taken: list[int] = []
    walk = attribution._walked

    def counted(network: attribution.FoldedNetwork, *given: Tensor) -> attribution._Walk:
        taken.append(given[-1].shape[1])
        return walk(network, *given)

    monkeypatch.setattr(attribution, "_walked", counted)
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("example", SCORED)
def test_no_column_is_far_from_what_four_thousand_slopes_say(
    example: str, walked: list[int]
) -> None:
    assessor = offered({READMISSION: Path("bundles/demo")}, ())[READMISSION].assessor
    body = (ROOT / "examples" / "requests" / f"{example}.json").read_bytes()
    vector, model = assessed(read_call(body, NOW), assessor).vector, assessor.bundle.trained
    assert vector is not None
    assert model is not None
    values = [vector.values[index] for index in assessor.bundle.positions]
    row, reference = (model.prepare(model.encode(each)[None]) for each in (values, model.reference))
    walked.clear()
    found = attribution.attribute(
        model.network, row, reference, tolerance=1e-3 / model.calibrator.slope
    )
    expected = by_brute_force(model.network, row, reference).numpy()
    assert abs(found.by_column - expected).max() < NEAR
    assert 0 < sum(walked) <= POINTS
