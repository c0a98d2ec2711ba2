"""The tree of calls: which rows there are, and what each one says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rlm_tui.journal import address
from rlm_tui.journal.totals import Totals
from rlm_tui.journal.tree import Block, Call, Held, Mark, Node, State
from rlm_tui.tui import text
from rlm_tui.tui.rows import status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

DEEPEST = 8
"""Indent stops growing here."""

LABEL = 14
"""Cells that a label keeps before anything else is dropped."""

BAR = 12
SMALLEST_BAR = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """The calls of one batched call of a block."""

    block: Block
    number: int

    @property
    def key(self) -> str:
        """What its row is known by."""
        return f"{self.block.id}*{self.number}"

    def items(self) -> list[Call]:
        """Its calls, in order."""
        return [call for call in self.block.calls if call.batch == self.number]


@dataclass(slots=True)
class TreeRow:
    """One row of the tree."""

    key: str
    depth: int
    about: Node | Call | Batch
    has_children: bool = False


def rows(view: View) -> list[TreeRow]:
    """The rows that are not folded away, parents first. Time grows with their number."""
    run = view.run
    if run.root is None:
        return []
    found: list[TreeRow] = []
    stack: list[TreeRow] = [TreeRow(run.root.id, 0, run.root)]
    while stack:
        row = stack.pop()
        found.append(row)
        below = [other for other in _below(row) if view.filtered is None or other.key in view.filtered.rows]
        row.has_children = bool(below)
        if below and row.key not in view.folded:
            stack.extend(reversed(below))
    return found


def _below(row: TreeRow) -> Iterator[TreeRow]:
    if isinstance(row.about, Batch):
        for call in row.about.items():
            yield TreeRow(call.id, row.depth + 1, call)
        return
    node = row.about if isinstance(row.about, Node) else row.about.node
    if node is None:
        return
    for iteration in node.iterations:
        for block in iteration.blocks:
            last: int | None = None
            for call in block.calls:
                if call.batch is None or (call.size or 0) < 2:
                    yield TreeRow(call.id, row.depth + 1, call)
                elif call.batch != last:
                    last = call.batch
                    batch = Batch(block, last)
                    yield TreeRow(batch.key, row.depth + 1, batch)


def draw(view: View, row: TreeRow, width: int, *, selected: bool, focused: bool) -> Line:
    """One row of the tree in exactly so many cells.

    Args:
        view: What is selected and how it is seen.
        row: The row.
        width: Cells.
        selected: Whether the cursor is here.
        focused: Whether the pane takes keys.
    """
    about = row.about
    held = None if isinstance(about, Batch) else status.held_at(view, row.key)
    bright = held is not None and held is status.brightest(view)
    left = _left(view, row, held, selected, focused)
    info, ink, tokens = _right(view, about, held)
    kind = "" if isinstance(about, Batch) or row.key == address.ROOT else _kind(about)
    label, label_ink = _label(view, about, held)

    room = width - left.width
    # A badge brings a space of its own at its right.
    fixed = 6 if held else 7
    need = min(LABEL, text.width(label))
    keep = ink != "ink-3" or held is not None
    if room - len(kind) - 1 - _cells(info, held) - fixed <= need:
        kind = ""
    if room - _cells(info, held) - fixed <= need and not keep and not kind:
        info = ""
    if room - _cells(info, held) - fixed <= need and not kind:
        tokens, fixed = "", 0
    if kind:
        left.add(kind + " ", "ink-3")
    room = width - left.width - _cells(info, held) - fixed
    cells = min(BAR, room - text.width(label) - 2)
    if isinstance(about, Batch) and cells >= SMALLEST_BAR and _ended(about) < _size(about):
        left.add(label + " ", label_ink)
        left.spans += _bar(view, about, cells).spans
    else:
        note = noted(view, row.key) if room > 3 else ""
        left.add(text.cut(label, max(room - 1 - len(note), 1), view.glyphs.ellipsis), label_ink).add(note, "ink-2")
    left.fill(width - fixed - _cells(info, held))
    _put_info(left, info, ink, held, bright)
    if fixed:
        left.add(text.right(tokens, fixed), "ink-3" if ink == "ink-3" else "ink-2")
    left.ground = _ground(held, bright, selected, focused)
    return left.cut(width, view.glyphs.ellipsis).fill(width)


def _cells(info: str, held: Held | None) -> int:
    return text.width(info) + (2 if held else 1) if info else 0


def _put_info(line: Line, info: str, ink: str, held: Held | None, bright: bool) -> None:
    if not info:
        return
    if held is not None:
        status.badge(line, info, bright)
    else:
        line.add(" " + info, ink)


def _ground(held: Held | None, bright: bool, selected: bool, focused: bool) -> str:
    if held is not None and bright:
        return "on-held"
    return ("on-cursor" if focused else "on-raised") if selected else ""


def gutter(view: View, id: str | None, mark: Mark, held: bool, selected: bool, focused: bool) -> Line:
    """The first two columns of every row: the cursor, and a person's hand, else the breakpoint that is here.

    Args:
        view: For the signs, and the breakpoints.
        id: The address that the row stands for.
        mark: The hand.
        held: Whether something is held here.
        selected: Whether the cursor is here.
        focused: Whether the pane takes keys.
    """
    g = view.glyphs
    cursor = (g.cursor if focused else g.cursor_blurred) if selected else " "
    ink = "held-text" if held else "ink" if focused else "ink-3"
    line = Line().add(cursor, ink)
    sign = view.breakpoint(id) if mark != "edited" else ""
    if not sign:
        return line.add(g.mark(mark), "human")
    return line.add(sign, {g.broken: "error", g.breakpoint: "ink"}.get(sign, "ink-3"))


def noted(view: View, id: str | None) -> str:
    """The sign of a note, with a space before it; empty where there is none."""
    return f" {view.glyphs.note}" if id is not None and id in view.run.notes else ""


def _left(view: View, row: TreeRow, held: Held | None, selected: bool, focused: bool) -> Line:
    g, about = view.glyphs, row.about
    line = gutter(view, row.key, _mark(about, row.key in view.folded), held is not None, selected, focused)
    depth = min(row.depth, DEEPEST)
    indent = "  " * depth if row.depth <= DEEPEST else "  " * (depth - 1) + f"{DEEPEST}{g.path}"
    twisty = (g.folded if row.key in view.folded else g.open) if row.has_children else " "
    sign, ink = status.sign(view, _state(view, about))
    return line.add(f" {indent}{twisty} ", "ink-3").add(sign, ink).add(" ")


def _mark(about: Node | Call | Batch, folded: bool) -> Mark:
    """A hand here; of a folded row, also a hand anywhere inside."""
    if isinstance(about, Batch):
        if folded and any(_mark(call, True) == "edited" for call in about.items()):
            return "edited"
        return "downstream" if about.block.mark else ""
    node = about if isinstance(about, Node) else about.node
    if folded and node is not None and any(inner.edited for inner in node.walk()):
        return "edited"
    return about.row_mark


def _state(view: View, about: Node | Call | Batch) -> State:
    if not isinstance(about, Batch):
        return status.state_of(view, about)
    items = about.items()
    done = all(call.status != "open" for call in items) and len(items) == (items[0].size or 0)
    return "done" if done else "waiting"


def _kind(about: Node | Call) -> str:
    if isinstance(about, Node):
        return "rlm"
    return "rlm" if about.node is not None or about.ran_as == "rlm" else "llm"


def _label(view: View, about: Node | Call | Batch, held: Held | None) -> tuple[str, str]:
    if isinstance(about, Batch):
        items = about.items()
        running = any(call.status == "open" for call in items)
        return f"batch of {items[0].size}", "ink" if running else "ink-2"
    if held is not None:
        ink = "held-text bold"
    elif about.id == address.ROOT:
        ink = "ink bold"
    else:
        ink = "ink-2" if status.state_of(view, about) in ("done", "answered", "killed", "new") else "ink"
    return (view.label(about.id), ink)


def _size(batch: Batch) -> int:
    items = batch.items()
    return (items[0].size or len(items)) if items else 0


def _ended(batch: Batch) -> int:
    return sum(call.status != "open" for call in batch.items())


def _bar(view: View, batch: Batch, cells: int) -> Line:
    heavy = cells * _ended(batch) // max(_size(batch), 1)
    g = view.glyphs
    return Line().add(g.heavy * heavy, "ink-2").add(g.thin * (cells - heavy), "rule-2")


def _right(view: View, about: Node | Call | Batch, held: Held | None) -> tuple[str, str, str]:
    """Info, its ink, and tokens."""
    if isinstance(about, Batch):
        return _batch_info(view, about)
    tokens = _tokens(about)
    if held is not None:
        return status.point_words(held), "held-text", tokens
    state = status.state_of(view, about)
    word = status.WORDS.get(state, "")
    attempts = about.attempts if isinstance(about, Call) and about.node is None else []
    if status.retrying(attempts) and state in status.RUNNING:
        return "retrying", "live", tokens
    if state in ("error", "timeout"):
        return word, "error", tokens
    if state == "sampling":
        return word, "live", tokens
    if word:
        return word, "human" if state == "supplied" else "ink-3" if state == "new" else "ink-2", tokens
    node = about if isinstance(about, Node) else about.node
    if node is None or not node.iterations:
        return "", "ink-3", tokens
    limit = node.limits.get("max_iterations")
    of = f"/{limit}" if node.status == "open" and limit else ""
    return f"i{node.iterations[-1].k}{of}", "ink-3", tokens


def _batch_info(view: View, batch: Batch) -> tuple[str, str, str]:
    items = batch.items()
    ended = sum(call.status != "open" for call in items)
    errors = sum(call.status in ("error", "timeout") for call in items)
    info = f"{ended}/{items[0].size}" + (f" {view.glyphs.error}{errors}" if errors else "")
    total = Totals()
    for call in items:
        _add(total, call)
    return info, "error" if errors else "ink-3", text.total_tokens(total) if total.requests else ""


def _add(total: Totals, call: Call) -> None:
    if call.node is None:
        if call.usage is not None or (call.attempts and call.attempts[-1].status == "ok"):
            total.add(call.usage)
        return
    part = call.node.total
    total.requests += part.requests
    total.prompt += part.prompt
    total.completion += part.completion
    total.uncounted += part.uncounted
    total.estimated |= part.estimated


def _tokens(about: Node | Call) -> str:
    node = about if isinstance(about, Node) else about.node
    if node is not None:
        return text.total_tokens(node.total) if node.total.requests else ""
    assert isinstance(about, Call)
    asked = any(attempt.ended is not None for attempt in about.attempts)
    return text.usage_tokens(about.usage) if about.usage is not None or (asked and about.status == "ok") else ""
