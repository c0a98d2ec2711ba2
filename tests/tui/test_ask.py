"""Forms on a real run: what follows is said first, a refusal stays in the form, and nothing typed is lost."""

from __future__ import annotations

import threading

import pytest

from rlm_tui.tui import actions
from rlm_tui.tui.widgets.fields import Words
from tests.debugger.small import code
from tests.tui.forms import CHILD, LEAF, form, gone, model, said, typed
from tests.tui.stage import Stage, staged

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
    assert stage.edits() == [("answer", "mine\ntoo")]
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
    assert stage.edits() == []


@staged()
async def test_letters_are_letters_in_a_form(stage: Stage) -> None:
    await stage.next_to("block")
    before = stage.verbs()
    screen = await form(stage, "note", "m")
    await stage.press(*"asnqQx1", "question_mark", "colon")
    assert screen.values() == {"note": "asnqQx1?:"}
    assert stage.verbs() == before


@staged()
async def test_what_a_terminal_would_obey_is_shown_and_kept(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await form(stage, "note", "m")
    from textual.events import Paste

    stage.app.screen.query_one(Words).post_message(Paste("a\x1b[31mb\nsecond"))
    await stage.until(lambda: "second" in stage.text, "pasted")
    assert "\x1b" not in stage.text
    assert "second" in screen.values()["note"]


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
    assert stage.edits() == [("final", {"accept": False, "message": "look closer"})]
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
