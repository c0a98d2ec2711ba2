"""A block that stands where it was broken in to: its line, its frames and names, and code of a person's in it."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import ExecEnd, ExecStart, Hold, VariableRow
from rlm_tui.tui.rows import evaluated, pages, standing
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.prompt import Asking, Prompt
from tests.tui import sample, scenes
from tests.tui.stage import Stage, staged

BLOCK = "root/i3/b1"


def stands(value: dict[str, Any], size: str = "wide") -> View:
    """The batch's block of the sample, held at a line."""
    tell = sample.Teller()
    sample._first_iterations(tell)
    tell.ask("root/i3", "Now all at once.\n```repl\n…```", 100, base=3)
    tell(ExecStart(id=BLOCK, code="def gust(n):\n    return n + 1\ntop = gust(3)\nprint(top)"))
    tell(Hold(id=BLOCK, point="line", node="root", value=value, why="pause"))
    made = sample.view(tell.events)
    made.size = size
    return made


VALUE = {
    "line": 2,
    "frames": [[3, "<module>", BLOCK], [2, "gust", BLOCK]],
    "locals": [["n", "int", None, "3"], ["bad\x1b[2J", "str", 4, "'\u202e…'"]],
    "threads": 2,
}


def shown(view: View, width: int = 70) -> str:
    return plain(pages.page(view, Layout(), width, 40).lines)


def test_the_line_is_marked_and_the_frames_and_names_stand_below() -> None:
    text = shown(stands(VALUE))
    assert " ▸ 2       return n + 1" in text
    assert "frames, the innermost last" in text
    assert [line.split() for line in text.splitlines() if "gust" in line][-1][:4] == ["▸", "line", "2", "gust"]
    assert "the block itself" in text and "block 1 of i3" in text
    assert "locals at line 2" in text
    assert "? and a name at the console looks at one" in " ".join(text.split())
    assert "\x1b" not in text and "\u202e" not in text and "bad␛[2J" in text


def test_beside_the_code_where_the_pane_is_wide_and_low() -> None:
    lines = shown(stands(VALUE, "medium"), 120).splitlines()
    assert "return n + 1" in lines[1] and "line 3" in lines[1]


def test_only_one_frame_needs_no_list() -> None:
    assert "frames" not in shown(stands(VALUE | {"frames": [[4, "<module>", BLOCK]], "line": 4}))


def test_a_function_of_an_earlier_block_marks_where_this_one_called_it() -> None:
    value = VALUE | {"line": 9, "frames": [[3, "<module>", BLOCK], [9, "old", "root/i1/b1"]]}
    assert " ▸ 3   top = gust(3)" in shown(stands(value))


@pytest.mark.parametrize("value", [{}, {"line": "x", "frames": 3, "locals": [1, [2]]}, {"line": 99, "frames": []}])
def test_a_hold_that_tells_less_is_shown_as_far_as_it_goes(value: dict[str, Any]) -> None:
    assert "return n + 1" in shown(stands(value))


def test_the_row_says_the_line_as_it_is_written() -> None:
    view = stands(VALUE)
    assert standing.line_in(view.run.held[BLOCK], view.run.blocks[BLOCK]) == 2


def test_a_failed_evaluation_is_no_error_of_the_run() -> None:
    view = stands(VALUE)
    before = set(view.errors)
    at = {"seq": view.run.seen, "t": 1.0}
    view.apply(ExecStart(id=f"{BLOCK}+e1", code="1/0", origin="eval", by="human").model_copy(update=at))
    at["seq"] += 1
    end = ExecEnd(
        id=f"{BLOCK}+e1",
        status="error",
        error="ZeroDivisionError",
        changed=(VariableRow(name="q", type="int", brief="1"),),
    )
    view.apply(end.model_copy(update=at))
    assert view.errors == before
    text = shown(view)
    assert "evaluated here" in text and " ! 1/0" in text and "changed q" in text and "ZeroDivisionError" in text
    assert view.newest() == BLOCK, "a person's code is not what a run is followed by"


