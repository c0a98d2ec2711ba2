"""What a person evaluated where something is held: what was recorded, and what was only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block, Held, Iteration
from rlm_tui.tui import text
from rlm_tui.tui.looks import Look
from rlm_tui.tui.rows.code import coloured
from rlm_tui.tui.rows.layout import Layout, plain, rule, wrap_spans
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import Looked

MOST = 6
"""Lines of one result that stand beside the code; the tab Output has all of them."""

COLOURED_LINES = 400
"""Lines of one entry that are shown."""
RECORDED = "!"
LOOKED = "?"


def beside(iteration: Iteration | None, id: str) -> list[Block]:
    """The evaluations at a block or an iteration, oldest first."""
    blocks = iteration.blocks if iteration is not None else []
    return [block for block in blocks if block.origin == "eval" and block.id.startswith(f"{id}+")]


def looks(view: View, held: Held | None) -> list[Look]:
    """What was only looked at while this is held."""
    return view.looks.get(held.node, []) if held is not None and view.past is None else []


def look(view: View, node: str, code: str, found: Looked) -> Look:
    """What came of looking, with its place among what was evaluated where the node is held."""
    said = found.text if found.status != "timeout" else found.text or "No answer within two seconds."
    held = view.held_in(node)
    iteration = view.iteration_of(view.item_of(held)) if held is not None else None
    after = len(beside(iteration, held.id)) if held is not None else 0
    return Look(code, said, found.output, found.status != "ok", after)


def lines(view: View, layout: Layout, blocks: list[Block], looked: list[Look], width: int) -> list[Line]:
    """Everything that was evaluated here, each result cut to a few lines; none when there was nothing.

    Args:
        view: Where whole texts come from.
        layout: What was laid out before.
        blocks: The recorded ones.
        looked: Those that were only looked at.
        width: Cells of the pane.
    """
    if not blocks and not looked:
        return []
    aside = "looked only, nothing changed" if not blocks else ""
    made = [rule(view, "evaluated here", width, aside)]
    for n in range(len(blocks) + 1):
        for look in (look for look in looked if min(look.after, len(blocks)) == n):
            made += _asked(view, LOOKED, "ink-3", look.code, width, "" if aside else "look only")
            made += _cut(view, looked_at(layout, look, width), width)
        for block in blocks[n : n + 1]:
            made += _asked(view, RECORDED, "human", view.text(block.code), width)
            made += _cut(view, _outcome(view, layout, block, width), width)
    return made


def _asked(view: View, sign: str, ink: str, code: str, width: int, note: str = "") -> list[Line]:
    spans = coloured(code.strip())
    line = Line().add(f" {sign} ", f"{ink} bold")
    line.spans += spans[0]
    rest = f" {view.glyphs.ellipsis} {text.count(len(spans) - 1, 'more line')}" if len(spans) > 1 else ""
    line = line.add(rest, "ink-3").cut(width - len(note) - 3, view.glyphs.ellipsis)
    return [line.fill(width - len(note) - 2).add(note, "ink-3") if note else line]


def _cut(view: View, found: list[Line], width: int) -> list[Line]:
    if len(found) <= MOST:
        return found
    left = text.count(len(found) - MOST + 1, "more line")
    return [*found[: MOST - 1], Line().add(f"   {view.glyphs.ellipsis} {left}, in Output", "ink-3")]


def _outcome(view: View, layout: Layout, block: Block, width: int) -> list[Line]:
    if block.status == "open":
        return [Line().add("   running", "live")]
    made: list[Line] = []
    for said, ink in ((block.stdout, "ink-2"), (block.stderr, "ink-2"), (block.value, "ink"), (block.error, "error")):
        if said is not None and events.length(said):
            whole = view.text(said).removesuffix("\n")
            made += layout.text(view, whole, width, ink, indent=3)
    names = [text.clean(row.name) for row in block.changed] + [f"{text.clean(name)} (gone)" for name in block.removed]
    if names:
        made.append(
            Line().add(text.cut(f"   changed {', '.join(names[:20])}", width - 1, view.glyphs.ellipsis), "human")
        )
    return made or [Line().add("   no output", "ink-3")]


def looked_at(layout: Layout, look: Look, width: int) -> list[Line]:
    """What an expression gave, and what it printed before."""
    key = ("look", look.code, look.output, look.text, str(width))

    def make() -> list[Line]:
        printed = plain(look.output.removesuffix("\n"), width, "ink-2", 3) if look.output else []
        return [*printed, *(plain(look.text, width, "error" if look.failed else "ink", 3) if look.text else [])]

    return layout.keep(key, make) or [Line().add("   None", "ink-3")]


def by_hand(view: View, node: str) -> list[Block]:
    """Everything that people evaluated in a node, oldest first."""
    found = view.run.nodes.get(node)
    return [block for block in found.ran() if block.origin == "eval" and block.by == "human"] if found else []


def transcript(view: View, layout: Layout, node: str, width: int) -> list[Line]:
    """Everything that was evaluated in a node, whole, as at a console; what was only looked at where it is held.

    Args:
        view: Where whole texts come from.
        layout: What was laid out before.
        node: The node's address.
        width: Cells of the pane.
    """
    held = view.held_in(node)
    iteration = view.iteration_of(view.item_of(held)) if held is not None else None
    here = {block.id for block in beside(iteration, held.id)} if held is not None else set[str]()
    waiting, n = looks(view, held), 0
    made: list[Line] = []
    for block in [*by_hand(view, node), None]:
        if block is None or block.id in here:
            for one in waiting:
                if min(one.after, len(here)) == n or (block is None and one.after >= n):
                    made += [*_code(view, LOOKED, "ink-3", one.code, width), *looked_at(layout, one, width), Line()]
            n += 1
        if block is not None:
            made += _code(view, RECORDED, "human", view.text(block.code), width)
            made += [*_outcome(view, layout, block, width), Line()]
    return made


def _code(view: View, sign: str, ink: str, code: str, width: int) -> list[Line]:
    """What was typed, every line of it."""
    made: list[Line] = []
    for n, spans in enumerate(coloured(code.strip())):
        for row in wrap_spans(spans, max(8, width - 4)):
            line = Line().add(f" {sign} " if not made else "   ", f"{ink} bold")
            line.spans += row
            made.append(line)
        if n > COLOURED_LINES:
            made.append(Line().add(f"   {view.glyphs.ellipsis}", "ink-3"))
            break
    return made


def whole(view: View, layout: Layout, looked: list[Look], width: int) -> list[Line]:
    """What was looked at, whole, for the tab Output."""
    made: list[Line] = []
    for look in looked:
        made += [Line(), rule(view, "looked at, in a copy", width)]
        made += _asked(view, LOOKED, "ink-3", look.code, width)
        made += looked_at(layout, look, width)
    return made
