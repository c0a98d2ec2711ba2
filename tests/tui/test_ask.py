"""Forms on a real run: what follows is said first, a refusal stays in the form, and nothing typed is lost."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rlm_tui.journal.events import Edit, Go
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui import actions
from rlm_tui.tui.screens.ask import AskDialog
from rlm_tui.tui.screens.limits import LimitsDialog
from rlm_tui.tui.screens.questions import read_params
from rlm_tui.tui.widgets.fields import Choice, Words, unfinished
from rlm_tui.tui.widgets.lines import Lines
from tests.debugger.small import chat, code
from tests.tui.stage import Stage, staged

LEAF = [code("x = llm_query('the leaf')", "print('x is', x)"), code("FINAL(x)")]
CHILD = [code("x = rlm_query('the child')", "print('x is', x)"), code("FINAL(x)")]


def model(root: list[Any], **others: Any) -> dict[str, Any]:
    rows = {f"the {name}": said for name, said in others.items()}
    return {"model": CallableModel(chat({**rows, "": root}))}


def edits(stage: Stage) -> list[tuple[str, object]]:
    return [(event.field, event.value) for event in stage.session.events() if isinstance(event, Edit)]


def verbs(stage: Stage) -> list[str]:
    return [event.verb for event in stage.session.events() if isinstance(event, Go)]


def rows(stage: Stage, id: str) -> list[str]:
    """What such lines say; nothing before they are there."""
    found = stage.app.screen.query(id).results(Lines)
    return [row for lines in found for row in lines.plain.split("\n") if row.strip()]


def said(stage: Stage) -> str:
    """What follows, on one line."""
    return " ".join(" ".join(rows(stage, "#ask-then")).split())


async def form(stage: Stage, id: str, key: str = "") -> AskDialog:
    if key:
        await stage.press(key)
    else:
        stage.main.do(actions.BY_ID[id])
    await stage.until(lambda: isinstance(stage.app.screen, AskDialog) and rows(stage, "#ask-then"), f"the form {id}")
    screen = stage.app.screen
    assert isinstance(screen, AskDialog)
    return screen


async def typed(stage: Stage, text: str, n: int = 0) -> None:
    stage.app.screen.query_one(f"#ask-{n}", Words).put(text)
    await stage.pilot.pause()


async def gone(stage: Stage) -> None:
    await stage.until(lambda: stage.app.screen is stage.main, "the form is gone")


# Supply --------------------------------------------------------------------------------------------------------------


@staged(**model(LEAF, leaf=["from the leaf"]))
async def test_a_call_that_is_held_is_answered_and_nobody_is_asked(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.verb("i")
    await stage.ready("call")
    await form(stage, "supply", "S")
    assert "Nobody is asked." in said(stage)
    await stage.press("enter")
    assert "Type the answer first." in said(stage)
    await stage.press(*"mine")
    await stage.press("ctrl+j", *"too", "enter")
    await gone(stage)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "mine\ntoo"
    assert edits(stage) == [("answer", "mine\ntoo")]
    assert len(stage.main.drafts) == 0


@staged(**model(LEAF, leaf=["from the leaf"]))
async def test_an_answer_that_came_back_stands_in_the_form(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.verb("i")
    await stage.ready("call")
    await stage.verb("s")
    await stage.ready("return")
    await form(stage, "supply", "S")
    assert "in place of the answer that came" in said(stage)
    assert stage.app.screen.query_one(Words).said == "from the leaf"
    await stage.press(*" edited", "enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "from the leaf edited"


def test_a_request_under_way_is_answered_by_hand() -> None:
    never = threading.Event()

    @staged(hold=False, **model(LEAF, leaf=[never]))
    async def play(stage: Stage) -> None:
        call = await stage.until(lambda: next((c for c in stage.run.calls.values() if c.attempts), None), "the leaf")
        stage.view.select_item(call.id)
        stage.main.sync()
        await form(stage, "supply", "S")
        assert "Its request is cancelled." in said(stage)
        await stage.press(*"mine", "enter")
        await stage.until(lambda: stage.run.end is not None, "the end")
        assert stage.run.root is not None
        assert stage.run.root.value == "mine"
        assert call.status == "supplied"

    try:
        play()
    finally:
        never.set()


def test_a_child_that_runs_is_answered_and_what_is_below_ends_first() -> None:
    never = threading.Event()

    @staged(hold=False, **model(CHILD, child=[code("llm_query('the leaf')")], leaf=[never]))
    async def play(stage: Stage) -> None:
        await stage.until(lambda: any(c.attempts and c.node is None for c in stage.run.calls.values()), "the leaf")
        child = next(c for c in stage.run.calls.values() if c.node is not None)
        stage.view.select_item(child.id)
        stage.main.sync()
        await form(stage, "supply", "S")
        assert "1 call still in flight is ended first" in said(stage)
        assert "This child ends with it" in said(stage)
        await stage.press(*"mine", "enter")
        await stage.until(lambda: stage.run.end is not None, "the end")
        assert stage.run.root is not None
        assert stage.run.root.value == "mine"

    try:
        play()
    finally:
        never.set()


@staged()
async def test_the_root_is_no_call_to_answer(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.press("S")
    assert stage.app.screen is stage.main
    await stage.until(lambda: "The root is no call." in stage.bar, "why not")


@staged(**model(LEAF, leaf=["from the leaf"]))
async def test_a_refusal_stays_in_the_form_with_what_was_typed(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.verb("i")
    await stage.ready("call")
    screen = await form(stage, "supply", "S")
    await stage.press(*"mine")
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("enter")
    await stage.until(lambda: "ended" in stage.text or "come back" in stage.text, "the refusal")
    assert stage.app.screen is screen
    assert screen.values() == {"answer": "mine"}
    await stage.press("escape")
    await gone(stage)
    assert len(stage.main.drafts) == 1


# Put code in ---------------------------------------------------------------------------------------------------------


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
    assert edits(stage) == [("insert", {"code": "y = 41", "say": False})]
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
    assert edits(stage) == [("insert", {"code": "y = 41", "say": True})]
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
    assert edits(stage) == [("insert", {"code": "y = )", "say": False})]


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
    assert [field for field, _ in edits(stage)] == ["insert"]


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


# Words ---------------------------------------------------------------------------------------------------------------


@staged(replies=[code("print(1)"), code("FINAL('done')")])
async def test_the_model_is_told_with_the_next_observation(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "tell")
    assert "with the next observation" in said(stage)
    await stage.press(*"look closer", "enter")
    await gone(stage)
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert "look closer" in str(stage.run.iterations["root/i1"].obs)


@staged(replies=[code("FINAL('done')")])
async def test_the_model_is_told_in_the_request_that_is_held(stage: Stage) -> None:
    await stage.ready("llm")
    await form(stage, "tell")
    assert "at the end of the request that is held" in said(stage)
    await stage.press(*"look closer", "enter")
    await gone(stage)
    await stage.press("e")
    await stage.until(lambda: "look closer" in stage.text, "in the editor, too")
    await stage.press("escape")
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert "look closer" in str(stage.run.iterations["root/i1"].attempts[0].messages()[-1].content)


@staged()
async def test_a_note_is_kept_and_shown_and_no_model_sees_it(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "note", "m")
    await stage.press(*"odd", "enter")
    await gone(stage)
    await stage.until(lambda: stage.run.notes.get("root/i1/b1"), "the note")
    await form(stage, "note", "m")
    assert "¶ odd" in said(stage)
    await stage.press(*"very", "enter")
    await gone(stage)
    stage.view.tab = 5
    stage.main.sync()
    await stage.until(lambda: " odd" in stage.text and " very" in stage.text, "the tab")
    assert "a run edited" not in stage.bar


@staged()
async def test_a_note_is_kept_after_the_end(stage: Stage) -> None:
    await stage.ready("llm")
    stage.session.force_final("root", text="x").result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    await form(stage, "note", "m")
    await stage.press(*"why", "enter")
    await gone(stage)
    await stage.until(lambda: "root" in stage.run.notes, "the note")


@staged()
async def test_escape_keeps_what_was_typed_and_says_so(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "note", "m")
    await stage.press(*"half", "escape")
    await gone(stage)
    await stage.until(lambda: "kept as a draft" in stage.bar, "said")
    screen = await form(stage, "note", "m")
    assert screen.values() == {"note": "half"}
    assert "typed before" in said(stage)
    await stage.press("ctrl+t")
    await stage.until(lambda: screen.values() == {"note": ""}, "thrown away")
    assert len(stage.main.drafts) == 0
    await stage.press("escape")
    await gone(stage)
    assert edits(stage) == []


@staged()
async def test_letters_are_letters_in_a_form(stage: Stage) -> None:
    await stage.next_to("block")
    before = verbs(stage)
    screen = await form(stage, "note", "m")
    await stage.press(*"asnqQx1", "question_mark", "colon")
    assert screen.values() == {"note": "asnqQx1?:"}
    assert verbs(stage) == before


@staged()
async def test_what_a_terminal_would_obey_is_shown_and_kept(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await form(stage, "note", "m")
    from textual.events import Paste

    stage.app.screen.query_one(Words).post_message(Paste("a\x1b[31mb\nsecond"))
    await stage.until(lambda: "second" in stage.text, "pasted")
    assert "\x1b" not in stage.text
    assert "second" in screen.values()["note"]


# Model and limits ----------------------------------------------------------------------------------------------------


@staged(replies=[code("print(1)"), code("FINAL('done')")])
async def test_this_request_alone_goes_with_other_parameters(stage: Stage) -> None:
    await stage.ready("llm")
    screen = await form(stage, "model")
    assert "for" in screen.values()
    await stage.press("enter")
    await stage.until(lambda: "Nothing is different yet." in stage.text, "nothing")
    await stage.press("tab", "end", "backspace", *'"temperature": 0.5}', "enter")
    await gone(stage)
    assert edits(stage) == [("params", {"temperature": 0.5})]
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
    assert edits(stage) == [("limit", {"name": "max_iterations", "to": 1200.0})]
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


# A final answer ------------------------------------------------------------------------------------------------------


@staged(replies=[code("FINAL('too soon')"), code("FINAL('better')")])
async def test_a_final_answer_is_rejected_by_key_with_a_message(stage: Stage) -> None:
    await stage.next_to("final")
    assert "x reject" in stage.bar
    await form(stage, "skip", "x")
    assert "The answer does not count." in said(stage)
    await stage.press(*"look closer", "enter")
    await gone(stage)
    await stage.until(lambda: len(stage.run.iterations) > 1 and stage.run.iterations["root/i2"].attempts, "again")
    assert edits(stage) == [("final", {"accept": False, "message": "look closer"})]
    assert "look closer" in str(stage.run.iterations["root/i2"].attempts[0].messages()[-1].content)
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "better"


@staged(replies=[code("FINAL('too soon')"), code("FINAL('better')")])
async def test_a_final_answer_is_rejected_without_a_message(stage: Stage) -> None:
    await stage.next_to("final")
    await form(stage, "skip", "x")
    assert "told that it was not accepted" in said(stage)
    await stage.press("enter")
    await gone(stage)
    stage.session.release_all().result(10)
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "better"


@staged()
async def test_a_forced_answer_of_several_lines_and_its_draft(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("R")
    await stage.until(lambda: "becomes" in stage.text, "the form")
    await stage.press(*"one", "ctrl+j", *"two", "escape")
    await gone(stage)
    await stage.press("R")
    await stage.until(lambda: "typed before" in stage.text, "the draft")
    await stage.press("enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "one\ntwo"
    assert len(stage.main.drafts) == 0


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 45)])
def test_every_form_fits_on_the_screen_with_its_keys(size: tuple[int, int]) -> None:
    @staged(size=size)
    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        for id in ("insert", "tell", "note", "model", "limits"):
            stage.main.do(actions.BY_ID[id])
            await stage.until(lambda: "esc back" in stage.text, id)
            if id == "insert":
                await typed(stage, "\n".join(f"line_{n} = {n}" for n in range(40)))
                await stage.until(lambda: "enter put in" in stage.text and "esc back" in stage.text, "still there")
            await stage.press("escape")
            await gone(stage)

    play()
