"""The inspector on the screen: its tabs, its scrolling, and what of a long text is painted."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import (
    Blob,
    Chunk,
    ExecStart,
    Obs,
)
from rlm_tui.tui.rows import pages
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.widgets.inspector import Inspector, TextPane
from tests.tui import sample
from tests.tui.inspected import EVENTS, OUTPUT
from tests.tui.panes import Panes, in_loop
from tests.tui.sample import feed


def right(app: Panes) -> list[str]:
    """The rows of the inspector's pane."""
    return [row[108:].rstrip() for row in app.rows()]


@in_loop
async def test_tabs_go_round_and_can_be_clicked() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        inspector = app.screen.query_one(Inspector)
        seen = []
        for _ in range(6):
            inspector.next_tab()
            seen.append(view.tab)
        assert seen == [1, 2, 3, 4, 5, 0]
        inspector.previous_tab()
        assert view.tab == 5
        await pilot.click("InspectorTabs", offset=(10, 0))
        assert view.tab == OUTPUT
        assert isinstance(app.focused, TextPane)


@in_loop
async def test_a_long_text_paints_only_what_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = Blob(sha256="ab" * 32, length=90_000, head="line")
    whole = "".join(f"line {n}\n" for n in range(9_000))
    view = sample.view(EVENTS)
    view.text = lambda value: whole if isinstance(value, Blob) else value or ""
    feed(view, Obs(id="root/i3", text=blob, raw_length=90_000))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        body = app.screen.query_one(TextPane)
        painted: list[Line] = []
        paint = body._painter.paint
        monkeypatch.setattr(body._painter, "paint", lambda line, width: painted.append(line) or paint(line, width))
        body.focus()
        await pilot.press("end")
        await pilot.pause()
        assert any("line 8999" in row for row in right(app))
        assert 0 < len(painted) < 45 * 8


@in_loop
async def test_a_sync_without_a_change_lays_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Panes(sample.view(EVENTS))
    app.view.select_node(sample.log_call(0))
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        inspector = app.screen.query_one(Inspector)
        inspector.sync()
        made: list[Any] = []
        original = pages.page
        monkeypatch.setattr(pages, "page", lambda *args: made.append(args) or original(*args))
        inspector.sync()
        assert made == []
        inspector.next_tab()
        assert len(made) == 1


@in_loop
async def test_a_stream_keeps_its_end_in_sight_until_someone_scrolls_up() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, ExecStart(id="root/i1/b1", code="x"))
    view.item, view.tab = "root/i1/b1", OUTPUT
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()

        async def printed(first: int, last: int) -> list[str]:
            for n in range(first, last):
                feed(view, Chunk(id="root/i1/b1", kind="stdout", text=f"tick {n}\n"))
            app.sync()
            await pilot.pause()
            return right(app)

        assert any("tick 99" in row for row in await printed(0, 100))
        assert any("tick 199" in row for row in await printed(100, 200))
        app.screen.query_one(TextPane).scroll_to(y=0, animate=False, force=True, immediate=True)
        rows = await printed(200, 300)
        assert any("tick 0" in row for row in rows)
        assert not any("tick 299" in row for row in rows)


@in_loop
async def test_another_selection_begins_at_its_top() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="\n".join(map(str, range(500)))))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        body = app.screen.query_one(TextPane)
        body.focus()
        await pilot.press("end")
        assert body.scroll_offset.y > 0
        view.select_item("root/i3/b1")
        app.sync()
        await pilot.pause()
        assert body.scroll_offset.y == 0


@in_loop
async def test_the_mouse_selects_text_to_copy() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="the first line\n漢字 second line\nthe third"))
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        await pilot.mouse_down(TextPane, offset=(5, 0))
        await pilot.hover(TextPane, offset=(9, 1))
        await pilot.mouse_up(TextPane, offset=(9, 1))
        await pilot.pause()
        assert app.screen.get_selected_text() == "first line\n 漢字 seco"
        turned = [s.text for row in app.segments() for s in row if s.style is not None and s.style.reverse]
        assert turned == ["first line", " 漢字 seco"]
