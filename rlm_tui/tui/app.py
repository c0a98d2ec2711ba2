"""The application: a curtain at once, and behind it one session, its view and the screen on it.

What a session and its screen load takes longer than a first frame may, so it is loaded while that is looked at.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.types import CSSPathType
from textual.widgets import Static

from rlm_tui.tui.glyphs import Glyphs, glyphs
from rlm_tui.tui.theme import ANSI_DARK, DARK, THEMES, tokens

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.debugger.trials import Plan, Trials, Unattended
    from rlm_tui.tui.bridge import Bridge
    from rlm_tui.tui.desk import Desk
    from rlm_tui.tui.screens.main import MainScreen
    from rlm_tui.tui.screens.quit import Choice
    from rlm_tui.tui.view import View

RATE = 30
"""Times a second that the screen takes what has come."""

Wish = Literal["left", "killed"]
"""What became of a run that had not ended."""

NOTICED_S = 60.0
"""Seconds that a fault of the run is told."""
LOADING_S = 5.0
"""Seconds that quitting waits for a session that is still being made, to give it back."""

_STYLES = Path(__file__).parent / "styles"


class DebuggerApp(App[Wish | None]):
    """The debugger on one session. Returns what became of the run: ``left``, ``killed``, or None when it had ended.

    Args:
        session: The run, or what makes it, called in a thread once the first frame is painted. Closed when the app is
            over. None where a subclass begins with something else.
        reopen: Makes the session that goes on with a run of a directory, in a thread; None where that can't be had.
        unattended: Makes what goes on with a run of a directory by itself; None where that can't be had.
        theme: A theme's name; None means ours, or the one of sixteen colours under ``NO_COLOR``.
        ascii: Whether only ASCII may be shown.
        mouse: Whether the mouse is listened to.
        clock: Seconds since the epoch.

    Attributes:
        fault: Why there is no session, when making it failed.
    """

    TITLE = "rlm-tui"
    CSS_PATH: ClassVar[CSSPathType | None] = [
        _STYLES / f"{name}.tcss" for name in ("panes", "main", "dialogs", "edit", "prompt", "find", "stops")
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,Q", "quit", show=False)]
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        session: SessionLike | Callable[[], SessionLike] | None,
        *,
        reopen: Callable[[Path], SessionLike] | None = None,
        unattended: Unattended | None = None,
        theme: str | None = None,
        ascii: bool = False,
        mouse: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        plain = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if plain else None)
        for ours in THEMES:
            self.register_theme(ours)
        self.fault: BaseException | None = None
        self._glyphs: Glyphs = glyphs(ascii)
        self._clock = clock
        self._mouse = mouse
        self._desk: Desk | None = None
        self._desks: dict[str, Desk] = {}
        self._opened = 0
        self._reopen = reopen
        self._unattended = unattended
        self._trials: list[Trials] = []
        self._make: Callable[[], SessionLike] | None = None
        self._loader: Thread | None = None
        if callable(session):
            self._make = session
        elif session is not None:
            self._desk = self._furnished(session)
        self.set_class(ascii, "-ascii")
        self.theme = theme or (ANSI_DARK.name if plain else DARK.name)

    def _furnished(self, session: SessionLike) -> Desk:
        from rlm_tui.tui.desk import Desk

        return Desk(session, self._glyphs, self._clock, self.request_quit)

    @property
    def signs(self) -> Glyphs:
        """The signs to draw with."""
        return self._glyphs

    @property
    def desk(self) -> Desk:
        """The session with its view and its screen; there once it was made."""
        assert self._desk is not None, "the session is still being made"
        return self._desk

    @property
    def session(self) -> SessionLike:
        """The run."""
        return self.desk.session

    @property
    def view(self) -> View:
        """What is selected and how it is seen."""
        return self.desk.view

    @property
    def bridge(self) -> Bridge:
        """What is on its way to the screen."""
        return self.desk.bridge

    @property
    def main(self) -> MainScreen:
        """The screen on the run."""
        return self.desk.main

    def compose(self) -> ComposeResult:
        """The curtain: what is seen while the session is made."""
        yield from _curtain(self._glyphs)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our colours, also under a theme that is not ours."""
        # Textual's own rules name two more wherever only the terminal's colours may be used.
        grounds = dict.fromkeys(("ansi-background", "ansi-foreground"), "ansi_default")
        return tokens(self.current_theme.dark, self.current_theme.ansi) | grounds

    async def run_async(self, *, mouse: bool = True, **options: Any) -> Wish | None:
        """Run, and give the session back when the screen is gone.

        Args:
            mouse: Whether the mouse is listened to, if it is at all.
            options: As Textual takes them.
        """
        self._mind_the_terminal()
        try:
            return await super().run_async(mouse=mouse and self._mouse, **options)
        finally:
            if self._loader is not None:
                self._loader.join(LOADING_S)
            for each in (*self._trials, *self.sessions):
                each.close(1.0)

    def _mind_the_terminal(self) -> None:
        """When the terminal is closed, leave: nothing runs on, and every run can be gone on with."""
        hung_up = getattr(signal, "SIGHUP", None)
        if hung_up is not None and current_thread() is main_thread():
            asyncio.get_running_loop().add_signal_handler(hung_up, self._quit, "leave")

    def on_mount(self) -> None:
        """Show the screen; begin when it has been painted once."""
        if self._desk is not None:
            self._open()
        else:
            self.call_after_refresh(self._load, self._make_it)

    def _load(self, work: Callable[[], None]) -> None:
        self._loader = Thread(target=work, name="rlm-loader", daemon=True)
        self._loader.start()

    def _make_it(self) -> None:
        """In the loader's thread: everything that takes time."""
        try:
            self._prepare()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who opened the screen is told
            self.fault = error
        if self._running:
            self.call_from_thread(self._made)

    def _prepare(self) -> None:
        assert self._make is not None
        self._desk = self._furnished(self._make())

    def _made(self) -> None:
        if self.fault is not None:
            self.exit(None)
        else:
            self._open()

    def _open(self) -> None:
        self._put_up(self.desk)
        self.call_after_refresh(self._begin)

    def _put_up(self, desk: Desk) -> None:
        """Give a desk a stack of screens of its own, and turn to it."""
        mode, self._opened = f"run-{self._opened}", self._opened + 1
        self._desks[mode] = desk
        # Textual leaves open what a screen may come back with.
        self.add_mode(mode, lambda: desk.main)  # pyright: ignore[reportUnknownMemberType]
        self._turn_to(mode)

    def _begin(self) -> None:
        self._start(self.desk)
        self.keep_up()

    def keep_up(self) -> None:
        """Take what comes, from now on."""
        self.set_interval(1 / RATE, self.drain)
        self.drain()

    def _start(self, desk: Desk) -> None:
        from rlm_tui.tui.text import clean

        desk.told = len(desk.session.notices)
        for notice in desk.session.notices:
            self.notify(clean(notice), timeout=8.0, markup=False)
        desk.session.start(desk.bridge.put)

    # Several runs ------------------------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[SessionLike]:
        """Every run that is open, the first one first."""
        if not self._desks:
            return [] if self._desk is None else [self._desk.session]
        return [desk.session for desk in self._desks.values()]

    def show_run(self, path: Path, *, to_change: bool = False) -> None:
        """Put a run on the screen: one that is open already, else gone on with, else one that goes on elsewhere.

        Args:
            path: Its directory.
            to_change: Whether the editor is to open on what it is held at.
        """
        known = next((mode for mode, desk in self._desks.items() if desk.session.path == path), None)
        if known is not None:
            self._turn_to(known)
        elif (make := _watched(path) or self._reopen) is None:
            self.main.say(f"The branch is kept: rlm-tui resume {path.name}")
        else:
            self._load(partial(self._make_another, partial(make, path), to_change))

    def try_out(self, run: Path, plan: Plan) -> Trials | str:
        """Make branches of a run that go on by themselves to their ends.

        Args:
            run: Its directory.
            plan: Where they begin, what is tried, and how often.

        Returns:
            Them, begun; a text is why they can't be.
        """
        from rlm_tui.debugger.trials import Trials

        if self._unattended is None:
            return "Nothing can be run by itself from here: rlm-tui open or resume can."
        made = Trials(run, plan, self._unattended)
        self._trials.append(made)
        made.start()
        return made

    @property
    def trying(self) -> int:
        """How many branches still go on by themselves, or are to."""
        return sum(trials.plan.size - trials.over for trials in self._trials if trials.going)

    def _make_another(self, make: Callable[[], SessionLike], to_change: bool) -> None:
        """In the loader's thread."""
        try:
            desk = self._furnished(make())
        except Exception as error:  # noqa: BLE001 - whatever it is, the person is told; the run on the screen goes on
            if self._running:
                self.call_from_thread(self.refused, error)
            return
        desk.to_change = to_change
        if self._running:
            self.call_from_thread(self._made_another, desk)
        else:
            desk.session.close(1.0)

    def refused(self, error: Exception) -> None:
        """Say why another run could not be put on the screen."""
        self.main.say(f"It can't be gone on with: {error}")

    def _made_another(self, desk: Desk) -> None:
        self._put_up(desk)
        self._start(desk)

    def _turn_to(self, mode: str) -> None:
        self._desk = self._desks[mode]
        self.switch_mode(mode)
        self.call_after_refresh(self.main.sync)

    def drain(self) -> None:
        """Take what has come since the last time, and repaint once."""
        with self.batch_update():
            for desk in list(self._desks.values()):
                desk.take()
                notices = desk.session.notices
                if len(notices) > desk.told:
                    self._tell(desk, notices[desk.told :])

    def _tell(self, desk: Desk, notices: Sequence[str]) -> None:
        """Tell what came up on the way."""
        from rlm_tui.tui.text import clean

        desk.told += len(notices)
        if desk.view.live.seen == 0 and not desk.session.read_only:
            self.broke_off(desk)
            return
        for notice in notices:
            self.notify(clean(notice), severity="error", timeout=NOTICED_S, markup=False)

    def broke_off(self, desk: Desk) -> None:
        """A run broke off before it began, and leaves nothing to look at: whoever opened the screen tells why."""
        self.exit(None)

    def go_home(self) -> bool:
        """Go back to where the runs on the screen were opened; False when that was not here."""
        return False

    # Quitting ----------------------------------------------------------------------------------------------------

    def request_quit(self) -> None:
        """Quit; ask first when the run can still go on."""
        if not self.ask_to_end("Quit", self._quit):
            self.exit(None)

    def ask_to_end(self, title: str, then: Callable[[Choice | None], None]) -> bool:
        """Ask what is to become of what still goes on.

        Args:
            title: What it is asked for, in a word.
            then: Gets the answer.

        Returns:
            Whether there was something to ask.
        """
        going = [desk for desk in self._desks.values() if not desk.over]
        if not going and not self.trying:
            return False
        from rlm_tui.tui.screens.quit import QuitDialog

        if not any(isinstance(screen, QuitDialog) for screen in self.screen_stack):
            self.push_screen(QuitDialog(self.view, [desk.view for desk in going], self.trying, title), then)
        return True

    def end_all(self, choice: Literal["leave", "kill"]) -> None:
        """Leave every run, or end it."""
        for session in self.sessions:
            session.leave() if choice == "leave" else session.kill()
        for trials in self._trials:
            trials.leave()

    def _quit(self, choice: Choice | None) -> None:
        if choice in ("leave", "kill"):
            self.end_all(choice)
            self.exit("left" if choice == "leave" else "killed")

    async def action_quit(self) -> None:
        """Textual's own quit key asks too."""
        self.request_quit()

    def action_help_quit(self) -> None:
        """Textual's own interrupt key asks too."""
        self.request_quit()


def _watched(path: Path) -> Callable[[Path], SessionLike] | None:
    """Makes what only looks at a run that is written elsewhere; None of one that can be gone on with."""
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.journal.store import in_use

    return ReadOnlySession if in_use(path) else None


def _curtain(signs: Glyphs) -> Iterator[Static]:
    yield Static(f" {signs.live} starting ", id="starting", markup=False)
    yield Static("loading the debugger   Q quit", id="loading", markup=False)
