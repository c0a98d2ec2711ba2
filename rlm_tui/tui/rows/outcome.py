"""What two runs came to, and what they have to do with each other: the lines above their comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlm_tui.journal import address, events
from rlm_tui.journal.run import Run
from rlm_tui.journal.totals import Totals
from rlm_tui.journal.tree import Edited
from rlm_tui.tui import text, words
from rlm_tui.tui.rows import edits, header, meters
from rlm_tui.tui.rows.compare import Side, status_words
from rlm_tui.tui.rows.differing import beside, halves, sign
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View

LABEL = 12
"""Cells of the labels."""


def heading(left: Side, right: Side, cells: int) -> list[Line]:
    """What was asked, and what the two have to do with each other."""
    g = left.view.glyphs
    line = Line().add(" ").add(" compare ", "ink bold on-cursor").add(" ")
    scenario = text.clean(str(left.run.config.get("scenario") or ""))
    room = cells - line.width - text.width(scenario) - 4
    line.add(text.cut(header.question(left.view), max(8, room), g.ellipsis), "ink bold")
    line.fill(cells - text.width(scenario) - 2).add(scenario, "ink-3")
    return [line.cut(cells, g.ellipsis).fill(cells), _relation(left, right).cut(cells, g.ellipsis).fill(cells)]


def _relation(left: Side, right: Side) -> Line:
    g, parent = left.view.glyphs, right.run.parent or {}
    line = Line().add("  ")
    if parent.get("run") != left.run.id:
        before = (left.run.parent or {}).get("run"), parent.get("run")
        both = f"two branches of {_tail(before[0])}" if before[0] and before[0] == before[1] else "two runs"
        return line.add(f"{left.short} and {right.short} are {both}", "ink-3")
    line.add(f"{right.short} is a branch of {left.short} at ", "ink-3")
    line.add(where(left.view, str(parent.get("at", ""))), "ink-2")
    if (first := first_edit(right.run)) is not None:
        line.add(f"   {g.human} {edits.NAMES.get(first.field, text.clean(first.field))} changed", "human")
    asked, kept = right.run.own.requests, right.run.totals.requests - right.run.own.requests
    return line.add(f"   {text.count(asked, 'request')} made, {kept:,} remembered {g.remembered}", "ink-2")


def first_edit(run: Run) -> Edited | None:
    """The first change that a person made in a run itself, notes left out; of a branch, after what it began with."""
    began = run.started or 0.0
    return next((edit for edit in run.edits if edit.field != "note" and edit.t >= began), None)


def _tail(id: Any) -> str:
    return text.clean(str(id).rsplit("-", 1)[-1])


def where(view: View, at: str) -> str:
    """An address as people read it: ``gust log g-305 · i2 · block 1``.

    Args:
        view: A run that has it.
        at: The address; an observation's and an answer's end as a view's items do.
    """
    told, thing = "", at
    for end, word in ((OBS, "observe"), (ANSWER, "answer")):
        if at.endswith(end):
            told, thing = word, at.removesuffix(end)
    node = address.node_of(thing)
    rest = thing[len(node) :].strip("/").replace("/b", f" {view.glyphs.sent} block ")
    return words.joined(view.glyphs, text.clean(view.label(node)), text.clean(rest), told)


def titles(left: Side, right: Side, cells: int) -> Line:
    """The names of both, each in a rule over its side."""
    mine, theirs = halves(cells)
    is_branch = (right.run.parent or {}).get("run") == left.run.id
    return beside(
        _title(left, "1", "as it was" if is_branch else "", mine), Line(),
        _title(right, "2", "the branch" if is_branch else "", theirs), cells, left.view.glyphs.ellipsis,
    )  # fmt: skip


def _title(one: Side, digit: str, aside: str, cells: int) -> Line:
    g = one.view.glyphs
    line = Line().add(g.thin, "rule-2").add(f" {digit} ", "ink-3").add(one.short, "ink bold")
    line.add(f"  {one.name or aside}" if one.name or aside else "", "ink-2").add(" ")
    return line.add(g.thin * max(0, cells - line.width), "rule-2")


def summary(left: Side, right: Side, cells: int, *, short: bool) -> list[Line]:
    """What each came to, and what it took.

    Args:
        left: The left run.
        right: The right run.
        cells: The width.
        short: Whether cost and time stand in one row.
    """
    told = [_figures(one, short) for one in (left, right)]
    made: list[Line] = []
    for mine, theirs in zip(*told, strict=True):
        sides = [Line().add("  ").add(text.pad(figure.name, LABEL), "ink-3") for figure in (mine, theirs)]
        for side, figure in zip(sides, (mine, theirs), strict=True):
            side.spans += figure.says.spans
        middle = Line() if mine.value is None else sign(left.view, mine.value == theirs.value)
        made.append(beside(sides[0], middle, sides[1], cells, left.view.glyphs.ellipsis))
    return made


@dataclass(frozen=True, slots=True)
class _Figure:
    """One row of the summary; what has no value is not compared."""

    name: str
    says: Line
    value: Any = None


def _figures(one: Side, short: bool) -> list[_Figure]:
    run, root = one.run, one.run.root
    took = text.duration(meters.working(one.view, root)) if root is not None else one.view.glyphs.dash
    how, tokens, cost = ended(run), split(one, text.total_tokens, short=short), split(one, text.cost, short=short)
    answer = None if root is None or root.value is None else one.view.text(root.value)
    rows = [
        _Figure("answer", _answer(one), (answer,)),
        _Figure("ended", Line().add(how, "ink-2"), how),
        _Figure("tokens", Line().add(tokens, "ink-2"), run.totals.tokens),
    ]
    if short:
        return [*rows, _Figure("cost, time", Line().add(f"{cost}, {took}", "ink-2"))]
    price = text.cost(run.totals)
    return [*rows, _Figure("cost", Line().add(cost, "ink-2"), price), _Figure("time", Line().add(took, "ink-2"))]


def _answer(one: Side) -> Line:
    g, root = one.view.glyphs, one.run.root
    if root is None or root.value is None:
        return Line().add(g.dash, "ink-3")
    line = Line().add(text.one_line(events.head(root.value)) or "(empty)", "ink bold")
    return line.add(f"  {g.human}" if root.final_mark else "", "human")


def split(one: Side, says: Callable[[Totals], str], *, short: bool = False) -> str:
    """A sum of a run; of a branch its own and what it began with: ``1.3k new, 12.6k remembered``.

    Args:
        one: The run.
        says: The sum in words.
        short: Whether a sign stands for the last word.
    """
    run = one.run
    if not run.inherited or says(run.totals) == "scripted":
        return says(run.totals)
    own, kept = says(run.own) if run.own.requests else "nothing", says(run.totals.less(run.own))
    return f"{own} new, {kept} {one.view.glyphs.remembered if short else 'remembered'}"


_HOW = {"forced": "forced by a person", "default": "asked for at the end"}


def ended(run: Run) -> str:
    """How a run ended, or where it stands, in a few words."""
    root = run.root
    if root is None:
        return "not begun"
    at = f"i{root.latest.k}" if root.latest is not None else "its beginning"
    if run.end is None:
        held = next(iter(run.held.values()), None)
        return f"held {words.where(held)}" if held is not None else f"not ended, at {at}"
    if root.value is not None:
        how = _HOW.get(str(root.via), text.clean(str(root.via or "answered")))
        return how if root.via in _HOW else f"{how} in {at}"
    if root.status == "final":
        return "no answer"
    return status_words(root) + (f": {text.clean(root.limit)}" if root.limit else "")
