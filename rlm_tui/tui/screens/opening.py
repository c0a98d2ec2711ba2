"""What the keys of the main screen open: the editor, forms, other screens; and what is asked of the session after."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rlm_tui.journal.places import JOURNAL
from rlm_tui.tui import actions
from rlm_tui.tui.actions import Action
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.screens.hands import HandsScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of, subject, waiting

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Scope, SessionLike
    from rlm_tui.tui.app import DebuggerApp

NEXT_SCOPE: dict[Scope, Scope] = {"node": "subtree", "subtree": "run", "run": "node"}


class OpeningScreen(HandsScreen):
    """The panes of one run, and what is opened over them.

    Args:
        view: What is selected; shared with every widget.
        session: The run.
        bridge: Brings the answers of verbs.
    """

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, *, id: str | None = None) -> None:
        super().__init__(view, session, bridge, id=id)
        self._breaks: dict[str, str] = {}

    def do_quit(self) -> None:
        """Offer to quit."""
        raise NotImplementedError

    def do(self, action: Action) -> None:
        """Do an action, or say why not."""
        raise NotImplementedError

    # What is held ----------------------------------------------------------------------------------------------------

    def do_again(self) -> None:
        """Try what failed once more; at a reply, show others to choose from."""
        held = self.view.held_here()
        if held is None and (failed := waiting(self.view)) is not None:
            self.ask(self.session.try_now(failed.id))
            return
        if held is not None and held.point == "reply":
            self.do_resample()
            return
        self.ask(self.session.retry(actions.hand(self.view)))

    def do_kill(self) -> None:
        """End what is selected; ask first when that ends more than itself."""
        from rlm_tui.tui.screens.kill import KillDialog, ends

        id = subject(self.view)
        if ends(self.view, id):
            self.host.push_screen(KillDialog(self.view, id), partial(self._kill, id))
        else:
            self._kill(id, True)

    def _kill(self, id: str, sure: bool | None) -> None:
        if sure:
            self.ask(self.session.kill_node(id))

    def do_open_value(self) -> None:
        """Open the value under the cursor."""
        from rlm_tui.tui.screens.value import ValueScreen

        name = self.view.variable
        if name is not None:
            self.host.push_screen(ValueScreen(self.view, self.session, self._bridge, node_of(self.view), name))

    # The run ---------------------------------------------------------------------------------------------------------

    def do_scope(self) -> None:
        """The next scope."""
        self.view.scope = NEXT_SCOPE[self.view.scope]

    def do_break_here(self) -> None:
        """Set a breakpoint at what is selected, or take it away."""
        at, breakpoints = self.view.item or self.view.node, self.session.breakpoints
        there = bool(breakpoints.marks(at))
        if (why := breakpoints.toggle_at(at)) is not None:
            self.say(why)
        elif there:
            self.say("The breakpoint here is gone.")
        else:
            point = breakpoints.all()[breakpoints.marks(at)[0]].text.split(maxsplit=1)[0]
            self.say(f"Breakpoint set here, at {point}. B lists them.")

    def do_stops(self) -> None:
        """Open the list of what is held, and the breakpoints."""
        from rlm_tui.tui.screens.stops import StopsScreen

        self.session.breakpoints.here = node_of(self.view)
        screen = StopsScreen(self.view, self.session, self._bridge, self._breaks, self.do_quit)
        self.host.push_screen(screen, self._go_there)

    def _go_there(self, id: str | None) -> None:
        if id is not None:
            self.view.show_held(id)
        self.sync()

    # Its branches ----------------------------------------------------------------------------------------------------

    def do_compare(self) -> None:
        """Put this run beside the one it is a branch of; of one that is none, or whose origin is gone, choose."""
        path, origin = self.session.path, self._origin()
        if path is None or origin is None:
            self.do_branches()
            return
        from rlm_tui.tui.screens.compare import CompareScreen

        screen = CompareScreen(self.view, self._bridge, path, origin, self.do_quit)
        self.host.push_screen(screen, self._show_run)

    def _origin(self) -> Path | None:
        """The directory of the run that this one is a branch of; None when it is none, or that is gone."""
        path, name = self.session.path, str((self.view.run.parent or {}).get("run", ""))
        # A journal may come from anywhere: what it names is a neighbour, and no way out of the folder.
        if path is None or not name or Path(name).name != name:
            return None
        found = path.parent / name
        return found if (found / JOURNAL).is_file() else None

    def do_branches(self) -> None:
        """Open the tree of this run's branches."""
        from rlm_tui.tui.screens.branches import BranchesScreen

        screen = BranchesScreen(self.view, self.session, self._bridge, self.do_quit)
        self.host.push_screen(screen, self._show_run)

    def _show_run(self, path: Path | None) -> None:
        if path is not None and path != self.session.path:
            cast("DebuggerApp", self.host).show_run(path)
        self.sync()

    # The screen ------------------------------------------------------------------------------------------------------

    def do_commands(self) -> None:
        """Open the palette."""
        from rlm_tui.tui.palette import Palette

        self.host.push_screen(Palette(self.view, self.session), self._command)

    def _command(self, id: str | None) -> None:
        if id is not None:
            self.do(actions.BY_ID[id])

    def do_help(self) -> None:
        """Open the help."""
        from rlm_tui.tui.screens.help import HelpDialog, page

        self.host.push_screen(HelpDialog(self.view.glyphs, partial(page, self.view, self.session, self.pane)))
