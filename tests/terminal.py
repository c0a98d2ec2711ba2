"""A program in a real pseudo-terminal: what it wrote, what is typed, how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping
from types import TracebackType

_ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_].*?\x1b\\|[@-Z\\-_])", re.DOTALL)


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    # A size in the environment would win over the terminal's own.
    kept = {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}
    return kept | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def _set_size(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Terminal:
    """Starts a Python program (``args`` after the interpreter) in a pseudo-terminal of its own."""

    def __init__(self, *args: str, env: Mapping[str, str], columns: int = 120, rows: int = 36) -> None:
        self.began = time.perf_counter()
        self.raw = b""
        self.code: int | None = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            _set_size(0, columns, rows)
            os.execve(sys.executable, [sys.executable, *args], _environment(env))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def text(self) -> str:
        """Everything it ever wrote, without escape codes."""
        return _ESCAPES.sub(b"", self.raw).decode("utf-8", "replace")

    def resize(self, columns: int, rows: int) -> None:
        _set_size(self.fd, columns, rows)

    def type(self, keys: str) -> None:
        """Type keys, and forget what was written before."""
        self.raw = b""
        os.write(self.fd, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal: what runs in it is told so, and can write no more."""
        os.close(self.fd)
        self.fd = -1

    def _read(self) -> None:
        if self.fd < 0:
            time.sleep(0.02)
            return
        if select.select([self.fd], [], [], 0.02)[0]:
            with contextlib.suppress(OSError):
                self.raw += os.read(self.fd, 1 << 16)

    def until(self, text: str, deadline: float = 30.0) -> float:
        """Wait until a text was written; seconds since the start."""
        end = time.perf_counter() + deadline
        while text not in self.text:
            self._read()
            assert time.perf_counter() < end, f"never: {text!r} in {self.text[-2000:]!r}"
        return time.perf_counter() - self.began

    def ended(self, deadline: float = 30.0) -> int:
        """Wait until it ended; its exit code (negative: the signal)."""
        end = time.perf_counter() + deadline
        while self.code is None:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            assert time.perf_counter() < end, f"it goes on: {self.text[-2000:]!r}"
        self._read()
        return self.code
