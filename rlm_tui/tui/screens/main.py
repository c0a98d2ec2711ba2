"""The debugger's screen: tree, trajectory and inspector, the decision bar, the footer, and what the keys do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.screen import Screen
from textual.widget import Widget

from rlm_tui.tui import actions, forms, words
from rlm_tui.tui.actions import Action
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.copied import copied
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, count, wrap
from rlm_tui.tui.view import View, size_for
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.decision import SAID, DecisionBar
from rlm_tui.tui.widgets.footer import Footer
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.inspector import Inspector
from rlm_tui.tui.widgets.lines import Lines
from rlm_tui.tui.widgets.title import PaneRule, PaneTitle
from rlm_tui.tui.widgets.trajectory import Trajectory

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.tui.screens.edit import Drafts
    from rlm_tui.tui.screens.final import Forced

Pane = Literal["calls", "trajectory", "inspector"]
PANES: tuple[Pane, ...] = ("calls", "trajectory", "inspector")

TREE = 46
TINY_KEYS = frozenset({"quit", "interrupt"})


def trajectory_width(cells: int) -> int:
    """Cells of the trajectory in a wide window."""
    return max(56, min(72, (cells - TREE - 2) // 2))


def _bindings() -> list[BindingType]:
    return [
        Binding(",".join(a.keys), f"act('{a.id}')", a.word, show=False, id=a.id, priority=a.id in ("tab", "tab_back"))
        for a in actions.ACTIONS
    ]


FITTING = frozenset({"-wide", "-medium", "-narrow", "-tiny", "-one"})
"""Classes that a window's size gives the screen."""


