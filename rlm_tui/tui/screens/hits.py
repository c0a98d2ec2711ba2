"""Everything that was found, one row a hit, over the whole run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rlm_tui.journal.search import Hit
from rlm_tui.tui.finding import Finder
from rlm_tui.tui.rows import found
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, cut, pad, right
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import write
from rlm_tui.tui.widgets.lines import Lines
from rlm_tui.tui.widgets.rowlist import Entry, RowList

_NUMBER = 7
_TEXT = 18


class HitList(RowList):
    """The hits. Its cursor is its own until one is gone to.

    Args:
        view: For names and signs.
        finder: What was found.
    """

    def __init__(self, view: View, finder: Finder) -> None:
        super().__init__(view, id="hits-list")
        self._finder = finder
        self.at = max(0, finder.at)

    def structure(self) -> Hashable:
        """More hits are more rows."""
        return (id(self._finder.hits), len(self._finder.hits))

    def build(self) -> Sequence[Entry]:
        """One line a hit."""
        return [Entry(str(n), hit) for n, hit in enumerate(list(self._finder.hits))]

    def cursor_key(self) -> str | None:
        """The row under the cursor."""
        return str(min(self.at, len(self.entries) - 1)) if self.entries else None

    def choose(self, key: str) -> None:
        """Move the cursor."""
        self.at = int(key)

    def draw(self, entry: Entry, width: int) -> Line:
        """Where it is, and the line it is in."""
        assert entry.key is not None
        return draw(self.view, int(entry.key), entry.about, width, selected=entry.key == self.cursor_key())

    def empty_line(self, y: int) -> Line:
        """Before anything was found."""
        said = "   Nothing was found yet." if self._finder.searching else "   Nothing was found."
        return Line().add(said, "ink-3") if y == 0 and not self.entries else Line()


def draw(view: View, number: int, hit: Hit, width: int, *, selected: bool) -> Line:
    """One row of the list in exactly so many cells.

    Args:
        view: For names and signs.
        number: Which hit it is, from 0.
        hit: The hit.
        width: Cells.
        selected: Whether the cursor is here.
    """
    g = view.glyphs
    line = Line(ground="on-cursor" if selected else "")
    line.add(g.cursor if selected else " ", "ink").add(right(f"{number + 1:,}", _NUMBER - 1), "ink-3").add("  ")
    line.add(pad(view.label(hit.row), max(12, min(28, width // 6)), g.ellipsis), "ink-2").add("  ")
    line.add(pad(found.name(view, hit), max(17, min(22, width // 6)), g.ellipsis), "ink").add("  ")
    if width >= 100:
        line.add(pad(found.text_name(hit), _TEXT, g.ellipsis), "ink-3").add("  ")
    paint = "found-here" if selected else "found"
    return _with_head(line, hit, width - 1, paint, g.ellipsis).cut(width, g.ellipsis).fill(width)


def _with_head(line: Line, hit: Hit, width: int, paint: str, ellipsis: str) -> Line:
    """The text of a hit, moved so far that the match is seen."""
    room = max(4, width - line.width)
    before, match = hit.head[: hit.at], hit.head[hit.at : hit.at + hit.length]
    after = hit.head[hit.at + hit.length :]
    said = _flat(before).lstrip()
    if len(said) + len(match) > room:
        keep = max(0, room // 3)
        said = ellipsis + said[-keep:] if keep else ""
    line.add(cut(said, room, ellipsis), "ink-2").add(_flat(match), paint if hit.length else "ink-2")
    return line.add(cut(_flat(after), max(0, width - line.width), ellipsis), "ink-2")


def _flat(text: str) -> str:
    return clean(text.replace("\t", " ").replace("\r", " "))


class HitsScreen(Screen[int | None]):
    """The list. Comes back with the number of the hit to go to, from 0.

    Args:
        view: For names and signs.
        finder: What was found.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,L", "leave", priority=True, show=False),
        Binding("enter", "go", priority=True, show=False),
    ]

    def __init__(self, view: View, finder: Finder) -> None:
        super().__init__(id="hits")
        self._view = view
        self._finder = finder

    def compose(self) -> ComposeResult:
        """A title, the list, the keys."""
        yield Lines(id="hits-title")
        yield HitList(self._view, self._finder)
        yield Lines(id="hits-keys")

    def on_mount(self) -> None:
        """Send the keys to the list; count on while more is found."""
        self.query_one(HitList).focus()
        self.set_interval(0.25, self._paint)
        self.call_after_refresh(self._paint)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the new width."""
        self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        cells = self.query_one("#hits-title", Lines).content_size.width
        if not cells:
            return
        g = self._view.glyphs
        title = Line().add(g.heavy, "ink-2").add(" find ", "ink-3")
        end = Line().add(f" {self._finder.count} ", "ink-3").add(g.heavy, "ink-2")
        room = cells - title.width - end.width - 2
        title.add(cut(clean(self._finder.typed.strip()), room, g.ellipsis), "ink bold").add(" ")
        title.add(g.heavy * max(1, cells - title.width - end.width), "ink-2")
        title.spans += end.spans
        self.query_one("#hits-title", Lines).show([title.cut(cells, g.ellipsis)])
        keys = Line(ground="on-raised").add("  ")
        write(keys, [], 0, [("enter", "go there", ""), ("up down", "choose", ""), ("esc", "back", "")])
        self.query_one("#hits-keys", Lines).show([keys.fill(cells)])

    def on_click(self, event: events.Click) -> None:
        """A second click on a row goes there."""
        if event.chain == 2:
            self.action_go()

    def action_go(self) -> None:
        """Back, to the hit under the cursor."""
        shown = self.query_one(HitList)
        self.dismiss(shown.at if shown.at < len(self._finder.hits) else None)

    def action_leave(self) -> None:
        """Back, to where one was."""
        self.dismiss(None)
