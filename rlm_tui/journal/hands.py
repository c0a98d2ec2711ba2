"""What people do to a run: values held and let go, changes, and the marks of what follows from them.

A mark is ``edited`` where a hand was and ``downstream`` on everything that follows: the later rows of the same node;
of a sub-call, what its answer reaches, which is the block that asked and the later rows of that node. Items of the
same batch do not follow from one another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Blob, Text, part
from rlm_tui.journal.index import Index
from rlm_tui.journal.tree import Block, Call, Edited, Held, Iteration, Mark, Node

REVERTED = "reverted"
"""The note of an ``edit`` that takes back what was changed while it was held."""

_ITERATION = re.compile(r"/(i\d+|default)$")
_BLOCK = re.compile(r"/b\d+$")


class Hands(Index):
    """The part of the fold that people cause."""

    def __init__(self) -> None:
        super().__init__()
        self._held_in: dict[str, dict[str, Held]] = {}

    def _hold(self, event: events.Hold) -> None:
        self._let_go(event.id)
        held = Held(event.id, event.point, event.node, event.value, event.why, event.t, len(self.edits), event.reason)
        self.held[event.id] = held
        self._held_in.setdefault(event.node, {})[event.id] = held
        if event.point == "block":
            code = _text(event.value.get("code"))
            block = self._block(event.id, code)
            if block.started is None and not block.code:
                # One that a fork has the sub-calls of, and that is to run.
                block.code = code
            self._coming(event)
        for thing in self._things(event.id, event.node):
            thing.held = held
        node = self.nodes.get(event.node)
        for above in node.up() if node else ():
            above.holds += 1
            above.held_since = event.t if above.held_since is None else above.held_since

    def _coming(self, event: events.Hold) -> None:
        """The blocks of the same reply that are to run after one that is held."""
        after, iteration = event.value.get("after"), address.parent(event.id)
        codes = cast("list[Any]", after) if isinstance(after, list | tuple) else []
        for j, code in enumerate(codes, address.number(event.id) + 1):
            self._block(address.block(iteration, j), _text(code))

    def _let_go(self, id: str) -> None:
        held = self.held.pop(id, None)
        if held is None:
            return
        for thing in self._things(id, held.node):
            thing.held = None
        others = self._held_in[held.node]
        del others[id]
        node = self.nodes.get(held.node)
        if node is None:
            return
        node.held = next(reversed(others.values()), None)
        for above in node.up():
            above.holds = max(0, above.holds - 1)
            if above.holds == 0 and above.held_since is not None:
                above.held_s += max(0.0, (self.last or held.since) - above.held_since)
                above.held_since = None

    def _let_go_in(self, node: str) -> None:
        for id in list(self._held_in.get(node, ())):
            self._let_go(id)

    def _let_go_all(self) -> None:
        for id in list(self.held):
            self._let_go(id)

    def _hand_on(self, id: str) -> None:
        """A held value goes on. The answer of a sub-call reaches the block that asked."""
        self._let_go(id)
        call = self.calls.get(id)
        if call is not None and call.status != "open":
            self._delivered(call)

    def _delivered(self, call: Call) -> None:
        if not call.row_mark:
            return
        call.block.mark = call.block.mark or "downstream"
        node = self._node_at(call.block.id)
        if node is not None:
            node.downstream = True

    def _edit(self, event: events.Edit) -> None:
        if event.note == REVERTED and event.id in self.held:
            self._revert(event.id, self.held[event.id])
            return
        by = event.by or ""
        edited = Edited(event.id, event.field, event.value, event.was, event.note, event.t, by)
        self.edits.append(edited)
        if event.field == "note":
            self.notes.setdefault(event.id, []).append(edited)
            return
        thing = self._touched(event)
        self._count_hand(event.id, thing, 1)
        self._mark(edited, thing, self._node_at(event.id))

    def _touched(self, event: events.Edit) -> Block | Call | Iteration | None:
        """What a change is of: made here when the change comes before its first act."""
        id = event.id
        if (known := self.blocks.get(id) or self.calls.get(id) or self.iterations.get(id)) is not None:
            return known
        if _ITERATION.search(id):
            return self._iteration(id)
        if _BLOCK.search(id):
            return self._block(id, _text(event.was))
        return None

    def _count_hand(self, id: str, thing: Block | Call | Iteration | None, by: int) -> None:
        """A hand on a leaf, or on a child that has not begun, shows in the node that asked; what follows is later."""
        node = self._node_at(id)
        if node is None:
            return
        node.hands += by
        if not isinstance(thing, Call) or thing.node is not None:
            node.causes += by

    def _mark(self, edited: Edited, thing: Block | Call | Iteration | None, node: Node | None) -> None:
        match thing, edited.field:
            case Block(), "code":
                thing.was = thing.code if thing.was is None else thing.was
                thing.code, thing.mark = _shown(edited.value), "edited"
            case Block(), "insert":
                self._insert(thing, edited)
            case Call(), "prompt":
                thing.edited_prompt, thing.mark = _shown(edited.value), "edited"
            case Call(), "answer":
                thing.was, thing.mark = _shown(edited.was), "edited"
                if thing.status != "open":
                    thing.came = thing.came or (thing.status, thing.value)
                    thing.status, thing.value = "supplied", _shown(edited.value)
            case Iteration(), "reply":
                thing.edited_reply, thing.mark = _shown(edited.value), "edited"
            case Iteration(), "obs":
                thing.obs_was, thing.obs_mark = _shown(edited.was), "edited"
            case Iteration(), "say" if part(edited.value, "at") == "observe":
                thing.obs_mark = "edited"
            case Iteration(), "final":
                thing.mark = "edited"
                if node is not None and _accepts(edited.value):
                    node.final_mark = "edited"
            case Block() | Call() | Iteration(), _:
                thing.mark = "edited"
            case _:
                pass

    def _revert(self, id: str, held: Held) -> None:
        """Take back what was changed since the value was held: as if it had not been."""
        since = self.edits[held.first_edit :]
        mine = [edit for edit in since if edit.id == id and is_of(edit, held)]
        if not mine:
            return
        self.edits[held.first_edit :] = [edit for edit in since if edit not in mine]
        thing = self.blocks.get(id) or self.calls.get(id) or self.iterations.get(id)
        node = self._node_at(id)
        self._count_hand(id, thing, -len(mine))
        mark: Mark = "downstream" if node is not None and node.tainted else ""
        match thing:
            case Block():
                self._take_out(thing)
                thing.code, thing.was, thing.mark = thing.code if thing.was is None else thing.was, None, mark
            case Call():
                thing.edited_prompt, thing.was, thing.mark = None, None, mark
                if thing.came is not None:
                    (thing.status, thing.value), thing.came = thing.came, None
            case Iteration():
                thing.edited_reply, thing.obs_was, thing.obs_mark, thing.mark = None, None, "", mark
                if node is not None and node.final_mark == "edited":
                    node.final_mark = ""
            case _:
                pass
        for edit in self.edits:
            if edit.id == id and edit.field != "note":
                self._mark(edit, thing, node)

    def _insert(self, before: Block, edited: Edited) -> None:
        """Code that is to run before a block, which has a row of its own from now on."""
        k = 1
        while (id := address.inserted(before.id, k)) in self.blocks:
            k += 1
        row = self._block(id, _text(part(edited.value, "code")))
        row.origin, row.by, row.mark = "human", edited.by, "edited"

    def _take_out(self, before: Block) -> None:
        """What was put in before a block and has not run is taken back."""
        rows = self.iterations[address.parent(before.id)].blocks
        for row in [row for row in rows if row.id.startswith(f"{before.id}+h") and row.started is None]:
            rows.remove(row)
            del self.blocks[row.id]

    def _taken(self, thing: Iteration | Call) -> None:
        """A person took a part of its reply for the whole."""
        thing.mark = "edited"
        self._count_hand(thing.id, thing, 1)

    def _by_hand(self, block: Block, node: Node | None) -> None:
        """A person ran it, or stopped it."""
        block.mark = "edited"
        if node is not None:
            node.hands += 1
            node.causes += 1


def is_of(edit: Edited | events.Edit, held: Held | events.Hold) -> bool:
    """Whether a change at an address is one of the value that is held there, and not of something beside it."""
    match edit.field:
        case "note":
            return False
        case "say":
            return part(edit.value, "at") == held.point
        case "limit":
            return held.point == "limit" and part(edit.value, "name") == held.value.get("name")
        case "model" | "params":
            return held.point != "limit"
        case _:
            return True


def _shown(value: Any) -> Any:
    """A text, or none; of a damaged or foreign journal, whatever stands there instead, to be looked at."""
    return value if value is None or isinstance(value, str | Blob) else repr(value)


def _text(value: Any) -> Text:
    return value if isinstance(value, str | Blob) else ""


def _accepts(verdict: Any) -> bool:
    return not isinstance(verdict, Mapping) or bool(cast(Mapping[str, Any], verdict).get("accept", True))
