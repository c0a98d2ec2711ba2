from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal.events import RunEnd
from rlm_tui.journal.store import Journal
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.quit import QuitDialog
from tests.runs import Watched, watched
from tests.tui.stage import Stage, staged


async def over(stage: Stage) -> Any:
    await stage.until(lambda: stage.app._exit, "the exit")
    return stage.app.return_value


@staged()
async def test_while_it_is_held_quit_asks_and_stay_stays(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("Q")
    assert isinstance(stage.app.screen, QuitDialog)
    assert "1 value held" in stage.text
    await stage.press("escape")
    assert stage.app.screen is stage.main
    await stage.press("ctrl+q", "up", "enter")
    assert stage.app.screen is stage.main
    assert stage.run.end is None


@staged()
async def test_leaving_ends_nothing(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("Q", "enter")
    assert await over(stage) == "left"
    assert not any(isinstance(event, RunEnd) for event in stage.session.events())


@staged()
async def test_asking_twice_leaves(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("Q", "Q")
    assert await over(stage) == "left"


@staged()
async def test_killing_ends_the_run(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("Q", "down")
    assert " enter kill " in stage.text
    await stage.press("enter")
    assert await over(stage) == "killed"
    ends = await stage.until(lambda: [e for e in stage.session.events() if isinstance(e, RunEnd)], "its end")
    assert ends[0].status == "killed"


@staged(hold=False)
async def test_a_run_that_ended_is_left_without_a_question(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("Q")
    assert await over(stage) is None


@staged()
async def test_interrupt_pauses_only_what_runs_else_offers_to_quit(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("ctrl+c")
    assert isinstance(stage.app.screen, QuitDialog)


@staged()
async def test_quit_asks_over_a_dialog_too(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("R")
    await stage.press("ctrl+q")
    await stage.until(lambda: isinstance(stage.app.screen, QuitDialog), "the question")


def play_headless(one: Watched, *keys: str) -> Any:
    """The app as a person starts it, up to the end of the session."""
    app = DebuggerApp(one.session)

    async def pilot(pilot: Any) -> None:
        async with asyncio.timeout(20):
            while app.view.held_here() is None or app.view.grace:
                await pilot.pause(0.01)
        await pilot.press(*keys)

    return app.run(headless=True, auto_pilot=pilot)


@pytest.mark.parametrize(("keys", "wish"), [(("Q", "enter"), "left"), (("Q", "down", "enter"), "killed")])
def test_the_session_is_given_back_when_the_screen_is_gone(keys: tuple[str, ...], wish: str) -> None:
    with watched(hold=True) as one:
        assert play_headless(one, *keys) == wish
        thread = one.session._thread
        assert thread is not None and thread.loop.is_closed()


def test_a_journal_that_was_left_can_be_opened_by_another(tmp_path: Any) -> None:
    with watched(hold=True, runs=tmp_path) as one:
        assert play_headless(one, "Q", "Q") == "left"
        folder = one.session.journal.path
    again = Journal.open(folder)
    assert not any(isinstance(event, RunEnd) for event in again.events())
    again.close()


def test_a_run_that_is_only_read_takes_no_verb_and_is_left_at_once(tmp_path: Any) -> None:
    with watched(hold=True, runs=tmp_path) as one:
        assert play_headless(one, "Q", "Q") == "left"
    session = ReadOnlySession(one.session.journal.path)
    app = DebuggerApp(session)
    said: list[str] = []

    async def pilot(pilot: Any) -> None:
        async with asyncio.timeout(20):
            while app.view.run.root is None:
                await pilot.pause(0.01)
        await pilot.press("a", "e", "R")
        await pilot.pause()
        said.extend(str(notification.message) for notification in app._notifications)
        assert app.screen is app.main
        await pilot.press("Q")

    assert app.run(headless=True, auto_pilot=pilot) is None
    assert said == ["This run is read-only: it can be looked at, not changed."]
