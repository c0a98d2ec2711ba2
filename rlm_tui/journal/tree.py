"""The shapes of a run, as the fold makes them: Run > Node > Iteration > Block > Call.

Only `rlm_tui.journal.run.Run.apply` writes them. Everyone else reads. They refer to one another both ways, so two of
them are equal only when they are the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from rlm_tui.journal.events import (
    ContextInfo,
    CutInfo,
    ErrorInfo,
    ExecStart,
    Message,
    Point,
    Proposal,
    Rebuild,
    Text,
    Usage,
    VariableRow,
    Why,
)
from rlm_tui.journal.totals import Totals

IN_FRAME = "in_frame"
"""The remark on a person's code that ran inside a block while that stood still."""
REPL_LOST = "repl_lost"
"""The remark on a block that was stopped together with its REPL: nothing it did was kept."""

NO_CUTS: Mapping[str, CutInfo] = MappingProxyType({})
"""Of a block whose output was kept whole."""

Mark = Literal["", "edited", "downstream"]
"""A person's hand: here, or somewhere this follows from."""

State = Literal[
    "new", "sampling", "executing", "waiting", "between", "held",
    "done", "answered", "error", "timeout", "killed", "refused", "limit", "unanswered", "supplied", "skipped",
]  # fmt: skip
"""What a node, a block or a call is doing. ``between``: alive, and at no act of its own right now."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt at one model request. ``ended`` is None while it is open."""

    id: str
    attempt: int
    started: float
    base: int = 0
    sent: tuple[Message, ...] | Text = ()
    """What it added; of a plain sub-call, which is asked with one message of its user's, that message's text."""
    model: str = ""
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    previous: Attempt | None = field(default=None, repr=False)
    status: Literal["open", "ok", "error", "cancelled", "partial", "lost"] = "open"
    """``lost``: whoever asked is gone, and nobody knows what came of it."""
    reply: Text = ""
    reasoning: Text = ""
    finish_reason: str | None = None
    api_base: str | None = None
    usage: Usage | None = None
    error: ErrorInfo | None = None
    wait: float | None = None
    of: int | None = None
    """How many attempts there may be by themselves, where another follows."""
    ms: float = 0.0
    ended: float | None = None
    stream: Sequence[str] = ()
    """Pieces of the reply while it is on its way; empty once it is whole."""

    @property
    def add(self) -> tuple[Message, ...]:
        """The messages that it added to the one before it."""
        return self.sent if isinstance(self.sent, tuple) else (Message(role="user", content=self.sent),)

    def messages(self) -> list[Message]:
        """The messages exactly as sent, oldest first. Time grows with their number."""
        parts: list[tuple[Message, ...]] = []
        at: Attempt | None = self
        wanted = self.base + len(self.add)
        while at is not None and wanted > 0:
            parts.append(at.add[: max(0, wanted - at.base)])
            wanted = min(wanted, at.base)
            at = at.previous
        return [message for part in reversed(parts) for message in part]


@dataclass(slots=True)
class Held:
    """A value in a gate's hand."""

    id: str
    point: Point
    node: str
    value: dict[str, Any]
    why: Why
    since: float
    first_edit: int = 0
    """How many changes the run had before it was held."""
    reason: str = ""
    """More of why, in words: the breakpoint, its error, or the verb that ended early here."""


@dataclass(slots=True)
class Edited:
    """One change by a person, with what was there before."""

    id: str
    field: str
    value: Any
    was: Any
    note: str
    t: float
    by: str


@dataclass(slots=True, eq=False)
class Call:
    """One sub-call: what the REPL asked for and got. ``node`` is the child RLM, when it ran as one."""

    id: str
    fn: str
    prompt: Text
    block: Block = field(repr=False)
    started: float
    model: str | None = None
    batch: int | None = None
    item: int | None = None
    size: int | None = None
    ran_as: Literal["llm", "rlm", "opaque"] = "llm"
    reason: str | None = None
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    node: Node | None = None
    status: Literal["open", "ok", "error", "supplied", "killed", "timeout", "refused"] = "open"
    value: Text | None = None
    error: ErrorInfo | None = None
    limit: str | None = None
    cut: int | None = None
    usage: Usage | None = None
    seconds: float = 0.0
    ended: float | None = None
    edited_prompt: Text | None = None
    was: Text | None = None
    """The answer as it was before a person supplied another."""
    came: tuple[Literal["open", "ok", "error", "supplied", "killed", "timeout", "refused"], Text | None] | None = None
    """Status and value as they came, where a person supplied another answer after that."""
    mark: Mark = ""
    held: Held | None = None
    unasked: bool = False
    """Whether its block ran again and did not ask for it: what a fork has left over. It counts nowhere as open."""

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        if self.unasked and self.status == "open":
            return "skipped"
        if self.held is not None or (self.node is not None and self.node.held is not None):
            return "held"
        if self.status == "ok":
            return "unanswered" if self.value is None else "done"
        if self.status != "open":
            return self.status
        if self.node is not None:
            return self.node.state
        return "sampling" if self.attempts and self.attempts[-1].ended is None else "new"

    @property
    def row_mark(self) -> Mark:
        """The mark of its row in the tree: a hand anywhere in the child shows here too."""
        if self.mark == "edited" or (self.node is not None and self.node.edited):
            return "edited"
        return "downstream" if self.mark or (self.node is not None and self.node.tainted) else ""


