"""What a person asked of a node that goes on: where it stops next, and what to say when it stops before that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import get_args

from rlm_tui.debugger.likeness import WishKind
from rlm_tui.journal import address
from rlm_tui.journal.events import Point, Why

EVERY: frozenset[Point] = frozenset(get_args(Point))
GOES_WRONG: frozenset[Point] = frozenset({"error", "limit"})
"""Points of a node that end every verb, whatever it is on the way to."""

STOPS: dict[WishKind, frozenset[Point]] = {"next": frozenset({"block", "observe"}), "iteration": frozenset({"llm"})}
"""The points that a verb is on the way to, where that is not every one."""

_WHAT: dict[Point, str] = {
    "error": "something failed",
    "limit": "a limit is reached",
    "final": "the node is about to answer",
    "return": "the node has ended",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked of a node, or of a sub-call.

    Attributes:
        kind: The verb.
        at: For ``into``, the block it was asked at; for ``cursor``, the address of what it is to stop at; for a
            ``step`` over a sub-call, that call.
        points: For ``cursor`` and a step over a sub-call, the points it is to stop at.
        since: When, on the clock of ``time.monotonic``.
    """

    kind: WishKind
    at: str = ""
    points: frozenset[Point] = frozenset()
    since: float = field(default_factory=time.monotonic, compare=False)

    def reached(self, who: str, point: Point, id: str) -> bool:
        """Whether this is what it was on the way to.

        Args:
            who: Whose wish it is: the address of a node, or of a sub-call.
            point: What is passed.
            id: The address there.
        """
        match self.kind:
            case "out" if who == address.ROOT:
                return point == "final"
            case "out":
                return point == "return" and id == who
            case "cursor" | "step" if self.points:
                return point in self.points and self.at in ("", id)
            case "into" if self.at:
                return point == "call" and address.parent(id) == self.at
            case _:
                return point in STOPS.get(self.kind, EVERY)

    def ends(self, who: str, point: Point, id: str) -> bool:
        """Whether it ends here: it is reached, or the node errs, is about to end, or has ended before that."""
        if self.reached(who, point, id) or (self.kind == "into" and point != "call"):
            return True
        if point in GOES_WRONG or (id == who and not self.over_a_call):
            return True
        return point == "final" and self.kind != "out" and not self.over_a_call

    @property
    def over_a_call(self) -> bool:
        """Whether it is a step over one sub-call, whatever that does meanwhile."""
        return self.kind == "step" and bool(self.points)

    def remark(self, who: str, point: Point, id: str) -> str:
        """Why it ended early, in words; empty when it did not."""
        if self.reached(who, point, id):
            return ""
        if self.kind == "into" and point not in GOES_WRONG:
            return "into ended early: the block made no call"
        return f"{NAMES[self.kind]} ended early: {_WHAT.get(point, 'it came to something else first')}"


NAMES: dict[WishKind, str] = {
    "pause": "pause", "step": "step", "next": "next", "iteration": "iteration", "into": "into", "out": "out",
    "cursor": "to cursor",
}  # fmt: skip
"""As the screen has them."""
assert set(NAMES) == set(get_args(WishKind))


@dataclass(slots=True)
class Sweep:
    """Each node of a part of the run is to hold once, those to come included.

    Attributes:
        top: The node that it and all below it is meant; the root for the run.
        stopped: The nodes that did.
        since: When it was asked for, on the clock of ``time.monotonic``.
        reason: Why, in words, where no person asked for it just now.
        why: The same in a word.
        only: The nodes that are meant, where it is not all that are there and are to come.
    """

    top: str
    stopped: set[str] = field(default_factory=set[str])
    since: float = field(default_factory=time.monotonic)
    reason: str = ""
    why: Why = "pause"
    only: frozenset[str] | None = None

    def wants(self, node: str) -> bool:
        """Whether a node is still to hold for it."""
        if self.only is not None and node not in self.only:
            return False
        return node not in self.stopped and address.within(self.top, node)
