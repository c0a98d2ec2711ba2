"""The header: the run's state, its question and its numbers."""

from __future__ import annotations

from textual.strip import Strip
from textual.widget import Widget

from rlm_tui.tui.rows import header
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.paint import Painter


class Header(Widget):
    """Two rows, one in narrow. Keeps its clock going by itself."""

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self._painter = Painter(self)
        self._lines: list[Line] = []

    def on_mount(self) -> None:
        """Tick once a second."""
        self.set_interval(1.0, self.sync)
        self.sync()

    def on_resize(self) -> None:
        """Fit the new width."""
        self.sync()

    def sync(self) -> None:
        """Repaint if anything changed."""
        self.set_class(self.view.size in ("narrow", "tiny"), "-narrow")
        lines = header.header(self.view, self.size.width) if self.size.width else []
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row, for Textual."""
        if not self._lines:
            self._lines = header.header(self.view, self.size.width)
        line = self._lines[y] if y < len(self._lines) else Line()
        return self._painter.paint(line, self.size.width)

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._painter.forget()
