"""How one line of a trajectory is drawn."""

from __future__ import annotations

from rlm_tui.journal import events
from rlm_tui.journal.tree import Attempt, Block, Call, Held, Iteration, Mark, Node, State
from rlm_tui.tui import text, words
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows import brief, rebuilt, status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.trajectory import DURATION, DURATION_FROM, MARGIN, TOKENS_FROM, Row, columns, prose_cells
from rlm_tui.tui.rows.tree import gutter, noted
from rlm_tui.tui.selection import in_hand
from rlm_tui.tui.view import View

WORD = 9
"""Cells of the column with a row's kind."""


def draw(view: View, row: Row, width: int, *, selected: bool, focused: bool) -> Line:
    """One line of the trajectory in exactly so many cells.

    Args:
        view: What is selected and how it is seen.
        row: The line.
        width: Cells.
        selected: Whether the cursor is on its row.
        focused: Whether the pane takes keys.
    """
    held = _held(view, row)
    bright = held is not None and held is status.brightest(view)
    mark = _mark(row)
    line = gutter(view, row.key if row.part == 0 else None, mark, held is not None, selected and not row.part, focused)
    line.add(" ")
    took, used = "", ""
    match row.kind, row.thing:
        case "asked" | "context", Node() | Call():
            _asked(view, line, row, row.thing, width)
        case "iteration", Iteration():
            took, used = _iteration(view, line, row, row.thing, held, bright, width)
        case "block", Block():
            took = _block(view, line, row.thing, held, bright)
        case "call", Call():
            took, used = _call(view, line, row.thing, held, bright, width)
        case "more", _:
            line.add("       ").add(f"   {row.number:,} more", "ink-3")
        case "observe", Iteration():
            _observe(view, line, row.thing, held, bright)
        case "final", Node() | Call():
            _final(view, line, row.thing, held, bright)
        case "request", Call():
            took, used = _request(view, line, row.thing, row.number, held, bright)
        case _:
            pass
    if row.kind in ("asked", "context"):
        line = line.cut(width, view.glyphs.ellipsis).fill(width)
    else:
        note = noted(view, row.key) if row.part == 0 else ""
        line = _columns(line, note, took, used, width, view.glyphs.ellipsis)
    line.ground = "on-held" if bright else ("on-cursor" if focused else "on-raised") if selected else ""
    return line


def _columns(line: Line, note: str, took: str, used: str, width: int, ellipsis: str) -> Line:
    side = columns(width)
    line = line.cut(width - side - 1 - len(note), ellipsis).add(note, "ink-2").fill(width - side - 1)
    if width >= DURATION_FROM:
        line.add(text.right(took, DURATION), "ink-3")
    if width >= TOKENS_FROM:
        line.add(text.right(used, 7), "ink-3")
    return line.fill(width)


def _held(view: View, row: Row) -> Held | None:
    if row.key is None or row.kind in ("asked", "context"):
        return None
    if row.kind == "call" and row.key in view.run.nodes:
        return status.held_at(view, row.key)
    return next((held for held in view.run.held.values() if view.item_of(held) == row.key), None)


def _mark(row: Row) -> Mark:
    match row.kind, row.thing:
        case "observe", Iteration(obs_mark=mark):
            return mark
        case "final", Node(final_mark=mark):
            return mark
        case "call" | "request", Call():
            return row.thing.row_mark
        case "iteration" | "block", Iteration(mark=mark) | Block(mark=mark):
            return "" if row.part and mark == "edited" else mark
        case _:
            return ""


def _asked(view: View, line: Line, row: Row, thing: Node | Call, width: int) -> None:
    if row.kind == "asked":
        question = view.run.task if isinstance(thing, Node) and thing.call is None else thing.prompt
        line.add("asked ", "ink-3").add(
            text.cut(text.one_line(events.head(question)), width - 10, view.glyphs.ellipsis), "ink-2"
        )
        return
    call = thing if isinstance(thing, Call) else thing.call
    parts = [context(thing)] if isinstance(thing, Node) else [text.count(events.length(thing.prompt), "character")]
    if call is not None and call.batch is not None and (call.size or 0) > 1:
        parts.append(f"item {call.item or 1} of {call.size}")
    line.add("      ").add("context  " if isinstance(thing, Node) else "prompt  ", "ink-3").add(
        "   ".join(parts), "ink-3"
    )


