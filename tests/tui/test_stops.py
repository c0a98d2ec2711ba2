"""The screen with what is held and the breakpoints, by its keys."""

from __future__ import annotations

import pytest

from rlm_tui.tui.glyphs import UNICODE
from rlm_tui.tui.rows import stops
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.screens.breaks import Breaks
from rlm_tui.tui.screens.stops import HeldList, StopsScreen
from tests.tui import sample
from tests.tui.family import all_held, at_block, child, family
from tests.tui.stage import Stage


async def opened(stage: Stage) -> StopsScreen:
    await stage.press("B")
    screen = stage.app.screen
    assert isinstance(screen, StopsScreen)
    screen.grace = 0.05
    await stage.until(lambda: not screen._fresh or not stage.run.held, "its keys")
    return screen


async def write(stage: Stage, text: str) -> None:
    keys = {" ": "space", "@": "at", ">": "greater_than_sign", "=": "equals_sign", '"': "quotation_mark"}
    await stage.press(*(keys.get(c, c) for c in text))


def texts(stage: Stage) -> list[str]:
    return [one.text for one in stage.session.breakpoints.all()]


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("block", ("block", "anywhere", "always", "hold")),
        ('reply if not has("```repl")', ("reply", "anywhere", 'not has("```repl")', "hold")),
        ("block @depth>=1", ("block", "depth>=1", "always", "hold")),
        ("* @root every 3", ("*", "root", "always", "every 3 hold")),
        ('call @"a if do*" if n > 20 once do log "x do {n}"',
         ("call", '"a if do*"', "n > 20", 'once log "x do {n}"')),
        ("llm @depth >= 2 if cost > 1 do set model=x", ("llm", "depth >= 2", "cost > 1", "set model=x")),
    ],
)  # fmt: skip
def test_a_breakpoint_in_columns(line: str, columns: tuple[str, ...]) -> None:
    found = stops.parts(line)
    assert found is not None
    assert (found.point, found.scope, found.when, found.then) == columns


@pytest.mark.parametrize("line", ["", "?!", "x" * 5000, " " * 1999 + "if"])
def test_what_is_no_breakpoint_is_shown_as_it_is(line: str) -> None:
    found = stops.parts(line)
    assert found is None or found.point == "if"


@pytest.mark.parametrize("cells", [60, 78, 100, 160])
def test_every_held_row_fits_and_one_badge_is_filled(cells: int) -> None:
    view = sample.view(sample.held_run())
    held = next(iter(view.run.held.values()))
    rows = [stops.held(view, held, cells, selected=at, focused=True) for at in (True, False)]
    assert [row.width for row in rows] == [cells, cells]
    assert [sum(words == "held" for _, words in row.spans) for row in rows] == [1, 0]
    assert rows[0].plain.rstrip().endswith("0:38")


def test_what_is_held_is_told_of_without_what_a_terminal_would_obey() -> None:
    view = sample.view(sample.held_run())
    held = next(iter(view.run.held.values()))
    held.point, held.value, held.reason = "observe", {"text": "\x1b[31mred\nmore"}, "\x1b]0;x\x07 why"
    line = stops.held(view, held, 120, selected=False, focused=True).plain
    assert "\x1b" not in line and "\x07" not in line and "\n" not in line


@family()
async def test_it_opens_on_what_is_held_and_goes_there(stage: Stage) -> None:
    await all_held(stage)
    await opened(stage)
    assert "1 waiting for you" in stage.text
    rows = [line for line in stage.text.split("\n") if "messages, not sent yet" in line]
    assert [next(n for n in ("alpha", "beta", "gamma") if n in row) for row in rows] == ["alpha", "beta", "gamma"]
    assert all("pause" in row for row in rows)
    await stage.press("down", "enter")
    assert stage.app.screen is stage.main
    assert stage.view.node == child(stage, "beta").id
    assert stage.view.held_here().node == stage.view.node


@family()
async def test_one_is_released_and_the_cursor_takes_no_key_for_the_next_at_once(stage: Stage) -> None:
    await all_held(stage)
    screen = await opened(stage)
    screen.grace = 60.0
    assert stage.session.breakpoints.add("return") is None
    alpha = child(stage, "alpha")
    await stage.press("a")
    await stage.until(lambda: alpha.held is not None and alpha.held.point == "return", "alpha's answer")
    await stage.until(lambda: screen.query_one(HeldList).at != f"{alpha.id}/i1", "another row")
    waiting = {name: child(stage, name).node.held for name in ("beta", "gamma")}
    await stage.press("a")
    await stage.until(lambda: "Not taken" in stage.text, "said")
    assert {name: child(stage, name).node.held for name in ("beta", "gamma")} == waiting


@family()
async def test_all_are_released(stage: Stage) -> None:
    await all_held(stage)
    await opened(stage)
    assert "A release all 3" in stage.text
    await stage.press("A")
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.until(lambda: "Nothing is held. b sets a breakpoint, p pauses." in stage.text, "the empty list")
    await stage.press("escape")
    assert stage.app.screen is stage.main


