"""The editor: one held value on the whole screen. Letters type; nothing typed is ever lost without a word."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.timer import Timer

from rlm_tui.journal.tree import Held
from rlm_tui.tui import elsewhere, words
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import SAVE_AFTER, Drafts
from rlm_tui.tui.forms import Form, Unreadable, problem
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import clean, cut, width
from rlm_tui.tui.typed import Typed
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.editor import Editor
from rlm_tui.tui.widgets.footer import Pair, write
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

CHECK_AFTER = 0.15
"""Seconds without a key before the syntax is looked at."""

_NAMES = {
    "messages": "the request", "reply": "the reply", "code": "block", "prompt": "the prompt", "answer": "the answer",
    "obs": "the observation", "final": "the final answer", "limit": "the limit",
}  # fmt: skip


_BEFORE = "This is what you had typed before. ctrl+t throws it away."


class EditScreen(Screen[bool]):
    """Edits one held value; comes back with whether something was applied.

    Args:
        view: For where it is.
        session: Takes the edit.
        bridge: Brings the session's answer.
        held: What is held.
        form: Its value as a text.
        drafts: What was typed before and not applied.
        said: What to say of the draft that is there, when it is not from before.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f2", "apply", priority=True, show=False),
        Binding("ctrl+r", "apply_and_release", priority=True, show=False),
        Binding("ctrl+t", "discard", priority=True, show=False),
        Binding("ctrl+o", "elsewhere", priority=True, show=False),
        Binding("escape", "leave", priority=True, show=False),
    ]

    def __init__(
        self,
        view: View,
        session: SessionLike,
        bridge: Bridge,
        held: Held,
        form: Form,
        drafts: Drafts,
        said: str = "",
    ) -> None:
        super().__init__(id="edit")
        self._view = view
        self._session = session
        self._bridge = bridge
        self._held = held
        self._form = form
        self._drafts = drafts
        self._typed = Typed(form.text)
        self._draft = drafts.get(self._key)
        self._said = said or (_BEFORE if self._draft is not None else "")
        self._problem = ""
        self._leaving = False
        self._waiting = False
        self._check: Timer | None = None
        self._save: Timer | None = None

    @property
    def _key(self) -> tuple[str, str]:
        return self._held.id, self._form.field

    @property
    def text(self) -> str:
        """The text as it stands, every character as it was or as it was typed."""
        return self._typed.decode(self.query_one(Editor).text)

    @property
    def dirty(self) -> bool:
        """Whether it differs from what is held."""
        return self.text != self._form.text

    def compose(self) -> ComposeResult:
        """A title, the text, a line for what is wrong, the keys."""
        code = self._form.language == "python"
        yield Lines(id="edit-title")
        editor = Editor(
            self._typed.encode(self._draft) if self._draft is not None else self._typed.shown,
            written=self._form.language,
            rule=self._form.rule,
            show_line_numbers=code,
            tab_behavior="indent",
            id="editor",
        )
        yield editor
        yield Lines(id="edit-problem")
        yield Lines(id="edit-keys")

    def on_mount(self) -> None:
        """Type into it."""
        editor = self.query_one(Editor)
        if self._form.rule and self._draft is None:
            # The last message is what this request is about.
            heads = [n for n, line in enumerate(editor.text.split("\n")) if line.startswith(f"{self._form.rule} ")]
            editor.move_cursor((heads[-1] + 1, 0))
            self.call_after_refresh(editor.scroll_cursor_visible)
        editor.focus()
        self._look()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self._paint)

    def on_unmount(self) -> None:
        """However this ends, what was typed is kept."""
        self._drafts.save()

    def on_text_area_changed(self, event: Editor.Changed) -> None:
        """Remember what was typed; look at it, and keep it, when the fingers rest."""
        if self.dirty:
            self._drafts.put(self._key, self.text)
        elif self._key in self._drafts:
            self._drafts.drop(self._key)
        self._leaving = False
        for timer in (self._check, self._save):
            if timer is not None:
                timer.stop()
        self._check = self.set_timer(CHECK_AFTER, self._look)
        self._save = self.set_timer(SAVE_AFTER, self._keep)

    def _keep(self) -> None:
        if why := self._drafts.save():
            self._say(why)

    def _look(self) -> None:
        self._problem = problem(self._form, self.text)
        self._paint()

    # What it says ------------------------------------------------------------------------------------------------

    def _paint(self) -> None:
        if not self.is_attached:
            return
        cells = self.size.width
        self.query_one("#edit-title", Lines).show([self._title(cells)])
        said, ink = (self._said, "ink") if self._said else (self._problem, "error")
        self.query_one("#edit-problem", Lines).show([Line().add("  ").add(cut(said, cells - 4), ink)])
        line, targets = Line().add("  "), list[Target]()
        write(line, targets, 0, self._keys(), word="ink-2")
        self.query_one("#edit-keys", Lines).show([line.cut(cells).fill(cells)], targets)

    def _title(self, cells: int) -> Line:
        heavy = self._view.glyphs.heavy
        where = self._where()
        mark = f" {self._view.glyphs.human} changed " if self.dirty else ""
        line = Line().add(f"{heavy} ", "ink-2").add(cut(where, cells - 6 - width(mark)), "ink bold").add(" ")
        line.add(heavy * max(0, cells - line.width - width(mark) - 1), "ink-2").add(mark, "human")
        return line.add(heavy, "ink-2")

    def _where(self) -> str:
        name = _NAMES[self._form.field]
        if self._form.field == "code":
            name = words.where(self._held).removeprefix("before ")
        if self._form.field == "limit":
            name = f"the limit {clean(self._form.name)}"
        label = self._view.label(self._view.home_of(self._held))
        return words.joined(self._view.glyphs, "edit " + name, words.i_k(self._held), label)

    def _keys(self) -> list[Pair]:
        # A limit that is raised here does not end anything.
        run = words.RAISED if self._form.field == "limit" else words.release_word(self._view.run, self._held)
        if self._held.point == "error":
            run = "retry"
        return [
            ("ctrl+s", "apply", "apply"),
            ("ctrl+r", f"apply and {run}", "apply_and_release"),
            *([("ctrl+t", "throw away", "discard")] if self.dirty else []),
            ("ctrl+o", "$EDITOR", "elsewhere"),
            ("esc", "back", "leave"),
        ]

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A key's words were clicked."""
        self.call_next(self.run_action, event.action)

    def _say(self, said: str) -> None:
        self._said = said
        self._paint()

    # What it does ------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Back to the run; asks first when something was typed, and keeps it as a draft."""
        if self.dirty and not self._leaving:
            self._leaving = True
            self._say("Not applied. esc again leaves and keeps it as a draft, ctrl+s applies, ctrl+t throws it away.")
            return
        self.dismiss(False)

    def action_discard(self) -> None:
        """Back to the text that is held; the editor's undo brings back what was typed."""
        editor = self.query_one(Editor)
        editor.replace(self._typed.shown, (0, 0), editor.document.end)
        self._say("")

    def action_elsewhere(self) -> None:
        """Go on with the text in the editor that the environment names; what comes back stands here."""
        found = elsewhere.edit(self.app, self.text, self._form.language)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if isinstance(found, str):
            self._say(found)
            return
        editor = self.query_one(Editor)
        if found.text != self.text:
            editor.replace(self._typed.encode(found.text), (0, 0), editor.document.end)
        self._say("")

    def action_apply(self) -> None:
        """Put the text in place of what is held."""
        self._apply(release=False)

    def action_apply_and_release(self) -> None:
        """Put the text in place of what is held, and let it go on."""
        self._apply(release=True)

    def _apply(self, *, release: bool) -> None:
        if self._waiting:
            return
        try:
            value = self._form.value(self.text)
        except Unreadable as error:
            self._say(str(error))
            return
        if not self.dirty:
            self._done(release)
            return
        self._waiting = True
        future = self._session.edit(self._held.id, self._form.field, value, was=self._form.was)
        self._bridge.ask(future, partial(self._answered, release))

    def _answered(self, release: bool, answer: Answer) -> None:
        self._waiting = False
        if answer is not None:
            if self.is_attached:
                self._say(f"Not applied: {clean(answer)}")
            return
        self._drafts.drop(self._key)
        self._done(release)

    def _done(self, release: bool) -> None:
        if release:
            # What failed and was changed is asked for again.
            verb = self._session.retry if self._held.point == "error" else self._session.release
            self._bridge.ask(verb(self._held.id), self._released)
        if self.is_current:
            self.dismiss(True)

    def _released(self, answer: Answer) -> None:
        if answer is not None:
            self.notify(clean(answer), markup=False)
