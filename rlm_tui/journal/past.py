"""The causal past of a point: what a fork begins with. Causal and not chronological.

Within the node that passes the point, what comes before it is kept. Above it, the block that asked is to run again: its
outcome goes, and what follows from that; its other sub-calls stay, whatever the clock says, because they did not follow
from this one. Changes of people stay with what they changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    NAME,
    RESUME,
    CallEnd,
    CallStart,
    Chunk,
    Edit,
    Event,
    ExecEnd,
    ExecStart,
    Go,
    Hold,
    LlmStart,
    NodeEnd,
    NodeStart,
    Obs,
    Point,
    Rebuild,
    RunEnd,
    RunStart,
)
from rlm_tui.journal.hands import REVERTED, is_of
from rlm_tui.journal.positions import Part, Position, Row, Step, position, row

Standing = Literal["kept", "left", "chain", "asked"]
"""What becomes of a node or a sub-call: all of it stays, nothing does, a part does; or it is the sub-call itself."""

_ANSWERS = ("/obs", "/answer")
"""What a note may be by that has no address of its own."""


def causal_past(events: Iterable[Event], at: str, point: Point) -> Iterator[Event]:
    """The events that a fork at a point inherits, in their order; ``run.start`` is not among them.

    Args:
        events: A run's, oldest first; those that it inherited itself are events like any other.
        at: The address of what passes the point: an iteration's, a block's, a sub-call's; for ``final`` also a node's.
        point: One that can be passed again: ``llm reply block call return observe final``.
    """
    told = list(events)
    kept = list(_Past(told, at, point).kept())
    over = _never_let_go(kept)
    return (event for n, event in enumerate(kept) if n not in over)


def last_turn(events: Iterable[Event], node: str) -> str:
    """The address of the last iteration that a node began, that of a default answer included; of none, its first."""
    asked = (event.id for event in events if isinstance(event, LlmStart) and event.id.startswith(f"{node}/"))
    turns = {id for id in asked if not address.is_sample(id) and address.parent(id) == node}
    return max(turns, key=lambda id: row(id).turn, default=address.iteration(node, 1))


class _Past:
    """One pass over a run's events.

    Args:
        events: All of them.
        at: The address.
        point: The point.
    """

    def __init__(self, events: Sequence[Event], at: str, point: Point) -> None:
        self.events = events
        if point == "final" and address.is_node(at):
            at = last_turn(events, at)
        self.point: Point = point
        self.asked = at if point in ("call", "return") and at != address.ROOT else ""
        self.cuts = _cuts(at, point)
        self.standing: dict[str, Standing] = {}
        self.held: dict[str, bool] = {}
        """By address, whether what was held there last is kept: a ``go`` goes with it."""
        self.ran: dict[str, bool] = {}
        """By address, whether what was run there last is kept: its end and what it printed late go with it."""
        self.until = self._until()

    def _until(self) -> dict[str, float]:
        """By node, where its first act or hold from the point on is: what has no place of its own is kept before."""
        until: dict[str, float] = {}
        for n, event in enumerate(self.events):
            if not isinstance(event, LlmStart | ExecStart | Obs | Hold | NodeStart | NodeEnd | CallEnd):
                continue
            if self.asked and event.id == self.asked:
                if self.point == "return" and isinstance(event, CallEnd):
                    until[event.id] = n
                elif self.point == "call" and not isinstance(event, Hold):
                    until.setdefault(event.id, n)
                continue
            found = row(event.id)
            cut = self.cuts.get(found.node)
            if cut is None or found.node in until:
                continue
            place = self._place(event, found)
            if isinstance(event, NodeEnd | CallEnd) or (place is not None and place >= cut):
                until[found.node] = n
        return until

    def _place(self, event: Event, found: Row) -> Position | None:
        if not found.turn:
            return None
        if isinstance(event, ExecStart) and found.beside == "e" and event.by is None and not found.j:
            # The engine's own: it takes back an answer that was rejected.
            return Position(found.turn, Step.UNREADY)
        return position(event, found)

    def kept(self) -> Iterator[Event]:
        """The events that are kept, with values in hand that nobody let go."""
        taken_up: list[Event] = []
        for n, event in enumerate(self.events):
            if isinstance(event, Go) and event.verb == RESUME:
                taken_up.append(event)
            elif self._keeps(n, event):
                if taken_up and not (isinstance(event, Chunk) or (isinstance(event, Edit) and event.field == "note")):
                    # Another process went on, and did something that is kept: the time between was nobody's.
                    yield from taken_up
                    taken_up.clear()
                yield event

    def _keeps(self, n: int, event: Event) -> bool:
        match event:
            case RunStart() | RunEnd() | Rebuild():
                return False
            case Chunk():
                return event.late and self.ran.get(event.id, False)
            case Go() if event.id in self.held:
                return self.held[event.id]
            case ExecEnd():
                return self.ran.get(event.id, False)
            case Edit(field="note"):
                return self._keeps_note(n, event)
            case _:
                pass
        keeps = self._by_address(n, event)
        if isinstance(event, Hold):
            self.held[event.id] = keeps
        elif isinstance(event, ExecStart):
            self.ran[event.id] = keeps
        return keeps

    def _by_address(self, n: int, event: Event) -> bool:
        found = row(event.id)
        match self._stands(found.node):
            case "kept":
                return True
            case "left":
                return False
            case "asked":
                return self._of_call(n, event, found)
            case "chain":
                return self._of_chain(n, event, found)

    def _of_call(self, n: int, event: Event, found: Row) -> bool:
        """An event of the sub-call that passes the point, or of the child that worked on it."""
        before = n < self.until.get(self.asked, math.inf)
        if self.point == "return":
            return before or bool(found.turn) or not isinstance(event, Hold | Edit | Go)
        match event:
            case CallStart():
                return True
            case Hold(point="limit") | Edit(field="limit"):
                return before
            case _:
                return False

    def _of_chain(self, n: int, event: Event, found: Row) -> bool:
        """An event of a node that goes on to the point again."""
        before = n < self.until.get(found.node, math.inf)
        match event:
            case NodeStart() | CallStart():
                return True
            case NodeEnd() | CallEnd() | Edit(field="final" | "kill") if not found.turn:
                return False
            case ExecStart() if not found.turn:
                # What an answer was forced from.
                return False
            case _:
                cut, place = self.cuts[found.node], self._place(event, found)
                return _beside(found, cut, before) if place is None else place < cut

    def _keeps_note(self, n: int, note: Edit) -> bool:
        """A note stays by what is kept; its name is a run's own, and what a breakpoint said is of its time."""
        suffix = next((end for end in _ANSWERS if note.id.endswith(end)), "")
        found = row(note.id.removesuffix(suffix))
        stands = self._stands(found.node)
        if stands in ("kept", "left"):
            return stands == "kept"
        timely = note.by in (None, "human") or n < self.until.get(found.node, math.inf)
        if stands == "asked":
            return timely and (self.point == "return" or not (suffix or found.turn))
        if not found.turn:
            return timely and not suffix and note.note != NAME
        if suffix == "/obs":
            place = Position(found.turn, Step.OBSERVE)
        elif found.beside == "e":
            return self.ran.get(note.id, False)
        else:
            place = found.runs._replace(part=Part.GATE) if found.j or found.resolves else Position(found.turn, Step.LLM)
        return timely and place < self.cuts[found.node]

    # Which part of the tree something is in -----------------------------------------------------------------------

    def _stands(self, node: str) -> Standing:
        waiting: list[str] = []
        while node not in self.standing:
            waiting.append(node)
            up = self._asker(node)
            if up == node or node in self.cuts or node == self.asked:
                break
            node = up
        for each in reversed(waiting):
            self.standing[each] = self._standing(each)
        return self.standing[waiting[0] if waiting else node]

    @staticmethod
    def _asker(node: str) -> str:
        return address.node_of(address.parent(node))

    def _standing(self, node: str) -> Standing:
        if node in self.cuts:
            return "chain"
        if node == self.asked:
            return "asked"
        asker = self._asker(node)
        if asker == node:
            return "kept"
        match self.standing[asker]:
            case "kept" | "left" as whole:
                return whole
            case "asked":
                return "kept" if self.point == "return" else "left"
            case "chain":
                return "kept" if self._asks(address.parent(node), self.cuts[asker]) else "left"

    def _asks(self, block: str, cut: Position) -> bool:
        """Whether what a block asked for stays: it is before the point, or it is the block that is to run again."""
        found = row(block)
        if not found.turn:
            return True
        if found.beside == "e":
            return self.ran.get(block, False)
        return found.runs <= cut


