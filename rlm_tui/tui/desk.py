"""One session with its view, its bridge and its screen."""

from __future__ import annotations

import gc
from collections.abc import Callable

from rlm_tui.debugger.likeness import SessionLike
from rlm_tui.journal.events import RESUME, Event, Go, Hold
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.screens.main import MainScreen
from rlm_tui.tui.view import View

SETTLED = 50_000
"""Events after which what was folded is taken out of the collector's sight: going through a long run's again and again
takes longer than a key may."""
GROWN = 1.1
"""How much more there must be for another picture, while what was before is read."""


class Desk:
    """Puts a session before a person.

    Args:
        session: The run.
        signs: The signs to draw with.
        clock: Seconds since the epoch.
        quit: Asks to quit.

    Attributes:
        view: What is selected; shared by every widget.
        bridge: What is on its way from the engine's thread.
        main: The screen.
        told: How many of the session's notices were told.
        to_change: Whether the editor is to open on what is held first: a branch is made to have something otherwise.
    """

    def __init__(
        self, session: SessionLike, signs: Glyphs, clock: Callable[[], float], quit: Callable[[], None]
    ) -> None:
        self.session = session
        self.view = View(
            None,
            session.text,
            glyphs=signs,
            clock=clock,
            scenario=session.scenario,
            read_only=session.read_only,
        )
        self.view.journal = session.events
        self.view.breakpoints = None if session.read_only else session.breakpoints
        past = session.events()
        # A journal that nobody runs is read as it is folded; of one that grows, the beginning is taken at once.
        self.bridge = Bridge(past if session.read_only else list(past))
        self.main = MainScreen(self.view, session, self.bridge, quit)
        self.told = 0
        self.to_change = False
        self._into = ""
        self._painted = 0
        self._settled = 0
        self._unpainted = False

    @property
    def over(self) -> bool:
        """Whether there is nothing to ask before quitting."""
        return self.session.read_only or self.view.live.end is not None

    def take(self) -> None:
        """Fold what has come since the last time, and repaint what it changed."""
        for event in self.bridge.drain():
            self.view.apply(event)
            self._go_into(event)
            self._unpainted = True
        if self.view.live.seen - self._settled >= SETTLED:
            self._settled = self.view.live.seen
            gc.freeze()
        if self.view.past is not None and (fault := self.view.past.fault):
            self.view.go_live()
            self.main.say(f"The past can't be read: {fault}")
        if self.view.take_past() + self.bridge.answer() + self._worth_painting() + self._loads():
            self.main.sync()
            self._change()

    def _loads(self) -> bool:
        """Whether a provider's library began to be loaded, or is there now: no event says so."""
        was, self.view.loading = self.view.loading, self.session.loading
        return was != self.view.loading

    def _worth_painting(self) -> bool:
        """Whether there is enough that is new: while a long past is read, each picture costs all that is there."""
        seen = self.view.live.seen
        if not self._unpainted or (self.bridge.loading and seen < self._painted * GROWN):
            return False
        self._painted, self._unpainted = seen, False
        return True

    def _change(self) -> None:
        held = self.view.held_here() if self.view.past is None else None
        if self.to_change and held is not None and held.why == RESUME and self.main.is_current:
            self.to_change = False
            self.main.do_edit()

    def _go_into(self, event: Event) -> None:
        """After *into*, the next thing held below it is where the person wants to be."""
        if self.view.past is not None:
            return
        if isinstance(event, Go):
            self._into = event.id if event.verb == "into" else ""
        elif isinstance(event, Hold) and self.to_change and event.why == RESUME:
            self.view.select_node(event.node)
        elif isinstance(event, Hold) and self._into and event.id.startswith(self._into):
            self._into = ""
            if event.node != self.view.node:
                self.view.select_node(event.node)
