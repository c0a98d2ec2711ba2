"""Stopping a node, one rung harder a press: at its next point, where it stands, for good, and with its worker."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from dataclasses import dataclass, field

from rlm_tui.debugger.asking import Asking
from rlm_tui.debugger.gates import HoldingGates
from rlm_tui.debugger.likeness import Ladder, Refusal, Rung
from rlm_tui.debugger.wishes import Wish
from rlm_tui.engine.breakin import STANDS, UNDER_WAY
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import Event, ExecEnd, Hold, NodeEnd
from rlm_tui.repl.results import ReplDied

AFTER: dict[Rung, Rung] = {"pause": "break", "break": "abort", "abort": "kill"}
"""What the next press does."""

HARDEST = "Its worker is being ended; there is nothing harder."


@dataclass(frozen=True, slots=True)
class Asked:
    """How hard a running block was asked to stop, and when, on the clock of ``time.monotonic``."""

    block: str
    rung: Rung
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class Stops:
    """How hard each node was asked to stop.

    The first rung is a wish, which the gates keep until the block stands: one that ends before it was broken in to, or
    aborted, still stops its node at the next point. Code that a person evaluates begins at the third rung.

    Args:
        engine: The run.
        gates: What holds it.
        asking: What people evaluate in it.
    """

    engine: EngineRun
    gates: HoldingGates
    asking: Asking
    _asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    """By node."""
    _unbreakable: set[str] = field(default_factory=set[str])
    """Running blocks of which the break-in was refused: the next press aborts them."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.engine.journal.subscribe(self._follow)

    # What it is at ------------------------------------------------------------------------------------------------

    def ladder(self, node: str) -> Ladder:
        """How far a node was asked to stop, and what the next press does. From any thread."""
        if (asked := self._asked.get(node)) is not None:
            return Ladder(asked.rung, asked.since, AFTER.get(asked.rung))
        if not self._alive(node):
            return Ladder()
        hands = self.gates.hands(node)
        if self._evaluates(node) or any(hand.point == "line" for hand in hands):
            return Ladder(next="abort")
        breakable = self._first(self._running(node))
        if hands:
            return Ladder(next=breakable)
        if self.gates.wants(node) == "pause":
            return Ladder("pause", self.gates.wanted_since(node), breakable)
        return Ladder(next="pause")

    def _running(self, node: str) -> str | None:
        """The block that a node runs, unless it stands or is only run again to make its REPL anew."""
        at = self.engine.nodes.get(node)
        blocks = None if at is None else at.blocks
        return None if blocks is None or blocks.rebuilding or blocks.standing is not None else blocks.current

    def _first(self, block: str | None) -> Rung | None:
        """What stops a block that nobody has tried to stop."""
        return None if block is None else "abort" if block in self._unbreakable else "break"

    def _evaluates(self, node: str) -> str:
        """The address of what a person evaluates there, once it runs."""
        now = self.asking.evaluations.get(node)
        return "" if now is None else now.id

    def _alive(self, id: str) -> bool:
        run = self.engine.shared.run
        at = run.nodes.get(id) or run.calls.get(id)
        return at is not None and at.status == "open" and run.end is None

    # A press ------------------------------------------------------------------------------------------------------

    async def harder(self, id: str) -> Refusal:
        """Do what `ladder` says, from the second rung on."""
        asked = self._asked.get(id)
        if asked is not None:
            return await self._climb(id, asked.block, AFTER.get(asked.rung))
        if evaluated := self._evaluates(id):
            return await self._climb(id, evaluated, "abort")
        if (hand := self.gates.standing(id)) is not None:
            self._asked[id] = Asked(hand.id, "abort")
            # Should it end by itself before that, the node is still to stop at its next point.
            self.gates.wishes[id] = Wish("pause")
            self.gates.release(hand, "abort")
            return None
        block = self._running(id)
        return self._nothing_runs(id) if block is None else await self._climb(id, block, self._first(block))

    async def _climb(self, id: str, block: str, rung: Rung | None) -> Refusal:
        node = self.engine.nodes[id]
        match rung:
            case "break":
                self.gates.lines[block] = "pause"
                act = node.break_in
            case "abort":
                self.gates.lines.pop(block, None)
                act = node.abort_block
            case "kill":
                act = node.kill_worker
            case _:
                return HARDEST
        self._asked[id] = asked = Asked(block, rung)
        refused = True
        try:
            # One press after the other, but the last rung waits for nobody.
            async with nullcontext() if rung == "kill" else self._turn:
                why = await act()
            # One that is on its way to its next line, or was wanted before and then not, stands soon all the same.
            why = None if why in (UNDER_WAY, STANDS) else why
            refused = why is not None
        except ReplDied:
            return None
        finally:
            if refused and self._asked.get(id) is asked:
                self._drop(id, asked)
        return why

    def _drop(self, node: str, asked: Asked) -> None:
        """There is nothing that this rung could still reach. A block that can't be broken in to can be aborted."""
        del self._asked[node]
        if asked.rung == "break":
            self.gates.lines.pop(asked.block, None)
            if self._running(node) == asked.block:
                self._unbreakable.add(asked.block)

    def _nothing_runs(self, id: str) -> str:
        """Why there is nothing to break in to, and what happens instead."""
        run = self.engine.shared.run
        if id in run.rebuilding:
            return "Its REPL is being made anew; what comes after that can be stopped."
        if self.gates.hands(id):
            return "It is held already."
        at = run.nodes.get(id) or run.calls.get(id)
        match at.state if at is not None else "between":
            case "sampling":
                return "It stops as soon as the reply is here."
            case "executing" | "waiting":
                return "Its block waits for its turn; it can be broken in to when it runs."
            case "new" if id not in self.engine.nodes:
                return "It stops when its turn comes."
            case _:
                return "It stops at its next point, which is near."

    def take_back(self, node: str) -> None:
        """Nobody wants the node's block to stand any more. What was aborted stays so."""
        self.gates.forget_lines(node)
        asked = self._asked.get(node)
        if asked is not None and asked.rung == "break":
            del self._asked[node]

    def _follow(self, event: Event) -> None:
        """A rung was reached, or there is nothing left to stop."""
        match event:
            case Hold(point="line", id=block, node=node):
                rungs: tuple[Rung, ...] = ("break",)
            case ExecEnd(id=block):
                node, rungs = address.node_of(block), tuple(AFTER.values())
                self._unbreakable.discard(block)
            case NodeEnd(id=node):
                self._asked.pop(node, None)
                return
            case _:
                return
        asked = self._asked.get(node)
        if asked is not None and asked.block == block and asked.rung in rungs:
            del self._asked[node]
