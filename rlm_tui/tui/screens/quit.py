"""Quit, or go home, while the run can still go on: asks once what is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import Dialog, heading, keys
from rlm_tui.tui.text import count, cut, pad
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines, Target

Choice = Literal["leave", "kill", "stay"]

CHOICES: tuple[tuple[Choice, str], ...] = (
    ("leave", "Nothing runs on. The journal is kept as it is."),
    ("kill", "The run ends here, without an answer."),
    ("stay", "Back to the run."),
)


class QuitDialog(Dialog[Choice | None]):
    """Leave, kill, or stay.

    Args:
        view: The run on the screen.
        going: What still goes on, of all that are open.
        trying: How many branches go on by themselves.
        title: What was asked for, in a word.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,shift+tab", "move(-1)", show=False, priority=True),
        Binding("down,tab", "move(1)", show=False, priority=True),
        Binding("enter", "choose", show=False),
        Binding("Q,ctrl+q,ctrl+c", "leave", show=False, priority=True),
    ]

    def __init__(self, view: View, going: Sequence[View], trying: int = 0, title: str = "Quit") -> None:
        super().__init__()
        self._view = view
        self._going = going
        self._trying = trying
        self._title = title
        self._at = 0

    def compose(self) -> ComposeResult:
        """The one form."""
        with Vertical(classes="dialog"):
            yield Lines(id="quit")

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        shown = self.query_one("#quit", Lines)
        cells = shown.content_size.width
        held = sum(len(view.live.held) for view in self._going)
        state = f"{count(held, 'value')} held" if held else "running"
        if len(self._going) > 1:
            state = f"{len(self._going)} runs, {state}"
        if self._trying:
            tried = f"{count(self._trying, 'branch', 'branches')} running unattended"
            state = f"{state}, {tried}" if self._going else tried
        lines = [heading(self._title, state, cells, self._view.glyphs), Line()]
        targets: list[Target] = []
        for n, (choice, said) in enumerate(CHOICES):
            chosen = n == self._at
            line = Line(ground="on-cursor" if chosen else "")
            line.add(f"{self._view.glyphs.cursor if chosen else ' '} ", "ink").add(pad(choice, 8), "ink bold")
            line.add(cut(said, cells - line.width, self._view.glyphs.ellipsis), "ink" if chosen else "ink-2")
            targets.append(Target(len(lines), 0, cells, choice))
            lines.append(line.fill(cells))
        chosen = CHOICES[self._at][0]
        solid = "kill" if chosen == "kill" else "act"
        lines += [Line(), keys(("enter", chosen), (("tab", "choose"), ("esc", "stay")), solid)]
        self.set_class(chosen == "kill", "-kill")
        shown.show(lines, targets)

    def action_move(self, step: int) -> None:
        """Choose another."""
        self._at = (self._at + step) % len(CHOICES)
        self._paint()

    def action_choose(self) -> None:
        """Do the chosen one."""
        self.dismiss(CHOICES[self._at][0])

    def action_leave(self) -> None:
        """Asked to quit again: leave."""
        self.dismiss("leave")

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A line was clicked: that is the one."""
        self.dismiss(next(choice for choice, _ in CHOICES if choice == event.action))
