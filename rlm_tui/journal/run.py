"""The fold: events in, a run out. The same for a run that lives, one that ended, and one that somebody left.

No event costs time proportional to the run: totals climb to the ancestors, a child finds its call by address.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import Any, Literal

from rlm_tui.journal import address, events, once
from rlm_tui.journal.events import ContextInfo, Event, Text
from rlm_tui.journal.hands import REVERTED, Hands
from rlm_tui.journal.totals import Totals
from rlm_tui.journal.tree import NO_CUTS, Attempt, Block, Call, Iteration, Mark, Node

RunState = Literal["empty", "running", "held", "ended"]


class Run(Hands):
    """One run, as far as its events go.

    An event that was applied before, by its ``seq``, is let be; so a journal can be loaded after subscribing to it.

    Attributes:
        start: ``run.start``, once it is there.
        started: When the first event was, in seconds since the epoch.
        away_s: Seconds since then in which no process had it, between one that left it and the next.
        seen: How many events were applied.
        own: Tokens and money of what this run asked for itself: in a fork, without what it began with.
        errors: Failed requests that were given up, failed blocks, calls and nodes.
        subcalls: How many sub-calls were asked for.
        children: How many of them ran as child RLMs.
        end: ``run.end``, once it is there.
        rebuilding: By node, how far the making anew of its REPL has come, while it is under way.
        unknown: How many events of a newer version were met.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        super().__init__()
        self.id = ""
        self.start: Event | None = None
        self.task: Text = ""
        self.context: ContextInfo | None = None
        self.config: dict[str, Any] = {}
        self.environment: dict[str, Any] = {}
        self.parent: dict[str, Any] | None = None
        self.end: events.RunEnd | None = None
        self.rebuilding: dict[str, events.Rebuild] = {}
        self.started: float | None = None
        self.away_s = 0.0
        self.seen = 0
        self._next = 0
        self._acted: float | None = None
        self.unknown = 0
        self.own = Totals()
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
    def inherited(self) -> int:
        """How many of its events are another run's: those after ``run.start`` that a fork began with; else 0."""
        kept = (self.parent or {}).get("kept", 0)
        return kept if isinstance(kept, int) else 0

    @property
    def totals(self) -> Totals:
        """Tokens and money of the whole tree, what a fork began with included."""
        return self.root.total if self.root else Totals()

    def apply(self, event: Event) -> None:
        """Take one more event. Events of a newer version are counted and otherwise let be."""
        if 0 <= event.seq < self._next:
            return
        self._next = event.seq + 1
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
            case events.Rebuild():
                self._rebuild(event)
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
        if not isinstance(event, events.Edit):
            # A change can be written down while nobody runs it.
            self._acted = event.t

    # What each event does ---------------------------------------------------------------------------------------

    def _run_start(self, event: events.RunStart) -> None:
        self.start, self.id, self.task, self.context = event, event.run, event.task, event.context
        self.config, self.environment, self.parent = event.config, event.environment, event.parent

    def _run_end(self, event: events.RunEnd) -> None:
        self.end = event
        self.rebuilding.clear()
        self._let_go_all()

    def _node_start(self, event: events.NodeStart) -> None:
        if (known := self.nodes.get(event.id)) is not None:
            if known.status == "killed":
                # The block that asked for it was stopped, and runs again.
                known.status, known.ended = "open", None
            return
        call = self.calls.get(event.id)
        node = Node(
            event.id, event.depth, event.prompt, event.context, event.model, event.t, event.limits, call,
            self.nodes.get(address.node_of(call.block.id)) if call else None,
        )  # fmt: skip
        self.nodes[event.id] = node
        if call is not None:
            call.node = node
            node.downstream = call.mark != ""
            self.children += 1
        elif event.id == address.ROOT or self.root is None:
            self.root = node

    def _node_end(self, event: events.NodeEnd) -> None:
        self._let_go_in(event.id)
        node = self.nodes.get(event.id)
        if node is None:
            return
        node.status, node.value, node.data, node.type = event.status, event.value, event.data, event.type
        node.via, node.limit, node.partial, node.error = event.via, event.limit, event.partial, event.error
        node.ended, node.seconds = event.t, event.seconds
        if event.via == "forced":
            node.final_mark = "edited"
            node.downstream = True
        elif node.tainted and not node.final_mark:
            node.final_mark = "downstream"
        if node.status == "error":
            self.errors += 1
        self.rebuilding.pop(event.id, None)

    def _llm_start(self, event: events.LlmStart) -> None:
        self._let_go(event.id)
        if address.is_sample(event.id):
            self._sample(event)
            return
        call = self.calls.get(event.id)
        if call is not None and call.status != "open":
            # Its answer had come, and a person wants another.
            call.status, call.ended = "open", None
            call.block.open_calls += not call.unasked
        owner = self._iteration(event.id) if call is None else call
        previous = owner.attempts[-1] if owner.attempts else None
        if isinstance(owner, Iteration):
            previous = owner.node.last_attempt
            if owner.node.tainted and not owner.mark:
                owner.mark = "downstream"
        attempt = once.attempt(event, owner, previous)
        owner.attempts.append(attempt)
        if isinstance(owner, Iteration):
            owner.node.last_attempt = attempt

    def _sample(self, event: events.LlmStart) -> None:
        """A further reply to a request that has one: what comes after does not build on it."""
        iteration = self._iteration(address.parent(event.id))
        previous = iteration.attempts[-1] if iteration.attempts else None
        iteration.samples.append(once.attempt(event, iteration, previous, event.id))

    def _asked(self, id: str) -> tuple[Iteration | Call, list[Attempt]]:
        """Whose request an address is, and its attempts so far."""
        if address.is_sample(id):
            iteration = self._iteration(address.parent(id))
            return iteration, [sample for sample in iteration.samples if sample.id == id]
        owner = self.calls.get(id) or self._iteration(id)
        return owner, owner.attempts

    def _llm_end(self, event: events.LlmEnd) -> None:
        owner, attempts = self._asked(event.id)
        attempt = next((a for a in reversed(attempts) if a.attempt == event.attempt), None)
        if attempt is None:
            return
        attempt.status, attempt.reply, attempt.reasoning = event.status, event.reply, event.reasoning
        attempt.finish_reason, attempt.usage, attempt.error = event.finish_reason, event.usage, event.error
        attempt.api_base, attempt.wait, attempt.of, attempt.ms = event.api_base, event.wait, event.of, event.ms
        attempt.ended = event.t
        attempt.stream = ()
        if event.status == "partial" and event.by == "human":
            self._taken(owner)
        if event.status == "error" and event.wait is None:
            self.errors += 1
        if event.usage is not None or event.status in ("ok", "partial"):
            self._count(owner, event.usage, event.seq)

    def _count(self, owner: Iteration | Call, usage: events.Usage | None, seq: int) -> None:
        if not 0 <= seq <= self.inherited:
            self.own.add(usage)
        if isinstance(owner, Call):
            node = self._node_at(owner.block.id)
            owner.usage = usage
        else:
            node = owner.node
            node.own.add(usage)
        for above in node.up() if node else ():
            above.total.add(usage)

    def _exec_start(self, event: events.ExecStart) -> None:
        self._let_go(event.id)
        if event.origin == "model":
            self._let_go(address.parent(event.id))
        block = self._block(event.id, event.code)
        block.begin(event)
        node = self._node_at(event.id)
        if event.origin == "human" or (event.origin == "eval" and event.by == "human"):
            self._by_hand(block, node)
        elif node is not None and node.tainted and not block.mark:
            block.mark = "downstream"

    def _exec_end(self, event: events.ExecEnd) -> None:
        # Whoever stood in it, stands in it no more.
        self._let_go(event.id)
        block = self.blocks.get(event.id)
        if block is None:
            return
        block.divergence = event.divergence
        block.status, block.stdout, block.stderr, block.raw = event.status, event.stdout, event.stderr, event.raw
        block.stderr_at, block.value, block.error, block.cuts = (
            event.stderr_at,
            event.value,
            event.error,
            event.cuts or NO_CUTS,
        )
        block.changed, block.removed, block.finals = event.changed, event.removed, event.finals
        block.answer, block.put_back, block.effects = event.answer, event.put_back, event.effects
        block.notes, block.ms, block.ended = event.notes, event.ms, event.t
        block.reasons += tuple(r for r in event.reasons if r not in block.reasons)
        block.stream = ()
        if event.unasked:
            block.leave(frozenset(event.unasked))
        for call in block.calls:
            if not call.unasked:
                self._delivered(call)
        node = self._node_at(event.id)
        if event.by is not None and event.status in ("aborted", "died"):
            block.stopped_by = event.by
            if block.origin == "model":
                self._by_hand(block, node)
        if node is None:
            return
        _keep_changes(node, block)
        if event.status in ("error", "timeout", "died"):
            self.errors += 1

    def _rebuild(self, event: events.Rebuild) -> None:
        node = address.node_of(event.id)
        if event.done < event.of:
            self.rebuilding[node] = event
        else:
            self.rebuilding.pop(node, None)
        if event.done == 0 and node in self.nodes:
            self._made_anew(self.nodes[node])
        block = self.blocks.get(event.id)
        if block is not None and event.done:
            block.rebuilt = event

    @staticmethod
    def _made_anew(node: Node) -> None:
        """What a block left that can't be run again is gone with the old REPL."""
        node.variables.clear()
        for block in node.ran():
            if block.repeatable:
                _keep_changes(node, block)

    def _call_start(self, event: events.CallStart) -> None:
        block = self._asking(event.id)
        if (known := self.calls.get(event.id)) is not None and known.status == "killed":
            # It ended with its block, which runs again.
            known.status, known.ended = "open", None
            known.block.open_calls += not known.unasked
            return
        if block is None or known is not None:
            return
        call = Call(
            event.id, intern(event.fn), event.prompt, block, event.t, event.model, event.batch, event.item, event.size,
            event.ran_as, event.reason,
        )  # fmt: skip
        node = self._node_at(block.id)
        if node is not None and node.tainted:
            call.mark = "downstream"
        self.calls[event.id] = call
        block.calls.append(call)
        block.open_calls += 1
        self.subcalls += 1

    def _asking(self, call: str) -> Block | None:
        """The block that asks: in a fork it is to run once more, and its calls are there before it begins."""
        id = address.parent(call)
        known = self.blocks.get(id)
        return known if known is not None or not address.is_code(id) else self._block(id, "")

    def _call_end(self, event: events.CallEnd) -> None:
        self._let_go(event.id)
        call = self.calls.get(event.id)
        if call is None:
            return
        if call.status == "open":
            call.block.open_calls -= not call.unasked
            if call.ran_as == "opaque" and event.usage is not None:
                self._count(call, event.usage, event.seq)
        call.status, call.value, call.error, call.limit = event.status, event.value, event.error, event.limit
        if call.attempts and call.attempts[-1].reply == event.value:
            call.value = call.attempts[-1].reply
        call.cut, call.seconds, call.ended = event.cut, event.seconds, event.t
        if event.usage is not None and event.usage != call.usage:
            call.usage = event.usage
        if call.status in ("error", "timeout"):
            self.errors += 1
        self._delivered(call)

    def _obs(self, event: events.Obs) -> None:
        self._let_go(event.id)
        iteration = self._iteration(event.id)
        iteration.obs, iteration.obs_length = event.text, event.raw_length
        if iteration.node.tainted and not iteration.obs_mark:
            iteration.obs_mark = "downstream"

    def _chunk(self, event: events.Chunk) -> None:
        if event.kind in ("reply", "reasoning"):
            _, attempts = self._asked(event.id)
            if event.kind == "reply" and attempts and attempts[-1].ended is None:
                attempts[-1].stream = once.grown(attempts[-1].stream, event.text)
        elif block := self.blocks.get(event.id):
            piece = (event.kind, event.text)
            if event.late:
                block.late = once.grown(block.late, piece)
            else:
                block.stream = once.grown(block.stream, piece)

    def _go(self, event: events.Go) -> None:
        if event.verb == events.RESUME:
            self._taken_up(event)
        else:
            self._hand_on(event.id)

    def _taken_up(self, event: events.Go) -> None:
        """Another process goes on: nothing is held or under way any more, and the time between was nobody's."""
        before = event.t if self._acted is None else self._acted
        away = max(0.0, event.t - before)
        # What a branch inherited was before it began.
        self.away_s += max(0.0, event.t - max(before, self.started or 0.0))
        for node in self.nodes.values():
            if node.status == "open" and node.held_since is None:
                node.held_s += away
            if node.status == "open" and node.latest is not None:
                self._lose(node.latest, before)
        self._let_go_all()
        self.rebuilding.clear()

    @staticmethod
    def _lose(turn: Iteration, at: float) -> None:
        """What was under way in it is asked again, or run again."""
        asked = [*turn.attempts, *turn.samples]
        for block in turn.blocks:
            asked += [attempt for call in block.calls for attempt in call.attempts[-1:]]
            if block.status == "open":
                block.status = "new"
                block.stream = ()
        for attempt in asked:
            if attempt.ended is None:
                attempt.status, attempt.ended = "lost", at


def _keep_changes(node: Node, block: Block) -> None:
    for row in block.changed:
        node.variables[row.name] = row
    for name in block.removed:
        node.variables.pop(name, None)


__all__ = ["REVERTED", "Mark", "Run", "RunState"]
