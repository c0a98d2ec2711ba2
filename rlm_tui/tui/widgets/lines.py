"""A few painted lines, some of whose words can be clicked: the base of bars, footers and dialogs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.widgets.paint import Painter


@dataclass(frozen=True, slots=True)
class Target:
    """Cells of a line that stand for an action."""

    y: int
    start: int
    stop: int
    action: str


class Lines(Widget):
    """Shows lines as they are given."""

    class Pressed(Message):
        """Somebody clicked the words of an action."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, lines: Iterable[Line] = (), *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Line] = list(lines)
        self._targets: list[Target] = []
        self._brush = Painter(self)

    @property
    def plain(self) -> str:
        """What it says, without paint."""
        return "\n".join(line.plain.rstrip() for line in self.lines)

    def show(self, lines: Sequence[Line], targets: Iterable[Target] = ()) -> None:
        """Show these lines from now on; next to nothing when they are the same.

        Args:
            lines: The lines, top to bottom.
            targets: Which words can be clicked.
        """
        self._targets = list(targets)
        if list(lines) == self.lines:
            return
        grown = len(lines) != len(self.lines)
        self.lines = list(lines)
        self.refresh(layout=grown)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as there are lines."""
        return len(self.lines)

    def render_line(self, y: int) -> Strip:
        """One line, for Textual."""
        line = self.lines[y] if 0 <= y < len(self.lines) else Line()
        return self._brush.paint(line, self.content_size.width)

    def notify_style_update(self) -> None:
        """Forget paint when the theme changes."""
        super().notify_style_update()
        self._brush.forget()

    def on_click(self, event: events.Click) -> None:
        """Tell which action's words were clicked."""
        at = event.get_content_offset(self)
        if at is None:
            return
        for target in self._targets:
            if target.y == at.y and target.start <= at.x < target.stop:
                event.stop()
                self.post_message(self.Pressed(target.action))
                return
