"""How hard the properties are tried: a handful of examples in the default run, more in the full."""

import pytest
from hypothesis import HealthCheck, settings

QUICK, THOROUGH = 12, 60


def pytest_configure(config: pytest.Config) -> None:
    quick = "not slow" in str(config.option.markexpr)
    settings.register_profile(
        "properties",
        parent=settings.get_profile("readmit"),
        max_examples=QUICK if quick else THOROUGH,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
