from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

import pytest

from rlm_tui.journal.events import CallEnd, CallStart, Event, ExecStart, LlmEnd, LlmStart
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.rowlist import Entry, RowList
from tests.tui import sample
from tests.tui.panes import Panes, in_loop

EVENTS = sample.held_run()
CHILD = sample.log_call(2)
BATCH = "root/i3/b1*1"


class Numbers(RowList):
    """A list of many rows that counts what it draws."""

    def __init__(self, view: View, count: int) -> None:
        super().__init__(view)
        self.count = count
        self.chosen = "0"
        self.drawn = 0

    def structure(self) -> Hashable:
        return self.count

    def build(self) -> Sequence[Entry]:
        return [Entry(str(n)) for n in range(self.count)]

    def draw(self, entry: Entry, width: int) -> Line:
        self.drawn += 1
        return Line().add(f"{'>' if entry.key == self.chosen else ' '} row {entry.key}").fill(width)

    def cursor_key(self) -> str | None:
        return self.chosen

    def choose(self, key: str) -> None:
        self.chosen = key


class Many(Panes):
    def __init__(self, count: int) -> None:
        super().__init__(View())
        self.many = Numbers(self.view, count)

    def compose(self):  # type: ignore[override]
        yield self.many


@in_loop
async def test_a_hundred_thousand_rows_draw_only_the_visible_ones() -> None:
    app = Many(100_000)
    async with app.run_test(size=(80, 24)) as pilot:
        app.many.focus()
        await pilot.pause()
        assert app.rows()[23].split() == ["row", "23"]
        assert app.many.drawn < 24 * 8
        app.many.drawn = 0
        await pilot.press("end")
        await pilot.pause()
        assert app.rows()[-1].split() == [">", "row", "99999"]
        assert app.many.drawn < 24 * 8
        app.many.drawn = 0
        app.many.sync()
        assert app.many.drawn <= 24


@in_loop
async def test_a_sync_without_a_change_repaints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Panes(sample.view(EVENTS))
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        tree = app.screen.query_one(CallTree)
        painted: list[int] = []
        monkeypatch.setattr(tree, "refresh_line", painted.append)
        tree.sync()
        assert painted == []
        app.view.run.calls[sample.log_call(4)].status = "ok"
        tree.sync()
        assert len(painted) == 2, "the call, and the count of its batch"


@in_loop
async def test_the_sentence_of_the_first_reply_goes_with_it() -> None:
    app = Panes(sample.view(EVENTS[:2]))
    told = "The root is writing its first reply."

    def feed(*events: Event) -> None:
        for event in events:
            app.view.apply(event.model_copy(update={"seq": app.view.run.seen, "t": (app.view.run.last or 0) + 0.1}))
        app.sync()

    async with app.run_test(size=(160, 45)) as pilot:
        feed(LlmStart(id="root/i1"))
        await pilot.pause()
        assert any(told in row for row in app.rows())
        feed(LlmEnd(id="root/i1", status="ok", reply="x"), LlmStart(id="root/i2"))
        await pilot.pause()
        assert not any(told in row for row in app.rows())


@in_loop
async def test_moving_the_cursor_selects_nodes() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        app.screen.query_one(CallTree).focus()
        await pilot.press("down")
        assert view.node.startswith("root/i2/b1~rlm:")
        await pilot.press("up", "up")
        assert view.node == "root"
        await pilot.press("end")
        assert view.node == sample.log_call(4)
        await pilot.press("k", "k")
        assert (view.node, view.item) == (CHILD, f"{CHILD}/i2/b1")


@in_loop
async def test_the_cursor_can_stand_on_a_batch() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        tree = app.screen.query_one(CallTree)
        tree.focus()
        await pilot.press("down", "down", "down", "down")
        assert tree.cursor_key() == BATCH
        assert (view.node, view.item) == ("root", "root/i3/b1")
        await pilot.press("space")
        assert BATCH in view.folded
        assert not any("g-117" in row[:46] for row in app.rows())
        await pilot.press("space", "down")
        assert view.node == sample.log_call(0)


