"""How examples are made up: the same ones at every run of the suite, others at every search.

``pytest --hypothesis-profile=search tests/journal`` looks for new ones; what it finds becomes a test of its own.
"""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("suite"), derandomize=False, max_examples=2_000)
settings.load_profile("suite")

# A shell lets what it starts in the background ignore Ctrl-C, and whatever is started from there too. What is tried here
# are programs that a person has in front of them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
