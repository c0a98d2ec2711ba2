"""The app that begins at home, comes back to it, and has no run behind it there."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.widgets import Static

from rlm_tui.tui.app import LOADING_S, DebuggerApp, Wish

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.debugger.trials import Trials
    from rlm_tui.tui.desk import Desk
    from rlm_tui.tui.screens.home import HomeScreen
    from rlm_tui.tui.screens.quit import Choice

HOME = "home"


@dataclass(frozen=True, slots=True)
class Shown:
    """What home shows besides the runs.

    Attributes:
        demos: The demos by name, and what each shows.
        first: The name of the one that the cursor is on at first.
        command: What is typed for a new run.
        model: What the settings have for its model, in words.
        fields: What the settings have for model and limits, the fields of the form for a new run.
        runs: The folder that runs are kept in.
        version: Ours.
    """

    demos: Sequence[tuple[str, str]]
    first: str
    command: str
    model: str
    fields: Mapping[str, str]
    runs: Path
    version: str


@dataclass(frozen=True, slots=True)
class Doors:
    """What is behind home. Each but one is called in a thread; what it raises is told to the person.

    Attributes:
        shown: Gives what home shows.
        play: Makes the session of a demo, by its name.
        go_on: Makes the session that goes on with a run that was left, by its directory.
        follows: Says what a run of one's own would be, from the fields of its form; raises what is wrong with them.
            Called while they are typed, in the screen's thread.
        ask: Checks a run of one's own; what makes its session, and a remark for the person or an empty text.
        put_away: Closes a session, and forgets its run when nothing ever happened in it.
    """

    shown: Callable[[], Shown]
    play: Callable[[str], SessionLike]
    go_on: Callable[[Path], SessionLike]
    follows: Callable[[Mapping[str, str]], Sequence[str]]
    ask: Callable[[Mapping[str, str]], tuple[Callable[[], SessionLike], str]]
    put_away: Callable[[SessionLike], None]


class HomeApp(DebuggerApp):
    """The debugger, beginning at home.

    Args:
        doors: What is behind home.
        screen: As `DebuggerApp` has it.

    Attributes:
        played: The directories of the runs that were written here, the first one first.
    """

    def __init__(self, doors: Doors, **screen: Any) -> None:
        super().__init__(None, **screen)
        self._doors = doors
        self._home: HomeScreen | None = None
        self._entering = False
        self._putting_away: list[Thread] = []
        self.played: list[Path] = []

    @property
    def home(self) -> HomeScreen:
        """The screen that this begins with; there once it was made."""
        assert self._home is not None, "home is still being made"
        return self._home

    @property
    def at_home(self) -> bool:
        """Whether no run is on the screen."""
        return self._desk is None

    def compose(self) -> ComposeResult:
        """The curtain: the mark, where home will have it."""
        yield Static(_mark(self), id="mark", markup=False)
        yield Static("loading   Q quit", id="loading", markup=False)

    def _prepare(self) -> None:
        from rlm_tui.tui.screens.home import HomeScreen
        from rlm_tui.tui.view import View

        view = View(None, glyphs=self._glyphs, clock=self._clock)
        self._home = HomeScreen(view, self._doors.shown(), self._doors, self.enter, self.request_quit)

    def _open(self) -> None:
        # Textual leaves open what a screen may come back with.
        self.add_mode(HOME, lambda: self.home)  # pyright: ignore[reportUnknownMemberType]
        self.switch_mode(HOME)
        self.keep_up()

    def drain(self) -> None:
        """Take what has come, for home too."""
        super().drain()
        self.home.take()

    async def run_async(self, *, mouse: bool = True, **options: Any) -> Wish | None:
        """Run; what was put away is closed when this is over.

        Args:
            mouse: Whether the mouse is listened to, if it is at all.
            options: As Textual takes them.
        """
        try:
            return await super().run_async(mouse=mouse, **options)
        finally:
            for thread in self._putting_away:
                thread.join(LOADING_S)

    # Going in --------------------------------------------------------------------------------------------------------

    def enter(self, said: str, make: Callable[[], SessionLike]) -> None:
        """Put a run on the screen, one at a time.

        Args:
            said: What that is, in words, until it is there.
            make: Makes its session, in a thread.
        """
        if self._entering:
            return
        self._entering = True
        self.home.opening(said)
        self._load(partial(self._make_another, partial(self._after_what_was_put_away, make), to_change=False))

    def _after_what_was_put_away(self, make: Callable[[], SessionLike]) -> SessionLike:
        """In a thread: what is still being closed may be the run that is to be opened."""
        for thread in list(self._putting_away):
            thread.join()
        return make()

    def _made_another(self, desk: Desk) -> None:
        self._entering = False
        self.home.opened()
        if not desk.session.read_only and desk.session.path is not None and desk.session.path not in self.played:
            self.played.append(desk.session.path)
        super()._made_another(desk)

    def refused(self, error: Exception) -> None:
        """Say why something could not be opened, where it was asked for."""
        self._entering = False
        if self.at_home:
            self.home.refuse(str(error) or type(error).__name__)
        else:
            super().refused(error)

    # Coming back -----------------------------------------------------------------------------------------------------

    def go_home(self) -> bool:
        """Come back; ask first, as quitting does, when a run can still go on."""
        if not self.ask_to_end("Home", self._asked):
            self._come_home()
        return True

    def _asked(self, choice: Choice | None) -> None:
        if choice in ("leave", "kill"):
            self.end_all(choice)
            # The question is still on the screen that goes away.
            self.call_later(self._come_home)

    def broke_off(self, desk: Desk) -> None:
        """A run broke off before it began: home says why."""
        self._come_home()
        self.home.refuse(" ".join(desk.session.notices))

    def _come_home(self) -> None:
        """Put everything away, and read again what is kept."""
        desks, self._desks, self._desk = self._desks, {}, None
        trials, self._trials = self._trials, []
        self.switch_mode(HOME)
        for mode, desk in desks.items():
            desk.view.go_live()
            self.remove_mode(mode)
        sessions = [desk.session for desk in desks.values()]
        thread = Thread(target=self._put_away, args=(sessions, trials), name="rlm-put-away", daemon=True)
        self._putting_away.append(thread)
        thread.start()

    def _put_away(self, sessions: Sequence[SessionLike], trials: Sequence[Trials]) -> None:
        """In a thread: what was asked of them may take seconds."""
        for each in trials:
            each.close(1.0)
        for session in sessions:
            self._doors.put_away(session)
        # What was read of them is looked at no more.
        gc.unfreeze()
        if self._running:
            self.call_from_thread(self.home.read)


def _mark(app: HomeApp) -> str:
    g = app.signs
    return f"   {g.open} rlm\n     {g.open} rlm\n       {g.answered} tui"
