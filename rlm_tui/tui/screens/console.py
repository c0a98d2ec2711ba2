"""A console on one node's REPL: what was evaluated there, whole, and lines of a person's with history and names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import TextArea

from rlm_tui.tui import ladder, words
from rlm_tui.tui.bridge import Answer, Bridge
from rlm_tui.tui.drafts import SAVE_AFTER, Drafts
from rlm_tui.tui.rows import evaluated
from rlm_tui.tui.rows.layout import Layout, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import beginning, clean, cut, pad, width
from rlm_tui.tui.typed import Typed
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.console import Field, indent, stem
from rlm_tui.tui.widgets.editor import unfinished
from rlm_tui.tui.widgets.footer import Pair, write
from rlm_tui.tui.widgets.inspector import TextPane
from rlm_tui.tui.widgets.lines import Lines, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlm_tui.debugger.likeness import Looked, SessionLike

TALLEST = 8
"""Rows of the field."""
NOTHING = "Nothing was evaluated here yet. enter runs what you type; ? before it only looks."
LOOKS = ("looks only, in a copy", "ink-3")
RECORDS = ("recorded, it may change things", "human")
OFFERED_ROWS = 4
"""Rows of words when several fit."""
PARTS = tuple(f"#console-{part}" for part in ("title", "text", "line", "sign", "field", "offers", "keys"))
FIELD = "console"
"""The field of the draft of what was typed and not run."""


class ConsoleScreen(Screen[None]):
    """The console of one node.

    Args:
        view: For what was evaluated.
        session: Evaluates.
        bridge: Brings what came of it.
        node: The node's address.
        drafts: Keeps what was typed and not run.
        looked: What was looked at in this run, oldest first; lives longer than the screen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", priority=True, show=False),
        Binding("ctrl+c", "stop", priority=True, show=False),
        Binding("pageup", "turn(-1)", priority=True, show=False),
        Binding("pagedown", "turn(1)", priority=True, show=False),
    ]

    def __init__(
        self, view: View, session: SessionLike, bridge: Bridge, node: str, drafts: Drafts, looked: list[str]
    ) -> None:
        super().__init__(id="console")
        self._view = view
        self._session = session
        self._bridge = bridge
        self._node = node
        self._drafts = drafts
        self._looked = looked
        self._typed = Typed("")
        self._layout = Layout()
        self._shown: tuple[object, ...] = ()
        self._at = 0
        self._left = ""
        """What was being typed when another entry took its place."""
        self._sought: str | None = None
        self._left_at = 0
        """Where the transcript was last scrolled to by itself."""
        self._said = ""
        self._offered: Sequence[str] = ()
        self._offered_at = ""
        """What stood in the field when several words were named."""
        self._waiting = False
        self._save: Timer | None = None

    def compose(self) -> ComposeResult:
        """What was evaluated, over a sign and the field, over the words that fit and the keys."""
        yield Lines(id="console-title")
        pane = TextPane(id="console-text")
        pane.can_focus = False
        yield pane
        with Horizontal(id="console-line"):
            yield Lines(id="console-sign")
            left = self._drafts.get((self._node, FIELD)) or ""
            yield Field(self._typed.encode(left), written="python", id="console-field")
        yield Lines(id="console-offers")
        yield Lines(id="console-keys")

    def on_mount(self) -> None:
        """Type, and keep up with what comes."""
        self._at = len(self._history())
        field = self.query_one(Field)
        field.focus()
        field.move_cursor(field.document.end)
        self.set_interval(0.1, self.sync)
        self.call_after_refresh(self.sync)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new width."""
        self.call_after_refresh(self.sync)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """What it would do follows what is typed; nothing typed is lost."""
        typed = self.text
        if typed:
            self._drafts.put((self._node, FIELD), typed)
        elif (self._node, FIELD) in self._drafts:
            self._drafts.drop((self._node, FIELD))
        if typed != self._offered_at:
            self._said, self._offered = "", ()
        if self._save is not None:
            self._save.stop()
        self._save = self.set_timer(SAVE_AFTER, self._keep)
        self.sync()

    def _keep(self) -> None:
        self._said = self._drafts.save() or self._said

    def on_unmount(self) -> None:
        """However this ends, what was typed is kept."""
        self._drafts.save()

    @property
    def text(self) -> str:
        """What is typed, every character as it was typed or pasted."""
        return self._typed.decode(self.query_one(Field).text)

    def _type(self, text: str) -> None:
        field = self.query_one(Field)
        field.text = self._typed.encode(text)
        field.move_cursor(field.document.end)

    # What it shows -----------------------------------------------------------------------------------------------

    @property
    def _stands(self) -> bool:
        """Whether it is still whole: an answer may come to one that was left, whose parts go one by one."""
        return all(self.query(part) for part in PARTS)

    @property
    def _looks(self) -> bool:
        return self.text.lstrip().startswith("?")

    @property
    def _busy(self) -> bool:
        """Whether something of a person's runs here, also what was begun before this was opened."""
        return self._waiting or any(block.status == "open" for block in evaluated.by_hand(self._view, self._node))

    def sync(self) -> None:
        """Show what has come, the newest in sight; and what the field would do."""
        if not self._stands or not self.size.width:
            return
        field, cells = self.query_one(Field), self.size.width
        rows = min(max(1, field.document.line_count), TALLEST, max(1, self.size.height - 6))
        if self.query_one("#console-line").styles.height != rows:
            self.query_one("#console-line").styles.height = rows
        sign = Line().add(" ? " if self._looks else " ! ", "ink-2 bold" if self._looks else "human bold")
        self.query_one("#console-sign", Lines).show([sign])
        self.query_one("#console-title", Lines).show([self._title(cells)])
        self.query_one("#console-keys", Lines).show(*self._keys(cells))
        offers = self._offers(cells)
        if self.query_one("#console-offers").styles.height != len(offers):
            self.query_one("#console-offers").styles.height = len(offers)
        self.query_one("#console-offers", Lines).show(offers)
        self._paint_text()

    def _offers(self, cells: int) -> list[Line]:
        """The words that fit, in columns; how many more there are when there is no room for all."""
        if not self._offered:
            return []
        room = min(max(map(width, self._offered)) + 3, max(8, cells - 6))
        many = max(1, (cells - 4) // room)
        fitting = self._offered[: many * OFFERED_ROWS]
        made: list[Line] = []
        for n in range(0, len(fitting), many):
            row = "".join(pad(clean(word), room, self._view.glyphs.ellipsis) for word in fitting[n : n + many])
            made.append(Line().add("   ").add(row.rstrip(), "ink-2"))
        if more := len(self._offered) - len(fitting):
            made.append(Line().add(f"   {more} more; type on", "ink-3"))
        return [line.cut(cells, self._view.glyphs.ellipsis) for line in made]

    def _paint_text(self) -> None:
        pane = self.query_one("#console-text", TextPane)
        if not pane.cells:
            return
        now = (self._view.version, pane.cells, len(self._view.looks.get(self._node, ())), pane.size.height)
        if now == self._shown:
            return
        # Who has scrolled up reads there, and is not moved.
        follows = pane.at_end or pane.scroll_offset.y == self._left_at
        self._shown = now
        lines = evaluated.transcript(self._view, self._layout, self._node, pane.cells)
        if not lines:
            lines = sentence(NOTHING, pane.cells)
        # What is short stands at the bottom, where the eye is.
        lines = [Line()] * max(0, pane.scrollable_content_region.height - len(lines)) + lines
        pane.show(lines, None)
        if follows:
            self.call_after_refresh(self._go_to_end)

    def _go_to_end(self) -> None:
        """The newest in sight, once there is room laid out for it."""
        if self._stands:
            pane = self.query_one("#console-text", TextPane)
            pane.scroll_to(y=len(pane.lines), animate=False, force=True, immediate=True)
            self._left_at = pane.scroll_offset.y

    def _title(self, cells: int) -> Line:
        g, held = self._view.glyphs, self._view.held_in(self._node)
        where = words.where(held) if held is not None else "not held"
        end = f" {where} "
        path = f" {g.path} ".join(self._view.path(self._node))
        line = Line().add(f"{g.heavy} ", "ink-2")
        line.add(cut(f"console of {path}", max(8, cells - 6 - width(end)), g.ellipsis), "ink bold").add(" ")
        line.add(g.heavy * max(0, cells - line.width - width(end) - 1), "ink-2")
        line.add(end, "held-text" if held is not None else "ink-3")
        return line.add(g.heavy, "ink-2").cut(cells, g.ellipsis)

    def _keys(self, cells: int) -> tuple[list[Line], list[Target]]:
        g = self._view.glyphs
        if self._said:
            line = Line(ground="on-raised").add("  ").add(cut(clean(self._said), cells - 4, g.ellipsis), "ink-2")
            return [line.fill(cells)], []
        if self._busy:
            stopping = self._session.ladder(self._node)
            harder = "kill the REPL and rebuild it" if stopping.next == "kill" else "stop it"
            pairs: list[Pair] = [*([("ctrl+c", harder, "stop")] if stopping.next else []), ("esc", "back", "leave")]
            says, ink = ladder.asked(stopping, "it") or "running", "live"
        else:
            pairs = [
                ("enter", "look" if self._looks else "run", "enter"), ("tab", "name", "complete"),
                ("ctrl+j", "new line", ""), ("up", "before", ""), ("esc", "back", "leave"),
            ]  # fmt: skip
            says, ink = LOOKS if self._looks else RECORDS
        targets: list[Target] = []
        line = Line(ground="on-raised").add("  ")
        write(line, targets, 0, pairs)
        while line.width + width(says) + 4 > cells and len(pairs) > 2:
            pairs, targets = [*pairs[:-2], pairs[-1]], []
            line = Line(ground="on-raised").add("  ")
            write(line, targets, 0, pairs)
        line.fill(cells - width(says) - 2).add(says, ink)
        return [line.cut(cells, g.ellipsis).fill(cells)], targets

    def on_lines_pressed(self, event: Lines.Pressed) -> None:
        """A key's words were clicked."""
        if event.action:
            self.call_next(self.run_action, event.action)

    # What it does ------------------------------------------------------------------------------------------------

    def action_enter(self) -> None:
        """Run what is typed when it is complete, as Python's own prompt has it; else begin another line."""
        typed, looks = self.text, self._looks
        code = typed.strip().removeprefix("?").strip()
        if self._busy or not code:
            return
        if not looks and unfinished(typed):
            self.query_one(Field).insert("\n" + indent(typed))
            return
        self._waiting, self._said = True, ""
        came = partial(self._came, typed, code)
        if looks:
            self._bridge.ask(self._session.look(self._node, code), came)
        else:
            self._bridge.ask(self._session.evaluate(self._node, typed.strip("\n")), came)
        self.sync()

    def _came(self, typed: str, code: str, found: Looked | Answer) -> None:
        self._waiting = False
        if isinstance(found, str):
            self._said = found
        else:
            if found is not None:
                self._looked.append(f"?{code}")
                self._view.looked(self._node, evaluated.look(self._view, self._node, code, found))
            if self._drafts.get((self._node, FIELD)) == typed:
                self._drafts.drop((self._node, FIELD))
            if self._stands and self.text == typed:
                self._type("")
        if self._stands:
            self._at, self._left, self._sought = len(self._history()), "", None
            self.sync()

    def action_stop(self) -> None:
        """Stop what runs; what is marked is copied."""
        if self._busy:
            self._bridge.ask(self._session.harder(self._node), self._answered)
        elif marked := self.query_one(Field).selected_text:
            # Lone surrogates cannot be sent to a terminal.
            said = self._typed.decode(marked).encode("utf-8", "replace").decode()
            self.app.copy_to_clipboard(said)  # pyright: ignore[reportUnknownMemberType]

    def _answered(self, answer: Answer) -> None:
        self._said = answer or ""
        self.sync()

    def action_turn(self, step: int) -> None:
        """What was evaluated, up or down by the height of its pane."""
        self.query_one("#console-text", TextPane).action_turn(step)

    def action_leave(self) -> None:
        """Back to the run; what was typed is still there the next time."""
        self.dismiss(None)

    # History and names -------------------------------------------------------------------------------------------

    def _history(self) -> list[str]:
        """What was evaluated in this run, in whichever node, then what was looked at; oldest first, each once."""
        ran = [block for node in self._view.run.nodes for block in evaluated.by_hand(self._view, node)]
        entries = [self._view.text(block.code) for block in sorted(ran, key=lambda block: block.seq)]
        return list(dict.fromkeys(reversed([*entries, *self._looked])))[::-1]

    def on_field_earlier(self, event: Field.Earlier) -> None:
        """Through the history."""
        event.stop()
        self._earlier(event.step)

    def _earlier(self, step: int) -> None:
        """The entry before, or the one after; after the newest one, what was being typed."""
        entries = self._history()
        self._at, self._sought = min(self._at, len(entries)), None
        to = min(max(self._at + step, 0), len(entries))
        if to == self._at:
            return
        if self._at == len(entries):
            self._left = self.text
        self._at = to
        self._type(entries[to] if to < len(entries) else self._left)

    def action_seek(self) -> None:
        """The newest entry that has in it what was typed; once more, the one before that."""
        entries = self._history()
        if self._sought is None or self._at >= len(entries) or self.text != entries[self._at]:
            self._sought, self._left, self._at = self.text, self.text, len(entries)
        sought = self._sought.lower()
        fitting = [n for n, entry in enumerate(entries[: self._at]) if sought in entry.lower() and entry != self.text]
        if not fitting:
            said = "Nothing more" if self._at < len(entries) else "Nothing"
            self._said = f"{said} was evaluated or looked at with this in it."
            self.sync()
            return
        self._at = fitting[-1]
        self._type(entries[self._at])

    def action_complete(self) -> None:
        """The rest of the name before the cursor; at the beginning of a line, an indent."""
        field = self.query_one(Field)
        row, column = field.cursor_location
        before = field.document.get_line(row)[:column]
        if not before.strip():
            field.insert(" " * 4)
            return
        code = "\n".join([*(field.document.get_line(n) for n in range(row)), before])
        code = self._typed.decode(code)
        ask = self._session.complete(self._node, code, len(code))
        self._bridge.ask(ask, partial(self._completed, field.text))

    def _completed(self, typed: str, found: Sequence[str] | str) -> None:
        if not self._stands or (field := self.query_one(Field)).text != typed:
            return
        if isinstance(found, str):
            self._said = found
        else:
            row, column = field.cursor_location
            before = field.document.get_line(row)[:column]
            there = stem(before, found)
            field.insert(beginning(found)[len(there) :])
            self._offered = found if len(found) > 1 else ()
            self._offered_at = self.text
        self.call_after_refresh(self.sync)
