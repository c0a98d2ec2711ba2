"""What stops a block: the signals, and the worker's end of `ctl` that says what they mean. Runs in the worker.

The host writes on `ctl` first what it wants of which block; a signal only says: look there. So a bell that comes too
late never hits the next block, and a signal the host did not announce is the block's own affair.
"""

from __future__ import annotations

import os
import select
from _thread import RLock, get_ident, interrupt_main, start_new_thread
from collections import deque
from collections.abc import Callable, Set
from contextlib import suppress
from sys import _getframe  # pyright: ignore[reportPrivateUsage]
from time import sleep
from types import FrameType
from typing import TYPE_CHECKING, Any

from rlm_tui.repl.wire import BELLS, Intake, decode, encode, framed, gone

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without its names for numbers, which are looked up at each call

_read = os.read
_write = os.write
_exit = os._exit  # pyright: ignore[reportPrivateUsage]
_select = select.select
_INTERRUPT = signal.SIGINT


def unblock(numbers: Set[int]) -> None:
    """Let signals through."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


class BlockAborted(KeyboardInterrupt):
    """Raised in the main thread when the host aborts the running block."""


BlockAborted.__module__ = "__main__"


class Control:
    """The worker's end of `ctl`, which must not block. Read by the main thread only."""

    def __init__(self, ctl: int, bell: Bell) -> None:
        self._ctl = ctl
        self._bell = bell
        self._buffer = bytearray()
        self._lock = RLock()

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that are there."""
        try:
            while data := _read(self._ctl, 1 << 16):
                self._buffer += data
            gone()
        except OSError:
            pass
        messages: list[dict[str, Any]] = []
        while len(self._buffer) >= 4 and len(self._buffer) >= 4 + (size := int.from_bytes(self._buffer[:4], "big")):
            messages.append(decode(bytes(self._buffer[4 : 4 + size])))
            del self._buffer[: 4 + size]
        return messages

    def wait(self) -> bool:
        """Wait until something is there to read; False when a block has closed the channel."""
        try:
            _select([self._ctl], [], [])
        except (OSError, ValueError):
            return False
        return True

    def send(self, message: dict[str, Any]) -> None:
        """Write one message, from any thread."""
        frame = framed(encode(message))
        try:
            with self._bell, self._lock:
                while frame:
                    _select([], [self._ctl], [])
                    frame = frame[_write(self._ctl, frame) :]
        except OSError:
            _exit(1)

    def close(self) -> None:
        """Let go of it, in a fork of the worker."""
        os.close(self._ctl)
        self._ctl = -1


class Heard(Control):
    """The same where nobody can signal us: a thread reads it, and interrupts the main thread itself.

    That is heeded between two steps of Python code only. Nothing is ever said here.
    """

    def __init__(self, ctl: int, bell: Bell) -> None:
        super().__init__(ctl, bell)
        self._intake = Intake(ctl)
        self._messages: deque[dict[str, Any]] = deque()

    def listen(self) -> int:
        """Start the thread and return its number."""
        return start_new_thread(self._read_all, ())

    def _read_all(self) -> None:
        try:
            while True:
                with suppress(MemoryError):  # the block's own; what is lost by it is said again
                    self._messages.append(self._intake.next())
                    interrupt_main()
                    continue
                sleep(0.01)
        finally:
            gone()

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that are there."""
        messages: list[dict[str, Any]] = []
        while self._messages:
            messages.append(self._messages.popleft())
        return messages


