"""The form that makes a branch: where it begins, what it keeps, and what that saves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from rlm_tui.journal.events import Point
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Answer
from rlm_tui.tui.rows.header import item_title
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import Asked, Entry, Question, Said
from rlm_tui.tui.screens.dialog import paragraph
from rlm_tui.tui.view import View

BEGINS: dict[Point, str] = {
    "llm": "request", "reply": "reply", "block": "block", "call": "prompt", "return": "answer",
    "observe": "observation", "final": "final answer",
}  # fmt: skip
"""Where a branch begins, by pause point, as the form has it."""


def fork(view: View, at: str, points: Sequence[Point], make: Callable[[str, Point], Future[Answer]]) -> Question:
    """A branch of a run.

    Args:
        view: The run.
        at: The address it is to begin at.
        points: The points it can begin at there, the most natural one first.
        make: Makes the branch, and shows it.
    """
    begins: dict[str, Point] = {BEGINS[point]: point for point in points}

    def then(said: Said, room: int) -> list[Line]:
        lines = paragraph(
            "A new run with everything that does not follow from this: it is remembered, and not asked again. "
            "It opens held here, so that you can change it.", room
        )  # fmt: skip
        return [*lines, *paragraph("This run is not touched, and goes on as it is.", room)]

    def ask(said: Said) -> list[Asked] | str:
        return [partial(make, at, begins[said["begins at"]])]

    entries = (Entry("begins at", "choice", options=tuple(begins)),)
    about = words.joined(view.glyphs, item_title(view), view.label(view.node))
    return Question("Make a branch", about, at, "fork", "make it", entries, then, ask)
