"""From home into a run and back: how each opens, what is asked on the way back, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.debugger.session import Session
from rlm_tui.demo.catalogue import SCENARIOS
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import RunEnd
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.store import Journal, in_use, read
from rlm_tui.journal.summary import summarize
from rlm_tui.repl import policy
from rlm_tui.tui.home import HomeApp
from rlm_tui.tui.screens.branches import BranchesScreen
from rlm_tui.tui.screens.quit import QuitDialog
from tests.runs import DEADLINE_S
from tests.tui.branched import played
from tests.tui.homes import HomeStage, asked, at_home, home_app, left, written
from tests.tui.panes import in_loop


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went through."""
    return played(tmp_path_factory.mktemp("runs"), "needle")


@pytest.fixture
def ended(answered: Path, tmp_path: Path) -> Path:
    """The same, in a folder of its own."""
    return Path(shutil.copytree(answered, tmp_path / answered.name))


# Going in and coming back --------------------------------------------------------------------------------------------


@in_loop
async def test_a_demo_is_played_and_home_lists_it_afterwards(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        await stage.press("1", "enter")
        await stage.inside()
        assert stage.app.session.scenario == "needle"
        await stage.until(lambda: stage.run.end is not None, "the end")
        path = stage.app.session.path
        await stage.press("q")
        await stage.until(lambda: stage.app._desk is None and stage.rows, "home")
        await stage.until(lambda: path is not None and path.name[-4:] in stage.text, "the run in the list")
        (row,) = stage.rows
        assert "◆" in row and "scripted" in row and "i4" in row
        assert path is not None and not in_use(path)
        assert stage.home.listed.at == "demo:needle"


@in_loop
async def test_a_scenarios_limits_are_its_own(tmp_path: Path) -> None:
    async with at_home(tmp_path) as stage:
        depths: list[int] = []
        for key in ("1", "3"):
            await stage.press("1", *(["down"] * (int(key) - 1)), "enter")
            await stage.inside()
            depths.append(stage.run.config["max_depth"])
            await stage.until(lambda: stage.run.end is not None, "the end")
            await stage.press("q")
            await stage.read()
        assert depths == [SCENARIOS[name].make(7).limits.max_depth for name in ("needle", "multi-hop")]
        assert depths[0] != depths[1]


@in_loop
async def test_a_run_that_ended_is_looked_at_and_branched_as_after_open(ended: Path) -> None:
    before = (ended / "journal.jsonl").read_bytes()
    async with at_home(ended.parent) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        assert isinstance(stage.app.session, ReadOnlySession)
        await stage.until(lambda: not stage.app.bridge.loading, "all of it")
        stage.view.select_item("root/i1/b1")
        await stage.press("D")
        await stage.until(lambda: "Make a branch" in stage.text, "the form")
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.app.session, Session), "the branch")
        await stage.until(lambda: stage.view.held_here() is not None, "it, held")
        assert len(stage.app.sessions) == 2
        # Its editor is open: a branch is made to have something otherwise.
        await stage.until(lambda: stage.app.screen is not stage.main, "the editor")
        await stage.press("escape")
        await stage.until(lambda: stage.app.screen is stage.main, "the branch")
        branch = stage.app.session.path
        await stage.press("q")
        await stage.until(lambda: isinstance(stage.app.screen, QuitDialog), "the question")
        await stage.press("enter")
        await stage.until(lambda: stage.app._desk is None and len(stage.rows) == 2, "home, and both")
        assert stage.app.sessions == []
        assert branch is not None and not in_use(branch) and branch.name[-4:] in stage.text
        assert (ended / "journal.jsonl").read_bytes() == before
        assert isinstance(stage.app, HomeApp) and stage.app.played == [branch]


@in_loop
async def test_unattended_branches_can_be_tried_from_a_run_that_was_opened_here(ended: Path) -> None:
    async with at_home(ended.parent) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        await stage.until(lambda: not stage.app.bridge.loading, "all of it")
        stage.view.select_item("root/i1/b1")
        await stage.press("D", "tab", "right")
        await stage.until(lambda: "2 new runs" in stage.text, "two of them")
        await stage.press("enter")
        await stage.until(lambda: stage.app._trials and not stage.app._trials[0].going, "their ends")
        await stage.press("escape")
        await stage.until(lambda: stage.app.screen is stage.main, "the run")
        await stage.press("q")
        await stage.until(lambda: stage.app._desk is None and len(stage.rows) == 3, "home, and all three")
        assert [summarize(path).state for path in list_runs(ended.parent)] == ["final"] * 3


