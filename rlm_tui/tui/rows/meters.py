"""The budgets of a run: what is used of each limit, and the limits as they are in force now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from rlm_tui.journal.tree import Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

CELLS: Final = 6
"""Cells of a bar."""
NEAR: Final = 0.9
"""The part of a limit from which on it is told in the colour of what goes wrong."""

_TREE: Final = ("max_subcalls", "max_tokens", "max_budget")
_TIMES: Final = ("max_timeout", "per_child_timeout_s")


@dataclass(frozen=True, slots=True)
class Meter:
    """What is used of a limit.

    Attributes:
        used: What is used, as people read it.
        limit: The limit, likewise; empty when there is none.
        share: Which part of it is used; 0 without a limit.
    """

    used: str
    limit: str = ""
    share: float = 0.0

    @property
    def near(self) -> bool:
        """Whether little is left."""
        return bool(self.limit) and self.share >= NEAR

    @property
    def said(self) -> str:
        """``3/30``; without a limit ``3``."""
        return f"{self.used}/{self.limit}" if self.limit else self.used


def limit(view: View, name: str) -> float | None:
    """A limit of the root, or of the whole tree, as it is in force now; None when there is none.

    Args:
        view: For the run: what it began with, and what people changed since.
        name: As in the options of a run.
    """
    run = view.run
    root = run.root
    if root is None:
        return None
    for edit in reversed(run.edits):
        # A limit of the tree is raised wherever it is met; another one is its node's own.
        if edit.field == "limit" and (name in _TREE or edit.id == root.id):
            value = cast("Mapping[str, Any]", edit.value or {})
            if value.get("name") == name:
                return _number(value.get("to"))
    return _number(root.limits.get(name, run.config.get(name) if name in _TREE else None))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def iterations(view: View) -> Meter:
    """Iterations of the root; what it may have is of interest while it goes on."""
    root = view.run.root
    used = root.iterations[-1].k if root is not None and root.iterations else 0
    most = limit(view, "max_iterations") if root is not None and root.status == "open" else None
    return _meter(str(used), used, most, "" if most is None else f"{most:,.0f}")


def calls(view: View) -> Meter:
    """Sub-calls of the tree."""
    used, most = view.run.subcalls, limit(view, "max_subcalls")
    return _meter(str(used), used, most, "" if most is None else f"{most:,.0f}")


def tokens(view: View) -> Meter:
    """Tokens of the tree."""
    totals, most = view.run.totals, limit(view, "max_tokens")
    return _meter(text.total_tokens(totals), totals.tokens, most, "" if most is None else text.tokens(int(most)))


def money(view: View) -> Meter:
    """Dollars of the tree. What is scripted costs none, and has no meter."""
    totals, most, root = view.run.totals, limit(view, "max_budget"), view.run.root
    if root is None or totals.requests:
        used = text.cost(totals)
    else:
        used = "scripted" if root.model.startswith("scripted:") else "$0.00"
    if most is None or used == "scripted":
        return Meter(used)
    return _meter(used, totals.cost, most, text.money(most))


def clock(view: View) -> Meter:
    """The time since the run began, as far as a process had it.

    Where that is limited, it is the working time of the root, in which no hold counts.
    """
    started, root = view.run.started, view.run.root
    if started is None:
        return Meter("")
    limits = [found for name in _TIMES if (found := limit(view, name)) is not None]
    if root is None or not limits:
        return Meter(text.clock(status.now(view) - started - view.run.away_s))
    used, most = working(view, root), min(limits)
    return _meter(text.clock(used), used, most, text.clock(most) if most >= 10 else f"{most:g}s")


def working(view: View, node: Node) -> float:
    """Seconds that a node has worked: without the time that it, or anything below it, was held."""
    if node.seconds is not None:
        return node.seconds
    now = node.ended if node.ended is not None else status.now(view)
    held = node.held_s + (max(0.0, now - node.held_since) if node.held_since is not None else 0.0)
    return max(0.0, now - node.started - held)


def _meter(said: str, used: float, most: float | None, limit: str) -> Meter:
    if most is None:
        return Meter(said)
    return Meter(said, limit, used / most if most > 0 else 1.0)


def put(view: View, line: Line, meter: Meter, *, bar: bool, ink: str = "ink-2") -> Line:
    """Write a meter at the end of a line.

    Args:
        view: For the signs.
        line: The line, which grows.
        meter: The meter.
        bar: Whether a bar follows the numbers of a limit.
        ink: How the numbers are painted while there is enough left.
    """
    line.add(meter.said, "error" if meter.near else ink)
    if not (bar and meter.limit):
        return line
    g = view.glyphs
    heavy = min(CELLS, int(CELLS * meter.share))
    heavy = max(1, heavy) if meter.share > 0 else 0
    line.add(" ").add(g.heavy * heavy, "error" if meter.near else "ink-2")
    return line.add(g.thin * (CELLS - heavy), "rule-2")
