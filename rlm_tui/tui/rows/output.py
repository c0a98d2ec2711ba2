"""What a block printed, as it came: its value, its error, what was not kept, and what the model did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_tui.journal import events
from rlm_tui.journal.tree import Block, Iteration
from rlm_tui.tui import text
from rlm_tui.tui.rows.layout import Layout, pairs, plain, rule, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

SEEN = 8_192
"""Characters of a block's output that the model is shown."""

STDERR = 7
"""Cells of the margin in which ``stderr`` is written out."""


_NAMES = {"raw": "process output", "value": "the value", "error": "the error"}
"""Streams as the sentence on what was not kept calls them."""

NEWEST = 8_000
"""Characters of output on its way that are shown: its end. All of it is there once the block has ended."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Output of one stream, in the order it came."""

    stream: str
    text: str


def pieces(view: View, block: Block) -> list[Piece]:
    """The output of a block as it came: ``stderr`` where it fell, then what went past Python, then the value."""
    if block.status == "open":
        return _joined([Piece(kind, said) for kind, said in block.stream])
    stdout, stderr = view.text(block.stdout), view.text(block.stderr)
    found: list[Piece] = []
    at = used = 0
    for offset, length in block.stderr_at:
        found += [Piece("stdout", stdout[at:offset]), Piece("stderr", stderr[used : used + length])]
        at, used = max(at, offset), used + length
    found += [Piece("stdout", stdout[at:]), Piece("stderr", stderr[used:])]
    found += [Piece("raw", view.text(block.raw)), Piece("value", "" if block.value is None else view.text(block.value))]
    return [piece for piece in _joined(found) if piece.text]


def _joined(found: list[Piece]) -> list[Piece]:
    """Neighbours of one stream as one piece; time grows with their length, however many there are."""
    joined: list[tuple[str, list[str]]] = []
    for piece in found:
        if joined and joined[-1][0] == piece.stream:
            joined[-1][1].append(piece.text)
        else:
            joined.append((piece.stream, [piece.text]))
    return [Piece(stream, "".join(texts)) for stream, texts in joined]


def _newest(stream: Sequence[tuple[str, str]]) -> tuple[list[Piece], bool]:
    """The end of output on its way, and whether there was more before it."""
    kept: list[Piece] = []
    room = NEWEST
    for kind, said in reversed(stream):
        if room <= 0:
            return _joined(kept[::-1]), True
        kept.append(Piece(kind, said[-room:]))
        room -= len(said)
    return _joined(kept[::-1]), room < 0


def is_empty(block: Block) -> bool:
    """Whether a block has nothing to show."""
    texts = (block.stdout, block.stderr, block.raw, block.value, block.error)
    return not any(events.length(said) for said in texts) and not block.stream and not block.late


def lines(view: View, layout: Layout, block: Block, width: int) -> list[Line]:
    """Everything that came out of a block.

    Args:
        view: Where whole texts come from.
        layout: What was laid out before.
        block: The block.
        width: Cells of the pane.
    """
    if block.status == "open":
        newest, more = _newest(block.stream)
        said = sentence("What came before is here once the block has ended.", width) if more else []
        made = [line for piece in newest for line in _piece(piece.stream, piece.text, width)]
        return [*said, *made] or _empty(block, width)
    if is_empty(block):
        return _empty(block, width)
    known = str(block.ended), block.id
    found = list(layout.keep(("output", *known, str(width)), lambda: _printed(view, pieces(view, block), width)))
    for stream, cut in block.cuts.items():
        found += sentence(
            f"{text.size(cut.total - cut.kept)} more of {_NAMES.get(stream, stream)}, not kept", width, "ink-2"
        )
        if cut.tail:
            found += [Line().add(" its end:", "ink-3"), *plain(cut.tail, width, "ink-2")]
    if block.error is not None:
        found += ([Line()] if found else []) + layout.text(view, block.error, width, "error")
    for note in block.notes:
        found += pairs([("note", text.flowed(note))], width, STDERR + 1)
    if block.late:
        late, more = _newest(block.late)
        name = "late, after the block had ended" + (", its newest" if more else "")
        found += [Line(), rule(view, name, width)]
        found += [line for piece in late for line in _piece(piece.stream, piece.text, width)]
    return found


def _printed(view: View, found: list[Piece], width: int) -> list[Line]:
    made: list[Line] = []
    total = sum(len(piece.text) for piece in found)
    seen = 0
    for piece in _joined(found):
        left = SEEN - seen
        seen += len(piece.text)
        if total > SEEN and 0 <= left < len(piece.text) and piece.text:
            made += _piece(piece.stream, piece.text[:left], width)
            made.append(rule(view, f"the model saw {SEEN:,} of {total:,} characters, up to here", width))
            made += _piece(piece.stream, piece.text[left:], width)
        else:
            made += _piece(piece.stream, piece.text, width)
    return made


def _piece(stream: str, said: str, width: int) -> list[Line]:
    if not said:
        return []
    said = said.removesuffix("\n")
    if stream == "stdout":
        return plain(said, width)
    name = {"raw": "process", "value": "value"}.get(stream, stream)
    made = plain(said, width, "ink-2" if stream != "value" else "ink", indent=STDERR + 2)
    first = made[0]
    made[0] = Line([(f" {name:<{STDERR}} ", "ink-3"), (first.spans[0][0][STDERR + 2 :], first.spans[0][1])])
    return made


def _empty(block: Block, width: int) -> list[Line]:
    if block.status == "new":
        return sentence("No output yet: this block has not run.", width)
    if block.status == "open":
        return sentence("No output yet.", width)
    if block.status == "skipped":
        return sentence("No output. This block was skipped.", width)
    return sentence("No output. This block printed nothing and ends in no expression.", width)


def of_iteration(view: View, layout: Layout, iteration: Iteration, width: int) -> list[Line]:
    """The outputs of all blocks of an iteration, each under its name."""
    found: list[Line] = []
    for block in iteration.blocks:
        name = f"evaluated: {text.one_line(events.head(block.code))}" if block.origin == "eval" else f"block {block.j}"
        found += [*([Line()] if found else []), rule(view, name, width)]
        found += lines(view, layout, block, width)
    return found or sentence("No output: this reply has no block that ran.", width)
