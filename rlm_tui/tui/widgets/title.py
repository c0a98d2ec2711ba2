"""The rules that hold the panes apart: a title above each, a line beside it."""

from __future__ import annotations

from typing import Literal

from textual.strip import Strip
from textual.widget import Widget

from rlm_tui.tui.rows import header
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.paint import Painter


class PaneTitle(Widget):
    """A pane's title in a rule, heavy where keys go. In narrow it names all three panes.

    A pane takes keys when the focused widget, or one it is inside of, has an attribute ``pane`` with its name.
    """

    def __init__(self, view: View, pane: Literal["calls", "trajectory", "inspector"], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.titles = pane
        self._painter = Painter(self)
        self._line: Line | None = None

    def on_mount(self) -> None:
        """Watch where keys go."""
        self.watch(self.screen, "focused", self.sync, init=False)

    def on_resize(self) -> None:
        """Fit the new width."""
        self.sync()

    @property
    def focused_pane(self) -> bool:
        """Whether keys go to the pane of this title."""
        focused = self.screen.focused
        if focused is None:
            return False
        return any(getattr(node, "pane", None) == self.titles for node in focused.ancestors_with_self)

    def sync(self) -> None:
        """Repaint if anything changed."""
        line = header.title(self.view, self.titles, self.size.width, self.focused_pane) if self.size.width else None
        if line != self._line:
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The rule, for Textual."""
        line = header.title(self.view, self.titles, self.size.width, self.focused_pane)
        self._line = line
        return self._painter.paint(line, self.size.width)

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()


class PaneRule(Widget):
    """The dim vertical rule between two panes; its first row joins the titles at both sides."""

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self._painter = Painter(self)

    def sync(self) -> None:
        """Nothing about it changes."""

    def render_line(self, y: int) -> Strip:
        """One cell, for Textual."""
        g = self.view.glyphs
        line = Line().add(g.tee if y == 0 else g.vertical, "rule-2" if y == 0 else "rule")
        return self._painter.paint(line, self.size.width)

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()
