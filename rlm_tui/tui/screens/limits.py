"""The limits in force, with what is used of each; any of them is changed by typing another number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from rlm_tui.journal import address
from rlm_tui.journal.tree import Node
from rlm_tui.tui import text
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.forms import Form, Unreadable
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.meters import working
from rlm_tui.tui.screens.dialog import LABEL, field, heading, keys, paragraph
from rlm_tui.tui.screens.form import FormDialog
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

TREE = ("max_budget", "max_tokens", "max_subcalls", "max_children_total", "max_children_per_batch")
"""Limits of the whole tree; the others are each node's own."""
_FAILED = ("error", "timeout", "died")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, as it is now.

    Attributes:
        name: As in the options of a run.
        used: What is used of it.
        most: The limit; None when there is none.
        held: Whether something is held because it is reached.
    """

    name: str
    used: float
    most: float | None
    held: bool = False

    @property
    def reached(self) -> bool:
        """Whether nothing is left of it."""
        return self.held or (self.most is not None and self.used >= self.most)

    def write(self, number: float) -> str:
        """A number of this limit, as people read it."""
        if self.name == "max_budget":
            return text.money(number) if number else "$0.00"
        if self.name in ("max_timeout", "per_child_timeout_s"):
            return text.duration(number)
        return f"{number:,.0f}"


def limits(view: View, node: Node) -> list[Limit]:
    """The limits that a node works under: what is held first, then those that are set, the fullest first.

    Args:
        view: The run.
        node: The node.
    """
    run = view.run
    used: dict[str, float] = {
        # The one under way is through when the next one would begin.
        "max_iterations": sum(turn.obs is not None for turn in node.iterations),
        "max_steps": sum(b.origin == "model" and b.started is not None for i in node.iterations for b in i.blocks),
        "max_errors": _errors(node),
        "max_budget": run.totals.cost,
        "max_tokens": run.totals.tokens,
        "max_subcalls": run.subcalls,
        "max_children_total": run.children,
        "max_timeout" if node.id == address.ROOT else "per_child_timeout_s": working(view, node),
    }
    held = {str(h.value.get("name")): h for h in run.held.values() if h.point == "limit" and h.node == node.id}
    found: list[Limit] = []
    for name in dict.fromkeys([*held, *used]):
        now = used.get(name, 0.0)
        if name in held:
            now = float(held[name].value.get("used") or 0.0)
        found.append(Limit(name, now, in_force(view, node, name), name in held))
    return sorted(found, key=lambda one: (not one.held, one.most is None, -_share(one)))


def _share(limit: Limit) -> float:
    if limit.most is None:
        return 0.0
    return limit.used / limit.most if limit.most > 0 else 1.0


def _errors(node: Node) -> int:
    """Iterations in a row, up to now, with a block that failed."""
    failed = 0
    for turn in node.iterations:
        if turn.obs is not None:
            failed = failed + 1 if any(b.origin == "model" and b.status in _FAILED for b in turn.blocks) else 0
    return failed


def in_force(view: View, node: Node, name: str) -> float | None:
    """A limit as it is now, with every change of a person's; None when there is none."""
    for edit in reversed(view.run.edits):
        if edit.field != "limit":
            continue
        value = cast("Mapping[str, Any]", edit.value)
        mine = name in TREE or address.node_of(edit.id) == node.id
        if mine and value.get("name") == name:
            return _number(value.get("to"))
    for held in view.run.held.values():
        if held.point == "limit" and held.node == node.id and held.value.get("name") == name:
            return _number(held.value.get("limit"))
    if name == "max_steps":
        most, times = _number(node.limits.get("max_iterations")), view.run.config.get("env_max_iterations_multiplier")
        return most * times if most is not None and isinstance(times, int) else None
    return _number(node.limits.get(name, view.run.config.get(name)))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class LimitsDialog(FormDialog):
    """The list, and a number. It stays until a limit was changed; what is refused is said in it.

    Args:
        view: The run.
        session: Changes limits.
        bridge: Brings what the session says.
        node: The node's address.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,tab", "move(1)", priority=True, show=False),
        Binding("up,shift+tab", "move(-1)", priority=True, show=False),
    ]

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, node: str) -> None:
        super().__init__(view, bridge)
        self._session = session
        self._node = view.run.nodes[node]
        self._names = [limit.name for limit in limits(view, self._node)]
        self._typed: dict[str, str] = {}
        self._at = 0

    def compose(self) -> ComposeResult:
        """The list over the number."""
        with Vertical(classes="dialog"):
            yield Lines(id="limits")
            with Horizontal(classes="field", id="limits-field"):
                yield Lines([Line().add("new limit", "ink-3")], classes="label")
                yield Input(id="limits-to", compact=True)
            yield Lines(id="limits-then")

    def on_mount(self) -> None:
        """Digits go to the number; what is used grows while one looks."""
        to = self.query_one(Input)
        to.cursor_blink = False
        to.focus()
        self.set_interval(0.5, self.paint)

    def on_input_changed(self, event: Input.Changed) -> None:
        """What follows is said as it is typed; each limit keeps what was typed for it."""
        self._typed[self._names[self._at]] = event.value
        self.say("")

    def action_move(self, step: int) -> None:
        """Another limit."""
        self._go((self._at + step) % len(self._names))

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A row was clicked."""
        if event.action in self._names:
            self._go(self._names.index(event.action))

    def _go(self, at: int) -> None:
        self._at = at
        to = self.query_one(Input)
        to.value = self._typed.get(self._names[at], "")
        to.cursor_position = len(to.value)
        self.say("")

    def _to(self) -> float | str:
        typed = self.query_one(Input).value
        if not typed.strip():
            return "Type the new limit first."
        try:
            return float(Form("limit", "", 0, name=self._names[self._at]).value(typed.replace("$", ""))["to"])
        except Unreadable as error:
            return str(error)

    def action_do(self) -> None:
        """Ask for it."""
        to = self._to()
        if self._waiting:
            return
        if isinstance(to, str):
            self.say(to)
        else:
            self.ask(partial(self._session.set_limit, self._node.id, self._names[self._at], to))

    # What it says ----------------------------------------------------------------------------------------------------

    def repaint(self) -> None:
        """The list, and what follows."""
        shown = self.query_one("#limits", Lines)
        cells = shown.content_size.width
        if not cells:
            return
        now = {limit.name: limit for limit in limits(self._view, self._node)}
        g = self._view.glyphs
        label = self._view.label(self._node.id)
        rows, targets = [heading("Limits", label, cells, g), Line()], list[Target]()
        for n, name in enumerate(self._names):
            targets.append(Target(len(rows), 0, cells, name))
            rows.append(self._row(now.get(name, Limit(name, 0.0, None)), n == self._at, cells))
        shown.show([*rows, Line()], targets)
        self.query_one("#limits-then", Lines).show(self._then(now[self._names[self._at]], cells))

    def _row(self, limit: Limit, chosen: bool, cells: int) -> Line:
        g = self._view.glyphs
        ink = "ink-3" if limit.most is None else "ink bold" if chosen else "ink"
        line = Line(ground="on-cursor" if chosen else "").add(f"{g.cursor if chosen else ' '} ", "ink")
        line.add(text.pad(text.clean(limit.name), 24, g.ellipsis), ink)
        line.add(text.right(limit.write(limit.used), 10), "error" if limit.reached else "ink-2")
        line.add(" of ", "ink-3").add(limit.write(limit.most) if limit.most is not None else "no limit", ink)
        if limit.name in TREE:
            line.fill(52).add("whole tree", "ink-3")
        if limit.reached:
            line.fill(cells - 8).add("reached", "error")
        return line.cut(cells, g.ellipsis).fill(cells)

    def _then(self, limit: Limit, cells: int) -> list[Line]:
        room, to = cells - LABEL, self._to()
        rows = field("then", self._consequences(limit, to, room), cells)
        rows.append(Line())
        rows += self.told(cells)
        button = keys(("enter", "set it"), (("up down", "limit"), ("esc", "back")))
        return [*rows, *field("", [button], cells)]

    def _consequences(self, limit: Limit, to: float | str, room: int) -> list[Line]:
        whose = "the whole tree" if limit.name in TREE else "this node"
        if isinstance(to, str):
            lines = paragraph(f"It holds for {whose}, from now on.", room)
        elif to <= limit.used:
            said = f"{limit.write(limit.used)} is used already; the new limit must be above that."
            lines = [Line().add(row, "error") for row in text.wrap(said, room)]
        else:
            lines = paragraph(f"{limit.write(to - limit.used)} more for {whose}, from now on.", room)
        if limit.held:
            lines += paragraph("What is held stays held: releasing it goes on.", room)
        return lines