@in_loop
async def test_a_run_that_was_left_is_gone_on_with_held_and_nothing_is_asked_until_told(tmp_path: Path) -> None:
    path = left(tmp_path)
    requests = asked(path)
    async with at_home(tmp_path) as stage:
        assert "left" in stage.rows[0]
        await stage.press("3", "enter")
        await stage.inside()
        assert isinstance(stage.app.session, Session)
        await stage.ready("llm")
        assert "resumed, held" in stage.bar
        assert asked(path) == requests
        await stage.press("a")
        await stage.until(lambda: stage.run.end is not None, "the end")
        assert asked(path) > requests


@in_loop
async def test_what_differs_here_is_told_as_resume_does(tmp_path: Path) -> None:
    path = left(tmp_path)
    lines = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    start = json.loads(lines[0])
    start["environment"]["python"] = "3.4.0"
    (path / "journal.jsonl").write_text(json.dumps(start, separators=(",", ":")) + "\n" + "".join(lines[1:]))
    async with at_home(tmp_path) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        await stage.until(lambda: any("It was begun with Python 3.4.0" in said for said in stage.said()), "the words")


@in_loop
async def test_a_run_that_was_left_can_be_looked_at_only(tmp_path: Path) -> None:
    path = left(tmp_path)
    before = (path / "journal.jsonl").read_bytes()
    async with at_home(tmp_path) as stage:
        await stage.press("3", "o")
        await stage.inside()
        assert stage.app.session.read_only
        await stage.press("q")
        await stage.read()
    assert (path / "journal.jsonl").read_bytes() == before


@in_loop
async def test_a_run_that_another_process_writes_is_watched(tmp_path: Path) -> None:
    path = left(tmp_path)
    journal = Journal.open(path)
    try:
        async with at_home(tmp_path) as stage:
            assert "running" in stage.rows[0]
            await stage.press("3")
            assert "enter watch" in stage.footer
            await stage.press("enter")
            await stage.inside()
            assert stage.app.session.read_only
            journal.append(RunEnd(id="root", status="killed"))
            await stage.until(lambda: stage.run.end is not None, "what it writes")
            await stage.press("q")
            await stage.read()
            await stage.until(lambda: "killed" in stage.rows[0], "how it stands now")
    finally:
        journal.close()


@in_loop
async def test_how_a_run_stands_that_is_written_elsewhere_is_kept_up_with(tmp_path: Path) -> None:
    journal = Journal.open(left(tmp_path))
    async with at_home(tmp_path) as stage:
        assert "running" in stage.rows[0]
        journal.close()
        await stage.until(lambda: "left" in stage.rows[0], "that it was left")


# The question --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "state"), [(("enter",), "left"), (("down", "enter"), "killed")])
def test_a_run_that_goes_on_is_asked_about_and_then_home_is_read_again(
    tmp_path: Path, keys: tuple[str, ...], state: str
) -> None:
    @in_loop
    async def play() -> None:
        path = left(tmp_path)
        async with at_home(tmp_path) as stage:
            await stage.press("3", "enter")
            await stage.inside()
            await stage.ready("llm")
            await stage.press("q")
            assert isinstance(stage.app.screen, QuitDialog)
            assert "Home" in stage.text and "1 value held" in stage.text
            await stage.press(*keys)
            await stage.until(lambda: stage.app._desk is None and state in stage.text, "home")
            assert summarize(path).state == state and not in_use(path)
            assert not stage.app._exit

    play()


@in_loop
async def test_stay_stays(tmp_path: Path) -> None:
    left(tmp_path)
    async with at_home(tmp_path) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        await stage.ready("llm")
        for keys in (("q", "escape"), ("escape", "up", "enter")):
            await stage.press(*keys)
            assert stage.app.screen is stage.main
        assert stage.view.held_here() is not None


@in_loop
async def test_a_run_is_opened_left_and_opened_again(tmp_path: Path) -> None:
    left(tmp_path)
    async with at_home(tmp_path) as stage:
        for _ in range(3):
            await stage.press("3", "enter")
            await stage.inside()
            assert not stage.app.session.read_only
            await stage.ready("llm")
            # What is being closed is waited for, so that it is gone on with and not watched.
            await stage.press("q", "enter")
            await stage.until(lambda: stage.app.screen is stage.home, "home")
        assert isinstance(stage.app, HomeApp) and len(stage.app.played) == 1
        assert list(stage.app._modes) == ["home"], "what was put away takes no room"


