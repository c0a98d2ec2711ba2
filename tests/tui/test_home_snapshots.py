"""Pictures of home: runs that stand in every way there is, and none yet."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui.homes import NOW, HomeStage, every_state, home_app

WIDE, MEDIUM, NARROW = (160, 45), (120, 36), (80, 24)

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.2.3")


def pictured(
    runs: Path, *keys: str, until: str = "", **settings: Any
) -> tuple[Any, Callable[[Pilot[Any]], Awaitable[None]]]:
    app = home_app(runs, lambda: NOW, **settings)
    app.animation_level = "none"

    async def before(pilot: Pilot[Any]) -> None:
        stage = HomeStage(app, pilot, None)  # type: ignore[arg-type]
        await stage.read()
        await stage.press(*keys)
        await stage.until(lambda: until in stage.text, until)
        await pilot.pause()

    return app, before


def compare(snap: Compare, size: tuple[int, int], runs: Path, *keys: str, **options: Any) -> None:
    app, before = pictured(runs, *keys, **options)
    assert snap(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [WIDE, MEDIUM, NARROW], ids=["wide", "medium", "narrow"])
def test_home(snap_compare: Compare, tmp_path: Path, size: tuple[int, int]) -> None:
    every_state(tmp_path)
    compare(snap_compare, size, tmp_path, "3", "down")


def test_light(snap_compare: Compare, tmp_path: Path) -> None:
    every_state(tmp_path)
    compare(snap_compare, MEDIUM, tmp_path, theme="rlm-light")


def test_without_colour(snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    every_state(tmp_path)
    compare(snap_compare, MEDIUM, tmp_path, "3", "down", ascii=True)


def test_no_runs_yet(snap_compare: Compare, tmp_path: Path) -> None:
    compare(snap_compare, NARROW, tmp_path)


def test_refused(snap_compare: Compare, tmp_path: Path) -> None:
    every_state(tmp_path)
    compare(snap_compare, NARROW, tmp_path, "3", "enter", until="there is no key")


def test_help(snap_compare: Compare, tmp_path: Path) -> None:
    compare(snap_compare, MEDIUM, tmp_path, "question_mark", until="What the keys do")


def test_asking(snap_compare: Compare, tmp_path: Path) -> None:
    keys = ("2", "enter", *"why", "tab", "tab", *"scripted:needle", "tab", *"depth", "space", "1")
    compare(snap_compare, NARROW, tmp_path / "none", *keys, until="iterations, depth 1,")