@in_loop
async def test_a_folded_selection_shows_on_the_row_above() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    view.folded.add(BATCH)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert app.screen.query_one(CallTree).cursor_key() == BATCH
        assert view.node == CHILD


@in_loop
async def test_a_click_selects() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        y = next(n for n, row in enumerate(app.rows()) if "rlm g-305" in row[:46])
        tree = app.screen.query_one(CallTree)
        await pilot.click(CallTree, offset=(12, y - tree.region.y))
        assert view.node == CHILD


def _many_calls(count: int) -> list[Event]:
    events: list[Event] = [*EVENTS[:2], ExecStart(id="root/i1/b1", code="x")]
    events += [CallStart(id=f"root/i1/b1~llm:{n:08x}#1", fn="llm_query", prompt=f"call {n}") for n in range(count)]
    return events


@in_loop
async def test_new_calls_above_do_not_carry_the_cursor_away() -> None:
    view = sample.view(_many_calls(200))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        tree = app.screen.query_one(CallTree)
        view.select_node("root/i1/b1~llm:00000064#1")
        tree.sync()
        await pilot.pause()
        before = next(n for n, row in enumerate(app.rows()) if "call 100" in row[:46])
        view.folded.add("nothing")  # another structure, the same rows
        tree.sync()
        first = view.run.blocks["root/i1/b1"].calls[0]
        for n in range(5):
            call = CallStart(id=f"root/i1/b1~rlm:{n:08x}#9", fn="rlm_query", prompt=f"late {n}")
            view.apply(call)
            calls = view.run.blocks["root/i1/b1"].calls
            calls.insert(calls.index(first), calls.pop())
        app.sync()
        await pilot.pause()
        assert next(n for n, row in enumerate(app.rows()) if "call 100" in row[:46]) == before


def _place(row: str) -> str:
    """Where a row's words stand, whatever its sign is."""
    return re.sub("[◐◓◑◒ǁ]", "*", row[8:20])


@in_loop
async def test_a_hold_moves_no_row() -> None:
    held = next(n for n, event in enumerate(EVENTS) if event.ev == "hold")
    view = sample.view(EVENTS[:held])
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        before = [_place(row) for row in app.rows() if "rlm" in row[:46]]
        view.apply(EVENTS[held])
        app.sync()
        await pilot.pause()
        after = app.rows()
        assert [_place(row) for row in after if "rlm" in row[:46]] == before
        assert any("ǁ rlm g-305" in row and " block 1 " in row for row in after)


@in_loop
async def test_before_the_first_call_the_pane_says_so() -> None:
    app = Panes(View())
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert any("Nothing has begun yet." in row for row in app.rows())
        for event in EVENTS[:3]:
            app.view.apply(event)
        app.sync()
        await pilot.pause()
        assert any("No calls yet." in row for row in app.rows())


@in_loop
async def test_the_moving_sign_stands_still_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    now = [sample.START + 100.0]
    view = sample.view(EVENTS)
    view.clock = lambda: now[0]
    app = Panes(view)
    app.animation_level = "none"
    async with app.run_test(size=(160, 45)) as pilot:
        tree = app.screen.query_one(CallTree)
        now[0] += 0.25
        tree._tick()
        await pilot.pause()
        assert view.frame == 0
        app.animation_level = "full"
        tree._tick()
        await pilot.pause()
        assert view.frame == 1
        assert any("◓ rlm g-402" in row for row in app.rows())


def test_the_bar_of_a_batch_fills_as_its_items_end() -> None:
    from rlm_tui.tui.rows import tree

    view = sample.view(EVENTS)

    def bar() -> str:
        row = next(row for row in tree.rows(view) if row.key == BATCH)
        return tree.draw(view, row, 60, selected=False, focused=False).plain

    assert "━" * 7 + "─" * 5 in bar()
    for n in (2, 4):
        view.apply(CallEnd(id=sample.log_call(n), status="ok", value="1"))
    assert "━" not in bar()
    assert "✓ batch of 5" in bar()
