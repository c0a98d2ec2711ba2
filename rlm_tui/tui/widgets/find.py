"""The line in which a person types what to find, or which rows of the tree to show; then what was found stays there."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from rlm_tui.tui.finding import Finder
from rlm_tui.tui.rows import found
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import CAP, LINES, clean, count, cut, right
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import Pair, write
from rlm_tui.tui.widgets.lines import Lines, Target

Mode = Literal["find", "filter"]

RATE = 10
"""Times a second that hits are counted."""

_MARGIN = 2
_COUNT = 22
"""Cells of the count beside the field."""

_HINT = 'words  "a phrase"  /a regex/  kind: status: in: node:  depth>=1  edited  error  -not  when NAME == VALUE'
_SHORT_HINT = 'words  "a phrase"  /regex/  kind: status: in:  error  when NAME'


class Seeking(Input):
    """The field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,ctrl+p", "earlier(-1)", show=False),
        Binding("down,ctrl+n", "earlier(1)", show=False),
        Binding("tab", "list", show=False),
        Binding("escape", "close", show=False),
    ]

    class Wanted(Message):
        """A key that is not text.

        Attributes:
            what: ``earlier``, ``later``, ``list`` or ``close``.
        """

        def __init__(self, what: str) -> None:
            self.what = what
            super().__init__()

    def action_earlier(self, step: int) -> None:
        """The query before, or the one after."""
        self.post_message(self.Wanted("earlier" if step < 0 else "later"))

    def action_list(self) -> None:
        """All that was found."""
        self.post_message(self.Wanted("list"))

    def action_close(self) -> None:
        """Look for nothing any more."""
        self.post_message(self.Wanted("close"))


