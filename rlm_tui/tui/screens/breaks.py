"""The list of breakpoints: turned on and off, removed, and written in their place, checked as they are typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input

from rlm_tui.tui.rows import stops
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.typed import visible
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Breakpoint, SessionLike

NEW = "b writes a new one: POINT, then @SCOPE, if EXPR, every N or once, do ACTION"


class Breaks(VerticalScroll, can_focus=True):
    """The breakpoints, and a field that stands where one is written.

    Args:
        view: For the signs.
        session: Keeps the breakpoints.
        typed: What was typed and not kept, by what it was; a new one's is empty.

    Attributes:
        all: The breakpoints as they are.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor(-1)", show=False),
        Binding("down,j", "cursor(1)", show=False),
        Binding("home", "cursor(-10000)", show=False),
        Binding("end", "cursor(10000)", show=False),
    ]

    class Said(Message):
        """Something for the person to read."""

        def __init__(self, said: str) -> None:
            super().__init__()
            self.said = said

    def __init__(self, view: View, session: SessionLike, typed: dict[str, str]) -> None:
        super().__init__(id="breaks")
        self._view = view
        self._session = session
        self._typed = typed
        self._at = 0
        self._written: str | None = None
        self.all: Sequence[Breakpoint] = ()

    def compose(self) -> ComposeResult:
        """What is above the field, the field, what is to be said of it, what is below it."""
        yield Lines(id="breaks-above")
        with Horizontal(id="breaks-field"):
            yield Lines(id="breaks-sign")
            field = Input(id="breaks-input", compact=True, select_on_focus=False)
            field.cursor_blink = False
            yield field
        yield Lines(id="breaks-check")
        yield Lines(id="breaks-below")

    def on_mount(self) -> None:
        """Show what there is."""
        self.call_after_refresh(self.sync)

    @property
    def typing(self) -> bool:
        """Whether letters type."""
        return self._written is not None

    @property
    def chosen(self) -> Breakpoint | None:
        """What the cursor is on; None on the row for a new one."""
        return self.all[self._at] if self._at < len(self.all) else None

    @property
    def _index(self) -> int | None:
        """Where what is written stands; None for a new one, or one that is gone."""
        return next((n for n, one in enumerate(self.all) if one.text == self._written), None)

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        cells = self.scrollable_content_region.width
        if not self.is_mounted or not cells:
            return
        self.all = self._session.breakpoints.all()
        self._at = max(0, min(self._at, len(self.all)))
        split = self._index if self.typing else None
        split = len(self.all) if split is None else split
        above = [line for n in range(split) for line in self._row(n, cells)]
        below = [line for n in range(split + self.typing, len(self.all)) for line in self._row(n, cells)]
        if not self.typing:
            above.append(self._empty(cells))
        self.query_one("#breaks-above", Lines).show(above)
        self.query_one("#breaks-below", Lines).show(below)
        self.query_one("#breaks-field").display = self.typing
        self.query_one("#breaks-check", Lines).show(self._check(cells) if self.typing else [])
        g = self._view.glyphs
        sign = g.human if split < len(self.all) else "+"
        self.query_one("#breaks-sign", Lines).show([Line().add("  ").add(sign, "ink-3")])

    def _row(self, n: int, cells: int) -> list[Line]:
        return stops.breakpoint(
            self._view, self.all[n], cells, selected=n == self._at and not self.typing, focused=self.has_focus
        )

    def _empty(self, cells: int) -> Line:
        """The row where a new one is written."""
        g, here = self._view.glyphs, self._at == len(self.all)
        line = Line(ground=("on-cursor" if self.has_focus else "on-raised") if here else "")
        line.add((g.cursor if self.has_focus else g.cursor_blurred) if here else " ", "ink").add(" +  ", "ink-3")
        draft = self._typed.get("")
        said = (
            visible(draft) if draft else "b writes a new one: POINT, then @SCOPE, if EXPR, every N or once, do ACTION"
        )
        return line.fill(stops.FIRST).add(said, "ink-2" if draft else "ink-3").cut(cells, g.ellipsis).fill(cells)

    def _check(self, cells: int) -> list[Line]:
        typed = self.query_one(Input).value
        return stops.check(self._view, typed, self._session.breakpoints.check(typed), cells)

    # Being used ------------------------------------------------------------------------------------------------------

    def action_cursor(self, step: int) -> None:
        """Another row; the last is for a new one."""
        self._at = max(0, min(self._at + step, len(self.all)))
        self.sync()
        self._in_sight()

    def _in_sight(self) -> None:
        cells = self.scrollable_content_region.width
        y = sum(len(self._row(n, cells)) for n in range(self._at))
        height = self.scrollable_content_region.height
        if y < self.scroll_offset.y:
            self.scroll_to(y=y, animate=False, force=True)
        elif y + 2 > self.scroll_offset.y + height:
            self.scroll_to(y=y + 2 - height, animate=False, force=True)

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse."""
        at = event.get_content_offset(self)
        if at is None or self.typing:
            return
        y, cells = at.y + self.scroll_offset.y, self.scrollable_content_region.width
        for n in range(len(self.all)):
            y -= len(self._row(n, cells))
            if y < 0:
                self._at = n
                self.sync()
                return
        self._at = len(self.all)
        self.sync()

    def write(self, text: str) -> None:
        """Open the field on a breakpoint's text, or, empty, on a new one."""
        self._written = text
        if not text:
            self._at = len(self.all)
        field = self.query_one(Input)
        field.value = self._typed.get(text, text)
        self.sync()
        field.focus()
        field.cursor_position = len(field.value)
        self.call_after_refresh(field.scroll_visible, animate=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Check it as it is typed; nothing typed is lost."""
        if self._written is None:
            return
        # The message may be of a text that stood there before.
        typed = self.query_one(Input).value
        if typed != self._written:
            self._typed[self._written] = typed
        else:
            self._typed.pop(self._written, None)
        self.sync()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter keeps it."""
        event.stop()
        self.keep()

    def keep(self) -> None:
        """Put what is typed into the list, or say why it can't be."""
        written, typed = self._written, self.query_one(Input).value.strip()
        if written is None or not typed:
            self.put_away()
            return
        index, breakpoints = self._index, self._session.breakpoints
        if written and index is None:
            self._say("It is not in the list any more. What is typed becomes a new one.")
        refused = breakpoints.add(typed) if index is None else breakpoints.change(index, typed)
        if refused is not None:
            self._say(refused)
            return
        self._typed.pop(written, None)
        self._close()

    def put_away(self) -> bool:
        """Close the field; what was typed in it is offered again.

        Returns:
            Whether it was open.
        """
        was = self.typing
        self._close()
        return was

    def _close(self) -> None:
        if not self.typing:
            return
        self._written = None
        self.query_one(Input).value = ""
        self.focus()
        self.sync()

    def turn(self) -> None:
        """Turn the selected one on or off."""
        if self.chosen is None:
            self._say("There is no breakpoint in this row. b writes one.")
        else:
            self._told(self._session.breakpoints.turn(self._at, not self.chosen.on))

    def take_away(self) -> None:
        """Take the selected one away; it can be written again from what is left of it."""
        if (gone := self.chosen) is None:
            self._say("There is no breakpoint in this row.")
            return
        refused = self._session.breakpoints.remove(self._at)
        if refused is None:
            self._typed.setdefault("", gone.text)
        self._told(refused)

    def _told(self, refused: str | None) -> None:
        if refused is not None:
            self._say(refused)
        self.sync()

    def _say(self, said: str) -> None:
        self.post_message(self.Said(said))
