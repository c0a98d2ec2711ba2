"""What there is too much of, what is hidden, and what a terminal would obey: shown, and harmless."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.palette import Palette
from rlm_tui.tui.screens.kill import KillDialog
from rlm_tui.tui.screens.stops import StopsScreen
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.find import FindLine, Seeking
from tests.debugger.small import chat, code
from tests.runs import DEADLINE_S, refused
from tests.tui.family import all_held, at_block, family, select
from tests.tui.stage import Stage, staged
from tests.tui.test_stops import opened

TWO = [code("print('one')"), code("FINAL('done')")]


async def back(stage: Stage) -> None:
    await stage.until(lambda: stage.app.screen is stage.main, "the run")


async def ended(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")


# The palette at every point -------------------------------------------------------------------------------------------

LEAF = CallableModel(chat({"the leaf": ["leaf"], "": [code("x = llm_query('the leaf')"), code("FINAL(x)")]}))
FAILS = CallableModel(chat({"": [ValueError("no")]}))
POINTS: dict[str, dict[str, Any]] = {
    **{point: {"model": LEAF} for point in ("llm", "reply", "block", "call", "return", "observe", "final")},
    "error": {"model": FAILS},
    "limit": {"model": LEAF, "max_iterations": 1},
}


@pytest.mark.parametrize("point", POINTS)
def test_the_palette_has_what_can_be_done_at_every_point(point: str) -> None:
    @staged(**POINTS[point])
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        assert stage.session.breakpoints.add(point) is None
        if point != "llm":
            await stage.press("a")
        await stage.ready(point)
        await stage.press("colon")
        await stage.until(lambda: isinstance(stage.app.screen, Palette), "the palette")
        offered = stage.app.screen._found  # type: ignore[attr-defined]
        names = [action.name(stage.view, stage.session) for action in offered]
        assert all(name.strip() for name in names)
        assert "release" in [action.id for action in offered]
        for action in offered:
            assert action.legal(stage.view, stage.session) is None
            assert action.says(stage.view, stage.session).strip()
        can_edit = "edit" in [action.id for action in offered]
        assert can_edit
        await stage.press("escape")
        await back(stage)

    play()


# Many, and hidden -----------------------------------------------------------------------------------------------------

HUNDREDS = {"leaf": ["x"], "": [code("r = llm_query_batched([f'leaf {n}' for n in range(200)])", "FINAL(len(r))")]}


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_two_hundred_held_things_scroll_in_the_inbox_and_are_let_go(size: tuple[int, int]) -> None:
    @staged(size, model=CallableModel(chat(HUNDREDS)), max_batch_workers=200, max_subcalls=400)
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        assert stage.session.breakpoints.add("call") is None
        await stage.press("a")
        await stage.until(lambda: len(stage.run.held) == 200, "two hundred")
        screen = await opened(stage)
        await stage.until(lambda: "200" in stage.text, "their number")
        await stage.press("end")
        await stage.until(lambda: "199" in stage.text, "the last")
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        await stage.press("home")
        assert stage.app.screen is screen
        stage.session.breakpoints.remove(0)
        await stage.until(lambda: not screen._fresh, "its keys")
        await stage.press("A")
        await ended(stage)
        assert stage.run.root.value == "200" and isinstance(stage.app.screen, StopsScreen)
        await stage.until(lambda: "Nothing is held." in stage.text, "nothing more")

    play()


@family()
async def test_a_filter_that_hides_what_is_selected_moves_no_selection_and_takes_no_hold(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here, held = stage.view.node, stage.view.held_here()
    tree = stage.main.query_one(CallTree)
    rows = len(tree.entries)
    await stage.press("f", *"gamma", "enter")
    await stage.until(lambda: stage.view.filtered is not None and len(tree.entries) < rows, "the filter")
    assert stage.view.node == here and stage.view.held_here() is held
    await stage.verb("s")
    await stage.until(lambda: (h := stage.view.held_in(here)) is not None and h.point == "reply", "its step")
    await stage.press("1", "escape")
    await stage.until(lambda: len(tree.entries) >= rows, "all rows")
    assert stage.view.node == here


NONSENSE = {
    "/(/": "/(/ is no regular expression",
    "/*/": "/*/ is no regular expression",
    "/(a+)+$/": "repeats a repetition",
    "depth:x": "depth: needs a number",
}


@staged(replies=TWO)
async def test_a_bad_pattern_is_told_and_may_be_typed_on(stage: Stage) -> None:
    await stage.next_to("block")
    seen, line = stage.run.seen, stage.main.query_one(FindLine)
    for typed, words in NONSENSE.items():
        await stage.press("slash")
        stage.main.query_one(Seeking).value = typed
        await stage.press("enter")
        await stage.until(lambda words=words: words in stage.text, words)
        assert line.typing and stage.main.query_one(Seeking).value == typed and not stage.main.finder.hits
        await stage.press("escape")
        assert not line.typing and stage.view.held_here() is not None
    assert stage.run.seen == seen


# Text that a terminal would obey --------------------------------------------------------------------------------------

EVIL = "\x1b[31m\x1b]0;owned\x07\u202ered \x9b2J"


async def harmless(stage: Stage, where: str) -> None:
    await stage.pilot.pause()
    assert not {c for c in stage.text if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e"}, where


def test_a_label_with_escape_codes_is_harmless_everywhere_it_is_shown() -> None:
    table = {
        f"{EVIL} alpha": [code("x = 1"), code("FINAL('said')")],
        f"{EVIL} beta": [code("x = 1"), code("FINAL('said')")],
        "": [f"{EVIL}\n" + code(f"r = rlm_query_batched([{EVIL + ' alpha'!r}, {EVIL + ' beta'!r}])", "FINAL(str(r))")],
    }

    @family((160, 45), table=table)
    async def play(stage: Stage) -> None:
        await at_block(stage)
        await harmless(stage, "the block")
        assert stage.session.pause(None).result(DEADLINE_S) is None
        assert stage.session.release("root").result(DEADLINE_S) is None
        await stage.until(lambda: len(stage.run.held) == 2, "both children")
        await stage.press("h")
        await stage.ready("llm")
        await stage.until(lambda: "red" in stage.text, "the label")
        await harmless(stage, "the child")
        for key, what in {
            "S": "supply", "R": "force", "m": "a note", "e": "the editor", "C": "the console", "colon": "the palette",
            "question_mark": "help", "Q": "quit", "B": "what is held",
        }.items():  # fmt: skip
            await stage.press(key)
            await stage.until(lambda: stage.app.screen is not stage.main, what)
            await harmless(stage, what)
            await stage.press("escape")
            await back(stage)
        await stage.press("u", "X")
        await stage.until(lambda: isinstance(stage.app.screen, KillDialog) and "red" in stage.text, "kill")
        await harmless(stage, "kill")
        await stage.press("escape", "h")
        await back(stage)
        await stage.press("b")
        await harmless(stage, "a breakpoint at it")
        await stage.press("slash", *"red", "enter")
        await stage.until(lambda: not stage.main.finder.searching and stage.main.finder.hits, "hits")
        await stage.press("L")
        await harmless(stage, "hits")
        await stage.press("escape", "escape")
        assert stage.session.note("root", EVIL).result(DEADLINE_S) is None
        assert stage.session.breakpoints.add(f'return @"{EVIL}*" do log "{EVIL}"') is None
        await stage.press("B", "2")
        await harmless(stage, "the breakpoints")
        await stage.press("escape")
        stage.session.release_all().result(DEADLINE_S)
        await ended(stage)
        await harmless(stage, "the end")

    play()


def test_an_error_with_escape_codes_is_harmless_where_it_is_held() -> None:
    @staged(model=CallableModel(chat({"": [ValueError(EVIL)]})))
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        await stage.press("a")
        await stage.ready("error")
        await stage.until(lambda: "red" in stage.text, "the error")
        await harmless(stage, "the error")
        await stage.press("e")
        await harmless(stage, "its editor")

    play()


def test_a_leaf_that_never_answers_is_killed_by_its_key_twice() -> None:
    never = threading.Event()

    @family(table={**{"leaf": [never]}, "": [code("x = llm_query_batched(['leaf a', 'leaf b'])", "FINAL(str(x))")]})
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        await stage.press("a")
        await stage.until(lambda: sum(c.state == "sampling" for c in stage.run.calls.values()) == 2, "two leaves")
        one = next(iter(stage.run.calls))
        await select(stage, one)
        await stage.press("X", "X")
        await stage.until(lambda: stage.run.calls[one].status == "killed", "killed")
        assert stage.edits() == [("kill", True)]
        assert refused(stage.session.kill_node(one)) == "This call has come back."

    try:
        play()
    finally:
        never.set()
