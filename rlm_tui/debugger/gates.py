"""Gates that hold: pause, step, next and into are wishes; a gate grants the first that fits what passes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_tui.debugger.edits import shown
from rlm_tui.debugger.likeness import WishKind
from rlm_tui.engine.gate import Ask, Broken, GateValue, V
from rlm_tui.journal import address
from rlm_tui.journal.events import Event, ExecEnd, Go, Hold, NodeEnd, Point, Why
from rlm_tui.journal.store import Journal

Waiting = Callable[[str, str], AbstractContextManager[None]]
"""Enters while a value (by address) of a node waits: clocks stop, seats are free."""

ALWAYS: dict[Point, Why] = {"error": "error", "limit": "limit"}
"""Points that hold without being asked, and as why: also where a wish is granted, which ended early then."""
NEXT_STOPS: frozenset[Point] = frozenset({"block", "observe", "final", "error", "limit"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked of a node, or of a sub-call. ``at`` is the block that ``into`` was asked at."""

    kind: WishKind
    at: str = ""
    since: float = field(default_factory=time.monotonic, compare=False)
    """When, on the clock of ``time.monotonic``."""


def handed_on(value: GateValue, verb: str) -> GateValue:
    """What a verb makes of a value as it lets it go.

    A block that stands goes on to its next line, for good, or is aborted; a call without a record, let go by a person
    who gave no answer, is asked live.
    """
    match value:
        case Broken():
            return replace(value, action="step" if verb in ("step", "next") else "abort" if verb == "abort" else "go")
        case Ask(unrecorded=True, supplied=None, killed=False):
            return replace(value, unrecorded=False)
        case _:
            return value


