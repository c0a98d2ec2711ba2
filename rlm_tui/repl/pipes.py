"""The channels of one worker where its host can hand it no socket and its loop reads no pipe: threads do. Host side.

Every thread has one descriptor, which it alone closes when it ends: a number that another thread still reads from must
not be given to something else. So nothing is closed at once by `close`, but soon after.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Condition, Lock, Semaphore, Thread

from rlm_tui.repl.lines import Ends, Take

READ = 64 << 10
"""Bytes read at once."""
PIECES = 16
"""Pieces of a channel that may wait for the loop before it is read on."""
MARK_S = 1.0
"""Seconds the reading of `rpc` waits for that of `raw`."""


class PipeLines:
    """Four pipes and as many threads; see `Lines`. Its worker says nothing on `ctl`."""

    rung = False

    def __init__(self) -> None:
        """Make the channels.

        Raises:
            OSError: If there are no descriptors for them; none is left behind.
        """
        (rpc, self._to_rpc), (self._from_rpc, back), (ctl, self._to_ctl), (self._from_raw, raw) = _pipes(4)
        self.ends = Ends((rpc, back), ctl, raw)
        self._marks = _Marks(raw)
        self._frames: tuple[SimpleQueue[bytes | None], ...] = (SimpleQueue(), SimpleQueue())
        self._room = (Semaphore(PIECES), Semaphore(PIECES))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def handed_over(self) -> None:
        """Close the worker's ends, but for that of `raw`, which is marked with."""
        for descriptor in (*self.ends.rpc, self.ends.ctl):
            os.close(descriptor)

    async def connect(self, rpc: Take, ctl: Take, raw: Take, lost: Callable[[], object]) -> None:
        """Start the threads."""
        self._loop = asyncio.get_running_loop()
        work = (
            (self._write_all, self._to_rpc, self._frames[0]),
            (self._write_all, self._to_ctl, self._frames[1]),
            (self._read_rpc, rpc, lost),
            (self._read_raw, raw),
        )
        for action, *arguments in work:
            Thread(target=action, args=arguments, name="rlm-tui-pipe", daemon=True).start()

    def send(self, frame: bytes) -> None:
        """Write to `rpc`."""
        self._frames[0].put(frame)

    def control(self, frame: bytes) -> None:
        """Write to `ctl`."""
        self._frames[1].put(frame)

    def drain(self) -> None:
        """Nothing: it is handed on in time by itself."""

    def close(self) -> None:
        """Have every thread end and close its descriptor."""
        if self._closed:
            return
        self._closed = True
        if self._loop is None:
            for descriptor in (self._to_rpc, self._to_ctl, self._from_rpc, self._from_raw):
                os.close(descriptor)
            self._marks.close()
            return
        for frames in self._frames:
            frames.put(None)
        # Its mark wakes who reads `raw`, which something that the worker has started may keep open for ever.
        Thread(target=self._marks.close, name="rlm-tui-pipe", daemon=True).start()

    def _write_all(self, descriptor: int, frames: SimpleQueue[bytes | None]) -> None:
        try:
            while (frame := frames.get()) is not None:
                rest = memoryview(frame)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        except OSError:
            return  # the worker is gone, which is told by what is read
        finally:
            os.close(descriptor)

    def _read_rpc(self, take: Take, lost: Callable[[], object]) -> None:
        try:
            while (data := _read(self._from_rpc)) and not self._closed:
                self._marks.wait()
                if not self._hand_on(self._room[0], take, data):
                    return
            self._marks.wait()
            self._hand_on(self._room[0], lambda _: lost(), b"")
        finally:
            os.close(self._from_rpc)

    def _read_raw(self, take: Take) -> None:
        kept = b""
        try:
            while data := _read(self._from_raw):
                text, kept, marks = self._marks.found(kept + data)
                if text and not self._hand_on(self._room[1], take, text):
                    return
                self._marks.met(marks)
                if self._closed:
                    return
        finally:
            os.close(self._from_raw)
            self._marks.met(1 << 30)

    def _hand_on(self, room: Semaphore, take: Take, data: bytes) -> bool:
        """Have the loop take a piece, when not too many wait for it already; False when there is no use in more."""
        room.acquire()
        try:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._take, room, take, data)
        except RuntimeError:  # it is closed
            return False
        return not self._closed

    def _take(self, room: Semaphore, take: Take, data: bytes) -> None:
        room.release()
        if not self._closed:
            take(data)


class _Marks:
    """Written to `raw` by the host itself: what lies before one has been read when the mark has.

    A block cannot know what a mark is made of. If it does find out, it disturbs the order of its own output.
    """

    def __init__(self, raw: int) -> None:
        self._raw = raw
        self._writing = Lock()
        self._reading = Condition()
        self._mark = b"\0" + os.urandom(32)
        self._written = 0
        self._met = 0

    def wait(self) -> None:
        """Wait until all that is in the pipe now has been read and handed on."""
        with self._writing:
            if self._raw < 0 or not self._write():
                return
        with self._reading:
            self._reading.wait_for(lambda: self._met >= self._written, MARK_S)

    def _write(self) -> bool:
        self._written += 1
        try:
            return os.write(self._raw, self._mark) > 0
        except OSError:
            return False

    def found(self, data: bytes) -> tuple[bytes, bytes, int]:
        """Return what was read without its marks, what of its end may be the beginning of one, and their number."""
        parts = data.split(self._mark)
        last = parts[-1]
        start = next((i for i in range(len(last) - len(self._mark) + 1, len(last)) if self._begins(last, i)), len(last))
        return b"".join([*parts[:-1], last[:start]]), last[start:], len(parts) - 1

    def _begins(self, data: bytes, start: int) -> bool:
        return start >= 0 and self._mark.startswith(data[start:])

    def met(self, count: int) -> None:
        """So many were read, and what lay before them was handed on."""
        if count:
            with self._reading:
                self._met += count
                self._reading.notify_all()

    def close(self) -> None:
        """Mark the end."""
        with self._writing:
            if self._raw >= 0:
                self._write()
                os.close(self._raw)
                self._raw = -1


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ)
    except OSError:
        return b""


def _pipes(count: int) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    try:
        for _ in range(count):
            made.append(os.pipe())
    except OSError:
        for descriptor in (descriptor for pair in made for descriptor in pair):
            os.close(descriptor)
        raise
    return made
