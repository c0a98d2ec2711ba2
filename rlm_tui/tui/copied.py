"""What copying takes: the whole text of what is selected, of the tab that is open."""

from __future__ import annotations

from rlm_tui.journal.tree import Block, Call, Iteration, Node
from rlm_tui.tui.rows import output, pages
from rlm_tui.tui.selection import OBS, in_hand
from rlm_tui.tui.view import View


def copies_output(view: View) -> bool:
    """Whether what blocks printed is in view, and would be copied."""
    return view.tab % pages.COUNT == pages.OUTPUT and any(not output.is_empty(block) for block in _blocks(view))


def copied(view: View) -> str:
    """The whole text of the selected item: output in its tab, else code, reply, answer, observation, or a prompt."""
    if copies_output(view):
        return "\n".join(_output(view, block).rstrip("\n") for block in _blocks(view)) + "\n"
    thing = view.thing()
    if view.item is not None and view.item.endswith(OBS) and isinstance(thing, Iteration):
        return view.text(thing.obs) if thing.obs is not None else _held_text(view)
    if isinstance(thing, Block):
        return view.text(view.code(thing))
    if isinstance(thing, Iteration):
        stream = thing.attempts[-1].stream if thing.attempts else ()
        return view.text(thing.reply) if thing.reply is not None else "".join(stream)
    if isinstance(thing, Call):
        return view.text(thing.value if thing.value is not None else thing.edited_prompt or thing.prompt)
    if isinstance(thing, Node):
        return view.text(thing.value) if thing.value is not None else _held_text(view)
    shown = view.shown
    return view.text(shown.prompt) if shown is not None else view.text(view.run.task)


def _blocks(view: View) -> list[Block]:
    thing = view.thing()
    return [thing] if isinstance(thing, Block) else thing.blocks if isinstance(thing, Iteration) else []


def _output(view: View, block: Block) -> str:
    printed = "".join(piece.text for piece in output.pieces(view, block))
    return printed + (view.text(block.error) if block.error is not None else "")


def _held_text(view: View) -> str:
    held = view.held_here()
    return view.text(in_hand(held, "text")) if held else ""
