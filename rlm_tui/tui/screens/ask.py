"""A form that stays until what it asks for was done: a refusal is shown in it, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.forms import Language
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens import dialog
from rlm_tui.tui.screens.dialog import LABEL, heading
from rlm_tui.tui.screens.form import FormDialog
from rlm_tui.tui.text import wrap
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.fields import Choice, Words
from rlm_tui.tui.widgets.lines import Lines

Said = dict[str, str]
"""What stands in the fields of a form, by name."""
Asked = Callable[[], Future[Answer]]
"""One thing to ask of the session; the next is asked when it was not refused."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a form.

    Attributes:
        name: Its label.
        kind: Many lines, one line, or one of a few.
        first: What stands in it first.
        options: What there is to choose from.
        written: What many lines are written in.
    """

    name: str
    kind: Literal["words", "line", "choice"] = "words"
    first: str = ""
    options: Sequence[str] = ()
    written: Language = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a form asks, what follows from it, and what it does.

    Attributes:
        title: What it does, in a few words.
        about: What it concerns.
        id: The address that its drafts are kept under.
        name: The name that they are kept under, too.
        verb: What enter is called.
        entries: Its fields.
        then: The consequences, as lines of so many cells.
        ask: What to ask of the session, one after the other; a text is what is missing or wrong.
        wrong: What is wrong and can be done all the same; empty when nothing is.
    """

    title: str
    about: str
    id: str
    name: str
    verb: str
    entries: tuple[Entry, ...]
    then: Callable[[Said, int], list[Line]]
    ask: Callable[[Said], list[Asked] | str]
    wrong: Callable[[Said], str] = field(default=lambda said: "")


class AskDialog(FormDialog):
    """The form of a question.

    Args:
        view: For the signs.
        bridge: Brings the answers of the session.
        drafts: What was typed before and not applied.
        question: What is asked.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "discard", priority=True, show=False),
        Binding("tab", "app.focus_next", show=False),
        Binding("shift+tab", "app.focus_previous", show=False),
    ]

    def __init__(self, view: View, bridge: Bridge, drafts: Drafts, question: Question) -> None:
        self._question = question
        super().__init__(view, bridge, drafts, *(self._key(entry) for entry in question.entries))

    def _key(self, entry: Entry) -> tuple[str, str]:
        return self._question.id, f"{self._question.name}.{entry.name}"

    # Its fields ------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """A heading, the fields, what follows."""
        with Vertical(classes="dialog ask"):
            yield Lines(id="ask-head")
            for n, entry in enumerate(self._question.entries):
                with Horizontal(classes="field tall" if entry.kind == "words" else "field"):
                    yield Lines([Line().add(entry.name, "ink-3")], classes="label")
                    yield self._field(n, entry)
            yield Lines(id="ask-then")

    def _field(self, n: int, entry: Entry) -> Widget:
        first = self._drafts.get(self._key(entry))
        first = entry.first if first is None else first
        match entry.kind:
            case "choice":
                return Choice(entry.options, self._view.glyphs, id=f"ask-{n}")
            case "line":
                return Input(first, id=f"ask-{n}", compact=True, select_on_focus=False)
            case "words":
                return Words(first, written=entry.written, most=self._most(), id=f"ask-{n}")

    def _most(self) -> int:
        """Rows that many lines may take here: what follows must stay in sight."""
        return max(2, min(12, self.app.size.height - 20))  # pyright: ignore[reportUnknownMemberType]

    def values(self) -> Said:
        """What stands in the fields."""
        found: Said = {}
        for n, entry in enumerate(self._question.entries):
            widget = self.query_one(f"#ask-{n}")
            found[entry.name] = widget.value if isinstance(widget, Input) else self._words(widget)
        return found

    @staticmethod
    def _words(widget: Widget) -> str:
        return widget.said if isinstance(widget, Words | Choice) else ""

    def on_mount(self) -> None:
        """Typing goes to the first field; what follows may change while one reads."""
        for one in self.query(Input):
            one.cursor_blink = False
        self.query_one("#ask-0").focus()
        self.set_interval(0.5, self.paint)

    def on_text_area_changed(self, event: Words.Changed) -> None:
        """Keep what is typed."""
        if isinstance(event.text_area, Words):
            event.text_area.fit()
        self._changed()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep what is typed."""
        self._changed()

    def on_choice_chosen(self, event: Choice.Chosen) -> None:
        """Something else follows."""
        self.say("")

    def _changed(self) -> None:
        if not self.is_attached:
            return
        typed = self.values()
        for entry in self._question.entries:
            if entry.kind == "choice" or self._drafts.get(self._key(entry)) == typed[entry.name]:
                continue
            self._said = ""
            self.keep(self._key(entry), typed[entry.name], entry.first)
        self.paint()

    # What it does ----------------------------------------------------------------------------------------------------

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A key's words were clicked."""
        self.call_next(self.run_action, event.action)

    def action_do(self) -> None:
        """Ask for it."""
        if self._waiting:
            return
        asked = self._question.ask(self.values())
        if isinstance(asked, str):
            self.say(asked)
        else:
            self.ask(*asked)

    def action_discard(self) -> None:
        """Back to what stood there first; a field's own undo brings back what was typed."""
        for n, entry in enumerate(self._question.entries):
            widget = self.query_one(f"#ask-{n}")
            if isinstance(widget, Input):
                widget.value = entry.first
            elif isinstance(widget, Words):
                widget.put(entry.first)

    # What it says ----------------------------------------------------------------------------------------------------

    def repaint(self) -> None:
        """The heading, and what follows."""
        head, g = self.query_one("#ask-head", Lines), self._view.glyphs
        cells = head.content_size.width
        if not cells:
            return
        head.show([heading(self._question.title, self._question.about, cells, g), Line()])
        self.query_one("#ask-then", Lines).show(list(self._rows(cells)))

    def _rows(self, cells: int) -> Iterable[Line]:
        typed, room = self.values(), cells - LABEL
        if wrong := self._question.wrong(typed):
            yield from dialog.field("", [Line().add(row, "error") for row in wrap(wrong, room)], cells)
            yield Line()
        yield from dialog.field("then", self._question.then(typed, room), cells)
        yield Line()
        yield from self.told(cells)
        others = [("ctrl+j", "new line")] if any(e.kind == "words" for e in self._question.entries) else []
        others += [("tab", "field")] if len(self._question.entries) > 1 else []
        keys = dialog.keys(("enter", self._question.verb), (*others, ("esc", "back")), cells=room)
        yield from dialog.field("", [keys], cells)
