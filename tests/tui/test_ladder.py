"""The pause ladder on the screen: what was asked for, what the next press does, and what a press too many may not do."""

from __future__ import annotations

import math

import pytest

from rlm_tui.debugger.likeness import Ladder, Rung
from rlm_tui.debugger.session import Session
from rlm_tui.tui import ladder
from rlm_tui.tui.actions import BY_ID
from rlm_tui.tui.widgets.decision import compose
from tests.runs import watched
from tests.tui import sample, scenes
from tests.tui.stage import Stage, staged

SOON, LONG_AGO = math.inf, 0.0
"""When it was asked for: less than a second ago however slow this machine is, or more."""


@pytest.mark.parametrize(
    ("asked", "next", "since", "says", "again"),
    [
        ("pause", "break", SOON, "stops at the next pause point", "break in now"),
        ("break", "abort", SOON, "breaking in to block 2", "abort the block, keeping the variables so far"),
        ("break", "abort", LONG_AGO, "in native code: it cannot be stopped where it is",
         "abort the block, keeping the variables so far"),
        ("abort", "kill", SOON, "aborting block 2", "kill the REPL and rebuild it to before this block"),
        ("abort", "kill", LONG_AGO, "it does not stop", "kill the REPL and rebuild it to before this block"),
        ("kill", None, LONG_AGO, "killing the REPL", ""),
    ],
)  # fmt: skip
def test_every_rung_says_what_it_is_and_what_comes_next(
    asked: Rung, next: Rung | None, since: float, says: str, again: str
) -> None:
    now = Ladder(asked, since, next)
    assert (ladder.asked(now, "block 2"), ladder.again(now)) == (says, again)
    assert ladder.truth(now).endswith((".", "asked."))


@pytest.mark.parametrize(("cells", "size", "rows"), [(113, "wide", 3), (120, "medium", 3), (80, "narrow", 2)])
def test_the_bar_fits_and_is_never_amber(cells: int, size: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched() as one:
        monkeypatch.setattr(Session, "ladder", lambda self, node: Ladder("break", SOON, "abort"))
        made = sample.view(sample.held_run())
        made.size = size
        lines, targets = compose(made, one.session, cells)
    assert [line.width for line in lines] == [cells] * rows
    assert "◐ breaking in to block 1" in lines[0].plain
    assert "p again: abort the block, keeping the variables so far" in "".join(line.plain for line in lines)
    assert not any("held" in words for line in lines for _, words in line.spans)
    assert "pause" in [target.action for target in targets]


@pytest.mark.parametrize(
    ("next", "name", "destroys"),
    [("pause", "pause", False), ("break", "break in", False), ("abort", "abort", True), ("kill", "kill", True)],
)
def test_the_key_is_named_after_its_next_press(
    next: Rung, name: str, destroys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched() as one:
        monkeypatch.setattr(Session, "ladder", lambda self, node: Ladder(None, 0.0, next))
        made, pause = sample.view(sample.held_run()), BY_ID["pause"]
        assert pause.legal(made, one.session) is None
        assert (pause.name(made, one.session), pause.guarded(made, one.session)) == (name, destroys)
        assert pause.says(made, one.session).endswith(".")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Ladder("pause", 0.0), "It is pausing already: it stops at the next pause point."),
        (Ladder("kill", 0.0), "Its REPL is being killed: there is nothing harder."),
        (Ladder(), "There is nothing here to stop."),
    ],
)
def test_a_press_that_does_nothing_says_why(now: Ladder, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with watched() as one:
        monkeypatch.setattr(Session, "ladder", lambda self, node: now)
        assert BY_ID["pause"].legal(sample.view(sample.held_run()), one.session) == why


@staged(replies=[scenes.WAITS], hold=False, grace=60.0)
async def test_a_key_that_repeats_does_not_climb_to_where_something_is_lost(stage: Stage) -> None:
    await scenes.running_block(stage)
    await stage.press("p")
    await stage.until(lambda: stage.session.ladder("root").asked == "pause", "the pause")
    await stage.press("p")
    await stage.until(stage.view.held_here, "the block to stand")
    for _ in range(5):
        await stage.press("p")
    assert "Not taken" in stage.bar
    assert stage.view.held_here().point == "line" and stage.session.ladder("root").asked is None
    assert stage.run.blocks["root/i1/b1"].status == "open"


@staged(replies=[scenes.WAITS], hold=False)
async def test_ctrl_c_pauses_and_never_climbs(stage: Stage) -> None:
    await scenes.running_block(stage)
    await stage.press("ctrl+c")
    await stage.until(lambda: stage.session.ladder("root").asked == "pause", "the pause")
    await stage.press("ctrl+c")
    await stage.until(lambda: stage.app.screen is not stage.main, "the question whether to quit")
    assert stage.session.ladder("root").asked == "pause"


@staged(replies=[scenes.NATIVE], hold=False)
async def test_native_code_is_said_to_be_and_killed(stage: Stage) -> None:
    await scenes.unanswered(stage)
    assert "p again: abort the block, keeping the variables so far" in stage.bar
    await scenes.climb(stage, "abort")
    await stage.until(lambda: "it does not stop" in stage.bar, "that it does not stop")
    await scenes.climb(stage, "kill")
    await stage.ready("error")
    assert "held after the REPL of block 1 died" in stage.bar
    assert "r runs it again in a REPL rebuilt to before it." in stage.bar
    assert "its REPL was killed by you" in stage.text
    assert "1 error" not in stage.text


@staged(replies=[scenes.WAITS], hold=False)
async def test_a_block_that_stands_is_aborted_and_run_again(stage: Stage) -> None:
    await scenes.standing(stage)
    await stage.press("p")
    await stage.ready("error")
    assert "held after block 1 was aborted" in stage.bar
    assert "The variables so far are kept. Running it again first rebuilds the REPL to before it." in stage.bar
    assert "r run again" in stage.bar and "a tell the model" in stage.bar
    assert "aborted by you, variables kept" in stage.text
