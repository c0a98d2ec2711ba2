"""The fields of a form: many lines, one of a few, and how a key in them reaches the form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from rlm_tui.tui.forms import Language
from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.typed import Typed
from rlm_tui.tui.widgets.editor import Editor, unfinished
from rlm_tui.tui.widgets.lines import Lines


class Entered(Message):
    """Enter was pressed in a field: do what the form is for."""


class Words(Editor):
    """Many lines. Enter enters; ctrl+j is a new line, and in code enter is, as long as a statement goes on.

    Args:
        text: What stands in it first.
        written: What it is written in.
        most: Rows it grows to.
        options: As a text area takes them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,alt+enter,shift+enter", "new_line", show=False, priority=True),
    ]

    def __init__(self, text: str = "", *, written: Language = "", most: int = 6, **options: Any) -> None:
        self._typed = Typed(text)
        self._most = most
        super().__init__(self._typed.shown, written=written, tab_behavior="focus", **options)

    @property
    def said(self) -> str:
        """The text, every character as it was or as it was typed."""
        return self._typed.decode(self.text)

    def put(self, text: str) -> None:
        """Another text in place of what stands there; undo brings that back."""
        self.replace(self._typed.encode(text), (0, 0), self.document.end)

    def on_mount(self) -> None:
        """As many rows as are needed."""
        self.move_cursor(self.document.end)
        self.fit()

    def on_resize(self, event: events.Resize) -> None:
        """Other words wrap."""
        self.call_after_refresh(self.fit)

    def fit(self) -> None:
        """As many rows as it has lines, up to the most."""
        self.styles.height = min(self._most, max(1, self.wrapped_document.height))

    def action_new_line(self) -> None:
        """A new line."""
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        goes_on = self._written == "python" and unfinished(self.said, self.document.end == self.cursor_location)
        if event.key == "enter" and not goes_on:
            event.stop()
            event.prevent_default()
            self.post_message(Entered())


class Choice(Lines, can_focus=True):
    """One of a few; left, right and space take another.

    Args:
        options: Their names.
        signs: To draw with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "other(1)", show=False),
        Binding("left", "other(-1)", show=False),
        Binding("enter", "enter", show=False),
    ]

    class Chosen(Message):
        """Another one was taken."""

    def __init__(self, options: Sequence[str], signs: Glyphs, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._options = options
        self._signs = signs
        self.at = 0

    @property
    def said(self) -> str:
        """The one that is taken."""
        return self._options[self.at]

    def on_mount(self) -> None:
        """Paint for the first time."""
        self._paint()

    def _paint(self) -> None:
        line, bullet = Line(), "*" if self._signs.ascii else "•"
        for n, said in enumerate(self._options):
            chosen = n == self.at
            line.add(f"({bullet}) " if chosen else "( ) ", "human bold" if chosen else "ink-3")
            line.add(said, "ink bold" if chosen else "ink-2").add("    ")
        self.show([line])

    def action_other(self, step: int) -> None:
        """Take the one beside it, round and round."""
        self.at = (self.at + step) % len(self._options)
        self._paint()
        self.post_message(self.Chosen())

    def action_enter(self) -> None:
        """Do what the form is for."""
        self.post_message(Entered())

    def on_click(self, event: events.Click) -> None:
        """A click takes the next one."""
        self.action_other(1)
