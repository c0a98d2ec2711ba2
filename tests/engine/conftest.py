"""What several tests of the engine are given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rlm_tui.engine.slots import Window
from tests.engine.scripts import Slow


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.over.set()


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Window]]:
    """Every window of a run; nobody sits in one when it is over, and never were there less than none."""
    made: list[Window] = []

    class Watched(Window):
        def leave(self) -> None:
            super().leave()
            assert self._active >= 0

    def make(size: int) -> Window:
        made.append(Watched(size))
        return made[-1]

    monkeypatch.setattr("rlm_tui.engine.subcalls.Window", make)
    yield made
    assert made
    assert {window._active for window in made} == {0}
