"""What a person may do to the screen at the wrong moment: nothing is obeyed unseen, and nothing typed is lost."""

from __future__ import annotations

import pytest

from rlm_tui.tui import actions
from rlm_tui.tui.palette import Palette
from rlm_tui.tui.screens.console import ConsoleScreen
from rlm_tui.tui.screens.kill import KillDialog
from rlm_tui.tui.view import size_for
from rlm_tui.tui.widgets.editor import Editor
from rlm_tui.tui.widgets.find import FindLine
from tests.debugger.small import code
from tests.runs import DEADLINE_S
from tests.tui.family import all_held, family
from tests.tui.forms import form
from tests.tui.stage import Stage, staged
from tests.tui.test_console import field as console_field
from tests.tui.test_edit import open_editor, type_into
from tests.tui.test_samples import Turns, model, side_by_side
from tests.tui.test_stops import opened

TINY = (50, 12)
TWO = [code("print('one')"), code("FINAL('done')")]


async def resize(stage: Stage, size: tuple[int, int]) -> None:
    await stage.pilot.resize_terminal(*size)
    await stage.until(lambda: stage.view.size == size_for(*size), str(size))
    await stage.pilot.pause()
    assert all(len(line) <= size[0] for line in stage.text.splitlines())


async def back(stage: Stage) -> None:
    await stage.until(lambda: stage.app.screen is stage.main, "the run")


