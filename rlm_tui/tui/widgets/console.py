"""The lines of code that are typed at a console: their keys, when they are complete, and how they may go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from rlm_tui.tui.text import beginning
from rlm_tui.tui.typed import Typed
from rlm_tui.tui.widgets.editor import Editor


class Field(Editor):
    """Lines of code. Enter runs them once they are complete; up and down at their ends go through the history."""

    class Earlier(Message):
        """Another entry of the history is wanted.

        Attributes:
            step: -1 for the one before, 1 for the one after.
        """

        def __init__(self, step: int) -> None:
            self.step = step
            super().__init__()

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.enter", priority=True, show=False),
        Binding("ctrl+j,alt+enter", "line", priority=True, show=False),
        Binding("tab", "screen.complete", priority=True, show=False),
        Binding("up", "earlier(-1)", priority=True, show=False),
        Binding("down", "earlier(1)", priority=True, show=False),
        Binding("ctrl+r", "screen.seek", priority=True, show=False),
    ]

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted, every character of it: a text area would make lines of what only some call line ends."""
        event.stop()
        event.prevent_default()
        lines = event.text.replace("\r\n", "\n").replace("\r", "\n")
        self.replace(Typed("").encode(lines), *sorted(self.selection), maintain_selection_offset=False)

    def action_line(self) -> None:
        """A new line, whether what stands there is complete or not."""
        self.insert("\n")

    def action_earlier(self, step: int) -> None:
        """Through the history from the first or the last line; else to the line above or below."""
        row, last = self.cursor_location[0], self.document.line_count - 1
        if row == (0 if step < 0 else last):
            self.post_message(self.Earlier(step))
        elif step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()


def indent(code: str) -> str:
    """What a line after this code begins with."""
    last = code.rsplit("\n", maxsplit=1)[-1]
    lead = last[: len(last) - len(last.lstrip())]
    return lead + " " * 4 * last.rstrip().endswith(":")


def stem(before: str, words_: Sequence[str]) -> str:
    """What of the words stands there already: the longest end that begins each of them."""
    same = beginning(words_)
    return next((same[:n] for n in range(len(same), 0, -1) if before.endswith(same[:n])), "")
