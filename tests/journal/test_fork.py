"""What a fork begins with: at every point of real runs, and where people had a hand in them."""

from __future__ import annotations

import pytest

from rlm_tui.journal.events import Event
from rlm_tui.journal.fork import causal_past
from rlm_tui.journal.run import Run
from tests.journal.forks import causes, every_point, inherited
from tests.runs import running


@pytest.fixture(scope="module")
def whole() -> list[Event]:
    """A run with children of children, a batch among them, that ended."""
    with running("multi-hop") as run:
        run.ended()
        return list(run.session.events())


def test_every_point_has_a_past_that_is_closed_ordered_and_its_own_past(whole: list[Event]) -> None:
    points = list(every_point(Run(whole)))
    assert {point for _, point in points} == {"llm", "reply", "block", "call", "return", "observe", "final"}
    for at, point in points:
        kept = list(causal_past(whole, at, point))
        numbers = [event.seq for event in kept]
        assert numbers == sorted(numbers) and 0 not in numbers
        there = {(event.ev, event.id) for event in kept}
        for event in kept:
            missing = [cause for cause in causes(event) if cause not in there and not cause[0].startswith("reply")]
            assert not missing, (at, point, event.ev, event.id, missing)
        assert list(causal_past(kept, at, point)) == kept
        run = inherited(whole, at, point)
        assert not run.held and run.end is None and run.root is not None
