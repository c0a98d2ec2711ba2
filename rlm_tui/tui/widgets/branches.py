"""The list of a run and its branches, as a tree."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.message import Message

from rlm_tui.tui.rows import branches
from rlm_tui.tui.rows.branches import Figures, Row
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.rowlist import Entry, RowList


class BranchTree(RowList):
    """The runs of a family, one a row.

    Args:
        view: The run on the screen.

    Attributes:
        all: The rows.
        known: By id, what the whole journals tell, as far as they were read.
        at: The id of the run under the cursor.
        read: Whether the tree was read.
    """

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, view: View) -> None:
        super().__init__(view, id="branches-list")
        self.all: list[Row] = []
        self.known: dict[str, Figures] = {}
        self.at = ""
        self.read = False

    def take(self, all: list[Row]) -> None:
        """Show these; the cursor stays, else it is on the run on the screen."""
        ids = [row.branch.summary.id for row in all]
        if self.at not in ids:
            self.at = next((row.branch.summary.id for row in all if row.here), ids[0] if ids else "")
        self.all, self.read = all, True
        self.sync()

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return next((row for row in self.all if row.branch.summary.id == self.at), None)

    def structure(self) -> Hashable:
        """Which runs there are."""
        return id(self.all)

    def build(self) -> Sequence[Entry]:
        """One line each."""
        return [Entry(row.branch.summary.id, row) for row in self.all]

    def cursor_key(self) -> str | None:
        """The run under the cursor."""
        return self.at or None

    def choose(self, key: str) -> None:
        """Move the cursor."""
        self.at = key
        self.post_message(self.Moved())

    def draw(self, entry: Entry, width: int) -> Line:
        """Its row."""
        known = self.known.get(entry.about.branch.summary.id)
        return branches.draw(self.view, entry.about, known, width, selected=entry.key == self.at)

    def empty_line(self, y: int) -> Line:
        """Below the last row, how to make a branch; before anything was read, that it is."""
        if not self.read:
            return Line().add("  The runs are being read." if y == 0 else "", "ink-3")
        if not self.all:
            return Line().add("  This run is kept no more." if y == 0 else "", "ink-3")
        if len(self.all) == 1 and y == 2:
            return branches.nothing(self.row_width)[0]
        return Line()
