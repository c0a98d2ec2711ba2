"""Two texts against one another, line by line: side by side where there is room, else one under the other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

from rlm_tui.tui import text
from rlm_tui.tui.rows.code import coloured, plain_spans
from rlm_tui.tui.rows.layout import wrap_spans
from rlm_tui.tui.rows.line import Line, Span
from rlm_tui.tui.view import View

AROUND = 3
"""Equal lines that are shown before and after a difference; of longer stretches only how many there are."""
MATCHED = 1_000_000
"""Lines times lines that are matched; more is shown as all of it replaced, because matching would take seconds."""
GUTTER = 3
"""Cells between the two sides, with the sign in the middle."""
LABEL = 9
"""Cells of the name of a part."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a thing, as two runs have it.

    Attributes:
        name: What it is: ``code``, ``output`` …
        left: The left run's text; None when it has none.
        right: The right run's.
        code: Whether it is coloured as code.
        edited: Whether a person changed the right one.
    """

    name: str
    left: str | None
    right: str | None
    code: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One line of either, or the same line of both, by number from 0; `gap` equal lines that are left out.

    Attributes:
        left: The left line; None where it has none.
        right: The right line.
        same: Whether they are the same.
        gap: How many equal lines stand here instead.
    """

    left: int | None
    right: int | None
    same: bool
    gap: int = 0


def matches(left: Sequence[str], right: Sequence[str], *, all: bool = False) -> Iterator[Match]:
    """The lines of two texts beside one another.

    Args:
        left: The lines of the one.
        right: Those of the other.
        all: Whether every equal line is told of.
    """
    stretches = list(_stretches(left, right))
    for n, (same, a, b, c, d) in enumerate(stretches):
        if not same:
            for x, y in zip_longest(range(a, b), range(c, d)):
                yield Match(x, y, same=False)
            continue
        before = AROUND if n else 0
        after = AROUND if n + 1 < len(stretches) else 0
        gap = b - a - before - after
        if all or gap <= 1:
            before, gap, after = b - a, 0, 0
        yield from (Match(a + k, c + k, same=True) for k in range(before))
        if gap:
            yield Match(None, None, same=True, gap=gap)
        yield from (Match(b - k, d - k, same=True) for k in range(after, 0, -1))


