"""The fold: events in, a run out. The same for a run that lives, one that ended, and one that somebody left.

No event costs time proportional to the run: totals climb to the ancestors, a child finds its call by address.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from rlm_tui.journal import address, events
from rlm_tui.journal.events import ContextInfo, Event, Text
from rlm_tui.journal.totals import Totals
from rlm_tui.journal.tree import Attempt, Block, Call, Edited, Held, Iteration, Mark, Node

REVERTED = "reverted"
"""The note of an ``edit`` that takes back what was changed while it was held."""

RunState = Literal["empty", "running", "held", "ended"]


class Run:
    """One run, as far as its events go.

    Attributes:
        root: The root node; None before it began.
        nodes: RLM nodes by address.
        calls: Sub-calls by address.
        blocks: Blocks by address, those of a person included.
        held: What is held, by address, in the order it was held.
        edits: What people changed, oldest first.
        end: ``run.end``, once it is there.
        unknown: How many events of a newer version were met.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.id = ""
        self.start: Event | None = None
        self.task: Text = ""
        self.context: ContextInfo | None = None
        self.config: dict[str, Any] = {}
        self.environment: dict[str, Any] = {}
        self.parent: dict[str, Any] | None = None
        self.root: Node | None = None
        self.nodes: dict[str, Node] = {}
        self.iterations: dict[str, Iteration] = {}
        self.calls: dict[str, Call] = {}
        self.blocks: dict[str, Block] = {}
        self.held: dict[str, Held] = {}
        self.edits: list[Edited] = []
        self.end: events.RunEnd | None = None
        self.started: float | None = None
        self.last: float | None = None
        self.seen = 0
        self.unknown = 0
        self.errors = 0
        self.subcalls = 0
        self.children = 0
        for event in events:
            self.apply(event)

    @property
    def state(self) -> RunState:
        """What the run is doing, as far as its journal tells."""
        if self.root is None:
            return "empty" if self.end is None else "ended"
        if self.end is not None:
            return "ended"
        return "held" if self.held else "running"

    @property
    def totals(self) -> Totals:
        """Tokens and money of the whole tree."""
        return self.root.total if self.root else Totals()

    def apply(self, event: Event) -> None:
        """Take one more event. Events of a newer version are counted and otherwise let be."""
        self.seen += 1
        self.started = event.t if self.started is None else self.started
        self.last = event.t
        match event:
            case events.Chunk():
                self._chunk(event)
            case events.LlmStart():
                self._llm_start(event)
            case events.LlmEnd():
                self._llm_end(event)
            case events.ExecStart():
                self._exec_start(event)
            case events.ExecEnd():
                self._exec_end(event)
            case events.CallStart():
                self._call_start(event)
            case events.CallEnd():
                self._call_end(event)
            case events.Obs():
                self._obs(event)
            case events.NodeStart():
                self._node_start(event)
            case events.NodeEnd():
                self._node_end(event)
            case events.Hold():
                self._hold(event)
            case events.Go():
                self._go(event)
            case events.Edit():
                self._edit(event)
            case events.RunStart():
                self._run_start(event)
            case events.RunEnd():
                self._run_end(event)
            case _:
                self.unknown += 1

    # What each event does ---------------------------------------------------------------------------------------

    def _run_start(self, event: events.RunStart) -> None:
        self.start, self.id, self.task, self.context = event, event.run, event.task, event.context
        self.config, self.environment, self.parent = event.config, event.environment, event.parent

    def _run_end(self, event: events.RunEnd) -> None:
        self.end = event
        self._let_go_all()

    def _node_start(self, event: events.NodeStart) -> None:
        if event.id in self.nodes:
            return
        call = self.calls.get(event.id)
        node = Node(
            event.id, event.depth, event.prompt, event.context, event.model, event.t, event.limits, call,
            self.nodes.get(address.node_of(call.block.id)) if call else None,
        )  # fmt: skip
        self.nodes[event.id] = node
        if call is None:
            self.root = node
        else:
            call.node = node
            node.tainted = call.mark != ""
            self.children += 1

    def _node_end(self, event: events.NodeEnd) -> None:
        node = self.nodes.get(event.id)
        if node is None:
            return
        node.status, node.value, node.data, node.type = event.status, event.value, event.data, event.type
        node.via, node.limit, node.partial, node.error = event.via, event.limit, event.partial, event.error
        node.ended, node.seconds = event.t, event.seconds
        if event.via == "forced":
            node.edited = node.tainted = True
        node.final_mark = "downstream" if node.tainted else ""
        if node.status == "error":
            self.errors += 1
        for held in [h for h in self.held.values() if h.node == event.id]:
            self._let_go(held.id)

    def _llm_start(self, event: events.LlmStart) -> None:
        call = self.calls.get(event.id)
        owner = self._iteration(event.id) if call is None else call
        previous = owner.attempts[-1] if owner.attempts else None
        if isinstance(owner, Iteration):
            previous = owner.node.last_attempt
            if owner.node.tainted and not owner.mark:
                owner.mark = "downstream"
        attempt = Attempt(
            event.id, event.attempt, event.t, event.base, event.add, event.model, event.params, previous
        )  # fmt: skip
        owner.attempts.append(attempt)
        if isinstance(owner, Iteration):
            owner.node.last_attempt = attempt

    def _llm_end(self, event: events.LlmEnd) -> None:
        call = self.calls.get(event.id)
        owner = self._iteration(event.id) if call is None else call
        attempt = next((a for a in reversed(owner.attempts) if a.attempt == event.attempt), None)
        if attempt is None:
            return
        attempt.status, attempt.reply, attempt.reasoning = event.status, event.reply, event.reasoning
        attempt.finish_reason, attempt.usage, attempt.error = event.finish_reason, event.usage, event.error
        attempt.api_base, attempt.wait, attempt.ms, attempt.ended = event.api_base, event.wait, event.ms, event.t
        attempt.stream.clear()
        if event.status == "error" and event.wait is None:
            self.errors += 1
        if event.usage is not None or event.status in ("ok", "partial"):
            self._count(owner, event.usage)

    def _count(self, owner: Iteration | Call, usage: events.Usage | None) -> None:
        node: Node | None
        if isinstance(owner, Call):
            node = self.nodes.get(address.node_of(owner.block.id))
            owner.usage = usage
        else:
            node = owner.node
            node.own.add(usage)
        while node is not None:
            node.total.add(usage)
            node = node.parent

    def _exec_start(self, event: events.ExecStart) -> None:
        block = self._block(event.id, event.code)
        if block is None:
            return
        block.code, block.span, block.origin, block.reasons = event.code, event.span, event.origin, event.reasons
        block.status, block.started, block.ended = "open", event.t, None
        node = self._node_at(event.id)
        if node is not None and node.tainted and not block.mark:
            block.mark = "downstream"

    def _exec_end(self, event: events.ExecEnd) -> None:
        block = self.blocks.get(event.id)
        if block is None:
            return
        block.status, block.stdout, block.stderr, block.raw = event.status, event.stdout, event.stderr, event.raw
        block.stderr_at, block.value, block.error, block.cuts = event.stderr_at, event.value, event.error, event.cuts
        block.changed, block.removed, block.finals = event.changed, event.removed, event.finals
        block.answer, block.put_back, block.effects = event.answer, event.put_back, event.effects
        block.notes, block.ms, block.ended = event.notes, event.ms, event.t
        block.reasons += tuple(r for r in event.reasons if r not in block.reasons)
        block.stream.clear()
        node = self._node_at(event.id)
        if node is None:
            return
        for row in event.changed:
            node.variables[row.name] = row
        for name in event.removed:
            node.variables.pop(name, None)
        if event.status in ("error", "timeout", "died"):
            self.errors += 1

    def _call_start(self, event: events.CallStart) -> None:
        block = self.blocks.get(address.parent(event.id))
        if block is None or event.id in self.calls:
            return
        call = Call(
            event.id, event.fn, event.prompt, block, event.t, event.model, event.batch, event.item, event.size,
            event.ran_as, event.reason,
        )  # fmt: skip
        node = self._node_at(block.id)
        if node is not None and node.tainted:
            call.mark = "downstream"
        self.calls[event.id] = call
        block.calls.append(call)
        block.open_calls += 1
        self.subcalls += 1

    def _call_end(self, event: events.CallEnd) -> None:
        call = self.calls.get(event.id)
        if call is None:
            return
        if call.status == "open":
            call.block.open_calls -= 1
        call.status, call.value, call.error, call.limit = event.status, event.value, event.error, event.limit
        call.cut, call.seconds, call.ended = event.cut, event.seconds, event.t
        call.usage = event.usage or call.usage
        if call.status in ("error", "timeout"):
            self.errors += 1
        if call.row_mark:
            self._taint_block(call.block)
        self._let_go(event.id)

    def _obs(self, event: events.Obs) -> None:
        iteration = self._iteration(event.id)
        iteration.obs, iteration.obs_length = event.text, event.raw_length
        if iteration.node.tainted and not iteration.obs_mark:
            iteration.obs_mark = "downstream"

    def _chunk(self, event: events.Chunk) -> None:
        if event.kind in ("reply", "reasoning"):
            call = self.calls.get(event.id)
            attempts = call.attempts if call else self._iteration(event.id).attempts
            if event.kind == "reply" and attempts and attempts[-1].ended is None:
                attempts[-1].stream.append(event.text)
        elif block := self.blocks.get(event.id):
            (block.late if event.late else block.stream).append((event.kind, event.text))

    def _hold(self, event: events.Hold) -> None:
        held = Held(event.id, event.point, event.node, event.value, event.why, event.t)
        self.held[event.id] = held
        if event.point == "block":
            self._block(event.id, str(event.value.get("code", "")))
        for thing in self._things(event.id, event.node):
            thing.held = held

    def _go(self, event: events.Go) -> None:
        self._let_go(event.id)

    def _edit(self, event: events.Edit) -> None:
        node = self._node_at(event.id)
        if event.note == REVERTED:
            self._revert(event, node)
            return
        before = (node.edited, node.tainted) if node else (False, False)
        by = event.by or ""
        self.edits.append(Edited(event.id, event.field, event.value, event.was, event.note, event.t, by, before))
        if event.field == "note":
            return
        if node is not None:
            node.edited = node.tainted = True
        thing = self.blocks.get(event.id) or self.calls.get(event.id) or self.iterations.get(event.id)
        match thing, event.field:
            case Block(), "code":
                thing.was = thing.code if thing.was is None else thing.was
                thing.code, thing.mark = event.value, "edited"
            case Block(), _:
                thing.mark = "edited"
            case Call(), field:
                self._edit_call(thing, field, event)
            case Iteration(), "reply":
                thing.edited_reply, thing.mark = event.value, "edited"
            case Iteration(), "obs":
                thing.obs_was, thing.obs_mark = event.was, "edited"
            case Iteration(), "final":
                if node is not None:
                    node.final_mark = "edited"
            case Iteration(), _:
                thing.mark = "edited"
            case _:
                pass

    def _revert(self, event: events.Edit, node: Node | None) -> None:
        """Take a change back that nothing has followed from yet: as if it had not been made."""
        mine = [edit for edit in self.edits if edit.id == event.id and edit.field != "note"]
        if not mine:
            return
        self.edits = [edit for edit in self.edits if edit not in mine]
        tainted = mine[0].before[1]
        if node is not None:
            node.edited, node.tainted = mine[0].before
        mark: Mark = "downstream" if tainted else ""
        match self.blocks.get(event.id) or self.calls.get(event.id) or self.iterations.get(event.id):
            case Block() as block:
                block.code, block.was, block.mark = block.code if block.was is None else block.was, None, mark
            case Call() as call:
                call.edited_prompt, call.was, call.mark = None, None, mark
            case Iteration() as iteration:
                iteration.edited_reply, iteration.obs_was, iteration.obs_mark = None, None, ""
                iteration.mark = mark
            case _:
                pass

    def _edit_call(self, call: Call, field: str, event: events.Edit) -> None:
        call.mark = "edited"
        if field == "prompt":
            call.edited_prompt = event.value
        elif field == "answer":
            call.was = event.was
            if call.status != "open":
                call.value, call.status = event.value, "supplied"
            self._taint_block(call.block)

    # Finding and making ------------------------------------------------------------------------------------------

    def _node_at(self, id: str) -> Node | None:
        """The node something belongs to; of a leaf's address, the node whose block asked."""
        owner = address.node_of(id)
        if owner not in self.nodes and (call := self.calls.get(owner)):
            owner = address.node_of(call.block.id)
        return self.nodes.get(owner)

    def _iteration(self, id: str) -> Iteration:
        if id not in self.iterations:
            node = self.nodes.get(address.node_of(id)) or self._orphanage(id)
            iteration = Iteration(id, address.number(id), node)
            self.iterations[id] = iteration
            if id.endswith("/default"):
                node.default = iteration
            else:
                node.iterations.append(iteration)
        return self.iterations[id]

    def _orphanage(self, id: str) -> Node:
        """A node for events whose ``node.start`` is not there: a damaged journal still folds."""
        node = Node(address.node_of(id), 0, "", ContextInfo(kind="str", text="", length=0), "", self.last or 0.0)
        self.nodes[node.id] = node
        self.root = self.root or node
        return node

    def _block(self, id: str, code: Text) -> Block | None:
        if id not in self.blocks:
            base, _, _ = id.partition("+") if "+" in id.rsplit("/", 1)[-1] else (id, "", "")
            iteration = self._iteration(address.parent(base) if base.rsplit("/", 1)[-1].startswith("b") else base)
            block = Block(id, address.number(base), code)
            self.blocks[id] = block
            if id.endswith("/final"):
                iteration.resolved = block
            else:
                iteration.blocks.append(block)
        return self.blocks[id]

    def _things(self, id: str, node: str) -> list[Any]:
        found = (self.nodes.get(node), self.blocks.get(id), self.calls.get(id), self.iterations.get(id))
        return [thing for thing in found if thing is not None]

    def _taint_block(self, block: Block) -> None:
        node = self._node_at(block.id)
        block.mark = block.mark or "downstream"
        if node is not None:
            node.tainted = True

    def _let_go(self, id: str) -> None:
        held = self.held.pop(id, None)
        if held is None:
            return
        for thing in self._things(id, held.node):
            thing.held = None
        node = self.nodes.get(held.node)
        while node is not None:
            node.held_s += (self.last or held.since) - held.since
            node = node.parent
        others = [h for h in self.held.values() if h.node == held.node]
        if others and held.node in self.nodes:
            self.nodes[held.node].held = others[-1]

    def _let_go_all(self) -> None:
        for id in list(self.held):
            self._let_go(id)


__all__ = ["REVERTED", "Mark", "Run", "RunState"]
