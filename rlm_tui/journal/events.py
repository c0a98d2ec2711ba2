"""The vocabulary: sixteen events. Everything a run is, and everything a person did to it, is a list of these.

A ``*.start`` is an intent, written before the act. A ``*.end`` is the memory of its outcome, written before
anyone sees it. ``obs`` is remembered like an end. Lists of messages are stored as what was added.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

FORMAT = 1
"""Version of the journal's format, as written in ``run.start``."""

NodeStatus = Literal["final", "exhausted", "limit", "error", "killed"]
Via = Literal["FINAL", "FINAL_VAR", "answer", "default", "forced"]
RequestStatus = Literal["ok", "error", "cancelled", "partial"]
BlockStatus = Literal["ok", "error", "aborted", "died", "skipped", "timeout"]
CallStatus = Literal["ok", "error", "supplied", "killed", "timeout", "refused"]
Point = Literal["llm", "reply", "block", "call", "return", "observe", "final", "error", "limit", "line"]
"""Where a value can be held. ``line`` is inside a block that runs: it was broken in to, and stands where it was."""
Why = Literal["step", "breakpoint", "pause", "error", "limit", "start", "resume"]
RESUME = "resume"
"""The verb of the ``go`` with which another process takes a run up, and the ``by`` of what it notes about that."""
EditField = Literal[
    "messages", "model", "params", "limit", "reply", "code", "skip", "prompt", "answer", "obs",
    "final", "kill", "say", "note", "insert",
]  # fmt: skip
"""What a person changes. ``model``, ``params`` and ``limit`` at a node's address hold from there on; ``say`` is a
message to the model, ``{"text", "at"}`` with the point it goes in at (``llm`` or ``observe``); ``insert`` is code to
run before a block, ``{"code", "say"}`` (``say``: the model is shown it), the k-th of block ``…/b1`` at ``…/b1+hk``."""
ErrorKind = Literal[
    "key", "forbidden", "model", "request", "context", "filter", "rate", "quota", "server", "overloaded",
    "network", "timeout", "malformed", "empty", "cut", "died", "aborted", "diverged", "unknown",
]  # fmt: skip
"""What went wrong with a model request; or of a REPL: ``died``, ``aborted`` by a person, ``diverged`` in a rebuild."""
Finding = Literal["same", "output", "state", "calls", "unrepeatable", "died"]
"""How a block that was run again compares with its record: the worst of what differs."""


class Frozen(BaseModel):
    """A value that crosses rooms: nobody changes what another room handed out."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, defer_build=True)


class Blob(Frozen):
    """A text over 4 KB: kept in a file of its own, named by its hash.

    ``head`` is its first 256 characters, so that a row on a screen needs no second file.
    """

    sha256: str = Field(alias="$blob")
    length: int
    """Characters (code points) of the whole text."""
    head: str = ""


Text = str | Blob


class Usage(Frozen):
    """Tokens of one request or of many. What a provider did not report is None, never 0.

    ``cost`` is in US dollars. ``source`` tells who counted; ``mixed`` and ``unknown`` come from adding.
    """

    prompt: int | None = None
    completion: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    source: Literal["provider", "scripted", "estimate", "mixed"] | None = None

    @property
    def total(self) -> int | None:
        """Prompt and completion tokens together, None while either is unknown."""
        return None if self.prompt is None or self.completion is None else self.prompt + self.completion


class ErrorInfo(Frozen):
    """An error as a person reads it: its kind, and one line that says what to do."""

    kind: ErrorKind
    message: str
    detail: Text = ""


class Message(Frozen):
    """One message of a request: ``system``, ``user`` or ``assistant``."""

    role: str
    content: Text


class ContextInfo(Frozen):
    """The value that is ``context`` in a REPL. ``text`` is the value itself: a ``str`` as it is, else its JSON."""

    kind: Literal["str", "list", "dict"]
    text: Text
    length: int
    """Characters, all items together."""
    items: int | None = None


class Proposal(Frozen):
    """An answer that was declared. ``data`` is the JSON of a value that survives JSON unchanged, else None."""

    text: Text
    data: Text | None = None
    type: str = "str"
    via: Via = "FINAL"
    origin: Literal["call", "printed", "text", "dict", "default", "human"] = "call"
    block: str | None = None
    var: str | None = None
    span: tuple[int, int] | None = None
    reasons: tuple[str, ...] = ()
    after_error: bool = False
    chosen: bool = False
    refused: str | None = None
    """Why it does not count (``final_in_data``, ``unbalanced`` …), or None when it may."""


class VariableRow(Frozen):
    """One row of the variable listing, made without running a line of the model's code."""

    name: str
    type: str
    size: int | None = None
    brief: str = ""


