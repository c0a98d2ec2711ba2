"""A process of ours: started with the descriptors it is to have, signalled, and seen to end. Host side."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.05
"""How often an ended process is looked for where the kernel cannot tell."""


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
            channels: Descriptors it inherits; its command line says what it knows them as.
            output: Descriptor of its stdout and stderr.

        Raises:
            OSError: If it cannot be started.
        """
        self._process: subprocess.Popen[Any] = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=variables,
            cwd=home,
            **_handed(channels),
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


def known_as(descriptor: int) -> int:
    """Return the number under which a process inherits a descriptor: on Windows, that of the handle behind it."""
    if sys.platform == "win32" and descriptor >= 0:
        import msvcrt

        return msvcrt.get_osfhandle(descriptor)
    return descriptor


def _handed(channels: Sequence[int]) -> dict[str, Any]:
    """Return what has a process inherit these descriptors and no others, in a session or console of its own.

    That of Windows is written after the manual of `subprocess`, and has not been tried there.
    """
    if sys.platform == "win32":
        handles = [known_as(descriptor) for descriptor in channels]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
        return {"startupinfo": startup, "creationflags": flags}
    return {"pass_fds": channels, "start_new_session": True}


def _has_ended(process: subprocess.Popen[Any]) -> bool:
    """Whether a process has ended; where it can be helped, without giving up its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def how_it_ended(returncode: int | None) -> str:
    """Return an exit status in words."""
    code = returncode or 0
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"
