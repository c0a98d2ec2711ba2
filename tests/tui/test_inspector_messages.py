"""The tab Messages as it is laid out: what is new, what was changed, and long histories."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import (
    Edit,
    Hold,
    LlmStart,
    Message,
    Obs,
)
from rlm_tui.tui.rows import messages, pages
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from tests.tui import sample
from tests.tui.inspected import CODE, EVENTS, MESSAGES, names, page
from tests.tui.sample import feed
from tests.tui.test_rows import golden


def test_messages_are_those_that_were_sent_with_what_is_new() -> None:
    view = sample.view(EVENTS)
    assert page(view, MESSAGES, "root/i2") == golden("""
        | model      scripted:multi-hop
        | messages   3, 1 of them new, 163 characters
        | tokens     810, as the scripted model counts; those of
        |            each message by its length
        | context    not in here: list of 16 items, 9,800
        |            characters, in the REPL as context
        |
        |─ 1 system ──────────────────── ~12 tokens  46 characters ─
        | You have a REPL.
        | Write code in ```repl fences.
        |
        |─ 2 user ───────────────────── ~28 tokens  109 characters ─
        | "Who calibrated the anemometer with the strongest gust at
        | the station founded by the designer of the bridge?"
        |
        |─ 3 user ─────────────────── new  ~2 tokens  8 characters ─
        | 16 notes
        |
    """)


def test_the_pane_opens_at_what_is_new() -> None:
    view = sample.view(EVENTS)
    view.item = "root/i2"
    view.tab = MESSAGES
    found = pages.page(view, Layout(), 60, 40)
    assert found.lines[found.start].plain.startswith("─ 3 user ")


def test_the_messages_of_an_iteration_are_those_of_that_request() -> None:
    view = sample.view(EVENTS)
    counts = []
    for item in ("root/i1", "root/i2", "root/i3"):
        view.item = item
        sent = messages.sent(view)
        assert sent is not None
        counts.append((len(sent.messages), sent.new))
    assert counts == [(2, 0), (3, 2), (4, 3)]


def _held_request() -> View:
    view = sample.view(EVENTS[:2])
    old = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?\nWhere?"}]
    value = {"messages": old, "model": "m", "params": {"temperature": 0}}
    feed(view, Hold(id="root/i1", point="llm", node="root", value=value, why="start"))
    return view


def test_a_held_request_shows_what_is_about_to_be_sent() -> None:
    view = _held_request()
    assert names(view)[0] == "Request"
    shown = page(view, CODE)
    assert "model      m" in shown
    assert "temperature 0" in shown
    assert "2, of these 2 new, 20 characters" in shown
    assert " Be brief." in shown.split("\n")


def test_an_edited_request_shows_what_the_edit_changed() -> None:
    view = _held_request()
    was = view.run.held["root/i1"].value["messages"]
    now = [was[0], {"role": "user", "content": "Who?\nWhen?"}]
    feed(view, Edit(id="root/i1", field="messages", value=now, was=was, by="human"))
    shown = page(view, MESSAGES).split("\n")
    assert any("2 user ✎ edited" in line for line in shown)
    assert not any("1 system ✎" in line for line in shown)
    assert "     - Where?" in shown
    assert "   2 + When?" in shown


def test_messages_that_rest_on_an_edited_observation_say_so() -> None:
    view = sample.view(EVENTS[:8])
    feed(view, Hold(id="root/i1", point="observe", node="root", value={"text": "16 notes"}, why="step"))
    feed(view, Edit(id="root/i1", field="obs", value="17 notes", was="16 notes", by="human"))
    feed(view, Obs(id="root/i1", text="17 notes", raw_length=8))
    add = (Message(role="assistant", content="x"), Message(role="user", content="17 notes"))
    feed(view, LlmStart(id="root/i2", base=2, add=add))
    shown = page(view, MESSAGES, "root/i2").split("\n")
    assert any("4 user ✎ edited" in line for line in shown)
    assert not any("3 assistant ✎" in line for line in shown)


def test_a_history_of_400_000_characters_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    view = sample.view(EVENTS[:2])
    long = [Message(role="user", content=f"{n} " + "word " * 4000) for n in range(20)]
    feed(view, LlmStart(id="root/i1", add=tuple(long)))
    view.item = "root/i1"
    layout = Layout()
    first, _ = messages.lines(view, layout, 60)
    assert len(first) > 6000
    laid: list[Any] = []
    monkeypatch.setattr("rlm_tui.tui.text.lay_out", lambda *args: laid.append(args) or [""])
    again, _ = messages.lines(view, layout, 60)
    assert [line.plain for line in again] == [line.plain for line in first]
    assert laid == []


def test_only_so_many_lines_are_remembered() -> None:
    layout = Layout()
    made: list[int] = []

    def lines(n: int) -> list[Line]:
        return layout.keep((str(n),), lambda: made.append(n) or [Line()] * 90_000)

    for n in (1, 2, 1, 3, 1, 2):
        assert len(lines(n)) == 90_000
    assert made == [1, 2, 3, 2], "the one that was not asked for longest is forgotten first"
