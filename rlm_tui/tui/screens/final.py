"""Force a final answer: a text or a variable; what it becomes, and what then happens, before the button."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from rlm_tui.journal import address
from rlm_tui.journal.tree import Call, Node
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import LABEL, field, heading, keys, paragraph
from rlm_tui.tui.screens.form import FormDialog
from rlm_tui.tui.text import clean, count, cut, one_line, width
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.fields import Choice, Words
from rlm_tui.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

Kind = Literal["text", "variable"]
KINDS: dict[str, Kind] = {"text": "text", "a variable": "variable"}
"""What an answer is made of, as the form has it."""
MOST_CALLS = 5


def in_flight(node: Node) -> list[Call]:
    """The calls below a node that have not ended, in the order in which they are ended: lowest first."""
    return list(_open_calls(node))


def _open_calls(node: Node) -> Iterator[Call]:
    for call in node.calls():
        if call.node is not None:
            yield from _open_calls(call.node)
        if call.status == "open":
            yield call


def told(view: View, calls: list[Call], room: int) -> list[Line]:
    """The calls that are ended first, and an empty line; nothing without any.

    Args:
        view: For labels and signs.
        calls: The calls, in the order in which they are ended.
        room: Cells.
    """
    if not calls:
        return []
    are = "is" if len(calls) == 1 else "are"
    lines = [Line().add(f"{count(len(calls), 'call')} still in flight {are} ended first, lowest first:", "ink")]
    lines += [_call(view, call, room) for call in calls[:MOST_CALLS]]
    if len(calls) > MOST_CALLS:
        lines.append(Line().add(f"and {len(calls) - MOST_CALLS:,} more", "ink-3"))
    return [*lines, Line()]


def _call(view: View, call: Call, room: int) -> Line:
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
    line = Line().add(f"{view.glyphs.state(call.state)} ", STATE_INK[call.state])
    label = cut(view.label(call.id), max(8, room - width(said) - 3), view.glyphs.ellipsis)
    return line.add(label, "ink").add(f" {said}", "ink-3")


class FinalDialog(FormDialog):
    """The form; it stays until the answer was taken.

    Args:
        view: What is selected, and the run.
        session: Takes the answer.
        bridge: Brings what the session says.
        drafts: What was typed before and not taken.
        node: The address of the node to end.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "name(1)", show=False),
        Binding("up", "name(-1)", show=False),
        Binding("ctrl+t", "discard", priority=True, show=False),
    ]

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, drafts: Drafts, node: str) -> None:
        super().__init__(view, bridge, drafts, (node, "forced"))
        self._session = session
        self._key = (node, "forced")
        self._node = view.run.nodes[node]
        self._first = self._proposed()
        draft = drafts.get(self._key)
        self._typed: dict[Kind, str] = {
            "text": self._first if draft is None else draft, "variable": next(iter(self._names()), ""),
        }  # fmt: skip

    def _proposed(self) -> str:
        held = self._view.held_in(self._node.id)
        return str(words.current(self._view, held).get("text", "")) if held and held.point == "final" else ""

    def _names(self) -> list[str]:
        return [row.name for row in self._node.variables.values()]

    def compose(self) -> ComposeResult:
        """Two fields, and what follows from them."""
        with Vertical(classes="dialog"):
            yield Lines(id="final-head")
            with Horizontal(classes="field"):
                yield Lines([Line().add("answer is", "ink-3")], classes="label")
                yield Choice(tuple(KINDS), self._view.glyphs, id="final-kind")
            with Horizontal(classes="field", id="final-typed"):
                yield Lines(id="final-label", classes="label")
                yield Words(self._typed["text"], most=max(2, min(8, self.app.size.height - 21)), id="final-text")  # pyright: ignore[reportUnknownMemberType]
                yield Input(self._typed["variable"], id="final-name", compact=True, select_on_focus=False)
            yield Lines(id="final-then")

    def on_mount(self) -> None:
        """Typing goes to the answer."""
        name = self.query_one(Input)
        name.cursor_blink = False
        name.display = False
        self.query_one(Words).focus()
        self.set_interval(0.5, self.paint)

    def on_input_changed(self, event: Input.Changed) -> None:
        """What it becomes follows what is typed."""
        self._typed["variable"] = event.value
        self.say("")

    def on_text_area_changed(self, event: Words.Changed) -> None:
        """What it becomes follows what is typed, which is kept."""
        words = self.query_one(Words)
        words.fit()
        self._typed["text"] = words.said
        self.keep(self._key, words.said, self._first)
        self.say("")

    def action_discard(self) -> None:
        """Back to what stood there first."""
        self.query_one(Words).put(self._first)

    @property
    def _kind(self) -> Kind:
        return KINDS[self.query_one(Choice).said]

    def on_choice_chosen(self, event: Choice.Chosen) -> None:
        """The other of text and variable."""
        self.query_one(Input).display = self._kind == "variable"
        self.query_one(Words).display = self._kind == "text"
        self.say("")

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

    def action_do(self) -> None:
        """Force what was typed, when there is something."""
        typed = self._typed[self._kind]
        if self._waiting:
            return
        if self._kind == "variable" and typed.strip() not in self._names():
            self.say("There is no such variable here." if typed.strip() else "Name a variable first.")
        elif not typed.strip():
            self.say("Type the answer first.")
        else:
            self.ask(partial(self._forced, typed))

    def _forced(self, typed: str) -> Future[Answer]:
        if self._kind == "text":
            return self._session.force_final(self._node.id, text=typed)
        return self._session.force_final(self._node.id, var=typed.strip())

    # What it says ------------------------------------------------------------------------------------------------

    def repaint(self) -> None:
        """The heading, and what follows."""
        head = self.query_one("#final-head", Lines)
        cells = head.content_size.width
        if not cells:
            return
        head.show([heading("Force a final answer", self._where(), cells, self._view.glyphs), Line()])
        self.query_one("#final-label", Lines).show([Line().add(self._kind, "ink-3")])
        self.query_one("#final-then", Lines).show(self._then(cells))

    def _where(self) -> str:
        node = self._node
        last = node.iterations[-1].id.removeprefix(node.id + "/") if node.iterations else ""
        return words.joined(self._view.glyphs, self._view.label(node.id), last, node.state)

    def _then(self, cells: int) -> list[Line]:
        room = cells - LABEL
        rows = [*field("", [Line().add(self._hint(), "ink-3")], cells, self._view.glyphs.ellipsis), Line()]
        rows += field("becomes", [self._becomes(room)], cells)
        rows += [Line(), *field("then", self._consequences(room), cells), Line()]
        rows += self.told(cells)
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
        lines = told(self._view, in_flight(self._node), room)
        human = self._view.glyphs.human
        if self._node.id == address.ROOT:
            return lines + paragraph(f"The run ends. Its answer is marked {human} and says forced.", room)
        said = f"This node ends with it, and the code that asked goes on. What follows carries {human}."
        return lines + paragraph(said, room)
