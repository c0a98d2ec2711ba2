"""Home: the mark, the demos, how a question of one's own is asked, and the runs that are kept."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from rlm_tui.journal.summary import Summary
from rlm_tui.tui import text
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows.branches import STATES, WORDS, short
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

Section = Literal["demos", "new", "recent"]
SECTIONS: dict[Section, str] = {"demos": "demos", "new": "new run", "recent": "recent runs"}
"""The lists, top to bottom, and what they are called."""

SAYS = "the debugger for Recursive Language Models"
LEAD = 2
"""Cells before the text of a row: the cursor, and a space."""
NAME = 15
"""Cells of a demo's name."""
WORD = 11
ID = 6
TURNS = 5
COST = 10
AGE = 12
FROM = 100
"""A narrower list has no column of words: the sign, and what stands in place of the answer, say it."""
NUMBERS_FROM = 72
"""A narrower list has no columns of iterations and cost."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def mark(view: View, version: str, cells: int) -> list[Line]:
    """The mark: three lines of a call tree, what this is, and which version."""
    g = view.glyphs
    top = Line().add(f"   {g.open} ", "ink-3").add("rlm", "ink bold")
    middle = Line().add(f"     {g.open} ", "ink-3").add("rlm", "ink bold")
    last = Line().add(f"       {g.answered} ", "final").add("tui", "ink bold").add(f"     {SAYS}", "ink-2")
    last.fill(cells - LEAD - text.width(version)).add(version, "ink-3")
    return [line.cut(cells, g.ellipsis) for line in (top, middle, last)]


def title(view: View, section: Section, end: str, cells: int, *, focused: bool) -> Line:
    """The rule above a list: heavy where the cursor is.

    Args:
        view: For the signs.
        section: Which list.
        end: What stands at its right.
        cells: The width.
        focused: Whether the cursor is in it.
    """
    g = view.glyphs
    rule, ink = (g.heavy, "ink-2") if focused else (g.thin, "rule-2")
    line = Line().add(rule, ink).add(f" {list(SECTIONS).index(section) + 1} ", "ink-3")
    line.add(SECTIONS[section], "ink bold" if focused else "ink-2").add(" ")
    end = text.cut(end, max(0, cells - line.width - 5), g.ellipsis)
    tail = Line().add(f" {end} " if end else "", "ink-3").add(rule, ink)
    line.add(rule * max(1, cells - line.width - tail.width), ink)
    line.spans += tail.spans
    return line.cut(cells, g.ellipsis)


def _begun(view: View, selected: bool) -> Line:
    line = Line(ground="on-cursor" if selected else "")
    return line.add(view.glyphs.cursor if selected else " ", "ink").add(" ")


def demo(view: View, name: str, about: str, cells: int, *, selected: bool) -> Line:
    """One demo, and what it shows."""
    line = _begun(view, selected).add(" ").add(text.pad(name, NAME), "ink bold" if selected else "ink")
    return line.add(about, "ink" if selected else "ink-2").cut(cells, view.glyphs.ellipsis).fill(cells)


def new(view: View, command: str, cells: int, *, selected: bool) -> Line:
    """How a question of one's own is asked."""
    line = _begun(view, selected).add(" ").add(command, "ink bold" if selected else "ink")
    return line.cut(cells, view.glyphs.ellipsis).fill(cells)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns of the runs begin, in cells; ``word`` is 0 where there is none.

    The last three are right-aligned: ``numbers`` begins iterations and cost, or is where ``age`` begins.
    """

    word: int
    id: int
    asked: int
    answer: int
    numbers: int
    age: int

    @staticmethod
    def of(cells: int) -> _Columns:
        first = LEAD + 3
        word = first if cells >= FROM else 0
        id = first + (WORD if word else 0)
        asked, age = id + ID, cells - AGE - 1
        numbers = age - TURNS - COST if cells >= NUMBERS_FROM else age
        return _Columns(word, id, asked, asked + (numbers - asked) * 11 // 20, numbers, age)


def run(view: View, one: Summary, cells: int, *, selected: bool) -> Line:
    """One run that is kept, in exactly so many cells.

    Args:
        view: For the signs, and for what time it is.
        one: The run.
        cells: The width.
        selected: Whether the cursor is here.
    """
    g, at, state = view.glyphs, _Columns.of(cells), STATES[one.state]
    line = _begun(view, selected).add(" ").add(g.state(state), STATE_INK[state]).add(" ")
    if at.word:
        word = "unreadable" if one.state == "unreadable" else WORDS[one.state].partition(",")[0]
        line.add(text.cut(word, WORD - 1, g.ellipsis), _ink(one)).fill(at.id)
    line.add(text.cut(short(one.id), ID - 1, g.ellipsis), "ink-3").fill(at.asked)
    asked = text.one_line(one.name) or text.flowed(one.question)
    line.add(text.cut(asked, at.answer - at.asked - 2, g.ellipsis), "ink" if selected else "ink-2").fill(at.answer)
    said, ink = _came_to(one, worded=bool(at.word))
    line.add(text.cut(said, at.numbers - at.answer - 1, g.ellipsis), ink).fill(at.numbers)
    if at.numbers < at.age:
        line.add(text.right(f"i{one.iterations}" if one.iterations else "", TURNS, g.ellipsis), "ink-3")
        line.add(text.right(cost(one), COST, g.ellipsis), "ink-3")
    line.add(text.right(age(one.started, view.clock()), AGE, g.ellipsis), "ink-3")
    return line.cut(cells, g.ellipsis).fill(cells)


def _ink(one: Summary) -> str:
    match one.state:
        case "error" | "unreadable":
            return "error"
        case "running":
            return "live"
        case _:
            return "ink-2"


def _came_to(one: Summary, *, worded: bool) -> tuple[str, str]:
    """The answer, or what stopped it, and the words of its ink.

    Args:
        one: The run.
        worded: Whether its state stands in a column of its own.
    """
    if one.answer is not None:
        return text.one_line(one.answer) or "(empty)", "ink"
    stopped = text.flowed(one.stopped)
    if worded:
        return stopped, _ink(one)
    return f"{WORDS[one.state].partition(',')[0]}: {stopped}" if stopped else WORDS[one.state], _ink(one)


def cost(one: Summary) -> str:
    """What a run cost: ``scripted``, ``$0.41``, or ``?`` where nobody knows; never a false 0."""
    if one.state == "unreadable":
        return ""
    return "scripted" if one.scenario else "?" if one.cost is None else text.money(one.cost)


def age(started: float | None, now: float) -> str:
    """How long ago a run began, in a word or two; empty when nobody knows.

    Args:
        started: Seconds since the epoch.
        now: The same.
    """
    if started is None:
        return ""
    ago = now - started
    if ago < MINUTE:
        return "now"
    if ago < HOUR:
        return f"{int(ago / MINUTE)} min"
    if ago < DAY:
        return f"{int(ago / HOUR)} h"
    if ago < 30 * DAY:
        return text.count(int(ago / DAY), "day")
    return time.strftime("%d %b %Y", time.localtime(started))


def nothing(cells: int) -> Line:
    """What stands where there is no run yet."""
    return (
        Line()
        .add("   No runs yet. ", "ink-3")
        .add("enter", "ink bold")
        .add(" plays the demo above.", "ink-3")
        .cut(cells)
    )
