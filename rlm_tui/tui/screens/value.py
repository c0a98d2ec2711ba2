"""One value, page by page: made without running any of the model's code, shown and never obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rlm_tui.journal.events import VariableRow
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.rows import variables
from rlm_tui.tui.rows.layout import plain, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, cut, width
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import Pair, write
from rlm_tui.tui.widgets.inspector import TextPane
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Page, SessionLike

ITEMS = 200
"""Items of a page."""
CHARACTERS = 20_000
"""Characters, or bytes, of a page of text."""


class ValueText(TextPane):
    """The page. At its ends the keys that scroll turn it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "screen.turn_up", show=False),
        Binding("pagedown,space", "screen.turn_down", show=False),
        Binding("home", "screen.first", show=False),
        Binding("end", "screen.last", show=False),
    ]


class ValueScreen(Screen[None]):
    """The value of one variable.

    Args:
        view: For the signs, and for what is known of the variable without asking.
        session: Gives the pages.
        bridge: Brings them.
        node: The address of the node.
        name: The variable.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", priority=True, show=False),
        Binding("right_square_bracket", "page(1)", show=False),
        Binding("left_square_bracket", "page(-1)", show=False),
    ]

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, node: str, name: str) -> None:
        super().__init__(id="value")
        self._view = view
        self._session = session
        self._bridge = bridge
        self._node = node
        self._name = name
        self._page: Page | None = None
        self._refused = ""
        self._waiting = False
        self._end_first = False

    def compose(self) -> ComposeResult:
        """A title, the page, where it is and the keys."""
        yield Lines(id="value-title")
        yield ValueText(id="value-text")
        yield Lines(id="value-keys")

    def on_mount(self) -> None:
        """Ask for the beginning."""
        self.query_one(ValueText).focus()
        self._ask(0)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint, top=None)

    # Asking ------------------------------------------------------------------------------------------------------

    @property
    def _step(self) -> int:
        row = self._row()
        kind = self._page.kind if self._page is not None else "text" if row is not None and _is_text(row) else "items"
        return CHARACTERS if kind == "text" else ITEMS

    def _row(self) -> VariableRow | None:
        """What the blocks told of the variable."""
        node = self._view.run.nodes.get(self._node)
        if node is None:
            return None
        return next((r for r in variables.with_context(node, dict(node.variables)) if r.name == self._name), None)

    def _ask(self, start: int, *, end_first: bool = False) -> None:
        if self._waiting:
            return
        self._waiting, self._end_first = True, end_first
        self._bridge.ask(self._session.page(self._node, self._name, start, self._step), self._came)

    def _came(self, found: Page | str) -> None:
        self._waiting = False
        if not self.query(ValueText):
            # It was left meanwhile.
            return
        if isinstance(found, str):
            self._refused = found
        else:
            self._page, self._refused = found, ""
        self._paint(top=None if isinstance(found, str) and self._page is not None else 0)

    # What it says ------------------------------------------------------------------------------------------------

    def _paint(self, top: int | None = 0) -> None:
        cells = self.query_one("#value-title", Lines).content_size.width
        shown = self.query_one(ValueText)
        if not cells or not shown.cells:
            return
        self.query_one("#value-title", Lines).show([self._title(cells)])
        lines = self._lines(shown.cells)
        if top is not None and self._end_first:
            top = max(0, len(lines) - shown.scrollable_content_region.height)
        shown.show(lines, top)
        self.query_one("#value-keys", Lines).show(*self._foot(cells))

    def _foot(self, cells: int) -> tuple[list[Line], list[Target]]:
        """Where it is at the right, and as many keys as there is room for; the way back always."""
        where, pairs = self._where(), self._pairs()
        while True:
            targets: list[Target] = []
            line = Line(ground="on-raised").add("  ")
            write(line, targets, 0, pairs)
            if line.width + width(where) + 4 <= cells or len(pairs) == 1:
                line.fill(cells - width(where) - 2).add(where, "ink-2")
                return [line.cut(cells, self._view.glyphs.ellipsis).fill(cells)], targets
            pairs = [*pairs[:-2], pairs[-1]]

    def _title(self, cells: int) -> Line:
        g, row = self._view.glyphs, self._row()
        what = ""
        if self._page is not None:
            total = f" {self._page.total:,}" if self._page.kind != "plain" else ""
            what = f" {clean(self._page.type)}{total} "
        elif row is not None:
            what = f" {clean(row.type)}{f' {row.size:,}' if row.size is not None else ''} "
        path = f" {g.path} ".join([*self._view.path(self._node), clean(self._name)])
        line = Line().add(f"{g.heavy} ", "ink-2")
        line.add(cut(path, max(8, cells - 6 - width(what)), g.ellipsis), "ink bold").add(" ")
        line.add(g.heavy * max(0, cells - line.width - width(what) - 1), "ink-2").add(what, "ink-3")
        return line.add(g.heavy, "ink-2").cut(cells, g.ellipsis)

    def _lines(self, cells: int) -> list[Line]:
        page = self._page
        if page is None:
            return self._unknown(cells) if self._refused else sentence("Its first page is on its way.", cells)
        said = [*sentence(self._refused, cells, "error"), Line()] if self._refused else []
        if page.kind == "text":
            return said + (plain(page.text, cells) if page.text else sentence("It is empty.", cells))
        if page.kind == "plain":
            more = "Only this much is known of such a value without running its code."
            return [*said, *plain(page.text, cells), Line(), *sentence(more, cells)]
        rows = [VariableRow(name=row.name, type=row.type, size=row.size, brief=row.brief) for row in page.rows]
        return said + (variables.table(self._view, rows, cells) if rows else sentence("It is empty.", cells))

    def _unknown(self, cells: int) -> list[Line]:
        row = self._row()
        made = sentence(self._refused, cells, "ink-2")
        if row is not None and row.brief:
            made += [Line(), *sentence("What is known of it:", cells), *plain(row.brief, cells)]
        return made

    def _where(self) -> str:
        page = self._page
        if page is None or page.kind == "plain" or not page.total:
            return ""
        last = min(page.total, page.start + (len(page.text) if page.kind == "text" else len(page.rows)))
        return f"{page.start + 1:,}{self._view.glyphs.dash}{last:,} of {page.total:,}"

    def _pairs(self) -> list[Pair]:
        page = self._page
        pairs: list[Pair] = []
        if page is not None and page.start + self._step < page.total:
            pairs.append(("]", "next", "page(1)"))
        if page is not None and page.start:
            pairs.append(("[", "before", "page(-1)"))
        if pairs:
            pairs += [("home", "first", "first"), ("end", "last", "last")]
        if page is not None and page.kind == "items":
            # A sentence rather than a key: it is typed where code is evaluated.
            key = clean(self._name)
            pairs.append(("!", cut(f"?{key}[{'…' if page.type == 'dict' else page.start}] looks into one", 44), ""))
        return [*pairs, ("esc", "back", "leave")]

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A key's words were clicked."""
        if event.action:
            self.call_next(self.run_action, event.action)

    # Turning -----------------------------------------------------------------------------------------------------

    def action_page(self, step: int) -> None:
        """The next page, or the one before; nothing beyond the ends."""
        page = self._page
        start = page.start + step * self._step if page is not None else 0
        if page is None or (step > 0 and start >= page.total) or (step < 0 and page.start == 0):
            return
        self._ask(max(0, start))

    def action_turn_down(self) -> None:
        """Down by the height of the pane; at the end, the next page."""
        pane = self.query_one(ValueText)
        if pane.at_end:
            self.action_page(1)
        else:
            pane.action_turn(1)

    def action_turn_up(self) -> None:
        """Up by the height of the pane; at the top, the page before, at its end."""
        pane = self.query_one(ValueText)
        if pane.scroll_offset.y:
            pane.action_turn(-1)
        elif self._page is not None and self._page.start:
            self._ask(max(0, self._page.start - self._step), end_first=True)

    def action_first(self) -> None:
        """The beginning of the first page."""
        if self._page is not None and self._page.start:
            self._ask(0)
        else:
            self.query_one(ValueText).action_edge(-1)

    def action_last(self) -> None:
        """The end of the last page."""
        page = self._page
        last = (page.total - 1) // self._step * self._step if page is not None and page.total else 0
        if page is not None and page.start < last:
            self._ask(last, end_first=True)
        else:
            self.query_one(ValueText).action_edge(1)

    def action_leave(self) -> None:
        """Back to the run."""
        self.dismiss(None)


def _is_text(row: VariableRow) -> bool:
    return row.type in ("str", "bytes", "bytearray")
