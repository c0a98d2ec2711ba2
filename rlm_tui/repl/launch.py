"""A worker as a process: how it is started, signalled, seen to end, and cleaned up after. Host side."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlm_tui.repl.folders import remove
from rlm_tui.repl.policy import HOMES, MAIL, ConfinementError, extra_environment, policy
from rlm_tui.repl.results import Conditions, ReplConfig

WORKER = Path(__file__).with_name("worker.py")
POLL_S = 0.05
"""How often an ended process is looked for where the kernel cannot tell."""


def environment(conditions: Conditions, home: Path) -> dict[str, str]:
    """Return a worker's whole environment, built from nothing: no key of the host's is ever in it."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": str(conditions.hash_seed),
        # Without it, threads under an address limit hang in glibc's arenas.
        "MALLOC_ARENA_MAX": "2",
        **extra_environment(conditions),
    }
    if conditions.time_zone is not None:
        variables["TZ"] = conditions.time_zone
    if sys.platform == "win32" and "SYSTEMROOT" in os.environ:
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return variables


def command(rpc: int, ctl: int, conditions: Conditions, base: Path, *, zygote: bool = False) -> list[str]:
    """Return a worker's command line. Not `-I`: it would ignore `PYTHONHASHSEED`.

    Args:
        rpc: Descriptor of its channel for everything.
        ctl: Descriptor of its channel for the running block; -1 for a zygote, which has none.
        conditions: What it lives under.
        base: The folder with the folders of all workers of its source.
        zygote: Whether it is to fork workers instead of being one.
    """
    interpreter = os.path.realpath(sys.executable)
    # In a sandbox the host's number means nothing, and the sandbox ends with the host by itself.
    host = 0 if conditions.confine == "bwrap" else os.getpid()
    numbers = [str(rpc), str(ctl), str(host)]
    terms = json.dumps(policy(conditions, base) | {"cache": not sys.dont_write_bytecode})
    return [interpreter, "-s", "-S", "-P", "-B", str(WORKER), *numbers, terms, *(["zygote"] if zygote else [])]


def make_base(conditions: Conditions) -> Path:
    """Make the private folder of a source: `homes` with every worker's scratch directory, `mail` with their letters.

    Raises:
        OSError: If there is no place for it.
    """
    base = Path(tempfile.mkdtemp(prefix="rlm-tui-", dir=conditions.scratch_root)).resolve()
    for name in (HOMES, MAIL):
        (base / name).mkdir(mode=0o700)
    return base