class MainScreen(Screen[None]):
    """One run.

    Args:
        view: What is selected; shared with every widget.
        session: The run.
        bridge: Brings the answers of verbs.
        quit: Asks to quit.

    Attributes:
        pane: Where the keys go.
        zoomed: Whether that pane has the whole screen.
        drafts: What was typed in editors and not applied.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = _bindings()

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, quit: Callable[[], None]) -> None:
        super().__init__(id="main")
        self.view = view
        self.session = session
        self.pane: Pane = "trajectory"
        self.zoomed = False
        self.drafts: Drafts = {}
        self._bridge = bridge
        self._quit = quit
        self._said: dict[str, float] = {}

    def compose(self) -> ComposeResult:
        """Everything, once; sizes only show, hide and move it."""
        yield Header(self.view)
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
        yield Footer(self.view, self.session)
        yield Lines(id="tiny")

    @property
    def host(self) -> App[Any]:
        """The app."""
        # Textual gives it without saying what it returns.
        return self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def on_mount(self) -> None:
        """Send the keys somewhere; the first resize fits the panes."""
        self._focus(self.pane)

    # Laying out --------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Fit the window; what is selected and where keys go stays."""
        self.view.size = size_for(event.size.width, event.size.height)
        said = f"This window is {event.size.width} by {event.size.height}. Make it 60 by 16 or more. Q quits."
        self.query_one("#tiny", Lines).show([Line().add(row, "ink") for row in wrap(said, event.size.width - 2)])
        self.fit()
        self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        if self.focused is None and self.view.size != "tiny":
            self._focus(self.pane)
        self.sync()

    def fit(self) -> None:
        """Show and place the panes for the window's size."""
        size = self.view.size
        one = self.zoomed or size in ("narrow", "tiny")
        fitting = {f"-{size}", "-one"} if one else {f"-{size}"}
        if fitting != {name for name in FITTING if self.has_class(name)}:
            # All at once: each change of a class matches every widget's styles again.
            self.remove_class(*(FITTING - fitting), update=False)
            self.add_class(*fitting, update=False)
            self.update_node_styles(animate=False)
        for pane in PANES:
            self.query_one(f"#{pane}").display = not one or pane == self.pane
        self.query_one("#rule-1").display = not one
        self.query_one("#rule-2").display = not one and size == "wide"
        panes = self.query_one("#panes")
        width = self.size.width
        three = size == "wide" and not one
        panes.styles.grid_columns = f"{TREE} 1 {trajectory_width(width)} 1 1fr" if three else f"{TREE} 1 1fr"
        if one:
            panes.styles.grid_columns = "1fr"
        self.query_one(DecisionBar).cells = width - TREE - 1 if three else width

    def show_pane(self, pane: Pane) -> None:
        """Send the keys to a pane, and show it where only one is shown."""
        self.pane = pane
        self.fit()
        self._focus(pane)

    def _focus(self, pane: Pane) -> None:
        top: Widget = self.query_one({"calls": CallTree, "trajectory": Trajectory, "inspector": Inspector}[pane])
        found = next((w for w in (top, *top.walk_children(Widget)) if w.focusable), None)
        if found is not None:
            found.focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember the pane that a click sent the keys to."""
        for node in event.widget.ancestors_with_self:
            pane = getattr(node, "pane", None)
            if pane in PANES and not isinstance(node, MainScreen):
                self.pane = pane
                return

    # Repainting --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Repaint what changed since the last time."""
        if not self.is_mounted:
            return
        for widget in (Header, CallTree, Trajectory, Inspector, DecisionBar, Footer):
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
        if (why := action.legal(self.view, self.session)) is not None:
            self.say(why)
            return
        if action.decides and self.view.grace:
            self.say("Not taken: this had only just appeared. Press it again.")
            return
        if action.ask is not None:
            self.ask(action.ask(self.view, self.session))
        else:
            cast(Callable[[], None], getattr(self, f"do_{action.id}"))()
        self.sync()

    def ask(self, future: Future[Answer]) -> None:
        """Wait for a verb without waiting; a refusal is said when it comes."""
        self._bridge.ask(future, self._answered)

    def _answered(self, answer: Answer) -> None:
        if answer is not None:
            self.say(answer)

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """The words of an action were clicked."""
        self.do(actions.BY_ID[event.action])

    def on_call_tree_chosen(self, event: CallTree.Chosen) -> None:
        """Another node is in view."""
        self.sync()

    def on_trajectory_chosen(self, event: Trajectory.Chosen) -> None:
        """Another row is selected."""
        self.sync()

    def do_edit(self) -> None:
        """Open the editor on the held value."""
        from rlm_tui.tui.screens.edit import EditScreen

        held = self.view.held_here()
        form = forms.form(held, words.current(self.view, held)) if held is not None else None
        if held is None or form is None:
            self.say("There is nothing to edit here.")
            return
        editor = EditScreen(self.view, self.session, self._bridge, held, form, self.drafts)
        self.host.push_screen(editor, self._edited)

    def _edited(self, applied: bool | None) -> None:
        self.sync()

    def do_force_final(self) -> None:
        """Ask for the answer to force."""
        from rlm_tui.tui.screens.final import FinalDialog

        node = actions.node_of(self.view)
        self.host.push_screen(FinalDialog(self.view, node), partial(self._force, node))

    def _force(self, node: str, forced: Forced | None) -> None:
        if forced is not None:
            self.ask(self.session.force_final(node, text=forced.text, var=forced.var))

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

    def do_pane(self, step: int = 1) -> None:
        """The next pane."""
        self.show_pane(PANES[(PANES.index(self.pane) + step) % len(PANES)])

    def do_pane_back(self) -> None:
        """The pane before."""
        self.do_pane(-1)

    def do_calls(self) -> None:
        """The tree."""
        self.show_pane("calls")

    def do_trajectory(self) -> None:
        """The trajectory."""
        self.show_pane("trajectory")

    def do_inspector(self) -> None:
        """The inspector."""
        self.show_pane("inspector")

    def do_tab(self) -> None:
        """The inspector's next tab."""
        self.query_one(Inspector).next_tab()

    def do_tab_back(self) -> None:
        """The inspector's tab before."""
        self.query_one(Inspector).previous_tab()

    def do_follow(self) -> None:
        """Follow, or stop following."""
        self.view.follow_on(not self.view.follow)
        self.say("Following the newest." if self.view.follow else "Not following.")

    def do_zoom(self) -> None:
        """One pane on the whole screen, and back."""
        self.zoomed = not self.zoomed
        self.show_pane(self.pane)

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

    def do_commands(self) -> None:
        """Open the palette."""
        from rlm_tui.tui.palette import Palette

        self.host.push_screen(Palette(self.view, self.session), self._command)

    def _command(self, id: str | None) -> None:
        if id is not None:
            self.do(actions.BY_ID[id])

    def do_help(self) -> None:
        """Open the help."""
        from rlm_tui.tui.screens.help import HelpDialog

        self.host.push_screen(HelpDialog(self.view, self.session, self.pane))

    def do_back(self) -> None:
        """Out of the zoom; in a narrow window, to the pane before."""
        if self.zoomed:
            self.do_zoom()
        elif self.view.size == "narrow" and self.pane != "calls":
            self.do_pane(-1)
        else:
            self.say("There is nothing to go back to. Q quits.")

    def do_interrupt(self) -> None:
        """Copy what is marked; else pause; else offer to quit."""
        marked = self.get_selected_text()
        if marked:
            self.copy(marked)
        elif actions.legal(actions.BY_ID["pause"], self.view, self.session):
            self.do(actions.BY_ID["pause"])
        else:
            self._quit()

    def do_quit(self) -> None:
        """Offer to quit."""
        self._quit()
