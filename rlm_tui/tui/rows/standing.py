"""A block that was broken in to: the line it stands at, the frames above it, the names it sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from rlm_tui.journal import address
from rlm_tui.journal.events import VariableRow
from rlm_tui.journal.tree import Block, Held
from rlm_tui.tui import text
from rlm_tui.tui.rows import variables
from rlm_tui.tui.rows.code import marked
from rlm_tui.tui.rows.layout import rule, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View


def held_at_line(view: View, block: Block) -> Held | None:
    """What is held of a block that stands; None when it does not."""
    held = view.run.held.get(block.id)
    return held if held is not None and held.point == "line" else None


def line_in(held: Held, block: Block) -> int | None:
    """The line of a block's own code that it stands at, from 1: an earlier block's function may be deeper."""
    mine = [line for line, _, whose in _frames(held) if whose == block.id]
    return mine[-1] if mine else None if _frames(held) else _whole(held.value.get("line"))


def code(view: View, lines: list[Line], held: Held, block: Block, width: int) -> list[Line]:
    """Code laid out, with the line that stands marked.

    Args:
        view: For the signs.
        lines: The code with its numbers.
        held: What is held of the block.
        block: The block.
        width: Cells of the pane.
    """
    line = line_in(held, block)
    return lines if line is None else marked(lines, line, view.glyphs.running_line, "held-text", width)


def below(view: View, held: Held, width: int) -> list[Line]:
    """The frames, where there is more than one, and the names of the innermost."""
    made: list[Line] = []
    frames = _frames(held)
    if len(frames) > 1:
        made += [Line(), rule(view, "frames, the innermost last", width)]
        made += [_frame(view, frame, frame is frames[-1]) for frame in frames]
    rows = local_rows(held)
    made += [Line(), rule(view, f"locals at line {held.value.get('line')}", width)]
    made += variables.table(view, rows, width) if rows else [Line().add(" none yet", "ink-3")]
    if rows and frames and frames[-1][1] != "<module>":
        # Pages are made of the namespace only, and these names are a function's own.
        made += sentence(
            "Of a function's own names this much is told; ? and a name at the console looks at one.", width
        )
    return made


def _frame(view: View, frame: tuple[int, str, str], innermost: bool) -> Line:
    line, function, whose = frame
    sign = view.glyphs.running_line if innermost else " "
    name = "the block itself" if function == "<module>" else text.clean(function)
    made = Line().add(f" {sign} ", "held-text").add(f"line {line:<5}", "ink-3")
    made.add(text.pad(name, 24, view.glyphs.ellipsis), "ink").add("  ")
    iteration = address.number(address.parent(whose))
    return made.add(f"block {address.number(whose)}" + (f" of i{iteration}" if iteration else ""), "ink-3")


def local_rows(held: Held) -> list[VariableRow]:
    """The innermost frame's names, as the REPL told of them."""
    rows: list[VariableRow] = []
    for item in _lists(held.value.get("locals")):
        if len(item) == 4:
            size = item[2] if isinstance(item[2], int) else None
            rows.append(VariableRow(name=str(item[0]), type=str(item[1]), size=size, brief=str(item[3])))
    return rows


def _frames(held: Held) -> list[tuple[int, str, str]]:
    frames = [item for item in _lists(held.value.get("frames")) if len(item) == 3]
    return [(_whole(item[0]) or 0, str(item[1]), str(item[2])) for item in frames]


def _lists(value: Any) -> list[Sequence[Any]]:
    items = cast("list[Any]", value) if isinstance(value, list | tuple) else []
    return [cast("Sequence[Any]", item) for item in items if isinstance(item, list | tuple)]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
