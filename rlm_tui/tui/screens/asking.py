"""The form for a run of one's own: checked while it is typed, and once more before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial

from rlm_tui.tui.bridge import Answer
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import Asked, Entry, Question, Said
from rlm_tui.tui.screens.dialog import paragraph
from rlm_tui.tui.text import clean

BEGINS = ("at once", "held")


def question(
    fields: Mapping[str, str],
    follows: Callable[[Mapping[str, str]], Sequence[str]],
    make: Callable[[Said], Future[Answer]],
) -> Question:
    """A run of one's own.

    Args:
        fields: What is set for model and limits; empty where nothing is.
        follows: Says what the run would be; raises what is wrong.
        make: Checks it, reads its context and starts it.
    """

    def told(said: Said) -> tuple[list[str], str]:
        try:
            return [clean(one) for one in follows(said)], ""
        except Exception as error:  # noqa: BLE001 - whatever is wrong with what was typed is said beside it
            return [], clean(str(error))

    def then(said: Said, room: int) -> list[Line]:
        begins = "It is held before its first request." if said["begins"] == "held" else "It begins at once."
        return [row for one in (*told(said)[0], begins) for row in paragraph(one, room)]

    def ask(said: Said) -> list[Asked] | str:
        if not said["question"].strip():
            return "Type the question first."
        return "Put that right first." if wrong(said) else [partial(make, said)]

    entries = (
        Entry("question"),
        Entry("context", "line"),
        *(Entry(name, "line", first=clean(value)) for name, value in fields.items()),
        Entry("begins", "choice", options=BEGINS),
    )

    def wrong(said: Said) -> str:
        return told(said)[1]

    about = "context: a file or a folder"
    return Question("New run", about, "home", "new", "start it", entries, then, ask, wrong)
