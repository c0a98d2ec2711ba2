"""What is selected and how it is seen: plain Python, one per screen. Widgets read it; actions change it.

The run it shows is the fold of every event so far, or of the first of them; selecting something never asks the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Event, Text
from rlm_tui.journal.run import Run
from rlm_tui.tui.glyphs import UNICODE, Glyphs
from rlm_tui.tui.looks import Look
from rlm_tui.tui.past import KEPT, Fold, Moments, Past
from rlm_tui.tui.selection import ANSWER, OBS, Selection

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import BreakpointsLike
    from rlm_tui.tui.rows.found import Filtered, Found

Size = Literal["wide", "medium", "narrow", "tiny"]
Place = tuple[str, str | None]
"""The address of what is shown, and of the row that is selected."""


def size_for(width: int, height: int) -> Size:
    """The layout for a terminal of so many cells and rows."""
    if width < 60 or height < 16:
        return "tiny"
    if width >= 140 and height >= 36:
        return "wide"
    return "medium" if width >= 100 and height >= 30 else "narrow"


def _from(kept: list[Event], first: int) -> Iterator[Event]:
    """The events of a list that may grow meanwhile."""
    while first < len(kept):
        yield kept[first]
        first += 1


def _head(value: Text | None) -> str:
    return events.head(value)


class View(Selection):
    """What a person looks at.

    Attributes:
        text: Gives the whole of a text, wherever it is kept.
        glyphs: The table of signs.
        clock: Seconds since the epoch.
        scenario: The name of the demo, or None.
        read_only: Whether this is an opened journal that nobody runs.
        journal: Gives every event of the run, oldest first; None when it is kept nowhere.
        moments: The moments at which the run can be looked at as it was.
        past: The moment at which it is looked at; None while it is seen as it is now.
        tab: The inspector's tab, from 0.
        follow: Whether the selection goes with the newest thing of the selected node.
        folded: Addresses of nodes and batches (block + ``*`` + number) whose rows in the tree are hidden.
        size: The layout.
        grace: Whether decision keys are not taken yet.
        loading: Whether a request waits for the library of its provider.
        frame: Which picture of the moving sign is shown; 0 when nothing may move.
        variable: The name under the cursor of the variables; None when there are none in view.
        looks: By node, what was looked at in copies of its REPL since it is held.
        breakpoints: The breakpoints, for the sign of a row that has one; None when there are none to ask.
        found: What is looked for, and the hit that is shown; None when nothing is.
        filtered: Which rows of the tree are shown; None when all are.
        version: Counts the events that may change what is shown, pieces of streams left out.
        epoch: Counts how often another fold came to be shown.
    """

    def __init__(
        self,
        run: Run | None = None,
        text: Callable[[Text | None], str] = _head,
        *,
        glyphs: Glyphs = UNICODE,
        clock: Callable[[], float] = time.time,
        scenario: str | None = None,
        read_only: bool = False,
    ) -> None:
        super().__init__()
        self._live = self._fold = Fold(run)
        self._kept: list[Event] | None = []
        self._strayed: tuple[Place, Place] | None = None
        self.text = text
        self.glyphs = glyphs
        self.clock = clock
        self.scenario = scenario
        self.read_only = read_only
        self.journal: Callable[[], Iterable[Event]] | None = None
        self.moments = Moments()
        self.past: Past | None = None
        self.tab = 0
        self.follow = True
        self.folded: set[str] = set()
        self.size: Size = "wide"
        self.grace = False
        self.loading = False
        self.frame = 0
        self.variable: str | None = None
        self.looks: dict[str, list[Look]] = {}
        self.breakpoints: BreakpointsLike | None = None
        self.found: Found | None = None
        self.filtered: Filtered | None = None
        self.version = 0
        self.epoch = 0
        if self.run.seen:
            self.select_node(self.run.root.id if self.run.root else address.ROOT)

    @property
    def run(self) -> Run:
        """The run as it is shown: now, or as it was."""
        return self._fold.run

    @property
    def live(self) -> Run:
        """The run as it is now, whatever is shown."""
        return self._live.run

    @property
    def still(self) -> bool:
        """Whether no time goes by in what is shown: nobody runs it."""
        return self.read_only or self.past is not None or self.run.end is not None

    # Events --------------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Fold one event; when following, move the selection to the newest thing of the selected node."""
        held = self.live.held.get(event.id) if isinstance(event, events.Go | events.NodeEnd) else None
        if held is not None:
            self.looks.pop(held.node, None)
        self._live.apply(event)
        self._keep(event)
        if self._fold is not self._live or isinstance(event, events.Chunk):
            return
        concerns = self._concerns(event)
        if concerns or isinstance(event, events.Hold | events.Go | events.Edit | events.RunEnd | events.Rebuild):
            self.version += 1
        if self.follow and concerns:
            self.item = self.newest()

    def _keep(self, event: Event) -> None:
        """Have what was be there to be looked at again."""
        self.moments.add(event)
        if self._kept is None or event.seq < 0:
            return
        if event.seq != len(self._kept) or event.seq >= KEPT:
            self._kept = None
        else:
            self._kept.append(event)

    def _concerns(self, event: Event) -> bool:
        if isinstance(event, events.Hold) and event.node == self.node:
            return True
        owner = address.node_of(event.id)
        if owner == self.node:
            return True
        call = self.run.calls.get(owner)
        return call is not None and address.node_of(call.block.id) == self.node

    @property
    def deepest(self) -> int:
        """The depth of the deepest call so far; the root's is 0."""
        return self._fold.tally.deepest

    @property
    def errors(self) -> set[str]:
        """Addresses of what went wrong: a failed child counts once, whatever failed in it."""
        return self._fold.tally.errors

    def advance(self) -> bool:
        """Show the next picture of the moving sign; four a second keep every sign in step, of a run that goes on.

        Returns:
            Whether it is another one than before.
        """
        frame = 0 if self.still else int(self.clock() * 4) % 4
        moved, self.frame = frame != self.frame, frame
        return moved

    def looked(self, node: str, look: Look) -> None:
        """Keep what was looked at, until the node goes on."""
        self.looks.setdefault(node, []).append(look)
        self.version += 1

    # The past ------------------------------------------------------------------------------------------------------

    @property
    def _here(self) -> int:
        return self.past.wanted if self.past is not None else self._live.at

    def moment(self, step: int, *, turn: bool = False) -> int | None:
        """The moment before (-1) or after (1) the one that is shown; None when there is none.

        Args:
            step: Which way.
            turn: Whether one at which an iteration of the shown node begins.
        """
        moments, here = self.moments, self._here
        if turn:
            return moments.turn_before(self.node, here) if step < 0 else moments.turn_after(self.node, here)
        return moments.before(here) if step < 0 else moments.after(here)

    def look_back(self, moment: int) -> None:
        """Show the run as it was at a moment; soon, where that takes longer than a key may.

        Args:
            moment: The number of an event.
        """
        if self.past is None:
            self.past = Past(self._events)
        if self.past.go(moment) and self.past.fold is not None:
            self._stand_on(self.past.fold)

    def take_past(self) -> bool:
        """Show what has been folded since the last time; whether there was anything."""
        if self.past is None or not self.past.take() or self.past.fold is None:
            return False
        self._stand_on(self.past.fold)
        return True

    def go_live(self) -> None:
        """Show the run as it is now."""
        if self.past is not None:
            self.past.close()
            self.past = None
            self._stand_on(self._live)

    def _events(self, first: int) -> Iterator[Event]:
        if self._kept is not None:
            return _from(self._kept, first)
        return (event for event in (self.journal() if self.journal is not None else ()) if event.seq >= first)

    def _stand_on(self, fold: Fold) -> None:
        """Show another fold; what is selected stays so where it is there, and comes back where it is there again."""
        here = self.node, self.item
        wanted = self._strayed[0] if self._strayed is not None and self._strayed[1] == here else here
        self._fold = fold
        self.epoch += 1
        self.version += 1
        self._asked.clear()
        self.node, self.item = wanted
        while self.shown is None and (up := address.node_of(address.parent(self.node))) != self.node:
            self.node = up
        if self.follow or self.node != wanted[0] or not self._is_there():
            self.item = self.newest()
        now = self.node, self.item
        self._strayed = (wanted, now) if now != wanted and not self.follow else None

    def _is_there(self) -> bool:
        """Whether the selected row is one."""
        if self.item is None:
            return True
        if self.item.endswith(OBS):
            iteration = self.run.iterations.get(self.item.removesuffix(OBS))
            return iteration is not None and iteration.obs is not None
        if self.item.endswith(ANSWER):
            shown = self.shown
            return shown is not None and shown.status != "open"
        return self.thing() is not None

    # Selecting -----------------------------------------------------------------------------------------------------

    def select_node(self, id: str) -> None:
        """Show a node or a leaf call, and select its newest interesting row; a held one first."""
        if id not in self.run.nodes and id not in self.run.calls and self.run.root is not None:
            return
        self.node = id
        self.item = self.newest()

    def show_held(self, id: str) -> None:
        """Show what is held at an address, and select it; nothing when it is held no more."""
        held = self.run.held.get(id)
        if held is not None:
            self.select_node(self.home_of(held))
            self.select_item(self.item_of(held))

    def select_item(self, id: str | None) -> None:
        """Select a row of the trajectory. Looking at anything but the newest one ends following."""
        self.item = id
        if id != self.newest():
            self.follow = False

    def follow_on(self, on: bool = True) -> None:
        """Follow the newest thing of the selected node from now on, or stop doing so."""
        self.follow = on
        if on:
            self.item = self.newest()

    def breakpoint(self, id: str | None) -> str:
        """The sign of the breakpoint that was set at a thing: on, off, or broken; empty when there is none."""
        if id is None or self.breakpoints is None or not (marks := self.breakpoints.marks(id)):
            return ""
        first = self.breakpoints.all()[marks[0]]
        return self.glyphs.broken if first.error else self.glyphs.breakpoint if first.on else self.glyphs.breakpoint_off
