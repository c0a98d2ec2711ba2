"""A list of rows that costs what is visible: rows are known by key, and drawn only when they are on the screen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.paint import Painter


@dataclass(slots=True)
class Entry:
    """One line of the list.

    Attributes:
        key: What the row is known by; None for a line that cannot be selected.
        about: What it tells of: whatever the list's `draw` understands.
        part: 0 for a row's first line; other lines belong to the row above.
    """

    key: str | None
    about: Any = None
    part: int = 0


class RowList(ScrollView, can_focus=True):
    """The base of the virtual lists. A subclass says which rows there are and what each one says.

    Args:
        view: What is selected; read, and changed when a person moves the cursor.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", "Up", show=False),
        Binding("down,j", "cursor(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
    ]
    pane = ""
    """The name of the pane that this list fills."""

    class ClickedTwice(Message):
        """A row was clicked twice."""

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = view
        self.entries: Sequence[Entry] = ()
        self._painter = Painter(self)
        self._structure: Hashable = None
        self._where: dict[str, int] = {}
        self._shown: dict[int, Line] = {}
        self._cursor_was: str | None = None

    # For subclasses --------------------------------------------------------------------------------------------------

    def structure(self) -> Hashable:
        """Something that is equal as long as the rows are the same ones; what they say may differ."""
        raise NotImplementedError

    def build(self) -> Sequence[Entry]:
        """The lines there are, top to bottom."""
        raise NotImplementedError

    def draw(self, entry: Entry, width: int) -> Line:
        """What one line says now, in exactly so many cells."""
        raise NotImplementedError

    def cursor_key(self) -> str | None:
        """The key of the selected row."""
        raise NotImplementedError

    def choose(self, key: str) -> None:
        """A person moved the cursor to a row."""
        raise NotImplementedError

    def moving(self) -> bool:
        """Whether anything may move by itself: not in an app that keeps still."""
        return self.app.animation_level != "none"  # pyright: ignore[reportUnknownMemberType]

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed since the last time; next to nothing when nothing did."""
        if not self.is_mounted or not self.row_width:
            return
        structure = (self.structure(), self.row_width)
        cursor = self.cursor_key()
        if structure != self._structure:
            self._rebuild(structure)
        if cursor != self._cursor_was:
            self._cursor_was = cursor
            self._show_cursor()
        for y in self._visible():
            line = self.draw(self.entries[y], self.row_width)
            if line != self._shown.get(y):
                self._shown[y] = line
                self.refresh_line(y)

    def _rebuild(self, structure: Hashable) -> None:
        old = self._where.get(self._cursor_was or "")
        self._structure = structure
        self.entries = self.build()
        self._where = {}
        for y, entry in enumerate(self.entries):
            if entry.key is not None and entry.part == 0:
                self._where.setdefault(entry.key, y)
        self._shown.clear()
        self.virtual_size = Size(self.row_width, len(self.entries))
        new = self._where.get(self._cursor_was or "")
        if old is not None and new is not None and old != new and self.scroll_offset.y:
            # Rows that came above the cursor must not carry it away from the eye.
            self.scroll_to(y=self.scroll_offset.y + new - old, animate=False, force=True, immediate=True)
        self.refresh()

    def _show_cursor(self) -> None:
        y = self._where.get(self._cursor_was or "")
        height = self.scrollable_content_region.height
        if y is None or not height:
            return
        last = y
        while last + 1 < len(self.entries) and self.entries[last + 1].part:
            last += 1
        top = self.scroll_offset.y
        if y < top:
            self.scroll_to(y=max(0, y - 1), animate=False, force=True, immediate=True)
        elif last >= top + height:
            self.scroll_to(y=min(y, last - height + 2), animate=False, force=True, immediate=True)

    @property
    def row_width(self) -> int:
        """Cells of a row."""
        return self.scrollable_content_region.width

    def _visible(self) -> range:
        top = self.scroll_offset.y
        return range(top, min(top + self.scrollable_content_region.height, len(self.entries)))

    def render_line(self, y: int) -> Strip:
        """One line of the widget, for Textual."""
        y += self.scroll_offset.y
        if not 0 <= y < len(self.entries):
            return self._painter.paint(self.empty_line(y), self.row_width)
        line = self.draw(self.entries[y], self.row_width)
        self._shown[y] = line
        return self._painter.paint(line, self.row_width)

    def empty_line(self, y: int) -> Line:
        """What stands where there is no row; the first lines may say what will be there."""
        return Line()

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()
        self._shown.clear()

    # Being used ------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Paint for the first time; then keep clocks and moving signs in step."""
        self.set_interval(0.25, self._tick)
        self.call_after_refresh(self.sync)

    def _tick(self) -> None:
        if self.moving():
            self.view.advance()
        self.sync()

    def on_resize(self, event: events.Resize) -> None:
        """Lay the rows out for the new width, the cursor in sight."""
        self._cursor_was = None
        self.sync()

    def on_focus(self) -> None:
        """The cursor is drawn differently in the pane where keys go."""
        self.sync()

    def on_blur(self) -> None:
        """The cursor is drawn differently in the pane where keys go."""
        self.sync()

    def action_cursor(self, step: int) -> None:
        """Move the cursor over so many rows, over lines that cannot be selected."""
        stops = self._stops()
        if stops:
            here = self._here(stops)
            self._move(stops[min(max(here + step, 0), len(stops) - 1)] if here >= 0 else stops[0])

    def action_page(self, step: int) -> None:
        """Move the cursor by the height of the pane."""
        self.action_cursor(step * max(1, self.scrollable_content_region.height - 2))

    def action_edge(self, step: int) -> None:
        """Move the cursor to the first or the last row."""
        if stops := self._stops():
            self._move(stops[0] if step < 0 else stops[-1])

    def _stops(self) -> list[str]:
        return list(self._where)

    def _here(self, stops: list[str]) -> int:
        key = self.cursor_key()
        return stops.index(key) if key is not None and key in self._where else -1

    def _move(self, key: str) -> None:
        self.choose(key)
        self.sync()

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse."""
        y = event.y + self.scroll_offset.y
        if 0 <= y < len(self.entries) and (key := self.entries[y].key) is not None:
            self._move(key)
            if event.chain == 2:
                self.post_message(self.ClickedTwice())
