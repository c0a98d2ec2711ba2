"""The trajectory of one node: what it was asked, then its iterations, blocks, calls and observations, as rows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block, Call, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows.brief import prose
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View

Kind = Literal["asked", "context", "space", "iteration", "block", "call", "more", "observe", "final", "request"]

MARGIN = 6
"""Cells left of an iteration's text: cursor, mark, space, ``i1``, space."""

DURATION = 7
TOKENS = 7
DURATION_FROM = 44
TOKENS_FROM = 60
"""A pane narrower than this has no such column."""

SHORT = 3
"""Items that a long batch shows."""


@dataclass(slots=True)
class Row:
    """One line of the trajectory: what kind, and of what."""

    key: str | None
    kind: Kind
    thing: Node | Call | Iteration | Block | None = None
    part: int = 0
    number: int = 0


@dataclass(slots=True)
class Made:
    """Rows that were made before, so that a long trajectory costs what is new in it."""

    rows: dict[str, tuple[Iteration, Hashable, list[Row]]] = field(
        default_factory=dict[str, tuple[Iteration, Hashable, list[Row]]]
    )
    """By iteration, what they were made of, and the rows."""
    lines: dict[str, tuple[str, int, int]] = field(default_factory=dict[str, tuple[str, int, int]])
    """By iteration, the beginning of its reply, the cells there were for it, and the lines it took."""


def prose_cells(width: int) -> int:
    """Cells that an iteration's text has."""
    return max(8, width - MARGIN - columns(width) - 1)


def columns(width: int) -> int:
    """Cells of the columns at the right."""
    return (DURATION if width >= DURATION_FROM else 0) + (TOKENS if width >= TOKENS_FROM else 0)


def rows(view: View, width: int, made: Made | None = None) -> list[Row]:
    """The lines of the shown node's trajectory.

    Args:
        view: What is selected and how it is seen.
        width: Cells; an iteration's text takes a second line in wide when one is not enough.
        made: The rows of this node that were made before; what is made now is added.
    """
    shown, made = view.shown, made if made is not None else Made()
    if shown is None:
        return []
    found: list[Row] = []
    if view.size == "wide":
        found += [Row("", "asked", shown), Row("", "context", shown, part=1)]
    if isinstance(shown, Call):
        return found + _leaf(view, shown)
    for iteration in view.iterations(shown):
        if view.size == "wide":
            found.append(Row(None, "space"))
        found += _kept(view, iteration, width, made)
    if shown.status != "open" or _held_end(view, shown):
        found.append(Row(shown.id + ANSWER, "final", shown))
    return found


def _held_end(view: View, node: Node) -> bool:
    return any(h.node == node.id and view.item_of(h) == node.id + ANSWER for h in view.run.held.values())


def _leaf(view: View, call: Call) -> list[Row]:
    space = [Row(None, "space")] if view.size == "wide" else []
    count = max(1, len(call.attempts))
    found = [Row(call.id if n == count - 1 else None, "request", call, number=n) for n in range(count)]
    if call.status != "open":
        found.append(Row(call.id + ANSWER, "final", call))
    return space + found


def _kept(view: View, iteration: Iteration, width: int, made: Made) -> list[Row]:
    """The rows of an iteration: those that were made before, where nothing that they are made of is another."""
    calls = [len(block.calls) for block in iteration.blocks]
    if iteration.id in view.run.held or max(calls, default=0) > SHORT:
        return _iteration(view, iteration, width, made)
    of = (view.size, width, iteration.reply, iteration.obs is not None, *calls)
    known = made.rows.get(iteration.id)
    if known is not None and known[0] is iteration and known[1] == of:
        return known[2]
    found = _iteration(view, iteration, width, made)
    made.rows[iteration.id] = iteration, of, found
    return found


def _lines(view: View, iteration: Iteration, width: int, made: Made) -> int:
    """How many lines the text of an iteration takes."""
    reply = iteration.reply
    if view.size != "wide" or reply is None:
        return 1
    head, cells = events.head(reply), prose_cells(width)
    known = made.lines.get(iteration.id)
    if known is None or known[:2] != (head, cells):
        known = made.lines[iteration.id] = head, cells, min(2, len(text.wrap(prose(head), cells)))
    return known[2]


def _iteration(view: View, iteration: Iteration, width: int, made: Made) -> list[Row]:
    lines = _lines(view, iteration, width, made)
    found = [Row(iteration.id, "iteration", iteration, part=part) for part in range(lines)]
    for block in iteration.blocks:
        found.append(Row(block.id, "block", block))
        found += _calls(view, block)
    held = view.run.held.get(iteration.id)
    if iteration.obs is not None or (held is not None and held.point == "observe"):
        found.append(Row(iteration.id + OBS, "observe", iteration))
    return found


def _calls(view: View, block: Block) -> list[Row]:
    """The block's calls; of many, the held and the failed ones first, the selected one always."""
    long = len(block.calls) > (6 if view.size == "wide" else SHORT + 1)
    if not long:
        return [Row(call.id, "call", call) for call in block.calls]

    def rank(at: int) -> tuple[int, int]:
        call = block.calls[at]
        if call.id == view.item:
            return (0, at)
        state = call.state
        return (1 if state == "held" else 2 if state in ("error", "timeout") else 3, at)

    chosen = sorted(sorted(range(len(block.calls)), key=rank)[:SHORT])
    found = [Row(block.calls[at].id, "call", block.calls[at]) for at in chosen]
    return [*found, Row(None, "more", block, number=len(block.calls) - SHORT)]
