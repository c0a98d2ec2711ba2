"""What failed and what ran into a limit, held on the main screen: tried again, changed, raised."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from textual.widgets import TextArea

from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import Edit
from rlm_tui.llm.base import ChatRequest, Delta, ModelError, Reply
from rlm_tui.tui.screens.edit import Editor, EditScreen
from rlm_tui.tui.selection import ANSWER
from rlm_tui.tui.widgets.trajectory import Trajectory
from tests.tui.stage import Stage, staged


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
    assert stage.verbs() == ["retry"]
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
    assert stage.verbs() == []
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
    assert stage.verbs() == []
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
