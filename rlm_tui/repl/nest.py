"""The zygote: it runs no block, keeps what a run's workers share, and forks every one of them. Runs in the worker.

It has one thread, so that a fork of it is whole. It is trusted, its children are not: they have no descriptor of its,
and nothing they say comes through here. It reaps its children, and because it is the reaper of its other descendants
too, it finds what a worker has left behind in other sessions.
"""

from __future__ import annotations

import array
import gc
import os
import resource
import select
from _socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SOCK_SEQPACKET, socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from rlm_tui.repl.folders import remove
from rlm_tui.repl.libc import Library
from rlm_tui.repl.names import load
from rlm_tui.repl.wire import decode, encode

MESSAGE_CAP = 64 << 10
"""Bytes of one message of the host's."""
MARK = 1 << 62
"""A worker's number is added to this, and kept as a limit that never is one: what it starts can be told by it."""
DESCRIPTORS = 256
"""More than a zygote ever has."""
SUBREAPER = 36
"""`PR_SET_CHILD_SUBREAPER`."""
PRELOADED = (
    "json re math cmath collections collections.abc itertools functools operator datetime calendar random string "
    "textwrap statistics csv io dataclasses typing enum time heapq bisect copy pprint hashlib base64 decimal fractions "
    "difflib ast traceback types tempfile pathlib contextlib zlib struct unicodedata html urllib.parse uuid secrets "
    "abc numbers glob fnmatch shutil concurrent.futures.thread locale reprlib inspect"
)
"""What blocks import most. None of them starts a thread or keeps what ought to differ between processes."""

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without its names for numbers, which are looked up at each call

OWN_SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
"""Those a zygote has handlers for."""
_exit = os._exit


class Narrow(Protocol):
    """Shuts one worker in further than the zygote is; as `confine.Narrower`."""

    def prepare(self) -> None:
        """Do beforehand what can be done for the next one."""
        ...

    def __call__(self, home: str, mail: str) -> None:
        """Shut the calling process in, with these two folders."""
        ...