@dataclass(slots=True, eq=False)
class Block:
    """One piece of code of a reply. ``was`` is the model's own code when a person changed it."""

    id: str
    j: int
    code: Text
    started: float | None = None
    was: Text | None = None
    span: tuple[int, int] | None = None
    origin: Literal["model", "human", "eval"] = "model"
    by: str | None = None
    """Who began it, when it was not the engine."""
    stopped_by: str | None = None
    """Who aborted it, or killed its worker, when it was not the engine."""
    seq: int = -1
    """Where in the journal it began last: the order in which a node's REPL met its blocks."""
    status: Literal["new", "open", "ok", "error", "aborted", "died", "skipped", "timeout"] = "new"
    stdout: Text = ""
    stderr: Text = ""
    stderr_at: tuple[tuple[int, int], ...] = ()
    raw: Text = ""
    value: Text | None = None
    error: Text | None = None
    changed: tuple[VariableRow, ...] = ()
    removed: tuple[str, ...] = ()
    finals: tuple[Proposal, ...] = ()
    answer: Proposal | None = None
    put_back: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    cuts: Mapping[str, CutInfo] = field(default_factory=lambda: NO_CUTS)
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    divergence: str | None = None
    """What its REPL, made anew, had different from the record when this ran all the same."""
    ms: float = 0.0
    ended: float | None = None
    stream: Sequence[tuple[str, str]] = ()
    """Pieces of output (stream, text) while it runs; empty once it ended."""
    late: Sequence[tuple[str, str]] = ()
    """Output that its threads made after it had ended."""
    calls: list[Call] = field(default_factory=list[Call])
    open_calls: int = 0
    mark: Mark = ""
    held: Held | None = None
    rebuilt: Rebuild | None = None
    """How it compared with its record when it was last run again."""

    def begin(self, start: ExecStart) -> None:
        """It runs, perhaps once more: what came of it before counts no longer."""
        self.code, self.span, self.origin, self.reasons = start.code, start.span, start.origin, start.reasons
        self.status, self.started, self.ended, self.seq, self.ms = "open", start.t, None, start.seq, 0.0
        self.by, self.stopped_by, self.divergence = start.by, None, None
        self.stdout, self.stderr, self.stderr_at, self.raw, self.cuts = "", "", (), "", NO_CUTS
        self.value, self.error, self.answer = None, None, None
        self.changed, self.removed, self.finals, self.put_back, self.effects, self.notes = (), (), (), (), (), ()
        self.stream = ()
        for call in self.calls:
            if call.unasked:
                # It may be asked for this time.
                call.unasked = False
                self.open_calls += call.status == "open"

    def leave(self, unasked: Collection[str]) -> None:
        """It ran, and did not ask for these of its calls, which the journal had from before."""
        for call in self.calls:
            if call.id in unasked and not call.unasked:
                call.unasked = True
                self.open_calls -= call.status == "open"

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        if self.held is not None:
            return "held"
        match self.status:
            case "new":
                return "new"
            case "open":
                return "waiting" if self.open_calls else "executing"
            case "ok":
                return "done"
            case "skipped" | "timeout" | "error":
                return self.status
            case _:
                return "killed" if self.status == "aborted" else "error"

    @property
    def repeatable(self) -> bool:
        """Whether a REPL gets to where this left it by running it again."""
        return self.status in ("ok", "error") and IN_FRAME not in self.reasons


