"""The forms of models, parameters and limits: what is in force, and from where on it is another."""

from __future__ import annotations

import pytest

from rlm_tui.tui import actions
from rlm_tui.tui.screens.limits import LimitsDialog
from rlm_tui.tui.screens.questions import read_params
from rlm_tui.tui.widgets.lines import Lines
from tests.debugger.small import code
from tests.tui.forms import form, gone, rows, said
from tests.tui.stage import Stage, staged


@staged(replies=[code("print(1)"), code("FINAL('done')")])
async def test_this_request_alone_goes_with_other_parameters(stage: Stage) -> None:
    await stage.ready("llm")
    screen = await form(stage, "model")
    assert "for" in screen.values()
    await stage.press("enter")
    await stage.until(lambda: "Nothing is different yet." in stage.text, "nothing")
    await stage.press("tab", "end", "backspace", *'"temperature": 0.5}', "enter")
    await gone(stage)
    assert stage.edits() == [("params", {"temperature": 0.5})]
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert [i.attempts[0].params for i in stage.run.iterations.values()] == [{"temperature": 0.5}, {}]


@staged(replies=[code("print(1)"), code("FINAL('done')")])
async def test_every_request_from_here_on_goes_with_other_parameters(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await form(stage, "model")
    assert "for" not in screen.values()
    assert "Every request of this node" in said(stage)
    await stage.press("tab", "end", "backspace", *'"temperature": 0.5}', "enter")
    await gone(stage)
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert [i.attempts[0].params for i in stage.run.iterations.values()] == [{}, {"temperature": 0.5}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}), ("  ", {}), ('{"a": 1}', {"a": 1}), ("[1]", "an object"), ("{", "no JSON"), ("3", "an object"),
        ("[" * 100_000, "nested"),
    ],
)  # fmt: skip
def test_parameters_as_people_type_them(text: str, found: object) -> None:
    read = read_params(text)
    assert read == found if isinstance(found, dict) else isinstance(read, str) and str(found) in read


async def limits(stage: Stage) -> LimitsDialog:
    stage.main.do(actions.BY_ID["limits"])
    await stage.until(lambda: isinstance(stage.app.screen, LimitsDialog) and rows(stage, "#limits"), "the limits")
    screen = stage.app.screen
    assert isinstance(screen, LimitsDialog)
    return screen


@staged(max_tokens=900_000, max_iterations=7)
async def test_every_limit_in_force_is_shown_with_what_is_used(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await limits(stage)
    shown = screen.query_one("#limits", Lines).plain.split("\n")
    assert any("max_iterations" in row and " 0 of 7" in row for row in shown)
    assert any("max_tokens" in row and "of 900,000" in row and "whole tree" in row for row in shown)
    assert any("max_budget" in row and "no limit" in row for row in shown)


@staged(max_iterations=7)
async def test_a_limit_is_changed_while_the_run_goes_on(stage: Stage) -> None:
    await stage.next_to("block")
    await limits(stage)
    await stage.press("enter")
    await stage.until(lambda: "Type the new limit first." in stage.text, "first")
    await stage.press(*"0", "enter")
    await stage.until(lambda: "used already" in stage.text, "too low")
    assert isinstance(stage.app.screen, LimitsDialog)
    await stage.press("backspace", *"1,200", "enter")
    await gone(stage)
    assert stage.edits() == [("limit", {"name": "max_iterations", "to": 1200.0})]
    screen = await limits(stage)
    assert "0 of 1,200" in screen.query_one("#limits", Lines).plain


@staged(max_iterations=1, replies=[code("print(1)"), code("FINAL('done')")])
async def test_the_reached_limit_comes_first_and_is_raised(stage: Stage) -> None:
    stage.session.release_all().result(10)
    await stage.ready("limit")
    await limits(stage)
    row = rows(stage, "#limits")[1]
    assert "max_iterations" in row
    assert "reached" in row
    await stage.press(*"5", "enter")
    await gone(stage)
    await stage.until(lambda: " a go on " in stage.bar, "raised")
    await stage.verb("a")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "done"


@staged(max_iterations=7)
async def test_each_limit_keeps_what_was_typed_for_it(stage: Stage) -> None:
    await stage.next_to("block")
    await limits(stage)
    await stage.press(*"12", "down", *"34", "up")
    from textual.widgets import Input

    assert stage.app.screen.query_one(Input).value == "12"
    await stage.press("down")
    assert stage.app.screen.query_one(Input).value == "34"
