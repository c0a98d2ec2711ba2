"""A branch from the screen: made with a key, opened beside its run, changed, and let go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rlm_tui.config import Settings
from rlm_tui.journal.places import list_runs
from rlm_tui.llm.pace import Pace
from rlm_tui.making import GoingOn
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.branches import BranchesScreen
from rlm_tui.tui.screens.edit import EditScreen
from rlm_tui.tui.screens.quit import QuitDialog
from rlm_tui.tui.widgets.branches import BranchTree
from rlm_tui.tui.widgets.editor import Editor
from tests.runs import watched
from tests.tui.stage import Stage
from tests.tui.test_edit import type_into


def test_a_branch_is_made_changed_and_let_go_on(tmp_path: Path) -> None:
    found = Settings({"runs_dir": tmp_path})

    async def play() -> None:
        with watched("broken", runs=tmp_path, block_timeout_s=0.5) as one:
            app = DebuggerApp(one.session, reopen=lambda path: GoingOn(found, path, Pace("instant")).session())
            async with app.run_test(size=(120, 36), notifications=True) as pilot:
                stage = Stage(app, pilot, one)
                await stage.until(lambda: stage.run.held, "the limit")
                first = stage.session
                stage.view.select_item("root/i2/b1")
                await stage.press("D", "enter")
                await stage.until(lambda: app.session is not first, "the branch")
                await stage.until(lambda: isinstance(app.screen, EditScreen), "the editor")
                assert stage.run.held["root/i2/b1"].why == "resume"
                await type_into(stage, app.screen.query_one(Editor).text.replace("contxt", "context"))
                await stage.press("ctrl+s")
                await stage.until(lambda: app.screen is app.main, "the editor is put away")
                await stage.until(lambda: any(edit.field == "code" for edit in stage.run.edits), "the change")
                await stage.ready("block")
                await stage.press("c")
                await stage.until(lambda: stage.run.end is not None, "the end of the branch")
                assert stage.run.root is not None and stage.run.root.via == "FINAL_VAR" and stage.run.root.tainted
                # Of its own it asked from the third iteration on.
                assert stage.run.own.requests == stage.run.totals.requests - 2
                assert one.session.events() and not any(e.ev == "edit" for e in first.events())
                branch = app.session
                for other in (first, branch, first):
                    await stage.press("T")
                    await stage.until(lambda: isinstance(app.screen, BranchesScreen), "the branches")
                    await stage.until(lambda: len(app.screen.query_one(BranchTree).entries) == 2, "both")
                    await stage.press("up" if other is first else "down", "enter")
                    await stage.until(lambda other=other: app.session is other, "the other run")
                    await stage.until(lambda: app.screen is app.main, "its screen")
                await stage.press("Q")
                await stage.until(lambda: isinstance(app.screen, QuitDialog), "the question")
                await stage.press("Q")

    asyncio.run(play())
    assert len(list_runs(tmp_path)) == 2
