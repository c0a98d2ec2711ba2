"""What came of the branches of one point: what was tried, its answers and how often, what each took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

from rlm_tui.journal.events import Edit, head
from rlm_tui.journal.outcomes import Arm, Outcome, Table
from rlm_tui.journal.totals import Totals
from rlm_tui.tui import text
from rlm_tui.tui.rows import edits, outcome
from rlm_tui.tui.rows.layout import pairs, rule
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

BAR = 12
"""Cells of a bar that stands for all."""
TOOK = 34
TOOK_FROM = 96
"""A narrower list tells what a run took only below."""
LABEL = 12
SHARE = 12

Kind = Literal["tried", "answer", "unended", "by hand", "itself", "none"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        key: What it is known by.
        kind: What was tried, one answer of it, those that have none yet, those that do not count, the run itself.
        outcomes: The runs that it tells of.
        of: Of how many that count.
        changes: What is otherwise at the point.
    """

    key: str
    kind: Kind
    outcomes: tuple[Outcome, ...] = ()
    of: int = 0
    changes: tuple[Edit, ...] = ()


def rows(table: Table) -> list[Row]:
    """The table from top to bottom."""
    made: list[Row] = []
    for n, arm in enumerate(table.arms):
        made += _rows_of(n, arm)
    if table.origin is not None:
        made.append(Row("itself", "itself", (table.origin,), changes=table.origin.changes))
    return made


def _rows_of(n: int, arm: Arm) -> Iterator[Row]:
    counted = tuple(one for group in arm.groups for one in group)
    yield Row(f"{n}", "tried", counted, arm.ended, arm.changes)
    for group in arm.groups:
        yield Row(f"{n}/{'/'.join(group[0].result)}", "answer", group, arm.ended, arm.changes)
    if arm.unended:
        yield Row(f"{n}/unended", "unended", arm.unended, arm.ended, arm.changes)
    if arm.by_hand:
        yield Row(f"{n}/by hand", "by hand", arm.by_hand, arm.ended, arm.changes)
    if not (counted or arm.unended or arm.by_hand):
        yield Row(f"{n}/none", "none")


def tried(view: View, changes: Sequence[Edit], ink: str = "ink bold") -> Line:
    """What was otherwise at the point, in a few words: the names of what was changed, each once."""
    if not changes:
        return Line().add("as it came", ink)
    names = dict.fromkeys(edits.NAMES.get(edit.field, text.clean(edit.field)) for edit in changes)
    return Line().add(f"{view.glyphs.human} ", "human").add(f"{', '.join(names)} changed", ink)


def mean(outcomes: Sequence[Outcome]) -> Totals:
    """What each of these asked for, on the average."""
    sum_ = reduce(Totals.plus, (one.took for one in outcomes), Totals())
    return sum_.times(1 / len(outcomes)) if outcomes else sum_


def price(totals: Totals) -> str:
    """Requests, tokens and cost, as one reads them: ``26 requests, 48.1k tokens, $0.12``."""
    cost = text.cost(totals)
    told = [text.count(totals.requests, "request"), f"{text.total_tokens(totals)} tokens"]
    told.append("cost ?" if cost == "?" else cost)
    return ", ".join(told) if totals.requests else "nothing asked"


