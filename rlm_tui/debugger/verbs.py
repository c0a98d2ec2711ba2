"""What a person may do to a run that lives. Everything here happens in the engine's thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rlm_tui.debugger import edits
from rlm_tui.debugger.asking import Asking
from rlm_tui.debugger.gates import HoldingGates, InHand, Wish
from rlm_tui.debugger.ladder import Stops
from rlm_tui.debugger.likeness import Looked, Page, Refusal, WishKind
from rlm_tui.engine.ending import Forced
from rlm_tui.engine.gate import Ask, Failure, apply_edit
from rlm_tui.engine.node import Node
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Edit, Message, NodeEnd
from rlm_tui.journal.run import REVERTED
from rlm_tui.journal.tree import Attempt, Call
from rlm_tui.repl.process import ReplDied

ENDED = "This node has ended."
RUN_ENDED = "The run has ended."
NOT_HELD = "Nothing is held here."
CONSUMED = "It is not held any more; what was handed on can't be taken back."
UNRECORDED = "Calls that the first run did not make are let go one by one: they are asked live."
ENDING = "This node is ending already."

READ_S = 5.0
"""Seconds that ``str`` of a variable may take before it is refused as an answer."""


@dataclass(slots=True)
class Verbs:
    """The verbs of one run. Each returns None, or why it can't be done.

    Args:
        engine: The run.
        gates: What holds it.
        asking: What people evaluate in it.
        stops: How hard its nodes were asked to stop.
    """

    engine: EngineRun
    gates: HoldingGates
    asking: Asking
    stops: Stops
    _forced: set[str] = field(default_factory=set[str])

    # Going on -----------------------------------------------------------------------------------------------------

    def wish(self, id: str, kind: WishKind) -> Refusal:
        """Ask for the next stop of a node, or of a sub-call that has not come back; what it holds goes on."""
        hand = self.gates.newest(id)
        owner = hand.node if hand is not None else id
        if (why := self._at_rest(owner) or self._kept(hand)) is not None:
            return why
        under_way = self.gates.wants(owner) if hand is None else None
        if under_way is not None and (kind != "pause" or under_way == "pause"):
            return f"{under_way.capitalize()} is under way here already."
        self.gates.wishes[owner] = Wish(kind)
        if hand is not None:
            self.gates.release(hand, kind)
        return None

    def into(self, id: str) -> Refusal:
        """Stop in what is held: a block's first sub-call, a call's child at its first request, a leaf at its answer."""
        hand = self.gates.newest(id)
        if hand is None:
            return "Only what is held can be stepped into."
        if (why := self._kept(hand)) is not None:
            return why
        if hand.point == "block":
            self.gates.wishes[hand.node] = Wish("into", hand.id)
        elif hand.point == "call":
            self.gates.wishes.pop(hand.node, None)
            self.gates.wishes[hand.id] = Wish("into")
        elif hand.point == "line":
            return "A block that stands is stepped by line: step also stops at its sub-calls, next does not."
        else:
            return "There is nothing inside here; a block and a sub-call can be stepped into."
        self.stops.take_back(hand.node)
        self.gates.release(hand, "into")
        return None

    def release(self, id: str) -> Refusal:
        """Hand on what is held, as it is now, and take back what was wished of its node."""
        hand = self.gates.newest(id)
        if hand is None:
            return NOT_HELD
        if (why := self._kept(hand)) is None:
            self._hand_on(hand, "release")
        return why

    def release_all(self) -> Refusal:
        """Hand on everything that is held, and take back every wish."""
        asked = self.gates.stopping or self.gates.wishes
        self.gates.stop_all(False)
        self.gates.wishes = {}
        held = list(self.gates.held.values())
        if not held:
            return None if asked else NOT_HELD
        staying = [why for hand in held if (why := self._stays(hand)) is not None]
        for hand in held:
            if self._stays(hand) is None:
                self._hand_on(hand, "release")
        return staying[0] if len(staying) == len(held) else None

    def _stays(self, hand: InHand) -> Refusal:
        """Why a value is not let go with all others."""
        match hand.value:
            case Ask(unrecorded=True, supplied=None, killed=False):
                return UNRECORDED
            case _:
                return self._kept(hand)

    def pause(self, node: str | None) -> Refusal:
        """Hold a node, or each node once, at its next pause point."""
        if node is not None:
            return "It is held already." if self.gates.newest(node) is not None else self.wish(node, "pause")
        if self._over():
            return RUN_ENDED
        self.gates.stop_all(True)
        return None

    async def harder(self, id: str) -> Refusal:
        """Stop a node one rung harder than it was asked to so far."""
        owner = self._owner(id)
        if (why := self._at_rest(owner)) is not None:
            return why
        return self.wish(owner, "pause") if self.stops.ladder(owner).next == "pause" else await self.stops.harder(owner)

    # Asking of its REPL -------------------------------------------------------------------------------------------

    async def evaluate(self, id: str, code: str) -> Refusal:
        """Run code in a held node's REPL; recorded, because it may change it."""
        owner = self._owner(id)
        return self._at_rest(owner) or await self.asking.evaluate(owner, code)

    async def look(self, id: str, expression: str) -> Looked | str:
        """Evaluate in a copy of a held node's REPL."""
        owner = self._owner(id)
        return self._at_rest(owner) or await self.asking.look(owner, expression)

    async def page(self, id: str, name: str, start: int, count: int) -> Page | str:
        """A part of a variable, without running any of the model's code."""
        owner = self._owner(id)
        return self._at_rest(owner) or await self.asking.page(owner, name, start, count)

    # Changing what is held ----------------------------------------------------------------------------------------

    def edit(self, id: str, name: str, new: Any, note: str = "") -> Refusal:
        """Change a field of what is held. The change is in the journal before it is made."""
        hand = self.gates.newest(id)
        if hand is None:
            return "It is not held any more, so it can't be changed here."
        if (refusal := edits.illegal(hand.point, hand.id, hand.value, name, new)) is not None:
            return refusal
        changed = apply_edit(hand.value, name, new)
        was = self._now(hand, name)
        if changed == hand.value and (was == new or not isinstance(hand.value, Failure)):
            return None
        self._write(hand.id, name, new, was, "" if note == REVERTED else note)
        hand.value = changed
        hand.changes.pop(name, None)
        hand.changes[name] = new
        return None

    def revert(self, id: str) -> Refusal:
        """Back to what came to the gate."""
        hand = self.gates.newest(id)
        if hand is None:
            return CONSUMED
        if not hand.changes:
            return "Nothing was changed here."
        last = next(reversed(hand.changes))
        now, hand.changes = hand.changes[last], {}
        hand.value = hand.came
        self._write(hand.id, last, self._now(hand, last), now, REVERTED)
        return None

    def skip(self, id: str) -> Refusal:
        """Do not run the held block."""
        hand = self.gates.newest(id)
        refusal = self._kept(hand) or self.edit(id, "skip", {"say": False})
        if refusal is None and hand is not None:
            self._hand_on(hand, "skip")
        return refusal

    def retry(self, id: str) -> Refusal:
        """At an error: ask again, or run again, with what was changed here."""
        hand = self.gates.newest(id)
        if hand is None or not isinstance(hand.value, Failure):
            return "Only an error can be tried again."
        if (why := self._kept(hand)) is not None:
            return why
        if hand.value.action == "supply":
            return "An answer was given here: release hands it on, revert takes it back."
        hand.value = Failure(hand.value.error, hand.value.attempt, "retry")
        self._hand_on(hand, "retry")
        return None

    # Deciding an answer -------------------------------------------------------------------------------------------

    async def force_final(self, node: str, text: str | None, var: str | None) -> Refusal:
        """Decide a node's answer, in any phase; what is in flight below it is ended first.

        A child that has not begun, held or queued at its call, has no loop to end: its call is answered instead, and
        nobody is asked.

        Args:
            node: The node's address.
            text: The answer, literally.
            var: Or a variable of its REPL that holds it.
        """
        at = self.engine.nodes.get(node)
        if at is None:
            return self._answer_call(node, text, var)
        if (why := self._gone(node)) is not None:
            return why
        if var is not None:
            # Asking the REPL takes a moment, and the node may end meanwhile.
            missing = await self._missing(at, var)
            if (why := self._gone(node) or missing) is not None:
                return why
        self._forced.add(node)
        self._write(node, "final", {"var": var} if var is not None else {"text": text or ""}, None)
        self.gates.forget(node)
        self.engine.stop(node, Forced(None if var is not None else text or "", var))
        return None

    def _gone(self, node: str) -> Refusal:
        if self._ended(node):
            return f"{ENDED} Its answer is held, and can be edited." if node in self.gates.held else ENDED
        return ENDING if node in self._forced else None

    def _answer_call(self, id: str, text: str | None, var: str | None) -> Refusal:
        call = self._call(id)
        if call is None:
            return "There is no such node."
        if call.status != "open":
            return ENDED
        if var is not None:
            return "It has not begun, so it has no variables; give a text."
        hand = self.gates.held.get(id)
        if hand is None and (call.ran_as == "opaque" or call.attempts):
            return "A plain call has no loop to end. Its answer can be changed when it comes back."
        if hand is None:
            # It waits for a seat: the answer is there when its turn comes.
            self._write(id, "answer", text or "", None)
            return None
        refusal = self.edit(id, "answer", text or "")
        if refusal is None:
            self._hand_on(hand, "final")
        return refusal

    async def _missing(self, node: Node, name: str) -> Refusal:
        """Why a variable can't be the answer, as far as can be known before the node is stopped."""
        if not node.blocks.running and node.blocks.repl is not None and node.blocks.repl.alive:
            try:
                await node.blocks.repl.resolve(name, timeout_s=READ_S)
            except (LookupError, ValueError, TimeoutError, ReplDied) as error:
                return f"It can't be the answer: {error}."
            return None
        folded = self.engine.shared.run.nodes.get(node.spec.id)
        if folded is not None and name in folded.variables:
            return None
        return f"There is no variable {name!r} here."

    # What they share ----------------------------------------------------------------------------------------------

    def _owner(self, id: str) -> str:
        """The node that is meant: an address of one, or of what is held of it."""
        hand = self.gates.held.get(id)
        return id if hand is None or id in self.engine.nodes else hand.node

    def _kept(self, hand: InHand | None) -> Refusal:
        return None if hand is None else self.asking.keeps(hand)

    def _hand_on(self, hand: InHand, verb: str) -> None:
        self.gates.wishes.pop(hand.node, None)
        self.stops.take_back(hand.node)
        self.gates.release(hand, verb)

    def _over(self) -> bool:
        return self.engine.shared.run.end is not None

    def _ended(self, node: str) -> bool:
        return self.engine.shared.effects.remembered("node", node, NodeEnd) is not None

    def _call(self, id: str) -> Call | None:
        return self.engine.shared.run.calls.get(id)

    def _at_rest(self, id: str) -> Refusal:
        """Why nothing more can be wished of a node, or of a call."""
        if self._over():
            return RUN_ENDED
        if id in self._forced:
            return ENDING
        if id in self.engine.nodes:
            return ENDED if self._ended(id) else None
        call = self._call(id)
        if call is None:
            return "There is no such node."
        return None if call.status == "open" else "This call has come back."

    def _now(self, hand: InHand, name: str) -> Any:
        """What a field is now. At an error it is what was asked for, as the journal has it."""
        if name in hand.changes:
            return hand.changes[name]
        if not isinstance(hand.value, Failure) or name == "answer":
            return edits.current(hand.value, name)
        run = self.engine.shared.run
        if name == "code":
            block = run.blocks.get(hand.id)
            return None if block is None else self._text(block.code)
        owner = run.calls.get(hand.id) or run.iterations.get(hand.id)
        last = owner.attempts[-1] if owner is not None and owner.attempts else None
        return None if last is None else self._asked(last, name)

    def _asked(self, attempt: Attempt, name: str) -> Any:
        match name:
            case "prompt":
                return self._text(attempt.messages()[-1].content)
            case "messages":
                return [self._message(message) for message in attempt.messages()]
            case "model":
                return attempt.model
            case _:
                return dict(attempt.params)

    def _message(self, message: Message) -> dict[str, str]:
        return {"role": message.role, "content": self._text(message.content)}

    def _text(self, value: Any) -> str:
        return self.engine.shared.text(value)

    def _write(self, id: str, name: str, new: Any, was: Any, note: str = "") -> None:
        edit = {"id": id, "field": name, "value": new, "was": was, "note": note, "by": "human"}
        self.engine.journal.append(Edit.model_validate(edit))
