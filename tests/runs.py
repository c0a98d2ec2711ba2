"""Real scripted runs for tests: a scenario, a real worker, a real journal, and a fold that can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.session import Session
from rlm_tui.demo.catalogue import DEFAULT_SEED, model_for, scenario
from rlm_tui.demo.scenario import Data
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Event
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.journal.tree import Held
from rlm_tui.llm.base import ChatModel
from rlm_tui.llm.pace import Pace

DEADLINE_S = 20.0
"""Long enough for any state on a busy machine; a test that meets it has failed."""


@dataclass
class Watched:
    """A session and the fold of what it said so far."""

    session: Session
    data: Data
    run: Run = field(default_factory=Run)
    events: list[Event] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def sink(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self.run.apply(event)
            self._changed.notify_all()

    def until(self, condition: Callable[[Run], Any], what: str = "") -> Any:
        """Wait for a state of the run; fails with what was waited for."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.run), DEADLINE_S), (
                what,
                self.run.state,
                self.run.held,
            )
            return condition(self.run)

    def held(self, point: str | None = None, node: str | None = None) -> Held:
        """Wait until something is held (at this point, of this node)."""

        def found(run: Run) -> Held | None:
            fits = (h for h in run.held.values() if point in (None, h.point) and node in (None, h.node))
            return next(fits, None)

        return self.until(found, f"held at {point} of {node}")

    def ended(self) -> None:
        """Wait until the run has ended."""
        self.until(lambda run: run.end is not None, "the end")


def done(future: Any) -> None:
    """A verb that must not be refused."""
    refusal = future.result(DEADLINE_S)
    assert refusal is None, refusal


def refused(future: Any) -> str:
    """A verb that must be refused; the words."""
    refusal = future.result(DEADLINE_S)
    assert isinstance(refusal, str)
    return refusal


@contextmanager
def watched(
    name: str = "multi-hop",
    *,
    hold: bool = False,
    seed: int = DEFAULT_SEED,
    runs: Path | None = None,
    model: ChatModel | None = None,
    data: Data | None = None,
    pace: Pace | None = None,
    breakpoints: Breakpoints | None = None,
    **options: Any,
) -> Iterator[Watched]:
    """A session on a scenario, not started yet; closed at the end. ``options`` are `Options`'."""
    data = data or scenario(name).make(seed)
    journal = Journal.memory() if runs is None else Journal.create(runs)
    chosen = Options(**{"max_depth": data.limits.max_depth, "max_iterations": data.limits.max_iterations} | options)
    answers = model or model_for(name, pace)
    session = Session(
        journal,
        lambda gates: EngineRun(
            journal,
            lambda _: answers,
            context=data.context,
            task=data.question,
            model=f"scripted:{name}",
            options=chosen,
            gates=gates,
        ),
        hold=hold,
        scenario=name,
        pace=pace,
        breakpoints=breakpoints,
    )
    try:
        yield Watched(session, data)
    finally:
        session.close(5.0)


@contextmanager
def running(name: str = "multi-hop", **keywords: Any) -> Iterator[Watched]:
    """The same, started."""
    with watched(name, **keywords) as one:
        one.session.start(one.sink)
        yield one
