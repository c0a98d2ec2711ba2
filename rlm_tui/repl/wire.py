"""Messages as bytes: JSON, and frames of it. Runs in the worker.

The JSON is that of `json`, made by the same functions in C: to load the rest of it takes longer than a bare interpreter
takes to start.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import Any, NoReturn
else:
    import _signal as signal  # without its names for numbers, which take longer to load than all else here

try:
    import _json  # pyright: ignore
except ImportError:
    _json = None

VERSION = 1
BELLS = ("SIGINT", "SIGUSR1")
"""The signals that are rung for a block; not every system has them all."""
READ_CAP = 1 << 20
"""Bytes read at once."""
_SPACE = " \t\n\r"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

_read = os.read
_write = os.write
_exit = os._exit
# The thread that reads goes on while a block runs, and a block may have put anything in the place of these.
_len, _min, _int, _bytearray = len, min, int, bytearray


class _Settings:
    """How `json.loads` reads, as its scanner asks for it."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _CONSTANTS.__getitem__


def _reader() -> Callable[..., Any]:
    if _json is None:
        import json

        return json.loads
    scan: Callable[[str, int], tuple[Any, int]] = _json.make_scanner(_Settings)  # pyright: ignore

    def loads(text: str) -> Any:
        try:
            value, end = scan(text, _len(text) - _len(text.lstrip(_SPACE)))
        except StopIteration as error:
            raise ValueError(f"Expecting value: char {error.value}") from None
        if text[end:].strip(_SPACE):
            raise ValueError(f"Extra data: char {end}")
        return value

    return loads


def _writer(item_separator: str, key_separator: str) -> Callable[[Any], str]:
    if _json is None:
        from json import JSONEncoder

        return JSONEncoder(ensure_ascii=False, separators=(item_separator, key_separator)).encode
    make, escape = _json.make_encoder, _json.encode_basestring  # pyright: ignore

    def dumps(value: Any) -> str:
        # In the order that it takes them: for what contains itself, for what it does not know, and so on.
        encoder = make({}, _refuse, escape, None, key_separator, item_separator, False, False, True)  # pyright: ignore
        return "".join(encoder(value, 0))  # pyright: ignore

    return dumps


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


loads = _reader()
"""`json.loads` of a `str`; what is not JSON is a `ValueError`."""
dumps = _writer(", ", ": ")
"""`json.dumps`, with `ensure_ascii` off."""
_compact = _writer(",", ":")


def encode(message: object) -> bytes:
    """Return a message's body; `surrogatepass`, so that lone surrogates survive."""
    return _compact(message).encode("utf-8", "surrogatepass")


def decode(body: bytes | bytearray) -> dict[str, Any]:
    """Return the message of a frame's body."""
    return loads(body.decode("utf-8", "surrogatepass"))


def framed(body: bytes) -> memoryview:
    """Return a message's body as a frame."""
    return memoryview(len(body).to_bytes(4, "big") + body)


class Intake:
    """Reads frames from a descriptor. One that was begun when memory ran out is gone on with."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._head = bytearray(4)
        self._body: bytearray | None = None
        self._filled = 0

    def next(self) -> dict[str, Any]:
        """Return the next message when it is there."""
        if self._body is None:
            self._fill(self._head)
            self._body, self._filled = _bytearray(_int.from_bytes(self._head, "big")), 0
        self._fill(self._body)
        message = decode(self._body)
        self._body, self._filled = None, 0
        return message

    def _fill(self, buffer: bytearray) -> None:
        while self._filled < _len(buffer):
            room = _min(_len(buffer) - self._filled, READ_CAP)
            part = _read(self._descriptor, room)
            if not part:
                gone()
            buffer[self._filled : self._filled + _len(part)] = part
            self._filled += _len(part)


def say(descriptor: int, frame: memoryview) -> None:
    """Write one frame, where nobody else could write at the same time."""
    while frame:
        frame = frame[_write(descriptor, frame) :]


def gone() -> NoReturn:
    """The host is gone: end, and take our process group along."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # pyright: ignore
    _exit(1)
