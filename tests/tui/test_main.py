from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from textual.widgets import TextArea

from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import Edit, Go
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.pace import PACES, Pace
from rlm_tui.tui.screens.edit import Editor, EditScreen
from rlm_tui.tui.screens.panes import PANES, trajectory_width
from rlm_tui.tui.view import ANSWER, size_for
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.trajectory import Trajectory
from tests.tui.scenes import Silent
from tests.tui.stage import Stage, staged


def verbs(stage: Stage) -> list[str]:
    return [event.verb for event in stage.session.events() if isinstance(event, Go)]


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
    assert verbs(stage) == ["step", "next"]


@staged(grace=60.0)
async def test_keys_are_not_taken_while_the_bar_is_new(stage: Stage) -> None:
    await stage.until(stage.view.held_here, "held")
    assert stage.view.grace
    await stage.press("a")
    assert verbs(stage) == []
    assert "Not taken" in stage.bar
    stage.decision.end_grace()
    await stage.verb("a")
    assert verbs(stage) == ["release"]


@staged()
async def test_c_and_f5_release_too(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.verb("s")
    await stage.ready("reply")
    await stage.verb("f11" if stage.view.held_here() is None else "f10")
    await stage.ready("block")
    await stage.verb("f5")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert verbs(stage) == ["step", "next", "release"]
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
    assert verbs(stage) == []


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
    assert "past: i2 of 3, the run is at i3" in stage.bar
    await stage.press("F")
    assert stage.bar == ""


class Failing:
    """Refuses the first request, plays the scenario from then on."""

    def __init__(self) -> None:
        self._inner = model_for("multi-hop")
        self.asked = 0

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        self.asked += 1
        if self.asked == 1:
            raise ModelError("key", "no key for this model: set OPENAI_API_KEY")
        async for piece in self._inner.stream(request):
            yield piece


@staged(hold=False, model=Failing())
async def test_what_failed_is_held_and_tried_again(stage: Stage) -> None:
    await stage.ready("error")
    assert "held at an error" in stage.bar
    assert "no key for this model" in stage.bar
    assert stage.bar.splitlines()[-1].startswith("▌    r retry    a let it fail")
    await stage.verb("r")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert verbs(stage) == ["retry"]
    assert stage.run.root is not None and stage.run.root.state == "answered"


@staged(hold=False, model=Failing())
async def test_a_request_that_failed_is_changed_and_asked_again(stage: Stage) -> None:
    await stage.ready("error")
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor")
    assert "ctrl+r apply and retry" in stage.text
    editor = stage.app.screen.query_one(Editor)
    asked = "Who calibrated the anemometer with the strongest gust"
    editor.text = editor.text.replace(asked, f"As short as you can: {asked}")
    await stage.press("ctrl+s")
    await stage.until(lambda: "r retry edited" in stage.bar, "the edit")
    assert "the request as you changed it" in stage.text
    await stage.press("3", "z", "right", "right", "end")
    await stage.until(lambda: "As short as you can" in stage.text, "the messages as they will be sent")
    await stage.verb("r")
    await stage.until(lambda: stage.run.end is not None, "the end")
    sent = stage.run.iterations["root/i1"].attempts[-1].messages()
    assert "As short as you can" in stage.session.text(sent[-1].content)
    assert stage.run.root is not None and stage.run.root.state == "answered"


@staged(hold=False, max_iterations=2)
async def test_the_limit_of_a_child_is_a_row_of_its_own(stage: Stage) -> None:
    await stage.until(lambda: stage.run.held, "the limit of the first child")
    await stage.press("h")
    await stage.ready("limit")
    assert stage.view.node != "root"
    rows = stage.main.query_one(Trajectory)
    assert rows.cursor_key() == stage.view.node + ANSWER
    await stage.until(lambda: re.search(r"ǁ +limit +max_iterations 2 of 2", stage.text), "its row")


@staged(hold=False, model=Failing())
async def test_a_step_never_lets_a_request_fail(stage: Stage) -> None:
    await stage.ready("error")
    await stage.press("s", "n")
    assert "That would end this node. r tries again, a lets it end." in stage.bar
    assert verbs(stage) == []
    assert "s step" not in stage.bar


@staged()
async def test_messages_are_edited_from_the_last_one_on(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor")
    editor = stage.app.screen.query_one(Editor)
    row, column = editor.cursor_location
    assert editor.text.split("\n")[row - 1] == "=== user ===" and column == 0
    await stage.until(lambda: "=== user ===" in stage.text, "the last message in sight")


class FailingLeaf:
    """Refuses a leaf's first request, plays the scenario from then on."""

    def __init__(self) -> None:
        self._inner = model_for("multi-hop")
        self.refused = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        if not self.refused and request.messages[-1]["content"].startswith("Who designed"):
            self.refused = True
            raise ModelError("filter", "the provider will not answer this")
        async for piece in self._inner.stream(request):
            yield piece


@staged(hold=False, model=FailingLeaf())
async def test_the_prompt_of_a_leaf_that_failed_is_changed_and_asked_again(stage: Stage) -> None:
    await stage.until(lambda: stage.run.held, "the error")
    await stage.press("h")
    await stage.ready("error")
    await stage.press("e")
    await stage.until(lambda: "edit the prompt" in stage.text, "the editor")
    editor = stage.app.screen.query_one(Editor)
    editor.text = "Please: " + editor.text
    await stage.press("ctrl+r")
    await stage.until(lambda: stage.run.end is not None, "the end")
    (edit,) = stage.run.edits
    assert edit.field == "prompt" and edit.value == "Please: " + str(edit.was)
    (leaf,) = [call for call in stage.run.calls.values() if call.id == edit.id]
    assert [attempt.status for attempt in leaf.attempts] == ["error", "ok"]


@staged(hold=False, max_iterations=1)
async def test_a_limit_is_held_and_raised(stage: Stage) -> None:
    await stage.ready("limit")
    assert "held at the limit max_iterations" in stage.bar
    assert "max_iterations 1 of 1 used. e raises it." in stage.bar
    assert " a let it end    e raise " in stage.bar
    await stage.press("s")
    assert "That would end this node. e raises the limit, a lets it end." in stage.bar
    assert verbs(stage) == []
    await stage.press("e")
    await stage.until(lambda: "edit the limit max_iterations" in stage.text, "the editor")
    await stage.press("backspace", "delete", *"many", "ctrl+s")
    assert "A limit is a number." in stage.text
    editor = stage.app.screen.query_one(TextArea)
    editor.text = "9"
    await stage.press("ctrl+s")
    await stage.until(lambda: " a go on " in stage.bar, "what releasing does now")
    await stage.until(lambda: "max_iterations 1 of 9" in stage.text, "the new limit in its row")
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor again")
    assert stage.app.screen.query_one(TextArea).text == "9"
    await stage.press("escape")
    await stage.until(lambda: stage.app.screen is stage.main, "the run again")
    await stage.verb("a")
    await stage.until(lambda: "root/i2" in stage.run.iterations, "another iteration")
    raised = [event for event in stage.session.events() if isinstance(event, Edit)]
    assert [(edit.field, edit.value) for edit in raised] == [("limit", {"name": "max_iterations", "to": 9.0})]


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
    assert verbs(stage)[0] == "release"


@staged((160, 45))
async def test_panes_by_tab_digit_and_zoom(stage: Stage) -> None:
    await stage.ready("llm")
    for pane in ("inspector", "calls", "trajectory"):
        await stage.press("tab")
        assert stage.main.pane == pane
        focused = stage.app.focused
        assert focused is not None and any(getattr(node, "pane", "") == pane for node in focused.ancestors_with_self)
    await stage.press("shift+tab")
    assert stage.main.pane == "calls"
    await stage.press("3", "z")
    shown = [pane for pane in PANES if stage.main.query_one(f"#{pane}").display]
    assert shown == ["inspector"]
    await stage.press("1")
    assert [pane for pane in PANES if stage.main.query_one(f"#{pane}").display] == ["calls"]
    await stage.press("q")
    assert all(stage.main.query_one(f"#{pane}").display for pane in PANES)
    assert stage.main.pane == "calls"


@staged((80, 24))
async def test_narrow_goes_back_pane_by_pane(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("3")
    for pane in ("trajectory", "calls"):
        await stage.press("q")
        assert stage.main.pane == pane
    await stage.press("q")
    assert "Q quits" in stage.text


@staged((160, 45))
async def test_a_resize_keeps_selection_and_focus(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.press("1")
    node, item = stage.view.node, stage.view.item
    for size in ((80, 24), (100, 30), (120, 36), (59, 15), (20, 5), (160, 45)):
        await stage.pilot.resize_terminal(*size)
        await stage.until(lambda size=size: stage.view.size == size_for(*size), str(size))
        await stage.pilot.pause()
        assert (stage.view.node, stage.view.item, stage.main.pane) == (node, item, "calls")
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        if stage.view.size == "tiny":
            assert "This window is" in stage.text
            assert "held" not in stage.text
        else:
            assert "held before block 1" in stage.text
    await stage.until(lambda: isinstance(stage.app.focused, CallTree), "the focus")


@staged((59, 15))
async def test_a_window_too_small_to_see_takes_no_decision(stage: Stage) -> None:
    await stage.until(lambda: stage.view.held_here() is not None and not stage.view.grace, "held")
    await stage.press("a", "s", "n")
    assert verbs(stage) == []
    await stage.press("Q")
    assert "leave" in stage.text


@staged()
async def test_copy_says_what_it_copied(stage: Stage) -> None:
    await stage.next_to("block")
    held = stage.view.held_here()
    assert held is not None
    await stage.press("y")
    code = stage.session.text(stage.run.blocks[held.id].code)
    assert stage.app.clipboard == code
    assert any(f"Copied {len(code):,} character" in said for said in stage.said())


@staged()
async def test_text_that_no_terminal_takes_is_copied_all_the_same(stage: Stage) -> None:
    stage.main.copy("a\ud800b")
    assert stage.app.clipboard == "a?b"


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
    assert verbs(stage) == ["step"]


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