def _beside(found: Row, cut: Position, before: bool) -> bool:
    """Whether something without a place of its own stays: by its row, and in the row of the point by the time."""
    if not found.turn:
        return before
    if found.turn != cut.turn:
        return found.turn < cut.turn
    if found.j and (cut.step, cut.j) != (Step.BLOCK, found.j):
        return found.runs < cut
    return before


def _cuts(at: str, point: Point) -> dict[str, Position]:
    """By node, from the one that passes the point up to the root: the first place that is not kept."""
    if point in ("call", "return"):
        at = address.parent(at)
        found = row(at)
        cut = found.runs
    else:
        found = row(at)
        cut = found.at(point) or Position(0, Step.LLM)
    cuts: dict[str, Position] = {found.node: cut}
    node = found.node
    while node != address.ROOT:
        above = row(address.parent(node))
        if above.node in cuts:
            break
        cuts[above.node] = above.runs
        node = above.node
    return cuts


def _never_let_go(kept: Sequence[Event]) -> set[int]:
    """Where values are in hand to the end, which in a fork nobody would let go; with what was taken back meanwhile."""
    held: dict[str, list[tuple[int, Hold]]] = {}
    taken_back: dict[str, int] = {}
    for n, event in enumerate(kept):
        match event:
            case Hold():
                held.setdefault(event.id, []).append((n, event))
            case Go() if event.verb == RESUME:
                held.clear()
            case Go() | LlmStart() | ExecEnd() | CallEnd() | Obs():
                held.pop(event.id, None)
            case ExecStart():
                held.pop(event.id, None)
                if event.origin == "model":
                    held.pop(address.parent(event.id), None)
            case NodeEnd():
                for id in [id for id, holds in held.items() if holds[-1][1].node == event.id]:
                    del held[id]
            case Edit() if event.note == REVERTED:
                taken_back[event.id] = n
            case _:
                pass
    over = {n for holds in held.values() for n, _ in holds}
    for id, holds in held.items():
        n, hold = holds[-1]
        for m in range(n + 1, taken_back.get(id, n) + 1):
            event = kept[m]
            if isinstance(event, Edit) and event.id == id and is_of(event, hold):
                over.add(m)
    return over
