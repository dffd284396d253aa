"""Hypothesis: no deadline, for machines are shared; in CI the same examples every time. Numbers of torch. Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# Read when torch is first imported. Its threads spin while they wait, which on busy cores costs whole time slices.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell's background jobs inherit that it is ignored; tests send it to themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=_SLOW)
settings.load_profile("ci" if os.environ.get("CI", "").lower() in ("1", "true", "yes") else "dev")


_HOUR = 3600
"""Seconds that a slow test may take: whole simulations, up to half of it on a quiet machine with two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit of ten minutes is for tests that everybody runs."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_HOUR))


@pytest.fixture(autouse=True)
def _torch_draws_the_same_numbers() -> None:
    """Networks that a test makes do not depend on the tests before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