class CutInfo(Frozen):
    """What a cap did not keep of an output, in characters."""

    kept: int
    total: int
    tail: str = ""


class Event(Frozen):
    """What every line has: ``seq`` from 0 without a gap, ``t`` in seconds since the epoch, ``id`` the address."""

    ev: Any
    """Its kind; a literal in each."""
    id: str
    seq: int = -1
    t: float = 0.0
    by: str | None = None
    """Who, when it was not the engine: ``human``, ``rule:<breakpoint>``, ``import``."""


class RunStart(Event):
    """A run begins."""

    ev: Literal["run.start"] = "run.start"
    format: int = FORMAT
    run: str
    task: Text
    context: ContextInfo
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    parent: dict[str, Any] | None = None


class RunEnd(Event):
    """A run is over."""

    ev: Literal["run.end"] = "run.end"
    status: NodeStatus
    value: Text | None = None
    totals: dict[str, Any] = {}
    error: ErrorInfo | None = None


class NodeStart(Event):
    """An RLM loop begins: the root, or a child at its call's address."""

    ev: Literal["node.start"] = "node.start"
    depth: int
    prompt: Text
    context: ContextInfo
    model: str
    limits: dict[str, Any] = {}


class NodeEnd(Event):
    """An RLM loop is over. ``value`` is None when it ended without an answer."""

    ev: Literal["node.end"] = "node.end"
    status: NodeStatus
    value: Text | None = None
    data: Text | None = None
    type: str | None = None
    via: Via | None = None
    limit: str | None = None
    partial: Text | None = None
    usage: Usage | None = None
    error: ErrorInfo | None = None
    seconds: float | None = None
    """Working time: without the time that it, or anything below it, was held."""


class LlmStart(Event):
    """A model request is about to be sent: the first ``base`` messages of the one before it, then ``add``."""

    ev: Literal["llm.start"] = "llm.start"
    attempt: int = 1
    base: int = 0
    add: tuple[Message, ...] = ()
    model: str = ""
    params: dict[str, Any] = {}


class LlmEnd(Event):
    """A model request came back, or did not."""

    ev: Literal["llm.end"] = "llm.end"
    attempt: int = 1
    status: RequestStatus
    reply: Text = ""
    reasoning: Text = ""
    finish_reason: str | None = None
    model: str | None = None
    api_base: str | None = None
    usage: Usage | None = None
    ms: float = 0.0
    error: ErrorInfo | None = None
    wait: float | None = None
    """Seconds before the next attempt, when there is to be one."""


class ExecStart(Event):
    """A block is about to run."""

    ev: Literal["exec.start"] = "exec.start"
    code: Text
    span: tuple[int, int] | None = None
    origin: Literal["model", "human", "eval"] = "model"
    reasons: tuple[str, ...] = ()


class ExecEnd(Event):
    """A block has run, or was skipped."""

    ev: Literal["exec.end"] = "exec.end"
    status: BlockStatus
    stdout: Text = ""
    stderr: Text = ""
    stderr_at: tuple[tuple[int, int], ...] = ()
    """Where pieces of ``stderr`` fell: (offset in ``stdout``, characters), so that both can be told as they came."""
    raw: Text = ""
    """What C code and child processes wrote past Python, to the process's own streams."""
    value: Text | None = None
    error: Text | None = None
    changed: tuple[VariableRow, ...] = ()
    removed: tuple[str, ...] = ()
    more_variables: int = 0
    finals: tuple[Proposal, ...] = ()
    answer: Proposal | None = None
    """``answer["content"]`` as it stood when the block ended, ready or not."""
    put_back: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    cuts: dict[str, CutInfo] = {}
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    ms: float = 0.0
    cpu_ms: float = 0.0
    divergence: str | None = None


