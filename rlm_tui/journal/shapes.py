"""The values that events are made of: texts, usage, messages, proposals, and the words that they use."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

NodeStatus = Literal["final", "exhausted", "limit", "error", "killed"]
Via = Literal["FINAL", "FINAL_VAR", "answer", "default", "forced"]
RequestStatus = Literal["ok", "error", "cancelled", "partial"]
BlockStatus = Literal["ok", "error", "aborted", "died", "skipped", "timeout"]
CallStatus = Literal["ok", "error", "supplied", "killed", "timeout", "refused"]
Point = Literal["llm", "reply", "block", "call", "return", "observe", "final", "error", "limit", "line"]
"""Where a value can be held. ``line`` is inside a block that runs: it was broken in to, and stands where it was."""
Why = Literal["step", "breakpoint", "pause", "error", "limit", "start", "resume"]
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


class Value(Frozen):
    """A value that a fold keeps hundreds of thousands of: what pydantic notes of each and nobody asks for is shared.

    That is which fields were given (no field is left out for not being given) and, nearly always, that there was no
    other. They are two containers of five, and 280 bytes.
    """

    def model_post_init(self, context: Any) -> None:
        """Share them."""
        set_of = object.__setattr__
        set_of(self, "__pydantic_fields_set__", _GIVEN)
        if not self.__pydantic_extra__:
            set_of(self, "__pydantic_extra__", _NO_OTHER)


_GIVEN: set[str] = set()
_NO_OTHER: dict[str, Any] = {}


class Blob(Value):
    """A text over 4 KB: kept in a file of its own, named by its hash.

    ``head`` is its first 256 characters, so that a row on a screen needs no second file.
    """

    sha256: str = Field(alias="$blob")
    length: int
    """Characters (code points) of the whole text."""
    head: str = ""


Text = str | Blob


class Usage(Value):
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


class Message(Value):
    """One message of a request: ``system``, ``user`` or ``assistant``."""

    role: str
    content: Text

    def share(self, text: Text) -> None:
        """Let go of its own text where it is this one, which is kept already."""
        if self.content == text:
            object.__setattr__(self, "content", text)


class ContextInfo(Frozen):
    """The value that is ``context`` in a REPL. ``text`` is the value itself: a ``str`` as it is, else its JSON."""

    kind: Literal["str", "list", "dict"]
    text: Text
    length: int
    """Characters, all items together."""
    items: int | None = None


class Proposal(Value):
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


class VariableRow(Value):
    """One row of the variable listing, made without running a line of the model's code."""

    name: str
    type: str
    size: int | None = None
    brief: str = ""

    def model_post_init(self, context: Any) -> None:
        """Share the words that come again and again, too."""
        super().model_post_init(context)
        object.__setattr__(self, "name", intern(self.name))
        object.__setattr__(self, "type", intern(self.type))


class CutInfo(Frozen):
    """What a cap did not keep of an output, in characters."""

    kept: int
    total: int
    tail: str = ""


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


def part(value: Any, name: str) -> Any:
    """A field of the free value of an ``edit`` or a ``hold``; None where it has none of that name."""
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
