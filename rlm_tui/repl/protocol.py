"""The messages between host and worker, and the host's checks of them.

A frame is a 4-byte big-endian length and one UTF-8 JSON object; `surrogatepass` both ways, so that lone surrogates
survive. Everything a worker sends is hostile: a frame's length is checked before anything is allocated for it, every
field by exact type, and whatever is malformed is a `ProtocolError`, which ends the worker.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from rlm_tui.repl.results import Cut, Proposed, Variable

VERSION = 1
FRAME_CAP = 16 << 20
"""Bytes of one frame, both ways."""
CALL_CAP = 12 << 20
"""Bytes of one call, as encoded; kept by the worker."""
OPEN_CALLS_CAP = 1024
"""Unanswered calls of a block."""
OUTPUT_CAP = 16 << 20
"""Characters kept of a block's stdout and stderr together."""
RAW_CAP = 1 << 20
"""Characters kept of what a block's C code and child processes wrote."""
ROWS_CAP = 500
EFFECTS_CAP = 200

TO_WORKER = frozenset({"setup", "put", "inherit", "exec", "reply", "read", "rows", "answer"})
TO_WORKER_CTL = frozenset({"abort"})
FROM_WORKER = frozenset({"ready", "out", "call", "note", "done", "value"})

_LARGEST = 1 << 53


class ProtocolError(Exception):
    """A worker said something it cannot have meant; the text says what."""


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as one frame.

    Raises:
        ValueError: If it is larger than `FRAME_CAP`; such values travel as a file and a path.
    """
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(body) > FRAME_CAP:
        raise ValueError(f"a frame of {len(body):,} bytes is over the cap of {FRAME_CAP:,}")
    return len(body).to_bytes(4, "big") + body


class FrameDecoder:
    """Turns bytes, in pieces of any size, into JSON objects."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, object]]:
        """Yield the objects that `data` completes.

        Raises:
            ProtocolError: For a length over the cap, or a frame that is not one JSON object.
        """
        self._buffer += data
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > FRAME_CAP:
                raise ProtocolError(f"a frame of {length:,} bytes")
            if len(self._buffer) < 4 + length:
                return
            body = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            yield _parse(body)


def _parse(body: bytes) -> dict[str, object]:
    try:
        message = json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame that is not JSON ({type(error).__name__})") from None
    if type(message) is not dict:
        raise ProtocolError("a frame that is not an object")
    return cast("dict[str, object]", message)


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
    """The answer to `put`, `read`, `rows` or `answer`: "ok", "missing", "none" or "error"."""

    ask: int
    status: str
    error: str | None
    proposed: Proposed | None
    rows: tuple[Variable, ...]


Message = ReadyMessage | OutMessage | CallMessage | NoteMessage | DoneMessage | ValueMessage


def check(message: dict[str, object]) -> Message | None:
    """Return a worker's message as a typed one; None for a kind this version does not know.

    Raises:
        ProtocolError: If a field is missing or has another type than it must.
    """
    kind = _text(message, "kind")
    reader = _READERS.get(kind)
    return reader(message) if reader else None


def _ready(m: dict[str, object]) -> ReadyMessage:
    return ReadyMessage(
        version=_int(m, "version"),
        python=_text(m, "python"),
        platform=_text(m, "platform"),
        level=_one_of(m, "level", {"process", "partial", "confined", "bwrap"}),
        confinement=_text(m, "confinement"),
        notices=_texts(m, "notices"),
    )


def _out(m: dict[str, object]) -> OutMessage:
    return OutMessage(_text(m, "block"), _one_of(m, "stream", {"stdout", "stderr"}), _text(m, "text"))


def _call(m: dict[str, object]) -> CallMessage:
    prompt = m.get("prompt")
    checked = prompt if type(prompt) is str else list(_texts(m, "prompt"))
    return CallMessage(_text(m, "block"), _int(m, "call"), _text(m, "fn"), checked, _maybe_text(m, "model"))


def _note(m: dict[str, object]) -> NoteMessage:
    return NoteMessage(_text(m, "block"), _proposed(m))


