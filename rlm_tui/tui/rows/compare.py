"""Two runs side by side, one row for each thing, with a sign between that says whether it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlm_tui.journal import address, events
from rlm_tui.journal.compare import Comparison, Pair
from rlm_tui.journal.events import Text
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Block, Call, Iteration, Mark, Node, State
from rlm_tui.tui import text
from rlm_tui.tui.glyphs import STATE_INK, Glyphs
from rlm_tui.tui.rows import brief, output, status
from rlm_tui.tui.rows.differing import Part, halves, sign
from rlm_tui.tui.rows.line import Line, Span
from rlm_tui.tui.rows.step import block_name
from rlm_tui.tui.selection import as_text
from rlm_tui.tui.view import View

TOKENS = 7
TOKENS_FROM = 48
"""A side narrower than this has no column of tokens."""
SPLIT_FROM = 100
"""In a narrower row two texts stand one under the other."""

PARTS: dict[str, tuple[str, ...]] = {
    "node": ("prompt",), "iteration": ("reply",), "block": ("code", "output"), "call": ("prompt", "value"),
    "obs": ("obs",), "answer": ("value",),
}  # fmt: skip
"""What is shown of a thing that only one run has, or that is the same in both."""

_NAMES = {"obs": "observe"}
_BY_HAND = ("prompt", "reply", "code", "obs")
"""Parts that are a person's own words where the thing was edited; the others are what came of it."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs.

    Attributes:
        view: It, as it stood when it was read.
        path: Its directory; None when it is kept nowhere.
    """

    view: View
    path: Path | None = None

    @staticmethod
    def of(run: Run, read: Callable[[Text | None], str], signs: Glyphs, path: Path | None = None) -> Side:
        """A run as it stands.

        Args:
            run: Its fold; nobody else folds into it.
            read: Gives the whole of its texts.
            signs: The signs to draw with.
            path: Its directory.
        """
        return Side(View(run, read, glyphs=signs, clock=lambda: run.last or 0.0, read_only=True), path)

    @property
    def run(self) -> Run:
        """Its fold."""
        return self.view.run

    @property
    def short(self) -> str:
        """The last part of its id, which tells runs apart."""
        return text.clean(self.run.id.rsplit("-", 1)[-1]) or "?"

    @property
    def name(self) -> str:
        """What a person called it; empty when nobody did."""
        named = [note for note in self.run.notes.get(address.ROOT, ()) if note.note == events.NAME]
        return text.one_line(self.view.text(as_text(named[-1].value))) if named else ""

    def remembered(self, ended: float | None) -> bool:
        """Whether something that ended then is one of what a branch began with."""
        began = self.run.started
        return bool(self.run.inherited) and ended is not None and began is not None and ended <= began


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of either run.

    Attributes:
        key: Its address, as the comparison has it.
        pair: The thing.
        indent: How deep it stands.
        same: Whether nothing of it differs.
        differs: What does.
    """

    key: str
    pair: Pair
    indent: int
    same: bool
    differs: tuple[str, ...]


_STEP = {"node": 0, "iteration": 1, "block": 2, "call": 3, "obs": 2, "answer": 1}


def rows(found: Comparison) -> list[Row]:
    """One row a thing, in the order in which a run is told; a child RLM's is its call's."""
    made: list[Row] = []
    for pair in found.pairs:
        last = made[-1] if made else None
        if pair.kind == "node" and last is not None and last.key == pair.id:
            differs = (*last.differs, *(part for part in pair.differs if part not in last.differs))
            made[-1] = Row(last.key, last.pair, last.indent, last.same and pair.same, differs)
            continue
        made.append(Row(pair.id, pair, 3 * pair.depth + _STEP[pair.kind], pair.same, pair.differs))
    return made


# One row -------------------------------------------------------------------------------------------------------------