@dataclass(slots=True)
class InHand:
    """A value that a gate holds, as it came and as it is now.

    Attributes:
        changes: What a person made of its fields, newest last; empty again after a revert.
    """

    point: Point
    id: str
    node: str
    came: GateValue
    value: GateValue
    why: Why
    released: asyncio.Future[None]
    changes: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class HoldingGates:
    """Gates that hold what they were asked to.

    A wish is kept by the address it was asked of, a node's or a sub-call's. At a value of that very address any wish
    is granted: so a step into a leaf ends at its answer, and a verb whose node ended without another pause point ends
    at the `return` of its call. The root has no such point: there ``node.end`` is what ends the verb.

    Args:
        journal: Gets a ``hold`` and a ``go`` for each.
        hold_first: Hold the root before its first request.

    Attributes:
        held: What is held, by address, oldest first.
        wishes: What was asked of which address, not granted yet.
        lines: The running blocks that are to stand, and as why: broken in to, or stepped. One that stands though
            nobody wants it any more goes on at once.
        stopping: Each node is to hold once, those to come included.
        stopping_since: When that was asked, on the clock of ``time.monotonic``.
        stopped: The nodes that did.
        waiting: Entered while something is held.
    """

    journal: Journal
    hold_first: bool = False
    held: dict[str, InHand] = field(default_factory=dict[str, InHand])
    wishes: dict[str, Wish] = field(default_factory=dict[str, Wish])
    lines: dict[str, Why] = field(default_factory=dict[str, Why])
    stopping: bool = False
    stopping_since: float = 0.0
    stopped: set[str] = field(default_factory=set[str])
    waiting: Waiting | None = None

    def __post_init__(self) -> None:
        self.journal.subscribe(self._follow)

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand a value on, at once or when a person lets it go."""
        why = self._why_line(id, node) if point == "line" else self._why(point, id, node, value)
        if why is None:
            return value
        while (other := self.held.get(id)) is not None:
            # A time limit is met beside the loop and may come to hold the node's address first.
            await asyncio.wait([other.released])
        hand = InHand(point, id, node, value, value, why, asyncio.get_running_loop().create_future())
        self.held[id] = hand
        self.journal.append(Hold(id=id, point=point, node=node, value=shown(value), why=why))
        try:
            if self.waiting is None:
                await hand.released
            else:
                with self.waiting(id, node):
                    await hand.released
        finally:
            hand.released.cancel()
            if self.held.get(id) is hand:
                del self.held[id]
        # `apply_edit` never changes the kind of a value.
        return hand.value  # pyright: ignore[reportReturnType]

    def _why_line(self, id: str, node: str) -> Why | None:
        why = self.lines.pop(id, None)
        if why is not None:
            self.wishes.pop(node, None)
            if self.stopping:
                self.stopped.add(node)
        return why

    def _why(self, point: Point, id: str, node: str, value: GateValue) -> Why | None:
        if self.hold_first and node == address.ROOT:
            self.hold_first = False
            return "start"
        why = "error" if isinstance(value, Ask) and value.unrecorded else ALWAYS.get(point)
        granted = [self.wishes.pop(who).kind for who in dict.fromkeys((id, node)) if self._grants(who, point, id)]
        if granted:
            return why or ("pause" if granted == ["pause"] else "step")
        if self.stopping and node not in self.stopped:
            self.stopped.add(node)
            return why or "pause"
        return why

    def _grants(self, who: str, point: Point, id: str) -> bool:
        wish = self.wishes.get(who)
        if wish is None:
            return False
        if who == id:
            return True
        if wish.kind == "next":
            return point in NEXT_STOPS
        if wish.at and point == "call":
            return address.parent(id) == wish.at
        return True

    def wants(self, node: str) -> WishKind | None:
        """What was asked of a node and not granted yet. From any thread."""
        wish = self.wishes.get(node)
        if wish is not None:
            return wish.kind
        return "pause" if self.stopping and node not in self.stopped else None

    def wanted_since(self, node: str) -> float:
        """When what `wants` tells of was asked, on the clock of ``time.monotonic``. From any thread."""
        wish = self.wishes.get(node)
        return wish.since if wish is not None else self.stopping_since

    def standing(self, node: str) -> InHand | None:
        """What is held of a node's block that stands at a line. From any thread."""
        return next((hand for hand in self.hands(node) if hand.point == "line"), None)

    def hands(self, node: str) -> list[InHand]:
        """What is held of a node itself, oldest first. From any thread."""
        return [hand for hand in list(self.held.values()) if hand.node == node]

    def newest(self, id: str) -> InHand | None:
        """What is held at an address, or, of a node, what it held last."""
        if id in self.held:
            return self.held[id]
        return next((hand for hand in reversed(self.held.values()) if hand.node == id), None)

    def release(self, hand: InHand, verb: str) -> None:
        """Let a value go, as it is now."""
        self.journal.append(Go(id=hand.id, verb=verb, by="human"))
        hand.value = handed_on(hand.value, verb)
        if isinstance(hand.value, Broken) and hand.value.action == "step":
            self.lines[hand.id] = "step"
        # Not in a hand any more, though its task has not taken it yet: nobody can change or release it twice.
        del self.held[hand.id]
        if self.stopping:
            self.stopped.add(hand.node)
        if not hand.released.done():
            hand.released.set_result(None)

    def stop_all(self, stopping: bool) -> None:
        """Hold each node once, or no more."""
        self.stopping, self.stopping_since = stopping, time.monotonic()
        self.stopped = {hand.node for hand in self.held.values()}

    def forget(self, node: str) -> None:
        """Take back every wish of a node and of what is below it."""
        below = (f"{node}/", f"{node}~")
        self.wishes = {who: wish for who, wish in self.wishes.items() if who != node and not who.startswith(below)}

    def forget_lines(self, node: str) -> None:
        """Nobody wants a node's block to stand any more."""
        self.lines = {id: why for id, why in self.lines.items() if address.node_of(id) != node}

    def _follow(self, event: Event) -> None:
        """Nothing is wished of what has ended. A child's own wish may still be granted as its answer goes back."""
        if isinstance(event, ExecEnd):
            self.lines.pop(event.id, None)
        if not self.wishes:
            return
        over = event.id == address.ROOT or event.status == "killed" if isinstance(event, NodeEnd) else False
        if over or isinstance(event, ExecEnd):
            self.forget(event.id)
