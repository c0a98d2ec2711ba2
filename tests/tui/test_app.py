from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Static

from rlm_tui.journal.events import Chunk
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.bridge import BATCH
from rlm_tui.tui.theme import THEMES, tokens
from tests.runs import DEADLINE_S, watched
from tests.tui.stage import Stage, staged

IMPORTS = """
import sys
import rlm_tui.tui.app
heavy = [name for name in ("litellm", "tree_sitter", "textual.widgets._text_area", "pydantic", "rlm_tui.llm", "rlm_tui.engine", "rlm_tui.journal") if name in sys.modules]
assert not heavy, heavy
"""


def test_the_first_frame_needs_nothing_that_is_slow_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@staged()
async def test_a_flood_leaves_the_keys_alive(stage: Stage) -> None:
    await stage.ready("llm")
    flood = [Chunk(id="root/i1", kind="reply", text="x") for _ in range(20_000)]
    for event in flood:
        stage.app.bridge.put(event)
    stage.app.drain()
    assert stage.app.bridge.waiting >= 20_000 - 2 * BATCH
    await stage.press("z")
    assert stage.main.zoomed
    await stage.until(lambda: stage.app.bridge.waiting == 0, "all of it taken")


@staged()
async def test_the_engine_may_say_things_after_the_screen_is_gone(stage: Stage) -> None:
    await stage.ready("llm")
    stage.app.exit()
    stage.app.bridge.put(Chunk(id="root/i1", kind="reply", text="x"))
    assert stage.app.bridge.waiting == 1


@pytest.mark.parametrize(
    "name", [*(theme.name for theme in THEMES), "nord", "textual-light", "ansi-dark", "ansi-light"]
)
def test_every_theme_has_our_colours(name: str) -> None:
    @staged(app={"theme": name})
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        assert stage.app.theme == name
        assert "held before a request" in stage.text
        variables = stage.app.theme_variables
        assert {"held", "human", "ink-3", "code-string", "ink-3-style"} <= set(variables)
        await stage.press("e")
        await stage.until(lambda: "edit the request" in stage.text, "the editor")
        await stage.press("escape", "R")
        await stage.until(lambda: "Force a final answer" in stage.text, "the dialog")

    play()


def test_no_color_takes_the_theme_of_sixteen_colours_and_drops_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    @staged()
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        assert (stage.app.theme, stage.app.no_color) == ("rlm-ansi-dark", True)
        strips = stage.app.screen._compositor.render_strips()
        for strip in strips:
            for segment in strip.apply_filter(stage.app._filters[-1], stage.app.screen.background_colors[1]):
                style = segment.style
                colours = (style.color, style.bgcolor) if style else ()
                assert all(colour is None or colour.is_default for colour in colours)

    play()


def colours(stage: Stage) -> set[str]:
    """Every colour on the screen."""
    strips = stage.app.screen._compositor.render_strips()
    styles = [segment.style for strip in strips for segment in strip if segment.style is not None]
    found = {colour for style in styles for colour in (style.color, style.bgcolor) if colour is not None}
    return {colour.get_truecolor().hex for colour in found}


@pytest.mark.parametrize("name", ["rlm-dark", "rlm-light"])
def test_no_colour_but_the_tokens_on_any_screen(name: str) -> None:
    @staged(app={"theme": name})
    async def play(stage: Stage) -> None:
        ours = {Color.parse(value).hex.lower() for value in tokens(name == "rlm-dark").values() if value[0] == "#"}
        await stage.next_to("block")
        for keys in ((), ("u",), ("y",), ("R",), ("escape", "Q", "down"), ("escape", "question_mark"),
                     ("escape", "colon"), ("escape", "e"), ("x", "("), ("shift+right",)):  # fmt: skip
            await stage.press(*keys)
            await stage.pilot.pause()
            assert colours(stage) - ours == set(), keys
        await stage.until(lambda: "line 1: " in stage.text, "the syntax error")
        assert colours(stage) - ours == set()

    play()


@staged(app={"ascii": True})
async def test_ascii_is_ascii_to_the_last_cell(stage: Stage) -> None:
    await stage.next_to("block")
    for key in (None, "R", "escape", "question_mark", "escape", "Q", "escape", "colon", "escape", "e"):
        if key is not None:
            await stage.press(key)
            await stage.pilot.pause()
        odd = {c for c in stage.text if ord(c) > 126 and c not in "▁▂▃▄▅▆▇█▎"}
        assert odd == set(), (key, odd)


@staged()
async def test_notices_are_told_once(stage: Stage) -> None:
    assert stage.said() == []


def slowly(make: Callable[[], Any], go: threading.Event) -> Callable[[], Any]:
    def made() -> Any:
        assert go.wait(DEADLINE_S)
        return make()

    return made


def test_a_session_is_made_behind_a_curtain() -> None:
    async def play() -> None:
        go = threading.Event()
        with watched("needle", hold=True) as one:
            app = DebuggerApp(slowly(lambda: one.session, go))
            async with app.run_test(size=(80, 24)) as pilot:
                await pilot.pause()
                assert "starting" in str(app.query_one("#starting", Static).content)
                go.set()
                while not (app.screen_stack and app._desk and app.screen is app.main and app.view.run.held):
                    await pilot.pause(0.01)
                assert app.view.run.held["root/i1"].why == "start"

    asyncio.run(play())


def test_a_session_that_cannot_be_made_closes_the_screen_and_says_why() -> None:
    def fails() -> Any:
        raise OSError("no space left")

    async def play() -> DebuggerApp:
        app = DebuggerApp(fails)
        async with app.run_test() as pilot:
            while app.fault is None or app._running:
                await pilot.pause(0.01)
        return app

    assert str(asyncio.run(play()).fault) == "no space left"


def test_quitting_behind_the_curtain_gives_the_session_back() -> None:
    go = threading.Event()

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.press("Q")
        go.set()

    with watched("needle", hold=True) as one:
        app = DebuggerApp(slowly(lambda: one.session, go))
        assert asyncio.run(app.run_async(headless=True, auto_pilot=play)) is None
        assert one.session.journal.closed
