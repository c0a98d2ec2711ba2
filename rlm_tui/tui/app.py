"""The application: one session, its view, and the bridge between the engine's thread and the screen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App
from textual.types import CSSPathType

from rlm_tui.journal.events import Event, Go, Hold
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.glyphs import glyphs
from rlm_tui.tui.screens.main import MainScreen
from rlm_tui.tui.screens.quit import Choice, QuitDialog, Wish
from rlm_tui.tui.text import clean
from rlm_tui.tui.theme import ANSI_DARK, DARK, THEMES, tokens
from rlm_tui.tui.view import View

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

RATE = 30
"""Times a second that the screen takes what has come."""

_STYLES = Path(__file__).parent / "styles"


class DebuggerApp(App[Wish | None]):
    """The debugger on one session. Returns what became of the run: ``left``, ``killed``, or None when it had ended.

    Args:
        session: The run; closed when the app is over.
        theme: A theme's name; None means ours, or the one of sixteen colours under ``NO_COLOR``.
        ascii: Whether only ASCII may be shown.
        mouse: Whether the mouse is listened to.
        clock: Seconds since the epoch.
    """

    TITLE = "rlm-tui"
    CSS_PATH: ClassVar[CSSPathType | None] = [
        _STYLES / name for name in ("panes.tcss", "main.tcss", "dialogs.tcss", "edit.tcss")
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        session: SessionLike,
        *,
        theme: str | None = None,
        ascii: bool = False,
        mouse: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        plain = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if plain else None)
        for ours in THEMES:
            self.register_theme(ours)
        self.session = session
        self.view = View(
            None,
            session.text,
            glyphs=glyphs(ascii),
            clock=clock,
            scenario=session.scenario,
            read_only=session.read_only,
        )
        past = session.events()
        # A journal that nobody runs is read as it is folded; of one that grows, the beginning is taken at once.
        self.bridge = Bridge(past if session.read_only else list(past))
        self.main = MainScreen(self.view, session, self.bridge, self.request_quit)
        self._mouse = mouse
        self._into = ""
        self.set_class(ascii, "-ascii")
        self.theme = theme or (ANSI_DARK.name if plain else DARK.name)

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
        try:
            return await super().run_async(mouse=mouse and self._mouse, **options)
        finally:
            self.session.close(1.0)

    def on_mount(self) -> None:
        """Show the screen; begin when it has been painted once."""
        self.push_screen(self.main)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        for notice in self.session.notices:
            self.notify(clean(notice), timeout=8.0, markup=False)
        self.session.start(self.bridge.put)
        self.set_interval(1 / RATE, self.drain)
        self.drain()

    def drain(self) -> None:
        """Take what has come since the last time, and repaint once."""
        with self.batch_update():
            taken = 0
            for event in self.bridge.drain():
                self.view.apply(event)
                self._go_into(event)
                taken += 1
            if self.bridge.answer() + taken:
                self.main.sync()

    def _go_into(self, event: Event) -> None:
        """After *into*, the next thing held below it is where the person wants to be."""
        if isinstance(event, Go):
            self._into = event.id if event.verb == "into" else ""
        elif isinstance(event, Hold) and self._into and event.id.startswith(self._into):
            self._into = ""
            if event.node != self.view.node:
                self.view.select_node(event.node)

    # Quitting ----------------------------------------------------------------------------------------------------

    def request_quit(self) -> None:
        """Quit; ask first when the run can still go on."""
        if self.session.read_only or self.view.run.end is not None:
            self.exit(None)
        elif not any(isinstance(screen, QuitDialog) for screen in self.screen_stack):
            self.push_screen(QuitDialog(self.view), self._quit)

    def _quit(self, choice: Choice | None) -> None:
        if choice == "leave":
            self.session.leave()
            self.exit("left")
        elif choice == "kill":
            self.session.kill()
            self.exit("killed")

    async def action_quit(self) -> None:
        """Textual's own quit key asks too."""
        self.request_quit()

    def action_help_quit(self) -> None:
        """Textual's own interrupt key asks too."""
        self.request_quit()
