"""Help: what the keys do, those that work now first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from rlm_tui.tui import actions
from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.keys import Key
from rlm_tui.tui.rows import confinement
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import Dialog, heading
from rlm_tui.tui.text import pad, wrap
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

PANES = {
    "calls": "The tree of calls: the root, what it asked, and what those asked in turn.",
    "trajectory": "What the node in view did: its iterations, their blocks, the calls of each, what the model saw.",
    "inspector": "The selected thing, whole: its code or text, its output, the messages, the variables.",
}
MOVES = (
    ("up down", "the row before, the row after; also k and j"),
    ("home end", "the first, the last; page up and page down for a pane's height"),
)
WIDE = 22


class HelpDialog(Dialog[None]):
    """The keys.

    Args:
        glyphs: The signs to draw with.
        page: The help as lines of so many cells.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,f1,enter", "back", show=False),
    ]

    def __init__(self, glyphs: Glyphs, page: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._page = page

    def compose(self) -> ComposeResult:
        """A page that scrolls."""
        with Vertical(classes="dialog help"):
            yield Lines(id="help-head")
            with VerticalScroll(id="help-page"):
                yield Lines(id="help")

    def on_mount(self) -> None:
        """Keys scroll the page."""
        self.query_one(VerticalScroll).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        shown = self.query_one("#help", Lines)
        cells = shown.content_size.width
        self.query_one("#help-head", Lines).show([heading("Keys", "esc back", cells, self._glyphs), Line()])
        shown.show(self._page(cells))


def page(view: View, session: SessionLike, pane: str, cells: int) -> list[Line]:
    """The help as lines.

    Args:
        view: For labels that depend on what is selected.
        session: For what is legal now.
        pane: The pane that had the focus.
        cells: The width.
    """
    lines = [Line().add(row, "ink") for row in wrap(PANES.get(pane, PANES["calls"]), cells)]
    for keys, said in MOVES:
        lines += _entry(keys, said, cells, "ink-2")
    for group, title in actions.GROUPS.items():
        legal = [a for a in actions.ACTIONS if a.group == group and actions.can(a, view, session)]
        if legal:
            lines += [Line(), Line().add(title, "ink-3")]
        for action in legal:
            lines += _entry(
                _keys(action), f"{action.name(view, session)}: {action.says(view, session)}", cells, "ink-2"
            )
    later = [a for a in actions.ACTIONS if not actions.can(a, view, session)]
    if later:
        lines += [Line(), Line().add("not now", "ink-3")]
    for action in later:
        lines += _entry(_keys(action), f"{action.word}: {action.refuses(view, session)}", cells, "ink-3")
    if word := confinement.level(view)[0]:
        lines += [Line(), Line().add("confinement", "ink-3")]
        for said in (f"{word}: the REPL says {confinement.words(view)}", *confinement.told(view)):
            lines += [Line().add(row, "ink-2") for row in wrap(said, cells)]
    return lines


def page_of(about: str, keys: Mapping[str, Key], cells: int) -> list[Line]:
    """The help of a screen that has keys of its own.

    Args:
        about: What the screen is.
        keys: Its keys.
        cells: The width.
    """
    lines = [Line().add(row, "ink") for row in wrap(about, cells)] + [Line()]
    for sign, said in (*MOVES, *((_keys(key), f"{key.word}: {key.help}") for key in keys.values())):
        lines += _entry(sign, said, cells, "ink-2")
    return lines


def _keys(action: actions.Action | Key) -> str:
    return " ".join(action.written)


def _entry(keys: str, said: str, cells: int, ink: str) -> list[Line]:
    rows = wrap(said, max(20, cells - WIDE))
    first = Line().add(pad(keys, WIDE), "ink bold" if ink != "ink-3" else "ink-3").add(rows[0], ink)
    return [first, *(Line().add(" " * WIDE).add(row, ink) for row in rows[1:])]
