"""The trajectory: what the selected node was asked, said, ran, was told and answered."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.message import Message

from rlm_tui.tui.rows import step, trajectory
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.rowlist import Entry, RowList


class Trajectory(RowList):
    """The rows of one node. Moving the cursor selects what the inspector shows."""

    pane = "trajectory"

    class Chosen(Message):
        """A person selected a row.

        Attributes:
            item: Its address; None for what the node was asked.
        """

        def __init__(self, item: str | None) -> None:
            self.item = item
            super().__init__()

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(view, id=id, classes=classes)
        self._made: tuple[str, trajectory.Made] = ("", trajectory.Made())

    def structure(self) -> Hashable:
        """Another node, another layout or a new event may change which rows there are; so may a call of a batch."""
        view = self.view
        call = view.item if view.item in view.run.calls else None
        return (view.epoch, view.node, view.size, view.version, call)

    def build(self) -> Sequence[Entry]:
        """The lines, some of two."""
        if self._made[0] != self.view.node:
            self._made = self.view.node, trajectory.Made()
        made = trajectory.rows(self.view, self.row_width, self._made[1])
        return [Entry(row.key, row, row.part) for row in made]

    def cursor_key(self) -> str | None:
        """The selected row."""
        return self.view.item if self.view.item is not None else ""

    def choose(self, key: str) -> None:
        """Select another row."""
        self.view.select_item(key or None)
        self.post_message(self.Chosen(key or None))

    def draw(self, entry: Entry, width: int) -> Line:
        """One line."""
        selected = entry.key is not None and entry.key == self.cursor_key()
        return step.draw(self.view, entry.about, width, selected=selected, focused=self.has_focus)

    def empty_line(self, y: int) -> Line:
        """Before the first reply."""
        shown = self.view.shown
        if shown is None and y == 0:
            return Line().add(" Nothing has begun yet.", "ink-3")
        if y == (3 if self.view.size == "wide" else 0) and len(self.entries) <= 2 and shown is not None:
            return Line().add("   No iteration yet. The first request is being made.", "ink-3")
        return Line()
