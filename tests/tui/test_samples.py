"""Further replies: how many and for how much first, then side by side, then one in the held one's place."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rlm_tui.journal.events import Edit, ErrorInfo, Usage
from rlm_tui.journal.tree import Attempt
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.glyphs import UNICODE
from rlm_tui.tui.rows import samples
from rlm_tui.tui.rows.samples import Sample
from rlm_tui.tui.screens.samples import HowMany, SamplesScreen
from rlm_tui.tui.view import View
from tests.debugger.small import code
from tests.tui.stage import Stage, staged

FIRST = "I look.\n" + code("print('one')")
REPLIES = [FIRST, "I think.\n" + code("print('two')"), "I look.\n" + code("print('three')"), "same"]


class Turns:
    """Says another thing each time it is asked the first question; may wait, or fail, at one of them."""

    def __init__(self, fails: int = -1, waits: int = -1) -> None:
        self.asked = 0
        self.fails = fails
        self.waits = waits
        self.go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, messages: list[dict[str, str]]) -> str:
        if sum(message["role"] == "assistant" for message in messages):
            return code("FINAL('done')")
        with self._lock:
            n = self.asked
            self.asked += 1
        if n == self.fails:
            raise RuntimeError("the provider \x1b[31msaid no")
        if n == self.waits:
            self.go.wait(20)
        return REPLIES[n % len(REPLIES)]


def model(turns: Turns) -> dict[str, Any]:
    return {"model": CallableModel(turns)}


def edits(stage: Stage) -> list[tuple[str, str]]:
    return [(event.field, event.note) for event in stage.session.events() if isinstance(event, Edit)]


async def how_many(stage: Stage) -> HowMany:
    await stage.next_to("reply")
    await stage.press("r")
    await stage.until(lambda: isinstance(stage.app.screen, HowMany) and "costs" in stage.text, "how many")
    screen = stage.app.screen
    assert isinstance(screen, HowMany)
    return screen


async def side_by_side(stage: Stage, number: int) -> SamplesScreen:
    await how_many(stage)
    await stage.press(str(number), "enter")
    await stage.until(lambda: isinstance(stage.app.screen, SamplesScreen), "the replies")
    screen = stage.app.screen
    assert isinstance(screen, SamplesScreen)
    return screen


async def all_over(stage: Stage, screen: SamplesScreen, number: int) -> None:
    await stage.until(lambda: len(screen.found()) == number and all(s.over for s in screen.found()), "all of them")
    await stage.until(lambda: "Nothing of any reply has run." in stage.text, "said")


@staged()
async def test_how_many_is_three_unless_said_and_the_cost_comes_first(stage: Stage) -> None:
    screen = await how_many(stage)
    assert screen.number == 3
    asked = sum(len(i.samples) for i in stage.run.iterations.values())
    assert asked == 0
    assert "~3.4k tokens, scripted" in stage.text
    await stage.press("8")
    await stage.until(lambda: "sent 8 times more" in stage.text, "eight")
    await stage.press("up", "down", "left")
    assert screen.number == 6
    await stage.press("escape")
    assert stage.app.screen is stage.main
    assert edits(stage) == []


@staged(size=(160, 45), **model(Turns()))
async def test_all_are_shown_with_what_differs_and_one_is_picked(stage: Stage) -> None:
    screen = await side_by_side(stage, 3)
    await all_over(stage, screen, 4)
    assert all(f" {n} of 4 " in stage.text for n in (1, 2, 3, 4))
    row = next(row for row in stage.text.split("\n") if "print('one')" in row)
    assert row.count("≠") == 2
    await stage.press("right")
    await stage.until(lambda: "enter take reply 2" in stage.text, "the second")
    picked = screen.found()[1].text
    await stage.press("enter")
    await stage.until(lambda: stage.app.screen is stage.main, "back")
    await stage.until(lambda: edits(stage) == [("reply", "reply 2 of 4")], "picked")
    assert stage.run.iterations["root/i1"].reply == picked
    await stage.press("r")
    await stage.until(lambda: isinstance(stage.app.screen, SamplesScreen) and "in place" in stage.text, "again")
    again = stage.app.screen
    assert isinstance(again, SamplesScreen)
    await stage.press("left")
    await stage.until(lambda: "enter keep the first" in stage.text, "the first")
    await stage.press("enter")
    await stage.until(lambda: stage.app.screen is stage.main, "back")
    await stage.until(lambda: stage.run.iterations["root/i1"].reply == FIRST, "the first one again")


@staged(**model(Turns()))
async def test_escape_keeps_the_first(stage: Stage) -> None:
    screen = await side_by_side(stage, 2)
    await all_over(stage, screen, 3)
    await stage.press("right", "escape")
    await stage.until(lambda: stage.app.screen is stage.main, "back")
    assert edits(stage) == []
    assert stage.run.iterations["root/i1"].reply == FIRST


@staged(size=(80, 24), **model(Turns()))
async def test_in_a_narrow_window_there_is_one_at_a_time(stage: Stage) -> None:
    screen = await side_by_side(stage, 2)
    await all_over(stage, screen, 3)
    assert " 1 of 3 " in stage.text
    assert " 2 of 3 " not in stage.text
    assert "2 more beside" in stage.text
    await stage.press("right", "right", "right")
    await stage.until(lambda: " 3 of 3 " in stage.text and " 1 of 3 " not in stage.text, "the last")


def test_one_on_its_way_is_waited_for_and_another_can_be_picked() -> None:
    turns = Turns(waits=2)

    @staged(size=(160, 45), **model(turns))
    async def play(stage: Stage) -> None:
        screen = await side_by_side(stage, 2)
        await stage.until(lambda: sum(s.over for s in screen.found()) == 2, "all but one")
        await stage.until(lambda: "1 reply still on the way" in stage.text, "said")
        late = next(n for n, s in enumerate(screen.found()) if not s.over)
        await stage.press(*["right"] * late, "enter")
        await stage.until(lambda: "not there yet" in stage.text, "refused")
        turns.go.set()
        await all_over(stage, screen, 3)
        await stage.press("enter")
        await stage.until(lambda: stage.app.screen is stage.main, "picked")

    try:
        play()
    finally:
        turns.go.set()


@staged(size=(160, 45), **model(Turns(fails=1)))
async def test_one_that_failed_says_why_and_cannot_be_picked(stage: Stage) -> None:
    screen = await side_by_side(stage, 1)
    await all_over(stage, screen, 2)
    await stage.until(lambda: "said no" in stage.text, "why")
    assert "\x1b" not in stage.text
    await stage.press("right", "enter")
    await stage.until(lambda: "That one has failed." in stage.text, "refused")
    assert stage.app.screen is screen


@staged(size=(160, 45), **model(Turns()))
async def test_more_are_asked_for_beside_those_there_are(stage: Stage) -> None:
    screen = await side_by_side(stage, 1)
    await all_over(stage, screen, 2)
    await stage.press("r")
    await stage.until(lambda: isinstance(stage.app.screen, HowMany), "how many")
    await stage.press("1", "enter")
    await all_over(stage, screen, 3)


@staged(size=(160, 45), **model(Turns()))
async def test_a_reply_handed_on_meanwhile_can_not_be_changed_any_more(stage: Stage) -> None:
    screen = await side_by_side(stage, 1)
    await all_over(stage, screen, 2)
    stage.session.release_all().result(10)
    await stage.until(lambda: "none of these can be picked any more" in stage.text, "said")
    await stage.press("right", "enter")
    await stage.until(lambda: "Only a reply that is held can be chosen." in stage.text, "refused")


def test_resizing_while_they_are_read() -> None:
    @staged(size=(160, 45), **model(Turns()))
    async def play(stage: Stage) -> None:
        screen = await side_by_side(stage, 3)
        await all_over(stage, screen, 4)
        await stage.press("right", "right", "right")
        await stage.pilot.resize_terminal(80, 24)
        await stage.until(lambda: " 4 of 4 " in stage.text and " 3 of 4 " not in stage.text, "the chosen one")
        await stage.pilot.resize_terminal(160, 45)
        await stage.until(lambda: all(f" {n} of 4 " in stage.text for n in (1, 2, 3, 4)), "all")

    play()


# Rows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "times", "said"),
    [
        (None, 3, ("?", "?")),
        (Usage(prompt=100, completion=None), 3, ("?", "?")),
        (Usage(prompt=1000, completion=200, source="provider"), 3, ("~3.6k", "?")),
        (Usage(prompt=1000, completion=200, cost=0.01, source="provider"), 3, ("~3.6k", "~$0.0300")),
        (Usage(prompt=1000, completion=200, cost=0.0, source="scripted"), 2, ("~2.4k", "scripted")),
    ],
)
def test_what_more_replies_cost_and_what_nobody_knows(usage: Usage | None, times: int, said: tuple[str, str]) -> None:
    assert samples.cost(usage, times) == said


@pytest.mark.parametrize("cells", [40, 79, 80, 119, 120, 160, 300])
@pytest.mark.parametrize("number", [1, 2, 4, 9, 17])
def test_columns_fit_and_the_chosen_one_is_among_them(cells: int, number: int) -> None:
    found = [Sample(n, None, "") for n in range(number)]
    for chosen in range(number):
        columns = samples.shown(found, chosen, cells, narrow=cells < 80)
        wide = samples.width(columns, cells)
        assert chosen in columns
        assert len(columns) * wide + (len(columns) - 1) * samples.GAP < cells
        assert wide >= samples.COLUMN or len(columns) == 1


def test_hostile_replies_are_shown_not_obeyed() -> None:
    view = View(glyphs=UNICODE)
    evil = "a\x1b]0;x\x07\n\u202eb\n" + "x" * 300 + "[red]c[/red]\r\nd"
    ok = Attempt("root/i1+s1", 1, 0.0, status="ok", reply=evil, ended=1.0)
    failed = Attempt("root/i1+s2", 1, 0.0, status="error", error=ErrorInfo(kind="server", message=evil), ended=1.0)
    for sample in (Sample(1, ok, evil), Sample(2, failed, ""), Sample(3, None, "")):
        lines = [*samples.body(view, sample, "a", 40), samples.head(view, sample, 4, True, True, 40)]
        for line in lines:
            assert line.width <= 40
            assert not any(c < " " or c in "\x7f\u202e" for c in line.plain)
