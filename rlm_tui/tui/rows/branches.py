"""The branches of a run as a tree: what was changed first in each, what came of it, and what it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_tui.journal.branches import Branch
from rlm_tui.journal.tree import Mark, State
from rlm_tui.tui import text
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows import edits, meters, outcome
from rlm_tui.tui.rows.compare import Side
from rlm_tui.tui.rows.layout import pairs, rule
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

TOKENS = 22
COST = 20
WHEN = 14
FROM = 100
"""A narrower list has no columns of tokens and of when."""
COST_FROM = 140
"""A narrower list has no column of cost."""
LABEL = 12
MOST_NOTES = 3

STATES: dict[str, State] = {
    "final": "answered", "exhausted": "unanswered", "limit": "limit", "error": "error", "killed": "killed",
    "running": "executing", "left": "new", "unreadable": "error",
}  # fmt: skip
"""The sign of a run in a list, by how it stands."""
WORDS: dict[str, str] = {
    "final": "answered", "exhausted": "no answer", "limit": "no answer, a limit", "error": "failed",
    "killed": "killed", "running": "running", "left": "left", "unreadable": "can't be read",
}  # fmt: skip
"""The same in words."""
_POINTS = {
    "llm": "before its request", "reply": "at its reply", "call": "before it was asked", "return": "at its answer",
    "observe": "before the model saw it", "final": "before it was accepted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """What only the whole journal of a run tells.

    Attributes:
        where: Where it begins, as people read it; empty of one that is no branch.
        ended: How it ended, or where it stands.
        tokens: Its tokens: its own, and what it began with.
        short: The same in fewer words.
        cost: Its cost, as the tokens.
        took: How long it worked, without the time that it was held.
        mark: Whether its answer follows from a person's hand.
        bytes: What its files take.
    """

    where: str
    ended: str
    tokens: str
    short: str
    cost: str
    took: str
    mark: Mark
    bytes: int


def figures(side: Side, branch: Branch, size: int) -> Figures:
    """Take the figures of a run.

    Args:
        side: The run, read whole.
        branch: The same in its tree.
        size: Bytes of its files.
    """
    run = side.run
    return Figures(
        where=outcome.where(side.view, branch.at) if branch.at else "",
        ended=outcome.ended(run),
        tokens=outcome.split(side, text.total_tokens),
        short=outcome.split(side, text.total_tokens, short=True),
        cost=outcome.split(side, text.cost),
        took=text.duration(meters.working(side.view, run.root)) if run.root is not None else "",
        mark=run.root.final_mark if run.root is not None else "",
        bytes=size,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One branch.

    Attributes:
        branch: It.
        depth: How many branches it is away from the first run.
        here: Whether it is the run on the screen.
    """

    branch: Branch
    depth: int
    here: bool


def rows(tree: Branch | None, here: str) -> list[Row]:
    """One row for each branch, parents first.

    Args:
        tree: The tree.
        here: The id of the run on the screen.
    """
    return [Row(each, depth, each.summary.id == here) for depth, each in tree.walk()] if tree is not None else []


def short(id: str) -> str:
    """The last part of a run's id, which tells runs apart."""
    return text.clean(id.rsplit("-", 1)[-1])


