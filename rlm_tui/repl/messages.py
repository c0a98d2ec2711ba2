"""What a worker says, as typed values, when it has been checked. Host side."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_tui.repl.results import Cut, Looked, Proposed, Standing, Variable


@dataclass(frozen=True, slots=True)
class ReadyMessage:
    """The worker can take blocks."""

    version: int
    python: str
    platform: str
    level: str
    confinement: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutMessage:
    """A piece of what a block's thread printed."""

    block: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class CutMessage:
    """Something of what a block's thread printed after the block's end was not kept; said once."""

    block: str
    stream: str


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A block stands, as the wish of this number wanted."""

    wish: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class PageFields:
    """A part of a value."""

    kind: str
    type: str
    total: int
    start: int
    text: str
    rows: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class CallMessage:
    """A sub-call that waits for its reply."""

    block: str
    call: int
    fn: str
    prompt: str | list[str]
    model: str | None


@dataclass(frozen=True, slots=True)
class NoteMessage:
    """A declared answer: recorded, not awaited."""

    block: str
    proposed: Proposed


@dataclass(frozen=True, slots=True)
class DoneMessage:
    """A block has ended. `answer_ready` is None when `answer` is not an exact dict."""

    block: str
    status: str
    value: str | None
    error: str | None
    answer_ready: bool | None
    rows: tuple[Variable, ...]
    removed: tuple[str, ...]
    more: int
    put_back: tuple[str, ...]
    effects: tuple[str, ...]
    cuts: dict[str, Cut]
    ms: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class ValueMessage:
    """The answer to what has the number `ask`: "ok", "missing", "none" or "error"."""

    ask: int
    status: str
    error: str | None
    proposed: Proposed | None
    rows: tuple[Variable, ...]
    looked: Looked | None
    page: PageFields | None


Message = ReadyMessage | OutMessage | CutMessage | CallMessage | NoteMessage | DoneMessage | ValueMessage | HeldMessage
