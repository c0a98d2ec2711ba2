"""The list of two runs side by side: one row a thing, and below those that are opened their texts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.message import Message

from rlm_tui.tui.comparing import Both
from rlm_tui.tui.rows import compare, differing
from rlm_tui.tui.rows.compare import Row
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, wrap
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.rowlist import Entry, RowList


class Things(RowList):
    """One row a thing, and below those that are opened their texts.

    Args:
        view: For the signs.

    Attributes:
        both: What is compared; None while it is being read.
        shown: The rows that are shown.
        opened: The keys of the rows whose texts stand below them.
        only: Whether only what differs is shown.
        at: The key of the row under the cursor.
        fault: Why there is nothing to show.
    """

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, view: View) -> None:
        super().__init__(view, id="compare-list")
        self.both: Both | None = None
        self.shown: list[Row] = []
        self.opened: set[str] = set()
        self.only = False
        self.at = ""
        self.fault = ""
        self._numbers: dict[str, int] = {}
        self._glanced: str | None = None
        self._version = 0

    def take(self, found: Both) -> None:
        """Show a comparison, what differs first opened; of one that was read again, what was looked at."""
        again = self.both is not None
        self.both = found
        self._numbers = {key: n for n, key in enumerate((row.key for row in found.rows if not row.same), 1)}
        keys = {row.key for row in found.rows}
        self.opened &= keys
        if not again or self.at not in keys:
            self.at = found.first or (found.rows[0].key if found.rows else "")
            if found.first is not None:
                self.glance(found.first)
        self._fill()

    def _fill(self) -> None:
        rows = self.both.rows if self.both is not None else []
        self.shown = _differing(rows) if self.only else rows
        self._version += 1
        if self.shown and self.at not in {row.key for row in self.shown}:
            self.at = self.shown[0].key
        # The cursor is to be seen, wherever its row has come to.
        self._cursor_was = None
        self.sync()

    def show_only(self, only: bool) -> None:
        """Show what differs and what it stands in, or all rows."""
        self.only = only
        self._fill()

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        y = self._where.get(self.at)
        return self.entries[y].about if y is not None else None

    def structure(self) -> Hashable:
        """Which rows there are, and which are open."""
        return self._version

    def build(self) -> Sequence[Entry]:
        """The rows; below an open one the lines of its texts, which cannot be selected."""
        made: list[Entry] = []
        for row in self.shown:
            made.append(Entry(row.key, row))
            if row.key in self.opened and self.both is not None:
                made += [Entry(None, line, n) for n, line in enumerate(self._texts(self.both, row), 1)]
        return made

    def _texts(self, found: Both, row: Row) -> list[Line]:
        cells = self.row_width
        told = compare.parts(row, found.left, found.right)
        if not told:
            return [Line().add("    nothing was said or printed", "ink-3").fill(cells), Line().fill(cells)]
        split = cells >= compare.SPLIT_FROM
        below = differing.lines(self.view, told, cells - 1, split=split, all=row.same)
        return [Line([(" ", "ink"), *line.spans], line.ground).fill(cells) for line in below] + [Line().fill(cells)]

    def cursor_key(self) -> str | None:
        """The row under the cursor."""
        return self.at or None

    def choose(self, key: str) -> None:
        """Move the cursor."""
        self.at = key
        self.post_message(self.Moved())

    def draw(self, entry: Entry, width: int) -> Line:
        """A row, or a line of what is opened."""
        if isinstance(entry.about, Line):
            return entry.about
        assert self.both is not None
        left, right = self.both.left, self.both.right
        return compare.draw(entry.about, left, right, width, selected=entry.key == self.at)

    def empty_line(self, y: int) -> Line:
        """What stands there while nothing is shown: what is under way, or why there is nothing."""
        said, ink = "Both runs are being read.", "ink-3"
        if self.fault:
            said, ink = clean(self.fault), "error"
        elif self.both is not None:
            said = "Nothing differs. f shows all rows." if self.only else "Neither has begun."
        rows = wrap(said, self.row_width - 4)
        return Line().add(f"  {rows[y]}" if y < len(rows) and not self.entries else "", ink)

    # Being used ------------------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Open what is under the cursor, or close it."""
        self.opened ^= {self.at} if self.at else set()
        self._glanced = None
        self._fill()

    def glance(self, key: str) -> None:
        """Open a row until another one is glanced at."""
        if self._glanced is not None:
            self.opened.discard(self._glanced)
        self._glanced = None if key in self.opened else key
        self.opened.add(key)

    def jump(self, step: int) -> bool:
        """To the difference before or after the cursor.

        Returns:
            Whether there is one.
        """
        keys = [row.key for row in self.shown]
        here = keys.index(self.at) if self.at in keys else -1
        ahead = range(here + 1, len(keys)) if step > 0 else range(here - 1, -1, -1)
        found = next((keys[n] for n in ahead if not self.shown[n].same), None)
        if found is None:
            return False
        self.at = found
        self.glance(found)
        self._fill()
        return True

    def differences(self) -> tuple[int, int]:
        """Which difference the cursor is on, from 1, and how many there are; 0 when it is on none."""
        return self._numbers.get(self.at, 0), len(self._numbers)

    def action_cursor(self, step: int) -> None:
        """Move the cursor; first through a text that is longer than the window."""
        y = self._where.get(self.at)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if y is not None and height:
            last = y
            while last + 1 < len(self.entries) and self.entries[last + 1].part:
                last += 1
            to = top
            if step > 0 and last >= top + height:
                to = min(top + step, last - height + 1)
            elif step < 0 and y < top:
                to = max(top + step, y)
            if to != top:
                self.scroll_to(y=to, animate=False, force=True, immediate=True)
                return
        super().action_cursor(step)


def _differing(rows: Sequence[Row]) -> list[Row]:
    """What differs, and what it stands in."""
    kept: set[int] = set()
    above: list[int] = []
    for n, row in enumerate(rows):
        while above and rows[above[-1]].indent >= row.indent:
            above.pop()
        above.append(n)
        if not row.same:
            kept.update(above)
    return [rows[n] for n in sorted(kept)]
