"""The main screen on a real run: its verbs, what it refuses, what it says where."""

from __future__ import annotations

import pytest

from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import Edit
from rlm_tui.llm.pace import PACES, Pace
from rlm_tui.tui.screens.panes import trajectory_width
from tests.tui.scenes import Silent
from tests.tui.stage import Stage, staged


@staged()
async def test_the_verbs_of_a_held_request(stage: Stage) -> None:
    await stage.ready("llm")
    assert "held before a request" in stage.bar
    assert " a send " in stage.bar
    await stage.verb("s")
    await stage.ready("reply")
    assert " a take it " in stage.bar
    await stage.verb("n")
    await stage.ready("block")
    assert " a run " in stage.bar
    assert stage.verbs() == ["step", "next"]


@staged(grace=60.0)
async def test_keys_are_not_taken_while_the_bar_is_new(stage: Stage) -> None:
    await stage.until(stage.view.held_here, "held")
    assert stage.view.grace
    await stage.press("a")
    assert stage.verbs() == []
    assert "Not taken" in stage.bar
    stage.decision.end_grace()
    await stage.verb("a")
    assert stage.verbs() == ["release"]


@staged()
async def test_c_and_f5_release_too(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.verb("s")
    await stage.ready("reply")
    await stage.verb("f11" if stage.view.held_here() is None else "f10")
    await stage.ready("block")
    await stage.verb("f5")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.verbs() == ["step", "next", "release"]
    assert "answered" in stage.text


@staged()
async def test_what_is_not_legal_is_refused_in_words(stage: Stage) -> None:
    await stage.ready("llm")
    for key, words in (
        ("x", "Only a block"),
        ("r", "Only a reply"),
        ("V", "Nothing here has been changed"),
        ("i", "no call to go into"),
        ("u", "This is the root"),
        ("d", "made no calls"),
        ("p", "held already"),
        ("h", "Nothing else is held"),
    ):
        await stage.press(key)
        assert words in stage.bar, key
    assert stage.verbs() == []


@staged()
async def test_into_goes_to_the_first_call_of_a_block(stage: Stage) -> None:
    await stage.next_to("block")
    while "rlm_query" not in stage.run.blocks[stage.view.held_here().id].code:
        await stage.verb("n")
        await stage.ready("observe")
        await stage.verb("n")
        await stage.ready("block")
    await stage.verb("i")
    await stage.until(lambda: (held := stage.view.held_here()) and held.point == "call", "a call held")
    call = stage.view.held_here()
    assert call is not None
    await stage.ready("call")
    assert " a start it " in stage.bar
    await stage.verb("i")
    await stage.until(lambda: call.id in {held.node for held in stage.run.held.values()}, "the child held")
    assert stage.view.node == call.id
    await stage.ready("llm")
    await stage.press("u")
    assert stage.view.node == "root"


@staged(model=Silent(model_for("multi-hop"), "for gust log"))
async def test_pause_says_what_it_waits_for_and_breaks_in_when_pressed_again(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.verb("a")
    await stage.until(lambda: stage.run.root.state == "waiting" and stage.run.subcalls == 7, "children asked")
    assert stage.bar == ""
    await stage.press("p")
    await stage.until(lambda: "stops at the next pause point" in stage.bar, "the words")
    assert "p again: break in now" in stage.bar
    await stage.press("s")
    assert "Already under way: pause." in stage.bar
    await stage.press("p")
    await stage.ready("line")
    assert "held in block 1, at line" in stage.bar
    assert stage.run.blocks["root/i3/b1"].open_calls, "its calls go on"
    await stage.press("R", *"x", "enter")
    await stage.until(lambda: stage.run.end is not None, "the end")


@staged(model=Silent(model_for("multi-hop"), "for gust log"))
async def test_looking_back_at_a_run_that_goes_on_says_so(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.verb("a")
    await stage.until(lambda: stage.run.root.state == "waiting" and stage.run.subcalls == 7, "children asked")
    await stage.press("left_square_bracket", "left_square_bracket")
    assert "looking at i2 of 3, the run is at i3" in stage.bar
    await stage.press("F")
    assert stage.bar == ""


@staged(hold=False)
async def test_a_verb_on_a_run_that_ended_says_so(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("p", "p")
    assert stage.said() == ["The run has ended."], "the same words once"
    await stage.until(lambda: "The run has ended." in stage.text, "the words on the screen")


@staged()
async def test_skip_and_revert_are_events_of_the_run(stage: Stage) -> None:
    await stage.next_to("block")
    held = stage.view.held_here()
    assert held is not None
    stage.session.edit(held.id, "code", "print(1)")
    await stage.until(lambda: stage.run.blocks[held.id].was is not None, "the edit")
    assert " a run edited " in stage.bar
    assert "will carry" in stage.bar
    await stage.verb("V")
    await stage.until(lambda: " a run " in stage.bar, "the revert")
    await stage.verb("x")
    await stage.until(lambda: stage.run.blocks[held.id].status == "skipped", "skipped")
    assert [e.field for e in stage.session.events() if isinstance(e, Edit)][-1] == "skip"


@staged()
async def test_release_all_names_how_many(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.verb("A")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.verbs()[0] == "release"


@staged()
async def test_looking_back_says_so_and_follow_comes_back(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.verb("n")
    await stage.ready("observe")
    await stage.verb("n")
    await stage.ready("block")
    newest = stage.view.item
    await stage.press("left_square_bracket", "left_square_bracket")
    assert stage.view.item == "root/i1"
    assert not stage.view.follow
    await stage.press("right_square_bracket")
    assert stage.view.item == "root/i2"
    await stage.press("F")
    assert (stage.view.follow, stage.view.item) == (True, newest)


@staged()
async def test_only_what_works_now_stands_in_the_footer(stage: Stage) -> None:
    await stage.ready("llm")
    assert "Q quit" in stage.footer
    assert "p pause" not in stage.footer
    await stage.verb("a")
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.until(lambda: "y copy answer" in stage.footer, "the footer of an answered run")
    assert "s step" not in stage.footer
    assert stage.bar == ""


@staged((160, 45))
async def test_what_can_be_clicked_does_what_its_key_does(stage: Stage) -> None:
    await stage.ready("llm")
    lines = stage.text.splitlines()
    y = next(n for n, line in enumerate(lines) if " s step" in line)
    await stage.pilot.click(offset=(lines[y].index("s step"), y))
    await stage.ready("reply")
    assert stage.verbs() == ["step"]


@pytest.mark.parametrize(("cells", "width"), [(140, 56), (160, 56), (180, 66), (240, 72)])
def test_the_trajectory_grows_to_a_limit(cells: int, width: int) -> None:
    assert trajectory_width(cells) == width


def test_a_scripted_models_pace_is_changed_by_keys() -> None:
    pace = Pace("fast")

    @staged(name="needle", pace=pace)
    async def play(stage: Stage) -> None:
        await stage.ready("llm")
        await stage.press("less_than_sign")
        await stage.until(lambda: "Pace: normal." in stage.text + " ".join(stage.said()), "the words")
        assert pace.speed == PACES["normal"]
        await stage.press("greater_than_sign")
        assert pace.speed == PACES["fast"]

    play()
