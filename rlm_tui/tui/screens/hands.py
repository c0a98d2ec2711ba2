"""Changing what is held, by keys of the main screen: the editor here, the person's own, and forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import App

from rlm_tui.journal.events import Point
from rlm_tui.journal.fork import passes
from rlm_tui.journal.tree import Held
from rlm_tui.tui import forms, words
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import Drafts
from rlm_tui.tui.forms import Form, Unreadable
from rlm_tui.tui.rows.edits import taken_back
from rlm_tui.tui.screens.panes import PanesScreen
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.text import clean
from rlm_tui.tui.view import View
from rlm_tui.tui.whom import node_of, points, subject

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike
    from rlm_tui.debugger.trials import Plan, Price, Trials
    from rlm_tui.tui.app import DebuggerApp
    from rlm_tui.tui.screens.ask import Question


class HandsScreen(PanesScreen):
    """The panes of one run, and what a person changes in it.

    Args:
        view: What is selected; shared with every widget.
        session: The run.
        bridge: Brings the answers of verbs.

    Attributes:
        drafts: What was typed and not applied.
    """

    def __init__(self, view: View, session: SessionLike, bridge: Bridge, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.session = session
        self.drafts = Drafts(None if session.read_only else session.path)
        self._bridge = bridge

    @property
    def host(self) -> App[Any]:
        """The app."""
        # Textual gives it without saying what it returns.
        return self.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    @property
    def _app(self) -> DebuggerApp:
        return cast("DebuggerApp", self.host)

    def say(self, said: str) -> None:
        """Tell the person something short."""
        raise NotImplementedError

    def ask(self, future: Future[Answer]) -> None:
        """Wait for a verb without waiting; a refusal is said when it comes."""
        self._bridge.ask(future, self._answered)

    def _answered(self, answer: Answer) -> None:
        if answer is not None:
            self.say(answer)

    # The text itself -------------------------------------------------------------------------------------------------

    def _form(self) -> tuple[Held, Form] | None:
        held = self.view.held_here()
        form = forms.form(held, words.current(self.view, held)) if held is not None else None
        if held is None or form is None:
            self.say("There is nothing to edit here.")
            return None
        return held, form

    def do_edit(self) -> None:
        """Open the editor on the held value."""
        if (found := self._form()) is not None:
            self._open(*found)

    def _open(self, held: Held, form: Form, said: str = "") -> None:
        from rlm_tui.tui.screens.edit import EditScreen

        editor = EditScreen(self.view, self.session, self._bridge, held, form, self.drafts, said)
        self.host.push_screen(editor, self._edited)

    def _edited(self, applied: bool | None) -> None:
        self.sync()

    def do_edit_elsewhere(self) -> None:
        """Open the person's own editor on the held value, and apply what comes back."""
        from rlm_tui.tui import elsewhere

        if (found := self._form()) is None:
            return
        held, form = found
        key = (held.id, form.field)
        typed = self.drafts.get(key)
        before = form.text if typed is None else typed
        back = elsewhere.edit(self.host, before, form.language)
        if isinstance(back, str):
            self.say(back)
        elif back.text == form.text:
            self.drafts.drop(key)
            self.say("Nothing was changed.")
        else:
            self.drafts.put(key, back.text)
            self._take(held, form, back.text, back.said)

    def _take(self, held: Held, form: Form, text: str, said: str) -> None:
        """Apply what came back; what is not all right is shown in the editor here first."""
        try:
            value = form.value(text)
        except Unreadable as error:
            self._open(held, form, str(error))
            return
        why = forms.problem(form, text)
        if why or said:
            self._open(held, form, said or f"{why}. ctrl+s applies it all the same.")
            return
        self.drafts.save()
        future = self.session.edit(held.id, form.field, value, was=form.was)
        self._bridge.ask(future, partial(self._taken, (held.id, form.field)))

    def _taken(self, key: tuple[str, str], answer: Answer) -> None:
        if answer is None:
            self.drafts.drop(key)
        else:
            self.say(f"Not applied, kept as a draft: {clean(answer)}")
        self.sync()

    # Forms -----------------------------------------------------------------------------------------------------------

    def _put(self, question: Question, then: Callable[[], None] | None = None) -> None:
        from rlm_tui.tui.screens.ask import AskDialog

        dialog = AskDialog(self.view, self._bridge, self.drafts, question)
        self.host.push_screen(dialog, partial(self._asked, then=then))

    def _asked(self, done: bool | None, then: Callable[[], None] | None = None) -> None:
        if done is False:
            self.say("Not done. What you typed is kept as a draft.")
        self.sync()
        if done and then is not None:
            then()

    def do_supply(self) -> None:
        """Ask for the answer of a sub-call."""
        from rlm_tui.tui.screens import questions

        self._put(questions.supply(self.view, self.session, subject(self.view)))

    def do_insert(self) -> None:
        """Ask for code to run before the held block."""
        from rlm_tui.tui.screens import questions

        if (held := self.view.held_here()) is not None:
            self._put(questions.insert(self.view, self.session, held))

    def do_tell(self) -> None:
        """Ask for a message to the node's model."""
        from rlm_tui.tui.screens import questions

        self._put(questions.say(self.view, self.session, node_of(self.view)))

    def do_fork(self) -> None:
        """Ask where branches are to begin and how many, and make them."""
        from rlm_tui.tui.screens import branching

        id = (self.view.item or self.view.node).removesuffix(OBS).removesuffix(ANSWER)
        found = points(self.view)
        prices: dict[Point, Price | str] = {}
        self._price(id, found, prices)
        made: list[Path | Trials] = []
        question = branching.fork(self.view, id, found, partial(self._branch, made), prices)
        # Shown when the form is gone: each open run has screens of its own, and the form is on this one's.
        self._put(question, lambda: self._show_made(made[0]))

    def _price(self, id: str, points: Sequence[Point], prices: dict[Point, Price | str]) -> None:
        """Find out, away from here, what a branch is likely to cost at each point."""
        from rlm_tui.debugger.trials import price
        from rlm_tui.tui.comparing import later

        if (path := self.session.path) is not None:
            for point in points:
                self._bridge.ask(later(partial(price, path, id, point)), partial(prices.__setitem__, point))

    def _branch(self, made: list[Path | Trials], plan: Plan) -> Future[Answer]:
        """Make what is planned, and put it away for when it is to be shown."""
        from rlm_tui.tui.screens import branching

        told: Future[Answer] = Future()

        def found(branch: Path | Trials | str) -> None:
            if not isinstance(branch, str):
                made.append(branch)
            told.set_result(branch if isinstance(branch, str) else None)

        if branching.held(plan):
            self._bridge.ask(self.session.fork(plan.at, plan.point, changed=plan.arms[0]), found)
        elif (path := self.session.path) is None:
            found("This run is kept nowhere, so there is no place for branches of it.")
        else:
            found(self._app.try_out(path, plan))
        return told

    def _show_made(self, made: Path | Trials) -> None:
        if isinstance(made, Path):
            self._app.show_run(made, to_change=True)
        else:
            self.show_outcomes(made)

    def show_outcomes(self, trials: Trials) -> None:
        """Show what comes of branches that go on by themselves."""
        from rlm_tui.tui.screens.trials import TrialsScreen

        at = passes(self.view.run, trials.plan.at, trials.plan.point)
        screen = TrialsScreen(
            self.view, self._bridge, trials.source, at, trials.plan.point, self._app.request_quit, trials
        )
        self.host.push_screen(screen, self._gone_to)

    def _gone_to(self, path: Path | None) -> None:
        if path is not None:
            self._app.show_run(path)
        self.sync()

    def do_note(self) -> None:
        """Ask for a remark by the selected thing."""
        from rlm_tui.tui.screens import questions

        self._put(questions.note(self.view, self.session, *questions.subject_of_note(self.view)))

    def do_model(self) -> None:
        """Ask for another model, or other parameters."""
        from rlm_tui.tui.screens import questions

        self._put(questions.model(self.view, self.session, node_of(self.view)))

    def do_limits(self) -> None:
        """Show the limits in force, to change one."""
        from rlm_tui.tui.screens.limits import LimitsDialog

        dialog = LimitsDialog(self.view, self.session, self._bridge, node_of(self.view))
        self.host.push_screen(dialog, self._asked)

    def do_skip(self) -> None:
        """Do not run the held block; of a final answer, ask why it is not accepted."""
        from rlm_tui.tui.screens import questions

        held = self.view.held_here()
        if held is not None and held.point == "final":
            self._put(questions.reject(self.view, self.session, held))
        elif held is not None:
            self.ask(self.session.skip(held.id))

    def do_force_final(self) -> None:
        """Ask for the answer to force."""
        from rlm_tui.tui.screens.final import FinalDialog

        dialog = FinalDialog(self.view, self.session, self._bridge, self.drafts, node_of(self.view))
        self.host.push_screen(dialog, self._asked)

    def do_resample(self) -> None:
        """Show the replies there are to the held one's request; first ask for more when there is only one."""
        from rlm_tui.tui.screens.samples import HowMany, about, request_of

        held = self.view.held_here()
        iteration = self.view.run.iterations.get(held.id) if held is not None else None
        if held is None or iteration is None:
            return
        if iteration.samples:
            self._show_samples(held, 0)
        else:
            dialog = HowMany(self.view, request_of(iteration), about(self.view, held))
            self.host.push_screen(dialog, lambda number: self._show_samples(held, number) if number else None)

    def _show_samples(self, held: Held, number: int) -> None:
        from rlm_tui.tui.screens.samples import SamplesScreen

        self.host.push_screen(SamplesScreen(self.view, self.session, self._bridge, held, number), self._edited)

    def do_revert(self) -> None:
        """Take back what was changed of the held value, and say what that was."""
        held = self.view.held_here()
        if held is not None:
            said = taken_back(words.edits_of(self.view.run, held))
            self._bridge.ask(self.session.revert(held.id), lambda answer: self.say(answer or said))
