"""How a block that was run again in a rebuild compares with its record."""

from __future__ import annotations

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block
from rlm_tui.tui import text
from rlm_tui.tui.rows.layout import pairs
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

WORDS: dict[events.Finding, str] = {
    "same": "the same as recorded",
    "output": "its output differs",
    "state": "its variables or its error differ",
    "calls": "its calls differ",
    "unrepeatable": "it cannot be repeated",
    "died": "the REPL died",
}


def sign(view: View, block: Block) -> tuple[str, str]:
    """The sign of the comparison and its ink; empty when the block was not run again."""
    g, found = view.glyphs, block.rebuilt
    if found is None:
        return "", ""
    if found.finding == "same":
        return g.done, "ink-3"
    return (g.about, "ink-2") if found.finding == "output" else (g.differs, "error")


def words(block: Block) -> str:
    """What differs from the record, on one line; empty when nothing does."""
    found = block.rebuilt
    if found is None or found.finding == "same":
        return ""
    return text.one_line(events.head(found.differs)) or WORDS[found.finding]


def told(view: View, block: Block, width: int) -> list[Line]:
    """Lines for the tab of the block: that it was run again, and what differs; none when it was not."""
    found = block.rebuilt
    if found is None:
        return []
    says, ink = sign(view, block)
    whole = text.clean(" ".join(view.text(found.differs).split())) if found.finding != "same" else ""
    said = f"{says} {WORDS[found.finding]}" + (f": {whole}" if whole else "")
    name = f"{view.glyphs.remembered} rebuilt"
    return [Line(), *pairs([(name, Line().add(said, ink))], width, ink=ink)]
