"""One hostile block in a real run: engine, worker, journal on disk; a person who acts meanwhile; what came of it.

The model's first reply has two blocks, an ordinary one and the hostile one; its second shows what is left of the
REPL; its third answers. The host's loop has a ticker, whose ticks tell whether it was free while a block ran.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rlm_tui.engine.gate import Ask, Broken, Failure, GateValue
from rlm_tui.engine.node import Node
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Chunk, Event, ExecEnd, ExecStart, NodeEnd, Obs, Rebuild
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from rlm_tui.llm.callable import CallableModel
from rlm_tui.repl import birth
from tests.engine.scripts import Chat, repl

DEADLINE_S = 45.0
"""Long enough for any state on a busy machine; a trial that meets it has failed."""
TICK_S = 0.01
BEFORE, HOSTILE, AFTER = "root/i1/b1", "root/i1/b2", "root/i2/b1"
LEVELS: dict[str, dict[str, Any]] = {"confined": {}, "process": {"confine": "off"}}
"""The options that lead to each level on a kernel that has it."""
E = TypeVar("E", bound=Event)


@dataclass
class Told:
    """What is left of a run when it is over.

    Attributes:
        events: As they came.
        live: The fold that the engine kept.
        stored: The events of the journal as it was read back.
        end: How the root ended.
        forked: Whether the REPLs were forked from one process.
        same_repl: Whether the block after ran in the REPL that ran the hostile one.
        ticks: The host's ticks while the hostile block ran.
        leaves: The prompts of plain requests, in the order they came.
        errors: What was handed through the `error` gate.
        unrecorded: Calls that a rebuild met and the first run had not.
        scratch: Where the REPLs had their folders.
    """

    events: list[Event]
    live: Run
    stored: list[Event]
    text: Callable[[Any], str]
    end: NodeEnd
    forked: bool
    same_repl: bool
    ticks: int
    leaves: list[str]
    errors: list[Failure]
    unrecorded: list[Ask]
    scratch: Path

    @property
    def level(self) -> str:
        """How far the REPLs were shut in."""
        return str(self.live.environment["confinement_level"])

    def of(self, kind: type[E], id: str | None = None) -> list[E]:
        """The events of one kind (at one address), oldest first."""
        return [event for event in self.events if isinstance(event, kind) and id in (None, event.id)]

    def ran(self, id: str = HOSTILE) -> ExecEnd:
        """How a block ended, the last time it was run."""
        return self.of(ExecEnd, id)[-1]

    def stdout(self, id: str = HOSTILE) -> str:
        return self.text(self.ran(id).stdout)

    def error(self, id: str = HOSTILE) -> str:
        return self.text(self.ran(id).error)

    def observed(self, iteration: int) -> str:
        """What the model was told after an iteration, from 1."""
        return self.text(self.of(Obs, f"root/i{iteration}")[-1].text)

    def late(self, id: str = HOSTILE) -> str:
        """What came of a block after its end."""
        return "".join(chunk.text for chunk in self.of(Chunk, id) if chunk.late)

    def findings(self) -> dict[str, str]:
        """How the blocks that were run again compared with their records."""
        return {event.id: event.finding for event in self.of(Rebuild) if event.done}


class Trial:
    """A run in which one block does its worst. It is the gates of its own run.

    Args:
        folder: Where its journal and its REPLs' folders are made.
        hostile: The block.
        before: The ordinary block before it.
        after: The block of the next reply.
        act: What a person does meanwhile.
        holds: Points at which the root's first value waits until `hand_on`; a block that was broken in to always does.
        children: What child RLMs reply, by a text of their task.
        context: The root's context.
        options: `Options`'.
    """

    def __init__(
        self,
        folder: Path,
        hostile: str,
        *,
        before: str,
        after: str,
        act: Act | None = None,
        holds: frozenset[str] = frozenset(),
        children: Mapping[str, list[str]] | None = None,
        context: Any = "",
        **options: Any,
    ) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True)
        self.journal = Journal.create(folder / "runs")
        first = f"{repl(before)}\n\n{repl(hostile)}"
        self.chat = Chat(first, repl(after), repl('FINAL("survived")'), children=children, leaf=self._leaf)
        model = CallableModel(self.chat)
        self.engine = EngineRun(
            self.journal,
            lambda _: model,
            context=context,
            task="What is it?",
            options=Options(**{"stream": False} | options),
            gates=self,
            scratch=self.scratch,
        )
        self.events: list[Event] = []
        self.ticks = 0
        self.errors: list[Failure] = []
        self.unrecorded: list[Ask] = []
        self.let_answer = False
        """Whether the prompt ``wait`` is answered now."""
        self._act = act
        self._holds = {*holds, "line"}
        self._in_hand: dict[str, tuple[GateValue, asyncio.Future[GateValue]]] = {}
        self._changed = asyncio.Event()
        self._asking: set[asyncio.Task[Any]] = set()
        self._forked = False
        self._repls: dict[str, Any] = {}
        self._ticks_at: dict[str, int] = {}
        self.journal.subscribe(self._note)

    def run(self) -> Told:
        """Run to the end, within one generous deadline."""
        end = asyncio.run(self._run())
        self.journal.close()
        assert self.journal.path is not None
        reader = read(self.journal.path)
        return Told(
            self.events,
            self.engine.shared.run,
            list(reader.events()),
            reader.text,
            end,
            self._forked,
            self._repls.get(HOSTILE) is self._repls.get(AFTER),
            self._ticks_at["end"] - self._ticks_at["start"],
            self.chat.leaves,
            self.errors,
            self.unrecorded,
            self.scratch,
        )

    async def _run(self) -> NodeEnd:
        ticker = asyncio.create_task(self._tick())
        main = asyncio.create_task(self.engine.go())
        acting = [asyncio.create_task(self._act(self))] if self._act else []
        try:
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([main, *acting], return_when=asyncio.FIRST_EXCEPTION)
                for task in acting:
                    if task.done():
                        task.result()
                return await main
        finally:
            for task in (ticker, main, *acting):
                task.cancel()
            await asyncio.wait([ticker, main, *acting])

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.ticks += 1
            self._changed.set()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.id == HOSTILE and isinstance(event, ExecStart | ExecEnd):
            self._ticks_at["start" if isinstance(event, ExecStart) else "end"] = self.ticks
        if isinstance(event, ExecEnd) and self.engine.root is not None:
            self._repls[event.id] = self.engine.root.blocks.repl
            self._forked = self.engine.shared.source is not None and self.engine.shared.source.forks
        self._changed.set()

    async def _leaf(self, prompt: str) -> str:
        """What sub-calls get: ``never…`` nothing, ``wait`` its answer when a person lets it, ``workers`` the processes
        that there are, all others an echo."""
        if prompt == "workers":
            return " ".join(map(str, workers()))
        if prompt.startswith("never"):
            await asyncio.get_running_loop().create_future()
        if prompt == "wait":
            await self.until(lambda: self.let_answer)
        return f"<{prompt}>"

    # The gates ----------------------------------------------------------------------------------------------------

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if isinstance(value, Failure):
            self.errors.append(value)
        if isinstance(value, Ask) and value.unrecorded:
            self.unrecorded.append(value)
        if point not in self._holds or node != "root":
            return value
        if point != "line":
            self._holds.discard(point)
        self._in_hand[point] = (value, asyncio.get_running_loop().create_future())
        self._changed.set()
        # What a gate holds has its node's clocks stand; the engine offers that to whoever holds.
        with self.engine.shared.held(id, node):
            return await self._in_hand[point][1]

    # What a person does -------------------------------------------------------------------------------------------

    @property
    def root(self) -> Node:
        assert self.engine.root is not None
        return self.engine.root

    async def until(self, state: Callable[[], Any]) -> None:
        """Wait for a state of the run."""
        while not state():
            self._changed.clear()
            await self._changed.wait()

    async def said(self, word: str, id: str = HOSTILE) -> None:
        """Wait until a block printed a word."""
        await self.until(lambda: word in "".join(e.text for e in self.events if isinstance(e, Chunk) and e.id == id))

    async def ticked(self, ticks: int = 5) -> None:
        """Let the host's loop go round; it must be free to."""
        goal = self.ticks + ticks
        await self.until(lambda: self.ticks >= goal)

    async def held(self, point: str) -> GateValue:
        """Wait until a value is held at a point."""
        await self.until(lambda: point in self._in_hand)
        return self._in_hand[point][0]

    def hand_on(self, point: str, **changes: Any) -> None:
        """Let go what is held at a point, changed."""
        value, released = self._in_hand.pop(point)
        released.set_result(replace(value, **changes))  # type: ignore[type-var]

    async def broken_in(self) -> Broken:
        """Break in to the root's running block, and wait until it stands."""
        asking = asyncio.create_task(self.root.break_in())
        try:
            await self.until(lambda: "line" in self._in_hand or (asking.done() and asking.result()))
            assert "line" in self._in_hand, asking.result()
        finally:
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        value = self._in_hand["line"][0]
        assert isinstance(value, Broken)
        return value

    def over(self, id: str = HOSTILE) -> bool:
        """Whether a block has ended."""
        return any(isinstance(event, ExecEnd) and event.id == id for event in self.events)


@contextmanager
def spawned() -> Iterator[None]:
    """Have every worker started afresh, as where nothing can be forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(birth, "can_fork", lambda: False)
        yield


Act = Callable[[Trial], Coroutine[Any, Any, None]]


def workers() -> Iterator[int]:
    """The processes that serve this one, copies that a block made included; read from their command lines."""
    me = str(os.getpid()).encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(part.endswith(b"/worker.py") for part in line) and me in line:
            yield int(folder.name)
