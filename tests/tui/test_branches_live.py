"""Branches and comparison of a run that goes on: it is read beside what it does, and is not touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rlm_tui.journal.summary import summarize
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.branches import BranchesScreen
from rlm_tui.tui.screens.compare import CompareScreen
from tests.runs import watched
from tests.tui import branched
from tests.tui.stage import Stage


@asynccontextmanager
async def going_on(runs: Path) -> AsyncIterator[tuple[Stage, Path]]:
    """A run held before the request of its second iteration, on the screen, and its directory."""
    with watched("multi-hop", hold=True, runs=runs) as one:
        app = DebuggerApp(one.session)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            stage = Stage(app, pilot, one)
            stage.decision.grace = 0.05
            await stage.ready("llm")
            await stage.verb("N")
            await stage.until(lambda: (held := stage.view.held_here()) and held.id == "root/i2", "the next request")
            await stage.ready("llm")
            assert one.session.path is not None
            yield stage, one.session.path


def test_a_run_that_is_held_is_put_beside_a_branch_of_it_and_read_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with going_on(tmp_path) as (stage, path):
            branch = await asyncio.to_thread(branched.gone_on, branched.forked(path, "root/i1/b1", "block"))
            await stage.press("T")
            screen = stage.app.screen
            assert isinstance(screen, BranchesScreen)
            await stage.until(lambda: len(screen.listed.known) == 2, "what the journals tell")
            await stage.until(lambda: "held before a request" in stage.text, "where it stands")
            await stage.press("down")
            assert screen.listed.at == branch.name
            await stage.press("equals_sign")
            beside = stage.app.screen
            assert isinstance(beside, CompareScreen)
            await stage.until(lambda: beside.things.both is not None, "both")
            before = beside.things.both
            assert before is not None and (before.left.path, before.right.path) == (path, branch)
            assert next(row.key for row in before.rows if row.pair.left is None) == "root/i2"
            assert stage.session.release("root/i2").result(20.0) is None
            await stage.until(lambda: stage.run.end is not None, "the end")
            assert beside.things.both is before and before.left.run.end is None, "what was read stays as it was"
            await stage.press("r")
            await stage.until(lambda: beside.things.both is not before, "both again")
            await stage.until(lambda: "no difference" in stage.text, "that they are the same")
            await stage.press("f")
            await stage.until(lambda: "Nothing differs." in stage.text, "the words")
            await stage.press("f", "full_stop")
            assert stage.text.rstrip().split("\n")[-1].strip().startswith("Nothing differs.")

    asyncio.run(play())


def test_a_note_by_the_run_on_the_screen_is_written_by_who_writes_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with going_on(tmp_path) as (stage, path):
            await stage.press("T")
            screen = stage.app.screen
            assert isinstance(screen, BranchesScreen)
            await stage.until(lambda: screen.listed.row is not None, "the run")
            await stage.press("m", *"odd", "enter")
            await stage.until(lambda: summarize(path).notes == ("odd",), "the note")
            await stage.until(lambda: stage.app.screen is screen and "odd" in stage.text, "the note below")
            await stage.press("x")
            assert "is open here" in stage.text
            await stage.press("n", *"first", "enter")
            await stage.until(lambda: "once it is closed" in stage.text, "why not")

    asyncio.run(play())