def context(node: Node) -> str:
    """Kind and size of a node's context."""
    info = node.context
    many = f", {text.count(info.items, 'item')}" if info.items is not None else ""
    return f"{info.kind}{many}, {text.tokens(info.length)} characters"


def _start(line: Line, sign: tuple[str, str], word: str, held: Held | None, bright: bool, word_ink: str) -> None:
    """Sign and kind, or sign and badge, up to the column where the text begins."""
    line.add(*sign)
    if held is None:
        line.add("  ").add(text.pad(word, WORD), word_ink)
        return
    status.badge(line.add(" "), word, bright)
    line.add(" " * max(1, WORD - text.width(word) - 1))


def _word_ink(ended: bool) -> str:
    return "ink-3" if ended else "ink bold"


def _iteration(
    view: View, line: Line, row: Row, iteration: Iteration, held: Held | None, bright: bool, width: int
) -> tuple[str, str]:
    name = f"i{iteration.k}" if iteration.k else view.glyphs.dash
    line.add((name if row.part == 0 else "").ljust(MARGIN - 4) + " ", "ink bold")
    last = iteration.attempts[-1] if iteration.attempts else None
    took = _took(view, last) if row.part == 0 else ("", "")
    badge = Line()
    if held is not None:
        status.badge(badge.add(*status.sign(view, "held")).add(" "), held.point, bright).add(" ")
    if row.part == 0:
        line.spans += badge.spans
    if held is not None and held.point in ("llm", "error"):
        line.add(_held_words(held), "held-text")
        return took
    reply = iteration.reply if iteration.reply is not None else in_hand(held, "text") if held is not None else None
    if reply is not None:
        shown = _prose(view, brief.prose(events.head(reply)), prose_cells(width), badge.width, row.part)
        line.add(shown, "held-text" if held is not None else "ink" if _current(iteration) else "ink-2")
        return took
    state = status.iteration_state(view, iteration)
    line.add(*status.sign(view, state)).add(" ")
    if last is not None and last.error is not None:
        if last.wait is not None and iteration.node.status == "open":
            # First what comes: a provider's words may be longer than the row.
            line.add(f"{status.next_try(view, last)}  ", "live")
        line.add(text.one_line(last.error.message), "error")
    elif state == "sampling" and last is not None and last.stream:
        line.add("writing ", "live").add(text.flowed("".join(last.stream[:40])), "ink-2")
    elif last is not None and state == "killed":
        line.add("cancelled before its reply was whole", "ink-3")
    else:
        line.add(*_asked_words(view, state))
    return took


def _asked_words(view: View, state: State) -> tuple[str, str]:
    if state != "sampling":
        return "not asked yet", "ink-3"
    return "loading the provider library" if view.loading else "sampling", "live"


def _prose(view: View, prose: str, cells: int, taken: int, part: int) -> str:
    """The part of an iteration's text for one of its lines; in wide there may be two."""
    if view.size != "wide" or text.width(prose) <= cells:
        return prose
    first = text.wrap(prose, max(8, cells - taken))[0]
    return first if part == 0 else prose[len(first) :].lstrip()


def _held_words(held: Held) -> str:
    if held.point == "llm":
        return f"{text.count(len(held.value.get('messages', ())), 'message')}, not sent yet"
    return text.one_line(str(held.value.get("message", "")))


def _current(iteration: Iteration) -> bool:
    return iteration.obs is None and iteration.node.status == "open"


def _took(view: View, attempt: Attempt | None) -> tuple[str, str]:
    if attempt is None:
        return "", ""
    if attempt.ended is None:
        return status.seconds_of(view, attempt.started, None), ""
    seconds = attempt.ms / 1000 if attempt.ms else attempt.ended - attempt.started
    return text.duration(seconds), text.usage_tokens(attempt.usage) if attempt.status in ("ok", "partial") else ""


def block_name(block: Block) -> str:
    """What a block is called: by its number, or by who wrote it."""
    if block.origin == "eval":
        return "evaluate"
    # Before it runs only its address tells that a person put it in.
    return "put in" if block.origin == "human" or "+h" in block.id.rsplit("/", 1)[-1] else f"block {block.j}"


