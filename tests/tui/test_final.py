from __future__ import annotations

from rlm_tui.journal.events import Edit
from rlm_tui.journal.run import Run
from rlm_tui.tui.screens.final import FinalDialog, in_flight
from rlm_tui.tui.widgets.fields import Choice
from rlm_tui.tui.widgets.lines import Lines
from tests.tui.sample import held_run, log_call
from tests.tui.stage import Stage, staged


async def open_dialog(stage: Stage) -> FinalDialog:
    await stage.press("R")
    await stage.until(lambda: isinstance(stage.app.screen, FinalDialog) and "becomes" in stage.text, "the dialog")
    screen = stage.app.screen
    assert isinstance(screen, FinalDialog)
    return screen


def finals(stage: Stage) -> list[object]:
    return [e.value for e in stage.session.events() if isinstance(e, Edit) and e.field == "final"]


@staged()
async def test_a_text_is_forced_and_the_run_ends_with_it(stage: Stage) -> None:
    await stage.ready("llm")
    await open_dialog(stage)
    await stage.press(*"Osei")
    assert "◆ Osei" in stage.text
    assert "str, 4 characters" in stage.text
    assert "The run ends. Its answer is marked ✎ and says forced." in stage.text
    await stage.press("enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert (stage.run.root.value, stage.run.root.via) == ("Osei", "forced")
    assert finals(stage) == [{"text": "Osei"}]
    await stage.until(lambda: "answered" in stage.text, "the answer on the screen")


@staged()
async def test_a_variable_is_forced(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.verb("n")
    await stage.ready("observe")
    screen = await open_dialog(stage)
    name = next(iter(stage.run.nodes["root"].variables))
    assert f"variables here: {name}" in stage.text
    await stage.press("shift+tab")
    assert isinstance(stage.app.focused, Choice)
    await stage.press("space", "tab")
    await stage.until(lambda: "◆" in stage.text, "the variable")
    assert stage.run.nodes["root"].variables[name].type in screen.query_one("#final-then", Lines).plain
    await stage.press("enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert finals(stage) == [{"var": name}]


@staged()
async def test_nothing_is_forced_without_an_answer(stage: Stage) -> None:
    await stage.ready("llm")
    await open_dialog(stage)
    await stage.press("enter")
    assert "Type the answer first." in stage.text
    await stage.press("shift+tab", "right", "tab", *"nope", "enter")
    assert "There is no such variable here." in stage.text
    await stage.press("escape")
    assert stage.app.screen is stage.main
    assert finals(stage) == []


@staged()
async def test_letters_are_letters_in_the_dialog(stage: Stage) -> None:
    await stage.ready("llm")
    await open_dialog(stage)
    await stage.press(*"asnxQ1")
    assert "◆ asnxQ1" in stage.text
    assert finals(stage) == []


@staged()
async def test_calls_in_flight_are_named_before_the_button(stage: Stage) -> None:
    await stage.next_to("block")
    while "rlm_query" not in stage.run.blocks[stage.view.held_here().id].code:
        await stage.verb("n")
        await stage.ready("observe")
        await stage.verb("n")
        await stage.ready("block")
    await stage.verb("i")
    await stage.ready("call")
    await stage.verb("i")
    await stage.until(lambda: "root" not in {held.node for held in stage.run.held.values()}, "the child held")
    await stage.press("u", "R")
    await stage.until(lambda: isinstance(stage.app.screen, FinalDialog) and "becomes" in stage.text, "the dialog")
    assert "1 call still in flight is ended first, lowest first:" in stage.text
    assert "held before a request" in stage.text
    await stage.press(*"done", "enter")
    await stage.until(lambda: stage.run.end is not None, "the end")
    assert stage.run.root is not None
    assert stage.run.root.value == "done"


def test_in_flight_is_lowest_first() -> None:
    run = Run(held_run())
    assert run.root is not None
    assert [call.id for call in in_flight(run.root)] == [log_call(2), log_call(4)]
    assert in_flight(run.nodes[log_call(2)]) == []
