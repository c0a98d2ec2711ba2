"""The worker's end of `rpc`, and how frames are written. Runs in the worker.

`rpc` carries everything but what is meant for the block that is running: the signal handler reads that from `ctl`, and
may have interrupted the main thread anywhere, also in the middle of a frame written to `rpc`.
"""

from __future__ import annotations

import os
from _thread import RLock, allocate_lock, start_new_thread
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from mmap import ACCESS_COPY, mmap
from time import sleep
from typing import TYPE_CHECKING, Any

from rlm_tui.repl.wire import Intake, encode, framed, gone

if TYPE_CHECKING:
    from rlm_tui.repl.bell import Bell

FRAME_CAP = 16 << 20
CALL_CAP = 12 << 20
OPEN_CALLS_CAP = 1024
RECEIVES = frozenset({"setup", "put", "inherit", "exec", "reply", "read", "rows", "page", "look", "answer"})
RECEIVES_CTL = frozenset({"abort", "break", "go", "step", "eval", "look"})
SENDS = frozenset({"ready", "out", "cut", "call", "note", "done", "value"})
SENDS_CTL = frozenset({"held", "out", "done", "value"})
RESERVE = 1 << 20
"""Bytes set aside for the reading thread: a block that has used up its memory must still be told things.

Mapped, and so never touched: a piece of the heap would be cleared, page by page in a forked worker."""

_write = os.write
_exit = os._exit


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
    """The worker's end of `rpc`: frames out from any thread, one thread that reads what comes in.

    Attributes:
        orphan: Whether this is a fork of the worker, which says nothing.
        thrown_away: Whether it is one in which something is only looked at, and all it makes ends with it.
        relief: Lifts the memory limit of a block while it is entered.
    """

    def __init__(self, rpc: Sequence[int], bell: Bell) -> None:
        self._rpc = set(rpc)
        self._out = rpc[-1]
        self._bell = bell
        self._intake = Intake(rpc[0])
        self._lock = RLock()
        self._slots: dict[int, Slot] = {}
        self._last_call = 0
        self._reserve: mmap | None = mmap(-1, RESERVE, access=ACCESS_COPY)
        self.orphan = False
        self.thrown_away = False
        self.relief: AbstractContextManager[object] = nullcontext()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message. A fork of the worker sends nothing."""
        self.send_body(encode(message))

    def send_body(self, body: bytes) -> None:
        """Write one encoded message."""
        if self.orphan:
            return
        frame = framed(body)
        try:
            with self._bell, self._lock:
                while frame:
                    frame = frame[_write(self._out, frame) :]
        except OSError:
            _exit(1)

    @property
    def speaking(self) -> bool:
        """Whether the calling thread is writing a frame: it is in a signal's handler that has interrupted that."""
        return self._lock._is_owned()  # type: ignore[attr-defined]  # pyright: ignore

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

    def next(self) -> dict[str, Any]:
        """Return the next message when it is there; only as long as no thread reads."""
        return self._surely(self._intake.next)

    def listen(self, deliver: Callable[[dict[str, Any]], None]) -> int:
        """Start the reader thread and return its number; replies go to their callers, everything else to `deliver`."""
        return start_new_thread(self._read_all, (deliver,))

    def _read_all(self, deliver: Callable[[dict[str, Any]], None]) -> None:
        try:
            while True:
                self._set_aside()
                message = self._surely(self._intake.next)
                if message["kind"] != "reply":
                    self._surely(partial(deliver, message))
                elif slot := self._slots.pop(message["call"], None):
                    slot.fill(message)
        finally:
            gone()

    def _set_aside(self) -> None:
        if self._reserve is None:
            with suppress(OSError):
                self._reserve = mmap(-1, RESERVE, access=ACCESS_COPY)

    def _surely(self, action: Callable[[], Any]) -> Any:
        """Do something also when the block has used up its memory: with what was set aside, then over its limit."""
        while True:
            try:
                return action()
            except MemoryError:
                self._reserve = None
            try:
                with self.relief:
                    return action()
            except MemoryError:
                sleep(0.01)

    def abandon(self) -> None:
        """In a fork of the worker: let go of both channels, so that the copy can end nothing of ours."""
        if not self.orphan:
            self.orphan = True
            for descriptor in self._rpc:
                os.close(descriptor)
            self._bell.control.close()
