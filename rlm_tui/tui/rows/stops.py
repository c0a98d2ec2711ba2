"""The rows of the inbox and of the breakpoints: what is held, and what would hold, one line each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_tui.journal import address, events
from rlm_tui.journal.tree import Held
from rlm_tui.tui import text, words
from rlm_tui.tui.rows import brief, code, status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import in_hand
from rlm_tui.tui.view import View

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Breakpoint

LONGEST = 2_000
"""Characters of a line that is looked at for columns."""
TIME = 7
HITS = 6
FIRST = 5
"""Cells before a breakpoint's text."""

_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_PARTS = re.compile(
    r"\s*(?P<point>\*|\w+)\s*(?:@(?P<scope>.*?))?(?:\s+if\s+(?P<when>.*?))?(?:\s+(?P<often>every\s+\d+|once))?"
    r"(?:\s+do\s+(?P<then>.*))?\s*\Z"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """A breakpoint's line in columns."""

    point: str
    scope: str
    when: str
    then: str


def parts(line: str) -> Parts | None:
    """The columns of a line that has the shape of a breakpoint; None for any other."""
    # A word of the language inside a string is no word of the language.
    masked = _QUOTED.sub(lambda found: '"' * len(found.group()), line)
    found = _PARTS.match(masked) if len(line) <= LONGEST else None
    if found is None:
        return None
    at = {name: line[slice(*found.span(name))].strip() if found[name] else "" for name in found.groupdict()}
    then = " ".join(part for part in (at["often"], at["then"] or "hold") if part)
    return Parts(at["point"], at["scope"] or "anywhere", at["when"] or "always", then)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns of the breakpoints begin, in cells."""

    where: int
    when: int
    then: int
    hits: int

    @staticmethod
    def of(cells: int) -> Columns:
        """For a width."""
        hits = cells - HITS - 2
        then = max(34, min(int(cells * 0.66), hits - 16))
        return Columns(FIRST + 10, FIRST + (28 if cells >= 100 else 22), then, hits)


def heads(cells: int) -> Line:
    """The names of the columns."""
    at = Columns.of(cells)
    line = Line().fill(FIRST).add("stop at", "ink-3").fill(at.where).add("where", "ink-3").fill(at.when)
    line.add("when", "ink-3").fill(at.then).add("then", "ink-3").fill(at.hits).add(text.right("hits", HITS), "ink-3")
    return line.fill(cells)


def breakpoint(view: View, one: Breakpoint, cells: int, *, selected: bool, focused: bool) -> list[Line]:
    """A breakpoint's row, and below it what is wrong with it.

    Args:
        view: For the signs.
        one: The breakpoint.
        cells: The width.
        selected: Whether the cursor is here.
        focused: Whether the list takes keys.
    """
    g, at = view.glyphs, Columns.of(cells)
    sign, ink = (g.broken, "error") if one.error else (g.breakpoint, "ink") if one.on else (g.breakpoint_off, "ink-3")
    body, aside = ("ink", "ink-3") if one.on or one.error else ("ink-3", "ink-3")
    cursor = (g.cursor if focused else g.cursor_blurred) if selected else " "
    line = Line(ground=("on-cursor" if focused else "on-raised") if selected else "")
    line.add(cursor, "ink" if focused else "ink-3").add(" ").add(sign, ink).fill(FIRST)
    split = parts(one.text)
    hits = text.right(f"{one.hits:,}", HITS)
    if split is None:
        line.add(text.cut(text.one_line(one.text), at.hits - FIRST - 1, g.ellipsis), body)
    else:
        line.add(text.cut(text.one_line(split.point), at.where - FIRST - 1, g.ellipsis), body).fill(at.where)
        line.add(text.cut(where(view, split.scope), at.when - at.where - 1, g.ellipsis), aside).fill(at.when)
        _when(line, split.when, one.on, at.then - 1, g.ellipsis)
        line.fill(at.then).add(text.cut(text.one_line(split.then), at.hits - at.then - 1, g.ellipsis), body)
    line.fill(at.hits).add(hits, "ink" if one.hits and one.on else "ink-3")
    rows = [line.cut(cells, g.ellipsis).fill(cells)]
    if one.error:
        rows += [Line().fill(at.when).add(row, "error") for row in text.wrap(wrong(one), max(20, cells - at.when - 2))]
    return rows


def where(view: View, scope: str) -> str:
    """The scope of a breakpoint; what is in this run by its label instead of its address."""
    found = _QUOTED.search(scope)
    id = found.group()[1:-1] if found is not None else ""
    node = address.node_of(id)
    if not id or (node not in view.run.calls and node != address.ROOT):
        return text.one_line(scope)
    below = "below " if scope.startswith("subtree") else ""
    return below + words.joined(view.glyphs, view.label(node), id.removeprefix(node).strip("/"))


def _when(line: Line, condition: str, on: bool, stop: int, ellipsis: str) -> None:
    room = stop - line.width
    if condition == "always" or not on:
        line.add(text.cut(text.one_line(condition), room, ellipsis), "ink-3")
        return
    spans = code.coloured(condition)[0]
    line.spans += Line(list(spans)).cut(room, ellipsis).spans


def wrong(one: Breakpoint) -> str:
    """Why a breakpoint is off by itself, or none at all."""
    return f"off: {text.one_line(one.error)}"


def check(view: View, typed: str, one: Breakpoint, cells: int) -> list[Line]:
    """What is to be said of a line while it is typed: what it would do, or what is wrong and where.

    Args:
        view: For the signs.
        typed: The line so far.
        one: What it would be.
        cells: The width.
    """
    if not typed.strip():
        return [Line().fill(FIRST).add("llm reply block call return observe final error limit, or *", "ink-3")]
    if not one.error:
        return [Line().fill(FIRST).add("enter keeps it", "ink-3")]
    rows = text.wrap(text.one_line(one.error), max(20, cells - FIRST - 2))
    lines = [Line().fill(FIRST).add(row, "ink-2") for row in rows]
    if 0 <= one.at <= len(typed) and "\n" not in typed:
        # The field has a space before its text.
        lines.insert(0, Line().fill(FIRST + text.width(text.clean(typed[: one.at]))).add("^", "error"))
    return lines


# What is held --------------------------------------------------------------------------------------------------------


def held(view: View, one: Held, cells: int, *, selected: bool, focused: bool) -> Line:
    """One row of what is held: point, where, why, what, how long.

    Args:
        view: For labels and clocks.
        one: What is held.
        cells: The width.
        selected: Whether the cursor is here; only this row is filled.
        focused: Whether the list takes keys.
    """
    g = view.glyphs
    place = 18 if cells < 100 else 24
    why = 18 if cells < 100 else 30
    line = Line(ground="on-held" if selected else "")
    line.add((g.cursor if focused else g.cursor_blurred) if selected else " ", "held-text").add(" ")
    line.add(f"{g.held} ", "held-text bold")
    status.badge(line, status.point_words(one), selected)
    line.fill(15)
    where = words.joined(g, view.label(view.home_of(one)), words.i_k(one))
    line.add(text.cut(where, place - 2, g.ellipsis), "ink bold" if selected else "ink").fill(15 + place)
    line.add(text.cut(words.why(one), why - 2, g.ellipsis), "ink-2" if selected else "ink-3").fill(15 + place + why)
    said, ink = what(view, one)
    since = text.clock(view.clock() - one.since)
    line.add(text.cut(said, max(0, cells - TIME - 2 - line.width), g.ellipsis), ink).fill(cells - TIME - 1)
    return line.add(text.right(since, TIME), "ink-2").fill(cells)


def what(view: View, one: Held) -> tuple[str, str]:
    """What is held, in a few words, and its ink."""
    value = one.value
    match one.point:
        case "llm":
            return f"{text.count(len(value.get('messages', ())), 'message')}, not sent yet", "ink-2"
        case "reply":
            return brief.prose(events.head(in_hand(one, "text"))), "ink-2"
        case "block":
            block = view.run.blocks.get(one.id)
            source = events.head(view.code(block) if block is not None else in_hand(one, "code"))
            lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            return text.one_line(lines[0]) if lines else "no code", "ink-2"
        case "call":
            return text.one_line(events.head(in_hand(one, "prompt"))), "ink-2"
        case "error":
            return text.one_line(events.head(in_hand(one, "message"))), "error"
        case "limit":
            return words.limit(view.run, one), "ink-2"
        case "line":
            return words.standing(one), "ink-2"
        case _:
            return text.one_line(events.head(in_hand(one, "text"))), "ink-2"


def rule(view: View, digit: str, name: str, aside: str, cells: int, focused: bool) -> Line:
    """The title of a section in a rule, heavy where keys go."""
    g = view.glyphs
    sign, ink = (g.heavy, "ink-2") if focused else (g.thin, "rule-2")
    end = Line().add(f" {aside} ", "ink-3").add(sign, ink) if aside else Line()
    line = Line().add(sign, ink).add(f" {digit} " if digit else " ", "ink-3")
    line.add(name, "ink bold" if focused else "ink-2").add(" ")
    line.add(sign * max(0, cells - line.width - end.width), ink)
    line.spans += end.spans
    return line.cut(cells, g.ellipsis)
