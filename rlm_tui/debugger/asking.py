"""What a person asks of a node's REPL: code to run in it, an expression to look at, a part of a variable."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_tui.debugger.gates import HoldingGates, InHand
from rlm_tui.debugger.likeness import Looked, Page, Refusal
from rlm_tui.engine.gate import Failure
from rlm_tui.engine.hands import BUSY, NOT_HELD, RUNS
from rlm_tui.engine.node import Node
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import Event, ExecStart
from rlm_tui.repl.results import ReplDied

NOTHING_ASKED = "There is nothing to evaluate."
NO_REPL = "This call has no REPL of its own."
UNDECIDED = "Its REPL is not what it was; decide on that first. An expression can be looked at meanwhile."
NOT_LIVE = "Its REPL does not run now, so only the brief of a variable is known."
MOST = 1_000_000
"""Characters, bytes or items that one page may have."""


@dataclass(slots=True)
class Evaluation:
    """A person's code that runs in a held node.

    Attributes:
        over: What the node held when it began; that stays held until the code has ended.
        id: The code's own address; empty until it has begun.
    """

    over: frozenset[str]
    id: str = ""


@dataclass(slots=True)
class Asking:
    """The questions of one run. Whoever asks has made sure that the node is there and has not ended.

    Args:
        engine: The run.
        gates: What holds it.

    Attributes:
        evaluations: What is under way, by node.
    """

    engine: EngineRun
    gates: HoldingGates
    evaluations: dict[str, Evaluation] = field(default_factory=dict[str, Evaluation])

    def __post_init__(self) -> None:
        self.engine.journal.subscribe(self._follow)

    async def evaluate(self, id: str, code: str) -> Refusal:
        """Run code in a held node; it is over when this is."""
        node = self._held(id, code)
        if isinstance(node, str):
            return node
        if any(
            isinstance(hand.value, Failure) and hand.value.error.kind == "diverged" for hand in self.gates.hands(id)
        ):
            return UNDECIDED
        self.evaluations[id] = Evaluation(frozenset(hand.id for hand in self.gates.hands(id)))
        try:
            return await node.evaluate(code)
        except ReplDied as died:
            return f"It could not be evaluated: {died}."
        finally:
            del self.evaluations[id]

    async def look(self, id: str, expression: str) -> Looked | str:
        """Evaluate in a copy of a held node's REPL."""
        node = self._held(id, expression)
        if isinstance(node, str):
            return node
        try:
            return await node.look(expression)
        except ReplDied as died:
            return f"It could not be evaluated: {died}."

    async def page(self, id: str, name: str, start: int, count: int) -> Page | str:
        """A part of a variable of a node whose REPL runs."""
        node = self.engine.nodes.get(id)
        if node is None:
            return NO_REPL
        if node.blocks.repl is None or not node.blocks.repl.alive:
            return NOT_LIVE
        try:
            return await node.page(name, max(0, start), min(max(0, count), MOST))
        except LookupError:
            return f"There is no variable {name!r} here."
        except ReplDied:
            return NOT_LIVE

    def keeps(self, hand: InHand) -> Refusal:
        """Why a held value can't be let go now: code that a person evaluates there has not ended."""
        now = self.evaluations.get(hand.node)
        return BUSY if now is not None and hand.id in now.over else None

    def _held(self, id: str, code: str) -> Node | str:
        node = self.engine.nodes.get(id)
        if node is None:
            return NO_REPL
        if not code.strip():
            return NOTHING_ASKED
        if id in self.evaluations:
            return BUSY
        if node.blocks.running and node.blocks.standing is None:
            return RUNS
        return node if self.gates.hands(id) else NOT_HELD

    def _follow(self, event: Event) -> None:
        if isinstance(event, ExecStart) and event.origin == "eval" and event.by == "human":
            now = self.evaluations.get(address.node_of(event.id))
            if now is not None:
                now.id = event.id
