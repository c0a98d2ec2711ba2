"""The line on which a person evaluates: under the decision bar, in the footer's place, with history and names."""

from __future__ import annotations

import re
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from rlm_tui.tui.rows.code import NAMES
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.standing import local_rows
from rlm_tui.tui.text import beginning, clean, cut
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.footer import write
from rlm_tui.tui.widgets.lines import Lines

_NAME = re.compile(r"[^\W\d]\w*\Z")
_MARGIN = 2


class Asking(Input):
    """The field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,ctrl+p", "earlier(-1)", show=False),
        Binding("down,ctrl+n", "earlier(1)", show=False),
        Binding("tab", "complete", show=False),
        Binding("escape", "close", show=False),
    ]

    class Wanted(Message):
        """A key that is not text.

        Attributes:
            what: ``earlier``, ``later``, ``complete`` or ``close``.
        """

        def __init__(self, what: str) -> None:
            self.what = what
            super().__init__()

    def action_earlier(self, step: int) -> None:
        """The line before, or the one after."""
        self.post_message(self.Wanted("earlier" if step < 0 else "later"))

    def action_complete(self) -> None:
        """The rest of the name before the cursor."""
        self.post_message(self.Wanted("complete"))

    def action_close(self) -> None:
        """Put the line away."""
        self.post_message(self.Wanted("close"))


class Prompt(Vertical):
    """The field, and below it what it does and its keys.

    Args:
        view: For the names that there are.

    Attributes:
        typing: Whether it is open, so that letters type.
    """

    class Asked(Message):
        """A line was entered.

        Attributes:
            node: Whose REPL is meant.
            code: The line, without the sign for looking.
            looks: Whether it is only looked at, in a copy.
        """

        def __init__(self, node: str, code: str, looks: bool) -> None:
            self.node, self.code, self.looks = node, code, looks
            super().__init__()

    class Closed(Message):
        """It was put away."""

    def __init__(self, view: View) -> None:
        super().__init__(id="prompt")
        self._view = view
        self._node = ""
        self._lines: list[str] = []
        self._at = 0
        self._said = ""
        self.typing = False

    def compose(self) -> ComposeResult:
        """A sign and the field, over the keys."""
        with Horizontal(id="prompt-line"):
            yield Lines([Line().add("  ! ", "human bold")], id="prompt-sign")
            field = Asking(id="prompt-input", compact=True)
            field.cursor_blink = False
            yield field
        yield Lines(id="prompt-keys")

    def open(self, node: str) -> None:
        """Take a line for a node's REPL; what was typed before and not entered is still there.

        Args:
            node: Its address.
        """
        self._node, self._said, self._at = node, "", len(self._lines)
        self._stand(True)
        self.query_one(Asking).focus()
        self.sync()

    def _stand(self, stands: bool) -> None:
        self.typing = stands
        self.set_class(stands, "-stands")
        self.screen.query_one("#footer").set_class(stands, "-away")

    def on_resize(self, event: events.Resize) -> None:
        """Fit the new width."""
        self.sync()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What the line would do follows what is typed."""
        event.stop()
        self._said = ""
        self.sync()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Ask."""
        event.stop()
        line = event.value.strip()
        looks, code = line.startswith("?"), line.removeprefix("?").strip()
        if not code:
            return
        self._lines = [*(other for other in self._lines if other != line), line]
        self._at = len(self._lines)
        self.query_one(Asking).value = ""
        self.post_message(self.Asked(self._node, code, looks))

    def on_asking_wanted(self, event: Asking.Wanted) -> None:
        """A key that is not text."""
        event.stop()
        match event.what:
            case "close":
                self._stand(False)
                self.post_message(self.Closed())
            case "complete":
                self._complete()
            case what:
                self._earlier(-1 if what == "earlier" else 1)

    def _earlier(self, step: int) -> None:
        if not self._lines:
            return
        self._at = min(max(self._at + step, 0), len(self._lines))
        self._type(self._lines[self._at] if self._at < len(self._lines) else "")

    def _complete(self) -> None:
        field = self.query_one(Asking)
        before, after = field.value[: field.cursor_position], field.value[field.cursor_position :]
        typed = _NAME.search(before)
        stem = typed.group() if typed else ""
        fitting = [name for name in self.names() if name.startswith(stem)] if stem else []
        if not fitting:
            return
        rest = beginning(fitting)[len(stem) :]
        self._type(before + rest + after, len(before + rest))
        self._said = "   ".join(fitting[:40]) if len(fitting) > 1 else ""
        self.call_after_refresh(self.sync)

    def _type(self, line: str, at: int | None = None) -> None:
        field = self.query_one(Asking)
        with field.prevent(Input.Changed):
            field.value = line
        field.cursor_position = len(line) if at is None else at
        self.sync()

    def names(self) -> list[str]:
        """The names that code here can use, those of a frame that stands among them; sorted."""
        node = self._view.run.nodes.get(self._node)
        held = self._view.held_in(self._node)
        here = local_rows(held) if held is not None and held.point == "line" else []
        found = {*NAMES, *(node.variables if node is not None else ()), *(row.name for row in here)}
        return sorted(name for name in found if name.isidentifier())

    def sync(self) -> None:
        """Say what the line would do."""
        if not self.is_mounted or not self.typing or not self.size.width:
            return
        looks = self.query_one(Asking).value.lstrip().startswith("?")
        sign = Line().add("  ? " if looks else "  ! ", "ink-2 bold" if looks else "human bold")
        self.query_one("#prompt-sign", Lines).show([sign])
        self.query_one("#prompt-keys", Lines).show([self._keys(looks, self.size.width)])

    def _keys(self, looks: bool, cells: int) -> Line:
        g = self._view.glyphs
        line = Line(ground="on-raised").add("    ")
        if self._said:
            return line.add(cut(clean(self._said), cells - 6, g.ellipsis), "ink-2").fill(cells)
        narrow = self._view.size == "narrow"
        says = "looks only, in a copy" if looks else "recorded" if narrow else "recorded, it may change things"
        pairs = [
            ("enter", "look" if looks else "run", ""),
            ("tab", "name", ""),
            ("up", "before", ""),
            ("esc", "back", ""),
        ]
        end = Line()
        if not looks:
            pairs = [("?", "looks only", ""), *pairs]
        write(end, [], 0, [pair for pair in pairs if not narrow or pair[0] != "up"], word="ink-2")
        line.add(cut(says, max(0, cells - end.width - 8), g.ellipsis), "ink-3" if looks else "human")
        line.fill(cells - end.width - _MARGIN)
        line.spans += end.spans
        return line.cut(cells, g.ellipsis).fill(cells)
