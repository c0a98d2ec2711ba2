"""The inspector: everything about the one thing that is selected, in tabs."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from rlm_tui.tui import text
from rlm_tui.tui.glyphs import UNICODE, Glyphs
from rlm_tui.tui.rows import found, pages
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.paint import Painter


class TextPane(ScrollView, can_focus=True):
    """A long text that costs what is visible; where it has rows to stand on, a cursor moves over those."""

    class Moved(Message):
        """The cursor stands on another row.

        Attributes:
            name: What the row is of.
        """

        def __init__(self, name: str) -> None:
            self.name = name
            super().__init__()

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "turn(-1)", "Page up", show=False),
        Binding("pagedown", "turn(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "Top", show=False),
        Binding("end", "edge(1)", "End", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self.stops: dict[int, str] = {}
        self.heads: list[int] = []
        self.cursor: int | None = None
        self.signs: Glyphs = UNICODE
        self._painter = Painter(self)

    @property
    def cells(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width

    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= len(self.lines) - self.scrollable_content_region.height

    def show(self, lines: list[Line], top: int | None) -> None:
        """Show other lines.

        Args:
            lines: All of them.
            top: The first one to be in sight; None leaves the text where it is.
        """
        old, self.lines = self.lines, lines
        self.virtual_size = Size(self.cells, len(lines))
        if top is not None:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
        y = self.scroll_offset.y
        window = slice(y, y + self.size.height)
        if top is not None or old[window] != lines[window]:
            self.refresh()

    def stand(self, stops: dict[int, str], name: str | None) -> str | None:
        """Give the lines a cursor, or none.

        Args:
            stops: The lines that it can stand on, and what each is of.
            name: What it is to stand on, if that is there.

        Returns:
            What it stands on.
        """
        at = next((y for y, its in stops.items() if its == name), next(iter(stops), None))
        if (self.stops, self.cursor) != (stops, at):
            self.stops, self.cursor = stops, at
            self.refresh()
        return stops.get(at) if at is not None else None

    def action_move(self, step: int) -> None:
        """Scroll by so many lines, at once: nothing on the screen glides. A cursor moves by as many rows."""
        if self.cursor is None:
            self.scroll_relative(y=step, animate=False)
            return
        places = list(self.stops)
        at = min(max(places.index(self.cursor) + step, 0), len(places) - 1)
        self._go(places[at], edge=at == 0)

    def _go(self, y: int, *, edge: bool = False) -> None:
        self.cursor = y
        top, rows = self.scroll_offset.y, self.scrollable_content_region.height
        if y < top or edge:
            self.scroll_to(y=0 if edge else y, animate=False, force=True, immediate=True)
        elif y >= top + rows:
            self.scroll_to(y=y - rows + 1, animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Moved(self.stops[y]))

    def action_turn(self, step: int) -> None:
        """Scroll by the height of the pane."""
        self.action_move(step * max(1, self.scrollable_content_region.height - 2))

    def jump(self, step: int) -> None:
        """Scroll to where the next part begins, or the one before."""
        y = self.scroll_offset.y
        after = [head for head in self.heads if head > y]
        before = [0, *(head for head in self.heads if head < y)]
        to = before[-1] if step < 0 else after[0] if after else None
        if to is not None:
            self.scroll_to(y=to, animate=False, force=True, immediate=True)

    def action_edge(self, step: int) -> None:
        """Scroll to the top or to the end."""
        if self.cursor is not None:
            self.action_move(step * len(self.stops))
            return
        self.scroll_to(y=0 if step < 0 else len(self.lines), animate=False)

    def render_line(self, y: int) -> Strip:
        """One line, for Textual."""
        y += self.scroll_offset.y
        line = self.lines[y] if 0 <= y < len(self.lines) else Line()
        if y == self.cursor:
            line = self._under_cursor(line)
        return self._selected(self._painter.paint(line, self.cells), line, y).apply_offsets(0, y)

    def _under_cursor(self, line: Line) -> Line:
        """A line with the cursor in its first cell."""
        (first, words), *rest = line.spans or [(" ", "ink")]
        sign = self.signs.cursor if self.has_focus else self.signs.cursor_blurred
        spans = [(sign, "ink" if self.has_focus else "ink-3"), (first[1:], words), *rest]
        return Line([span for span in spans if span[0]], "on-cursor" if self.has_focus else "on-raised")

    def on_focus(self) -> None:
        """The cursor is drawn differently where keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is drawn differently where keys go."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the row under the mouse."""
        y = event.y + self.scroll_offset.y
        if y in self.stops:
            self._go(y)

    def _selected(self, strip: Strip, line: Line, y: int) -> Strip:
        """The strip with what the mouse selected turned over."""
        selection = self.text_selection
        span = selection.get_span(y) if selection is not None else None
        if span is None:
            return strip
        begin, end = span
        said = line.plain
        first = text.width(said[:begin])
        last = text.width(said if end < 0 else said[:end])
        before, marked, after = strip.crop(0, first), strip.crop(first, last), strip.crop(last)
        return Strip.join([before, marked.apply_style(Style(reverse=True)), after])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under the mouse's selection, as it stands on the screen."""
        return selection.extract("\n".join(line.plain.rstrip() for line in self.lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what is selected."""
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()


class InspectorTabs(Widget):
    """The row of tabs."""

    class Clicked(Message):
        """A person clicked on a tab.

        Attributes:
            tab: Its number, from 0.
        """

        def __init__(self, tab: int) -> None:
            self.tab = tab
            super().__init__()

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self._painter = Painter(self)
        self._line: Line | None = None

    def sync(self) -> None:
        """Repaint if anything changed."""
        line, _ = pages.tab_line(self.view, self.size.width)
        if line != self._line:
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The row, for Textual."""
        self._line, _ = pages.tab_line(self.view, self.size.width)
        return self._painter.paint(self._line, self.size.width)

    def on_click(self, event: events.Click) -> None:
        """Choose the tab under the mouse."""
        _, places = pages.tab_line(self.view, self.size.width)
        for n, (begin, end) in enumerate(places):
            if begin - 1 <= event.x <= end:
                self.post_message(self.Clicked(n))

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()


class Inspector(Widget):
    """Tabs over a text. The text takes the keys; what is in it follows the view.

    Args:
        view: What is selected, and which tab is chosen.
    """

    pane = "inspector"

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.body = TextPane()
        self._tabs = InspectorTabs(view)
        self._layout = Layout()
        self._seen: Hashable = None
        self._about: Hashable = None
        self._evaluations = 0
        self._found: found.Found | None = None

    def compose(self) -> ComposeResult:
        """Tabs, then the text."""
        yield self._tabs
        yield self.body

    def on_mount(self) -> None:
        """Paint for the first time; then keep what moves in step."""
        self.set_interval(0.25, self.sync)
        self.call_after_refresh(self.sync)

    def on_resize(self) -> None:
        """Lay out again for the new width."""
        self.call_after_refresh(self.sync)

    def next_tab(self) -> None:
        """Choose the tab to the right, round and round."""
        self._choose((self.view.tab + 1) % pages.COUNT)

    def previous_tab(self) -> None:
        """Choose the tab to the left, round and round."""
        self._choose((self.view.tab - 1) % pages.COUNT)

    def on_inspector_tabs_clicked(self, event: InspectorTabs.Clicked) -> None:
        """Choose the tab that was clicked."""
        event.stop()
        self._choose(event.tab)
        self.body.focus()

    def on_text_pane_moved(self, event: TextPane.Moved) -> None:
        """Another variable is under the cursor."""
        event.stop()
        self.view.variable = event.name

    def _choose(self, tab: int) -> None:
        self.view.tab = tab
        self.sync()

    def _shows(self, line: int, rows: int) -> bool:
        """Whether the lines up to this one are in sight."""
        top = self.body.scroll_offset.y
        return top < line <= top + rows

    def sync(self) -> None:
        """Repaint what changed since the last time; next to nothing when nothing did."""
        if not self.is_mounted or not self.body.cells:
            return
        cells, rows = self.body.cells, self.body.scrollable_content_region.height
        seen = (pages.signature(self.view), self.view.found, cells, rows)
        if seen == self._seen:
            return
        self._seen = seen
        self._tabs.sync()
        page = pages.page(self.view, self._layout, cells, rows)
        about = (self.view.node, self.view.item, self.view.tab)
        end = max(0, len(page.lines) - rows)
        top: int | None = None
        if about != self._about:
            top = end if page.streams else min(page.start, end)
        elif page.streams and self.body.at_end:
            top = end
        elif page.evaluations != self._evaluations and not self._shows(page.reached, rows):
            top = min(max(0, page.reached - rows), end)
        self._about, self._evaluations = about, page.evaluations
        lines, at = found.shown(self.view, page.lines)
        if at is not None and self.view.found is not self._found:
            seen_already = top is None and self._shows(at + 1, rows)
            top = None if seen_already else min(max(0, at - rows // 3), end)
        self._found = self.view.found
        self.body.show(lines, top)
        self.body.signs, self.body.heads = self.view.glyphs, page.heads
        self.view.variable = self.body.stand(page.stops, self.view.variable)