@dataclass(slots=True, eq=False)
class Iteration:
    """One model request and what follows it. ``k`` is 0 for the request of a default answer."""

    id: str
    k: int
    node: Node = field(repr=False)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    samples: list[Attempt] = field(default_factory=list[Attempt])
    """Further replies to the same request, which a person asked for to choose from; each has its own address."""
    blocks: list[Block] = field(default_factory=list[Block])
    edited_reply: Text | None = None
    obs: Text | None = None
    obs_was: Text | None = None
    obs_length: int = 0
    obs_mark: Mark = ""
    resolved: Block | None = None
    """The effect that read a textual ``FINAL_VAR`` from the REPL."""
    mark: Mark = ""
    held: Held | None = None

    @property
    def answered(self) -> Attempt | None:
        """The last attempt that came back with a reply, whole or as far as it was let come; None while none has."""
        return next((a for a in reversed(self.attempts) if a.status in ("ok", "partial")), None)

    @property
    def reply(self) -> Text | None:
        """The reply that counts: a person's edit, else the last that came; None while there is none."""
        if self.edited_reply is not None:
            return self.edited_reply
        return None if self.answered is None else self.answered.reply


@dataclass(slots=True, eq=False)
class Node:
    """One RLM loop: the root or a child RLM.

    ``total`` counts everything below it too, leaves included; ``own`` only its own requests.
    """

    id: str
    depth: int
    prompt: Text
    context: ContextInfo
    model: str
    started: float
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    call: Call | None = field(default=None, repr=False)
    parent: Node | None = field(default=None, repr=False)
    iterations: list[Iteration] = field(default_factory=list[Iteration])
    default: Iteration | None = None
    last_attempt: Attempt | None = None
    variables: dict[str, VariableRow] = field(default_factory=dict[str, VariableRow])
    own: Totals = field(default_factory=Totals)
    total: Totals = field(default_factory=Totals)
    status: Literal["open", "final", "exhausted", "limit", "error", "killed"] = "open"
    value: Text | None = None
    data: Text | None = None
    type: str | None = None
    via: str | None = None
    limit: str | None = None
    partial: Text | None = None
    error: ErrorInfo | None = None
    ended: float | None = None
    seconds: float | None = None
    held_s: float = 0.0
    """Seconds that it, or anything below it, was held, up to ``held_since``; what overlaps counts once."""
    holds: int = 0
    """How many values are held in it or below it now."""
    held_since: float | None = None
    """When the first of these was held."""
    hands: int = 0
    """How many changes and pieces of code of people stand in it, those on its sub-calls' prompts included."""
    causes: int = 0
    """How many of them its own next acts follow from already."""
    downstream: bool = False
    """Whether it follows from a hand elsewhere: what it was asked, or an answer that it got."""
    final_mark: Mark = ""
    held: Held | None = None
    """The newest value of this node (not of its children) in a gate's hand."""

    @property
    def state(self) -> State:
        """What it is doing, or how it ended."""
        if self.status == "open" and self.call is not None and self.call.unasked:
            return "skipped"
        if self.status != "open":
            if self.value is not None:
                return "answered"
            return "unanswered" if self.status in ("final", "exhausted") else self.status
        if self.held is not None:
            return "held"
        now = self.latest
        if now is None:
            return "new"
        if now.attempts and now.attempts[-1].ended is None:
            return "sampling"
        open_block = next((b for b in reversed(now.blocks) if b.status == "open"), None)
        return open_block.state if open_block else "between"

    @property
    def latest(self) -> Iteration | None:
        """What it is at: its newest iteration, or its request for a default answer."""
        return self.default or (self.iterations[-1] if self.iterations else None)

    @property
    def edited(self) -> bool:
        """Whether a person's hand is in it."""
        return self.hands > 0

    @property
    def tainted(self) -> bool:
        """Whether what it does now follows from a person's hand."""
        return self.causes > 0 or self.downstream

    @property
    def row_mark(self) -> Mark:
        """The mark of its row in the tree."""
        return "edited" if self.edited else "downstream" if self.tainted else ""

    def ran(self) -> list[Block]:
        """Everything that was begun in its REPL, evaluations among it, in the order it was begun last."""
        turns = [*self.iterations, *([self.default] if self.default else [])]
        begun = [block for turn in turns for block in turn.blocks if block.started is not None]
        return sorted(begun, key=lambda block: block.seq)

    def calls(self) -> Iterator[Call]:
        """Its sub-calls in the order they were asked for."""
        for iteration in self.iterations:
            for block in iteration.blocks:
                yield from block.calls

    def walk(self) -> Iterator[Node]:
        """Itself and every node below, parents first."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed([call.node for call in node.calls() if call.node is not None]))

    def up(self) -> Iterator[Node]:
        """Itself and every node above, children first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent
