"""Verbs that decide how a node or a sub-call ends. Each returns None, or why it can't be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlm_tui.debugger.changing import Changing
from rlm_tui.debugger.likeness import Refusal
from rlm_tui.debugger.reach import BACK, ENDED, ENDING, NO_NODE, RUN_ENDED, Reach
from rlm_tui.engine.ending import Forced, Killed
from rlm_tui.engine.node import Node
from rlm_tui.journal import address
from rlm_tui.repl.process import ReplDied

READ_S = 5.0
"""Seconds that ``str`` of a variable may take before it is refused as an answer."""


@dataclass(slots=True)
class Deciding:
    """The verbs of deciding.

    Args:
        reach: The run.
        changing: Changes what is held.
    """

    reach: Reach
    changing: Changing

    async def force_final(self, node: str, text: str | None, var: str | None) -> Refusal:
        """Decide a node's answer, in any phase; what is in flight below it is ended first.

        A child that has not begun, held or queued at its call, has no loop to end: its call is answered instead, and
        nobody is asked.

        Args:
            node: The node's address.
            text: The answer, literally.
            var: Or a variable of its REPL that holds it.
        """
        at = self.reach.node(node)
        if at is None or not (self._works(node) or self.reach.ended(node)):
            if var is not None:
                return "It has not begun, so it has no variables; give a text."
            return self.supply_call(node, text or "", "final")
        if (why := self._gone(node)) is not None:
            return why
        if var is not None:
            # Asking the REPL takes a moment, and the node may end meanwhile.
            missing = await self._missing(at, var)
            if (why := self._gone(node) or missing) is not None:
                return why
        self._begin_ending(node, "final", {"var": var} if var is not None else {"text": text or ""})
        self.reach.engine.stop(node, Forced(None if var is not None else text or "", var))
        return None

    def _begin_ending(self, id: str, field: str, new: Any) -> None:
        """From here on a node or a call is ending, by what a person wrote of it."""
        self.reach.ending.add(id)
        self.reach.gates.forget(id)
        self.reach.write(id, field, new)

    def _end_call(self, id: str, field: str, new: Any, end: Callable[[], Refusal]) -> Refusal:
        """End a call that is open, unless somebody is ending it; one that ``end`` refuses goes on."""
        if id in self.reach.ending:
            return ENDING
        self._begin_ending(id, field, new)
        if (why := end()) is not None:
            self.reach.ending.discard(id)
        return why

    def _works(self, id: str) -> bool:
        """Whether a child works at a call: not one that ended with its block, and waits to begin once more."""
        folded = self.reach.run.nodes.get(id)
        return folded is not None and folded.status == "open" and self.reach.node(id) is not None

    def _gone(self, node: str) -> Refusal:
        if self.reach.ended(node):
            held = node in self.reach.gates.held
            return f"{ENDED} Its answer is held, and can be edited." if held else ENDED
        return ENDING if node in self.reach.ending else None

    async def _missing(self, node: Node, name: str) -> Refusal:
        """Why a variable can't be the answer, as far as can be known before the node is stopped."""
        if not node.blocks.running and node.blocks.repl is not None and node.blocks.repl.alive:
            try:
                await node.blocks.repl.resolve(name, timeout_s=READ_S)
            except (LookupError, ValueError, TimeoutError, ReplDied) as error:
                return f"It can't be the answer: {error}."
            return None
        folded = self.reach.run.nodes.get(node.spec.id)
        if folded is not None and name in folded.variables:
            return None
        return f"There is no variable {name!r} here."

    async def supply(self, id: str, text: str) -> Refusal:
        """Answer a sub-call by hand: before it begins, while it is under way, or as its answer comes back."""
        if id == address.ROOT:
            return "The root was called by nobody; force its final answer."
        return await self.force_final(id, text, None) if self._works(id) else self.supply_call(id, text, "supply")

    def supply_call(self, id: str, text: str, verb: str) -> Refusal:
        """Answer a call that no loop works on: queued, held, a leaf under way, or one that comes back."""
        call = self.reach.call(id)
        if call is None:
            return NO_NODE
        hand = self.reach.gates.held.get(id)
        if hand is not None and hand.point != "limit":
            return self.changing.edit_and_hand_on(id, "answer", text, verb)
        if call.status != "open":
            return ENDED if verb == "final" else "This call has come back: its answer was handed on already."
        return self._end_call(id, "answer", text, lambda: self.reach.engine.supply(id, text))

    def kill_node(self, id: str) -> Refusal:
        """End a node, or a sub-call, without an answer; what is below it ends first."""
        if self.reach.over():
            return RUN_ENDED
        if id == address.ROOT:
            self.reach.engine.kill()
            return None
        hand = self.reach.gates.held.get(id)
        if self._works(id):
            if (why := self._gone(id)) is not None:
                return why
            self._begin_ending(id, "kill", True)
            self.reach.engine.stop(id, Killed())
            return None
        call = self.reach.call(id)
        if call is None:
            return NO_NODE
        if hand is not None and hand.point == "call":
            return self.changing.edit_and_hand_on(id, "kill", True, "kill")
        if call.status != "open":
            return BACK
        return self._end_call(id, "kill", True, lambda: self.reach.engine.kill_call(id))
