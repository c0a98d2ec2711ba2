"""Where the panes stand for a window's size, which of them has the keys, and going from one to another."""

from __future__ import annotations

from typing import Literal

from textual import events
from textual.screen import Screen
from textual.widget import Widget

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import wrap
from rlm_tui.tui.view import View, size_for
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.decision import DecisionBar
from rlm_tui.tui.widgets.inspector import Inspector
from rlm_tui.tui.widgets.lines import Lines
from rlm_tui.tui.widgets.trajectory import Trajectory

Pane = Literal["calls", "trajectory", "inspector"]
PANES: tuple[Pane, ...] = ("calls", "trajectory", "inspector")

TREE = 46


def trajectory_width(cells: int) -> int:
    """Cells of the trajectory in a wide window."""
    return max(56, min(72, (cells - TREE - 2) // 2))


FITTING = frozenset({"-wide", "-medium", "-narrow", "-tiny", "-one"})
"""Classes that a window's size gives the screen."""


class PanesScreen(Screen[None]):
    """A screen with the three panes; what is in them is its subclass's.

    Args:
        view: What is selected.

    Attributes:
        pane: Where the keys go.
        zoomed: Whether that pane has the whole screen.
    """

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = view
        self.pane: Pane = "trajectory"
        self.zoomed = False

    def sync(self) -> None:
        """Repaint what changed since the last time."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Send the keys somewhere; the first resize fits the panes."""
        self.focus_pane()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the window; what is selected and where keys go stays."""
        self.view.size = size_for(event.size.width, event.size.height)
        said = f"This window is {event.size.width} by {event.size.height}. Make it 60 by 16 or more. Q quits."
        self.query_one("#tiny", Lines).show([Line().add(row, "ink") for row in wrap(said, event.size.width - 2)])
        self.fit()
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        if self.focused is None and self.view.size != "tiny":
            self.focus_pane()
        self.sync()

    def fit(self) -> None:
        """Show and place the panes for the window's size."""
        size = self.view.size
        one = self.zoomed or size in ("narrow", "tiny")
        fitting = {f"-{size}", "-one"} if one else {f"-{size}"}
        if fitting != {name for name in FITTING if self.has_class(name)}:
            # All at once: each change of a class matches every widget's styles again.
            self.remove_class(*(FITTING - fitting), update=False)
            self.add_class(*fitting, update=False)
            self.update_node_styles(animate=False)
        for pane in PANES:
            self.query_one(f"#{pane}").display = not one or pane == self.pane
        self.query_one("#rule-1").display = not one
        self.query_one("#rule-2").display = not one and size == "wide"
        panes = self.query_one("#panes")
        width = self.size.width
        three = size == "wide" and not one
        panes.styles.grid_columns = f"{TREE} 1 {trajectory_width(width)} 1 1fr" if three else f"{TREE} 1 1fr"
        if one:
            panes.styles.grid_columns = "1fr"
        self.query_one(DecisionBar).cells = width - TREE - 1 if three else width

    def show_pane(self, pane: Pane) -> None:
        """Send the keys to a pane, and show it where only one is shown."""
        self.pane = pane
        self.fit()
        self.focus_pane()

    def focus_pane(self) -> None:
        """Send the keys to what takes them in the pane."""
        top: Widget = self.query_one({"calls": CallTree, "trajectory": Trajectory, "inspector": Inspector}[self.pane])
        found = next((w for w in (top, *top.walk_children(Widget)) if w.focusable), None)
        if found is not None:
            found.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember the pane that a click sent the keys to."""
        for node in event.widget.ancestors_with_self:
            pane = getattr(node, "pane", None)
            if pane in PANES and not isinstance(node, Screen):
                self.pane = pane
                return

    def do_pane(self, step: int = 1) -> None:
        """The next pane."""
        self.show_pane(PANES[(PANES.index(self.pane) + step) % len(PANES)])

    def do_pane_back(self) -> None:
        """The pane before."""
        self.do_pane(-1)

    def do_calls(self) -> None:
        """The tree."""
        self.show_pane("calls")

    def do_trajectory(self) -> None:
        """The trajectory."""
        self.show_pane("trajectory")

    def do_inspector(self) -> None:
        """The inspector."""
        self.show_pane("inspector")

    def do_tab(self) -> None:
        """The inspector's next tab."""
        self.query_one(Inspector).next_tab()

    def do_tab_back(self) -> None:
        """The inspector's tab before."""
        self.query_one(Inspector).previous_tab()

    def do_message(self, step: int = 1) -> None:
        """The next message of the request."""
        if not self.query_one(Inspector).body.size.height:
            self.show_pane("inspector")
        self.query_one(Inspector).body.jump(step)

    def do_message_back(self) -> None:
        """The message before."""
        self.do_message(-1)

    def do_zoom(self) -> None:
        """One pane on the whole screen, and back."""
        self.zoomed = not self.zoomed
        self.show_pane(self.pane)
