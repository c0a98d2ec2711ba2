"""Long texts as lines: wrapped, numbered, coloured, and kept, so that what did not change is not laid out again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from rlm_tui.journal.events import Blob, Text
from rlm_tui.tui import text
from rlm_tui.tui.rows.line import Line, Span
from rlm_tui.tui.view import View

KEPT = 200_000
"""Lines that are remembered, all texts together; the newest text is always."""


class Layout:
    """Lines of texts, remembered by text, width and manner."""

    def __init__(self) -> None:
        self._lines: OrderedDict[tuple[str, ...], list[Line]] = OrderedDict()
        self._count = 0

    def keep(self, key: tuple[str, ...], make: Callable[[], list[Line]]) -> list[Line]:
        """The lines for a key, made once."""
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = make()
            self._count += len(found)
            while self._count > KEPT and len(self._lines) > 1:
                _, gone = self._lines.popitem(last=False)
                self._count -= len(gone)
        else:
            self._lines.move_to_end(key)
        return found

    def text(self, view: View, value: Text, width: int, words: str = "ink", indent: int = 1) -> list[Line]:
        """A text in wrapped lines of plain paint; the whole is fetched only when it was not laid out before.

        Args:
            view: Where the whole text comes from.
            value: The text.
            width: Cells of the pane.
            words: How it is painted.
            indent: Empty cells at the left.
        """
        key = ("text", identity(value), str(width), words, str(indent))
        return self.keep(key, lambda: plain(view.text(value), width, words, indent))


def identity(value: Text) -> str:
    """What tells a text from every other: its hash where it has one, else itself."""
    return value.sha256 if isinstance(value, Blob) else value


def plain(whole: str, width: int, words: str = "ink", indent: int = 1) -> list[Line]:
    """A text in wrapped lines; beyond what is `text.fitting` it says how much there is more."""
    margin = " " * indent
    lines = [Line([(margin + row, words)]) for row in text.lay_out(whole, width - indent - 1)]
    if left := len(whole) - len(text.fitting(whole)):
        lines.append(Line([(f"{margin}{text.size(left)} more, not shown; y copies all of it", "ink-3")]))
    return lines


def wrap_spans(spans: Iterable[Span], cells: int) -> list[list[Span]]:
    """Pieces of one line in rows of at most so many cells, broken anywhere: code is not prose."""
    rows: list[list[Span]] = [[]]
    used = 0
    for piece, words in spans:
        rest = piece
        while rest:
            head = text.take(rest, cells - used) or ("" if used else rest[:1])
            if head:
                rows[-1].append((head, words))
                used += text.width(head)
                rest = rest[len(head) :]
            if rest:
                rows.append([])
                used = 0
    return rows


def columns(left: list[Line], right: list[Line], width: int, room: int) -> list[Line]:
    """Two texts side by side, as many lines as the longer one has.

    Args:
        left: The left one.
        right: The right one, laid out for its own width.
        width: Cells of the pane.
        room: Cells of the left column.
    """
    made: list[Line] = []
    for n in range(max(len(left), len(right))):
        first = left[n] if n < len(left) else Line()
        ground = first.ground
        line = first.cut(room - 2).fill(room - 2)
        spans = [(piece, f"{words} {ground}" if ground else words) for piece, words in line.spans]
        made.append(Line([*spans, ("  ", "ink"), *(right[n].spans if n < len(right) else [])]).cut(width))
    return made


def rule(view: View, name: str, width: int, end: str = "", end_ink: str = "ink-3") -> Line:
    """A thin rule with a name in it, and something at its right end."""
    g = view.glyphs
    tail = Line().add(f" {end} ", end_ink).add(g.thin, "rule-2") if end else Line()
    line = (
        Line().add(g.thin, "rule-2").add(" ").add(text.cut(name, width - tail.width - 6, g.ellipsis), "ink-2").add(" ")
    )
    line.add(g.thin * max(1, width - 1 - line.width - tail.width), "rule-2")
    line.spans += tail.spans
    return line


def sentence(words: str, width: int, ink: str = "ink-3") -> list[Line]:
    """A short sentence of ours, wrapped."""
    return [Line().add(" " + row, ink) for row in text.wrap(words, width - 2)]


def _wrapped(spans: list[Span], cells: int) -> list[list[Span]]:
    """A sentence is broken at its spaces, what has several inks anywhere."""
    if len(spans) != 1:
        return wrap_spans(spans, cells)
    said, ink = spans[0]
    return [[(row, ink)] for row in text.wrap(said, cells)]


def pairs(rows: Iterable[tuple[str, Line | str]], width: int, label: int = 11, ink: str = "ink-2") -> list[Line]:
    """Labels in one column, what they say in another, wrapped below itself."""
    lines: list[Line] = []
    for name, says in rows:
        spans = [(says, ink)] if isinstance(says, str) else says.spans
        for n, row in enumerate(_wrapped(spans, max(4, width - label - 2))):
            line = Line().add(" ").add(text.pad(name if n == 0 else "", label), "ink-3")
            line.spans += row
            lines.append(line)
    return lines
