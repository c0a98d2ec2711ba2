"""Two runs side by side: what differs first stands opened, and the signs between them are read downwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.comparing import Both, both, later
from rlm_tui.tui.keys import COMPARE
from rlm_tui.tui.rows import compare, differing, outcome
from rlm_tui.tui.rows.compare import Side
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.listed import ListedScreen
from rlm_tui.tui.text import count, cut
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.comparison import Things
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

SAME = "Nothing differs."


class CompareScreen(ListedScreen):
    """Comes back with the directory of the run to go to, or None.

    Args:
        view: For the signs and the size.
        bridge: Brings what is read.
        one: A run.
        other: Another.
        quit: Asks to quit.
    """

    OPENS = "open"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{id}')", key.word, show=False) for id, key in COMPARE.items()
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#compare-list"

    def __init__(
        self,
        view: View,
        bridge: Bridge,
        one: Path | SessionLike,
        other: Path | SessionLike,
        quit: Callable[[], None],
    ) -> None:
        super().__init__(view, quit, id="compare")
        self._bridge = bridge
        self._sources = one, other
        self._reading = False

    def compose(self) -> ComposeResult:
        """What they are, what they came to, one row a thing, the keys."""
        yield Lines(id="compare-head")
        yield Lines(id="compare-summary")
        yield Lines(id="compare-title")
        yield Things(self._view)
        yield Lines(id="compare-footer")

    def on_mount(self) -> None:
        """Read both."""
        self._read()
        self.call_after_refresh(self.sync)

    @property
    def things(self) -> Things:
        """The list."""
        return self.query_one(Things)

    def _read(self) -> None:
        if not self._reading:
            self._reading = True
            self._bridge.ask(later(partial(both, *self._sources, self._view.glyphs)), self._came)

    def _came(self, found: Both | str) -> None:
        self._reading = False
        if not self.is_attached:
            return
        if isinstance(found, str) and self.things.both is None:
            self.things.fault = found
            self.things.refresh()
        elif isinstance(found, str):
            self.say(found)
        else:
            self.things.take(found)
        self.sync()

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        cells = self.size.width
        if not self.is_attached or not cells:
            return
        found = self.things.both
        head, told = [Line().add(" ").add(" compare ", "ink bold on-cursor")], list[Line]()
        if found is not None:
            head = outcome.heading(found.left, found.right, cells)
            short = self.size.height < 30
            space = [] if short else [Line()]
            told = [outcome.titles(found.left, found.right, cells - 2)]
            told += outcome.summary(found.left, found.right, cells - 2, short=short)
            told = [*space, *([Line([(" ", "ink"), *line.spans]) for line in told]), *space]
        self.query_one("#compare-head", Lines).show(head)
        self.query_one("#compare-summary", Lines).show(told)
        self.query_one("#compare-title", Lines).show([self._title(cells)])
        self.things.sync()
        self.show_footer(cells)

    def _title(self, cells: int) -> Line:
        g, found, row = self._view.glyphs, self.things.both, self.things.row
        at, many = self.things.differences()
        aside = ""
        if found is not None:
            aside = (
                f"{at} of {count(many, 'difference')}" if at else count(many, "difference") if many else "no difference"
            )
        end = Line().add(f" {aside} " if aside else "", "ink-3").add(g.heavy, "ink-2")
        line = Line().add(g.heavy, "ink-2").add(" what happened ", "ink bold")
        if row is not None and row.differs:
            here = (
                outcome.where((found.left if row.pair.left is not None else found.right).view, row.key) if found else ""
            )
            room = cells - line.width - end.width - 4
            line.add(f"{g.heavy} ", "ink-2").add(cut(f"{here}: {', '.join(row.differs)}", room, g.ellipsis), "ink-2")
            line.add(" ")
        line.add(g.heavy * max(0, cells - line.width - end.width), "ink-2")
        line.spans += end.spans
        return line.cut(cells, g.ellipsis)

    def keys(self) -> Sequence[tuple[str, str, str]]:
        """From difference to difference, and what can be done with one."""
        if self.things.both is None:
            return []
        ids = ["next", "previous", "open", "only", "copy", *self._there(), "again"]
        return [(COMPARE[id].key, self._word(id), id) for id in ids]

    def _there(self) -> list[str]:
        """Which of the two can be gone to."""
        found = self.things.both
        sides = (("left", found.left), ("right", found.right)) if found is not None else ()
        return [id for id, side in sides if side.path is not None]

    def _word(self, id: str) -> str:
        found = self.things.both
        match id:
            case "open":
                return "close" if self.things.at in self.things.opened else "open"
            case "only":
                return "all rows" if self.things.only else COMPARE[id].word
            case "left" | "right" if found is not None:
                return f"{COMPARE[id].word} {(found.left if id == 'left' else found.right).short}"
            case _:
                return COMPARE[id].word

    # Doing -----------------------------------------------------------------------------------------------------------

    def on_things_moved(self, event: Things.Moved) -> None:
        """Another row, other words above it."""
        self.sync()

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        things, found = self.things, self.things.both
        match id:
            case "back":
                self.dismiss(None)
            case "quit":
                self._quit()
            case "again":
                self._read()
            case _ if found is None:
                self.say(self.things.fault or "Both runs are being read.")
            case "open":
                things.toggle()
            case "next" | "previous":
                if not things.jump(1 if id == "next" else -1):
                    self.say(f"This is the {'last' if id == 'next' else 'first'} difference." if found.first else SAME)
            case "only":
                things.show_only(not things.only)
            case "copy":
                self._copy(found)
            case "left" | "right":
                self._go(found.left if id == "left" else found.right)
            case _:
                pass
        self.sync()

    def _copy(self, found: Both) -> None:
        row = self.things.row
        if row is not None:
            said = differing.as_text(compare.parts(row, found.left, found.right))
            # Lone surrogates cannot be sent to a terminal.
            self.app.copy_to_clipboard(said.encode("utf-8", "replace").decode())  # pyright: ignore[reportUnknownMemberType]
            self.say(f"Copied {count(len(said), 'character')}.")

    def _go(self, side: Side) -> None:
        if side.path is None:
            self.say("This run is kept nowhere, so it can't be gone to.")
        else:
            self.dismiss(side.path)
