"""Pictures of the real screen on a real scripted run, each of something worth showing.

Made again with ``pytest --snapshot-update tests/tui/test_snapshots.py``, and looked at before they are committed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tui import scenes
from tests.tui.scenes import Scene, scene
from tests.tui.stage import Stage

WIDE, MEDIUM, NARROW = (160, 45), (120, 36), (80, 24)
SLOW = "for gust log g-986"
"""In the prompt of one child of the batch: it is never answered, so the run goes on as long as it is looked at."""

Compare = Callable[..., bool]


def then(play: Scene, *keys: str) -> Scene:
    """A scene, then some keys."""

    async def both(stage: Stage) -> None:
        await play(stage)
        for key in keys:
            await stage.press(key)

    return both


async def running(stage: Stage) -> None:
    """One child of the batch is being asked, the others have ended."""
    await scenes.held_request(stage)
    await stage.verb("A")

    def state() -> bool:
        calls = [call for call in stage.run.calls.values() if call.batch is not None]
        return len(calls) == 3 and sum(call.status == "open" for call in calls) == 1

    await stage.until(state, "one child left")
    await stage.until(lambda: "sampling" in stage.text, "the child on the screen")


async def pausing(stage: Stage) -> None:
    await running(stage)
    await stage.press("p")
    await stage.until(lambda: "stops at the next pause point" in stage.text, "the words")


async def wrong_code(stage: Stage) -> None:
    await scenes.held_child(stage)
    await scenes.type_code(stage, "top = max(float(v) for v in values\nFINAL_VAR('top')")
    await stage.until(lambda: "line 1: " in stage.text, "the error")


async def forcing_the_root(stage: Stage) -> None:
    await scenes.edited(stage)
    await stage.press("u", "R", *"M.", "space", *"Osei")
    await stage.until(lambda: "◆ M. Osei" in stage.text, "the answer")


def compare(snap: Compare, play: Scene, size: tuple[int, int], silent: str = "", **options: Any) -> None:
    with scene(play, silent=silent, **options) as (app, before):
        assert snap(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [WIDE, MEDIUM, NARROW], ids=["wide", "medium", "narrow"])
class TestSizes:
    def test_running(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, running, size, SLOW)

    def test_held_block(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.held_block, size)

    def test_edited(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, then(scenes.edited, "3") if size == NARROW else scenes.edited, size)

    def test_answered(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.answered, size)


@pytest.mark.parametrize("theme", ["rlm-light", "rlm-ansi-dark", "rlm-ansi-light"])
def test_themes(snap_compare: Compare, theme: str) -> None:
    compare(snap_compare, scenes.edited, MEDIUM, theme=theme)


def test_no_color(snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    compare(snap_compare, scenes.edited, MEDIUM)


def test_ascii(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.edited, NARROW, ascii=True)


def test_first_request(snap_compare: Compare) -> None:
    compare(snap_compare, then(scenes.held_request, "right", "right"), MEDIUM)


def test_pausing(snap_compare: Compare) -> None:
    compare(snap_compare, pausing, MEDIUM, SLOW)


def test_looking_back(snap_compare: Compare) -> None:
    compare(snap_compare, then(running, "left_square_bracket", "left_square_bracket"), MEDIUM, SLOW)


def test_editor(snap_compare: Compare) -> None:
    compare(snap_compare, wrong_code, MEDIUM)


@pytest.mark.parametrize("size", [MEDIUM, NARROW], ids=["medium", "narrow"])
class TestScreens:
    def test_inbox_and_breakpoints(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.inbox, size, breakpoints=scenes.BREAKPOINTS, options=scenes.IN_TURN)

    def test_replies_to_choose_from(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.resampled, size)

    def test_console(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.console, size)

    def test_past(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        play = then(scenes.edited, *["left_parenthesis"] * 6)
        compare(snap_compare, play, size)

    def test_difference(self, snap_compare: Compare, size: tuple[int, int]) -> None:
        compare(snap_compare, scenes.difference, size)


def test_force_final(snap_compare: Compare) -> None:
    compare(snap_compare, forcing_the_root, MEDIUM)


def test_help(snap_compare: Compare) -> None:
    compare(snap_compare, then(scenes.edited, "question_mark"), MEDIUM)


def test_palette(snap_compare: Compare) -> None:
    compare(snap_compare, then(scenes.edited, "colon", *"st"), MEDIUM)


def test_quit(snap_compare: Compare) -> None:
    compare(snap_compare, then(scenes.edited, "Q", "down"), NARROW)


def test_too_small(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.held_request, (50, 12))


@pytest.mark.parametrize("size", [MEDIUM, NARROW], ids=["medium", "narrow"])
def test_standing(snap_compare: Compare, size: tuple[int, int]) -> None:
    play = then(scenes.standing, "3") if size == NARROW else scenes.standing
    compare(snap_compare, play, size, replies=[scenes.WAITS], hold=False)


def test_evaluated(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.evaluated, MEDIUM, replies=[scenes.WAITS], hold=False)


def test_unanswered(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.unanswered, MEDIUM, replies=[scenes.NATIVE], hold=False)


def test_variables(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.variables, MEDIUM, replies=[scenes.LISTS])


def test_value(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.value, NARROW, replies=[scenes.LISTS])


def test_diverged(snap_compare: Compare, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    play, replies = scenes.diverged(changed), scenes.differs(changed)
    compare(snap_compare, play, MEDIUM, replies=replies, hold=False, options={"confine": "off"})


def test_not_confined(snap_compare: Compare) -> None:
    compare(snap_compare, scenes.held_request, MEDIUM, environment=scenes.OPEN)
