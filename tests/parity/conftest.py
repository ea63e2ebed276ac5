"""The MIMIC demo, read once by each of two ways."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.parity.mimic_routes import Route, by_fhir
from tests.parity.mimic_source import Demo, read_demo


@pytest.fixture(scope="session")
def demo(data_dir: Path) -> Demo:
    return read_demo(data_dir / "mimic-iv-demo")


@pytest.fixture(scope="session")
def routes(data_dir: Path, demo: Demo) -> Mapping[int, Route]:
    return by_fhir(data_dir / "mimic-iv-demo" / "fhir", demo)