def _stretches(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Whether equal, and the bounds in both. What both begin and end with is not matched: it is equal."""
    short = min(len(left), len(right))
    start = next((n for n in range(short) if left[n] != right[n]), short)
    short -= start
    tail = next((n for n in range(short) if left[-1 - n] != right[-1 - n]), short)
    a, c = len(left) - tail, len(right) - tail
    if start:
        yield True, 0, start, 0, start
    yield from _joined(_middle(left[start:a], right[start:c], start))
    if tail:
        yield True, a, len(left), c, len(right)


def _middle(left: Sequence[str], right: Sequence[str], at: int) -> Iterator[tuple[bool, int, int, int, int]]:
    if not left and not right:
        return
    if len(left) * len(right) > MATCHED:
        yield False, at, at + len(left), at, at + len(right)
        return
    for tag, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        yield tag == "equal", at + a, at + b, at + c, at + d


def _joined(stretches: Iterator[tuple[bool, int, int, int, int]]) -> Iterator[tuple[bool, int, int, int, int]]:
    """Neighbours that both differ as one stretch."""
    waiting: tuple[bool, int, int, int, int] | None = None
    for one in stretches:
        if waiting is not None and not waiting[0] and not one[0]:
            waiting = (False, waiting[1], one[2], waiting[3], one[4])
            continue
        if waiting is not None:
            yield waiting
        waiting = one
    if waiting is not None:
        yield waiting


# Drawing -------------------------------------------------------------------------------------------------------------


def halves(cells: int) -> tuple[int, int]:
    """Cells of the left side and of the right one, of a row with the sign between them."""
    left = (cells - GUTTER) // 2
    return left, cells - GUTTER - left


def sign(view: View, same: bool) -> Line:
    """The sign in the gutter, with a space at either side."""
    g = view.glyphs
    return Line().add(f" {'=' if same else g.differs} ", "ink-3" if same else "ink bold")


def beside(left: Line, middle: Line, right: Line, cells: int, ellipsis: str = "…") -> Line:
    """Two lines as one row of so many cells, each on its own ground."""
    mine, theirs = halves(cells)
    row = Line()
    for line, room in ((left, mine), (middle, GUTTER), (right, theirs)):
        whole = line.cut(room, ellipsis).fill(room)
        row.spans += [(piece, f"{words} {line.ground}" if line.ground else words) for piece, words in whole.spans]
    return row


def lines(view: View, parts: Sequence[Part], cells: int, *, split: bool, all: bool = False) -> list[Line]:
    """The parts of a thing, each with its name.

    Args:
        view: For the signs.
        parts: The parts.
        cells: The width.
        split: Whether the two stand side by side.
        all: Whether every equal line is shown.
    """
    made: list[Line] = []
    long = False
    for part in parts:
        if long:
            made.append(Line())
        short = _short(view, part, cells, split)
        long = short is None
        made += _long(view, part, cells, split, all) if short is None else short
    return [line.fill(cells) for line in made]


def _short(view: View, part: Part, cells: int, split: bool) -> list[Line] | None:
    """A part of one line in either, beside its name; None when it is longer than that."""
    room = (halves(cells)[0] if split else cells) - LABEL - 5
    said = [None if each is None else each.strip("\n") for each in (part.left, part.right)]
    if any(
        each is not None and ("\n" in each or len(each) > room or text.width(text.clean(each)) > room) for each in said
    ):
        return None
    same = part.left == part.right
    left, right = (_named(view, part, each, same) for each in said)
    if split:
        return [beside(left, sign(view, same), right, cells, view.glyphs.ellipsis)]
    if same:
        return [left]
    rows = (("-", "ink-3", left, said[0]), ("+", _plus(part), right, said[1]))
    return [Line([(f"  {mark} ", ink), *line.spans[1:]]) for mark, ink, line, one in rows if one is not None]


def _named(view: View, part: Part, said: str | None, same: bool) -> Line:
    line = Line().add("    ").add(text.pad(part.name, LABEL), "ink-3")
    if said is None:
        return line.add(view.glyphs.dash, "ink-3")
    return line.add(text.clean(said) or "(empty)", "ink-3" if same or not said else "ink")


def _plus(part: Part) -> str:
    return "human bold" if part.edited else "ink bold"


def _long(view: View, part: Part, cells: int, split: bool, all: bool) -> list[Line]:
    into_lines = coloured if part.code else plain_spans
    left, right = (into_lines(text.fitting(each)) if each else [] for each in (part.left, part.right))
    mine, theirs = (["".join(piece for piece, _ in spans) for spans in side] for side in (left, right))
    two = _Two(part, left, right, max(2, len(str(max(len(left), len(right))))), cells)
    name = Line().add("    ").add(part.name, "ink-2")
    made = [beside(name, Line(), name, cells) if split else name]
    for same, group in groupby(matches(mine, theirs, all=all), key=lambda match: match.same):
        found = list(group)
        if split:
            made += [line for match in found for line in two.beside(view, match)]
        elif same:
            made += [line for match in found for line in two.equal(view, match)]
        else:
            made += [line for match in found for line in two.gone(match)]
            made += [line for match in found for line in two.come(match)]
    left_out = max(len(each or "") - len(text.fitting(each or "")) for each in (part.left, part.right))
    if left_out:
        made.append(Line().add(" " * (two.digits + 5)).add(f"{text.size(left_out)} more, not shown", "ink-3"))
    return made


@dataclass(frozen=True, slots=True)
class _Two:
    """Both texts of a part as painted lines, and how they are drawn."""

    part: Part
    left: list[list[Span]]
    right: list[list[Span]]
    digits: int
    cells: int

    def beside(self, view: View, match: Match) -> list[Line]:
        """A line of either, side by side."""
        if match.gap:
            said = self._gap(view, match)
            return [beside(said, sign(view, same=True), said, self.cells)]
        mine, theirs = halves(self.cells)
        minus, plus, ground = (
            ("", "", "") if match.same else ("-", "+", "on-human" if self.part.edited else "on-raised")
        )
        one = self._numbered(self.left, match.left, (minus, "ink bold", ground and "on-raised"), mine)
        other = self._numbered(self.right, match.right, (plus, _plus(self.part), ground), theirs)
        rows = enumerate(zip_longest(one, other, fillvalue=Line()))
        return [beside(a, Line() if n else sign(view, match.same), b, self.cells) for n, (a, b) in rows]

    def equal(self, view: View, match: Match) -> list[Line]:
        """A line that both have."""
        if match.gap:
            return [self._gap(view, match)]
        return self._numbered(self.right, match.right, ("", "ink-3", ""), self.cells)

    def gone(self, match: Match) -> list[Line]:
        """A line that only the left one has."""
        return self._numbered(self.left, match.left, ("-", "ink-3", ""), self.cells, "ink-3 strike")

    def come(self, match: Match) -> list[Line]:
        """A line that only the right one has."""
        ground = "on-human" if self.part.edited else "on-raised"
        return self._numbered(self.right, match.right, ("+", _plus(self.part), ground), self.cells)

    def _gap(self, view: View, match: Match) -> Line:
        said = f"{view.glyphs.ellipsis} {text.count(match.gap, 'equal line')}"
        return Line().add(" " * (self.digits + 5)).add(said, "ink-3")

    def _numbered(
        self, source: list[list[Span]], n: int | None, mark: tuple[str, str, str], cells: int, ink: str = ""
    ) -> list[Line]:
        """One line with its number and its sign, wrapped below itself; nothing where there is none."""
        if n is None:
            return []
        sign, words, ground = mark
        spans = [(piece, ink) for piece, _ in source[n]] if ink else source[n]
        made: list[Line] = []
        for k, row in enumerate(wrap_spans(spans, max(8, cells - self.digits - 6))):
            line = Line(ground=ground).add("  " + (str(n + 1) if k == 0 else "").rjust(self.digits), "ink-3")
            line.add(f" {sign if k == 0 and sign else ' '} ", words)
            line.spans += row
            made.append(line.fill(cells) if ground else line)
        return made


def as_text(parts: Sequence[Part]) -> str:
    """The parts as one text to take away: a unified difference of each."""
    made: list[str] = []
    for part in parts:
        left, right = ((each or "").split("\n") for each in (part.left, part.right))
        made += [f"--- {part.name}", f"+++ {part.name}"]
        for match in matches(left, right):
            if match.gap:
                made.append(f"@@ {text.count(match.gap, 'equal line')} @@")
            elif match.same:
                made.append(f" {left[match.left or 0]}")
            else:
                made += [] if match.left is None else [f"-{left[match.left]}"]
                made += [] if match.right is None else [f"+{right[match.right]}"]
    return "\n".join(made) + "\n"
