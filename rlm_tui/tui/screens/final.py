"""Force a final answer: a text or a variable; what it becomes, and what then happens, before the button."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from rlm_tui.journal import address
from rlm_tui.journal.tree import Call, Node
from rlm_tui.tui import words
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import LABEL, Dialog, field, heading, keys, paragraph
from rlm_tui.tui.text import clean, count, cut, one_line, width
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.lines import Lines

Kind = Literal["text", "variable"]
MOST_CALLS = 5


@dataclass(frozen=True, slots=True)
class Forced:
    """What to force: one of the two is given."""

    text: str | None = None
    var: str | None = None


def in_flight(node: Node) -> list[Call]:
    """The calls below a node that have not ended, in the order in which they are ended: lowest first."""
    return list(_open_calls(node))


def _open_calls(node: Node) -> Iterator[Call]:
    for call in node.calls():
        if call.node is not None:
            yield from _open_calls(call.node)
        if call.status == "open":
            yield call


class KindChoice(Lines, can_focus=True):
    """Text or variable; left, right and space change it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,right,space", "screen.other_kind", show=False),
        Binding("enter", "screen.force", show=False),
    ]

    def on_click(self, event: events.Click) -> None:
        """A click takes the other one."""
        if isinstance(self.screen, FinalDialog):
            self.screen.action_other_kind()


