"""The footer: what works now, most useful first, cut from the right; commands, help and quit always stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_tui.tui import actions
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import cut, width
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

GAP = 3
MARGIN = 2
ALL_STOP = "all-stop"
WHOM = 20
"""Cells of the label of the node that the verbs act on."""

Pair = tuple[str, str, str]
"""Key, label, action."""


class Footer(Lines):
    """One row of keys.

    Args:
        view: What is selected.
        session: What can be asked.
    """

    def __init__(self, view: View, session: SessionLike) -> None:
        super().__init__(id="footer")
        self._view = view
        self._session = session

    def sync(self) -> None:
        """Repaint from the view."""
        if self.is_mounted and self.display and self.content_size.width:
            self.show(*compose(self._view, self._session, self.content_size.width))


def compose(view: View, session: SessionLike, cells: int) -> tuple[list[Line], list[Target]]:
    """The footer's line and what can be clicked on it.

    Args:
        view: What is selected.
        session: What can be asked.
        cells: The width.
    """
    narrow = view.size == "narrow"
    fixed = [pair(view, session, id) for id in actions.ALWAYS if not (narrow and id == "quit")]
    line, targets = Line().add(" " * MARGIN), list[Target]()
    if not session.read_only and session.all_stop:
        # A mode that is on must be seen wherever keys are.
        targets.append(Target(0, line.width, line.width + len(ALL_STOP), "all_stop"))
        line.add(ALL_STOP, "ink bold").add(" " * GAP)
    if whom := _whom(view, session):
        line.add(f"{cut(whom, WHOM, view.glyphs.ellipsis)}:", "ink-2").add(" ")
    room = cells - MARGIN - line.width - _cells(fixed) - GAP
    left: list[Pair] = []
    for action in actions.footer(view, session):
        item = pair(view, session, action.id)
        if _cells([*left, item]) > room:
            break
        left.append(item)
    write(line, targets, 0, left)
    line.add(" " * max(0, cells - MARGIN - _cells(fixed) - line.width))
    write(line, targets, 0, fixed)
    return [line.fill(cells)], targets


def _whom(view: View, session: SessionLike) -> str:
    """The node that the verbs act on, where that is neither the one in view nor told by the decision bar."""
    if view.past is not None or session.read_only or view.run.end is not None or view.held_here() is not None:
        return ""
    node = node_of(view)
    return view.label(node) if node != view.node and node == view.selected_call() else ""


def pair(view: View, session: SessionLike, id: str) -> Pair:
    """Key and label of an action as the footer writes them."""
    action = actions.BY_ID[id]
    if id == "pane" and view.size == "narrow":
        return "1-3", "pane", "pane"
    if id == "iteration_back":
        return "[ ]", "iteration", id
    if id == "earlier":
        return "( )", "moment", id
    if id == "back" and view.filtered is not None:
        return "esc", "show all rows", id
    return action.key, action.name(view, session), id


def write(
    line: Line, targets: list[Target], y: int, pairs: list[Pair], key: str = "ink bold", word: str = "ink-3"
) -> None:
    """Put keys and labels on a line.

    Args:
        line: The line, which grows.
        targets: What can be clicked, which grows.
        y: The line's number.
        pairs: Keys and labels.
        key: The words that paint a key.
        word: The words that paint a label.
    """
    for n, (sign, label, action) in enumerate(pairs):
        if n:
            line.add(" " * GAP)
        start = line.width
        line.add(sign, key).add(f" {label}", word)
        targets.append(Target(y, start, line.width, action))


def _cells(pairs: list[Pair]) -> int:
    return sum(width(key) + 1 + width(label) for key, label, _ in pairs) + GAP * max(0, len(pairs) - 1)
