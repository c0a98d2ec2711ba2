"""Verbs that change what a run has in hand, or what holds from now on. Each returns None, or why it can't be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rlm_tui.debugger import edits
from rlm_tui.debugger.gates import InHand
from rlm_tui.debugger.likeness import Refusal
from rlm_tui.debugger.reach import CONSUMED, ENDED, NO_NODE, RUN_ENDED, Reach
from rlm_tui.engine.gate import Answer, Failure, LimitHit, apply_edit
from rlm_tui.engine.limits import TREE
from rlm_tui.journal import address
from rlm_tui.journal.events import Message
from rlm_tui.journal.run import REVERTED
from rlm_tui.journal.tree import Attempt

MOST_SAMPLES = 16
"""Further replies that are asked for at one time."""
_NO_REPLY = "Only a reply that is held can be chosen."


@dataclass(slots=True)
class Changing:
    """The verbs of changing.

    Args:
        reach: The run.
    """

    reach: Reach

    # What is held -------------------------------------------------------------------------------------------------

    def edit(self, id: str, name: str, new: Any, note: str = "") -> Refusal:
        """Change a field of what is held. The change is in the journal before it is made."""
        hand = self.reach.gates.newest(id)
        if hand is None:
            return "It is not held any more, so it can't be changed here."
        if (refusal := edits.illegal(hand.point, hand.id, hand.value, name, new)) is not None:
            return refusal
        changed = apply_edit(hand.value, name, new)
        was = self._now(hand, name)
        if changed == hand.value and (was == new or not isinstance(hand.value, Failure)):
            return None
        self.reach.write(hand.id, name, new, was, "" if note == REVERTED else note)
        hand.value = changed
        hand.changes.pop(name, None)
        hand.changes[name] = new
        return None

    def edit_and_hand_on(self, id: str, name: str, new: Any, verb: str) -> Refusal:
        """Change a field of what is held, and let it go with that.

        Args:
            id: The held value's address.
            name: The field.
            new: What it is to be.
            verb: What the journal is to say that it was let go by.
        """
        hand = self.reach.gates.newest(id)
        why = self.reach.kept(hand) or self.edit(id, name, new)
        if why is None and hand is not None:
            self.reach.hand_on(hand, verb)
        return why

    def revert(self, id: str) -> Refusal:
        """Back to what came to the gate."""
        hand = self.reach.gates.newest(id)
        if hand is None:
            return CONSUMED
        if not hand.changes:
            return "Nothing was changed here."
        last = next(reversed(hand.changes))
        now, hand.changes = hand.changes[last], {}
        hand.value = hand.came
        self.reach.write(hand.id, last, self._now(hand, last), now, REVERTED)
        return None

    def insert(self, id: str, code: str, *, say: bool) -> Refusal:
        """Put code in before a held block."""
        if not code.strip():
            return "There is no code to put in."
        return self.edit(id, "insert", {"code": code, "say": say})

    def skip(self, id: str) -> Refusal:
        """Do not run the held block."""
        return self.edit_and_hand_on(id, "skip", {"say": False}, "skip")

    def retry(self, id: str) -> Refusal:
        """At an error: ask again, or run again, with what was changed here. At an answer of a leaf: ask it again."""
        hand = self.reach.gates.newest(id)
        if hand is None:
            return "Only an error can be tried again."
        if (why := self.reach.kept(hand)) is not None:
            return why
        match hand.value:
            case Failure(action="supply"):
                return "An answer was given here: release hands it on, revert takes it back."
            case Failure():
                hand.value = replace(hand.value, action="retry")
            case Answer():
                if (why := self._asked_once(hand)) is not None:
                    return why
                hand.value = Answer(hand.value.status, hand.value.text, hand.value.error, retry=True)
            case _:
                return "Only an error can be tried again."
        self.reach.hand_on(hand, "retry")
        return None

    def _asked_once(self, hand: InHand) -> Refusal:
        """Why an answer can't be asked for again."""
        call = self.reach.call(hand.id)
        if hand.changes or (isinstance(hand.came, Answer) and hand.came.supplied):
            return "An answer was given here: release hands it on, revert takes it back."
        if call is None or call.ran_as != "llm" or not call.attempts:
            return "Only the answer of a plain sub-call can be asked for again; a child would have to run again."
        return None

    # To the model, and beside it ----------------------------------------------------------------------------------

    def say(self, node: str, text: str) -> Refusal:
        """Tell a node's model something: in the request that is held, else with the next observation."""
        owner = self.reach.owner(node)
        if (why := self.reach.at_rest(owner)) is not None:
            return why
        if not text.strip():
            return "There is nothing to say."
        hand = next((h for h in self.reach.gates.hands(owner) if h.point in ("llm", "observe")), None)
        if hand is not None:
            return self.edit(hand.id, "say", {"text": text, "at": hand.point})
        at = self.reach.run.nodes.get(owner)
        if at is not None and at.default is not None:
            return "This is its last request: it will see nothing more."
        if at is None or not at.iterations:
            return "It has not begun: change what it is asked instead."
        last = at.iterations[-1]
        # After an observation the next iteration has not asked yet, and what it asks ends with one that stands already.
        next_seen = last.id if last.obs is None else address.iteration(owner, last.k + 1)
        self.reach.write(next_seen, "say", {"text": text, "at": "observe"})
        return None

    def note(self, id: str, text: str) -> Refusal:
        """Keep a remark by a thing."""
        if not text.strip():
            return "There is nothing to note."
        self.reach.write(id, "note", text)
        return None

    # Further replies ----------------------------------------------------------------------------------------------

    async def resample(self, id: str, count: int, model: str | None, params: Mapping[str, Any] | None) -> Refusal:
        """Ask for more replies to a request whose reply is held."""
        hand = self.reach.gates.newest(id)
        node = None if hand is None else self.reach.node(hand.node)
        if hand is None or hand.point != "reply" or node is None:
            return "More replies can be asked for while a reply is held."
        if not 1 <= count <= MOST_SAMPLES:
            return f"From 1 to {MOST_SAMPLES} replies can be asked for."
        return await node.resample(hand.id, count, model, params)

    def pick(self, id: str, sample: int) -> Refusal:
        """Put one of the further replies in the place of the held one; 0 is the first."""
        hand = self.reach.gates.newest(id)
        turn = None if hand is None else self.reach.run.iterations.get(hand.id)
        if hand is None or hand.point != "reply" or turn is None:
            return _NO_REPLY
        if not sample:
            return self.revert(id) if hand.changes else None
        found = next((one for one in reversed(turn.samples) if one.id == address.sample(turn.id, sample)), None)
        if found is None:
            return f"There is no reply {sample}."
        if found.status != "ok":
            return "That reply is not there yet." if found.status == "open" else "That one has failed."
        return self.edit(
            hand.id, "reply", self.reach.text(found.reply), f"reply {sample + 1} of {len(turn.samples) + 1}"
        )

    # From here on -------------------------------------------------------------------------------------------------

    def set_model(self, node: str, model: str | None, params: Mapping[str, Any] | None) -> Refusal:
        """Have a node's requests go to another model from now on, or with other parameters."""
        owner = self.reach.owner(node)
        at = self.reach.node(owner)
        if (why := self.reach.at_rest(owner) or (NO_NODE if at is None else None)) is not None or at is None:
            return why
        changes: dict[str, tuple[Any, Any]] = {}
        if model is not None:
            changes["model"] = (model, at.in_force.model)
        if params is not None:
            changes["params"] = (dict(params), dict(at.in_force.params))
        for name, (new, _) in changes.items():
            if not edits.fits(name, new):
                return f"That is no {name}."
        for name, (new, was) in changes.items():
            if new != was:
                self.reach.write(owner, name, new, was)
        self.reach.engine.changed(owner)
        for hand in self.reach.gates.hands(owner):
            if hand.point == "llm":
                # What is held is sent as it stands; from now on is from there on.
                for name, (new, _) in changes.items():
                    self.edit(hand.id, name, new)
        return None

    def set_limit(self, node: str, name: str, to: float) -> Refusal:
        """Change a limit while the run goes on."""
        owner = address.ROOT if name in TREE or name == "max_timeout" else self.reach.owner(node)
        if self.reach.over():
            return RUN_ENDED
        at = self.reach.node(owner)
        if at is None or self.reach.ended(owner):
            return NO_NODE if at is None else ENDED
        for hand in self.reach.gates.hands(owner):
            if isinstance(hand.value, LimitHit) and hand.value.name == name:
                return self.edit(hand.id, "limit", {"name": name, "to": to})
        found = at.in_force.limit(name)
        if found is None:
            return f"{name} is no limit here."
        used, now = found
        if not edits.fits("limit", {"name": name, "to": to}) or to <= used:
            return edits.too_low(name, used)
        if to != now:
            self.reach.write(owner, "limit", {"name": name, "to": to}, {"name": name, "to": now})
            self.reach.engine.changed(owner)
        return None

    # What there was before ----------------------------------------------------------------------------------------

    def _now(self, hand: InHand, name: str) -> Any:
        """What a field is now. At an error it is what was asked for, as the journal has it."""
        if name in hand.changes:
            return hand.changes[name]
        if not isinstance(hand.value, Failure) or name == "answer":
            return edits.current(hand.value, name)
        run = self.reach.run
        if name == "code":
            block = run.blocks.get(hand.id)
            return None if block is None else self.reach.text(block.code)
        owner = run.calls.get(hand.id) or run.iterations.get(hand.id)
        last = owner.attempts[-1] if owner is not None and owner.attempts else None
        return None if last is None else self._asked(last, name)

    def _asked(self, attempt: Attempt, name: str) -> Any:
        match name:
            case "prompt":
                return self.reach.text(attempt.messages()[-1].content)
            case "messages":
                return [self._message(message) for message in attempt.messages()]
            case "model":
                return attempt.model
            case _:
                return dict(attempt.params)

    def _message(self, message: Message) -> dict[str, str]:
        return {"role": message.role, "content": self.reach.text(message.content)}
