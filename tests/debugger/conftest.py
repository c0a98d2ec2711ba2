"""What tests of a run's edges wait with."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest


@pytest.fixture
def later() -> Iterator[Event]:
    """A model that is told to wait for this waits for the test."""
    event = Event()
    yield event
    event.set()
