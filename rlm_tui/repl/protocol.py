"""The messages between host and worker, and the host's checks of them.

A frame is a 4-byte big-endian length and one UTF-8 JSON object; `surrogatepass` both ways, so that lone surrogates
survive. Everything a worker sends is hostile: a frame's length is checked before anything is allocated for it, every
field by exact type, and whatever is malformed is a `ProtocolError`, which ends the worker.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

from rlm_tui.repl.messages import (
    CallMessage,
    CutMessage,
    DoneMessage,
    HeldMessage,
    Message,
    NoteMessage,
    OutMessage,
    PageFields,
    ReadyMessage,
    ValueMessage,
)
from rlm_tui.repl.results import Cut, Frame, Looked, Proposed, Standing, Variable

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
NOTES_CAP = 200
"""Answers one block declares by a function; one more may be in its `answer`."""
NOTES_SIZE = 32 << 20
"""Bytes of them all, as encoded by the worker; the host counts characters, which are never more."""
EFFECTS_CAP = 200
FRAMES_CAP = 50
LOCALS_CAP = 100
PAGE_TEXT = 64 << 10
"""Characters of one page of text."""
PAGE_ROWS = 500
LOOK_S = 2.0
"""Seconds a copy may take to answer."""

TO_WORKER = frozenset({"setup", "put", "inherit", "exec", "reply", "read", "rows", "page", "look", "answer"})
TO_WORKER_CTL = frozenset({"abort", "break", "go", "step", "eval", "look"})
FROM_WORKER = frozenset({"ready", "out", "cut", "call", "note", "done", "value"})
FROM_WORKER_CTL = frozenset({"held", "out", "done", "value"})

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


def check(message: dict[str, object], kinds: frozenset[str] = FROM_WORKER) -> Message | None:
    """Return a worker's message as a typed one; None for a kind that is not known here.

    Args:
        message: As it was parsed.
        kinds: What may be said on the channel it came by.

    Raises:
        ProtocolError: If a field is missing or has another type than it must.
    """
    kind = _text(message, "kind")
    reader = _READERS.get(kind) if kind in kinds else None
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


def _cut(m: dict[str, object]) -> CutMessage:
    return CutMessage(_text(m, "block"), _one_of(m, "stream", {"stdout", "stderr"}))


def _held(m: dict[str, object]) -> HeldMessage:
    standing = Standing(
        block=_text(m, "block"),
        line=_int(m, "line"),
        frames=tuple(_frame(each) for each in _list(m, "frames")),
        locals=_rows(m, "locals"),
        threads=_int(m, "threads"),
    )
    if not standing.frames or len(standing.frames) > FRAMES_CAP or len(standing.locals) > LOCALS_CAP:
        raise ProtocolError("a standing block has no frame, or too much to tell")
    return HeldMessage(_int(m, "wish"), standing)


def _frame(each: object) -> Frame:
    fields = {"line": None, "function": None, "block": None}
    if type(each) is not list or len(cast("list[object]", each)) != len(fields):
        raise ProtocolError("a frame is not three fields")
    frame = dict(zip(fields, cast("list[object]", each), strict=True))
    return Frame(_int(frame, "line"), _text(frame, "function"), _text(frame, "block"))


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
        looked=None if m.get("looked") is None else _looked(_object(m, "looked")),
        page=None if m.get("page") is None else _page(_object(m, "page")),
    )


def _looked(m: dict[str, object]) -> Looked:
    status = cast('Literal["ok", "error", "timeout", "died"]', _one_of(m, "status", {"ok", "error", "timeout", "died"}))
    return Looked(status, _text(m, "text"), _text(m, "output"))


def _page(m: dict[str, object]) -> PageFields:
    return PageFields(
        kind=_one_of(m, "kind", {"text", "items", "plain"}),
        type=_text(m, "type"),
        total=_int(m, "total"),
        start=_int(m, "start"),
        text=_text(m, "text"),
        rows=_rows(m),
    )


_READERS: dict[str, Callable[[dict[str, object]], Message]] = {
    "ready": _ready,
    "out": _out,
    "call": _call,
    "note": _note,
    "done": _done,
    "value": _value,
    "cut": _cut,
    "held": _held,
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


def _rows(m: dict[str, object], key: str = "rows") -> tuple[Variable, ...]:
    rows: list[Variable] = []
    for row in _list(m, key):
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
