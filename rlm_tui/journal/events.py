"""The vocabulary: sixteen events. Everything a run is, and everything a person did to it, is a list of these.

A ``*.start`` is an intent, written before the act. A ``*.end`` is the memory of its outcome, written before
anyone sees it. ``obs`` is remembered like an end. Lists of messages are stored as what was added.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter

from rlm_tui.journal.shapes import (
    Blob,
    BlockStatus,
    CallStatus,
    ContextInfo,
    CutInfo,
    EditField,
    ErrorInfo,
    ErrorKind,
    Finding,
    Frozen,
    Message,
    NodeStatus,
    Point,
    Proposal,
    RequestStatus,
    Text,
    Usage,
    VariableRow,
    Via,
    Why,
    head,
    length,
    part,
)

FORMAT = 1
"""Version of the journal's format, as written in ``run.start``."""
NAME = "name"
"""The note of an ``edit`` of the root's ``note`` that names the run."""
RESUME = "resume"
"""The verb of the ``go`` with which another process takes a run up, and the ``by`` of what it notes about that."""


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
    config: dict[str, Any] = Field(default={})
    environment: dict[str, Any] = Field(default={})
    parent: dict[str, Any] | None = None


class RunEnd(Event):
    """A run is over."""

    ev: Literal["run.end"] = "run.end"
    status: NodeStatus
    value: Text | None = None
    totals: dict[str, Any] = Field(default={})
    error: ErrorInfo | None = None


class NodeStart(Event):
    """An RLM loop begins: the root, or a child at its call's address."""

    ev: Literal["node.start"] = "node.start"
    depth: int
    prompt: Text
    context: ContextInfo
    model: str
    limits: dict[str, Any] = Field(default={})


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
    params: dict[str, Any] = Field(default={})


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
    of: int | None = None
    """How many attempts there may be by themselves, when there is to be another."""


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
    cuts: dict[str, CutInfo] = Field(default={})
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    ms: float = 0.0
    cpu_ms: float = 0.0
    divergence: str | None = None
    unasked: tuple[str, ...] = ()
    """Addresses of calls that the journal had under this block, and that its code did not ask for when it ran."""


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
    value: dict[str, Any] = Field(default={})
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


__all__ = [
    "FORMAT", "KINDS", "RESUME", "Blob", "BlockStatus", "CallEnd", "CallStart", "CallStatus", "Chunk", "ContextInfo",
    "CutInfo", "Edit", "EditField", "ErrorInfo", "ErrorKind", "Event", "ExecEnd", "ExecStart", "Finding", "Frozen",
    "Go", "Hold", "Known", "LlmEnd", "LlmStart", "Message", "NodeEnd", "NodeStart", "NodeStatus", "Obs", "Point",
    "Proposal", "Rebuild", "RequestStatus", "RunEnd", "RunStart", "Text", "Unknown", "Usage", "VariableRow", "Via",
    "Why", "dump", "head", "length", "parse", "part",
]  # fmt: skip
