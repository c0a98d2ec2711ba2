"""The real app on a real scripted run, driven by keys and waited for by state."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot

from rlm_tui.debugger.session import Session
from rlm_tui.journal.events import Edit, Event, Go, RunStart
from rlm_tui.journal.run import Run
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.main import MainScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.decision import DecisionBar
from rlm_tui.tui.widgets.footer import Footer
from tests.debugger.small import chat
from tests.runs import DEADLINE_S, Watched, watched

Play = Callable[["Stage"], Awaitable[None]]


@dataclass
class Stage:
    """An app that runs, and the hand on its keys."""

    app: DebuggerApp
    pilot: Pilot[Any]
    watched: Watched

    @property
    def session(self) -> Session:
        return self.watched.session

    @property
    def view(self) -> View:
        return self.app.view

    @property
    def run(self) -> Run:
        return self.app.view.run

    @property
    def main(self) -> MainScreen:
        return self.app.main

    @property
    def decision(self) -> DecisionBar:
        return self.main.query_one(DecisionBar)

    @property
    def bar(self) -> str:
        return self.decision.plain if self.decision.display else ""

    @property
    def footer(self) -> str:
        return self.main.query_one(Footer).plain

    @property
    def text(self) -> str:
        """What is on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def until(self, state: Callable[[], Any], what: str = "") -> Any:
        """Wait for a state; fails with the screen that was there instead."""
        deadline = time.monotonic() + DEADLINE_S
        while not (found := state()):
            assert time.monotonic() < deadline, f"never: {what}\n{self.text}"
            await self.pilot.pause(0.01)
        return found

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def ready(self, point: str | None = None) -> None:
        """Wait until something is held in view (at this point), and its keys are taken."""

        def state() -> bool:
            held = self.view.held_here()
            return held is not None and point in (None, held.point) and not self.view.grace

        await self.until(state, f"held at {point}")

    async def verb(self, key: str) -> None:
        """Press a key that makes the run go on; wait until it did."""
        seen = self.run.seen
        await self.press(key)
        await self.until(lambda: self.run.seen > seen, f"something after {key}")

    async def next_to(self, point: str) -> None:
        """Step until something is held at a point, its keys taken."""
        await self.ready()
        while (held := self.view.held_here()) is not None and held.point != point:
            since = held
            await self.verb("s")
            await self.until(lambda since=since: self.view.held_here() not in (None, since), "held again")
            await self.ready()

    def verbs(self) -> list[str]:
        """The verbs that the run went on by, oldest first."""
        return [event.verb for event in self.session.events() if isinstance(event, Go)]

    def edits(self) -> list[tuple[str, object]]:
        """What was changed by hand, oldest first: the field, and what it was made."""
        return [(event.field, event.value) for event in self.session.events() if isinstance(event, Edit)]

    def said(self) -> list[str]:
        """What was told beside everything else."""
        return [str(notification.message) for notification in self.app._notifications]


SHUT_IN: dict[str, Any] = {
    "confinement": "confined (landlock 7, seccomp)", "confinement_level": "confined", "confinement_notices": [],
}  # fmt: skip
"""What a run says of its confinement on the stage, whatever this machine has."""


def shut_in(event: Event, environment: dict[str, Any] = SHUT_IN) -> Event:
    """An event, with the same confinement on every machine."""
    if not isinstance(event, RunStart):
        return event
    return event.model_copy(update={"environment": event.environment | environment})


def staged(
    size: tuple[int, int] = (120, 36),
    name: str = "multi-hop",
    *,
    hold: bool = True,
    app: Any = None,
    grace: float = 0.05,
    replies: Sequence[str] = (),
    environment: dict[str, Any] = SHUT_IN,
    **options: Any,
) -> Callable[[Play], Callable[[], None]]:
    """Make a test of a coroutine that plays on a stage.

    Args:
        size: Columns and rows.
        name: The scenario.
        hold: Hold the root before its first request.
        app: Options of the app.
        grace: Seconds before the keys of a new decision bar are taken.
        replies: What the model says, turn by turn, instead of the scenario's.
        environment: What the run says of its confinement.
        options: Options of the run.
    """
    if replies:
        options["model"] = CallableModel(chat({"": replies}))

    def decorate(play: Play) -> Callable[[], None]:
        async def on_stage() -> None:
            with watched(name, hold=hold, **options) as one:
                made = DebuggerApp(one.session, **(app or {}))
                put = made.bridge.put
                made.bridge.put = lambda event: put(shut_in(event, environment))  # type: ignore[method-assign]
                async with made.run_test(size=size, notifications=True) as pilot:
                    stage = Stage(made, pilot, one)
                    stage.decision.grace = grace
                    await stage.until(lambda: stage.run.root is not None, "the root")
                    await play(stage)

        @functools.wraps(play)
        def test() -> None:
            asyncio.run(on_stage())

        # pytest must not take the stage for a fixture.
        del test.__wrapped__
        return test

    return decorate