class Process:
    """A process of ours in a session of its own, that is seen to end, and its group ended with it.

    Attributes:
        pid: Its number, ours until it is reaped.
        returncode: Exit status once it has ended and was reaped, as in `subprocess`.
    """

    def __init__(
        self, argv: list[str], *, variables: Mapping[str, str], home: Path, channels: Sequence[int], output: int
    ) -> None:
        """Start it, from the thread that is to outlive it: the kernel ends it with that thread.

        Args:
            argv: Its command line.
            variables: Its whole environment.
            home: Its working directory.
            channels: Descriptors it inherits under the same numbers.
            output: Descriptor of its stdout and stderr.

        Raises:
            OSError: If it cannot be started.
        """
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=channels,
            env=variables,
            cwd=home,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.returncode: int | None = None
        self._pidfd: int | None = None

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when it has ended and was reaped."""
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            try:
                self._pidfd = os.pidfd_open(self.pid)
            except OSError:
                self._pidfd = None
        if self._pidfd is not None:
            loop.add_reader(self._pidfd, self._reap, ended)
        else:
            loop.call_later(POLL_S, self._poll, ended)

    def _poll(self, ended: Callable[[], None]) -> None:
        # Its number is ours until it is reaped, so the group is ended first.
        if _has_ended(self._process):
            self._reap(ended)
        else:
            asyncio.get_running_loop().call_later(POLL_S, self._poll, ended)

    def _reap(self, ended: Callable[[], None]) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._signal_group()
        self.returncode = self._process.wait()
        ended()

    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended. Where signals only end processes, do nothing."""
        if self.returncode is None and sys.platform != "win32":
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it and its group; idempotent."""
        if self.returncode is not None:
            return
        self._signal_group()
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.kill(self.pid, signal.SIGKILL)  # not by way of Popen, which would give up its number

    def _signal_group(self) -> None:
        if self.returncode is None and hasattr(os, "killpg"):
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process has ended; where it can be helped, without giving up its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Worker(ABC):
    """A worker that was started and is not yet set up, with the host's ends of its three channels and its folders.

    Attributes:
        rpc: Socket for everything.
        ctl: Socket for what is meant for the running block.
        raw: Descriptor of the pipe on the worker's fd 1 and 2; non-blocking.
        returncode: Exit status once it has ended, as in `subprocess`.
        base: The folder of its source.
        home: Its scratch directory, where it runs; in a sandbox it is only there.
        mail: Where the host leaves what is too large for a frame.
        given: Values its source was given, by name.
    """

    def __init__(self, base: Path, number: int, given: Mapping[str, Any]) -> None:
        """Make the channels and folders, and start it.

        Raises:
            OSError: If it cannot be started; nothing is left behind.
        """
        self.base = base
        self.home = base / HOMES / str(number)
        self.mail = base / MAIL / str(number)
        self.given = given
        self.returncode: int | None = None
        self._letters = itertools.count(1)
        self.rpc, rpc = socket.socketpair()
        self.ctl, ctl = socket.socketpair()
        self.raw, raw = os.pipe()
        try:
            self.mail.mkdir(mode=0o700)
            self._start(rpc.fileno(), ctl.fileno(), raw)
        except BaseException:
            self.close_channels()
            self.remove_scratch()
            raise
        finally:
            rpc.close()
            ctl.close()
            os.close(raw)
        os.set_blocking(self.raw, False)

    @abstractmethod
    def _start(self, rpc: int, ctl: int, raw: int) -> None:
        """Start it with these ends of its channels."""

    @abstractmethod
    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when it has ended."""

    @abstractmethod
    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""

    @abstractmethod
    def kill(self) -> None:
        """End it and what it started, as far as that can be found; idempotent."""

    @abstractmethod
    def inherited(self, name: str) -> bool:
        """Whether it was born with the value its source was given under this name; else it has to be `put`."""

    def interrupt(self) -> None:
        """Ring the bell: SIGINT."""
        self.signal(signal.SIGINT)

    def break_in(self) -> None:
        """Ring the bell that a block answers where it stands: SIGUSR1. Where there is no such signal, do nothing."""
        if hasattr(signal, "SIGUSR1"):
            self.signal(signal.SIGUSR1)

    def post(self, text: str) -> str:
        """Write a text that is too large for a frame to a file the worker may read, and return its path."""
        path = self.mail / str(next(self._letters))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return str(path)

    def discard(self, letters: list[str]) -> None:
        """Remove files that were posted and have been read."""
        for path in letters:
            Path(path).unlink(missing_ok=True)

    def how_it_ended(self) -> str:
        """Return "exit code 3" or "killed by signal 9 (SIGKILL)"."""
        return how_it_ended(self.returncode)

    def close_channels(self) -> None:
        """Close the host's ends."""
        self.rpc.close()
        self.ctl.close()
        if self.raw >= 0:
            os.close(self.raw)
            self.raw = -1

    def remove_scratch(self) -> None:
        """Remove the worker's folders, whatever it made in them."""
        remove(self.home)
        remove(self.mail)


def how_it_ended(returncode: int | None) -> str:
    """Return an exit status in words."""
    code = returncode or 0
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"


class Spawned(Worker):
    """A worker that is a fresh interpreter."""

    def __init__(
        self, config: ReplConfig, base: Path | None = None, number: int = 1, given: Mapping[str, Any] | None = None
    ) -> None:
        """Start the process, from the thread that is to outlive it: the kernel ends it with that thread.

        Args:
            config: How it is born.
            base: Its source's folder; None for a worker that has no source, and a folder of its own.
            number: Its number among the workers of its source.
            given: What its source was given; it has none of it.

        Raises:
            ConfinementError: If it is to be in a bubblewrap sandbox, which only a zygote can be.
            OSError: If it cannot be started; nothing is left behind.
        """
        if config.conditions.confine == "bwrap":
            raise ConfinementError("only a zygote can be put in a bubblewrap sandbox, with the workers it forks")
        self._conditions = config.conditions
        self._alone = base is None
        super().__init__(base or make_base(config.conditions), number, given or {})

    def _start(self, rpc: int, ctl: int, raw: int) -> None:
        self.home.mkdir(mode=0o700)
        self._process = Process(
            command(rpc, ctl, self._conditions, self.base),
            variables=environment(self._conditions, self.home),
            home=self.home,
            channels=(rpc, ctl),
            output=raw,
        )

    def remove_scratch(self) -> None:
        """Remove its folders, whatever it made in them, and those made for it alone."""
        super().remove_scratch()
        if self._alone:
            remove(self.base)

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when the process has ended and was reaped."""

        def reaped() -> None:
            self.returncode = self._process.returncode
            ended()

        self._process.watch(reaped)

    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""
        self._process.signal(signum)

    def kill(self) -> None:
        """End the process and its group; idempotent."""
        self._process.kill()

    def inherited(self, name: str) -> bool:
        """A fresh interpreter has nothing of what its source was given."""
        return False
