"""How hard the properties are tried: some examples in the default run, many in the full one."""

import pytest
from hypothesis import HealthCheck, settings

TRIES = {"properties": (40, 250), "fuzz": (60, 500), "real": (6, 60)}
TRIES |= {"shaped": (120, 1000), "described": (20, 250)}
"""Profile -> examples for each property, in the default run and in the full one."""


def pytest_configure(config: pytest.Config) -> None:
    quick = "not slow" in str(config.option.markexpr)
    for name, (few, many) in TRIES.items():
        settings.register_profile(
            name,
            parent=settings.get_profile("readmit"),
            max_examples=few if quick else many,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