class Bell:
    """What SIGINT (stop the block) and SIGUSR1 (stand where you are) mean, and when they are heeded.

    A SIGINT the host did not announce was sent by the block to itself, and is the plain `KeyboardInterrupt` it asked
    for. A bell that is rung again, in case the first was not heard, does nothing to a block that did hear it. Used as
    a context manager it holds everything back, while the main thread writes a frame, until the frame is written.

    Every wish that a block stand has a number, and is over when the host has said so: `go`.

    Attributes:
        handlers: What answers each signal, once we `listen`.
        armed: The block that can be stopped now, if any.
        rung: Whether this block was stopped.
        busy: True while no signal is heeded, because what they say is being read already.
        stand: What is done when a block is to stand: takes the frame that was interrupted and the wish's number, and
            returns whether it could.
    """

    def __init__(self, ctl: int, rung: bool = True) -> None:
        """Begin with nothing wished for.

        Args:
            ctl: Descriptor of the channel.
            rung: Whether the host can signal us; else we hear what it says by ourselves.
        """
        self.control = Control(ctl, self) if rung else Heard(ctl, self)
        self._main = get_ident()
        self._meant: set[str] = set()
        self._announced = 0
        self._came = 0
        self._depth = 0
        self._due: type[KeyboardInterrupt] | None = None
        self._wished = ("", 0)
        self._orders: deque[dict[str, Any]] = deque()
        self._outer: tuple[str | None, bool] = (None, False)
        # One object: a method is made anew each time it is asked for, and a handler is known by being the same.
        handle = self.handle
        self.handlers = {int(getattr(signal, name)): handle for name in BELLS if hasattr(signal, name)}
        self.over = 0
        self.armed: str | None = None
        self.rung = False
        self.busy = False
        self.stand: Callable[[FrameType | None, int], bool] = lambda _frame, _wish: False

    def arm(self, block: str) -> None:
        """From here the block can be stopped. Raises `BlockAborted` if that was already asked for."""
        self._due = None
        self.armed = block
        self._read()
        self._heed(_getframe(1))

    def listen(self) -> None:
        """Install the handlers and let the signals through."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        unblock(self.handlers.keys())

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Serve one signal, in the main thread."""
        if signum == _INTERRUPT:
            self._came += 1
        if not self.busy:
            self._read()
            self._heed(frame)

    def halt(self, frame: FrameType, wish: int) -> None:
        """Let the block stand before the line it has come to."""
        if self.armed is not None and not self._depth and not self.busy:
            self._wished = (self.armed, wish)
            self._heed(frame)

    def next_order(self, wish: int) -> dict[str, Any] | None:
        """Wait for what the host wants next of the block that stands; None when it is to go on, or to stop."""
        while True:
            while self._orders:
                order = self._orders.popleft()
                if order["wish"] == wish:
                    return order
            if self.over >= wish or self.armed in self._meant or not self.control.wait():
                return None
            self._take_all()

    def aside(self, label: str) -> None:
        """While a block stands: from here what is evaluated in it can be stopped, under a label of its own."""
        self._outer = self.armed, self.rung
        self._due = None
        self.armed, self.rung = label, False
        self._depth = 0
        self.busy = False
        self._heed(None)

    def back(self) -> bool:
        """The evaluation is over (the caller has set `busy`). Return whether it was stopped."""
        stopped = self.rung
        self._depth = 1
        self.armed, self.rung = self._outer
        self._outer = None, False
        return stopped

    def _read(self) -> None:
        """Take what the host has said; a signal that comes meanwhile is only counted."""
        self.busy = True
        try:
            while True:
                came = self._came
                self._take_all()
                if came == self._came:
                    break
        finally:
            self.busy = False  # no call since the comparison, at which a signal could still be served

    def _take_all(self) -> None:
        for message in self.control.receive():
            kind = message["kind"]
            if kind == "abort":
                self._announced += 1
                if not (message["again"] and self.rung and message["block"] == self.armed):
                    self._meant.add(message["block"])
            elif kind == "break":
                self._wished = (message["block"], message["wish"])
            elif kind == "go":
                self.over = message["wish"]
            else:
                self._orders.append(message)

    def _heed(self, frame: FrameType | None) -> None:
        """Do what the host wants of the armed block, if anything."""
        self._stop_if_meant()
        while self._wished[0] == self.armed and self._wished[1] > self.over and not self._depth:
            if not self._stand(frame, self._wished[1]):
                break

    def _stop_if_meant(self) -> None:
        announced = self._came if self._came < self._announced else self._announced
        self._announced -= announced
        own, self._came = self._came > announced, 0
        if own and self.armed is not None:
            self._raise(KeyboardInterrupt)
        if self.armed in self._meant:
            self._meant.discard(self.armed or "")
            self.rung = True
            self._raise(BlockAborted)
        if self._outer[0] in self._meant:
            self.rung = True
            self._raise(BlockAborted)

    def _raise(self, error: type[KeyboardInterrupt]) -> None:
        if self._depth:
            self._due = error
        else:
            raise error

    def _stand(self, frame: FrameType | None, wish: int) -> bool:
        self.busy = True
        self._depth = 1
        try:
            stood = self.stand(frame, wish)
        finally:
            self._depth = 0
            self.busy = False
        self._stop_if_meant()
        return stood

    def __enter__(self) -> None:
        if get_ident() == self._main:
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        if get_ident() == self._main:
            self._depth -= 1
            if self._depth or self.armed is None:
                return
            if self._due is not None:
                error, self._due = self._due, None
                raise error
            if self._wished[1] > self.over:
                self._heed(_getframe(1))
