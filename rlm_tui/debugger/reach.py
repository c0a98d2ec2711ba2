"""What every verb needs of a run: what is meant by an address, why it can't be touched, how a hand is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlm_tui.debugger.asking import Asking
from rlm_tui.debugger.gates import HoldingGates, InHand
from rlm_tui.debugger.ladder import Stops
from rlm_tui.debugger.likeness import Refusal, Scope
from rlm_tui.engine.node import Node
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, Edit, Event, NodeEnd
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Call

ENDED = "This node has ended."
RUN_ENDED = "The run has ended."
NOT_HELD = "Nothing is held here."
CONSUMED = "It is not held any more; what was handed on can't be taken back."
ENDING = "This node is ending already."
BACK = "This call has come back."
NO_NODE = "There is no such node."


@dataclass(slots=True)
class Reach:
    """One run, as verbs reach into it. Everything here happens in the engine's thread.

    Args:
        engine: The run.
        gates: What holds it.
        asking: What people evaluate in it.
        stops: How hard its nodes were asked to stop.

    Attributes:
        ending: The nodes that a person is ending.
    """

    engine: EngineRun
    gates: HoldingGates
    asking: Asking
    stops: Stops
    ending: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.engine.journal.subscribe(self._follow)

    def _follow(self, event: Event) -> None:
        """What has ended is not ending; it may begin once more, when the block that asked for it does."""
        if isinstance(event, NodeEnd | CallEnd):
            self.ending.discard(event.id)

    @property
    def run(self) -> Run:
        """The fold of the journal."""
        return self.engine.shared.run

    def owner(self, id: str) -> str:
        """The node that is meant: an address of one, or of what is held of it."""
        hand = self.gates.held.get(id)
        return id if hand is None or id in self.engine.nodes else hand.node

    def node(self, id: str) -> Node | None:
        """A node that has begun."""
        return self.engine.nodes.get(id)

    def call(self, id: str) -> Call | None:
        """A sub-call."""
        return self.run.calls.get(id)

    def over(self) -> bool:
        """Whether the run has ended."""
        return self.run.end is not None

    def ended(self, node: str) -> bool:
        """Whether a node has."""
        return self.engine.shared.effects.remembered("node", node, NodeEnd) is not None

    def at_rest(self, id: str) -> Refusal:
        """Why nothing more can be wished of a node, or of a call."""
        if self.over():
            return RUN_ENDED
        if id in self.ending:
            return ENDING
        if id in self.engine.nodes:
            return ENDED if self.ended(id) else None
        call = self.call(id)
        if call is None:
            return NO_NODE
        return None if call.status == "open" else BACK

    def kept(self, hand: InHand | None) -> Refusal:
        """Why a held value can't be let go now."""
        return None if hand is None else self.asking.keeps(hand)

    def hand_on(self, hand: InHand, verb: str, scope: Scope = "node") -> None:
        """Let a value go, and take back what was wished of its node."""
        self.gates.wishes.pop(hand.node, None)
        self.stops.take_back(hand.node)
        self.gates.release(hand, verb, scope)

    def top(self, id: str, scope: Scope) -> str:
        """The node, or the sub-call, at the top of what a verb is of."""
        return address.ROOT if scope == "run" else address.node_of(id)

    def text(self, value: Any) -> str:
        """A text of the journal, whole."""
        return self.engine.shared.text(value)

    def write(self, id: str, name: str, new: Any, was: Any = None, note: str = "") -> None:
        """Write a person's change down. It is in the journal before it is made."""
        edit = {"id": id, "field": name, "value": new, "was": was, "note": note, "by": "human"}
        self.engine.journal.append(Edit.model_validate(edit))
