"""What is asked before a kept run is deleted, and the forms that name it and make notes by it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from rlm_tui.journal.branches import Branch
from rlm_tui.tui.bridge import Answer
from rlm_tui.tui.rows import branches
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import Asked, Entry, Question, Said
from rlm_tui.tui.screens.dialog import LABEL, Dialog, field, heading, keys, paragraph
from rlm_tui.tui.text import one_line, size
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines


class DeleteDialog(Dialog[bool | None]):
    """Asks once; comes back with whether to do it.

    Args:
        view: For the signs and the size.
        branch: The run to delete.
        bytes: What its files take, if that is known.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "delete", priority=True, show=False)]

    def __init__(self, view: View, branch: Branch, bytes: int | None) -> None:
        super().__init__(classes="-kill")
        self._view = view
        self._branch = branch
        self._bytes = bytes

    def compose(self) -> ComposeResult:
        """What is gone then, and what stays."""
        with Vertical(classes="dialog"):
            yield Lines(id="delete")

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def action_delete(self) -> None:
        """Yes; but not in a window too small to read what is deleted."""
        if self._view.size != "tiny":
            self.dismiss(True)

    def _paint(self) -> None:
        shown = self.query_one("#delete", Lines)
        cells = shown.content_size.width
        if not cells:
            return
        one, room = self._branch.summary, cells - LABEL
        called = one_line(one.name) or one_line(one.question)
        rows = [heading(f"Delete {branches.short(self._branch.summary.id)}", called, cells, self._view.glyphs), Line()]
        said = f"All of it is gone then, and can't be brought back{self._frees()}. {self._stays()}"
        rows += [*field("then", paragraph(said.strip(), room), cells), Line()]
        rows += field("", [keys(("enter", "delete it"), (("esc", "back"),), "kill")], cells)
        shown.show(rows)

    def _frees(self) -> str:
        return f": {size(self._bytes).replace('characters', 'bytes')}" if self._bytes else ""

    def _stays(self) -> str:
        many = len(self._branch.children)
        if not many:
            return ""
        return (
            "Its branch stays, and needs nothing of it."
            if many == 1
            else f"Its {many:,} branches stay, and need nothing of it."
        )


def name(branch: Branch, ask: Callable[[str], Future[Answer]]) -> Question:
    """A name for a run.

    Args:
        branch: The run.
        ask: Gives it the name.
    """
    one = branch.summary

    def then(said: Said, room: int) -> list[Line]:
        return paragraph("It stands beside its id in every list. An empty one takes it back.", room)

    def asked(said: Said) -> list[Asked] | str:
        return [lambda: ask(said["name"])]

    entries = (Entry("name", "line", first=one_line(one.name)),)
    return Question("Name", branches.short(one.id), one.id, "name", "name it", entries, then, asked)


def note(branch: Branch, ask: Callable[[str], Future[Answer]]) -> Question:
    """A remark by a run.

    Args:
        branch: The run.
        ask: Keeps it.
    """

    def then(said: Said, room: int) -> list[Line]:
        return paragraph("Only people see it. It is kept with the run.", room)

    def asked(said: Said) -> list[Asked] | str:
        return [lambda: ask(said["note"])] if said["note"].strip() else "Type the note first."

    id = branch.summary.id
    return Question("Note", branches.short(id), id, "run-note", "keep it", (Entry("note"),), then, asked)