@staged(replies=[scenes.WAITS], hold=False)
async def test_it_is_stepped_by_line_and_goes_on(stage: Stage) -> None:
    await scenes.standing(stage)
    assert "held in block 1, at line 5" in stage.bar
    assert "The block stands at line 5. Nothing is lost; 1 other thread runs on." in stage.bar
    verbs = stage.bar.splitlines()[-1]
    assert " ".join(verbs.split()) == "▌ a go on s next line ! evaluate C console p abort R final"
    since = stage.view.held_here()
    await stage.press("s")
    await stage.until(lambda: stage.view.held_here() not in (None, since), "the next line")
    await stage.ready("line")
    assert "step" in stage.bar
    await stage.verb("a")
    await stage.until(lambda: not stage.run.held, "it to go on")
    assert stage.run.blocks["root/i1/b1"].status == "open"


@staged(replies=[scenes.WAITS], hold=False)
async def test_code_is_evaluated_in_the_frame_that_stands(stage: Stage) -> None:
    await scenes.standing(stage)
    await scenes.evaluate(stage, "readings.append(61.2)", "?max(readings)", "?readings.clear()", "len(readings)")
    text = stage.text
    assert "! readings.append(61.2)" in text and "changed readings" in text
    assert "? max(readings)" in text and "61.2" in text and "look only" in text
    block = stage.run.blocks["root/i1/b1+e2"]
    assert (block.origin, stage.view.text(block.value)) == ("eval", "4"), "looking changed nothing"
    assert [look.after for look in stage.view.looks["root"]] == [1, 1]
    await stage.press("escape")
    await stage.verb("a")
    await stage.until(lambda: not stage.run.held, "it to go on")
    assert stage.view.looks == {}


@staged(replies=[scenes.WAITS], hold=False)
async def test_a_long_result_is_cut_and_whole_in_output(stage: Stage) -> None:
    await scenes.standing(stage)
    await scenes.evaluate(stage, "?list(range(2000))")
    assert "more lines, in Output" in stage.text and "1999" not in stage.text
    found = pages._output(stage.view, Layout(), stage.view.thing(), 80)
    assert "1998, 1999]" in plain(found)


@staged(replies=[scenes.WAITS], hold=False)
async def test_the_line_types_letters_completes_names_and_remembers(stage: Stage) -> None:
    await scenes.standing(stage)
    await stage.press("exclamation_mark")
    prompt, field = stage.main.query_one(Prompt), stage.main.query_one(Asking)
    await stage.until(lambda: field.has_focus, "the keys")
    await stage.press(*"xQpa", "left", "right")
    assert field.value == "xQpa" and stage.app.screen is stage.main and stage.view.held_here() is not None
    field.value = ""
    await stage.press(*"?max(rea", "tab", ")", "enter")
    await stage.until(lambda: stage.view.looks, "the answer")
    assert stage.view.looks["root"][0].code == "max(readings)"
    assert field.value == ""
    await stage.press(*"FINAL", "tab")
    await stage.until(lambda: "FINAL   FINAL_VAR" in stage.text, "the names that fit")
    await stage.press("up")
    assert field.value == "?max(readings)"
    await stage.press("down")
    assert field.value == ""
    await stage.press("escape")
    assert not prompt.typing and stage.main.focused is not field
    await stage.press("z")
    assert stage.main.zoomed, "keys are keys again"


@staged(replies=[scenes.WAITS], hold=False)
async def test_nothing_is_evaluated_in_a_block_that_runs(stage: Stage) -> None:
    await scenes.running_block(stage)
    await stage.press("exclamation_mark")
    assert not stage.main.query_one(Prompt).typing
    assert any("only while a node is held" in said for said in stage.said())


@staged()
async def test_code_is_evaluated_before_a_request_too(stage: Stage) -> None:
    await stage.ready("llm")
    await scenes.evaluate(stage, "mine = len(context)", "?mine")
    assert "! mine = len(context)" in stage.text and "evaluated here" in stage.text
    assert "mine" in stage.run.nodes["root"].variables
    held = stage.view.held_here()
    assert len(evaluated.beside(stage.view.iteration_of(held.id), held.id)) == 1