class FinalDialog(Dialog[Forced | None]):
    """The form.

    Args:
        view: What is selected, and the run.
        node: The address of the node to end.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "name(1)", show=False),
        Binding("up", "name(-1)", show=False),
    ]

    def __init__(self, view: View, node: str) -> None:
        super().__init__()
        self._view = view
        self._node = view.run.nodes[node]
        self._kind: Kind = "text"
        self._typed: dict[Kind, str] = {"text": self._proposed(), "variable": next(iter(self._names()), "")}
        self._said = ""

    def _proposed(self) -> str:
        held = self._view.held_in(self._node.id)
        if held is None or held.point != "final":
            return ""
        proposed = str(words.current(self._view, held).get("text", ""))
        return proposed if clean(proposed) == proposed else ""

    def _names(self) -> list[str]:
        return [row.name for row in self._node.variables.values()]

    def compose(self) -> ComposeResult:
        """Two fields, and what follows from them."""
        with Vertical(classes="dialog"):
            yield Lines(id="final-head")
            with Horizontal(classes="field"):
                yield Lines([Line().add("answer is", "ink-3")], classes="label")
                yield KindChoice(id="final-kind")
            with Horizontal(classes="field", id="final-typed"):
                yield Lines(id="final-label", classes="label")
                yield Input(self._typed[self._kind], id="final-input", compact=True, select_on_focus=False)
            yield Lines(id="final-then")

    def on_mount(self) -> None:
        """Typing goes to the answer."""
        answer = self.query_one(Input)
        answer.cursor_blink = False
        answer.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def on_input_changed(self, event: Input.Changed) -> None:
        """What it becomes follows what is typed."""
        self._typed[self._kind] = event.value
        self._said = ""
        self._paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the field forces it."""
        self.action_force()

    def action_other_kind(self) -> None:
        """The other of text and variable."""
        self._kind = "variable" if self._kind == "text" else "text"
        self.query_one(Input).value = self._typed[self._kind]
        self._said = ""
        self._paint()

    def action_name(self, step: int) -> None:
        """Another variable's name into the field."""
        names = self._names()
        if self._kind != "variable" or not names:
            return
        now = self._typed["variable"]
        at = names.index(now) + step if now in names else 0
        answer = self.query_one(Input)
        answer.value = names[at % len(names)]
        answer.cursor_position = len(answer.value)

    def action_force(self) -> None:
        """Hand back what is to be forced, when there is something."""
        typed = self._typed[self._kind]
        if self._kind == "variable" and typed.strip() not in self._names():
            self._said = "There is no such variable here." if typed.strip() else "Name a variable first."
        elif not typed.strip():
            self._said = "Type the answer first."
        else:
            self.dismiss(Forced(text=typed) if self._kind == "text" else Forced(var=typed.strip()))
            return
        self._paint()

    # What it says ------------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        if not self.is_mounted:
            return
        head = self.query_one("#final-head", Lines)
        cells = head.content_size.width
        head.show([heading("Force a final answer", self._where(), cells, self._view.glyphs), Line()])
        self.query_one("#final-kind", Lines).show([self._kinds()])
        self.query_one("#final-label", Lines).show([Line().add(self._kind, "ink-3")])
        self.query_one("#final-then", Lines).show(self._then(cells))

    def _where(self) -> str:
        node = self._node
        last = node.iterations[-1].id.removeprefix(node.id + "/") if node.iterations else ""
        return words.joined(self._view.glyphs, self._view.label(node.id), last, node.state)

    def _kinds(self) -> Line:
        line = Line()
        for kind, said in (("text", "text"), ("variable", "a variable")):
            chosen = kind == self._kind
            bullet = "*" if self._view.glyphs.ascii else "•"
            line.add(f"({bullet}) " if chosen else "( ) ", "human bold" if chosen else "ink-3")
            line.add(said, "ink bold" if chosen else "ink-2").add("    ")
        return line

    def _then(self, cells: int) -> list[Line]:
        room = cells - LABEL
        rows = [*field("", [Line().add(self._hint(), "ink-3")], cells, self._view.glyphs.ellipsis), Line()]
        rows += field("becomes", [self._becomes(room)], cells)
        rows += [Line(), *field("then", self._consequences(room), cells), Line()]
        if self._said:
            rows += [*field("", [Line().add(self._said, "error")], cells), Line()]
        button = keys(("enter", "force it"), (("tab", "field"), ("esc", "back")))
        return [*rows, *field("", [button], cells)]

    def _hint(self) -> str:
        names = self._names()
        if not names:
            return "no variables here yet"
        return "variables here: " + clean(", ".join(names[:200]))

    def _becomes(self, room: int) -> Line:
        typed = self._typed[self._kind]
        glyphs = self._view.glyphs
        if self._kind == "variable":
            row = self._node.variables.get(typed.strip())
            if row is None:
                return Line().add("nothing yet: no such variable", "ink-3")
            said, kind = one_line(row.brief), row.type + (f" {row.size:,}" if row.size is not None else "")
        elif not typed.strip():
            return Line().add("nothing yet", "ink-3")
        else:
            said, kind = one_line(typed), f"str, {count(len(typed), 'character')}"
        line = (
            Line()
            .add(f"{glyphs.answered} ", "final")
            .add(cut(said, room - width(kind) - 5, glyphs.ellipsis), "ink bold")
        )
        return line.add(" " * max(1, room - line.width - width(kind))).add(clean(kind), "ink-3")

    def _consequences(self, room: int) -> list[Line]:
        calls = in_flight(self._node)
        lines: list[Line] = []
        if calls:
            are = "is" if len(calls) == 1 else "are"
            lines.append(
                Line().add(f"{count(len(calls), 'call')} still in flight {are} ended first, lowest first:", "ink")
            )
            lines += [self._call(call, room) for call in calls[:MOST_CALLS]]
            if len(calls) > MOST_CALLS:
                lines.append(Line().add(f"and {len(calls) - MOST_CALLS:,} more", "ink-3"))
            lines.append(Line())
        human = self._view.glyphs.human
        if self._node.id == address.ROOT:
            return lines + paragraph(f"The run ends. Its answer is marked {human} and says forced.", room)
        said = f"This node ends with it, and the code that asked goes on. What follows carries {human}."
        return lines + paragraph(said, room)

    def _call(self, call: Call, room: int) -> Line:
        held = call.held or (call.node.held if call.node is not None else None)
        match call.state:
            case "held" if held is not None:
                said = f"held {words.where(held)}"
            case "sampling":
                said = "sampling, its request is cancelled"
            case "executing" | "waiting":
                said = "running a block, which is stopped"
            case state:
                said = "not begun" if state == "new" else "under way"
        sign = self._view.glyphs.state(call.state)
        line = Line().add(f"{sign} ", STATE_INK[call.state])
        return line.add(cut(self._view.label(call.id), max(8, room - width(said) - 3)), "ink").add(f" {said}", "ink-3")