def share(count: int, of: int) -> tuple[float, float]:
    """Between which shares the true one is likely (95 %) to be, when so many of so many were seen.

    The interval of Wilson (1927), which holds for small numbers too.

    Args:
        count: How many.
        of: Of how many, at least one.
    """
    z = 1.96
    seen, spread = count / of, z * z / of
    middle = (seen + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(seen * (1 - seen) / of + spread / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def draw(view: View, row: Row, cells: int, *, selected: bool) -> Line:
    """One row in exactly so many cells.

    Args:
        view: For signs and labels.
        row: The row.
        cells: The width.
        selected: Whether the cursor is here.
    """
    g = view.glyphs
    line = Line(ground="on-cursor" if selected else "")
    line.add(g.cursor if selected else " ", "ink").add(" ")
    took = cells - TOOK if cells >= TOOK_FROM else cells
    match row.kind:
        case "tried":
            line.spans += tried(view, row.changes).spans
            line.add(f"   {text.count(row.of, 'run')} ended" if row.of else "", "ink-3")
        case "answer":
            _answer(view, line, row)
        case "unended":
            sign = (g.live, "live") if any(one.state == "going" for one in row.outcomes) else (g.new, "ink-3")
            line.add("  ").add(*sign).add(f" {_still(row.outcomes)}", "ink-2")
        case "by hand":
            many = text.count(len(row.outcomes), "run")
            line.add("  ").add(g.human, "human").add(f" {many} with a further hand in it, not counted", "ink-3")
        case "itself":
            line.add("the run itself", "ink-2").add("  ")
            line.spans += tried(view, row.changes, "ink-3").spans
            line.add("   ").spans += said(row.outcomes[0]).spans
            line.add("   not counted", "ink-3")
        case "none":
            line.add("  nothing yet", "ink-3")
    line = line.cut(took - 1, g.ellipsis)
    if took < cells and row.outcomes and row.kind in ("tried", "answer", "itself"):
        figures = mean(row.outcomes)
        line.fill(took).add(text.right(str(figures.requests), 8), "ink-2")
        line.add(text.right(text.total_tokens(figures), 11), "ink-2").add(text.right(text.cost(figures), 13), "ink-2")
    return line.cut(cells, g.ellipsis).fill(cells)


def heads(view: View, cells: int) -> Line:
    """The names of the columns."""
    line = Line().add("  tried at this point", "ink-3")
    if cells >= TOOK_FROM:
        line.fill(cells - TOOK).add(text.right("requests", 8), "ink-3")
        line.add(text.right("tokens", 11), "ink-3").add(text.right("cost each", 13), "ink-3")
    return line.fill(cells)


def _answer(view: View, line: Line, row: Row) -> None:
    """How often, as a bar and in numbers, and what was answered."""
    count = len(row.outcomes)
    bar = max(1, round(BAR * count / row.of))
    line.add("  ").add(view.glyphs.heavy * bar, "final").add(view.glyphs.thin * (BAR - bar), "rule-2")
    line.add(text.right(f"{count} of {row.of}", SHARE - 2), "ink").add("  ")
    line.spans += said(row.outcomes[0]).spans


def said(one: Outcome) -> Line:
    """The answer of a run, else how it ended without one, or where it stands."""
    if one.answer is not None:
        return Line().add(text.one_line(head(one.answer)) or "(empty)", "ink bold")
    if one.state != "ended":
        return Line().add(_where(one), "ink-2")
    return Line().add(outcome.ended(one.run), "error")


def _where(one: Outcome) -> str:
    root = one.run.root
    at = f"in i{root.latest.k}" if root is not None and root.latest is not None else "at its beginning"
    word = "left" if one.state == "left" else "held" if one.run.held else "running"
    return f"{word} {at}"


def _still(outcomes: Sequence[Outcome]) -> str:
    words = [_where(one) for one in outcomes]
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def under(view: View, row: Row, chosen: int, cells: int) -> Line:
    """The rule above what is told of the row under the cursor."""
    many = len(row.outcomes)
    which = f"{chosen + 1} of {many}" if many > 1 else ""
    name = "the run itself" if row.kind == "itself" else tried(view, row.changes).plain
    return rule(view, name, cells, which)


def detail(view: View, row: Row, chosen: int, cells: int) -> list[Line]:
    """The row under the cursor, and the chosen run of it, whole.

    Args:
        view: For signs and labels.
        row: The row.
        chosen: Which of its runs.
        cells: The width.
    """
    told: list[tuple[str, Line | str]] = []
    if row.kind == "answer":
        low, high = share(len(row.outcomes), row.of)
        exact = f"{len(row.outcomes)} of {row.of}, {len(row.outcomes) / row.of:.0%}"
        told.append(("share", f"{exact}; with so few, the true share may be {low:.0%} to {high:.0%}"))
    if row.outcomes and row.kind != "tried":
        one = row.outcomes[chosen]
        told += [("answer", said(one)), ("run", short(one.path))]
        if one.state == "ended":
            told.append(("ended", outcome.ended(one.run)))
        told.append(("took", price(one.took)))
    elif row.outcomes:
        told.append(("each", f"{price(mean(row.outcomes))}, on the average"))
        told.append(("all", price(reduce(Totals.plus, (one.took for one in row.outcomes), Totals()))))
    return [line.cut(cells, view.glyphs.ellipsis) for line in pairs(told, cells, LABEL)]


def short(path: Path) -> str:
    """The last part of a run's id, which tells runs apart."""
    return text.clean(path.name.rsplit("-", 1)[-1])


def title(view: View, where: str, point: str, table: Table | None, running: str, cells: int) -> Line:
    """The rule above the table.

    Args:
        view: For the signs.
        where: The place in the run, as people read it.
        point: The point there.
        table: What was read.
        running: What still goes on, in words; empty when nothing does.
        cells: The width.
    """
    g = view.glyphs
    ended = sum(arm.ended for arm in table.arms) if table is not None else 0
    end = Line().add(f" {text.count(ended, 'run')} ended", "ink-3")
    end.add(f", {running}" if running else "", "live").add(" ").add(g.heavy, "ink-2")
    line = Line().add(g.heavy, "ink-2").add(" outcomes ", "ink bold")
    line.add(text.cut(f"{where}, {point} ", cells - line.width - end.width - 2, g.ellipsis), "ink-2")
    line.add(g.heavy * max(0, cells - line.width - end.width), "ink-2")
    line.spans += end.spans
    return line.cut(cells, g.ellipsis)
