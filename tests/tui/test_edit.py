from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.events import Point
from rlm_tui.journal.tree import Held
from rlm_tui.tui.forms import Form, Unreadable, form, problem, read_messages, ruler, write_messages
from rlm_tui.tui.screens.edit import EditScreen
from rlm_tui.tui.typed import Typed, visible
from rlm_tui.tui.widgets.editor import Editor
from tests.tui.stage import Stage, staged

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@given(ANY)
def test_a_text_comes_back_from_the_editor_as_it_went_in(text: str) -> None:
    typed = Typed(text)
    assert typed.decode(typed.shown) == text
    assert typed.decode(typed.encode(text) + "x") == text + "x" or any(ord(c) >= 0xF0000 for c in text)


@given(ANY)
def test_the_editor_splits_lines_where_we_do_and_nowhere_else(text: str) -> None:
    shown = Typed(text).shown
    assert shown.splitlines() == (shown.removesuffix("\n").split("\n") if shown else [])


@given(ANY)
def test_nothing_that_a_terminal_obeys_is_shown(text: str) -> None:
    shown = visible(Typed(text).shown.replace("\n", ""))
    assert len(shown) == len(text.replace("\n", ""))
    assert not any((ord(c) < 0x20 and c != "\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in shown)
    assert "\u202e" not in shown
    shown.encode()


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), ANY), min_size=1, max_size=5))
def test_messages_come_back_from_their_text(pairs: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": content} for role, content in pairs]
    rule = ruler([content for _, content in pairs])
    assert read_messages(write_messages(messages, rule), rule) == messages


def test_a_heading_inside_a_message_is_no_heading() -> None:
    messages = [{"role": "user", "content": "=== user ===\nnot me"}]
    rule = ruler([messages[0]["content"]])
    assert rule == "===="
    assert read_messages(write_messages(messages, rule), rule) == messages


@pytest.mark.parametrize("text", ["", "hello", "hello\n=== user ===\nx", "=== wizard ===\nx"])
def test_a_text_that_is_no_messages_says_why(text: str) -> None:
    with pytest.raises(Unreadable, match=r"begin with|A message is from"):
        read_messages(text, "===")


@pytest.mark.parametrize(
    ("point", "value", "field", "text"),
    [
        ("reply", {"text": "hi"}, "reply", "hi"),
        ("block", {"code": "x = 1"}, "code", "x = 1"),
        ("call", {"fn": "rlm_query", "prompt": "why?", "model": "m"}, "prompt", "why?"),
        ("return", {"status": "ok", "text": "42"}, "answer", "42"),
        ("observe", {"text": "out"}, "obs", "out"),
        ("final", {"text": "42", "via": "FINAL"}, "final", "42"),
        ("limit", {"name": "max_iterations", "used": 30, "limit": 30}, "limit", "30"),
        ("llm", {"messages": [{"role": "user", "content": "q"}]}, "messages", "=== user ===\nq"),
    ],
)
def test_the_form_of_each_point(point: Point, value: dict[str, object], field: str, text: str) -> None:
    made = form(Held("root/i1", point, "root", value, "step", 0.0), value)
    assert made is not None
    assert (made.field, made.text) == (field, text)


def test_values_of_other_shapes() -> None:
    assert Form("limit", "30", 30, name="max_depth").value(" 40 ") == {"name": "max_depth", "to": 40.0}
    assert Form("final", "", "").value("42") == {"accept": True, "text": "42"}
    with pytest.raises(Unreadable, match="number"):
        Form("limit", "30", 30).value("many")
    assert form(Held("root/i1", "error", "root", {}, "error", 0.0), {}) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = (1", "line 1"),
        ("def f(:\n  pass", "line 1"),
        ("a\x00b", "null"),
        ("(" * 2000 + ")" * 2000, "parenthes"),
        ("x = 1", ""),
    ],
)
def test_what_is_wrong_with_code(code: str, words: str) -> None:
    said = problem(Form("code", "", "", "python"), code)
    assert words in said.lower()
    assert (said == "") == (words == "")


# On the screen -------------------------------------------------------------------------------------------------------


async def type_into(stage: Stage, text: str) -> EditScreen:
    screen = stage.app.screen
    assert isinstance(screen, EditScreen)
    stage.app.screen.query_one(Editor).text = text
    await stage.pilot.pause()
    return screen


