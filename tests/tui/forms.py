"""Forms on the stage: how a test opens one, types in it, and reads what it says."""

from __future__ import annotations

from typing import Any

from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui import actions
from rlm_tui.tui.screens.ask import AskDialog
from rlm_tui.tui.widgets.fields import Words
from rlm_tui.tui.widgets.lines import Lines
from tests.debugger.small import chat, code
from tests.tui.stage import Stage

LEAF = [code("x = llm_query('the leaf')", "print('x is', x)"), code("FINAL(x)")]
CHILD = [code("x = rlm_query('the child')", "print('x is', x)"), code("FINAL(x)")]


def model(root: list[Any], **others: Any) -> dict[str, Any]:
    """A model of a run: what the root says turn by turn, and what those say whose prompt names them ("the leaf")."""
    rows = {f"the {name}": said for name, said in others.items()}
    return {"model": CallableModel(chat({**rows, "": root}))}


def rows(stage: Stage, id: str) -> list[str]:
    """What such lines say; nothing before they are there."""
    found = stage.app.screen.query(id).results(Lines)
    return [row for lines in found for row in lines.plain.split("\n") if row.strip()]


def said(stage: Stage) -> str:
    """What follows, on one line."""
    return " ".join(" ".join(rows(stage, "#ask-then")).split())


async def form(stage: Stage, id: str, key: str = "") -> AskDialog:
    """Open a form, by its key or by its name."""
    if key:
        await stage.press(key)
    else:
        stage.main.do(actions.BY_ID[id])
    await stage.until(lambda: isinstance(stage.app.screen, AskDialog) and rows(stage, "#ask-then"), f"the form {id}")
    screen = stage.app.screen
    assert isinstance(screen, AskDialog)
    return screen


async def typed(stage: Stage, text: str, n: int = 0) -> None:
    """Put a text in a form's field."""
    stage.app.screen.query_one(f"#ask-{n}", Words).put(text)
    await stage.pilot.pause()


async def gone(stage: Stage) -> None:
    """Wait until no form is open."""
    await stage.until(lambda: stage.app.screen is stage.main, "the form is gone")
