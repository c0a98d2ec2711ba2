"""What came of the branches of one point, while they run by themselves and afterwards: one row an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from rlm_tui.journal.events import Point
from rlm_tui.journal.outcomes import Outcome, Outcomes, Table
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.comparing import later
from rlm_tui.tui.keys import TRIALS
from rlm_tui.tui.rows import outcome, trials
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.trials import Row
from rlm_tui.tui.screens.branching import BEGINS
from rlm_tui.tui.screens.compare import CompareScreen
from rlm_tui.tui.screens.listed import ListedScreen
from rlm_tui.tui.text import clean, count, cut
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.lines import Lines
from rlm_tui.tui.widgets.rowlist import Entry, RowList

if TYPE_CHECKING:
    from rlm_tui.debugger.trials import Trials
    from rlm_tui.tui.app import DebuggerApp

AGAIN_S = 0.5
"""Seconds between two looks at journals that are being written."""


class TrialList(RowList):
    """The rows of the table.

    Args:
        view: The run on the screen, for signs and labels.

    Attributes:
        all: The rows.
        at: The key of the row under the cursor.
        chosen: Which run of that row.
        read: Whether anything was read.
    """

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, view: View) -> None:
        super().__init__(view, id="trials-list")
        self.all: list[Row] = []
        self.at = ""
        self.chosen = 0
        self.read = False
        self._moved = False
        self._seen: Hashable = None

    def take(self, all: list[Row]) -> None:
        """Show these; the cursor is on the first that came to something until somebody moves it, and then stays."""
        if not self._moved or self.at not in [row.key for row in all]:
            first = [row.key for kind in ("answer", "unended") for row in all if row.kind == kind] + [
                r.key for r in all
            ]
            self.at = first[0] if first else ""
        self.all, self.read = all, True
        self.chosen = min(self.chosen, max(0, len(self.row.outcomes) - 1)) if self.row is not None else 0
        self._seen = object()
        self.sync()

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return next((row for row in self.all if row.key == self.at), None)

    @property
    def one(self) -> Outcome | None:
        """The chosen run of it; None on a row of what was tried."""
        row = self.row
        return row.outcomes[self.chosen] if row is not None and row.outcomes and row.kind != "tried" else None

    def structure(self) -> Hashable:
        """What was read last."""
        return self._seen

    def build(self) -> Sequence[Entry]:
        """One line a row, with an empty one before another thing that was tried."""
        made: list[Entry] = []
        for row in self.all:
            if made and row.kind in ("tried", "itself"):
                made.append(Entry(None))
            made.append(Entry(row.key, row))
        return made

    def cursor_key(self) -> str | None:
        """The row under the cursor."""
        return self.at or None

    def choose(self, key: str) -> None:
        """Move the cursor."""
        self.at, self.chosen, self._moved = key, 0, True
        self.post_message(self.Moved())

    def draw(self, entry: Entry, width: int) -> Line:
        """Its row."""
        if entry.key is None:
            return Line()
        return trials.draw(self.view, entry.about, width, selected=entry.key == self.at)

    def empty_line(self, y: int) -> Line:
        """Before anything was read, that it is."""
        if y or self.all:
            return Line()
        return Line().add("  Nothing was tried here yet." if self.read else "  The runs are being read.", "ink-3")


class TrialsScreen(ListedScreen):
    """Comes back with the directory of the run to go to, or None.

    Args:
        view: The run on the screen.
        bridge: Brings what is read.
        run: The directory of a run that came to the point.
        at: The address of what passes it.
        point: The point.
        going: Those that run by themselves, if any were begun here.
        quit: Asks to quit.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{id}')", key.word, show=False) for id, key in TRIALS.items()
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#trials-list"

    def __init__(
        self,
        view: View,
        bridge: Bridge,
        run: Path,
        at: str,
        point: Point,
        quit: Callable[[], None],
        going: Trials | None = None,
    ) -> None:
        super().__init__(view, quit, id="trials")
        self._bridge = bridge
        self._run = run
        self._at = at
        self._point: Point = point
        self._going = going
        self._outcomes = Outcomes(run.parent, run.name, at, point)
        self._table: Table | None = None
        self._reading = False
        self._missed = False

    def compose(self) -> ComposeResult:
        """The run on the screen, the table, the row under the cursor, the keys."""
        yield Header(self._view)
        yield Lines(id="trials-title")
        yield Lines(id="trials-heads")
        yield TrialList(self._view)
        yield Lines(id="trials-detail")
        yield Lines(id="trials-footer")

    def on_mount(self) -> None:
        """Read the table, and keep up with it."""
        self._read()
        self.set_interval(AGAIN_S, self._keep_up)
        self.call_after_refresh(self.sync)

    @property
    def listed(self) -> TrialList:
        """The list."""
        return self.query_one(TrialList)

    # Reading ---------------------------------------------------------------------------------------------------------

    def _keep_up(self) -> None:
        """While something goes on, look again."""
        arms = self._table.arms if self._table is not None else ()
        if self._missed or any(one.state == "going" for arm in arms for one in arm.unended):
            self._read()
        self.sync()

    def _read(self) -> None:
        if not self._reading:
            self._reading = True
            # Asked before it is read: what they write until they are over is read the next time.
            self._missed = self._going is not None and self._going.going
            self._bridge.ask(later(self._outcomes.read), self._came)

    def _came(self, found: Table | str) -> None:
        self._reading = False
        if not self.is_attached:
            return
        if isinstance(found, str):
            self.say(found)
        else:
            self._table = found
            self.listed.take(trials.rows(found))
        self.sync()

    # Repainting ------------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed."""
        cells = self.size.width
        if not self.is_attached or not cells:
            return
        listed, view = self.listed, self._view
        self.query_one(Header).sync()
        title = trials.title(view, outcome.where(view, self._at), self._begins(), self._table, self._to_come(), cells)
        self.query_one("#trials-title", Lines).show([title])
        heads = [trials.heads(view, listed.row_width)] if listed.all and listed.row_width else []
        self.query_one("#trials-heads", Lines).show(heads)
        listed.sync()
        self.query_one("#trials-detail", Lines).show(self._detail(cells))
        self.show_footer(cells)

    def _begins(self) -> str:
        return f"from its {BEGINS.get(self._point, self._point)}"

    def _to_come(self) -> str:
        going = self._going
        if going is None or not going.going:
            return ""
        return f"{going.plan.size - going.over:,} to come"

    def _detail(self, cells: int) -> list[Line]:
        listed = self.listed
        row, faults = listed.row, self._going.faults if self._going is not None else []
        g = self._view.glyphs
        told = [
            Line().add(" ").add(cut(f"{g.error} {clean(fault)}", cells - 2, g.ellipsis), "error") for fault in faults
        ]
        if row is not None:
            most = max(3, self.size.height // 2 - 3)
            told.append(trials.under(self._view, row, listed.chosen, cells))
            told += trials.detail(self._view, row, listed.chosen, cells)[:most]
        return told

    def keys(self) -> Sequence[tuple[str, str, str]]:
        """What can be done with the chosen run, and with those that run by themselves."""
        ids = ["go", "compare"] if self.listed.one is not None else []
        row = self.listed.row
        several = row is not None and len(row.outcomes) > 1 and row.kind != "tried"
        stop = ["stop"] if self._going is not None and self._going.going else []
        ids = [*ids, *(["other"] if several else []), *stop, "again"]
        return [(TRIALS[id].key, TRIALS[id].word, id) for id in ids]

    # Doing -----------------------------------------------------------------------------------------------------------

    def on_trial_list_moved(self, event: TrialList.Moved) -> None:
        """Another row is told of below."""
        self.sync()

    def action_do(self, id: str) -> None:
        """Do what a key stands for."""
        one = self.listed.one
        match id:
            case "back":
                self.dismiss(None)
            case "quit":
                self._quit()
            case "again":
                self._read()
            case "stop":
                self._stop()
            case "other" | "one before":
                self._choose(1 if id == "other" else -1)
            case _ if one is None:
                self.say("Choose a run first: up and down, then left and right.")
            case "go":
                self.dismiss(one.path)
            case "compare":
                self._compare(one)
            case _:
                pass

    def _stop(self) -> None:
        if self._going is None or not self._going.going:
            self.say("Nothing runs by itself.")
            return
        self._going.leave()
        self.say(f"Stopped: {count(self._going.plan.size - self._going.over, 'run')} left as they are, or not begun.")

    def _choose(self, step: int) -> None:
        listed = self.listed
        if listed.row is not None and listed.row.outcomes:
            listed.chosen = (listed.chosen + step) % len(listed.row.outcomes)
        self.sync()

    def _compare(self, one: Outcome) -> None:
        """Put the chosen one beside the run that came to the point first; that one beside the one on the screen."""
        origin = self._table.origin if self._table is not None else None
        other = origin.path if origin is not None and origin.path != one.path else self._run
        if other == one.path:
            self.say("This is the run itself. Choose another one to compare it with.")
            return
        screen = CompareScreen(self._view, self._bridge, other, one.path, self._quit)
        cast("DebuggerApp", self.app).push_screen(screen, self.go_to)  # pyright: ignore[reportUnknownMemberType]
