"""The tabs Diff and Notes, and what reverting says: every kind of change, with what was there before."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import Blob, Edit
from rlm_tui.journal.tree import Edited
from rlm_tui.tui.rows import edits, pages
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.view import View
from tests.debugger.small import code
from tests.tui import sample
from tests.tui.sample import log_call
from tests.tui.stage import Stage, staged

BLOCK = f"{log_call(2)}/i2/b1"


def view_with(*changes: Edit, item: str | None, node: str = "root") -> View:
    view = sample.view(sample.held_run())
    for change in changes:
        view.apply(change.model_copy(update={"seq": view.run.seen, "t": sample.START + 100.0 + view.run.seen}))
    view.node, view.item = node, item
    return view


def diff(view: View, width: int = 70) -> str:
    view.tab = pages.DIFF
    return plain(pages.page(view, Layout(), width, 40).lines)


def notes(view: View, width: int = 70) -> str:
    view.tab = pages.NOTES
    return plain(pages.page(view, Layout(), width, 40).lines)


def changed(id: str, field: Any, value: Any, was: Any = None, **more: Any) -> Edit:
    return Edit(id=id, field=field, value=value, was=was, **{"by": "human"} | more)


HIGH = "root/i3"
CASES: list[tuple[Edit, str, list[str]]] = [
    (changed(HIGH, "reply", "now\nsame", "before\nsame"), HIGH, ["✎ reply", "by you", "- before", "+ now"]),
    (changed(f"{HIGH}/b1", "code", "x = 2", "x = 1"), f"{HIGH}/b1", ["✎ code", "- x = 1", "+ x = 2"]),
    (changed(f"{HIGH}/b1", "insert", {"code": "y = 3", "say": False}), f"{HIGH}/b1", ["code put in", "+ y = 3",
     "not told"]),
    (changed(f"{HIGH}/b1", "insert", {"code": "y = 3", "say": True}), f"{HIGH}/b1+h1", ["+ y = 3", "is shown it"]),
    (changed(f"{HIGH}/b1", "skip", {"say": False}), f"{HIGH}/b1", ["✎ skipped", "not run"]),
    (changed(log_call(2), "prompt", "now", "before"), log_call(2), ["✎ prompt", "- before", "+ now"]),
    (changed(log_call(2), "answer", "now", "before"), log_call(2), ["✎ answer", "- before", "+ now"]),
    (changed(log_call(2), "answer", "now", None), log_call(2), ["✎ answer", "+ now"]),
    (changed(log_call(2), "kill", True), log_call(2), ["✎ killed", "without an answer"]),
    (changed("root/i2", "obs", "now", "before"), "root/i2/obs", ["✎ observation", "- before", "+ now"]),
    (changed("root/i2", "say", {"text": "psst", "at": "observe"}), "root/i2/obs", ["message to the model", "+ psst"]),
    (changed(HIGH, "say", {"text": "psst", "at": "llm"}), HIGH, ["message to the model", "+ psst"]),
    (changed(HIGH, "model", "other", "first"), HIGH, ["✎ model", "was", "first", "now", "other"]),
    (changed("root", "model", "other", "first"), None, ["✎ model", "first", "other"]),  # type: ignore[list-item]
    (changed("root", "params", {"temperature": 1}, {}), None, ['"temperature": 1']),  # type: ignore[list-item]
    (changed("root", "limit", {"name": "max_tokens", "to": 9e4}, {"name": "max_tokens", "to": None}), None,
     ["✎ limit", "max_tokens no limit", "max_tokens 90000"]),  # type: ignore[list-item]
    (changed(HIGH, "messages", [{"role": "user", "content": "now"}], [{"role": "user", "content": "before"}]), HIGH,
     ["✎ request", "1 user", "- before", "+ now"]),
    (changed(HIGH, "messages", [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
             [{"role": "user", "content": "a"}]), HIGH, ["2 assistant added", "+ b"]),
    (changed(HIGH, "final", {"text": "now", "accept": True}, {"text": "before", "accept": True}), "root/answer",
     ["✎ final answer", "- before", "+ now"]),
    (changed(HIGH, "final", {"accept": False, "message": "no"}, {"text": "x", "accept": True}), "root/answer",
     ["rejected", "+ no"]),
    (changed("root", "final", {"var": "best"}), "root/answer", ["forced", "the variable best"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "item", "words"), CASES)
def test_every_kind_of_change_shows_what_went_and_what_came(change: Edit, item: str | None, words: list[str]) -> None:
    view = view_with(change, item=item)
    shown = diff(view)
    for word in words:
        assert word in shown
    assert [tab.empty for tab in pages.tabs(view) if tab.name == "Diff"] == [False]


@pytest.mark.parametrize(("change", "item", "words"), CASES)
def test_a_change_does_not_show_at_another_thing(change: Edit, item: str | None, words: list[str]) -> None:
    view = view_with(change, item="root/i1")
    assert diff(view) == " Nobody has changed this. e edits what is held."


def test_who_changed_it_is_said() -> None:
    view = view_with(changed(HIGH, "reply", "a", "b", by="rule:reply if has('x')"), item=HIGH)
    assert "by reply if has('x')" in diff(view)


def test_texts_kept_elsewhere_are_whole() -> None:
    blob = Blob(sha256="ab" * 32, length=9000, head="head only")
    view = view_with(changed(HIGH, "reply", blob, "b"), item=HIGH)
    view.text = lambda value: "the whole text" if isinstance(value, Blob) else value or ""
    assert "+ the whole text" in diff(view)


def test_hostile_changes_are_shown_not_obeyed() -> None:
    evil = "a\x1b]0;x\x07\n\u202eb" + "y" * 200
    for field, value in [
        ("reply", evil), ("model", evil), ("params", {evil: evil}), ("say", {"text": evil, "at": evil}),
        ("insert", {"code": evil}), ("limit", {"name": evil, "to": evil}), ("final", {"var": evil}), ("final", evil),
        ("messages", [{"role": evil, "content": evil}, 3]), ("messages", evil), ("insert", None), ("say", 7),
        ("reply", None), ("kill", evil), ("limit", None), ("params", 3),
    ]:  # fmt: skip
        view = view_with(item="root/answer" if field == "final" else HIGH)
        made = Edited(HIGH, field, value, evil, evil, 1e12, evil)
        view.run.edits.append(made)
        view.run.notes[HIGH] = [Edited(HIGH, "note", evil, None, "", 1.0, evil)]
        for tab in (pages.DIFF, pages.NOTES):
            view.tab = tab
            for line in pages.page(view, Layout(), 40, 20).lines:
                assert line.width <= 40, (field, line.plain)
                assert not any(c < " " or c in "\x7f\u202e" for c in line.plain)


# Notes ---------------------------------------------------------------------------------------------------------------


def test_notes_stand_where_they_were_made_and_with_their_node() -> None:
    view = view_with(changed(HIGH, "note", "odd one"), changed("root/i2", "note", "elsewhere"), item=HIGH)
    shown = notes(view)
    assert shown.index("odd one") < shown.index("i2") < shown.index("elsewhere")
    assert [tab.empty for tab in pages.tabs(view) if tab.name == "Notes"] == [False]


def test_what_was_said_to_the_model_is_among_the_notes() -> None:
    view = view_with(changed("root/i2", "say", {"text": "psst", "at": "observe"}), item="root/i2/obs")
    assert "to the model" in notes(view)
    assert "psst" in notes(view)


def test_without_notes_the_key_that_makes_one_is_said() -> None:
    view = view_with(item="root/i1")
    assert "m keeps one" in notes(view)


def test_notes_of_another_node_are_not_here() -> None:
    view = view_with(changed(f"{log_call(2)}/i1", "note", "there"), item=HIGH)
    assert "there" not in notes(view)


# Taken back ----------------------------------------------------------------------------------------------------------


def edited(*fields: str) -> list[Edited]:
    return [Edited("root/i1", field, 1, 0, "", 0.0, "human") for field in fields]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ((), "Nothing was changed."),
        (("code",), "Taken back: the code."),
        (("code", "code"), "Taken back: the code."),
        (("code", "insert", "insert"), "Taken back: the code and 2 pieces of code put in."),
        (
            ("messages", "params", "say"),
            "Taken back: the request, the parameters and 1 message to the model.",
        ),
    ],
)
def test_what_reverting_says(fields: tuple[str, ...], words: str) -> None:
    assert edits.taken_back(edited(*fields)) == words


@staged(replies=[code("x = 1")])
async def test_reverting_says_what_it_took_back(stage: Stage) -> None:
    await stage.next_to("block")
    held = stage.view.held_here()
    assert held is not None
    stage.session.edit(held.id, "code", "x = 2").result(10)
    stage.session.insert(held.id, "y = 3", say=False).result(10)
    await stage.until(lambda: "V revert" in stage.bar and "root/i1/b1+h1" in stage.run.blocks, "changed")
    await stage.press("V")
    await stage.until(lambda: "Taken back: the code and 1 piece of code put in." in stage.bar, "said")
    assert "root/i1/b1+h1" not in stage.run.blocks
    assert stage.run.blocks["root/i1/b1"].code == "x = 1"


# The row of tabs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 30, 38, 44, 52, 60, 80])
def test_the_chosen_tab_is_in_sight_in_any_width(width: int) -> None:
    view = view_with(item=HIGH)
    for tab in range(pages.COUNT):
        view.tab = tab
        line, places = pages.tab_line(view, width)
        assert line.width <= width
        begin, end = places[tab]
        assert 0 <= begin < end < width
        assert pages.tabs(view)[tab].name == line.plain[begin:end].rstrip("✎– ")


def test_a_tab_that_is_out_of_sight_can_not_be_clicked() -> None:
    view = view_with(item=HIGH)
    view.tab = pages.NOTES
    _, places = pages.tab_line(view, 20)
    assert all(end < 0 or begin >= 0 for begin, end in places)


def test_the_answer_of_a_child_shows_what_was_forced_on_it() -> None:
    view = view_with(changed(log_call(2), "final", {"text": "mine"}), item=f"{log_call(2)}/answer", node=log_call(2))
    assert "+ mine" in diff(view)