def _block(view: View, line: Line, block: Block, held: Held | None, bright: bool) -> str:
    state = status.state_of(view, block)
    line.add("   ")
    name = block_name(block)
    if held is not None and held.point != "block":
        name = status.point_words(held)
    sign = status.sign(view, state)
    compared, its_ink = rebuilt.sign(view, block)
    if compared and held is None and state not in status.RUNNING:
        sign = (view.glyphs.remembered, "ink-3")
    _start(line, sign, name, held, bright, _word_ink(state not in ("executing", "waiting")))
    said, ink = brief.block(view, block)
    if differs := rebuilt.words(block):
        said, ink = differs, its_ink
    line.add(f"{compared} " if compared else "", its_ink).add(said, ink)
    if held is not None:
        return text.clock(status.now(view) - held.since)
    if block.status == "new":
        return ""
    ended = block.ended if block.ended is not None or view.run.end is None else view.run.last
    return text.duration(block.ms / 1000) if block.ms else status.seconds_of(view, block.started, ended)


def _call(view: View, line: Line, call: Call, held: Held | None, bright: bool, width: int) -> tuple[str, str]:
    state = status.state_of(view, call)
    kind = "rlm" if call.node is not None or call.ran_as == "rlm" else "llm"
    line.add("     ").add(*status.sign(view, state, call.status == "supplied")).add("  ")
    line.add(f"{kind}  ", "ink-3")
    said, ink = brief.call(view, call)
    lively = ink if ink in ("live", "error") else "ink-2"
    room = width - columns(width) - line.width - 3
    room = max(12, room // 2, room - text.width(said))
    line.add(text.cut(view.labels.call(call), room, view.glyphs.ellipsis) + "  ", "held-text bold" if held else lively)
    if held is not None:
        line.spans[-1] = (line.spans[-1][0][:-1], line.spans[-1][1])
        status.badge(line, status.point_words(held), bright)
        if held.point == "return":
            line.add(f" {said}", "held-text")
    else:
        line.add(said, ink)
    took = status.seconds_of(view, call.started, call.ended, call.seconds or None)
    if held is not None:
        took = text.clock(status.now(view) - held.since)
    total = call.node.total if call.node is not None else None
    if total is not None:
        return took, text.total_tokens(total) if total.requests else ""
    return took, text.usage_tokens(call.usage) if call.usage is not None else ""


def _observe(view: View, line: Line, iteration: Iteration, held: Held | None, bright: bool) -> None:
    sign = status.sign(view, "held") if held else (view.glyphs.sent, "ink-3")
    _start(line.add("   "), sign, "observe", held, bright, "ink-3")
    line.add(brief.observation(iteration, in_hand(held, "text") if held else ""), _ink(held, "ink-2"))


def _ink(held: Held | None, ink: str) -> str:
    return "held-text" if held is not None else ink


def _final(view: View, line: Line, thing: Node | Call, held: Held | None, bright: bool) -> None:
    line.add("   ")
    if held is not None:
        _start(line, status.sign(view, "held"), held.point, held, bright, "ink")
        if held.point == "limit":
            line.add(words.limit(view.run, held), "held-text")
        else:
            line.add(text.one_line(events.head(in_hand(held, "text"))), "held-text")
        return
    word, said, ink = brief.final(view, thing)
    state = thing.state
    sign = status.sign(view, state, state == "supplied")
    _start(line, (sign[0], STATE_INK[state]), word, None, False, "ink bold" if ink == "ink bold" else "ink-3")
    line.add(said, ink)


def _request(view: View, line: Line, call: Call, number: int, held: Held | None, bright: bool) -> tuple[str, str]:
    line.add("   ")
    if number >= len(call.attempts):
        word = status.point_words(held) if held is not None else "request"
        _start(line, status.sign(view, status.state_of(view, call)), word, held, bright, "ink-3")
        line.add("not sent yet" if call.status == "open" else "never sent", _ink(held, "ink-3"))
        return "", ""
    attempt = call.attempts[number]
    state = "held" if held else {"open": "sampling", "ok": "done", "error": "error"}.get(attempt.status, "killed")
    word = status.point_words(held) if held is not None else "request" if number == 0 else f"try {attempt.attempt}"
    _start(line, status.sign(view, state), word, held, bright, "ink-3")  # pyright: ignore[reportArgumentType]
    if attempt.error is not None:
        line.add(text.one_line(attempt.error.message), "error")
    elif attempt.ended is None:
        line.add("writing " if attempt.stream else "sampling", "live")
        line.add(text.flowed("".join(attempt.stream[:40])), "ink-2")
    else:
        line.add(brief.prose(events.head(attempt.reply)), _ink(held, "ink-2"))
    return _took(view, attempt)