class Nest:
    """A zygote, for as long as it is one."""

    RPC, CTL = 3, 4
    """Where a forked worker has its channels."""

    def __init__(self, rpc: int, children: int | None, boxed: bool, narrow: Narrow) -> None:
        """Import what workers share, and become the reaper of all that comes from here.

        Args:
            rpc: Descriptor of a socket of whole messages (`SOCK_SEQPACKET`).
            children: Descriptor of the kernel's list of our children, where there is one.
            boxed: Whether we are in a sandbox.
            narrow: What is to be done to each worker.
        """
        for name in PRELOADED.split():
            __import__(name)
        for signum in OWN_SIGNALS:
            signal.signal(signum, signal.SIG_DFL)  # as its workers are to have it
        Library().prctl(SUBREAPER, 1)
        self._host = socket(AF_UNIX, SOCK_SEQPACKET, 0, rpc)
        self._descendants = children
        self._pid = os.getpid()
        self._workers: dict[int, int] = {}
        self._homes: dict[int, Path] = {}
        self._inherited: dict[str, Any] = {}
        self._ending = False
        self._boxed = boxed
        self._narrow = narrow

    def serve(self, die_with: Callable[..., None]) -> dict[str, Any]:
        """Do what the host says until it is gone; returns in forked children only, with the values they are born with.

        Args:
            die_with: Ties the calling process to the end of its parent, whose number it takes.
        """
        awake = _wake_by_signals(self._end_soon)
        self._narrow.prepare()
        gc.collect()
        gc.freeze()
        poll = select.poll()
        poll.register(self._host.fileno(), select.POLLIN)
        poll.register(awake, select.POLLIN)
        while not self._ending:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if awake in ready:
                with suppress(BlockingIOError):
                    os.read(awake, 1 << 16)
                self._reap()
            if self._host.fileno() in ready and self._do(die_with):
                return self._inherited
        self._end()

    def _say(self, **message: Any) -> None:
        try:
            self._host.send(encode(message))
        except OSError:
            self._ending = True

    def _end_soon(self, _signum: int, _frame: object) -> None:
        self._ending = True

    def _do(self, die_with: Callable[..., None]) -> bool:
        """Do one thing the host says; True in a forked child."""
        try:
            data, ancillary, _, _ = self._host.recvmsg(MESSAGE_CAP, CMSG_SPACE(3 * 4), MSG_CMSG_CLOEXEC)
        except OSError:
            data, ancillary = b"", []
        if not data:
            self._ending = True
            return False
        descriptors = array.array("i")
        for _, _, numbers in ancillary:
            descriptors.frombytes(numbers)
        message = decode(data)
        if message["kind"] == "fork":
            return self._fork(message, descriptors.tolist(), die_with)
        if message["kind"] == "put":
            self._put(message)
        elif message["kind"] == "signal":
            self._signal(message["child"], message["signal"])
        return False

    def _put(self, message: dict[str, Any]) -> None:
        error = None
        try:
            self._inherited[message["name"]] = load(message)
        except (MemoryError, OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        gc.freeze()
        self._say(kind="given", name=message["name"], error=error)

    def _fork(self, message: dict[str, Any], descriptors: list[int], die_with: Callable[..., None]) -> bool:
        try:
            pid = os.fork()
        except OSError as error:
            self._say(kind="refused", child=message["child"], error=f"it could not be forked: {error.strerror}")
        else:
            if not pid:
                self._be_born(message, descriptors, die_with)
                return True
            self._workers[pid], self._homes[pid] = message["child"], Path(message["home"])
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(OSError):  # the next one will see for itself
            self._narrow.prepare()
        return False

    def _be_born(self, message: dict[str, Any], descriptors: list[int], die_with: Callable[..., None]) -> None:
        """In the child: let go of everything that is the zygote's."""
        rpc, ctl, raw = descriptors
        os.setsid()
        die_with(self._pid)
        signal.set_wakeup_fd(-1)
        for signum in OWN_SIGNALS:
            signal.signal(signum, signal.SIG_DFL)
        os.close(self._host.detach())
        os.dup2(raw, 1)
        os.dup2(raw, 2)
        if self._boxed:
            Path(message["home"]).mkdir(0o700)
        # While the descriptor it has for that is still there.
        self._narrow(message["home"], message["mail"])
        # They came in this order, so none of them is where an earlier one goes.
        for number, descriptor in ((self.RPC, rpc), (self.CTL, ctl)):
            if descriptor != number:
                os.dup2(descriptor, number, inheritable=False)
        os.closerange(self.CTL + 1, DESCRIPTORS)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (MARK + message["child"],) * 2)
        os.chdir(message["home"])
        os.environ["HOME"] = os.environ["TMPDIR"] = message["home"]

    def _signal(self, child: int, signum: int) -> None:
        for pid, number in self._workers.items():
            if number == child and signum == signal.SIGKILL:
                _kill(pid)
            elif number == child:
                os.kill(pid, signum)

    def _reap(self) -> None:
        """See off every child that has ended, with its group, and what it has left in other sessions."""
        gone: list[tuple[int, int]] = []
        while (pid := _ended_child()) is not None:
            if pid in self._workers:
                _kill(pid)  # its number is its group's until it is reaped
            status = os.waitpid(pid, 0)[1]
            if pid in self._workers:
                gone.append((self._workers.pop(pid), os.waitstatus_to_exitcode(status)))
                self._clear_away(self._homes.pop(pid))
        living = set(self._workers.values())
        for pid in self._strays():
            mark = _mark(pid)
            if mark >= 0 and mark not in living:
                _kill(pid)
        for child, status in gone:
            self._say(kind="gone", child=child, status=status)

    def _clear_away(self, home: Path) -> None:
        """Remove the home of a worker that is gone, where the host cannot; in a process of its own, it may be long."""
        if not self._boxed:
            return
        with suppress(OSError):
            home.rmdir()
            return
        with suppress(OSError):
            if not os.fork():
                try:
                    remove(home)
                finally:
                    _exit(0)

    def _strays(self) -> list[int]:
        """Return the children that are no workers: a worker's, or a later descendant's, whose parent has ended."""
        if self._descendants is None:
            return []
        text = os.pread(self._descendants, 1 << 20, 0)
        return [pid for pid in map(int, text.split()) if pid not in self._workers]

    def _end(self) -> NoReturn:
        """End every descendant that can be found, then ourselves."""
        killed: set[int] = set()
        while True:
            for pid in {*self._workers, *self._strays()} - killed:
                _kill(pid)
                killed.add(pid)
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                _exit(0)
            killed.discard(pid)
            self._workers.pop(pid, None)


def _wake_by_signals(end: Callable[[int, Any], None]) -> int:
    """Return a descriptor that can be read when a child has ended, or when we are asked to end."""
    awake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _only_wake)
    signal.signal(signal.SIGTERM, end)
    return awake


def _only_wake(_signum: int, _frame: object) -> None:
    """Do nothing: with a handler, the signal makes the descriptor readable."""


def _ended_child() -> int | None:
    """Return the number of a child that has ended, which stays its own until it is reaped."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found and found.si_pid


def _kill(pid: int) -> None:
    """Kill one of our children and its group."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def _mark(pid: int) -> int:
    """Return the number of the worker that a process comes from; below 0 where none can be told.

    A process may take its mark off, or put on a sibling's. It gains the time until that one ends, or the zygote does.
    """
    try:
        return resource.prlimit(pid, resource.RLIMIT_RTTIME)[1] - MARK
    except OSError:
        return -1
