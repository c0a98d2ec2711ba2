"""What forms share that stay until what they ask for was done: drafts, refusals told in place, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Input

from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import SAVE_AFTER, Drafts, Key
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.dialog import BEFORE, LABEL, Dialog, field
from rlm_tui.tui.text import clean, wrap
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.fields import Entered


class FormDialog(Dialog[bool | None]):
    """Comes back with True when it was done, False when a draft was kept, None else.

    Args:
        view: For the signs, and the run.
        bridge: Brings the answers of the session.
        drafts: What was typed before and not applied; None where nothing typed is worth keeping.
        keys: What its drafts are kept under.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+s,f2", "do", priority=True, show=False)]

    def __init__(self, view: View, bridge: Bridge, drafts: Drafts | None = None, *keys: Key) -> None:
        super().__init__()
        self._view = view
        self._bridge = bridge
        self._drafts = drafts if drafts is not None else Drafts()
        self._keys = keys
        self._said = ""
        self._note = BEFORE if any(key in self._drafts for key in keys) else ""
        self._waiting = False
        self._save: Timer | None = None

    # For subclasses --------------------------------------------------------------------------------------------------

    def action_do(self) -> None:
        """Ask for what the form is for, with `ask`; or say what is missing."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Show what follows from what stands in the fields now; called only while the form is there."""
        raise NotImplementedError

    # Drafts ----------------------------------------------------------------------------------------------------------

    def keep(self, key: Key, typed: str, first: str) -> None:
        """Keep what was typed, soon in the file too; what stood there first is no draft.

        Args:
            key: What it is kept under.
            typed: The text.
            first: What stood there first.
        """
        if typed != first:
            self._drafts.put(key, typed)
        else:
            self._drafts.drop(key)
            self._note = ""
        if self._save is not None:
            self._save.stop()
        self._save = self.set_timer(SAVE_AFTER, self._written)

    def _written(self) -> None:
        if why := self._drafts.save():
            self.say(why)

    def on_unmount(self) -> None:
        """However this ends, what was typed is kept."""
        self._drafts.save()

    def action_back(self) -> None:
        """Close without doing anything; what was typed stays a draft."""
        self.dismiss(False if any(key in self._drafts for key in self._keys) else None)

    # Asking ----------------------------------------------------------------------------------------------------------

    def ask(self, first: Callable[[], Future[Answer]], *rest: Callable[[], Future[Answer]]) -> None:
        """Ask for one thing after the other; a refusal ends that and is said, and after the last the form closes."""
        self._waiting = True
        self._bridge.ask(first(), lambda answer: self._answered(answer, *rest))

    def _answered(self, answer: Answer, *rest: Callable[[], Future[Answer]]) -> None:
        if answer is None and rest:
            self.ask(*rest)
            return
        self._waiting = False
        if answer is not None:
            self.say(clean(answer))
            return
        self._drafts.drop(*self._keys)
        if self.is_current:
            self.dismiss(True)

    def on_entered(self, event: Entered) -> None:
        """Enter, in a field of many lines or of a few."""
        event.stop()
        self.action_do()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter, in a field of one line."""
        event.stop()
        self.action_do()

    # What it says ----------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self.paint)

    def say(self, said: str) -> None:
        """Tell what is wrong, or missing."""
        self._said = said
        self.paint()

    def paint(self) -> None:
        """Show what follows, while there is anything to show it on."""
        if self.is_attached:
            self.repaint()

    def told(self, cells: int) -> list[Line]:
        """What was said last, else the note of a draft, with an empty line after it; nothing when there is neither."""
        said, ink = (self._said, "error") if self._said else (self._note, "ink")
        if not said:
            return []
        return [*field("", [Line().add(row, ink) for row in wrap(said, cells - LABEL)], cells), Line()]
