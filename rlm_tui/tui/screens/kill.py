"""Kill what is selected: what ends with it, before the button."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from rlm_tui.journal import address
from rlm_tui.journal.tree import Call
from rlm_tui.tui import words
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows import status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import LABEL, Dialog, field, heading, keys, paragraph
from rlm_tui.tui.screens.final import in_flight
from rlm_tui.tui.text import count, cut, width
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines

MOST_CALLS = 5


def ends(view: View, id: str) -> bool:
    """Whether killing something ends more than itself: calls below it, or the run."""
    node = view.run.nodes.get(id)
    return id == address.ROOT or (node is not None and bool(in_flight(node)))


class KillDialog(Dialog[bool | None]):
    """Asks once; comes back with whether to do it.

    Args:
        view: The run.
        id: The address of the node or the call to end.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "kill", priority=True, show=False)]

    def __init__(self, view: View, id: str) -> None:
        super().__init__(classes="-kill")
        self._view = view
        self._id = id

    def compose(self) -> ComposeResult:
        """What then happens."""
        with Vertical(classes="dialog"):
            yield Lines(id="kill")

    def on_mount(self) -> None:
        """What ends with it changes while one reads."""
        self.set_interval(0.5, self._paint)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def action_kill(self) -> None:
        """Yes; but not in a window too small to read what ends."""
        if self._view.size != "tiny":
            self.dismiss(True)

    def _paint(self) -> None:
        shown = self.query_one("#kill", Lines)
        cells = shown.content_size.width
        if not cells:
            return
        title = "Kill the run" if self._id == address.ROOT else "Kill"
        label = self._view.label(self._id)
        rows = [heading(title, "" if self._id == address.ROOT else label, cells, self._view.glyphs), Line()]
        rows += [*field("then", self._consequences(cells - LABEL), cells), Line()]
        rows += field("", [keys(("enter", "kill it"), (("esc", "back"),), "kill")], cells)
        shown.show(rows)

    def _consequences(self, room: int) -> list[Line]:
        node = self._view.run.nodes.get(self._id)
        calls = in_flight(node) if node is not None else []
        lines: list[Line] = []
        if calls:
            are = "is" if len(calls) == 1 else "are"
            lines += paragraph(f"{count(len(calls), 'call')} below {are} ended first, lowest first:", room, "ink")
            lines += [self._call(call, room) for call in calls[:MOST_CALLS]]
            if len(calls) > MOST_CALLS:
                lines.append(Line().add(f"and {len(calls) - MOST_CALLS:,} more", "ink-3"))
            lines.append(Line())
        if self._id == address.ROOT:
            return lines + paragraph("The run ends without an answer. It can't be resumed.", room)
        human = self._view.glyphs.human
        said = f"It ends without an answer; the code that asked is told so, and goes on. What follows carries {human}."
        return lines + paragraph(said, room)

    def _call(self, call: Call, room: int) -> Line:
        held = call.held or (call.node.held if call.node is not None else None)
        state = status.state_of(self._view, call)
        said = f"held {words.where(held)}" if held is not None else status.WORDS.get(state, "under way")
        line = Line().add(f"{self._view.glyphs.state(state)} ", STATE_INK[state])
        label = cut(self._view.label(call.id), max(8, room - width(said) - 3), self._view.glyphs.ellipsis)
        return line.add(label, "ink").add(f" {said}", "ink-3")
