"""The console: lines of a person's on a held REPL, with history and names; all of it shown and never obeyed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Paste

from rlm_tui.journal.tree import Block
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.screens.console import FIELD, ConsoleScreen
from rlm_tui.tui.widgets.console import Field
from rlm_tui.tui.widgets.editor import unfinished
from rlm_tui.tui.widgets.inspector import TextPane
from tests.tui import scenes
from tests.tui.stage import Stage, staged


async def opened(stage: Stage) -> None:
    await scenes.held_block(stage)
    await stage.press("C")
    await stage.until(lambda: isinstance(stage.app.screen, ConsoleScreen), "the console")


def field(stage: Stage) -> Field:
    return stage.app.screen.query_one(Field)


async def typed(stage: Stage, text: str) -> None:
    field(stage).insert(text)
    await stage.until(lambda: text.rsplit("\n", maxsplit=1)[-1] in field(stage).text, text)


async def ran(stage: Stage, text: str, says: str) -> None:
    await typed(stage, text)
    await stage.press("enter")
    await stage.until(lambda: not field(stage).text and says in stage.text, says)


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        ("x = 1", False), ("x = [1,", True), ("if x:", True), ("if x:\n    1", True), ("if x:\n    1\n", False),
        ("def", False), ("'''", True), ("x = 1\ny = 2", False), ("\0", False), ("f(\n", True),
    ],
)  # fmt: skip
def test_what_python_would_wait_for(code: str, waits: bool) -> None:
    assert unfinished(code) == waits


@staged()
async def test_what_is_run_is_recorded_and_what_is_looked_at_is_not(stage: Stage) -> None:
    await opened(stage)
    assert "Nothing was evaluated here yet" in stage.text and "held before block 1" not in stage.footer
    await ran(stage, "mine = [n * n for n in range(3)]", "changed mine")
    await ran(stage, "?mine + [9]", "[0, 1, 4, 9]")
    await ran(stage, "print('\\x1b[31mred')\nlen(mine)", "3")
    assert "␛[31mred" in stage.text and "\x1b" not in stage.text
    codes = [block.code for block in stage.run.blocks.values() if block.origin == "eval"]
    assert codes == ["mine = [n * n for n in range(3)]", "print('\\x1b[31mred')\nlen(mine)"]
    first = stage.text
    assert first.index("mine = [") < first.index("mine + [9]") < first.index("len(mine)")
    await stage.press("escape")
    await stage.until(lambda: stage.app.screen is stage.main, "the run")


@staged()
async def test_lines_are_waited_for_and_their_indent_is_kept(stage: Stage) -> None:
    await opened(stage)
    await typed(stage, "for n in range(2):")
    await stage.press("enter")
    await stage.until(lambda: field(stage).text == "for n in range(2):\n    ", "the indent")
    await typed(stage, "print('n is', n)")
    await stage.press("enter")
    await stage.press("backspace", "backspace", "backspace", "backspace", "enter")
    await stage.until(lambda: not field(stage).text and "n is 1" in stage.text, "both lines")


@staged()
async def test_history_goes_through_what_was_run_and_looked_at(stage: Stage) -> None:
    await opened(stage)
    await ran(stage, "a = 1", "changed a")
    await ran(stage, "b = 2\nc = 3", "changed b, c")
    await ran(stage, "?a", "1")
    seen: list[str] = []
    for _ in range(4):
        await stage.press("up")
        seen.append(field(stage).text)
    # In an entry of two lines the first press goes to its first line.
    assert seen == ["?a", "b = 2\nc = 3", "b = 2\nc = 3", "a = 1"]
    await stage.press("down", "down", "down")
    assert field(stage).text in ("?a", "")


@staged()
async def test_names_attributes_and_keys_are_completed(stage: Stage) -> None:
    await opened(stage)
    await ran(stage, "station_one, station_two, tab = 1, 2, {'gust': 1}", "changed")
    await typed(stage, "station")
    await stage.press("tab")
    await stage.until(lambda: field(stage).text == "station_" and "station_one   station_two" in stage.text, "both")
    await typed(stage, "t")
    await stage.press("tab")
    await stage.until(lambda: field(stage).text == "station_two", "one")
    field(stage).text = "tab['g"
    field(stage).move_cursor(field(stage).document.end)
    await stage.press("tab")
    await stage.until(lambda: field(stage).text == "tab['gust", "a key")
    field(stage).text = "tab.setd"
    field(stage).move_cursor(field(stage).document.end)
    await stage.press("tab")
    await stage.until(lambda: field(stage).text == "tab.setdefault", "an attribute")
    field(stage).text = ""
    await stage.press("tab")
    assert field(stage).text == "    "


@staged()
async def test_what_is_typed_is_there_again(stage: Stage) -> None:
    await opened(stage)
    await typed(stage, "half a th")
    await stage.press("escape")
    await stage.until(lambda: stage.app.screen is stage.main, "the run")
    await stage.press("C")
    await stage.until(lambda: isinstance(stage.app.screen, ConsoleScreen) and field(stage).text == "half a th", "it")


@staged()
async def test_what_does_not_end_is_stopped(stage: Stage) -> None:
    await opened(stage)
    await typed(stage, "while True: pass")
    await stage.press("enter")
    await stage.until(lambda: "stop it" in stage.text, "running")
    await stage.press("enter")
    await stage.press("ctrl+c")
    await stage.until(lambda: "stop it" not in stage.text and "BlockAborted" in stage.text, "stopped")


@staged()
async def test_a_refusal_is_said_and_nothing_typed_is_lost(stage: Stage) -> None:
    await opened(stage)
    stage.session.release_all().result(10)
    await stage.until(lambda: not stage.run.held, "let go")
    await typed(stage, "len(context)")
    await stage.press("enter")
    await stage.until(lambda: field(stage).text == "len(context)" and "enter run   " not in stage.text, "the refusal")


@staged(size=(80, 24))
async def test_a_long_result_is_whole_and_the_newest_is_in_sight(stage: Stage) -> None:
    await opened(stage)
    await ran(stage, "for n in range(200): print('line', n)\n", "line 199")
    pane = stage.app.screen.query_one(TextPane)
    assert pane.at_end and len(pane.lines) > 200
    await stage.press("pageup")
    await stage.until(lambda: "line 199" not in stage.text, "further up")
    await ran(stage, "?1 + 1", "")
    assert not pane.at_end, "who reads further up is not moved"


@staged()
async def test_what_is_being_typed_is_there_again_after_a_way_through_the_history(stage: Stage) -> None:
    await opened(stage)
    await ran(stage, "a = 1", "changed a")
    await typed(stage, "half a th")
    await stage.press("up")
    assert field(stage).text == "a = 1"
    await stage.press("down")
    assert field(stage).text == "half a th"
    await stage.press("down")
    assert field(stage).text == "half a th"


@staged()
async def test_the_history_is_searched_for_what_is_typed(stage: Stage) -> None:
    await opened(stage)
    for line, says in (("gust = 1", "changed gust"), ("wind = 2", "changed wind"), ("gust + wind", "3")):
        await ran(stage, line, says)
    await typed(stage, "gust")
    await stage.press("ctrl+r")
    assert field(stage).text == "gust + wind"
    await stage.press("ctrl+r")
    assert field(stage).text == "gust = 1"
    await stage.press("ctrl+r")
    assert field(stage).text == "gust = 1" and "Nothing more was evaluated" in stage.text


@staged(size=(80, 24))
async def test_many_names_stand_in_columns_and_the_rest_is_counted(stage: Stage) -> None:
    await opened(stage)
    await typed(stage, "''.")
    field(stage).text = "context[0]."
    field(stage).move_cursor(field(stage).document.end)
    await stage.press("tab")
    await stage.until(lambda: "more; type on" in stage.text and "capitalize" in stage.text, "the names")
    await typed(stage, "x")
    await stage.until(lambda: "more; type on" not in stage.text, "none of them any more")


@staged()
async def test_what_is_pasted_runs_as_it_is_and_nothing_of_it_is_obeyed(stage: Stage) -> None:
    await opened(stage)
    stage.app.post_message(Paste("mine = '\x1b[2J\u2028\u202e'\nlen(mine)"))
    await stage.until(lambda: field(stage).document.line_count == 2, "two lines")
    assert "\x1b" not in stage.text and "\u202e" not in stage.text
    await stage.press("enter")
    await stage.until(lambda: not field(stage).text, "run")
    codes = [block.code for block in stage.run.blocks.values() if block.origin == "eval"]
    assert len(codes) == 1 and str(codes[0]).startswith("mine = '") and str(codes[0]).endswith("\nlen(mine)")
    await stage.press("up")
    assert field(stage).document.line_count == 2 and "\u202e" not in stage.text


@staged()
async def test_a_console_that_is_opened_while_something_runs_says_so(stage: Stage) -> None:
    await opened(stage)
    await typed(stage, "while True: pass")
    await stage.press("enter")
    await stage.until(lambda: "stop it" in stage.text and any(b.status == "open" for b in evals(stage)), "running")
    await stage.press("escape")
    await stage.until(lambda: stage.app.screen is stage.main, "the run")
    stage.main.do_console()
    await stage.until(lambda: isinstance(stage.app.screen, ConsoleScreen) and "stop it" in stage.text, "still running")
    await stage.press("ctrl+c")
    await stage.until(lambda: "BlockAborted" in stage.text and "stop it" not in stage.text, "stopped")


def evals(stage: Stage) -> list[Block]:
    return [block for block in stage.run.blocks.values() if block.origin == "eval"]


def test_what_was_typed_is_kept_in_the_runs_folder(tmp_path: Path) -> None:
    @staged(runs=tmp_path)
    async def types(stage: Stage) -> None:
        await opened(stage)
        await typed(stage, "half a th")
        await stage.press("escape")
        await stage.until(lambda: stage.app.screen is stage.main, "the run")
        assert stage.session.path is not None
        assert Drafts(stage.session.path).get(("root", FIELD)) == "half a th"

    types()