def _done(m: dict[str, object]) -> DoneMessage:
    ready = m.get("answer_ready")
    if ready is not None and type(ready) is not bool:
        raise ProtocolError("answer_ready is not a bool")
    return DoneMessage(
        block=_text(m, "block"),
        status=_one_of(m, "status", {"ok", "error", "aborted"}),
        value=_maybe_text(m, "value"),
        error=_maybe_text(m, "error"),
        answer_ready=ready,
        rows=_rows(m),
        removed=_texts(m, "removed"),
        more=_int(m, "more"),
        put_back=_texts(m, "put_back"),
        effects=_texts(m, "effects"),
        cuts=_cuts(m),
        ms=_number(m, "ms"),
        cpu_ms=_number(m, "cpu_ms"),
    )


def _value(m: dict[str, object]) -> ValueMessage:
    proposed = m.get("proposed")
    return ValueMessage(
        ask=_int(m, "ask"),
        status=_one_of(m, "status", {"ok", "missing", "none", "error"}),
        error=_maybe_text(m, "error"),
        proposed=None if proposed is None else _proposed(_object(m, "proposed")),
        rows=_rows(m),
    )


_READERS: dict[str, Callable[[dict[str, object]], Message]] = {
    "ready": _ready,
    "out": _out,
    "call": _call,
    "note": _note,
    "done": _done,
    "value": _value,
}


def _proposed(m: dict[str, object]) -> Proposed:
    text = _maybe_text(m, "json")
    if text is not None:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            raise ProtocolError("json is not JSON") from None
    return Proposed(
        via=_one_of(m, "via", {"FINAL", "FINAL_VAR", "answer"}),
        text=_text(m, "text"),
        json=text,
        type=_text(m, "type"),
        name=_maybe_text(m, "name"),
        reason=_maybe_text(m, "reason"),
    )


def _rows(m: dict[str, object]) -> tuple[Variable, ...]:
    rows: list[Variable] = []
    for row in _list(m, "rows"):
        if type(row) is not list or len(cast("list[object]", row)) != 4:
            raise ProtocolError("a row is not four fields")
        name, kind, size, brief = cast("list[object]", row)
        if type(name) is not str or type(kind) is not str or type(brief) is not str:
            raise ProtocolError("a row has a field that is not text")
        if size is not None and not _is_int(size):
            raise ProtocolError("a row has a size that is not a number")
        rows.append(Variable(name, kind, cast("int | None", size), brief))
    return tuple(rows)


def _cuts(m: dict[str, object]) -> dict[str, Cut]:
    cuts: dict[str, Cut] = {}
    for stream, value in _object(m, "cuts").items():
        if stream not in {"stdout", "stderr", "value", "error"} or type(value) is not dict:
            raise ProtocolError("cuts is malformed")
        cut = cast("dict[str, object]", value)
        cuts[stream] = Cut(_int(cut, "kept"), _int(cut, "total"), _text(cut, "tail"))
    return cuts


def _is_int(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _text(m: dict[str, object], key: str) -> str:
    value = m.get(key)
    if type(value) is not str:
        raise ProtocolError(f"{key} is not text")
    return value


def _maybe_text(m: dict[str, object], key: str) -> str | None:
    return None if m.get(key) is None else _text(m, key)


def _one_of(m: dict[str, object], key: str, allowed: set[str]) -> str:
    value = _text(m, key)
    if value not in allowed:
        raise ProtocolError(f"{key} has an unknown value")
    return value


def _int(m: dict[str, object], key: str) -> int:
    value = m.get(key)
    if not _is_int(value):
        raise ProtocolError(f"{key} is not a whole number in range")
    return cast("int", value)


def _number(m: dict[str, object], key: str) -> float:
    value = m.get(key)
    if type(value) is float and math.isfinite(value) and value >= 0:
        return value
    return float(_int(m, key))


def _list(m: dict[str, object], key: str) -> list[object]:
    value = m.get(key)
    if type(value) is not list:
        raise ProtocolError(f"{key} is not a list")
    return cast("list[object]", value)


def _texts(m: dict[str, object], key: str) -> tuple[str, ...]:
    values = _list(m, key)
    if not all(type(value) is str for value in values):
        raise ProtocolError(f"{key} has an item that is not text")
    return tuple(cast("list[str]", values))


def _object(m: dict[str, object], key: str) -> dict[str, object]:
    value = m.get(key)
    if type(value) is not dict:
        raise ProtocolError(f"{key} is not an object")
    return cast("dict[str, object]", value)
