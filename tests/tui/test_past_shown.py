"""Looking at a run as it was: what the screen says, what its keys do, and what does not reach the run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal.events import Hold
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.tui import bridge
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.rows.status import brightest
from tests.runs import done, watched
from tests.tui import scenes
from tests.tui.stage import Play, Stage, staged

EARLIER, LATER = "left_parenthesis", "right_parenthesis"
TURN_EARLIER, TURN_LATER = "left_curly_bracket", "right_curly_bracket"


def on_file(runs: Path) -> Callable[[Play], None]:
    """Play at once, on a run that is kept."""

    def decorate(play: Play) -> None:
        async def on_stage() -> None:
            with watched("broken", runs=runs, block_timeout_s=0.5) as one:
                app = DebuggerApp(one.session)
                async with app.run_test(size=(120, 36), notifications=True) as pilot:
                    await play(Stage(app, pilot, one))

        asyncio.run(on_stage())

    return decorate


async def back(stage: Stage, *keys: str) -> None:
    """Press keys and wait until the moment that they lead to is shown."""
    await stage.press(*keys)
    await stage.until(lambda: stage.view.past is None or not stage.view.past.going, "the moment")
    await stage.pilot.pause()


@staged((160, 45))
async def test_back_and_forth_and_back_to_now(stage: Stage) -> None:
    await scenes.held_block(stage)
    assert "held before block 1" in stage.bar and "in the past" not in stage.text
    await back(stage, EARLIER)
    assert "in the past" in stage.bar and "root · i2 · reply came" in stage.bar
    assert "held before block 1" not in stage.text
    first = stage.text.splitlines()[0]
    assert "in the past" in first and "held" not in first, "nothing waits for anyone in the past"
    assert "past" in next(line for line in stage.text.splitlines() if "2 root" in line)
    await back(stage, EARLIER, EARLIER)
    assert "root · i1 · held before an observation" in stage.bar and brightest(stage.view) is None
    assert "Now the run is at i2, 1 value held." in stage.bar
    await back(stage, LATER)
    assert "root · i2 · request sent" in stage.bar
    await back(stage, TURN_EARLIER)
    assert "root · i1 · request sent" in stage.bar
    assert not stage.run.blocks and len(stage.run.iterations) == 1
    await stage.press(EARLIER, EARLIER)
    assert "There is nothing before this." in stage.bar
    await back(stage, TURN_LATER, TURN_LATER)
    assert "root · i2 · request sent" in stage.bar and "nothing before" not in stage.bar
    await back(stage, LATER, LATER)
    assert stage.view.past is not None
    await back(stage, LATER)
    assert stage.view.past is None and "held before block 1" in stage.bar


@staged(grace=60.0)
async def test_what_is_held_now_is_not_decided_by_a_key_that_came_from_the_past(stage: Stage) -> None:
    await stage.until(stage.view.held_here, "held")
    stage.decision.end_grace()
    await stage.verb("s")
    await stage.until(lambda: stage.view.held_here() and stage.view.held_here().point == "reply", "the reply")  # type: ignore[union-attr]
    stage.decision.end_grace()
    await back(stage, EARLIER)
    assert not stage.view.grace, "in the past there is nothing to keep keys from"
    await back(stage, "l")
    assert stage.view.grace
    await stage.press("a")
    assert "Not taken" in stage.bar and stage.verbs() == ["step"]


@staged()
async def test_nothing_in_the_past_can_be_changed_and_every_key_says_so(stage: Stage) -> None:
    await scenes.held_block(stage)
    await back(stage, EARLIER, EARLIER)
    verbs = stage.verbs()
    for key in ("a", "s", "n", "p", "e", "R", "X", "A", "b", "m", "B", "exclamation_mark", "C", "v"):
        stage.decision._unsay()
        await stage.press(key)
        assert "nothing can be changed in it. l goes back to now" in stage.bar, key
        assert stage.app.screen is stage.main
    assert stage.verbs() == verbs and stage.view.past is not None and stage.view.live.held
    assert "step" not in stage.footer and "note" not in stage.footer and "copy" in stage.footer


def test_a_branch_can_be_made_from_the_past(tmp_path: Path) -> None:
    @on_file(tmp_path)
    async def play(stage: Stage) -> None:
        await stage.until(lambda: stage.run.held, "the limit")
        await back(stage, TURN_EARLIER)
        assert "D branch" in stage.footer and "request sent" in stage.bar
        await stage.press("D")
        await stage.until(lambda: "Make a branch" in stage.text, "the form")
        at = stage.view.item
        await stage.press("enter")
        await stage.until(lambda: len(list_runs(tmp_path)) == 2, "the branch")
        branch = next(path for path in list_runs(tmp_path) if path != stage.session.path)
        assert Run(read(branch).events()).parent is not None
        assert Run(read(branch).events()).parent["at"] == at  # type: ignore[index]
        assert stage.view.past is not None, "where one came from stays as it was"


@staged()
async def test_the_run_goes_on_behind_to_its_end(stage: Stage) -> None:
    await scenes.held_request(stage)
    await stage.verb("s")
    await stage.ready("reply")
    await back(stage, EARLIER)
    shown = stage.bar.splitlines()[0].split("of")[0], stage.view.node, stage.view.item
    done(stage.session.release_all())
    await stage.until(lambda: stage.view.live.end is not None, "the end")
    await stage.until(lambda: "1 value held" not in stage.bar, "the banner")
    assert (stage.bar.splitlines()[0].split("of")[0], stage.view.node, stage.view.item) == shown
    assert "answered" not in stage.text and stage.run.end is None
    await stage.press("Q")
    assert stage.app._exit, "of a run that has ended there is nothing to ask before quitting"


@staged()
async def test_what_is_held_meanwhile_takes_nobody_out_of_the_past(stage: Stage) -> None:
    await scenes.held_request(stage)
    await stage.verb("s")
    await stage.ready("reply")
    await back(stage, EARLIER)
    before = stage.view.live.held["root/i1"]
    done(stage.session.step("root/i1"))
    held = await stage.until(lambda: next((h for h in stage.view.live.held.values() if h is not before), None), "held")
    assert stage.view.past is not None and "in the past" in stage.bar
    await stage.press("escape")
    assert stage.view.past is None
    await stage.ready(held.point)


@staged((80, 24))
async def test_two_rows_in_a_narrow_window(stage: Stage) -> None:
    await scenes.held_block(stage)
    await back(stage, EARLIER)
    rows = stage.bar.splitlines()
    assert len(rows) == 2
    assert rows[0].startswith("▌ in the past  moment ") and "reply came" in rows[0]
    assert "( earlier   ) later   { } iteration   l now" in rows[1]
    await stage.press("a")
    assert "This is the past" in stage.bar


@staged()
async def test_variables_are_those_that_were_recorded_then(stage: Stage) -> None:
    await scenes.held_block(stage)
    await stage.until(lambda: stage.view.run.root and stage.view.run.root.variables, "variables")
    stage.view.select_item(None)
    stage.view.tab = 3
    stage.main.sync()
    names = list(stage.run.nodes["root"].variables)
    assert names and all(name in stage.text for name in names)
    await back(stage, TURN_EARLIER, TURN_EARLIER)
    assert not stage.run.nodes["root"].variables and "nothing has run in this node" in stage.text


def test_a_finished_run_is_gone_through_from_its_journal(tmp_path: Path) -> None:
    with watched("multi-hop", runs=tmp_path) as one:
        one.session.start(one.sink)
        one.ended()
        path = one.session.path
        holds = sum(isinstance(event, Hold) for event in one.events)
    assert path is not None

    async def play() -> None:
        app = DebuggerApp(ReadOnlySession(path))
        async with app.run_test(size=(120, 36)) as pilot:
            stage = Stage(app, pilot, one)
            await stage.until(lambda: stage.run.end is not None, "all of it")
            assert "( ) moment" in stage.footer
            await back(stage, EARLIER)
            assert "in the past" in stage.bar and "Now the run" not in stage.bar
            moments = len(stage.view.moments)
            assert f"of {moments}" in stage.bar and holds == 0
            while stage.view.moment(-1) is not None:
                await back(stage, EARLIER)
            assert "moment 1 of" in stage.bar and "root · i1 · request sent" in stage.bar
            await back(stage, "l")
            assert stage.run.end is not None and "answered" in stage.text

    asyncio.run(play())


def test_while_a_long_journal_is_read_it_is_painted_now_and_then_and_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched("multi-hop", runs=tmp_path) as one:
        one.session.start(one.sink)
        one.ended()
        path = one.session.path
    assert path is not None
    monkeypatch.setattr(bridge.Bridge.drain, "__defaults__", (2,))

    async def play() -> None:
        app = DebuggerApp(ReadOnlySession(path))
        painted: list[int] = []
        async with app.run_test(size=(120, 36)) as pilot:
            stage = Stage(app, pilot, one)
            sync = app.main.sync
            monkeypatch.setattr(app.main, "sync", lambda: (painted.append(app.view.live.seen), sync()))
            await stage.until(lambda: not app.bridge.loading and "answered" in stage.text, "all of it")
            assert painted[-1] == app.view.live.seen == len(one.events)
            assert len(painted) < len(one.events) / 4, "of a picture each two events that is less than half"

    asyncio.run(play())
