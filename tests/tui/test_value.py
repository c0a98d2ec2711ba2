"""A variable's value page by page, without a line of the model's code."""

from __future__ import annotations

from rlm_tui.tui.screens.value import CHARACTERS, ValueScreen, ValueText
from tests.tui import scenes
from tests.tui.stage import Stage, staged


async def opened(stage: Stage, downs: int, says: str) -> None:
    await scenes.variables(stage)
    await stage.press(*["down"] * downs, "enter")
    await stage.until(lambda: isinstance(stage.app.screen, ValueScreen) and says in stage.text, says)


@staged(replies=[scenes.LISTS])
async def test_items_come_two_hundred_at_a_time(stage: Stage) -> None:
    await opened(stage, 3, "1–200 of 1,204")
    assert "root › readings" in stage.text and "list 1,204" in stage.text
    assert "?readings[0] looks into one" in stage.text
    await stage.press("left_square_bracket")
    await stage.press("right_square_bracket")
    await stage.until(lambda: "201–400 of 1,204" in stage.text, "the second page")
    await stage.press("end")
    await stage.until(lambda: "1,201–1,204 of 1,204" in stage.text, "the last page")
    await stage.press("right_square_bracket")
    await stage.press("pageup")
    await stage.until(lambda: "1,001–1,200 of 1,204" in stage.text, "the page before it")
    assert stage.app.screen.query_one(ValueText).at_end
    await stage.press("pagedown")
    await stage.until(lambda: "1,201–1,204 of 1,204" in stage.text, "the last page again")
    await stage.press("home")
    await stage.until(lambda: "1–200 of 1,204" in stage.text, "the first page")
    await stage.press("escape")
    await stage.until(lambda: stage.app.screen is stage.main, "the run")
    assert stage.view.variable == "readings"


@staged(replies=[scenes.LISTS])
async def test_a_text_is_shown_and_never_obeyed(stage: Stage) -> None:
    await opened(stage, 4, f"1–{CHARACTERS:,} of")
    assert "gust log␛[31m" in stage.text and "\x1b" not in stage.text


@staged(replies=[scenes.LISTS])
async def test_of_anything_else_only_the_brief_is_known(stage: Stage) -> None:
    await opened(stage, 2, "Only this much is known")
    assert "<Counter>" in stage.text


@staged(replies=[scenes.LISTS])
async def test_before_anything_ran_the_beginning_of_the_context_is_known(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("right", "right", "right", "3")
    await stage.until(lambda: stage.view.variable == "context", "the variables")
    await stage.press("enter")
    await stage.until(lambda: isinstance(stage.app.screen, ValueScreen) and "What is known of it:" in stage.text, "it")
    assert "Anemometer" in stage.text


@staged(replies=[scenes.LISTS])
async def test_what_cannot_be_had_is_said_and_the_brief_is_shown(stage: Stage) -> None:
    await scenes.variables(stage)
    await stage.press("down", "down", "down")
    await stage.press("A")
    await stage.until(lambda: stage.run.end or stage.run.held, "the end")
    while stage.run.end is None:
        await stage.press("A")
        await stage.until(lambda: stage.run.end or stage.run.held, "the end")
    stage.view.select_item("root/i1/b1")
    stage.view.variable = "readings"
    await stage.pilot.pause(0.3)
    await stage.press("enter")
    await stage.until(
        lambda: isinstance(stage.app.screen, ValueScreen) and "What is known of it:" in stage.text, "the brief"
    )
    assert "'station': 's-0'" in stage.text