@family((80, 24))
async def test_a_breakpoint_is_checked_as_it_is_typed_and_kept(stage: Stage) -> None:
    await at_block(stage)
    await opened(stage)
    await stage.press("2", "b")
    await write(stage, "block @depth>=1 if n > co")
    await stage.until(lambda: "there is no name" in stage.text.lower() or "co" in stage.text, "the check")
    refused = stage.session.breakpoints.check("block @depth>=1 if n > co").error
    assert refused and refused[:30] in stage.text
    await stage.press("enter")
    assert texts(stage) == []
    await stage.press("backspace", "backspace")
    await write(stage, "3")
    await stage.until(lambda: "enter keeps it" in stage.text, "that it is right")
    await stage.press("enter")
    assert texts(stage) == ["block @depth>=1 if n > 3"]
    await stage.until(lambda: "1, 1 on" in stage.text, "the list")
    assert not stage.app.screen.query_one(Breaks).typing


@family()
async def test_it_is_edited_in_its_place_turned_off_and_removed(stage: Stage) -> None:
    await at_block(stage)
    for line in ("block", "reply", "final"):
        assert stage.session.breakpoints.add(line) is None
    await opened(stage)
    await stage.press("2", "down", "e")
    lines = stage.text.split("2 breakpoints")[1].split("\n")
    at = [n for word in ("block", "reply", "final") for n, line in enumerate(lines) if line[5:].startswith(word)]
    assert at == sorted(at) and len(at) == 3
    await write(stage, " once")
    await stage.press("enter")
    assert texts(stage) == ["block", "reply once", "final"]
    await stage.press("space")
    assert [one.on for one in stage.session.breakpoints.all()] == [True, False, True]
    await stage.until(lambda: f"{UNICODE.breakpoint_off}  reply" in stage.text, "its sign")
    await stage.press("delete")
    assert texts(stage) == ["block", "final"]
    await stage.press("b")
    assert "reply once" in stage.text, "what was removed is offered again"


@family()
async def test_nothing_typed_is_lost(stage: Stage) -> None:
    await at_block(stage)
    await opened(stage)
    await stage.press("2", "b")
    await write(stage, "reply if Bq")
    await stage.press("escape")
    assert stage.app.screen is not stage.main, "the first escape only puts the field away"
    await stage.press("escape")
    assert stage.app.screen is stage.main
    await opened(stage)
    await stage.press("2", "b")
    await stage.until(lambda: "reply if Bq" in stage.text, "what was typed")
    assert texts(stage) == []


@family()
async def test_one_that_broke_explains_itself_in_the_row_below(stage: Stage) -> None:
    await stage.ready("llm")
    assert stage.session.breakpoints.add("block if code > 1") is None
    await stage.verb("a")
    await stage.ready("block")
    error = stage.session.breakpoints.all()[0].error
    assert error
    await opened(stage)
    lines = stage.text.split("\n")
    at = next(n for n, line in enumerate(lines) if f"{UNICODE.broken}  block" in line)
    assert "off: " in lines[at + 1] and error.split()[0] in lines[at + 1]


@family()
async def test_here_is_the_node_in_view(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here = stage.view.node
    await opened(stage)
    await stage.press("2", "b")
    await write(stage, "reply @here")
    await stage.press("enter")
    assert here in texts(stage)[0]
    label = stage.view.label(here)
    await stage.until(lambda: any(f"reply     {label}" in line for line in stage.text.split("\n")), "its label")


@family((80, 24), app={"ascii": True})
async def test_it_is_ascii_where_that_is_asked_for(stage: Stage) -> None:
    await all_held(stage)
    for line in ("block @depth>=1", 'reply if has("x") do log "{n}"'):
        assert stage.session.breakpoints.add(line) is None
    await opened(stage)
    await stage.press("2", "b", "l")
    odd = {c for c in stage.text if ord(c) > 126 and c not in "▁▂▃▄▅▆▇█▎"}
    assert odd == set()


@family((100, 30))
async def test_a_hundred_breakpoints_scroll_with_the_cursor(stage: Stage) -> None:
    await at_block(stage)
    for n in range(100):
        assert stage.session.breakpoints.add(f"block if n > {n}") is None
    await opened(stage)
    await stage.press("2", "end", "up")
    await stage.until(lambda: "n > 99" in stage.text, "the last")
    await stage.press("home")
    await stage.until(lambda: "n > 0 " in stage.text, "the first")


def test_the_columns_are_under_their_names() -> None:
    for cells in (60, 78, 118, 158):
        heads = plain([stops.heads(cells)])
        at = stops.Columns.of(cells)
        assert heads.index("where") == at.where and heads.index("then") == at.then
        assert at.where < at.when < at.then < at.hits < cells
