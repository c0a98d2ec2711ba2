from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "journal", deadline=None, derandomize=False, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("journal")
