"""What a block prints: tagged with its block, gathered, capped, and never lost unseen. Runs in the worker."""

from __future__ import annotations

import io
import os
import threading
from _thread import RLock, allocate_lock, get_ident, start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from time import sleep
from typing import Any

from rlm_tui.repl.bell import Bell
from rlm_tui.repl.channel import Channel
from rlm_tui.repl.meter import Budget, Meter

GATHER = 32 << 10
"""Characters after which a piece is sent."""
GATHER_S = 0.03
"""Seconds after which a piece is sent, whether or not there is a next write."""
PIECE_CAP = 1 << 20
"""Characters of one piece."""
OUTPUT_CAP = 16 << 20
"""Characters kept of a block's stdout and stderr together."""

_active: dict[int, object] = threading._active  # type: ignore[attr-defined]  # pyright: ignore


class Owners:
    """Which block a thread belongs to.

    The main thread belongs to the current block. A thread that is alive when a block ends is pinned to it: what it
    prints later is late output of that block. A thread's number is used again after its death, so a pin also
    remembers the `Thread` it was made for.

    Attributes:
        main: The main thread's number.
        current: The block that runs, or ran last.
        running: The block that runs.
        aside: What the main thread belongs to instead, while something is evaluated in a block that stands.
    """

    def __init__(self) -> None:
        self.main = get_ident()
        self._local = threading.local()
        self._pinned: dict[int, tuple[str, object]] = {}
        self.current = ""
        self.running: str | None = None
        self.aside: str | None = None

    def begin(self, block: str) -> None:
        """From here the main thread belongs to `block`."""
        self.current = self.running = block

    def end(self, alive: set[int]) -> None:
        """The block has ended; pin the threads that are still there."""
        pinned = {i: (self.current, _active.get(i)) for i in alive}
        for ident, (block, thread) in self._pinned.items():
            if ident in pinned and pinned[ident][1] is thread:
                pinned[ident] = (block, thread)
        self._pinned = pinned
        self.running = None

    def mine(self) -> str:
        """Return the block the calling thread belongs to."""
        ident = get_ident()
        if ident == self.main:
            return self.aside or self.current
        try:
            return self._local.block
        except AttributeError:
            block, thread = self._pinned.get(ident, (self.current, None))
            if thread is not _active.get(ident):
                block = self.current
            self._local.block = block
            return block


class Output:
    """Gathers what was written and sends it.

    Attributes:
        routes: How the output of some is sent, when not like everybody's.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], bell: Bell, owners: Owners) -> None:
        self._send = send
        self._bell = bell
        self._owners = owners
        self._told: set[tuple[str, str]] = set()
        self._meters: dict[str, dict[str, Meter]] = {}
        self._pieces: deque[tuple[str, str, str]] = deque()
        self._size = 0
        self._flushing = RLock()
        self.routes: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._wake = allocate_lock()
        self._wake.acquire()
        self._stirred = False

    def start(self) -> int:
        """Start the timer thread and return its number."""
        return start_new_thread(self._tick, ())

    def _tick(self) -> None:
        while True:
            self._wake.acquire()
            sleep(GATHER_S)
            self._stirred = False
            with suppress(MemoryError):  # the block's own: it must not end the timer
                self.flush()

    def add(self, block: str, stream: str, text: str) -> None:
        """Take one piece; from any thread, and without a lock, so that a signal can interrupt it anywhere."""
        self._pieces.append((block, stream, text))
        self._size += len(text)
        if self._size >= GATHER:
            self.flush()
        elif not self._stirred:
            self._stirred = True
            with suppress(RuntimeError):  # another thread was quicker
                self._wake.release()

    def flush(self) -> None:
        """Send everything gathered so far, in order.

        Nothing left here does not mean that all is sent: another thread may have taken it and be sending it. Whoever
        says something after this must not come before that, so it is waited for.
        """
        with self._bell, self._flushing:
            self._size = 0
            batch = [self._pieces.popleft() for _ in range(len(self._pieces))]
            sent = 0
            try:
                for (block, stream), pieces in groupby(batch, itemgetter(0, 1)):
                    texts = [text for _, _, text in pieces]
                    self._emit(block, stream, "".join(texts))
                    sent += len(texts)
            except MemoryError:  # the block's own, and no reason to lose what it printed
                self._pieces.extendleft(reversed(batch[sent:]))
                raise

    def _emit(self, block: str, stream: str, text: str) -> None:
        send = self.routes.get(block, self._send)
        meter = self._meter(block, stream)
        for start in range(0, len(text), PIECE_CAP):
            kept = meter.take(text[start : start + PIECE_CAP])
            if kept:
                send({"kind": "out", "block": block, "stream": stream, "text": kept})
        if meter.cut and block not in (self._owners.running, self._owners.aside) and (block, stream) not in self._told:
            self._told.add((block, stream))
            send({"kind": "cut", "block": block, "stream": stream})

    def _meter(self, block: str, stream: str) -> Meter:
        if block not in self._meters:
            budget = Budget(OUTPUT_CAP)
            self._meters[block] = {"stdout": Meter(budget), "stderr": Meter(budget)}
        return self._meters[block][stream]

    def cuts(self, block: str) -> dict[str, dict[str, Any]]:
        """Return what was not kept of a block's streams."""
        return {
            stream: {"kept": meter.kept, "total": meter.total, "tail": meter.tail}
            for stream, meter in self._meters.get(block, {}).items()
            if meter.cut
        }


class Stream(io.TextIOBase):
    """The `sys.stdout` or `sys.stderr` of a block."""

    def __init__(self, name: str, output: Output, owners: Owners, channel: Channel) -> None:
        self._name = name
        self._output = output
        self._owners = owners
        self._channel = channel

    @property
    def name(self) -> str:
        """As the real ones have it."""
        return f"<{self._name}>"

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Text is text here; this is for code that asks."""
        return "utf-8"

    @property
    def errors(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Lone surrogates pass."""
        return "surrogatepass"

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: Any) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take text. In a fork of the worker it goes to the process's own output.

        Raises:
            TypeError: If it is not a `str`.
        """
        if type(text) is not str:
            if not issubclass(type(text), str):
                raise TypeError(f"write() argument must be str, not {type(text).__name__}")
            text = str.__str__(text)
        if self._channel.orphan:
            os.write(1 if self._name == "stdout" else 2, text.encode("utf-8", "surrogatepass"))
        elif text:
            owners = self._owners
            mine = (owners.aside or owners.current) if get_ident() == owners.main else owners.mine()
            self._output.add(mine, self._name, text)
        return len(text)

    def flush(self) -> None:
        """Send what was gathered."""
        if not self._channel.orphan:
            self._output.flush()
