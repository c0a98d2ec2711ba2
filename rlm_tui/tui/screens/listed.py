"""What the screens with one list over the whole window share: the keys below it, and what is said in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.screen import Screen

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, cut, width
from rlm_tui.tui.view import View, size_for
from rlm_tui.tui.widgets.decision import SAID
from rlm_tui.tui.widgets.footer import GAP, Pair, write
from rlm_tui.tui.widgets.lines import Lines, Target
from rlm_tui.tui.widgets.rowlist import RowList


class ListedScreen(Screen[Path | None]):
    """Comes back with the directory of the run to go to, or None.

    Args:
        view: For the signs and the size.
        quit: Asks to quit.
        id: Its name; what it shows is named by it.
    """

    CSS_PATH = "../styles/branches.tcss"
    OPENS: ClassVar[str] = "go"
    """What a second click on a row does."""
    LAST: ClassVar[Sequence[Pair]] = (("esc", "back", "back"), ("Q", "quit", "quit"))
    """What stands at the right of the keys, and is never cut."""

    def __init__(self, view: View, quit: Callable[[], None], *, id: str) -> None:
        super().__init__(id=id)
        self._view = view
        self._quit = quit
        self._said = ""

    def sync(self) -> None:
        """Repaint what changed."""
        raise NotImplementedError

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        raise NotImplementedError

    def keys(self) -> Sequence[Pair]:
        """What can be done now: keys, words and actions, the most important first."""
        raise NotImplementedError

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new size."""
        self._view.size = size_for(event.size.width, event.size.height)
        self.set_class(self._view.size in ("narrow", "tiny"), "-narrow")
        self.call_after_refresh(self.sync)

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """The words of a key were clicked."""
        self.action_do(event.action)

    def on_row_list_clicked_twice(self, event: RowList.ClickedTwice) -> None:
        """A second click on a row is its key."""
        self.action_do(self.OPENS)

    def show_footer(self, cells: int) -> None:
        """The keys that there is room for, or what was said."""
        line, targets = Line().add("  "), list[Target]()
        last = "   ".join(f"{key} {word}" for key, word, _ in self.LAST)
        if self._said:
            line.add(cut(self._said, cells - width(last) - 6, self._view.glyphs.ellipsis), "ink")
        else:
            pairs = list(self.keys())
            room = cells - 4 - width(last) - GAP
            while pairs and sum(width(key) + width(word) + 1 + GAP for key, word, _ in pairs) > room:
                pairs.pop()
            write(line, targets, 0, pairs)
        line.add(" " * max(1, cells - 2 - width(last) - line.width))
        write(line, targets, 0, list(self.LAST))
        self.query_one(f"#{self.id}-footer", Lines).show([line.fill(cells)], targets)

    def say(self, said: str) -> None:
        """Tell the person something short, in the place of the keys."""
        self._said = clean(said)
        self.set_timer(SAID, self._unsay)
        self.sync()

    def _unsay(self) -> None:
        self._said = ""
        self.sync()

    def go_to(self, path: Path | None) -> None:
        """Come back with a run that a screen before this one came back with."""
        if path is not None:
            self.dismiss(path)
