"""What was found: where in the panes it is, which words of a text are marked, and how it is called."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_tui.journal import address
from rlm_tui.journal.query import Words, lowered
from rlm_tui.journal.search import Hit
from rlm_tui.tui import text
from rlm_tui.tui.rows.line import Line, Span

if TYPE_CHECKING:
    from rlm_tui.tui.view import View

AROUND = 120
"""Characters of a line, on both sides of a match, by which the match is found again among the lines of a pane."""

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Found:
    """What is looked for, and the hit that is shown.

    Attributes:
        words: What is marked wherever it is seen.
        hit: The one that was gone to; None before that.
    """

    words: tuple[Words, ...] = ()
    hit: Hit | None = None


@dataclass(frozen=True, slots=True)
class Filtered:
    """Which rows of the tree are shown.

    Attributes:
        text: The query.
        rows: Keys of the rows shown.
        fits: Addresses of those that fit; the others are on the way to one.
    """

    text: str
    rows: frozenset[str]
    fits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a hit is seen.

    Attributes:
        node: What the trajectory is to show.
        item: The row of it.
        tab: The name of the inspector's tab; empty for the first.
        variable: The variable to stand on, if it is one.
    """

    node: str
    item: str | None
    tab: str = ""
    variable: str | None = None


def place(view: View, hit: Hit) -> Place:
    """Where to look to see a hit."""
    from rlm_tui.tui.selection import ANSWER, OBS

    run = view.run
    tab = "Messages" if hit.kind == "reply" and hit.field in ("system", "prompt") else ""
    match hit.kind:
        case "note":
            return _noted(view, hit.id)
        case "final":
            return Place(hit.row, hit.row + ANSWER)
        case "observe":
            return Place(hit.row, hit.id + OBS)
        case "variable":
            return Place(hit.row, hit.id, "Variables", str(hit.source))
        case "block" | "eval":
            return Place(hit.row, hit.id, "Output" if hit.field in ("output", "error") else "")
        case "reply":
            return Place(hit.row, address.parent(hit.id) if address.is_sample(hit.id) else hit.id, tab)
        case _:
            pass
    call = run.calls.get(hit.id)
    if call is None:
        return Place(hit.row, None)
    if hit.field in ("answer", "error", "reasoning") and call.node is None:
        return Place(hit.id, hit.id + ANSWER if call.status != "open" else hit.id)
    return Place(address.node_of(call.block.id), hit.id)


def _noted(view: View, id: str) -> Place:
    from rlm_tui.tui.selection import ANSWER, OBS

    base = id.removesuffix(OBS).removesuffix(ANSWER)
    call = view.run.calls.get(base)
    if id == base and call is not None:
        return Place(address.node_of(call.block.id), id, "Notes")
    return Place(address.node_of(base), None if base == id and base in view.run.nodes else id, "Notes")


def name(view: View, hit: Hit) -> str:
    """What a hit is in, in a word or two: ``block 1 of i2``."""
    run, where = view.run, ""
    owner = address.parent(hit.id) if address.is_sample(hit.id) else hit.id
    iteration = view.iteration_of(owner) if owner in run.blocks or owner in run.iterations else None
    if iteration is not None:
        where = f" of i{iteration.k}" if iteration.k else " of the default answer"
    match hit.kind:
        case "block":
            number = address.number(hit.id)
            return (f"block {number}" if number else "inserted code") + where
        case "variable":
            return f"block {address.number(hit.id)}{where}" if address.number(hit.id) else f"evaluation{where}"
        case "eval":
            return f"evaluation{where}"
        case "observe":
            return f"observation{where}"
        case "reply":
            return (f"further reply{where}" if owner != hit.id else f"reply{where}") if where else "reply"
        case "final":
            return "answer"
        case "note":
            return "note"
        case _:
            return "question" if hit.id not in run.calls else hit.kind


def text_name(hit: Hit) -> str:
    """Which text of it, where that is not said by what it is, and the line: ``output, line 12``; empty without one."""
    if not hit.line:
        return ""
    own = {"final": "answer", "rlm": "prompt", "llm": "prompt"}.get(hit.kind, hit.kind)
    return f"line {hit.line:,}" if hit.field == own else f"{hit.field}, line {hit.line:,}"


