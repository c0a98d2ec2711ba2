"""The debugger's screen: tree, trajectory and inspector, the decision bar, the footer, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.css.query import NoMatches

from rlm_tui.tui import actions
from rlm_tui.tui.actions import Action
from rlm_tui.tui.bridge import Bridge
from rlm_tui.tui.copied import copied
from rlm_tui.tui.rows import evaluated
from rlm_tui.tui.screens.finding import FindingScreen
from rlm_tui.tui.screens.opening import OpeningScreen
from rlm_tui.tui.text import clean, count
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.decision import SAID, DecisionBar
from rlm_tui.tui.widgets.find import FindLine
from rlm_tui.tui.widgets.footer import Footer
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.inspector import Inspector
from rlm_tui.tui.widgets.lines import Lines
from rlm_tui.tui.widgets.notice import Notice
from rlm_tui.tui.widgets.prompt import Prompt
from rlm_tui.tui.widgets.title import PaneRule, PaneTitle
from rlm_tui.tui.widgets.trajectory import Trajectory

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Looked, SessionLike
    from rlm_tui.tui.app import DebuggerApp

TINY_KEYS = frozenset({"quit", "interrupt"})


def _bindings() -> list[BindingType]:
    return [
        Binding(",".join(a.keys), f"act('{a.id}')", a.word, show=False, id=a.id, priority=a.id in ("tab", "tab_back"))
        for a in actions.ACTIONS
        if a.keys
    ]


class MainScreen(OpeningScreen, FindingScreen):
    """One run.

    Args:
        view: What is selected; shared with every widget.
        session: The run.
        bridge: Brings the answers of verbs.
        quit: Asks to quit.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = _bindings()

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, quit: Callable[[], None]) -> None:
        super().__init__(view, session, bridge)
        self._quit = quit
        self._said: dict[str, float] = {}
        self._looked_at: list[str] = []

    def compose(self) -> ComposeResult:
        """Everything, once; sizes only show, hide and move it."""
        yield Header(self.view)
        yield Notice(self.view)
        with Container(id="panes"):
            with Vertical(id="calls"):
                yield PaneTitle(self.view, "calls")
                yield CallTree(self.view)
            yield PaneRule(self.view, id="rule-1")
            with Vertical(id="trajectory"):
                yield PaneTitle(self.view, "trajectory")
                yield Trajectory(self.view)
            yield PaneRule(self.view, id="rule-2")
            with Vertical(id="inspector"):
                yield PaneTitle(self.view, "inspector")
                yield Inspector(self.view)
            yield DecisionBar(self.view, self.session)
        yield Prompt(self.view)
        yield FindLine(self.view, self.finder)
        yield Footer(self.view, self.session)
        yield Lines(id="tiny")

    # Repainting --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed since the last time."""
        if not self.is_mounted:
            return
        # One that is being taken down has lost some of them.
        with suppress(NoMatches):
            for widget in (Header, Notice, CallTree, Trajectory, Inspector, DecisionBar, Prompt, FindLine, Footer):
                self.query_one(widget).sync()
            for title in self.query(PaneTitle):
                title.sync()

    def say(self, said: str) -> None:
        """Tell the person something short: in the decision bar when it stands, else beside everything."""
        if self.query_one(DecisionBar).say(said):
            return
        # The same words twice are still one thing to read.
        if self.view.clock() >= self._said.get(said, 0.0):
            self._said = {said: self.view.clock() + SAID}
            self.notify(clean(said), timeout=SAID, markup=False)

    # Doing -------------------------------------------------------------------------------------------------------

    def action_act(self, id: str) -> None:
        """Do an action of the registry, or say why not."""
        self.do(actions.BY_ID[id])

    def do(self, action: Action) -> None:
        """Do an action, or say why not.

        Args:
            action: One of the registry.
        """
        if self.view.size == "tiny" and action.id not in TINY_KEYS:
            return
        if (why := action.refuses(self.view, self.session)) is not None:
            self.say(why)
            return
        if self.view.grace and action.guarded(self.view, self.session):
            if action.id == "pause":
                self.query_one(DecisionBar).begin_grace()
            self.say("Not taken: this had only just appeared. Press it again.")
            return
        if action.ask is not None:
            self.ask(action.ask(self.view, self.session))
        else:
            cast(Callable[[], None], getattr(self, f"do_{action.id}"))()
        self.sync()

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """The words of an action were clicked."""
        self.do(actions.BY_ID[event.action])

    def on_call_tree_chosen(self, event: CallTree.Chosen) -> None:
        """Another node is in view."""
        self.sync()

    def on_trajectory_chosen(self, event: Trajectory.Chosen) -> None:
        """Another row is selected."""
        self.sync()

    def do_evaluate(self) -> None:
        """Open the line for code of a person's."""
        self.query_one(Prompt).open(node_of(self.view))

    def do_console(self) -> None:
        """Open the console of the held node."""
        from rlm_tui.tui.screens.console import ConsoleScreen

        node = node_of(self.view)
        console = ConsoleScreen(self.view, self.session, self._bridge, node, self.drafts, self._looked_at)
        self.host.push_screen(console)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key of ours is taken: not while a line is typed, but for the way out."""
        if action == "act" and (self.query_one(Prompt).typing or self.query_one(FindLine).typing):
            return parameters[0] in ("quit", "interrupt")
        return True

    def on_prompt_asked(self, event: Prompt.Asked) -> None:
        """A line was entered: run it, or only look."""
        event.stop()
        self._show_where(event.node)
        if event.looks:
            future = self.session.look(event.node, event.code)
            self._bridge.ask(future, partial(self._looked, event.node, event.code))
        else:
            self.ask(self.session.evaluate(event.node, event.code))

    def _looked(self, node: str, code: str, found: Looked | str) -> None:
        if isinstance(found, str):
            self.say(found)
            return
        self._looked_at.append(f"?{code}")
        self.view.looked(node, evaluated.look(self.view, node, code, found))
        self.sync()

    def _show_where(self, node: str) -> None:
        """What is held, in the tab where the answer will stand; the keys stay where they are."""
        held = self.view.held_in(node)
        if self.view.node == node and held is not None:
            self.view.select_item(self.view.item_of(held))
        self.view.tab = 0
        if self.view.size == "narrow" or self.zoomed:
            self.pane = "inspector"
            self.fit()

    def on_prompt_closed(self, event: Prompt.Closed) -> None:
        """The line is put away: keys go where they went before."""
        event.stop()
        self.focus_pane()
        self.sync()

    def do_next_held(self) -> None:
        """Show the next held thing."""
        if (node := self.view.next_held()) is not None:
            self.view.select_node(node)

    def do_parent(self) -> None:
        """Show the node that asked, at the call."""
        call, parent = self.view.node, self.view.parent_node()
        if parent is not None:
            self.view.select_node(parent)
            if not self.view.follow:
                self.view.select_item(call)

    def do_child(self) -> None:
        """Show a call."""
        if (child := self.view.child_node()) is not None:
            self.view.select_node(child)

    def do_iteration_back(self) -> None:
        """Select the iteration before."""
        self.view.select_item(self.view.iteration_back())

    def do_iteration_forward(self) -> None:
        """Select the iteration after."""
        self.view.select_item(self.view.iteration_forward())

    def do_earlier(self) -> None:
        """The moment before."""
        self._go_to(self.view.moment(-1))

    def do_later(self) -> None:
        """The moment after; after the last one, now."""
        self._go_to(self.view.moment(1))

    def do_turn_earlier(self) -> None:
        """When an iteration last began."""
        self._go_to(self.view.moment(-1, turn=True))

    def do_turn_later(self) -> None:
        """When the next iteration began; after the last one, now."""
        self._go_to(self.view.moment(1, turn=True))

    def do_now(self) -> None:
        """The run as it is now."""
        self._go_to(None)

    def _go_to(self, moment: int | None) -> None:
        if moment is None:
            self.view.go_live()
        else:
            self.view.look_back(moment)

    def do_follow(self) -> None:
        """Follow, or stop following."""
        self.view.follow_on(not self.view.follow)
        self.say("Following the newest." if self.view.follow else "Not following.")

    def do_slower(self) -> None:
        """The scripted model's next lower pace."""
        self.say(f"Pace: {self.session.change_pace(faster=False)}.")

    def do_faster(self) -> None:
        """The scripted model's next higher pace."""
        self.say(f"Pace: {self.session.change_pace(faster=True)}.")

    def do_copy(self) -> None:
        """The selected thing's whole text to the clipboard."""
        self.copy(copied(self.view))

    def copy(self, text: str) -> None:
        """Text to the terminal's clipboard, by OSC 52."""
        # Lone surrogates cannot be sent to a terminal.
        self.host.copy_to_clipboard(text.encode("utf-8", "replace").decode())
        self.notify(f"Copied {count(len(text), 'character')}.", timeout=SAID, markup=False)

    def do_back(self) -> None:
        """Hide the notice; end finding; show all rows; back to now; out of the zoom; in narrow, to the pane before;
        home."""
        if self.query_one(Notice).hide() or self.query_one(FindLine).back():
            return
        if self.view.past is not None:
            self.do_now()
        elif self.zoomed:
            self.do_zoom()
        elif self.view.size == "narrow" and self.pane != "calls":
            self.do_pane(-1)
        elif not cast("DebuggerApp", self.host).go_home():
            self.say("There is nothing to go back to. Q quits.")

    def do_interrupt(self) -> None:
        """Copy what is marked; else pause; else offer to quit."""
        marked = self.get_selected_text()
        if marked:
            self.copy(marked)
        elif self.session.ladder(node_of(self.view)).next == "pause":
            self.do(actions.BY_ID["pause"])
        else:
            self._quit()

    def do_quit(self) -> None:
        """Offer to quit."""
        self._quit()
