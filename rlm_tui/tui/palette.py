"""The palette: everything that can be done now, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.fuzzy import Matcher
from textual.widgets import Input

from rlm_tui.tui import actions
from rlm_tui.tui.actions import Action
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import Dialog
from rlm_tui.tui.text import cut, pad, right
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

ROWS = 14
_NAME = 20
_KEYS = 12


class Palette(Dialog[str | None]):
    """A field and a list; comes back with the id of an action.

    Args:
        view: For labels that depend on what is selected.
        session: For what is legal now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n,tab", "move(1)", show=False, priority=True),
        Binding("up,shift+tab", "move(-1)", show=False, priority=True),
        Binding("ctrl+p", "back", show=False, priority=True),
    ]

    def __init__(self, view: View, session: SessionLike) -> None:
        super().__init__()
        self._view = view
        self._session = session
        self._found: list[Action] = []
        self._at = 0

    def compose(self) -> ComposeResult:
        """The field over the list."""
        with Vertical(classes="dialog"):
            yield Input(placeholder="what to do", id="palette-input", compact=True)
            yield Lines(id="palette")

    def on_mount(self) -> None:
        """Letters type."""
        typed = self.query_one(Input)
        typed.cursor_blink = False
        typed.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._search)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search as it is typed."""
        self._at = 0
        self._search()

    def _search(self) -> None:
        self._found = search(self.query_one(Input).value, self._view, self._session)
        self._at = min(self._at, max(0, len(self._found) - 1))
        self._paint()

    def _paint(self) -> None:
        shown = self.query_one("#palette", Lines)
        cells = shown.content_size.width
        first = max(0, min(self._at - ROWS // 2, len(self._found) - ROWS))
        lines: list[Line] = [Line()]
        targets: list[Target] = []
        for n, action in list(enumerate(self._found))[first : first + ROWS]:
            chosen = n == self._at
            line = Line(ground="on-cursor" if chosen else "")
            line.add(f"{self._view.glyphs.cursor if chosen else ' '} ", "ink")
            name = pad(action.name(self._view, self._session), _NAME, self._view.glyphs.ellipsis)
            line.add(name, "ink bold" if chosen else "ink")
            room = cells - line.width - _KEYS - 1
            line.add(
                pad(cut(action.says(self._view, self._session), room, self._view.glyphs.ellipsis), max(0, room)),
                "ink-2",
            )
            keys = " ".join(action.written)
            line.add(" ").add(right(keys, _KEYS), "ink-3")
            targets.append(Target(len(lines), 0, cells, action.id))
            lines.append(line.fill(cells))
        if not self._found:
            lines.append(Line().add("Nothing of that name can be done now.", "ink-3"))
        shown.show(lines, targets)

    def action_move(self, step: int) -> None:
        """Choose another row."""
        if self._found:
            self._at = (self._at + step) % len(self._found)
            self._paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do the chosen one."""
        if self._found:
            self.dismiss(self._found[self._at].id)

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A row was clicked."""
        self.dismiss(event.action)


def search(typed: str, view: View, session: SessionLike) -> list[Action]:
    """The actions that can be done now and fit what was typed, the best first.

    Args:
        typed: What was typed.
        view: For labels that depend on what is selected.
        session: For what is legal now.
    """
    legal = [a for a in actions.ACTIONS if a.id != "commands" and actions.can(a, view, session)]
    if not typed.strip():
        return legal
    matcher = Matcher(typed.strip())
    parts = typed.lower().split()
    named = {a.id: max(matcher.match(a.name(view, session)), matcher.match(a.word)) for a in legal}
    by_name = sorted((a for a in legal if named[a.id] > 0), key=lambda a: -named[a.id])
    return by_name + [a for a in legal if a not in by_name and _tells(a, parts)]


def _tells(action: Action, parts: list[str]) -> bool:
    words = action.help.lower().split()
    return all(any(word.startswith(part) for word in words) for part in parts)
