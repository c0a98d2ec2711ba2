"""Finding and filtering on the debugger's screen: what their keys do to the view."""

from __future__ import annotations

from rlm_tui.journal.search import Hit
from rlm_tui.tui.finding import Finder
from rlm_tui.tui.rows import found, pages
from rlm_tui.tui.screens.panes import PanesScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.find import FindLine


class FindingScreen(PanesScreen):
    """A screen on which things are found.

    Attributes:
        finder: What is looked for.
    """

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.finder = Finder(view)

    def say(self, said: str) -> None:
        """Tell the person something short."""
        raise NotImplementedError

    def do_find(self) -> None:
        """Type what to find."""
        self.query_one(FindLine).open("find")

    def do_filter(self) -> None:
        """Type which rows of the tree to show; where there is one pane, it is the tree."""
        self.pane = "calls"
        self.fit()
        self.query_one(FindLine).open("filter")

    def do_next_hit(self) -> None:
        """Go to the next hit."""
        self._step(1)

    def do_previous_hit(self) -> None:
        """Go to the hit before."""
        self._step(-1)

    def do_hits(self) -> None:
        """Show every hit in a list."""
        from rlm_tui.tui.screens.hits import HitsScreen

        self.app.push_screen(HitsScreen(self.view, self.finder), self._chosen)  # pyright: ignore[reportUnknownMemberType]

    def _chosen(self, at: int | None) -> None:
        if at is not None and at < len(self.finder.hits):
            self.show_hit(self.finder.go(at))
        self.sync()

    def _step(self, by: int) -> None:
        hit = self.finder.step(by)
        if hit is None:
            self.say("Nothing was found yet." if self.finder.searching else "Nothing was found.")
        else:
            self.show_hit(hit)

    def show_hit(self, hit: Hit) -> None:
        """Go to where a hit is seen: its node, its row, its tab."""
        view, place = self.view, found.place(self.view, hit)
        view.select_node(place.node)
        view.item = place.item
        view.follow = False
        names = [tab.name for tab in pages.tabs(view)]
        view.tab = names.index(place.tab) if place.tab in names else 0
        if place.variable is not None:
            view.variable = place.variable
        if view.size == "narrow" or self.zoomed:
            self.pane = "inspector"
            self.fit()
        self.sync()

    def on_find_line_entered(self, event: FindLine.Entered) -> None:
        """Go to the first hit after what is shown, or list them all."""
        event.stop()
        if event.mode == "filter":
            self.pane = "calls"
        self.focus_pane()
        if event.list:
            self.do_hits()
        elif event.mode == "find" and self.finder.hits:
            self._step(1)
        self._settle_footer()

    def on_find_line_closed(self, event: FindLine.Closed) -> None:
        """Keys go where they went before."""
        event.stop()
        self.focus_pane()
        self._settle_footer()

    def _settle_footer(self) -> None:
        """Repaint now, and what had no place until now once it has one."""
        self.sync()
        self.call_after_refresh(self.sync)

    def on_find_line_changed(self, event: FindLine.Changed) -> None:
        """More was found, or other rows are shown."""
        event.stop()
        self.sync()
