"""More replies to a held one: how many and for how much, then all of them side by side, and one is picked."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen

from rlm_tui.journal.tree import Attempt, Held, Iteration
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.rows import samples
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.samples import Sample
from rlm_tui.tui.screens.dialog import LABEL, Dialog, field, heading, keys, paragraph
from rlm_tui.tui.text import clean, count, cut, width
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import write
from rlm_tui.tui.widgets.inspector import TextPane
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

MOST = 8
USUAL = 3


class HowMany(Dialog[int | None]):
    """How many more replies, and what they cost, before any is asked for.

    Args:
        view: For the signs.
        sent: The request as it was sent.
        about: Whose it is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,right,plus", "more(1)", show=False),
        Binding("down,left,minus", "more(-1)", show=False),
        Binding("enter", "ask", show=False),
        *(Binding(str(n), f"set({n})", show=False) for n in range(1, MOST + 1)),
    ]

    def __init__(self, view: View, sent: Attempt | None, about: str) -> None:
        super().__init__()
        self._view = view
        self._sent = sent
        self._about = about
        self.number = USUAL

    def compose(self) -> ComposeResult:
        """The one form."""
        with Vertical(classes="dialog"):
            yield Lines(id="how-many")

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def action_more(self, step: int) -> None:
        """One more, or one less."""
        self.action_set(min(MOST, max(1, self.number + step)))

    def action_set(self, number: int) -> None:
        """So many."""
        self.number = number
        self._paint()

    def action_ask(self) -> None:
        """Ask for them; but not in a window too small to read what they cost."""
        if self._view.size != "tiny":
            self.dismiss(self.number)

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A number was clicked."""
        self.action_set(int(event.action))

    def _paint(self) -> None:
        shown = self.query_one("#how-many", Lines)
        cells, g = shown.content_size.width, self._view.glyphs
        rows = [heading("Ask for more replies", self._about, cells, g), Line()]
        line, targets = Line().add("how many".ljust(LABEL), "ink-3"), list[Target]()
        for n in range(1, MOST + 1):
            targets.append(Target(len(rows), line.width, line.width + 3, str(n)))
            line.add(f" {n} ", "act" if n == self.number else "ink-2").add(" ")
        usage = self._sent.usage if self._sent is not None else None
        each, price = samples.cost(usage, 1)
        tokens, dollars = samples.cost(usage, self.number)
        costs = Line().add(f"{tokens} tokens, {dollars}", "ink bold").add(f"   each {each}, {price}", "ink-3")
        said = f"The same request is sent {count(self.number, 'time')} more, all at once. Nothing of any reply runs."
        then = paragraph(f"{said} You pick one of them, or keep the first.", cells - LABEL)
        rows += [line, Line(), *field("costs", [costs], cells), Line(), *field("then", then, cells), Line()]
        rows += field("", [keys(("enter", "ask"), (("1-8", "how many"), ("esc", "back")))], cells)
        shown.show(rows, targets)


class SamplesScreen(Screen[bool | None]):
    """The replies side by side; comes back with True when one was picked.

    Args:
        view: The run.
        session: Asks for replies, and puts one in the held one's place.
        bridge: Brings what the session says.
        held: The reply that is held.
        count: How many to ask for at once; 0 shows what is there.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,shift+tab,h", "choose(-1)", priority=True, show=False),
        Binding("right,tab,l", "choose(1)", priority=True, show=False),
        Binding("enter", "pick", priority=True, show=False),
        Binding("r", "more", show=False),
        Binding("escape,q", "leave", priority=True, show=False),
    ]

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, held: Held, count: int = 0) -> None:
        super().__init__(id="samples")
        self._view = view
        self._session = session
        self._bridge = bridge
        self._held = held
        self._first_ask = count
        self._asked = 0
        self._under_way = False
        self._picking = False
        self._said = ""
        self._chosen = max(0, samples.in_place(view, held))
        self._seen: Hashable = None
        self._kept: dict[tuple[int, str, int], list[Line]] = {}

    @property
    def _iteration(self) -> Iteration | None:
        return self._view.run.iterations.get(self._held.id)

    def compose(self) -> ComposeResult:
        """A title, the heads of the columns, the columns, what is said, the keys."""
        yield Lines(id="samples-title")
        yield Lines(id="samples-heads")
        yield TextPane(id="samples-text")
        yield Lines(id="samples-said")
        yield Lines(id="samples-keys")

    def on_mount(self) -> None:
        """Ask, when that is what it was opened for; follow what comes."""
        self.query_one(TextPane).focus()
        self.set_interval(0.1, self.sync)
        if self._first_ask:
            self._ask(self._first_ask)
        self.sync()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self.sync)

    def found(self) -> list[Sample]:
        """The replies."""
        iteration = self._iteration
        if iteration is None:
            return []
        held = self._view.run.held.get(self._held.id)
        asked = self._asked if self._under_way else 0
        return samples.samples(self._view, iteration, held if held is self._held else self._held, asked)

    # What it does ----------------------------------------------------------------------------------------------------

    def _ask(self, number: int) -> None:
        iteration = self._iteration
        there = len({sample.id for sample in iteration.samples}) if iteration is not None else 0
        self._asked, self._under_way, self._said = there + number, True, ""
        self._bridge.ask(self._session.resample(self._held.id, number), self._came)

    def _came(self, answer: Answer) -> None:
        self._under_way = False
        self._said = clean(answer) if answer is not None else ""
        self.sync()

    def action_more(self) -> None:
        """Ask for more."""
        if self._under_way:
            self._said = "More replies are under way already."
            self.sync()
            return
        dialog = HowMany(self._view, request_of(self._iteration), about(self._view, self._held))
        self.app.push_screen(dialog, self._more)  # pyright: ignore[reportUnknownMemberType]

    def _more(self, number: int | None) -> None:
        if number:
            self._ask(number)
            self.sync()

    def action_choose(self, step: int) -> None:
        """The column beside it."""
        self._chosen = min(max(0, self._chosen + step), max(0, len(self.found()) - 1))
        self._said = ""
        self.sync()

    def action_pick(self) -> None:
        """Put the chosen one in the held one's place."""
        found = self.found()
        if self._picking or not found:
            return
        sample = found[self._chosen]
        self._picking = True
        self._bridge.ask(self._session.pick(self._held.id, sample.number), partial(self._picked, sample.number))

    def _picked(self, number: int, answer: Answer) -> None:
        self._picking = False
        if answer is not None:
            self._said = clean(answer)
            self.sync()
        elif self.is_current:
            self.dismiss(True)

    def action_leave(self) -> None:
        """Back to the run; what is in place stays, what is under way comes in all the same."""
        self.dismiss(None)

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """The head of a column, or a key's words were clicked."""
        if event.action.isdigit():
            self._chosen = int(event.action)
            self.sync()
        else:
            self.call_next(self.run_action, event.action)

    # What it says ----------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed since the last time."""
        cells = self.size.width
        if not self.is_attached or not cells:
            return
        found = self.found()
        narrow = self._view.size in ("narrow", "tiny") or cells < 2 * samples.COLUMN
        gone = self._view.run.held.get(self._held.id) is not self._held
        now = samples.in_place(self._view, self._held)
        state = tuple((s.number, s.over, len(s.text), s.attempt is None) for s in found)
        seen = (cells, self.size.height, self._chosen, self._said, now, gone, state, self._view.frame, narrow)
        if seen == self._seen or not found:
            return
        self._seen = seen
        self._chosen = min(self._chosen, len(found) - 1)
        columns = samples.shown(found, self._chosen, cells, narrow)
        wide = samples.width(columns, cells)
        heads, targets = Line(), list[Target]()
        for k, n in enumerate(columns):
            targets.append(Target(0, k * (wide + samples.GAP), k * (wide + samples.GAP) + wide, str(n)))
            heads.fill(k * (wide + samples.GAP))
            heads.spans += samples.head(
                self._view, found[n], len(found), n == self._chosen, found[n].number == now, wide
            ).spans
        self.query_one("#samples-title", Lines).show([self._title(cells, found, columns)])
        self.query_one("#samples-heads", Lines).show([heads], targets)
        first = found[0].text
        bodies = [self._body(found[n], first, wide) for n in columns]
        self.query_one(TextPane).show(samples.beside(bodies, wide), None)
        said, ink = (self._said, "error") if self._said else (self._sentence(found, gone), "ink-2")
        self.query_one("#samples-said", Lines).show([Line().add("  ").add(cut(said, cells - 4), ink)])
        line, places = Line().add("  "), list[Target]()
        write(line, places, 0, self._keys(found[self._chosen]), word="ink-2")
        self.query_one("#samples-keys", Lines).show([line.cut(cells).fill(cells)], places)

    def _body(self, sample: Sample, first: str, cells: int) -> list[Line]:
        if not sample.over:
            return samples.body(self._view, sample, first, cells)
        key = (sample.number, sample.attempt.id if sample.attempt is not None else "", cells)
        if key not in self._kept:
            self._kept[key] = samples.body(self._view, sample, first, cells)
        return self._kept[key]

    def _title(self, cells: int, found: list[Sample], columns: range) -> Line:
        g = self._view.glyphs
        more = f" {len(found) - len(columns)} more beside " if len(columns) < len(found) else ""
        line = Line().add(f"{g.thin} ", "rule-2")
        line.add(cut(f"replies to {about(self._view, self._held)}", cells - 6 - width(more), g.ellipsis), "ink bold")
        line.add(" ").add(g.thin * max(0, cells - line.width - width(more) - 1), "rule-2").add(more, "ink-3")
        return line.add(g.thin, "rule-2")

    def _sentence(self, found: list[Sample], gone: bool) -> str:
        if gone:
            return "The reply was handed on: none of these can be picked any more."
        open_ = sum(not sample.over for sample in found)
        if open_:
            return f"{count(open_, 'reply', 'replies')} still on the way. One that is whole can be picked now."
        if len(found) == 1:
            return "There is no other reply yet. r asks for more."
        return f"Nothing of any reply has run. Another than the first carries {self._view.glyphs.human}."

    def _keys(self, sample: Sample) -> list[tuple[str, str, str]]:
        verb = "keep the first" if not sample.number else f"take reply {sample.number + 1}"
        return [
            ("enter", verb, "pick"),
            ("left right", "reply", "choose(1)"),
            *([] if self._under_way else [("r", "more replies", "more")]),
            ("esc", "back", "leave"),
        ]


def request_of(iteration: Iteration | None) -> Attempt | None:
    """The request whose reply is held."""
    attempts = iteration.attempts if iteration is not None else []
    return next((a for a in reversed(attempts) if a.status in ("ok", "partial")), None)


def about(view: View, held: Held) -> str:
    """Whose request it is."""
    return words.joined(view.glyphs, view.label(held.node), words.i_k(held))