def heads(cells: int) -> Line:
    """The names of the columns."""
    at = _Columns.of(cells)
    line = Line().add("  ").add("run", "ink-3").fill(at.what).add("changed first", "ink-3").fill(at.answer)
    line.add("answer", "ink-3")
    if at.tokens:
        line.fill(at.tokens).add("tokens", "ink-3")
    if at.cost:
        line.fill(at.cost).add("cost", "ink-3")
    return line.fill(at.when).add("when" if at.when < cells else "", "ink-3").fill(cells)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns begin, in cells; 0 for those that a narrow list has not."""

    what: int
    answer: int
    tokens: int
    cost: int
    when: int

    @staticmethod
    def of(cells: int) -> _Columns:
        when = cells - WHEN if cells >= FROM else cells
        cost = when - COST if cells >= COST_FROM else 0
        tokens = (cost or when) - TOKENS if cells >= FROM else 0
        what = max(20, min(34, cells // 4))
        room = (tokens or cells) - what
        return _Columns(what, what + room * 3 // 5, tokens, cost, when)


def draw(view: View, row: Row, known: Figures | None, cells: int, *, selected: bool) -> Line:
    """One row in exactly so many cells.

    Args:
        view: The run on the screen, for signs and labels.
        row: The branch.
        known: What its whole journal tells, once that is read.
        cells: The width.
        selected: Whether the cursor is here.
    """
    g, at, one = view.glyphs, _Columns.of(cells), row.branch.summary
    line = Line(ground="on-cursor" if selected else "")
    line.add(g.cursor if selected else " ", "ink").add(" ").add("  " * min(row.depth, 6))
    state = STATES[one.state]
    line.add(g.state(state), STATE_INK[state]).add(" ")
    line.add(short(one.id), "ink bold" if row.here else "ink")
    line.add(" here" if row.here else "", "ink-2").add(f"  {text.one_line(one.name)}" if one.name else "", "ink-2")
    line = line.cut(at.what - 1, g.ellipsis).fill(at.what)
    line.spans += _changed(view, row.branch, known).cut(at.answer - at.what - 1, g.ellipsis).spans
    line.fill(at.answer)
    line.spans += _answer(view, row.branch, known).cut((at.tokens or cells) - at.answer - 1, g.ellipsis).spans
    if at.tokens:
        line.fill(at.tokens).add(text.cut(known.short if known is not None else "", TOKENS - 2, g.ellipsis), "ink-2")
        if at.cost:
            line.fill(at.cost).add(text.cut(known.cost if known is not None else "", COST - 2, g.ellipsis), "ink-2")
        line.fill(at.when).add(when(one.started), "ink-3")
    return line.cut(cells, g.ellipsis).fill(cells)


def _changed(view: View, branch: Branch, known: Figures | None) -> Line:
    """What a person did first in a branch, and where it begins."""
    g = view.glyphs
    if branch.parent is None:
        return Line().add("the first run", "ink-3")
    where = known.where if known is not None else outcome.where(view, branch.at)
    if branch.edit is None:
        return Line().add(f"nothing yet, at {where}", "ink-3")
    name = edits.NAMES.get(branch.edit.field, text.clean(branch.edit.field))
    return Line().add(f"{g.human} ", "human").add(name, "ink").add(f"  {where}", "ink-2")


def _answer(view: View, branch: Branch, known: Figures | None) -> Line:
    one = branch.summary
    if one.answer is None:
        ink = "error" if one.state in ("error", "unreadable") else "live" if one.state == "running" else "ink-3"
        said = known.ended if known is not None and one.state == "running" else WORDS[one.state]
        return Line().add(said, ink)
    line = Line().add(text.one_line(one.answer) or "(empty)", "ink")
    return line.add(f"  {view.glyphs.human}" if known is not None and known.mark else "", "human")


def when(started: float | None) -> str:
    """A moment as people write it, in local time."""
    return "" if started is None else time.strftime("%d %b %H:%M", time.localtime(started))


def detail(view: View, row: Row, known: Figures | None, cells: int) -> list[Line]:
    """The branch under the cursor, whole.

    Args:
        view: For signs and labels.
        row: The branch.
        known: What its whole journal tells, once that is read.
        cells: The width.
    """
    branch, one = row.branch, row.branch.summary
    told: list[tuple[str, Line | str]] = [("question", text.flowed(one.question))]
    if branch.parent is not None:
        told.append(("begins", _begins(view, branch, known)))
    if why := text.one_line(str(one.parent.get("why") or "")):
        told.append(("why", why))
    answer = text.one_line(one.answer) if one.answer is not None else ""
    ended = known.ended if known is not None else WORDS[one.state]
    told.append(("answer", Line().add(answer, "ink bold") if answer else ended))
    if answer:
        told.append(("ended", ended))
    if known is not None:
        told += [("tokens", known.tokens), ("cost, time", ", ".join(filter(None, (known.cost, known.took))))]
    told += [("note" if n == 0 else "", text.one_line(note)) for n, note in enumerate(one.notes[-MOST_NOTES:])]
    size = f", {text.size(known.bytes).replace('characters', 'bytes')}" if known is not None else ""
    told.append(("kept", f"{text.clean(str(one.path))}{size}"))
    return [line.cut(cells, view.glyphs.ellipsis) for line in pairs(told, cells, LABEL)]


def under(view: View, row: Row, cells: int) -> Line:
    """The rule above the branch under the cursor."""
    one = row.branch.summary
    return rule(view, text.one_line(one.name) or short(one.id), cells, f"{WORDS[one.state]}  {when(one.started)}")


def _begins(view: View, branch: Branch, known: Figures | None) -> Line:
    where = known.where if known is not None else outcome.where(view, branch.at)
    line = Line().add(f"at {where} of {short(branch.parent or '')}", "ink-2")
    line.add(f", {_POINTS[branch.point]}" if branch.point in _POINTS else "", "ink-2")
    if branch.edit is not None:
        name = edits.NAMES.get(branch.edit.field, text.clean(branch.edit.field))
        line.add(f"   {view.glyphs.human} {name} changed first", "human")
    return line


def nothing(cells: int) -> list[Line]:
    """What stands below a run that has no branches."""
    said = "No branches yet. On anything that the run has come to, "
    return [Line().add("  ").add(said, "ink-3").add("D", "ink bold").add(" makes one.", "ink-3").cut(cells)]


def title(view: View, all: Sequence[Row], cells: int) -> Line:
    """The rule above the list."""
    g = view.glyphs
    many = len(all) - 1
    end = Line().add(f" {text.count(many, 'branch', 'branches')} " if many > 0 else "", "ink-3").add(g.heavy, "ink-2")
    line = Line().add(g.heavy, "ink-2").add(" branches ", "ink bold")
    line.add(g.heavy * max(0, cells - line.width - end.width), "ink-2")
    line.spans += end.spans
    return line.cut(cells, g.ellipsis)
