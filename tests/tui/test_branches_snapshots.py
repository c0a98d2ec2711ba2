"""Pictures of two runs side by side and of the tree of branches, of a real run and real branches of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal import shelf
from rlm_tui.journal.events import NAME, Edit
from rlm_tui.journal.store import Journal
from rlm_tui.tui.app import DebuggerApp
from tests.tui.branched import as_elsewhere
from tests.tui.scenes import NOW, START
from tests.tui.stage import Stage
from tests.tui.test_branches import kept  # noqa: F401 - a fixture
from tests.tui.test_trials import tossed  # noqa: F401 - a fixture

WIDE, MEDIUM, NARROW = (160, 45), (120, 36), (80, 24)

Compare = Callable[..., bool]
Scene = Callable[[Stage], Awaitable[None]]


@pytest.fixture
def runs(
    kept: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811 - the fixture
) -> list[Path]:  # fmt: skip
    """The same run and branches, with the ids, times and paths of every other machine."""
    monkeypatch.chdir(tmp_path)
    # What a run's files take depends on what its environment is called.
    monkeypatch.setattr(shelf, "size", lambda path: 98_765)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    made = as_elsewhere(kept)
    journal = Journal.open(made[1], clock=lambda: START + 62.0)
    journal.append(Edit(id="root", field="note", value="one more degree", note=NAME, by="human"))
    journal.close()
    return made


@pytest.fixture
def trials(tossed: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:  # noqa: F811
    """A run, and branches of one point of it with two things tried, as every other machine has them."""
    monkeypatch.chdir(tmp_path)
    return as_elsewhere(tossed)


def pictured(path: Path, play: Scene, **options: Any) -> tuple[DebuggerApp, Callable[[Pilot[Any]], Awaitable[None]]]:
    app = DebuggerApp(ReadOnlySession(path), clock=lambda: NOW, **options)
    app.animation_level = "none"

    async def before(pilot: Pilot[Any]) -> None:
        stage = Stage(app, pilot, None)  # type: ignore[arg-type]
        await stage.until(lambda: not app.bridge.loading, "the whole journal")
        await play(stage)
        await pilot.pause()

    return app, before


async def compared(stage: Stage) -> None:
    await stage.press("equals_sign")
    await stage.until(lambda: "of 10 differences" in stage.text, "the first difference")


async def only_differences(stage: Stage) -> None:
    await compared(stage)
    await stage.press("f")


async def listed(stage: Stage) -> None:
    await stage.press("T")
    await stage.until(lambda: "remembered" in stage.text, "what the journals tell")
    await stage.until(lambda: len(stage.app.screen.listed.known) == 4, "all of them")  # type: ignore[attr-defined]
    stage.app.screen.sync()  # type: ignore[attr-defined]


async def tried(stage: Stage) -> None:
    await stage.press("T")
    await stage.until(lambda: len(stage.app.screen.listed.known) == 11, "all of them")  # type: ignore[attr-defined]
    await stage.press("end", "o")
    await stage.until(lambda: "4 of 6" in stage.text, "the table")


async def all_tried(stage: Stage) -> None:
    await stage.press("T")
    await stage.until(lambda: len(stage.app.screen.listed.known) == 7, "all of them")  # type: ignore[attr-defined]
    await stage.press("end", "o")
    await stage.until(lambda: "3 of 3  Casper Quist" in stage.text, "the table")


async def planned(stage: Stage) -> None:
    stage.view.select_item("root/i1")
    await stage.press("D", "tab", "right", "right", "tab", "right", "right")
    await stage.until(lambda: "costs about 18 requests" in stage.text, "the price")


async def deleting(stage: Stage) -> None:
    await listed(stage)
    await stage.press("home", "x")
    await stage.until(lambda: "delete it" in stage.text, "the question")


def compare(snap: Compare, path: Path, play: Scene, size: tuple[int, int], **options: Any) -> None:
    app, before = pictured(path, play, **options)
    assert snap(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [WIDE, MEDIUM, NARROW], ids=["wide", "medium", "narrow"])
def test_compared(snap_compare: Compare, runs: list[Path], size: tuple[int, int]) -> None:
    compare(snap_compare, runs[1], compared, size)


def test_only_differences(snap_compare: Compare, runs: list[Path]) -> None:
    compare(snap_compare, runs[1], only_differences, MEDIUM, theme="rlm-light")


@pytest.mark.parametrize("size", [WIDE, MEDIUM, NARROW], ids=["wide", "medium", "narrow"])
def test_branches(snap_compare: Compare, runs: list[Path], size: tuple[int, int]) -> None:
    compare(snap_compare, runs[1], listed, size)


@pytest.mark.parametrize("size", [WIDE, MEDIUM, NARROW], ids=["wide", "medium", "narrow"])
def test_outcomes(snap_compare: Compare, trials: list[Path], size: tuple[int, int]) -> None:
    compare(snap_compare, trials[0], tried, size)


def test_outcomes_without_colour(snap_compare: Compare, trials: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    compare(snap_compare, trials[0], tried, MEDIUM, ascii=True)


def test_planned(snap_compare: Compare, trials: list[Path]) -> None:
    compare(snap_compare, trials[7], planned, MEDIUM)


def test_deleting(snap_compare: Compare, runs: list[Path]) -> None:
    compare(snap_compare, runs[1], deleting, NARROW)


def test_compared_without_colour(snap_compare: Compare, runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    compare(snap_compare, runs[1], compared, MEDIUM, ascii=True)
