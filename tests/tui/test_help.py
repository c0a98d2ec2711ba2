from __future__ import annotations

import pytest

from rlm_tui.tui import actions
from rlm_tui.tui.palette import search
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.screens.help import page
from tests.runs import watched
from tests.tui.sample import answered_run, held_run, log_call, view
from tests.tui.stage import Stage, staged


def test_help_tells_what_works_now_from_what_does_not_and_why() -> None:
    with watched() as one:
        made = view(held_run())
        made.select_node(log_call(2))
        now, later = plain(page(made, one.session, "trajectory", 90)).split("not now")
        assert "run edited: Hand the held value on" in now
        assert "release" not in later
        assert "again: Only a reply, a plain call's answer" in later
        assert "iterations, their blocks" in now
        ended = plain(page(view(answered_run()), one.session, "calls", 90)).split("not now")
        assert "step: The run has ended." in ended[1]
        assert "The tree of calls" in ended[0]


@pytest.mark.parametrize("cells", [40, 60, 78])
def test_help_fits(cells: int) -> None:
    with watched() as one:
        assert all(line.width <= max(cells, 42) for line in page(view(held_run()), one.session, "calls", cells))


def test_the_palette_offers_only_what_can_be_done() -> None:
    with watched() as one:
        for events in (held_run(), answered_run()):
            made = view(events)
            for action in search("", made, one.session):
                assert actions.can(action, made, one.session)
            assert "commands" not in [action.id for action in search("", made, one.session)]


def test_the_palette_finds_by_name_first_then_by_what_it_does() -> None:
    with watched() as one:
        made = view(held_run())
        made.select_node(log_call(2))
        assert search("edit", made, one.session)[0].id == "edit"
        assert "step" in [action.id for action in search("pause point", made, one.session)]
        assert search("xyzzy", made, one.session) == []


@staged()
async def test_the_palette_does_what_was_chosen(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("colon", *"step")
    await stage.until(lambda: "▌ step" in stage.text, "the row")
    await stage.press("enter")
    await stage.ready("reply")


@staged()
async def test_the_palette_says_that_it_found_nothing(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("ctrl+p", *"xyzzy")
    await stage.until(lambda: "Nothing of that name can be done now." in stage.text, "the words")
    await stage.press("enter", "escape")
    assert stage.app.screen is stage.main


@staged((80, 24))
async def test_help_opens_scrolls_and_closes(stage: Stage) -> None:
    await stage.ready("llm")
    for key in ("question_mark", "f1"):
        await stage.press(key)
        await stage.until(lambda: "What the node in view did" in stage.text, "the help")
        await stage.press("end")
        await stage.until(lambda: "What the node in view did" not in stage.text, "its end")
        await stage.press("q")
        assert stage.app.screen is stage.main
