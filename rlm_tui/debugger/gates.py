"""Gates that hold: pause, step, next and into are wishes; a gate grants the first that fits what passes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rlm_tui.debugger.edits import shown
from rlm_tui.debugger.likeness import Scope, WishKind
from rlm_tui.debugger.rules import Met, Rules, written
from rlm_tui.debugger.wishes import NAMES, Sweep, Wish
from rlm_tui.engine.gate import Ask, Broken, GateValue, V
from rlm_tui.journal import address
from rlm_tui.journal.events import Event, ExecEnd, Go, Hold, NodeEnd, NodeStart, Point, Why
from rlm_tui.journal.store import Journal

Waiting = Callable[[str, str], AbstractContextManager[None]]
"""Enters while a value (by address) of a node waits: clocks stop, seats are free."""

ALWAYS: dict[Point, Why] = {"error": "error", "limit": "limit"}
"""Points that hold without being asked, and as why: also where a wish is granted, which ended early then."""


ALL_STOP = "all-stop: another node is held"
BRANCH = "the branch begins here"


class Stop(NamedTuple):
    """That a value is held, and why: in a word, and in more of them where one is not enough."""

    why: Why
    reason: str = ""


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
    ends: so a step into a leaf ends at its answer, and a verb whose node ended without another pause point ends at the
    `return` of its call. The root has no such point: there ``node.end`` is what ends the verb.

    Args:
        journal: Gets a ``hold`` and a ``go`` for each.
        hold_first: Hold the root before its first request.

    Attributes:
        held: What is held, by address, oldest first.
        wishes: What was asked of which address, not granted yet.
        all_stop: Whether every node is to hold once when one is held.
        lines: The running blocks that are to stand, and as why: broken in to, or stepped. One that stands though
            nobody wants it any more goes on at once.
        sweeps: Parts of the run of which each node is to hold once.
        rules: The breakpoints of the run.
        waiting: Entered while something is held.
        ended: The nodes that have ended.
        beginning: The point and the address at which a branch of another run opens, until that is come to.
    """

    journal: Journal
    hold_first: bool = False
    held: dict[str, InHand] = field(default_factory=dict[str, InHand])
    wishes: dict[str, Wish] = field(default_factory=dict[str, Wish])
    lines: dict[str, Why] = field(default_factory=dict[str, Why])
    all_stop: bool = False
    sweeps: list[Sweep] = field(default_factory=list[Sweep])
    rules: Rules | None = None
    waiting: Waiting | None = None
    ended: set[str] = field(default_factory=set[str])
    beginning: tuple[Point, str] | None = None

    def __post_init__(self) -> None:
        self.journal.subscribe(self._follow)

    async def pass_(self, point: Point, id: str, value: V, *, node: str) -> V:
        """Hand a value on, at once or when a person lets it go."""
        stop, met = None, None
        if point == "line":
            stop = self._stop_at_line(id, node)
        else:
            met = self.rules.meet(point, id, node, value) if self.rules is not None else None
            if met is not None:
                value = written(met, value, self.journal)
            stop = self._stop(point, id, node, value, met)
        if stop is None:
            return value
        while (other := self.held.get(id)) is not None:
            # A time limit is met beside the loop and may come to hold the node's address first.
            await asyncio.wait([other.released])
        hand = InHand(point, id, node, value, value, stop.why, asyncio.get_running_loop().create_future())
        self.held[id] = hand
        self.journal.append(Hold(id=id, point=point, node=node, value=shown(value), why=stop.why, reason=stop.reason))
        if self.all_stop and stop.reason != ALL_STOP:
            self.sweep(address.ROOT, reason=ALL_STOP)
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

    def _stop_at_line(self, id: str, node: str) -> Stop | None:
        why = self.lines.pop(id, None)
        if why is None:
            return None
        self.wishes.pop(node, None)
        self._swept(node)
        return Stop(why)

    def _stop(self, point: Point, id: str, node: str, value: GateValue, met: Met | None) -> Stop | None:
        """Whether a value is held: by a breakpoint, a verb, a sweep, or because its point always holds."""
        if self.hold_first and node == address.ROOT:
            self.hold_first = False
            return Stop("start")
        if (point, id) == self.beginning:
            self.beginning = None
            return Stop("resume", BRANCH)
        why: Why | None = "error" if isinstance(value, Ask) and value.unrecorded else ALWAYS.get(point)
        hit = met.reason if met is not None and met.holds else ""
        ended = self._end_wishes(point, id, node, anyway=bool(hit))
        swept = self._swept(node)
        if hit:
            remarks = [f"{NAMES[wish.kind]} ended early" for who, wish in ended if not wish.reached(who, point, id)]
            return Stop(why or "breakpoint", " · ".join([hit, *remarks]))
        if ended:
            asked: Why = "pause" if all(wish.kind == "pause" for _, wish in ended) else "step"
            return Stop(why or asked, " · ".join(filter(None, (wish.remark(who, point, id) for who, wish in ended))))
        if swept is not None:
            return Stop(why or swept.why, "" if why else swept.reason)
        return None if why is None else Stop(why)

    def _end_wishes(self, point: Point, id: str, node: str, *, anyway: bool) -> list[tuple[str, Wish]]:
        """The wishes that end here, which are wished no more. A breakpoint ends those of its node ``anyway``."""
        ended: list[tuple[str, Wish]] = []
        for who in dict.fromkeys((id, node)):
            wish = self.wishes.get(who)
            if wish is not None and (anyway or wish.ends(who, point, id)):
                ended.append((who, self.wishes.pop(who)))
        return ended

    def _swept(self, node: str) -> Sweep | None:
        """The sweep that a node holds for now; it has held for all of them then."""
        wanting = [sweep for sweep in self.sweeps if sweep.wants(node)]
        for sweep in wanting:
            sweep.stopped.add(node)
        return wanting[0] if wanting else None

    def wants(self, node: str) -> WishKind | None:
        """What was asked of a node and not granted yet. From any thread."""
        wish = self.wishes.get(node)
        if wish is not None:
            return wish.kind
        return "pause" if self._sweeping(node) is not None else None

    def wanted_since(self, node: str) -> float:
        """When what `wants` tells of was asked, on the clock of ``time.monotonic``. From any thread."""
        wish, sweep = self.wishes.get(node), self._sweeping(node)
        return wish.since if wish is not None else sweep.since if sweep is not None else 0.0

    def _sweeping(self, node: str) -> Sweep | None:
        if node in self.ended:
            return None
        return next((sweep for sweep in list(self.sweeps) if sweep.wants(node)), None)

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

    def release(self, hand: InHand, verb: str, scope: Scope = "node") -> None:
        """Let a value go, as it is now."""
        self.journal.append(Go(id=hand.id, verb=verb, scope=scope, by="human"))
        hand.value = handed_on(hand.value, verb)
        if isinstance(hand.value, Broken) and hand.value.action == "step":
            self.lines[hand.id] = "step"
        # Not in a hand any more, though its task has not taken it yet: nobody can change or release it twice.
        del self.held[hand.id]
        for sweep in self.sweeps:
            sweep.stopped.add(hand.node)
        if not hand.released.done():
            hand.released.set_result(None)

    def open_held(self, nodes: Iterable[str], beginning: tuple[Point, str] | None = None) -> None:
        """Have a run that was left hold where it goes on: each of its nodes once, before what it does next.

        Args:
            nodes: Those that have not ended.
            beginning: Of a branch that nobody went on with yet, the point and the address at which it begins: there
                it is held, and what is above runs again to get there.
        """
        waiting, passing = frozenset(nodes), set[str]()
        if beginning is not None:
            self.beginning, (point, id) = beginning, beginning
            node = address.node_of(address.parent(id) if point in ("call", "return") else id)
            passing = {other for other in waiting if address.within(other, node)}
        self.sweeps.append(Sweep(address.ROOT, passing, why="resume", only=waiting))

    def sweep(self, top: str, *, reason: str = "") -> None:
        """Hold each node of a part of the run once, those to come included; what is held already has.

        Args:
            top: The node at its top.
            reason: Why, where no person asked for it just now.
        """
        self.sweeps = [sweep for sweep in self.sweeps if not address.within(top, sweep.top)]
        self.sweeps.append(Sweep(top, {hand.node for hand in self.held.values()}, reason=reason))

    def stop_sweeping(self) -> None:
        """Hold nobody who was not asked to."""
        self.sweeps = []

    def forget(self, node: str) -> None:
        """Take back every wish of a node and of what is below it."""
        self.wishes = {who: wish for who, wish in self.wishes.items() if not address.within(node, who)}

    def forget_lines(self, node: str) -> None:
        """Nobody wants a node's block to stand any more."""
        self.lines = {id: why for id, why in self.lines.items() if address.node_of(id) != node}

    def _follow(self, event: Event) -> None:
        """Nothing is wished of what has ended. A child's own wish may still be granted as its answer goes back."""
        if isinstance(event, ExecEnd):
            self.lines.pop(event.id, None)
        if isinstance(event, NodeEnd):
            self.ended.add(event.id)
        elif isinstance(event, NodeStart):
            self.ended.discard(event.id)
        if not self.wishes:
            return
        over = event.id == address.ROOT or event.status == "killed" if isinstance(event, NodeEnd) else False
        if over or isinstance(event, ExecEnd):
            self.forget(event.id)
