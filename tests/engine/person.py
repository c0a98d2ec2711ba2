"""A person in a test: someone who holds what they were told to hold, and acts on a run from within its loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlm_tui.engine.gate import apply_edit
from rlm_tui.engine.node import Node
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Chunk, Edit, Event, ExecEnd, Rebuild
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, of_kind
from tests.runs import DEADLINE_S

LOOP = "n = 0\nprint('begun')\nwhile n < 10**12:\n    n += 1"
"""A block that does not end by itself, and can be stopped."""
DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nx = 2\nprint('begun')\nwhile True: pass"
"""One that can only be killed."""


@dataclass
class Person:
    """A run, and someone who holds what they were told to hold and acts on it."""

    engine: EngineRun
    points: tuple[str, ...]
    chat: Chat
    held: asyncio.Queue[tuple[str, str, Any, asyncio.Future[Any]]] = field(default_factory=asyncio.Queue)

    @property
    def journal(self) -> Journal:
        return self.engine.journal

    @property
    def root(self) -> Node:
        assert self.engine.root is not None
        return self.engine.root

    @property
    def run(self) -> Run:
        return Run(self.journal.events())

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point not in self.points:
            return value
        released: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self.engine.shared.held(id, node):
            self.held.put_nowait((point, id, value, released))
            return await released

    async def at(self, point: str) -> tuple[str, Any, Callable[[Any], None]]:
        """Wait until something is held; its address, the value, and how to let it go."""
        found, id, value, released = await asyncio.wait_for(self.held.get(), DEADLINE_S)
        assert found == point, (found, id, value)
        return id, value, released.set_result

    def change(self, id: str, value: Any, *changes: tuple[Any, Any]) -> Any:
        """What fields and their values make of what is held; in the journal first."""
        for name, new in changes:
            self.journal.append(edit(id, name, new))
            value = apply_edit(value, name, new)
        return value

    async def until(self, there: Callable[[Event], bool]) -> None:
        """Wait for an event."""
        seen = asyncio.Event()
        loop = asyncio.get_running_loop()

        def look(event: Event) -> None:
            if there(event):
                loop.call_soon(seen.set)

        # Nothing is written between the two: both are in the engine's own loop.
        for event in list(self.journal.events()):
            look(event)
        self.journal.subscribe(look)
        await asyncio.wait_for(seen.wait(), DEADLINE_S)

    async def printed(self, text: str = "begun", times: int = 1) -> None:
        """Wait until a block has printed, in so many of its runs."""
        left = [times]

        def there(event: Event) -> bool:
            left[0] -= isinstance(event, Chunk) and text in event.text
            return left[0] <= 0

        await self.until(there)

    def ends(self, id: str) -> list[ExecEnd]:
        return [end for end in of_kind(self.journal, ExecEnd) if end.id == id]

    def rebuilds(self) -> list[tuple[str, int, int, str]]:
        return [(e.id, e.done, e.of, e.finding) for e in of_kind(self.journal, Rebuild)]


def act(
    *root: str,
    points: tuple[str, ...],
    script: Callable[[Person], Awaitable[None]],
    journal: Journal | None = None,
    leaf: Any = lambda prompt: f"<{prompt}>",
    context: Any = "c",
    children: Any = None,
    cancelled: bool = False,
    **options: Any,
) -> Person:
    """Run root replies while someone acts; over when both are. ``cancelled``: the run is left, and has no end."""
    chat = Chat(*root, leaf=leaf, children=children)
    model = CallableModel(chat)
    engine = EngineRun(
        journal or Journal.memory(), lambda _: model, context=context, task="?", options=Options(**options)
    )
    person = Person(engine, points, chat)
    engine.shared.seam.gates = person

    async def main() -> None:
        task = asyncio.ensure_future(engine.go())
        await asyncio.wait_for(script(person), 2 * DEADLINE_S)
        with pytest.raises(asyncio.CancelledError) if cancelled else nullcontext():
            await asyncio.wait_for(task, 2 * DEADLINE_S)

    asyncio.run(main())
    return person


def up_to(journal: Journal, there: Callable[[Event], bool]) -> Journal:
    """A journal that another process left just before an event."""
    left = Journal.memory()
    for event in journal.events():
        if there(event):
            return left
        left.copy(event, journal)
    raise AssertionError("there is no such event")


async def nothing(_: Person) -> None:
    """A person who looks on."""


def edit(id: str, name: Any, value: Any) -> Event:
    """A change of a person's."""
    return Edit(id=id, field=name, value=value, by="human")
