"""The replies to one request side by side: each in a column, with what differs from the first."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from rlm_tui.journal import events
from rlm_tui.journal.events import Usage
from rlm_tui.journal.tree import Attempt, Held, Iteration
from rlm_tui.tui import text
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import in_hand
from rlm_tui.tui.view import View

COLUMN = 37
"""Cells that a column takes at least, where there are several."""
GAP = 2
_NUMBER = re.compile(r"\+s(\d+)$")
_PICKED = re.compile(r"reply (\d+) of \d+$")


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply.

    Attributes:
        number: 0 for the first, which was held; from 1 the further ones.
        attempt: Its request; None while it waits for its turn.
        text: What it says so far.
    """

    number: int
    attempt: Attempt | None
    text: str

    @property
    def whole(self) -> bool:
        """Whether it can be picked."""
        return self.attempt is not None and self.attempt.status in ("ok", "partial")

    @property
    def over(self) -> bool:
        """Whether nothing more of it comes."""
        return self.attempt is not None and self.attempt.ended is not None


def samples(view: View, iteration: Iteration, held: Held | None, asked: int = 0) -> list[Sample]:
    """The replies to a request, the first one first.

    Args:
        view: For texts.
        iteration: Whose request it is.
        held: Its reply, in a gate's hand.
        asked: How many further ones were asked for, those before included.
    """
    sent = next((a for a in reversed(iteration.attempts) if a.status in ("ok", "partial")), None)
    first = in_hand(held, "text") if held is not None else sent.reply if sent is not None else ""
    found = [Sample(0, sent, view.text(first))]
    # A request that failed and was sent again stands for both.
    latest = {sample.id: sample for sample in iteration.samples}
    for id, attempt in latest.items():
        number = _NUMBER.search(id)
        said = view.text(attempt.reply) if attempt.ended is not None else "".join(attempt.stream)
        found.append(Sample(int(number.group(1)) if number else len(found), attempt, said))
    found += [Sample(n, None, "") for n in range(len(found), asked + 1)]
    return sorted(found, key=lambda sample: sample.number)


def in_place(view: View, held: Held) -> int:
    """Which of the replies is in the held one's place now; -1 when it is none of them."""
    edits = [e for e in view.run.edits[held.first_edit :] if e.id == held.id and e.field == "reply"]
    if not edits:
        return 0
    picked = _PICKED.match(edits[-1].note)
    return int(picked.group(1)) - 1 if picked else -1


def cost(usage: Usage | None, times: int) -> tuple[str, str]:
    """What so many requests like one would cost: tokens and dollars; ``?`` is what nobody knows."""
    total = usage.total if usage is not None else None
    tokens = text.tokens(total * times if total is not None else None, estimated=True)
    if usage is not None and usage.source == "scripted":
        return tokens, "scripted"
    price = usage.cost if usage is not None else None
    return tokens, f"~{text.money(price * times)}" if price is not None else "?"


def shown(found: list[Sample], chosen: int, cells: int, narrow: bool) -> range:
    """Which columns have room, the chosen one among them."""
    room = 1 if narrow else max(1, min(len(found), (cells - 1 + GAP) // (COLUMN + GAP)))
    first = min(max(0, chosen - room + 1), len(found) - room)
    return range(first, first + room)


def width(columns: range, cells: int) -> int:
    """Cells of each of so many columns."""
    return (cells - 1 - GAP * (len(columns) - 1)) // len(columns)


def head(view: View, sample: Sample, of: int, chosen: bool, now: bool, cells: int) -> Line:
    """The rule over a column: which reply, what it is doing or cost, whether it is in place."""
    g, attempt = view.glyphs, sample.attempt
    sign = g.heavy if chosen else g.thin
    line = Line().add(sign, "ink-2" if chosen else "rule-2")
    line.add(f" {sample.number + 1}", "ink bold" if chosen else "ink-2").add(f" of {of} ", "ink-3")
    end = Line().add(" ")
    if now:
        end.add("in place ", "ink-2")
    if attempt is None:
        end.add(f"{g.new} queued ", "ink-3")
    elif attempt.ended is None:
        end.add(f"{g.state('sampling', view.frame)} writing ", "live")
    elif attempt.status in ("ok", "partial"):
        end.add(f"{text.usage_tokens(attempt.usage)} tokens ", "ink-3")
    else:
        end.add(f"{g.error} {attempt.status if attempt.error is None else attempt.error.kind} ", "error")
    line.add(sign * max(1, cells - line.width - end.width - 1), "ink-2" if chosen else "rule-2")
    line.spans += end.spans
    return line.add(sign, "ink-2" if chosen else "rule-2").cut(cells, g.ellipsis)


def body(view: View, sample: Sample, first: str, cells: int) -> list[Line]:
    """One column: the text, and, once it is whole, what differs from the first reply.

    Args:
        view: For the signs.
        sample: The reply.
        first: What the first one says.
        cells: The column's width.
    """
    g, attempt = view.glyphs, sample.attempt
    if attempt is None:
        return [Line().add("  Waits for its turn.", "ink-3")]
    if attempt.error is not None and not sample.whole:
        said = text.one_line(attempt.error.message) + "\n" + events.head(attempt.error.detail)
        return [Line().add("  " + row, "error") for row in text.lay_out(said.rstrip(), cells - 2)]
    if not sample.over:
        lines = [Line().add("  " + row, "ink") for row in text.lay_out(sample.text[-20_000:], cells - 2)]
        last = lines[-1] if lines else Line().add("  ")
        last.add(g.caret, "live")
        return lines or [last]
    if not sample.whole:
        return [Line().add("  It was cancelled.", "ink-3")]
    if not sample.text.strip():
        return [Line().add("  An empty reply.", "ink-3")]
    lines: list[Line] = []
    for row, differs in _rows(sample, first):
        sign, ink = (f"{g.differs} ", "ink") if differs else ("  ", "ink-3" if sample.number else "ink")
        for n, part in enumerate(text.lay_out(row, cells - 2) or [""]):
            lines.append(Line().add(sign if n == 0 else "  ", "ink-2").add(part, ink))
    if sample.number and sample.text == first:
        lines.insert(0, Line().add("  The same as the first.", "ink-2"))
    return lines


def _rows(sample: Sample, first: str) -> list[tuple[str, bool]]:
    """The lines of a reply, and whether each differs from the first reply's."""
    rows = text.fitting(sample.text).split("\n")
    if not sample.number:
        return [(row, False) for row in rows]
    matcher = difflib.SequenceMatcher(None, text.fitting(first).split("\n"), rows, autojunk=False)
    same = {n for _, start, size in matcher.get_matching_blocks() for n in range(start, start + size)}
    return [(row, n not in same) for n, row in enumerate(rows)]


def beside(columns: list[list[Line]], cells: int) -> list[Line]:
    """Columns side by side, as many lines as the longest has."""
    lines: list[Line] = []
    for n in range(max((len(column) for column in columns), default=0)):
        line = Line()
        for k, column in enumerate(columns):
            part = column[n] if n < len(column) else Line()
            line.fill(k * (cells + GAP))
            line.spans += part.cut(cells).spans
        lines.append(line)
    return lines
