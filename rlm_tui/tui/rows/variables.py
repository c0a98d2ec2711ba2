"""The variables of a REPL, as its blocks reported them: nothing of the model's code is run to see them."""

from __future__ import annotations

from rlm_tui.journal import events
from rlm_tui.journal.events import VariableRow
from rlm_tui.journal.tree import Block, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View


def before(node: Node, block: Block | None) -> dict[str, VariableRow]:
    """The variables of a node as they were before a block, in the order its REPL met them.

    Args:
        node: The node.
        block: One of its blocks; None means now.
    """
    if block is None or (block.held is not None and block.status == "new"):
        return dict(node.variables)
    found: dict[str, VariableRow] = {}
    ran = node.ran() if block.seq >= 0 else _above(node, block)
    for other in ran:
        if block.seq >= 0 and other.seq >= block.seq:
            break
        for row in other.changed:
            found[row.name] = row
        for name in other.removed:
            found.pop(name, None)
    return found


def _above(node: Node, block: Block) -> list[Block]:
    """The blocks above one that never ran."""
    rows = [other for iteration in node.iterations for other in iteration.blocks]
    return rows[: rows.index(block)] if block in rows else rows


def with_context(node: Node, rows: dict[str, VariableRow]) -> list[VariableRow]:
    """The rows, with ``context`` first: it is there from the beginning."""
    info = node.context
    brief = events.head(info.text, 120)
    first = rows.get("context") or VariableRow(
        name="context", type=info.kind, size=info.length if info.items is None else info.items, brief=brief
    )
    return [first, *(row for name, row in rows.items() if name != "context")]


def table(view: View, rows: list[VariableRow], width: int, changed: frozenset[str] = frozenset()) -> list[Line]:
    """One line a variable: name, type and size, the beginning of its value.

    Args:
        view: For the signs.
        rows: The variables.
        width: Cells of the pane.
        changed: Names to mark as changed.
    """
    g = view.glyphs
    names = min(18, max((text.width(text.clean(row.name)) for row in rows), default=4))
    kinds = [_kind(row) for row in rows]
    room = min(14, max((text.width(kind) for kind in kinds), default=4))
    lines: list[Line] = []
    for row, kind in zip(rows, kinds, strict=True):
        line = Line().add(" ").add(text.pad(text.clean(row.name), names, g.ellipsis), "ink")
        line.add("  ").add(text.pad(kind, room, g.ellipsis), "ink-3").add("  ")
        mark = "  changed here" if row.name in changed else ""
        left = max(4, width - line.width - len(mark) - 1)
        line.add(text.cut(text.flowed(row.brief), left, g.ellipsis), "ink-2")
        if mark:
            line.fill(width - len(mark) - 1).add(mark, "ink-3")
        lines.append(line)
    return lines


def _kind(row: VariableRow) -> str:
    return text.clean(row.type) + (f" {row.size:,}" if row.size is not None else "")
