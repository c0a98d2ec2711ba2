"""One screen, two lists: what is held, everywhere, and the breakpoints."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from rlm_tui.debugger.likeness import Refusal
from rlm_tui.journal.tree import Held
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.keys import STOPS
from rlm_tui.tui.rows import stops
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.breaks import Breaks
from rlm_tui.tui.text import clean, cut, width
from rlm_tui.tui.view import View, size_for
from rlm_tui.tui.widgets.decision import GRACE, SAID
from rlm_tui.tui.widgets.footer import GAP, Pair, write
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.lines import Lines, Target
from rlm_tui.tui.widgets.rowlist import Entry, RowList

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

NOTHING = "Nothing is held. b sets a breakpoint, p pauses."


class HeldList(RowList):
    """What is held, oldest first."""

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.at = ""

    def structure(self) -> Hashable:
        """What is held."""
        return tuple((held.id, held.since) for held in self.view.run.held.values())

    def build(self) -> Sequence[Entry]:
        """One line each."""
        return [Entry(id, id) for id in self.view.run.held]

    def sync(self) -> None:
        """Keep the cursor on what it was on; when that is gone, on the first."""
        if self.at not in self.view.run.held:
            self.at = next(iter(self.view.run.held), "")
        super().sync()

    def cursor_key(self) -> str | None:
        """The selected one."""
        return self.at or None

    def choose(self, key: str) -> None:
        """Another one."""
        self.at = key

    def draw(self, entry: Entry, width: int) -> Line:
        """Its row; an empty one when it is gone already."""
        held = self.view.run.held.get(entry.about)
        if held is None:
            return Line().fill(width)
        return stops.held(self.view, held, width, selected=entry.key == self.at, focused=self.has_focus)

    def empty_line(self, y: int) -> Line:
        """When nothing waits."""
        return Line().add(f"  {NOTHING}" if y == 0 and not self.entries else "", "ink-3")


class StopsScreen(Screen[str | None]):
    """Comes back with the address of what to go to, or None.

    Args:
        view: The run.
        session: Releases, and keeps the breakpoints.
        bridge: Brings the session's answers.
        typed: What was typed of breakpoints and not kept, by what they were; lives longer than the screen.
        quit: Asks to quit.

    Attributes:
        grace: Seconds before what can't be taken back is taken, of a row that the cursor has only just come to.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{id}')", key.word, show=False, priority=key.always)
        for id, key in STOPS.items()
    ]
    AUTO_FOCUS: ClassVar[str | None] = ""

    def __init__(
        self, view: View, session: SessionLike, bridge: Bridge, typed: dict[str, str], quit: Callable[[], None]
    ) -> None:
        super().__init__(id="stops")
        self._view = view
        self._session = session
        self._bridge = bridge
        self._typed = typed
        self._quit = quit
        self._said = ""
        self._hush: Timer | None = None
        self._hollow: Timer | None = None
        self._fresh = True
        self._decided: tuple[str, str, float] | None = None
        self.grace = GRACE

    def compose(self) -> ComposeResult:
        """Two lists, one under the other."""
        yield Header(self._view)
        yield Lines(id="stops-held-title")
        yield HeldList(self._view, id="stops-held")
        yield Lines(id="stops-keys")
        yield Lines(id="stops-list-title")
        yield Lines(id="stops-heads")
        yield Breaks(self._view, self._session, self._typed)
        yield Lines(id="stops-always")
        yield Lines(id="stops-footer")

    def on_mount(self) -> None:
        """Keys go to what waits, else to the breakpoints."""
        held = self._view.held_here()
        waiting = self.query_one(HeldList)
        waiting.at = held.id if held is not None else ""
        (waiting if self._view.run.held else self.query_one(Breaks)).focus()
        self.set_interval(0.25, self.sync)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new size."""
        self._view.size = size_for(event.size.width, event.size.height)
        self.set_class(self._view.size in ("narrow", "tiny"), "-narrow")
        self.call_after_refresh(self.sync)

    @property
    def chosen(self) -> Held | None:
        """What the cursor is on in the first list."""
        return self._view.run.held.get(self.query_one(HeldList).at)

    @property
    def at_held(self) -> bool:
        """Whether keys go to what is held."""
        return self.query_one(HeldList).has_focus

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        if not self.is_attached or not self.size.width:
            return
        waiting, breaks = self.query_one(HeldList), self.query_one(Breaks)
        rows = max(1, min(len(self._view.run.held), self.size.height // 3))
        if waiting.styles.height is None or waiting.styles.height.value != rows:
            waiting.styles.height = rows
        waiting.sync()
        self._watch()
        self.query_one(Header).sync()
        breaks.sync()
        cells = self.size.width
        many = len(self._view.run.held)
        title = stops.rule(self._view, "1", "waiting for you", str(many) if many else "", cells, self.at_held)
        self.query_one("#stops-held-title", Lines).show([title])
        self.query_one("#stops-keys", Lines).show(*self._keys(cells))
        on = sum(one.on and not one.error for one in breaks.all)
        aside = f"{len(breaks.all)}, {on} on" if breaks.all else ""
        title = stops.rule(self._view, "2", "breakpoints", aside, cells, not self.at_held)
        self.query_one("#stops-list-title", Lines).show([title])
        heads = [stops.heads(breaks.scrollable_content_region.width)] if breaks.all else []
        self.query_one("#stops-heads", Lines).show(heads)
        self.query_one("#stops-always", Lines).show(self._always(cells))
        self.query_one("#stops-footer", Lines).show(*self._footer(cells))

    def _watch(self) -> None:
        """What the cursor has only just come to is not released by a key that was meant for what was there."""
        held = self.chosen
        now = (held.id, held.point, held.since) if held is not None else None
        if now == self._decided:
            return
        self._decided = now
        self._fresh = True
        if self._hollow is not None:
            self._hollow.stop()
        self._hollow = self.set_timer(self.grace, self.end_grace)

    def end_grace(self) -> None:
        """From now on the keys are taken."""
        self._fresh = False
        self.sync()

    def _keys(self, cells: int) -> tuple[list[Line], list[Target]]:
        held = self.chosen
        if held is None:
            return [Line()], []
        line, targets = Line().add("   "), list[Target]()
        go = STOPS["go"]
        line.add(f" {go.key} {go.word} ", "held" if self.at_held else "held-text bold")
        targets.append(Target(0, 3, line.width, "go"))
        pairs: list[Pair] = []
        if not self._session.read_only:
            pairs.append((STOPS["release"].key, words.release_word(self._view.run, held), "release"))
            if len(self._view.run.held) > 1:
                pairs.append((STOPS["release_all"].key, f"release all {len(self._view.run.held)}", "release_all"))
            if held.point == "block":
                pairs.append((STOPS["skip"].key, STOPS["skip"].word, "skip"))
        line.add(" " * GAP)
        write(line, targets, 0, pairs, "ink-3" if self._fresh else "ink bold", "ink-3" if self._fresh else "ink-2")
        return [line.cut(cells, self._view.glyphs.ellipsis)], targets

    def _always(self, cells: int) -> list[Line]:
        g = self._view.glyphs
        path = clean(self._session.breakpoints.path)
        kept = f"kept in {path}" if path else "for this run only"
        lines = [stops.rule(self._view, "", "always held", "", cells, False)] if self._view.size != "narrow" else []
        line = Line().fill(stops.FIRST).add(f"{g.breakpoint} ", "ink").add("error   ", "ink-2")
        line.add(f"{g.breakpoint} ", "ink").add("limit   ", "ink-2")
        line.add(f"{g.breakpoint_off} every other point, only by a breakpoint or a step", "ink-3")
        all_stop = "all-stop: every node stops, once, when one is held" if self._session.all_stop else ""
        aside = Line().fill(stops.FIRST).add(all_stop or kept, "ink-2" if all_stop else "ink-3")
        return [*lines, *(row.cut(cells, g.ellipsis) for row in (line, aside))]

    def _footer(self, cells: int) -> tuple[list[Line], list[Target]]:
        line, targets = Line().add("  "), list[Target]()
        if self._said:
            line.add(cut(self._said, cells - 14, self._view.glyphs.ellipsis), "ink")
        elif self.query_one(Breaks).typing:
            write(line, targets, 0, [("enter", "keep it", "keep"), ("esc", "put it away", "back")])
        else:
            ids = ["turn", "edit", "new", "remove", "next_held", "section"]
            ids = [id for id in ids if id != "next_held" or self._view.run.held]
            if not self.query_one(Breaks).all:
                ids = [id for id in ids if id not in ("turn", "edit", "remove")]
            if self._session.read_only:
                ids = ["section"]
            pairs = [(STOPS[id].key, STOPS[id].word, id) for id in ids]
            room = cells - 4 - width("esc back   Q quit") - GAP
            while pairs and sum(width(key) + width(word) + 1 + GAP for key, word, _ in pairs) > room:
                pairs.pop()
            write(line, targets, 0, pairs)
        if not self.query_one(Breaks).typing:
            line.add(" " * max(1, cells - 2 - width("esc back   Q quit") - line.width))
            write(line, targets, 0, [("esc", "back", "back"), ("Q", "quit", "quit")])
        return [line.fill(cells)], targets

    def say(self, said: str) -> None:
        """Tell the person something short, in the place of the keys."""
        self._said = clean(said)
        if self._hush is not None:
            self._hush.stop()
        self._hush = self.set_timer(SAID, self._unsay)
        self.sync()

    def _unsay(self) -> None:
        self._said = ""
        self.sync()

    # Doing -----------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters type while a breakpoint is written."""
        if action == "do" and self.is_mounted and self.query_one(Breaks).typing:
            return STOPS[str(parameters[0])].always
        return True

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """The words of a key were clicked."""
        self.action_do(event.action)

    def on_breaks_said(self, event: Breaks.Said) -> None:
        """The list has something to tell."""
        event.stop()
        self.say(event.said)

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        breaks = self.query_one(Breaks)
        match id:
            case "back" | "leave":
                self._back()
            case "section" if breaks.typing:
                pass
            case "section":
                (breaks if self.at_held else self.query_one(HeldList)).focus()
            case "held_section" | "break_section":
                (self.query_one(HeldList) if id == "held_section" else breaks).focus()
            case "go":
                self._go()
            case "release" | "skip" | "release_all":
                self._let_go(id)
            case "next_held":
                self._next_held()
            case "keep":
                breaks.keep()
            case "quit":
                self._quit()
            case _ if self._session.read_only:
                self.say("This run is read-only: it can be looked at, not changed.")
            case "new":
                breaks.write("")
            case "edit":
                breaks.write(breaks.chosen.text if breaks.chosen is not None else "")
            case "turn":
                breaks.turn()
            case "remove":
                breaks.take_away()
            case _:
                pass
        self.sync()

    def _back(self) -> None:
        if not self.query_one(Breaks).put_away():
            self.dismiss(None)

    def _go(self) -> None:
        if not self.at_held:
            breaks = self.query_one(Breaks)
            breaks.write(breaks.chosen.text if breaks.chosen is not None else "")
        elif (held := self.chosen) is not None:
            self.dismiss(held.id)

    def _let_go(self, id: str) -> None:
        held = self.chosen
        if self._session.read_only:
            self.say("This run is read-only: it can be looked at, not changed.")
        elif held is None:
            self.say("Nothing is held.")
        elif self._view.size == "tiny":
            self.say("Not taken: this window is too small.")
        elif self._fresh:
            self.say("Not taken: this had only just appeared. Press it again.")
        elif id == "skip" and held.point != "block":
            self.say("Only a block that is held can be skipped.")
        elif id == "skip":
            self._ask(self._session.skip(held.id))
        else:
            self._ask(self._session.release(held.id) if id == "release" else self._session.release_all())

    def _ask(self, future: Future[Refusal]) -> None:
        self._bridge.ask(future, self._answered)

    def _answered(self, answer: Refusal) -> None:
        if self.is_attached and answer is not None:
            self.say(answer)

    def _next_held(self) -> None:
        waiting = self.query_one(HeldList)
        ids = list(self._view.run.held)
        if not ids:
            self.say("Nothing is held.")
            return
        waiting.focus()
        waiting.choose(ids[(ids.index(waiting.at) + 1) % len(ids)] if waiting.at in ids else ids[0])
