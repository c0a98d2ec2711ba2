"""A run of which some is held and the rest goes on, with one slot for code: whoever waits while holding, hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import CallEnd, Event
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, Leaf, of_kind
from tests.runs import DEADLINE_S


@dataclass
class Inbox:
    """A run, and gates that hold what they are told to, for whoever lets it go."""

    engine: EngineRun
    holds: Callable[[str, str, str], bool]
    held: dict[str, tuple[str, Any, asyncio.Future[Any]]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if not self.holds(point, id, node):
            return value
        released: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.held[id] = point, value, released
        self._turn()
        try:
            with self.engine.shared.held(id, node):
                return await released
        finally:
            del self.held[id]

    def _turn(self, _: Event | None = None) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def until(self, there: Callable[[], Any]) -> Any:
        """Wait until something is so; looked at again when something is held, and at each event."""
        async with asyncio.timeout(DEADLINE_S):
            while not (found := there()):
                await self.changed.wait()
        return found

    def release(self, id: str, change: Callable[[Any], Any] = lambda value: value) -> None:
        _, value, released = self.held[id]
        if not released.done():
            released.set_result(change(value))

    @property
    def run(self) -> Run:
        return self.engine.shared.run

    def came_back(self) -> int:
        """How many sub-calls have."""
        return len({e.id for e in of_kind(self.engine.journal, CallEnd)})

    def nothing_is_taken(self) -> None:
        """No slot is taken, nobody sits, nothing is held or under way."""
        self.no_slot_is_taken()
        shared = self.engine.shared
        assert not (shared.seats or shared.under_way or shared.clocks or shared.hold_repl or self.held)
        assert not any(shared.holding.values())

    def no_slot_is_taken(self) -> None:
        slots = self.engine.shared.slots
        assert (slots.llm._value, slots.exec._value) == (self.engine.options.max_batch_workers, 1)


def play(
    *root: Any,
    holds: Callable[[str, str, str], bool],
    script: Callable[[Inbox], Awaitable[None]],
    children: Any = None,
    leaf: Leaf = lambda prompt: f"<{prompt}>",
    **options: Any,
) -> Inbox:
    """Run root replies with one slot for code, while someone acts; over when both are."""
    model = CallableModel(Chat(*root, children=children, leaf=leaf))
    journal, settings = Journal.memory(), Options(**{"max_depth": 3, **options})
    engine = EngineRun(journal, lambda _: model, context="c", task="?", options=settings)
    inbox = Inbox(engine, holds)
    engine.shared.seam.gates = inbox
    journal.subscribe(inbox._turn)

    async def main() -> None:
        engine.shared.slots.exec = asyncio.Semaphore(1)
        task = asyncio.ensure_future(engine.go())
        await asyncio.wait_for(script(inbox), 2 * DEADLINE_S)
        await asyncio.wait_for(task, 2 * DEADLINE_S)

    asyncio.run(main())
    return inbox
