"""The worker's ends of its two channels, and the bell that stops a block. Runs in the worker.

`rpc` carries everything; `ctl` only what is meant for the block that is running, because the signal handler reads it
and may have interrupted the main thread anywhere, also in the middle of a frame written to `rpc`.
"""

from __future__ import annotations

import json
import os
import signal
from _thread import RLock, allocate_lock, get_ident, start_new_thread
from collections.abc import Callable
from typing import Any

VERSION = 1
FRAME_CAP = 16 << 20
CALL_CAP = 12 << 20
OPEN_CALLS_CAP = 1024
RECEIVES = frozenset({"setup", "put", "inherit", "exec", "reply", "read", "rows", "answer"})
RECEIVES_CTL = frozenset({"abort"})
SENDS = frozenset({"ready", "out", "call", "note", "done", "value"})

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_load = json.JSONDecoder().decode
_write = os.write
_read = os.read
_exit = os._exit


class BlockAborted(KeyboardInterrupt):
    """Raised in the main thread when the host aborts the running block."""


BlockAborted.__module__ = "__main__"


def encode(message: dict[str, Any]) -> bytes:
    """Return a message's body; `surrogatepass`, so that lone surrogates survive."""
    return _dump(message).encode("utf-8", "surrogatepass")


class Bell:
    """What SIGINT means. The host writes the block it means on `ctl` first; the signal only says: look there.

    A bell for another block is ignored, so a late abort never hits the next one. A SIGINT the host did not announce
    was sent by the block to itself, and is the plain `KeyboardInterrupt` it asked for. A bell that is rung again, in
    case the first was not heard, does nothing to a block that did hear it. Used as a context manager it
    holds the exception back, while the main thread writes a frame, until the frame is written.

    Attributes:
        armed: The block that can be stopped now, if any.
        rung: Whether this block was stopped.
    """

    def __init__(self, ctl: int) -> None:
        self._ctl = ctl
        self._main = get_ident()
        self._buffer = b""
        self._meant: set[str] = set()
        self._owed = 0
        self._depth = 0
        self._due: type[KeyboardInterrupt] | None = None
        self.armed: str | None = None
        self.rung = False

    def arm(self, block: str) -> None:
        """From here the block can be stopped. Raises `BlockAborted` if that was already asked for."""
        self._due = None
        self.armed = block
        self._drain()
        self._stop_if_meant()

    def listen(self) -> None:
        """Install the handler and let the signal through."""
        signal.signal(signal.SIGINT, self.handle)
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def handle(self, _signum: int, _frame: object) -> None:
        """Serve one SIGINT, in the main thread."""
        self._drain()
        if self._owed:
            self._owed -= 1
        elif self.armed is not None:
            self._raise(KeyboardInterrupt)
        self._stop_if_meant()

    def _stop_if_meant(self) -> None:
        if self.armed is not None and self.armed in self._meant:
            self._meant.discard(self.armed)
            self.rung = True
            self._raise(BlockAborted)

    def _raise(self, error: type[KeyboardInterrupt]) -> None:
        if self._depth:
            self._due = error
        else:
            raise error

    def _drain(self) -> None:
        try:
            while data := _read(self._ctl, 65536):
                self._buffer += data
        except OSError:
            pass
        while len(self._buffer) >= 4 and len(self._buffer) >= 4 + (size := int.from_bytes(self._buffer[:4], "big")):
            message = _load(self._buffer[4 : 4 + size].decode("utf-8", "surrogatepass"))
            self._buffer = self._buffer[4 + size :]
            if message["kind"] == "abort":
                self._owed += 1
                if not (message["again"] and self.rung and message["block"] == self.armed):
                    self._meant.add(message["block"])

    def __enter__(self) -> None:
        if get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if get_ident() == self._main:
            self._depth -= 1
            if self._due is not None and not self._depth and self.armed is not None:
                error, self._due = self._due, None
                raise error


class Slot:
    """Where a thread waits for one reply."""

    def __init__(self) -> None:
        self.reply: dict[str, Any] = {}
        self._lock = allocate_lock()
        self._lock.acquire()

    def fill(self, reply: dict[str, Any]) -> None:
        """Hand over the reply and wake the thread."""
        self.reply = reply
        self._lock.release()

    def wait(self) -> dict[str, Any]:
        """Return the reply when it is there."""
        self._lock.acquire()
        return self.reply


class Channel:
    """The worker's end of `rpc`: frames out from any thread, one thread that reads what comes in."""

    def __init__(self, rpc: int, ctl: int, bell: Bell) -> None:
        self._rpc = rpc
        self._ctl = ctl
        self._bell = bell
        self._lock = RLock()
        self._slots: dict[int, Slot] = {}
        self._last_call = 0
        self.orphan = False
        self.reader = 0

    def send(self, message: dict[str, Any]) -> None:
        """Write one message. A fork of the worker sends nothing."""
        self.send_body(encode(message))

    def send_body(self, body: bytes) -> None:
        """Write one encoded message."""
        if self.orphan:
            return
        frame = memoryview(len(body).to_bytes(4, "big") + body)
        try:
            with self._bell, self._lock:
                while frame:
                    frame = frame[_write(self._rpc, frame) :]
        except OSError:
            _exit(1)

    def call(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a call and wait for its reply.

        Raises:
            ValueError: If it is larger than `CALL_CAP`; nothing was sent.
        """
        slot = Slot()
        with self._bell, self._lock:
            self._last_call += 1
            number = self._last_call
        try:
            body = encode({**message, "kind": "call", "call": number})
            if len(body) > CALL_CAP:
                raise ValueError(f"{message['fn']}: {len(body):,} bytes are over the cap of {CALL_CAP:,} for one call")
            self._slots[number] = slot
            self.send_body(body)
            return slot.wait()
        finally:
            self._slots.pop(number, None)

    def listen(self, deliver: Callable[[dict[str, Any]], None]) -> None:
        """Start the reader thread; replies go to their callers, everything else to `deliver`."""
        self.reader = start_new_thread(self._read_all, (deliver,))

    def _read_all(self, deliver: Callable[[dict[str, Any]], None]) -> None:
        try:
            while True:
                size = int.from_bytes(self._exactly(4), "big")
                message = _load(self._exactly(size).decode("utf-8", "surrogatepass"))
                if message["kind"] != "reply":
                    deliver(message)
                elif slot := self._slots.pop(message["call"], None):
                    slot.fill(message)
        finally:
            gone()

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = _read(self._rpc, min(size, 1 << 20))
            if not part:
                gone()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def abandon(self) -> None:
        """In a fork of the worker: let go of both channels, so that the copy can end nothing of ours."""
        self.orphan = True
        os.close(self._rpc)
        os.close(self._ctl)


def gone() -> None:
    """The host is gone: end, and take our process group along."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    _exit(1)
