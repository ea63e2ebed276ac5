"""What is learnt is right where the truth is known: rank, calibration, interval (METHOD.md)."""

from pathlib import Path

import pytest
import torch

from bench.known_risk.measure import ROWS, measure
from training.progress import silent


@pytest.mark.slow
@pytest.mark.long
def test_a_known_risk_is_found_with_its_calibration_and_its_interval(tmp_path: Path) -> None:
    assert ROWS >= 50_000
    torch.set_num_threads(1)
    found = measure(tmp_path / "run", ROWS, silent)
    assert found.own_auroc - found.auroc <= 0.02
    assert 0.9 <= found.slope <= 1.1
    assert found.covered >= 0.85
    assert found.covered_by[0.5] < found.covered  # an interval that says something
