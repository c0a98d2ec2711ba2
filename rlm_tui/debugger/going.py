"""Verbs that let a run go on, to where a person wants it next, or stop it. Each returns None, or why it can't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlm_tui.debugger.gates import ALL_STOP, InHand
from rlm_tui.debugger.likeness import Refusal, Scope, WishKind
from rlm_tui.debugger.reach import NOT_HELD, RUN_ENDED, Reach
from rlm_tui.debugger.wishes import NAMES, Wish
from rlm_tui.engine.gate import Ask
from rlm_tui.journal import address
from rlm_tui.journal.events import Point
from rlm_tui.journal.tree import Block, Call, Iteration

UNRECORDED = "Calls that the first run did not make are let go one by one: they are asked live."
HELD = "It is held already."
BEHIND = "That is behind: what was handed on can't be taken back, but a branch can begin there."
NOWHERE = "There is nothing to run to there."
AT_IT = "It is held there already."

_AFTER_A_BLOCK: frozenset[Point] = frozenset({"block", "observe"})


@dataclass(slots=True)
class Going:
    """The verbs of going on.

    Args:
        reach: The run.
    """

    reach: Reach

    # One node, or what is held of it ------------------------------------------------------------------------------

    def wish(self, id: str, kind: WishKind, scope: Scope = "node") -> Refusal:
        """Ask for the next stop of a node, or of a sub-call that has not come back; what it holds goes on."""
        if scope != "node":
            return self._each(id, scope, lambda hand: self._wish(hand.id, Wish(kind), scope))
        return self._wish(id, Wish(kind))

    def _wish(self, id: str, wish: Wish, scope: Scope = "node") -> Refusal:
        gates = self.reach.gates
        hand = gates.newest(id)
        owner = hand.node if hand is not None else id
        if (why := self.reach.at_rest(owner) or self.reach.kept(hand)) is not None:
            return why
        under_way = gates.wants(owner) if hand is None else None
        if under_way is not None and (wish.kind != "pause" or under_way == "pause"):
            return f"{NAMES[under_way].capitalize()} is under way here already."
        if hand is not None and hand.point == "call" and wish.kind == "step":
            # Over this call, and not to whatever the rest of its batch comes to first.
            gates.wishes.pop(owner, None)
            gates.wishes[hand.id] = Wish("step", hand.id, frozenset({"return"}))
        else:
            gates.wishes[owner] = wish
        if hand is not None:
            gates.release(hand, wish.kind, scope)
        return None

    def into(self, id: str) -> Refusal:
        """Stop in what is held: a block's first sub-call, a call's child at its first request, a leaf at its answer."""
        gates = self.reach.gates
        hand = gates.newest(id)
        if hand is None:
            return "Only what is held can be stepped into."
        if (why := self.reach.kept(hand)) is not None:
            return why
        if hand.point == "block":
            gates.wishes[hand.node] = Wish("into", hand.id)
        elif hand.point == "call":
            gates.wishes.pop(hand.node, None)
            gates.wishes[hand.id] = Wish("into")
        elif hand.point == "line":
            return "A block that stands is stepped by line: step also stops at its sub-calls, next does not."
        else:
            return "There is nothing inside here; a block and a sub-call can be stepped into."
        self.reach.stops.take_back(hand.node)
        gates.release(hand, "into")
        return None

    def to(self, id: str) -> Refusal:
        """Go on until something that is ahead is next."""
        if self.reach.gates.held.get(id) is not None:
            return AT_IT
        if id.endswith("/answer"):
            return self.wish(id.removesuffix("/answer"), "out")
        ahead = self._ahead(id.removesuffix("/obs"))
        if isinstance(ahead, str):
            return ahead
        owner, wish = ahead
        return self._wish(owner, wish)

    def _ahead(self, id: str) -> tuple[str, Wish] | str:
        """Whose wish stops at a thing, and the wish; a text is why nothing can."""
        run = self.reach.run
        thing = run.blocks.get(id) or run.calls.get(id) or run.iterations.get(id)
        match thing:
            case Block(status="new"):
                return address.node_of(id), Wish("cursor", id, frozenset({"block"}))
            case Block(status="open"):
                return address.node_of(id), Wish("cursor", "", _AFTER_A_BLOCK)
            case Call(status="open"):
                begun = bool(thing.attempts) or thing.node is not None
                points: frozenset[Point] = frozenset({"return"} if begun else {"call"})
                return address.node_of(thing.block.id), Wish("cursor", id, points)
            case Iteration(obs=None) if thing.node.status == "open":
                points = frozenset({"observe"} if thing.attempts else {"llm"})
                return thing.node.id, Wish("cursor", id, points)
            case None:
                return NOWHERE
            case _:
                return BEHIND

    def release(self, id: str, scope: Scope = "node") -> Refusal:
        """Hand on what is held, as it is now, and take back what was wished of its node."""
        if scope == "run":
            return self.release_all()
        if scope == "subtree":
            return self._each(id, scope, lambda hand: self._release(hand, scope), every=True)
        hand = self.reach.gates.newest(id)
        return NOT_HELD if hand is None else self._release(hand)

    def _release(self, hand: InHand, scope: Scope = "node") -> Refusal:
        if (why := self.reach.kept(hand)) is None:
            self.reach.hand_on(hand, "release", scope)
        return why

    # Many nodes ---------------------------------------------------------------------------------------------------

    def _each(self, id: str, scope: Scope, act: Callable[[InHand], Refusal], *, every: bool = False) -> Refusal:
        """Do something with what each node of a scope holds: its newest, or every value of it.

        Refused only when it could be done nowhere.
        """
        top, hands = self.reach.top(id, scope), self.reach.gates.held.values()
        # What is held of the call itself is a value of the node above.
        held = [hand for hand in hands if address.within(top, hand.node) or hand.id == top]
        chosen = held if every else list({hand.node: hand for hand in held}.values())
        if not chosen:
            return "Nothing is held in this scope."
        refusals = [why for hand in chosen if (why := self._stays(hand) or act(hand)) is not None]
        return refusals[0] if len(refusals) == len(chosen) else None

    def release_all(self) -> Refusal:
        """Hand on everything that is held, and take back every wish."""
        gates = self.reach.gates
        asked = gates.sweeps or gates.wishes
        gates.stop_sweeping()
        gates.wishes = {}
        if not gates.held:
            return None if asked else NOT_HELD
        return self._each(address.ROOT, "run", lambda hand: self._release(hand, "run"), every=True)

    def _stays(self, hand: InHand) -> Refusal:
        """Why a value is not let go with all others."""
        match hand.value:
            case Ask(unrecorded=True, supplied=None, killed=False):
                return UNRECORDED
            case _:
                return self.reach.kept(hand)

    # Stopping -----------------------------------------------------------------------------------------------------

    def pause(self, id: str | None, scope: Scope = "node") -> Refusal:
        """Hold a node, or each node of a scope once, at its next pause point."""
        if id is not None and scope == "node":
            return HELD if self.reach.gates.newest(id) is not None else self.wish(id, "pause")
        top = address.ROOT if id is None else self.reach.top(id, scope)
        if self.reach.over():
            return RUN_ENDED
        if top != address.ROOT and (why := self.reach.at_rest(top)) is not None:
            return why
        self.reach.gates.sweep(top)
        return None

    def stop_all(self, on: bool) -> Refusal:
        """Turn all-stop on or off. Turned on while something is held, the others stop now."""
        gates = self.reach.gates
        gates.all_stop = on
        if on and gates.held:
            gates.sweep(address.ROOT, reason=ALL_STOP)
        elif not on:
            gates.sweeps = [sweep for sweep in gates.sweeps if sweep.reason != ALL_STOP]
        return None

    async def harder(self, id: str) -> Refusal:
        """Stop a node one rung harder than it was asked to so far."""
        owner = self.reach.owner(id)
        if (why := self.reach.at_rest(owner)) is not None:
            return why
        stops = self.reach.stops
        return self.wish(owner, "pause") if stops.ladder(owner).next == "pause" else await stops.harder(owner)
