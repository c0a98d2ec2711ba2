"""The screen in a real pseudo-terminal: first frame beside a bare Textual app's, quitting, and keys under load."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator

from tests.bench.table import Row, median_of
from tests.terminal import Terminal

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready-to-look")
Bare().run()
"""


def _terminal(*args: str) -> Terminal:
    return Terminal(*args, env=dict(os.environ) | {"RLM_TUI_RUNS_DIR": tempfile.mkdtemp()})


def rows() -> Iterator[Row]:
    ours = median_of(5, lambda: _first_frame(("-m", "rlm_tui.cli", "demo", "--hold"), "starting"))
    floor = median_of(5, lambda: _first_frame(("-c", BARE), "ready-to-look"))
    yield Row("first frame of `rlm-tui demo`", ours * 1000, "ms", floor * 1000, "a bare Textual app")
    ours = median_of(5, lambda: _first_frame(("-m", "rlm_tui.cli", "demo", "--hold"), "held before"))
    yield Row("the run on the screen, held", ours * 1000, "ms", floor * 1000, "a bare Textual app")
    yield Row("quit while held", median_of(3, _quit_held) * 1000, "ms")
    idle, busy = asyncio.run(_key_latency(0)), asyncio.run(_key_latency(2000))
    yield Row("key to view, 2,000 events a second", busy * 1000, "ms", idle * 1000, "the same, idle")


def _first_frame(args: tuple[str, ...], text: str) -> float:
    with _terminal(*args) as terminal:
        return terminal.until(text)


def _quit_held() -> float:
    with _terminal("-m", "rlm_tui.cli", "demo", "--hold") as terminal:
        terminal.until("held before")
        terminal.type("Q")
        terminal.until("leave")
        began = time.perf_counter()
        terminal.type("\r")
        terminal.ended()
        return time.perf_counter() - began


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
                    app.bridge.put(Chunk(id="root/i1", kind="reply", text=f"piece {n} ", seq=0, t=time.time()))

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
