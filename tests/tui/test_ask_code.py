"""The form that puts code in: what the model sees of it, and when enter goes on."""

from __future__ import annotations

import pytest

from rlm_tui.tui.widgets.editor import unfinished
from rlm_tui.tui.widgets.fields import Choice, Words
from tests.debugger.small import code
from tests.tui.forms import form, gone, typed
from tests.tui.stage import Stage, staged


@staged(replies=[code("x = 1"), code("FINAL(str(x + y))")])
async def test_code_is_put_in_before_the_block_and_the_model_is_not_told(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "insert")
    await stage.press(*"y = 41")
    await stage.until(lambda: "only what follows from it." in stage.text, "what follows")
    await stage.press("enter")
    await gone(stage)
    await stage.until(lambda: "root/i1/b1+h1" in stage.run.blocks, "its row")
    await stage.verb("A") if len(stage.run.held) > 1 else stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "42"
    assert stage.edits() == [("insert", {"code": "y = 41", "say": False})]
    assert "y = 41" not in str(stage.run.iterations["root/i1"].obs)


@staged(replies=[code("x = 1"), code("FINAL('done')")])
async def test_tab_goes_to_whether_the_model_sees_it(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "insert")
    await stage.press(*"y = 41", "tab")
    assert isinstance(stage.app.focused, Choice)
    await stage.press("space")
    await stage.until(lambda: "shown it and what it printed" in stage.text, "what follows")
    await stage.press("enter")
    await gone(stage)
    assert stage.edits() == [("insert", {"code": "y = 41", "say": True})]
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert "y = 41" in str(stage.run.iterations["root/i1"].obs)


@staged(replies=[code("x = 1")])
async def test_a_syntax_error_in_code_put_in_is_shown_and_still_allowed(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "insert")
    await stage.press(*"y = )")
    await stage.until(lambda: "line 1: unmatched ')'" in stage.text, "the error")
    await stage.press("enter")
    await gone(stage)
    assert stage.edits() == [("insert", {"code": "y = )", "say": False})]


@staged(replies=[code("x = 1")])
async def test_enter_goes_on_with_code_that_is_not_finished(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await form(stage, "insert")
    await typed(stage, "for n in range(3):")
    stage.app.screen.query_one(Words).move_cursor(stage.app.screen.query_one(Words).document.end)
    await stage.press("enter", "space", *"print(n)", "enter")
    assert stage.app.screen is screen
    assert screen.values()["code"] == "for n in range(3):\n print(n)\n"
    await stage.press("enter")
    await gone(stage)
    assert [field for field, _ in stage.edits()] == ["insert"]


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [
        ("", False), ("x = 1", False), ("x = (1", True), ("if x:", True), ("if x:\n  y", True), ("if x:\n  y\n", False),
        ("x = '''a", True), ("x = )", False), ("a\x00b", False), ("(" * 3000, True), ("@dec", True), ("x = \\", True),
    ],
)  # fmt: skip
def test_when_code_is_not_finished(text: str, goes_on: bool) -> None:
    assert unfinished(text) is goes_on or len(text) > 1000


def test_enter_in_the_middle_of_code_is_a_new_line() -> None:
    assert unfinished("x = 1\ny = 2", at_end=False)