class FindLine(Vertical):
    """The field with what came of it at the right, and below it what is wrong, or the keys.

    Args:
        view: For the signs and the size.
        finder: What is looked for.

    Attributes:
        typing: Whether letters type.
        mode: Whether something is looked for, or rows are filtered.
    """

    class Entered(Message):
        """A query was entered: keys go where they went before.

        Attributes:
            mode: What it was for.
            list: Whether everything that was found is to be listed.
        """

        def __init__(self, mode: Mode, *, list: bool = False) -> None:
            self.mode, self.list = mode, list
            super().__init__()

    class Closed(Message):
        """It was put away, with everything it marked or hid."""

    class Changed(Message):
        """More was found, or other rows are shown."""

    def __init__(self, view: View, finder: Finder) -> None:
        super().__init__(id="find")
        self._view = view
        self._finder = finder
        self._at = 0
        self._wrong = ""
        self._draft = ""
        self.typing = False
        self.mode: Mode = "find"

    def compose(self) -> ComposeResult:
        """A sign, the field and a count, over the keys."""
        with Horizontal(id="find-line"):
            yield Lines(id="find-sign")
            field = Seeking(id="find-input", compact=True)
            field.cursor_blink = False
            yield field
            yield Lines(id="find-count")
        yield Lines(id="find-shown")
        yield Lines(id="find-keys")

    def on_mount(self) -> None:
        """Take what is found as it comes."""
        self.set_interval(1 / RATE, self._tick)

    def _tick(self) -> None:
        if self._finder.poll():
            self.post_message(self.Changed())
        self.sync()

    def open(self, mode: Mode) -> None:
        """Let letters type; what was looked for last is there to be changed.

        Args:
            mode: What the query is for.
        """
        self.mode, self._wrong = mode, ""
        self._at = len(self._finder.history)
        shown = self._view.filtered
        self._type(self._finder.typed if mode == "find" else shown.text if shown is not None else "")
        self._stand(typing=True)
        field = self.query_one(Seeking)
        field.focus()
        field.select_all()
        if mode == "find" and field.value:
            self._ask(field.value)
        self.sync()

    def back(self) -> bool:
        """Put away what stands: what is looked for first, then the filter. Whether there was anything."""
        if self.has_class("-stands"):
            self._close()
            return True
        if self._finder.show_all():
            self.post_message(self.Closed())
            return True
        return False

    def _stand(self, *, typing: bool, stands: bool = True) -> None:
        self.typing = typing
        self.set_class(stands, "-stands")
        self.set_class(typing, "-typing")
        self._take_place(stands)

    def _take_place(self, stands: bool) -> None:
        """The footer's, which the line of code may have too."""
        self.screen.query_one("#footer").set_class(stands or bool(self.screen.query("#prompt.-stands")), "-away")

    def _close(self) -> None:
        if self.mode == "filter":
            self._finder.show_all()
        else:
            self._finder.remember()
            self._finder.forget()
        self._stand(typing=False, stands=False)
        self.post_message(self.Closed())

    def on_resize(self, event: events.Resize) -> None:
        """Fit the new width."""
        self.sync()

    # Typing --------------------------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search as it is typed."""
        event.stop()
        if self.typing:
            self._ask(event.value)
            self.sync()

    def _ask(self, typed: str) -> None:
        if self.mode == "filter":
            self._wrong = self._finder.filter(typed)
        else:
            self._finder.look_for(typed)
            self._wrong = self._finder.wrong
        self.post_message(self.Changed())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to what was found."""
        event.stop()
        self._enter()

    def _enter(self, *, list: bool = False) -> None:
        if self._wrong:
            return
        typed = self.query_one(Seeking).value
        if not typed.strip():
            self._close()
            return
        self._finder.typed = typed if self.mode == "find" else self._finder.typed
        self._finder.remember(typed)
        self._stand(typing=False, stands=self.mode == "find")
        self.post_message(self.Entered(self.mode, list=list))
        self.sync()

    def on_seeking_wanted(self, event: Seeking.Wanted) -> None:
        """A key that is not text."""
        event.stop()
        match event.what:
            case "close":
                self._close()
            case "list":
                if self.mode == "find" and self._finder.hits:
                    self._enter(list=True)
            case what:
                self._earlier(-1 if what == "earlier" else 1)

    def _earlier(self, step: int) -> None:
        history = self._finder.history
        if self._at == len(history):
            self._draft = self.query_one(Seeking).value
        self._at = min(max(self._at + step, 0), len(history))
        self._type(history[self._at] if self._at < len(history) else self._draft)
        self._ask(self.query_one(Seeking).value)
        self.sync()

    def _type(self, line: str) -> None:
        field = self.query_one(Seeking)
        with field.prevent(Input.Changed):
            field.value = line
        field.cursor_position = len(line)

    # What it says --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Say what came of it."""
        cells = self.size.width
        if not self.is_mounted or not self.has_class("-stands") or not cells:
            return
        self._take_place(True)
        self.query_one("#find-sign", Lines).show([Line().add(f"  {self.mode:<8}", "ink bold")])
        self.query_one("#find-count", Lines).show([Line().add(right(self._counted(), _COUNT - _MARGIN), "ink-2")])
        self.query_one("#find-shown", Lines).show([self._shown(cells)])
        self.query_one("#find-keys", Lines).show(*self._keys(cells))

    def _counted(self) -> str:
        if self._wrong:
            return ""
        shown, total = self._view.filtered, self._view.run.subcalls + 1
        if self.mode == "filter":
            return "" if shown is None else f"{len(shown.fits):,} of {total:,} rows"
        return self._finder.count

    def _shown(self, cells: int) -> Line:
        """What is looked for and which hit is shown, while letters do not type."""
        g, finder = self._view.glyphs, self._finder
        hit = finder.hits[finder.at] if 0 <= finder.at < len(finder.hits) else None
        end = Line()
        if hit is not None:
            end.add(f"{finder.at + 1:,} of ", "ink-2")
        end.add(finder.count, "ink-2")
        line = Line().add("  find    ", "ink bold").add(" ")
        line.add(cut(clean(finder.typed.strip()), max(8, cells // 3), g.ellipsis), "ink")
        if hit is not None:
            parts = (self._view.label(hit.row), found.name(self._view, hit), found.text_name(hit) or clean(hit.head))
            said = f" {g.sent} ".join(part for part in parts if part)
            line.add("   ").add(cut(said, max(0, cells - line.width - end.width - 4), g.ellipsis), "ink-2")
        line.fill(cells - end.width - _MARGIN)
        line.spans += end.spans
        return line.cut(cells, g.ellipsis).fill(cells)

    def _keys(self, cells: int) -> tuple[list[Line], list[Target]]:
        g, narrow = self._view.glyphs, self._view.size == "narrow"
        said, ink = self._sentence()
        if self.typing:
            pairs: list[Pair] = [("enter", "keep" if self.mode == "filter" else "go there", "")]
            pairs += [("tab", "list", "")] if self.mode == "find" else []
            pairs += [("up", "before", ""), ("esc", "show all" if self.mode == "filter" else "end", "")]
        else:
            pairs = [
                (".", "next", "next_hit"), (",", "previous", "previous_hit"), ("L", "list", "hits"),
                ("/", "change", "find"), ("esc", "end", "back"),
            ]  # fmt: skip
        if self.typing and (ink == "error" or (said and not self.query_one(Seeking).value)):
            # What is wrong, and what can be typed, need the room.
            pairs = pairs[-1:]
        elif narrow and said:
            pairs = [pair for pair in pairs if pair[1] not in ("before", "list", "change")]
        end, targets = Line(), list[Target]()
        write(end, targets, 0, pairs, word="ink-2")
        line = Line(ground="on-raised").add("  ")
        line.add(cut(said, max(0, cells - end.width - 2 * _MARGIN - 2), g.ellipsis), ink)
        start = max(line.width, cells - end.width - _MARGIN)
        line.fill(start)
        line.spans += end.spans
        moved = [Target(0, start + t.start, start + t.stop, t.action) for t in targets if t.action]
        return [line.cut(cells, g.ellipsis).fill(cells)], moved

    def _sentence(self) -> tuple[str, str]:
        """What is wrong, what came of it, or what can be typed."""
        finder = self._finder
        if self._wrong and self.typing:
            return clean(self._wrong), "error"
        hit = finder.hits[finder.at] if 0 <= finder.at < len(finder.hits) else None
        if hit is not None and not self.typing and (hit.offset >= CAP or hit.line > LINES):
            return "This is beyond what a pane lays out of a text; y copies all of it.", "ink-2"
        if finder.told and self.mode == "find":
            return clean(finder.told), "ink-2"
        if finder.missing and self.mode == "find":
            gone = count(finder.missing, "text is", "texts are")
            return f"{gone} missing, and not searched.", "error"
        if self.typing and not self.query_one(Seeking).value:
            return _SHORT_HINT if self._view.size == "narrow" else _HINT, "ink-3"
        return "", "ink-3"
