"""What a person decides about a request on its way: not to wait for the next attempt, or to take what has come."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_tui.debugger.changing import Changing
from rlm_tui.debugger.likeness import Refusal
from rlm_tui.debugger.reach import Reach
from rlm_tui.engine.gate import Failure
from rlm_tui.journal.events import Go

NOT_WAITING = "No request waits here for its next attempt."
NOT_WRITING = "No reply is being written here."
NOTHING_YET = "Nothing of the reply has come yet."


@dataclass(slots=True)
class Requests:
    """The requests of one run, by the address of an iteration, or of a plain sub-call.

    Args:
        reach: The run.
        changing: Hands on what is held.
    """

    reach: Reach
    changing: Changing

    def try_now(self, id: str) -> Refusal:
        """Make the next attempt at once."""
        return self._end_wait(id, "try now", go_on=True)

    def give_up(self, id: str) -> Refusal:
        """Make no further attempt: what went wrong passes its gate now."""
        return self._end_wait(id, "give up", go_on=False)

    def _end_wait(self, id: str, verb: str, *, go_on: bool) -> Refusal:
        waiting = self.reach.engine.shared.asking.waiting.get(id)
        if waiting is None or waiting.done():
            return NOT_WAITING
        self.reach.engine.journal.append(Go(id=id, verb=verb, by="human"))
        waiting.set_result(go_on)
        return None

    def take(self, id: str) -> Refusal:
        """Take what has come of a reply for the whole of it: of one that is being written, or that broke off."""
        writing = self.reach.engine.shared.asking.writing.get(id)
        if writing is not None:
            if not writing.heard:
                return NOTHING_YET
            self.reach.engine.journal.append(Go(id=id, verb="take", by="human"))
            writing.stop()
            return None
        hand = self.reach.gates.newest(id)
        if hand is None or not isinstance(hand.value, Failure):
            return NOT_WRITING
        if not hand.value.partial:
            return "Nothing came of this reply that could be taken."
        return self.changing.edit_and_hand_on(id, "answer", hand.value.partial, "take")
