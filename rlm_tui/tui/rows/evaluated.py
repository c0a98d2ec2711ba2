"""What a person evaluated where something is held: what was recorded, and what was only looked at."""

from __future__ import annotations

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block, Held, Iteration
from rlm_tui.tui import text
from rlm_tui.tui.looks import Look
from rlm_tui.tui.rows.code import coloured
from rlm_tui.tui.rows.layout import Layout, plain, rule
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

MOST = 6
"""Lines of one result that stand beside the code; the tab Output has all of them."""

RECORDED = "!"
LOOKED = "?"


def beside(iteration: Iteration | None, id: str) -> list[Block]:
    """The evaluations at a block or an iteration, oldest first."""
    blocks = iteration.blocks if iteration is not None else []
    return [block for block in blocks if block.origin == "eval" and block.id.startswith(f"{id}+")]


def looks(view: View, held: Held | None) -> list[Look]:
    """What was only looked at while this is held."""
    return view.looks.get(held.node, []) if held is not None else []


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


def whole(view: View, layout: Layout, looked: list[Look], width: int) -> list[Line]:
    """What was looked at, whole, for the tab Output."""
    made: list[Line] = []
    for look in looked:
        made += [Line(), rule(view, "looked at, in a copy", width)]
        made += _asked(view, LOOKED, "ink-3", look.code, width)
        made += looked_at(layout, look, width)
    return made
