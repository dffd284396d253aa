"""Hypothesis profiles: no deadline, for machines are shared; in CI the same examples every time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Read when torch is first imported. Its threads spin while they wait, which on busy cores costs whole time slices.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True, suppress_health_check=_SLOW)
settings.load_profile("ci" if os.environ.get("CI", "").lower() in ("1", "true", "yes") else "dev")