def draw(row: Row, left: Side, right: Side, cells: int, *, selected: bool) -> Line:
    """One row in exactly so many cells: the cursor, the left side, the sign, the right side.

    Args:
        row: The thing.
        left: The left run.
        right: The right run.
        cells: The width.
        selected: Whether the cursor is here.
    """
    g = left.view.glyphs
    mine, theirs = halves(cells - 1)
    line = Line(ground="on-cursor" if selected else "")
    line.add(g.cursor if selected else " ", "ink")
    line.spans += _side(left, row, row.pair.left, mine).spans
    line.spans += sign(left.view, row.same).spans
    line.spans += _side(right, row, row.pair.right, theirs).spans
    return line.cut(cells, g.ellipsis).fill(cells)


def _side(one: Side, row: Row, thing: Any, cells: int) -> Line:
    g = one.view.glyphs
    line = Line().add(g.mark(_mark(row.pair.kind, thing)), "human")
    indent = min(row.indent * (2 if cells >= TOKENS_FROM else 1), cells // 3)
    line.add(" " * (indent + 1))
    if thing is None:
        return line.add(f"{g.dash} not in this run", "ink-3").cut(cells, g.ellipsis).fill(cells)
    side = TOKENS if cells >= TOKENS_FROM else 0
    said, used = _said(one, row.pair.kind, thing, cells - side - line.width)
    line.spans += _quiet(said.spans) if row.same else said.spans
    line = line.cut(cells - side, g.ellipsis).fill(cells - side)
    return line.add(text.right(used, side), "ink-3").fill(cells) if side else line


def _quiet(spans: Sequence[Span]) -> list[Span]:
    """What is the same in both is not what one looks for."""
    return [(piece, "ink-3") for piece, _ in spans]


def _mark(kind: str, thing: Any) -> Mark:
    match kind, thing:
        case "obs", Iteration():
            return thing.obs_mark
        case "answer", Node():
            return thing.final_mark
        case "node", Node() | Call():
            return thing.row_mark
        case _, Call():
            return thing.row_mark
        case _, Iteration() | Block():
            return thing.mark
        case _:
            return ""


def _said(one: Side, kind: str, thing: Any, room: int) -> tuple[Line, str]:
    """What a side says of a thing, and the tokens it took."""
    match kind, thing:
        case "iteration", Iteration():
            return _iteration(one, thing)
        case "block", Block():
            return _block(one, thing), ""
        case "call", Call():
            return _call(one, thing, room)
        case "obs", Iteration():
            told = brief.observation(thing)
            return Line().add(f"{one.view.glyphs.sent} ", "ink-3").add("observe ", "ink-3").add(told, "ink"), ""
        case "answer", Node():
            return _answer(one, thing), ""
        case "node", Node():
            return _node(one, thing)
        case _:
            return Line(), ""


def _sign(one: Side, state: State, ended: float | None) -> Span:
    if state in ("done", "answered") and one.remembered(ended):
        return one.view.glyphs.remembered, "ink-3"
    return status.sign(one.view, state)


def _node(one: Side, node: Node) -> tuple[Line, str]:
    line = Line().add(*_sign(one, node.state, node.ended)).add(" ")
    line.add(one.view.label(node.id), "ink bold")
    if (word := status.WORDS.get(node.state, "")) or node.state == "held":
        line.add(f" {word or 'held'}", "ink-2")
    return line, text.total_tokens(node.total) if node.total.requests else ""


def _iteration(one: Side, turn: Iteration) -> tuple[Line, str]:
    line = Line().add(f"i{turn.k} " if turn.k else f"{one.view.glyphs.dash} ", "ink bold")
    answered = turn.answered
    used = text.usage_tokens(answered.usage) if answered is not None else ""
    if turn.reply is not None:
        return line.add(brief.prose(events.head(turn.reply)), "ink"), used
    state = status.iteration_state(one.view, turn)
    word = "held" if state == "held" else status.WORDS.get(state, "no reply")
    return line.add(*_sign(one, state, None)).add(f" {word}", "ink-2"), used


def _block(one: Side, block: Block) -> Line:
    state = status.state_of(one.view, block)
    line = Line().add(*_sign(one, state, block.ended)).add(" ").add(f"{block_name(block)} ", "ink-3")
    said, ink = brief.block(one.view, block)
    return line.add(said, "ink" if ink == "ink-2" else ink)


def _call(one: Side, call: Call, room: int) -> tuple[Line, str]:
    state = status.state_of(one.view, call)
    kind = "rlm" if call.node is not None or call.ran_as == "rlm" else "llm"
    line = Line().add(*_sign(one, state, call.ended)).add(" ").add(f"{kind} ", "ink-3")
    said, ink = brief.call(one.view, call)
    if call.unasked:
        said, ink = "not asked for this time", "ink-2"
    left = max(12, min(32, room - line.width - 3 - text.width(said)))
    line.add(text.cut(one.view.label(call.id), left, one.view.glyphs.ellipsis), "ink").add("  ")
    line.add(said, "ink bold" if ink == "ink-2" else ink)
    total = call.node.total if call.node is not None else None
    if total is not None:
        return line, text.total_tokens(total) if total.requests else ""
    return line, text.usage_tokens(call.usage) if call.usage is not None else ""


def _answer(one: Side, node: Node) -> Line:
    word, said, ink = brief.final(one.view, node)
    line = Line().add(one.view.glyphs.state(node.state), STATE_INK[node.state]).add(f" {word} ", "ink-3")
    return line.add(said, ink)


# What stands below a row ---------------------------------------------------------------------------------------------


def parts(row: Row, left: Side, right: Side) -> list[Part]:
    """The texts of a thing that differ; of one that is the same, or that only one run has, its own.

    Args:
        row: The thing.
        left: The left run.
        right: The right run.
    """
    pair = row.pair
    names = row.differs or PARTS[pair.kind]
    edited = _mark(pair.kind, pair.right) == "edited"
    made: list[Part] = []
    for name in names:
        if name == "messages":
            made.append(_messages(left, pair.left, right, pair.right))
            continue
        mine, theirs = (_text(one, name, thing) for one, thing in ((left, pair.left), (right, pair.right)))
        if mine or theirs or name in row.differs:
            called = "answer" if name == "value" and pair.kind != "block" else _NAMES.get(name, name)
            made.append(Part(called, mine, theirs, name == "code", edited and name in _BY_HAND))
    return made


def _text(one: Side, name: str, thing: Any) -> str | None:
    """A part of a thing as text; None when it is not there."""
    read = one.view.text
    match name, thing:
        case _, None:
            return None
        case "prompt", Call():
            return read(thing.prompt if thing.edited_prompt is None else thing.edited_prompt)
        case "prompt", Node():
            return read(thing.prompt)
        case "reply", Iteration():
            return None if thing.reply is None else read(thing.reply)
        case "obs", Iteration():
            return None if thing.obs is None else read(thing.obs)
        case "code", Block():
            return read(thing.code)
        case "output", Block():
            printed = "".join(piece.text for piece in output.pieces(one.view, thing) if piece.stream != "value")
            return printed + (read(thing.error) if thing.error is not None else "")
        case "value", Block() | Call() | Node():
            return None if thing.value is None else read(thing.value)
        case "status", Block() | Call() | Node():
            return "not asked for" if isinstance(thing, Call) and thing.unasked else status_words(thing)
        case _:
            return None


def status_words(thing: Block | Call | Node) -> str:
    """How something ended, in a word or two."""
    if thing.status == "ok":
        return "done"
    words = {"final": "answered", "new": "not run", "open": "not ended", "exhausted": "no answer"}
    return words.get(thing.status, thing.status)


def _messages(left: Side, mine: Any, right: Side, theirs: Any) -> Part:
    """What of two requests differs: from the first message on that is another one."""
    told = [list(_request(one, turn)) for one, turn in ((left, mine), (right, theirs))]
    n = next((n for n, (a, b) in enumerate(zip(*told, strict=False)) if a != b), min(map(len, told)))
    first, second = ("\n".join(each[n:]) for each in told)
    return Part("messages", first, second)


def _request(one: Side, turn: Iteration | None) -> Iterator[str]:
    last = (turn.answered or (turn.attempts[-1] if turn.attempts else None)) if turn is not None else None
    for n, message in enumerate(last.messages() if last is not None else (), 1):
        yield f"[{n} {message.role}]\n{one.view.text(message.content)}"