async def ended(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")


# The window -----------------------------------------------------------------------------------------------------------


@staged(replies=TWO)
async def test_a_resize_while_the_editor_is_open_keeps_text_cursor_and_keys(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await open_editor(stage)
    await type_into(stage, "print('by hand')\nx = 1")
    stage.app.screen.query_one(Editor).move_cursor((1, 3))
    for size in ((80, 24), (160, 45), (100, 20)):
        await resize(stage, size)
        assert stage.app.screen is screen and screen.text == "print('by hand')\nx = 1"
        assert stage.app.screen.query_one(Editor).cursor_location == (1, 3)
        assert "ctrl+s apply" in stage.text and "edit block 1" in stage.text
    await stage.press("ctrl+r")
    await ended(stage)
    assert stage.edits() == [("code", "print('by hand')\nx = 1")]


@staged(replies=TWO)
async def test_a_window_too_small_while_the_editor_is_open_loses_nothing(stage: Stage) -> None:
    await stage.next_to("block")
    screen = await open_editor(stage)
    await type_into(stage, "half a thou")
    await resize(stage, TINY)
    await stage.press("x")
    await resize(stage, (120, 36))
    assert stage.app.screen is screen and screen.text == "xhalf a thou"
    await stage.press("escape", "escape")
    await back(stage)
    assert "held before block 1" in stage.text and len(stage.main.drafts) == 1


@staged(replies=TWO)
async def test_a_window_too_small_while_a_form_is_open_loses_nothing(stage: Stage) -> None:
    await stage.next_to("block")
    before = stage.verbs()
    for id in ("note", "insert", "limits", "force_final"):
        stage.main.do(actions.BY_ID[id])
        await stage.until(lambda: "esc back" in stage.text, id)
        screen = stage.app.screen
        await stage.press(*"77")
        await resize(stage, TINY)
        await resize(stage, (120, 36))
        await stage.until(lambda: "esc back" in stage.text and "77" in stage.text, f"what was typed in {id}")
        assert stage.app.screen is screen
        await stage.press("escape")
        await back(stage)
    assert (stage.edits(), stage.verbs()) == ([], before)
    assert "held before block 1" in stage.text


@staged(replies=TWO)
async def test_in_a_window_too_small_no_key_decides_anything(stage: Stage) -> None:
    await stage.next_to("block")
    before = stage.verbs()
    await resize(stage, TINY)
    await stage.press(*(a.keys[0] for a in actions.ACTIONS if a.keys and a.id not in ("quit", "interrupt")))
    assert stage.app.screen is stage.main
    await resize(stage, (120, 36))
    assert (stage.edits(), stage.verbs()) == ([], before)


@family()
async def test_what_ends_or_lets_go_is_not_confirmed_in_a_window_too_small_to_read_it(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("X")
    await stage.until(lambda: isinstance(stage.app.screen, KillDialog), "what ends")
    await resize(stage, TINY)
    await stage.press("enter")
    assert isinstance(stage.app.screen, KillDialog)
    await stage.press("escape")
    await resize(stage, (120, 36))
    screen = await opened(stage)
    await resize(stage, TINY)
    await stage.until(lambda: not screen._fresh, "its keys")
    await stage.press("A", "a")
    await stage.until(lambda: "Not taken" in stage.text, "said")
    await resize(stage, (120, 36))
    assert len(stage.run.held) == 3 and stage.run.end is None
    await stage.until(lambda: not screen._fresh, "its keys")
    await stage.press("A")
    await ended(stage)
    assert stage.run.root.status == "final"


@staged(replies=TWO)
async def test_a_resize_while_the_palette_is_open_keeps_what_was_typed(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.press("colon", *"skip")
    for size in ((80, 24), TINY, (160, 45)):
        await resize(stage, size)
    await stage.until(lambda: "skip" in stage.text and isinstance(stage.app.screen, Palette), "the palette")
    await stage.press("enter")
    await back(stage)
    await ended(stage)
    assert stage.verbs()[-1] == "skip"


# What is held goes while it is looked at ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["released", "killed"])
def test_what_is_held_goes_while_its_editor_is_open_and_what_was_typed_stays(end: str) -> None:
    @staged(replies=TWO)
    async def play(stage: Stage) -> None:
        await stage.next_to("block")
        screen = await open_editor(stage)
        await type_into(stage, "print('mine')")
        done = stage.session.release_all() if end == "released" else stage.session.kill_node("root")
        assert done.result(DEADLINE_S) is None
        await ended(stage)
        await stage.press("ctrl+s")
        await stage.until(lambda: "Not applied: It is not held any more" in stage.text, "the refusal")
        assert screen.text == "print('mine')" and stage.edits() == []
        await stage.press("escape", "escape")
        await back(stage)
        assert stage.main.drafts.get(("root/i1/b1", "code")) == "print('mine')"

    play()


@staged(replies=TWO)
async def test_applied_twice_is_applied_once(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "print('mine')")
    await stage.press("ctrl+s", "ctrl+s")
    await back(stage)
    await stage.until(lambda: " a run edited " in stage.bar, "edited")
    assert stage.edits() == [("code", "print('mine')")] and "release" not in stage.verbs()


@staged(replies=TWO)
async def test_applied_and_run_twice_runs_once(stage: Stage) -> None:
    await stage.next_to("block")
    await open_editor(stage)
    await type_into(stage, "print('mine')")
    await stage.press("ctrl+r", "ctrl+r")
    await ended(stage)
    assert stage.edits() == [("code", "print('mine')")] and stage.verbs().count("release") == 1


@family()
async def test_the_draft_of_one_child_is_offered_in_that_child_again_and_in_no_other(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    first = stage.view.node
    screen = await open_editor(stage)
    typed = screen.text + "more"
    await type_into(stage, typed)
    await stage.press("escape", "escape", "h")
    await stage.ready("llm")
    assert stage.view.node != first
    screen = await open_editor(stage)
    assert screen.text != typed and "typed before" not in stage.text
    await stage.press("escape", "h", "h")
    await stage.ready("llm")
    assert stage.view.node == first
    screen = await open_editor(stage)
    assert screen.text == typed and "typed before" in stage.text


def test_the_run_ends_while_the_replies_stand_side_by_side() -> None:
    @staged(size=(160, 45), **model(Turns()))
    async def play(stage: Stage) -> None:
        screen = await side_by_side(stage, 2)
        await stage.until(lambda: len(screen.found()) == 3 and all(s.over for s in screen.found()), "the replies")
        assert stage.session.kill_node("root").result(DEADLINE_S) is None
        await ended(stage)
        await stage.until(lambda: "none of these can be picked any more" in stage.text, "said")
        await stage.press("right", "enter")
        await stage.until(lambda: "Only a reply that is held can be chosen." in stage.text, "the refusal")
        await stage.press("escape")
        await back(stage)
        assert not [field for field, _ in stage.edits() if field == "reply"]

    play()


def test_the_run_ends_while_more_replies_are_on_their_way() -> None:
    turns = Turns(waits=1)

    @staged(size=(160, 45), **model(turns))
    async def play(stage: Stage) -> None:
        await side_by_side(stage, 1)
        await stage.until(lambda: "still on the way" in stage.text, "one on its way")
        assert stage.session.kill_node("root").result(DEADLINE_S) is None
        await ended(stage)
        await stage.until(lambda: "still on the way" not in stage.text, "over")
        await stage.press("escape")
        await back(stage)

    try:
        play()
    finally:
        turns.go.set()


@family()
async def test_the_node_that_is_to_be_killed_ends_while_that_is_asked(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("X")
    assert isinstance(stage.app.screen, KillDialog)
    assert stage.session.release_all().result(DEADLINE_S) is None
    await ended(stage)
    before = stage.run.root.status
    await stage.press("enter")
    await back(stage)
    await stage.until(lambda: "The run has ended." in stage.bar or "The run has ended." in stage.said(), "told")
    assert (before, stage.run.root.status, stage.edits()) == ("final", "final", [])


@staged(replies=TWO)
async def test_a_node_that_is_to_be_answered_ends_while_the_answer_is_typed(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("R")
    await stage.until(lambda: "becomes" in stage.text, "the form")
    await stage.press(*"mine")
    assert stage.session.release_all().result(DEADLINE_S) is None
    await ended(stage)
    await stage.press("enter")
    await stage.until(lambda: "This node has ended." in stage.text or "This node has ended." in stage.said(), "told")
    assert stage.run.root.value == "done" and stage.edits() == []


@staged(replies=TWO)
async def test_a_note_that_is_typed_while_the_run_ends_is_kept(stage: Stage) -> None:
    await stage.next_to("block")
    await form(stage, "note", "m")
    await stage.press(*"odd")
    assert stage.session.release_all().result(DEADLINE_S) is None
    await ended(stage)
    await stage.press("enter")
    await back(stage)
    await stage.until(lambda: stage.edits() == [("note", "odd")], "kept")


@family()
async def test_the_console_stays_when_its_node_is_let_go_from_elsewhere(stage: Stage) -> None:
    await all_held(stage)
    await stage.press("h")
    await stage.ready("llm")
    here = stage.view.node
    assert stage.session.breakpoints.add("final") is None
    await stage.press("C")
    await stage.until(lambda: isinstance(stage.app.screen, ConsoleScreen), "the console")
    await stage.press(*"mine")
    assert stage.session.release(here).result(DEADLINE_S) is None
    await stage.until(lambda: (h := stage.view.held_in(here)) is not None and h.point == "final", "its next hold")
    await stage.until(lambda: "final answer" in stage.text, "the title follows")
    assert console_field(stage).text == "mine"
    assert stage.session.release(here).result(DEADLINE_S) is None
    await stage.until(lambda: stage.run.nodes[here].status == "final", "its end")
    await stage.press("enter")
    await stage.until(lambda: "This node has ended." in stage.text, "the refusal")
    assert console_field(stage).text == "mine"
    await stage.press("escape")
    await back(stage)


# Keys that are meant for something else -------------------------------------------------------------------------------


@staged(replies=TWO)
async def test_a_key_within_the_grace_is_not_taken(stage: Stage) -> None:
    await stage.ready("llm")
    stage.decision.grace = 60.0
    await stage.press("n")
    await stage.until(lambda: (h := stage.view.held_here()) is not None and h.point == "block", "the block")
    await stage.until(lambda: stage.view.grace, "its grace")
    decide = [key for action in actions.ACTIONS if action.decides for key in action.keys]
    assert {"a", "s", "n", "N", "o", "i", "x", "e", "A"} <= set(decide)
    for key in decide:
        if actions_legal(stage, key):
            await stage.press(key)
            assert "Not taken" in stage.bar and stage.app.screen is stage.main, key
    assert stage.verbs() == ["next"] and stage.edits() == []


def actions_legal(stage: Stage, key: str) -> bool:
    action = next(action for action in actions.ACTIONS if key in action.keys)
    return action.legal(stage.view, stage.session) is None


@staged(replies=TWO, grace=60.0)
async def test_release_pressed_twice_releases_once(stage: Stage) -> None:
    await stage.until(stage.view.held_here, "held")
    stage.decision.end_grace()
    assert stage.session.breakpoints.add("block") is None
    await stage.press("a", "a")
    await stage.until(lambda: (h := stage.view.held_here()) is not None and h.point == "block", "the block")
    await stage.press("a", "a")
    assert stage.verbs() == ["release"]


@family()
async def test_release_all_is_a_letter_while_a_form_is_open(stage: Stage) -> None:
    await all_held(stage)
    screen = await form(stage, "note", "m")
    await stage.press(*"AXQ")
    assert screen.values() == {"note": "AXQ"} and stage.app.screen is screen
    assert len(stage.run.held) == 3
    await stage.press("escape")
    await back(stage)


@staged(replies=TWO)
async def test_letters_are_letters_in_the_palette(stage: Stage) -> None:
    await stage.next_to("block")
    before = stage.verbs()
    await stage.press("colon", *"aAsQ")
    assert isinstance(stage.app.screen, Palette)
    await stage.until(lambda: "Nothing of that name can be done now." in stage.text, "nothing of that name")
    await stage.press("enter", "escape")
    await back(stage)
    assert stage.verbs() == before


@staged(replies=TWO)
async def test_every_key_on_a_run_that_has_ended_does_nothing_to_it(stage: Stage) -> None:
    await stage.ready("llm")
    assert stage.session.release_all().result(DEADLINE_S) is None
    await ended(stage)
    seen = stage.run.seen
    for key in [a.keys[0] for a in actions.ACTIONS if a.keys and a.id not in ("quit", "interrupt")]:
        await stage.press(key)
        while stage.app.screen is not stage.main or stage.main.query_one(FindLine).typing:
            await stage.press("escape")
    assert stage.run.seen == seen and stage.app.screen is stage.main
