"""The screen in a real pseudo-terminal: first frame beside a bare Textual app's, quitting, and keys under load."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator

from tests.bench.table import Row, median_of

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready-to-look")
Bare().run()
"""


class Terminal:
    """A program in a pseudo-terminal of 120×36."""

    def __init__(self, *args: str) -> None:
        self.began = time.perf_counter()
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "RLM_TUI_RUNS_DIR": tempfile.mkdtemp()}
            os.execv(sys.executable, [sys.executable, *args])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))

    def until(self, text: bytes, timeout: float = 20.0) -> float:
        """Seconds from the start until a text was on the screen."""
        end = time.perf_counter() + timeout
        while text not in self.seen:
            assert time.perf_counter() < end, self.seen[-2000:]
            if select.select([self.fd], [], [], 0.05)[0]:
                self.seen += os.read(self.fd, 65536)
        return time.perf_counter() - self.began

    def quit(self, keys: bytes) -> float:
        """Seconds from a key to the end of the process."""
        began = time.perf_counter()
        os.write(self.fd, keys)
        while time.perf_counter() - began < 20:
            if select.select([self.fd], [], [], 0.01)[0]:
                with contextlib.suppress(OSError):
                    os.read(self.fd, 65536)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return time.perf_counter() - began
        os.kill(self.pid, signal.SIGKILL)
        return float("inf")


def rows() -> Iterator[Row]:
    ours = median_of(5, lambda: _first_frame(("-m", "rlm_tui.cli", "demo", "--hold"), b"iteration"))
    floor = median_of(5, lambda: _first_frame(("-c", BARE), b"ready-to-look"))
    yield Row("first frame of `rlm-tui demo`", ours * 1000, "ms", floor * 1000, "a bare Textual app")
    yield Row("quit while held", median_of(3, _quit_held) * 1000, "ms")
    idle, busy = asyncio.run(_key_latency(0)), asyncio.run(_key_latency(2000))
    yield Row("key to view, 2,000 events a second", busy * 1000, "ms", idle * 1000, "the same, idle")


def _first_frame(args: tuple[str, ...], text: bytes) -> float:
    terminal = Terminal(*args)
    took = terminal.until(text)
    os.kill(terminal.pid, signal.SIGKILL)
    os.waitpid(terminal.pid, 0)
    os.close(terminal.fd)
    return took


def _quit_held() -> float:
    terminal = Terminal("-m", "rlm_tui.cli", "demo", "--hold")
    terminal.until(b"held")
    took = terminal.quit(b"Q")
    os.close(terminal.fd)
    return took


async def _key_latency(events_a_second: int) -> float:
    """Median seconds from a key to the view's answer, while a thread feeds events like an engine does."""
    from rlm_tui.journal.events import Chunk
    from rlm_tui.tui.app import DebuggerApp
    from tests.runs import watched

    with watched("multi-hop", hold=True) as one:
        app = DebuggerApp(one.session)
        stop = threading.Event()

        def feed() -> None:
            while not stop.wait(0.01):
                for n in range(events_a_second // 100):
                    app.bridge.sink(Chunk(id="root/i1", kind="reply", text=f"piece {n} ", seq=0, t=time.time()))

        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause(0.5)
            thread = threading.Thread(target=feed, daemon=True)
            if events_a_second:
                thread.start()
            taken: list[float] = []
            for key in ["1", "2", "3"] * 10:
                began = time.perf_counter()
                await pilot.press(key)
                taken.append(time.perf_counter() - began)
            stop.set()
    return sorted(taken)[len(taken) // 2]