# Marking -------------------------------------------------------------------------------------------------------------


def mark(lines: list[Line], words: tuple[Words, ...], here: int | None = None) -> list[Line]:
    """Lines with every word that is looked for marked.

    Args:
        lines: The lines of a pane.
        words: What is looked for.
        here: The line of the hit that is shown.
    """
    if not words:
        return lines
    return [_marked(line, words, "found-here" if n == here else "found") for n, line in enumerate(lines)]


def shown(view: View, lines: list[Line]) -> tuple[list[Line], int | None]:
    """The lines of the inspector with what is looked for marked, and the line of the hit when it is among them."""
    looked = view.found
    if looked is None:
        return lines, None
    hit, at = looked.hit, None
    if hit is not None and place(view, hit).item == view.item:
        at = row_of(view, lines, hit)
    return mark(lines, looked.words, at), at


def _marked(line: Line, words: tuple[Words, ...], paint: str) -> Line:
    whole = line.plain
    spots = _spots(whole, words)
    if not spots:
        return line
    made = Line(ground=line.ground)
    at = 0
    for piece, ink in line.spans:
        # A line number is not what was said.
        number = ink == "ink-3" and piece.strip().isdigit()
        made.spans += [(piece, ink)] if number else _split(piece, ink, at, spots, paint)
        at += len(piece)
    return made


def _spots(whole: str, words: tuple[Words, ...]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    low = lowered(whole)
    for one in words:
        if one.pattern is not None:
            found += [match.span() for match in one.pattern.finditer(whole) if match.group()]
            continue
        at = low.find(one.text)
        while at >= 0:
            found.append((at, at + len(one.text)))
            at = low.find(one.text, at + len(one.text))
    return sorted(found)


def _split(piece: str, ink: str, start: int, spots: list[tuple[int, int]], paint: str) -> list[Span]:
    made: list[Span] = []
    at = 0
    for begin, end in spots:
        first, last = max(begin - start, at), min(end - start, len(piece))
        if first >= last:
            continue
        made += [(piece[at:first], ink)] if first > at else []
        made.append((piece[first:last], paint))
        at = last
    return [*made, (piece[at:], ink)] if at < len(piece) else made


def row_of(view: View, lines: list[Line], hit: Hit) -> int | None:
    """The line of a pane in which a hit is seen; None when it is not there.

    Wrapping, numbers and margins are looked past: what is compared are the characters that are no white space.

    Args:
        view: Gives the whole text.
        lines: The lines of the pane.
        hit: The hit.
    """
    if not hit.line:
        return None
    whole = view.text(hit.source)
    start, end = whole.rfind("\n", 0, hit.offset) + 1, whole.find("\n", hit.offset)
    end = len(whole) if end < 0 else end
    begin = max(start, hit.offset - AROUND)
    wanted = _dense(whole[begin : min(end, hit.offset + AROUND)])
    before = len(_dense(whole[begin : hit.offset]))
    word = _dense(whole[hit.offset : hit.offset + hit.length])
    nth = _dense(whole[:begin]).count(wanted) if len(whole) < 1_000_000 and wanted else 0
    starts: list[int] = []
    pieces: list[str] = []
    at = 0
    for line in lines:
        starts.append(at)
        pieces.append(_said(line))
        at += len(pieces[-1])
    dense = "".join(pieces)
    for target, offset in ((wanted, before), (word, 0)):
        found = _nth(dense, target, nth) if target else -1
        if found >= 0:
            return bisect_right(starts, found + offset) - 1
    return None


def _nth(dense: str, target: str, nth: int) -> int:
    """Where the n-th occurrence is, from 0; the last one where there are fewer."""
    found = at = dense.find(target)
    while nth > 0 and at >= 0:
        at = dense.find(target, at + 1)
        found = at if at >= 0 else found
        nth -= 1
    return found


def _said(line: Line) -> str:
    """The characters of a line, its number left out."""
    spans = line.spans
    if spans and spans[0][1] in ("ink-3", "ink-2") and spans[0][0].strip().isdigit():
        spans = spans[1:]
    return _SPACE.sub("", "".join(piece for piece, _ in spans))


def _dense(raw: str) -> str:
    return _SPACE.sub("", text.clean(raw.replace("\n", " ").replace("\t", " ").replace("\r", " ")))