class Rebuild(Event):
    """A REPL is made anew from its journal: ``done`` of ``of`` recorded blocks were run again.

    The first has ``done`` 0 and the address of what waits for the REPL; each further one that of the block it tells of.
    """

    ev: Literal["rebuild"] = "rebuild"
    done: int = 0
    of: int = 0
    finding: Finding = "same"
    differs: Text = ""
    """What differs from the record, in words."""


class CallStart(Event):
    """The REPL asked for a sub-call. Written for every item of a batch at once, before its gate."""

    ev: Literal["call.start"] = "call.start"
    fn: str
    prompt: Text
    model: str | None = None
    batch: int | None = None
    item: int | None = None
    size: int | None = None
    ran_as: Literal["llm", "rlm", "opaque"] = "llm"
    reason: str | None = None


class CallEnd(Event):
    """What the REPL gets for a sub-call. ``value`` is the whole answer; ``cut`` how much of it the code received."""

    ev: Literal["call.end"] = "call.end"
    status: CallStatus
    value: Text | None = None
    error: ErrorInfo | None = None
    limit: str | None = None
    cut: int | None = None
    usage: Usage | None = None
    seconds: float = 0.0


class Obs(Event):
    """The text appended for the model, with the length it had before it was cut."""

    ev: Literal["obs"] = "obs"
    text: Text
    raw_length: int = 0


class Chunk(Event):
    """A piece of a reply or of output, for watching only: never needed to rebuild."""

    ev: Literal["chunk"] = "chunk"
    kind: Literal["reply", "reasoning", "stdout", "stderr", "raw"]
    text: str
    late: bool = False


class Hold(Event):
    """A value is held in a gate's hand."""

    ev: Literal["hold"] = "hold"
    point: Point
    node: str
    value: dict[str, Any] = {}
    why: Why
    reason: str = ""
    """More of why, in words: the breakpoint, its error, or the verb that ended early here."""


class Go(Event):
    """A held value was released, or a run told to go on."""

    ev: Literal["go"] = "go"
    verb: str
    scope: Literal["node", "subtree", "run"] = "node"


class Edit(Event):
    """A change by a person (or by a rule): what is there now, and what was there before."""

    ev: Literal["edit"] = "edit"
    field: EditField
    value: Any = None
    was: Any = None
    note: str = ""


class Unknown(Event):
    """An event of a newer version: kept, shown as such, never a crash."""

    ev: str


Known = Annotated[
    RunStart | RunEnd | NodeStart | NodeEnd | LlmStart | LlmEnd | ExecStart | ExecEnd | Rebuild | CallStart
    | CallEnd | Obs | Chunk | Hold | Go | Edit,
    Field(discriminator="ev"),
]  # fmt: skip

KINDS: frozenset[str] = frozenset(str(model.model_fields["ev"].default) for model in get_args(get_args(Known)[0]))


@cache
def _known() -> TypeAdapter[Any]:
    # Made when the first line is read: building it costs more than the rest of this module, and a new run reads none.
    return TypeAdapter(Known)


def parse(data: dict[str, Any]) -> Event:
    """Make an event of one journal line.

    Args:
        data: The line's JSON object.

    Raises:
        pydantic.ValidationError: When a known event lacks a field or has one of the wrong type.
    """
    if data.get("ev") in KINDS:
        return _known().validate_python(data)
    return Unknown.model_validate(data)


def dump(event: Event) -> dict[str, Any]:
    """The journal line of an event, as a JSON object. Fields at their defaults are left out."""
    line = event.model_dump(mode="python", by_alias=True, exclude_defaults=True)
    return {"seq": event.seq, "t": event.t, "ev": event.ev, "id": event.id, **line}


def head(text: Text | None, limit: int = 256) -> str:
    """The first characters of a text, wherever it is kept."""
    if text is None:
        return ""
    return (text.head if isinstance(text, Blob) else text)[:limit]


def length(text: Text | None) -> int:
    """Characters of a text, wherever it is kept."""
    if text is None:
        return 0
    return text.length if isinstance(text, Blob) else len(text)