@in_loop
async def test_back_takes_what_is_deeper_first(ended: Path) -> None:
    async with at_home(ended.parent, (80, 24)) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        await stage.until(lambda: not stage.app.bridge.loading, "all of it")
        await stage.press("3", "T")
        await stage.until(lambda: isinstance(stage.app.screen, BranchesScreen), "the branches")
        await stage.press("q")
        assert stage.app.screen is stage.main
        for pane in ("inspector", "trajectory", "calls"):
            assert stage.main.pane == pane
            await stage.press("q")
        await stage.read()


@in_loop
async def test_quitting_in_a_run_quits_everything(tmp_path: Path) -> None:
    path = left(tmp_path)
    async with at_home(tmp_path) as stage:
        await stage.press("3", "enter")
        await stage.inside()
        await stage.ready("llm")
        await stage.press("Q")
        assert "Quit" in stage.text
        await stage.press("enter")
        await stage.until(lambda: stage.app._exit, "the exit")
        assert stage.app.return_value == "left"
    assert not in_use(path) and summarize(path).state == "left"


def test_quitting_while_something_is_opened_gives_it_back(tmp_path: Path) -> None:
    path, go, made = left(tmp_path), threading.Event(), list[Any]()
    app = home_app(tmp_path)
    go_on = app._doors.go_on

    def slowly(run: Path) -> Any:
        assert go.wait(DEADLINE_S)
        made.append(go_on(run))
        return made[0]

    app._doors = dataclasses.replace(app._doors, go_on=slowly)

    async def play(pilot: Pilot[Any]) -> None:
        stage = HomeStage(app, pilot, None)  # type: ignore[arg-type]
        await stage.read()
        await stage.press("3", "enter")
        assert "Opening" in stage.footer
        await stage.press("Q")
        go.set()

    app.run(headless=True, auto_pilot=play)
    assert made and made[0].journal.closed and not in_use(path)


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model": "openai/served", "api_base": "http://elsewhere.invalid/v1"}, "this run asked http://elsewhere.invalid/v1;"),
        ({"model": "openai/gpt-5-mini"}, "OPENAI_API_KEY"),
        ({"model": "scripted:nothing"}, "no scenario 'nothing'"),
    ],
)  # fmt: skip
def test_what_the_command_refuses_home_refuses_in_the_same_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], words: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    @in_loop
    async def play() -> None:
        path = written(tmp_path, "231114-2259-66b1", **config)
        before = (path / "journal.jsonl").read_bytes()
        async with at_home(tmp_path) as stage:
            await stage.press("3", "enter")
            await stage.until(lambda: words in " ".join(stage.text.split()), "why not")
            assert stage.app.screen is stage.home and stage.app.sessions == []
            await stage.press("up")
            await stage.until(lambda: words not in " ".join(stage.text.split()), "something else")
            await stage.press("3", "o")
            await stage.inside()
        assert (path / "journal.jsonl").read_bytes() == before and not in_use(path)

    play()


@in_loop
async def test_a_demo_is_refused_where_its_code_cannot_be_shut_in_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "bwrap_refusal", lambda: "bwrap is not here")
    async with at_home(tmp_path, confine="bwrap") as stage:
        await stage.press("enter")
        await stage.until(lambda: "--confine bwrap can't be had: bwrap is not here" in stage.text, "why not")
        assert list_runs(tmp_path) == []


@in_loop
async def test_a_run_that_breaks_off_before_it_begins_leaves_nothing_and_home_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go(self: EngineRun) -> None:
        raise OSError("no process can be started")

    monkeypatch.setattr(EngineRun, "go", go)
    async with at_home(tmp_path) as stage:
        await stage.press("enter")
        await stage.until(lambda: "The run broke off: OSError: no process can be started" in stage.text, "why")
        await stage.until(lambda: list(tmp_path.iterdir()) == [], "nothing left behind")
        assert stage.app.screen is stage.home
        monkeypatch.undo()
        await stage.press("enter")
        await stage.inside()


@in_loop
async def test_a_run_that_is_gone_meanwhile_is_one_line(ended: Path) -> None:
    async with at_home(ended.parent) as stage:
        shutil.rmtree(ended)
        await stage.press("3", "enter")
        await stage.until(lambda: "is not a run: it is not there" in " ".join(stage.text.split()), "why not")
        await stage.press("r")
        await stage.until(lambda: "No runs yet." in stage.text, "the list")
        assert stage.home.listed.section == "new"


@in_loop
async def test_two_enters_open_one_run(ended: Path) -> None:
    async with at_home(ended.parent) as stage:
        await stage.press("3", "enter", "enter")
        await stage.inside()
        assert len(stage.app.sessions) == 1
        await stage.press("q")
        await stage.read()
        assert read(ended) is not None
