"""Trials: branches of one point that run to their ends unattended, a few at a time.

What comes of them is in their journals, see `journal.outcomes`; this only makes and runs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rlm_tui.debugger.fork import branch
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.thread import EngineThread
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Point
from rlm_tui.journal.fork import causal_past, passes
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.journal.totals import Totals

AT_ONCE = 4
"""Branches that run at the same time: each asks for up to a batch of sub-calls at once itself."""

Unattended = Callable[[Path], EngineRun]
"""Makes what goes on with the run of a directory, without anybody to hold it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried.

    Attributes:
        at: The address that the branches begin at.
        point: The point there.
        arms: For each thing that is tried, whether it begins with what was changed there, or with what came.
        count: How many branches of each.
    """

    at: str
    point: Point
    arms: tuple[bool, ...]
    count: int

    @property
    def size(self) -> int:
        """How many branches there will be."""
        return len(self.arms) * self.count


@dataclass(frozen=True, slots=True)
class Price:
    """What one branch of a point is likely to ask for: what the run itself did from there on, or the one before it.

    Attributes:
        asked: Its requests, tokens and cost after the point.
        whole: Whether it came to its end; else it is at least so much.
    """

    asked: Totals
    whole: bool


class Trials:
    """Makes the branches of a plan and runs each to its end.

    Args:
        source: The directory of the run that they are branches of; it is only read.
        plan: What is tried.
        engine: Makes what goes on with a branch.

    Attributes:
        plan: What is tried.
        faults: Why branches could not be made, or broke off, in words.
        over: How many are over, whatever became of them.
    """

    def __init__(self, source: Path, plan: Plan, engine: Unattended) -> None:
        self.plan = plan
        self.faults: list[str] = []
        self.over = 0
        self._source = source
        self._engine = engine
        self._running: list[EngineRun] = []
        self._leaving = False
        self._thread: EngineThread | None = None
        self._main: Future[None] | None = None

    @property
    def source(self) -> Path:
        """The directory of the run that they are branches of."""
        return self._source

    @property
    def going(self) -> bool:
        """Whether there is still something to be made or to be run. From any thread."""
        return self._main is not None and not self._main.done()

    def start(self) -> None:
        """Begin, in a thread of their own."""
        self._thread = EngineThread("rlm-trials")
        self._main = self._thread.submit(self._all())

    async def _all(self) -> None:
        slots = asyncio.Semaphore(AT_ONCE)
        # In turns, so that what is compared is worked on side by side.
        await asyncio.gather(*(self._one(slots, arm) for _ in range(self.plan.count) for arm in self.plan.arms))

    async def _one(self, slots: asyncio.Semaphore, changed: bool) -> None:
        async with slots:
            try:
                if not self._leaving:
                    await self._run(await asyncio.to_thread(self._made, changed))
            except (JournalError, OSError) as error:
                self._fault(str(error))
            except Exception as error:  # noqa: BLE001 - one that breaks off, whatever from, leaves the others alone
                self._fault(f"{type(error).__name__}: {error}")
            finally:
                self.over += 1

    def _made(self, changed: bool) -> EngineRun:
        """In a thread of its own: journals are read and written."""
        plan = self.plan
        path = branch(read(self._source), plan.at, plan.point, why=f"one of {plan.size} trials", changed=changed)
        return self._engine(path)

    async def _run(self, engine: EngineRun) -> None:
        self._running.append(engine)
        try:
            if self._leaving:
                engine.leave()
            with suppress(asyncio.CancelledError):
                await engine.go()
        finally:
            self._running.remove(engine)
            engine.journal.close()

    def _fault(self, said: str) -> None:
        if said not in self.faults:
            self.faults.append(said)

    def leave(self) -> None:
        """Stop: no further one begins, and those that run are left as they are; each can be gone on with."""
        self._leaving = True
        if self._thread is not None and self.going:
            with suppress(RuntimeError):
                self._thread.call(self._leave)

    def _leave(self) -> None:
        for engine in self._running:
            engine.leave()

    def close(self, timeout: float = 1.0) -> None:
        """Leave, and give everything back. A second time does nothing.

        Args:
            timeout: Seconds to wait for those that run.
        """
        self.leave()
        if self._thread is not None and self._main is not None:
            wait([self._main], timeout)
            self._thread.close(timeout)


def price(source: Path, at: str, point: Point) -> Price:
    """What a branch of a point is likely to cost.

    A branch that is still where it began tells nothing; the run it was made from does.

    Args:
        source: The run's directory.
        at: The address that it begins at.
        point: The point there.

    Raises:
        JournalError: When the run can't be read.
    """
    told = list(read(source).events())
    run = Run(told)
    at = passes(run, at, point)
    before = Run([told[0], *causal_past(told, at, point)]).totals if told else run.totals
    found, parent = Price(run.totals.less(before), run.end is not None), run.parent or {}
    origin = source.parent / str(parent.get("run"))
    if not found.asked.requests and (parent.get("at"), parent.get("point")) == (at, point) and origin.is_dir():
        return price(origin, at, point)
    return found
