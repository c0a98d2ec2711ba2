"""A worker as a process: how it is started, signalled, seen to end, and cleaned up after. Host side."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

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
    }
    if conditions.time_zone is not None:
        variables["TZ"] = conditions.time_zone
    if sys.platform == "win32" and "SYSTEMROOT" in os.environ:
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return variables


def command(rpc: int, ctl: int, conditions: Conditions) -> list[str]:
    """Return the worker's command line. Not `-I`: it would ignore `PYTHONHASHSEED`."""
    interpreter = os.path.realpath(sys.executable)
    policy = json.dumps({"memory": conditions.memory_bytes})
    return [interpreter, "-s", "-S", "-P", "-B", str(WORKER), str(rpc), str(ctl), str(os.getpid()), policy]


class Worker:
    """A started worker process and the host's ends of its three channels.

    Attributes:
        rpc: Socket for everything.
        ctl: Socket for what is meant for the running block.
        raw: Descriptor of the pipe on the worker's fd 1 and 2; non-blocking.
        returncode: Exit status once it has ended, as in `subprocess`.
    """

    def __init__(self, config: ReplConfig) -> None:
        """Start the process, from the thread that is to outlive it: the kernel ends it with that thread.

        Raises:
            OSError: If it cannot be started; nothing is left behind.
        """
        self.base = Path(tempfile.mkdtemp(prefix="rlm-tui-", dir=config.conditions.scratch_root))
        self.home = self.base / "scratch"
        self.mail = self.base / "mail"
        self.rpc, rpc = socket.socketpair()
        self.ctl, ctl = socket.socketpair()
        self.raw, raw = os.pipe()
        self.returncode: int | None = None
        self._pidfd: int | None = None
        self._letters = itertools.count(1)
        try:
            self.home.mkdir(mode=0o700)
            self.mail.mkdir(mode=0o700)
            self._process = subprocess.Popen(
                command(rpc.fileno(), ctl.fileno(), config.conditions),
                stdin=subprocess.DEVNULL,
                stdout=raw,
                stderr=raw,
                pass_fds=(rpc.fileno(), ctl.fileno()),
                env=environment(config.conditions, self.home),
                cwd=self.home,
                start_new_session=True,
            )
        except BaseException:
            self.close_channels()
            self.remove_scratch()
            raise
        finally:
            rpc.close()
            ctl.close()
            os.close(raw)
        os.set_blocking(self.raw, False)

    def post(self, text: str) -> str:
        """Write a text that is too large for a frame to a file the worker may read, and return its path."""
        path = self.mail / str(next(self._letters))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return str(path)

    def discard(self, letters: list[str]) -> None:
        """Remove files that were posted and have been read."""
        for path in letters:
            Path(path).unlink(missing_ok=True)

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when the process has ended and was reaped."""
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            try:
                self._pidfd = os.pidfd_open(self._process.pid)
            except OSError:
                self._pidfd = None
        if self._pidfd is not None:
            loop.add_reader(self._pidfd, self._reap, ended)
        else:
            loop.call_later(POLL_S, self._poll, ended)

    def _poll(self, ended: Callable[[], None]) -> None:
        if self._process.poll() is None:
            asyncio.get_running_loop().call_later(POLL_S, self._poll, ended)
        else:
            self._reap(ended)

    def _reap(self, ended: Callable[[], None]) -> None:
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        # Its number is ours until it is reaped, so the group is ended first.
        self._signal_group()
        self.returncode = self._process.wait()
        ended()

    def interrupt(self) -> None:
        """Ring the bell: SIGINT to the process."""
        if self.returncode is None and hasattr(signal, "SIGINT"):
            os.kill(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End the process and its group; idempotent."""
        if self.returncode is None:
            self._signal_group()
            self._process.kill()

    def _signal_group(self) -> None:
        if self.returncode is None and hasattr(os, "killpg"):
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return

    def how_it_ended(self) -> str:
        """Return "exit code 3" or "killed by signal 9 (SIGKILL)"."""
        code = self.returncode or 0
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"killed by signal {-code} ({signal.Signals(-code).name})"
        except ValueError:
            return f"killed by signal {-code}"

    def close_channels(self) -> None:
        """Close the host's ends."""
        self.rpc.close()
        self.ctl.close()
        if self.raw >= 0:
            os.close(self.raw)
            self.raw = -1

    def remove_scratch(self) -> None:
        """Remove everything the worker wrote in its scratch directory, whatever its modes."""
        shutil.rmtree(self.base, ignore_errors=True)
        if self.base.exists():
            for folder, names, _ in os.walk(self.base):
                for name in names:
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(0o700)
            shutil.rmtree(self.base, ignore_errors=True)
