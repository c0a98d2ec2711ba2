"""Gates that hold: pause, step, next and into are wishes; a gate grants the first that fits what passes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

from rlm_tui.debugger.edits import shown
from rlm_tui.engine.gate import GateValue, V
from rlm_tui.journal import address
from rlm_tui.journal.events import Go, Hold, Point, Why
from rlm_tui.journal.store import Journal

WishKind = Literal["pause", "step", "next", "into"]
Waiting = Callable[[str, str], AbstractContextManager[None]]
"""Enters while a value (by address) of a node waits: clocks stop, seats are free."""

ALWAYS: frozenset[Point] = frozenset({"error", "limit"})
NEXT_STOPS: frozenset[Point] = frozenset({"block", "observe", "final"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked of a node. ``at`` is the block that ``into`` was asked at."""

    kind: WishKind
    at: str = ""


@dataclass(slots=True)
class InHand:
    """A value that a gate holds, as it came and as it is now."""

    point: Point
    id: str
    node: str
    came: GateValue
    value: GateValue
    why: Why
    released: asyncio.Future[None]


@dataclass(slots=True)
class HoldingGates:
    """Gates that hold what they were asked to.

    Args:
        journal: Gets a ``hold`` and a ``go`` for each.
        hold_first: Hold the root before its first request.

    Attributes:
        held: What is held, by address, oldest first.
        wishes: What was asked of which node, not granted yet.
        stopping: Every node is to hold at its next point, those to come included.
    """

    journal: Journal
    hold_first: bool = False
    held: dict[str, InHand] = field(default_factory=dict[str, InHand])
    wishes: dict[str, Wish] = field(default_factory=dict[str, Wish])
    stopping: bool = False
    waiting: Waiting | None = None

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand a value on, at once or when a person lets it go."""
        why = self._why(point, id, node)
        if why is None:
            return value
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
            self.held.pop(id, None)
        # `apply_edit` never changes the kind of a value.
        return hand.value  # pyright: ignore[reportReturnType]

    def _why(self, point: Point, id: str, node: str) -> Why | None:
        if self.hold_first and node == address.ROOT:
            self.hold_first = False
            return "start"
        asked = next((who for who in (id, node) if self._grants(who, point, id)), None)
        if asked is not None:
            return "pause" if self.wishes.pop(asked).kind == "pause" else "step"
        if self.stopping:
            return "pause"
        if point in ALWAYS:
            return "error" if point == "error" else "limit"
        return None

    def _grants(self, who: str, point: Point, id: str) -> bool:
        wish = self.wishes.get(who)
        if wish is None:
            return False
        if wish.kind == "next":
            return point in NEXT_STOPS or point in ALWAYS
        if wish.kind == "into" and wish.at and point == "call":
            return address.parent(id) == wish.at
        return True

    def newest(self, id: str) -> InHand | None:
        """What is held at an address, or, of a node, what it held last."""
        if id in self.held:
            return self.held[id]
        return next((hand for hand in reversed(self.held.values()) if hand.node == id), None)

    def release(self, hand: InHand, verb: str) -> None:
        """Let a value go, as it is now."""
        self.journal.append(Go(id=hand.id, verb=verb, by="human"))
        if not hand.released.done():
            hand.released.set_result(None)
