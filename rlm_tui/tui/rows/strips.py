"""Below a block that made calls: a strip of time for each, and what is being written right now."""

from __future__ import annotations

from rlm_tui.journal.tree import Attempt, Block, Call
from rlm_tui.tui import text
from rlm_tui.tui.rows import brief, status
from rlm_tui.tui.rows.layout import plain, rule
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

MOST = 10
"""Strips shown."""
LABEL = 10
SAYS = 12


def strips(view: View, block: Block, width: int) -> list[Line]:
    """One line a call, heavy while it runs, thin when it ended, on one scale of time.

    Args:
        view: What is seen.
        block: A block with calls.
        width: Cells of the pane.
    """
    calls = block.calls
    begun = min(call.started for call in calls)
    until = max((call.ended or status.now(view)) for call in calls)
    ended = sum(call.status != "open" for call in calls)
    line = brief.waiting_line(view.text(block.code))
    name = f"calls from line {line}" if line else "calls"
    took = text.clock(until - begun) if until - begun >= 60 else f"{until - begun:.0f}s"
    end = f"{ended}/{len(calls)} {view.glyphs.sent} {took}"
    lines = [Line().add(" " + name, "ink-2").fill(width - text.width(end) - 1).add(end, "ink-3")]
    shown = calls if len(calls) <= MOST else sorted(calls, key=_worth)[:MOST]
    lines += [_strip(view, call, begun, max(until - begun, 0.001), width) for call in shown]
    if len(calls) > len(shown):
        lines.append(Line().add(f"   {len(calls) - len(shown):,} more", "ink-3"))
    return lines


def _worth(call: Call) -> int:
    return 0 if call.state == "held" else 1 if call.status == "open" else 2 if call.status == "error" else 3


def _strip(view: View, call: Call, begun: float, scale: float, width: int) -> Line:
    g, state = view.glyphs, status.state_of(view, call)
    cells = max(4, width - LABEL - SAYS - 6)
    end = call.ended or status.now(view)
    first = min(cells - 1, int(cells * (call.started - begun) / scale))
    last = max(first + 1, min(cells, round(cells * (end - begun) / scale)))
    running = call.status == "open"
    ink = (
        "error" if state in ("error", "timeout") else "held-text" if state == "held" else "live" if running else "ink-3"
    )
    line = Line().add(" ").add(*status.sign(view, state)).add(" ")
    line.add(text.pad(view.labels.call(call), LABEL, g.ellipsis) + " ", "ink" if running else "ink-2")
    line.add(" " * first).add((g.heavy if running else g.thin) * (last - first), ink)
    said, said_ink = brief.call(view, call)
    said = status.WORDS[state] if state in ("error", "timeout") else said.removeprefix(f"{g.arrow} ").split("  was ")[0]
    said = "held" if state == "held" else said.split(" ")[0] if running else said
    line.fill(width - SAYS - 1)
    return line.add(text.right(said, SAYS, g.ellipsis), "held-text" if state == "held" else said_ink)


def writing(view: View, block: Block) -> tuple[str, Attempt] | None:
    """Who below a block is writing now, and what: the newest stream among its calls."""
    best: tuple[str, Attempt] | None = None
    for call in block.calls:
        if call.status != "open":
            continue
        attempts = call.attempts
        if call.node is not None:
            attempts = call.node.iterations[-1].attempts if call.node.iterations else []
        if attempts and attempts[-1].ended is None and attempts[-1].stream:
            chosen = (view.labels.call(call), attempts[-1])
            best = chosen if best is None or chosen[1].started > best[1].started else best
    return best


def stream(view: View, who: str, attempt: Attempt, width: int, height: int) -> list[Line]:
    """A reply on its way, as plain text under a rule that says who writes; its end is what is seen.

    Args:
        view: What is seen.
        who: Who writes.
        attempt: The request that is being answered.
        width: Cells of the pane.
        height: Rows there are.
    """
    whole = "".join(attempt.stream)
    count = f"{text.tokens(max(1, len(whole) // 4), estimated=True)} tok"
    lines = plain(whole[-20_000:], width)
    if lines:
        lines[-1] = Line([*lines[-1].spans, (view.glyphs.caret, "live")])
    room = max(3, height - 2)
    return [rule(view, f"{who} is writing", width, count, "live"), Line(), *lines[-room:]]