async def open_editor(stage: Stage) -> EditScreen:
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor")
    screen = stage.app.screen
    assert isinstance(screen, EditScreen)
    return screen


@staged()
async def test_letters_type_in_the_editor(stage: Stage) -> None:
    await stage.next_to("block")
    before = stage.verbs()
    screen = await open_editor(stage)
    held = screen.text
    await stage.press("a", "s", "n", "Q", "q", "1", "z", "question_mark", "colon")
    assert screen.text == "asnQq1z?:" + held
    assert "edit block 1" in stage.text
    assert stage.verbs() == before


@staged()
async def test_code_is_applied_and_run(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "print('by hand')")
    await stage.press("ctrl+r")
    await stage.until(lambda: any(b.stdout == "by hand\n" for b in stage.run.blocks.values()), "its output")
    assert stage.edits() == [("code", "print('by hand')")]
    assert stage.verbs()[-1] == "release"
    assert "✎" in stage.text


@staged()
async def test_code_is_applied_and_stays_held(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "print('by hand')")
    await stage.press("ctrl+s")
    await stage.until(lambda: stage.app.screen is stage.main and " a run edited " in stage.bar, "back, edited")
    assert len(stage.main.drafts) == 0
    screen = await open_editor(stage)
    assert screen.text == "print('by hand')"


@staged()
async def test_a_syntax_error_is_shown_and_still_allowed(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "x = (1")
    await stage.until(lambda: "line 1: " in stage.text, "the error")
    await stage.press("f2")
    await stage.until(lambda: stage.edits() == [("code", "x = (1")], "applied")


@staged()
async def test_escape_leaves_at_once_when_nothing_was_typed(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await stage.press("escape")
    assert stage.app.screen is stage.main


@staged()
async def test_escape_asks_and_what_was_typed_is_kept(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "half a thou")
    await stage.press("escape")
    assert "Not applied" in stage.text
    await stage.press("escape")
    assert stage.app.screen is stage.main
    assert stage.edits() == []
    screen = await open_editor(stage)
    assert screen.text == "half a thou"
    assert "typed before" in stage.text
    await stage.press("ctrl+t")
    await stage.until(lambda: not screen.dirty, "thrown away")
    await stage.press("escape")
    assert (stage.app.screen is stage.main, len(stage.main.drafts)) == (True, 0)


@staged()
async def test_a_refusal_keeps_the_text(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await open_editor(stage)
    await type_into(stage, "too late")
    await asyncio.wrap_future(stage.session.release(screen._held.id))
    await stage.press("ctrl+s")
    await stage.until(lambda: "Not applied:" in stage.text, "the refusal")
    assert screen.text == "too late"
    assert stage.edits() == []


@staged()
async def test_a_reply_is_edited_before_anything_of_it_runs(stage: Stage) -> None:
    await stage.next_to("reply")
    await open_editor(stage)
    await type_into(stage, "```repl\nFINAL('by hand')\n```")
    await stage.press("ctrl+r")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "by hand"
    assert "after 1 edit" in stage.text


@staged()
async def test_messages_are_edited_as_one_text(stage: Stage) -> None:
    await stage.ready("llm")
    screen = await open_editor(stage)
    assert screen.text.startswith("=== system ===\n")
    await type_into(stage, "no heading")
    await stage.press("ctrl+s")
    assert "must begin with" in stage.text
    assert screen.text == "no heading"
    await type_into(stage, "=== user ===\nSay FINAL(1).")
    await stage.press("ctrl+s")
    await stage.until(stage.edits, "applied")
    assert stage.edits() == [("messages", [{"role": "user", "content": "Say FINAL(1)."}])]


@staged()
async def test_what_a_terminal_would_obey_is_shown_and_kept(stage: Stage) -> None:
    await stage.next_to("block")
    held = stage.view.held_here()
    assert held is not None
    nasty = "x = '\x1b[31m\x07\u2028\x0b'\ny = 1"
    await asyncio.wrap_future(stage.session.edit(held.id, "code", nasty))
    await stage.until(lambda: stage.run.edits, "the edit")
    screen = await open_editor(stage)
    assert "␛[31m␇" in stage.text
    assert "\x1b" not in stage.text
    assert screen.text == nasty
    await stage.press("0", "ctrl+s")
    await stage.until(lambda: len(stage.edits()) == 2, "applied")
    assert stage.edits()[-1] == ("code", "0" + nasty)
