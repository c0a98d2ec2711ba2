"""What is known of one model request beside its messages: to whom, how large, which attempt, what was left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Text
from rlm_tui.journal.tree import Attempt, Block, Call, Edited, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows.layout import Layout, identity, pairs, plain
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

CHARACTERS_A_TOKEN = 4
"""What a token is taken for where nobody has counted."""
ATTEMPTS = 4
"""Attempts that are told of, the newest of them."""
_JOINTS = 4
"""Line ends that may stand between the parts of an output."""

_CUT = re.compile(r"^\.\.\. \((?:truncated, total (\d{1,15}) chars|(\d{1,15}) chars left out)\)$", re.MULTILINE)
_OUTPUT = "REPL output:\n"


def estimate(characters: int) -> int:
    """About how many tokens a text of so many characters is."""
    return -(-characters // CHARACTERS_A_TOKEN)


# To whom, and what came of it ----------------------------------------------------------------------------------------


def about(
    view: View,
    *,
    model: str,
    params: Mapping[str, Any],
    characters: int,
    messages: str,
    attempts: list[Attempt],
    iteration: Iteration | None,
    call: Call | None,
    pending: str,
    width: int,
) -> list[Line]:
    """The rows above the messages of a request.

    Args:
        view: For what people changed.
        model: Where it goes.
        params: Its parameters.
        characters: All its messages together.
        messages: How many there are, in words.
        attempts: Every time it was sent, oldest first; those that led nowhere among them.
        iteration: Whose request it is; None for a leaf's.
        call: The sub-call that it is of, where that is selected.
        pending: Why it has not been sent, or never was; empty when it was.
        width: Cells of the pane.
    """
    last = attempts[-1] if attempts and not pending else None
    rows: list[tuple[str, Line | str]] = [("model", _model(view, text.clean(model) or "?", iteration, call))]
    if params:
        said = ", ".join(f"{name} {value}" for name, value in params.items())
        rows.append(("parameters", text.one_line(said)))
    rows.append(("messages", f"{messages}, {text.count(characters, 'character')}"))
    rows.append(("tokens", tokens(last, characters)))
    if pending:
        rows.append(("sent", pending))
    rows += _attempts(view, attempts, bool(pending))
    rows += _samples(iteration)
    node = iteration.node if iteration is not None else None
    if call is not None and node is not None and len(node.iterations) > 1:
        rows.append(("request", f"the first of {len(node.iterations)} of this child; d goes down to the others"))
    if node is not None:
        rows.append(("context", _context(node)))
    return pairs(rows, width)


def _model(view: View, name: str, iteration: Iteration | None, call: Call | None) -> Line:
    """The model, and whether a person chose it."""
    line = Line().add(name, "ink-2")
    ids = {iteration.id, iteration.node.id} if iteration is not None else {call.id} if call is not None else set[str]()
    chosen = [e for e in view.run.edits if e.id in ids and e.field == "model" and _plain(view, e) == name]
    return line.add(f"  {view.glyphs.human} chosen by hand", "human") if chosen else line


def _plain(view: View, edit: Edited) -> str:
    return text.clean(str(edit.value))


def tokens(sent: Attempt | None, characters: int) -> str:
    """How large a request is: as it was counted, else by its length.

    Args:
        sent: The request; None when it was not sent.
        characters: All its messages together.
    """
    usage = sent.usage if sent is not None else None
    if usage is None or usage.prompt is None or usage.source == "estimate":
        number = usage.prompt if usage is not None and usage.prompt is not None else estimate(characters)
        return f"~{number:,}, by the length; nobody has counted them"
    who = _COUNTED.get(usage.source or "", "")
    cached = f", {usage.cached:,} of them cached" if usage.cached else ""
    return f"{usage.prompt:,}{who}{cached}; those of each message by its length"


_COUNTED = {"provider": ", as the provider counted", "scripted": ", as the scripted model counts"}


def _attempts(view: View, attempts: list[Attempt], pending: bool) -> list[tuple[str, Line | str]]:
    """Which attempt is shown, and what the ones before it came to."""
    failed = attempts if pending else attempts[:-1]
    if not failed:
        return []
    rows: list[tuple[str, Line | str]] = []
    if not pending:
        rows.append(("attempt", f"{attempts[-1].attempt}, the last; its messages are these"))
    for n, attempt in list(enumerate(failed))[-ATTEMPTS:]:
        after = attempts[n + 1] if n + 1 < len(attempts) else None
        rows.append(("" if rows else "attempt", _failed(view, attempt, after)))
    return rows


def _failed(view: View, attempt: Attempt, after: Attempt | None) -> Line:
    what, ink = _OUTCOME.get(attempt.status, (attempt.status, "ink-2"))
    line = Line().add(f"{attempt.attempt} ", "ink-2").add(what, ink)
    if attempt.error is not None:
        line.add(f", {text.clean(attempt.error.kind)}: {text.one_line(attempt.error.message)}", "ink-2")
    if attempt.wait is not None:
        line.add(f"; waited {attempt.wait:.1f}s", "ink-3")
    if after is not None and (after.base, len(after.add)) != (attempt.base, len(attempt.add)):
        line.add(f"  {view.glyphs.human} sent again with other messages", "human")
    return line


_OUTCOME: dict[str, tuple[str, str]] = {
    "error": ("failed", "error"),
    "cancelled": ("was cancelled", "ink-2"),
    "lost": ("was lost with its process, and is asked again", "ink-2"),
    "partial": ("came in part", "ink-2"),
    "ok": ("came back", "ink-2"),
    "open": ("is under way", "live"),
}


def _samples(iteration: Iteration | None) -> list[tuple[str, Line | str]]:
    """The further replies to the same messages, by model where there are others."""
    latest = {sample.id: sample for sample in iteration.samples} if iteration is not None else {}
    if not latest or iteration is None:
        return []
    first = iteration.attempts[-1].model if iteration.attempts else ""
    others = [text.clean(sample.model) for sample in latest.values() if sample.model != first]
    of_others = f", {len(others)} of {', '.join(dict.fromkeys(others))}" if others else ""
    return [("samples", f"{text.count(len(latest), 'further reply', 'further replies')} to these messages{of_others}")]


def _context(node: Node) -> str:
    info = node.context
    items = f" of {text.count(info.items, 'item')}" if info.items is not None else ""
    return f"not in here: {info.kind}{items}, {text.count(info.length, 'character')}, in the REPL as context"


# What was cut --------------------------------------------------------------------------------------------------------


def body(view: View, layout: Layout, value: Text, made_by: Iteration | None, width: int, ink: str) -> list[Line]:
    """The text of one message; of an observation, first what the model does not see of it, and where that was.

    Args:
        view: Where whole texts come from.
        layout: What was laid out before.
        value: The text.
        made_by: Whose observation it is; None for what is none.
        width: Cells of the pane.
        ink: How it is painted.
    """
    if made_by is None or not any(_printed(block) for block in made_by.blocks):
        return layout.text(view, value, width, ink)
    key = ("cut", made_by.id, identity(value), str(width), ink)
    return layout.keep(key, lambda: _cut(view, view.text(value), made_by, width, ink))


def _cut(view: View, whole: str, made_by: Iteration, width: int, ink: str) -> list[Line]:
    lines: list[Line] = []
    found: list[tuple[re.Match[str], str]] = []
    for mark in _CUT.finditer(whole):
        if said := _says(whole, mark, made_by):
            found.append((mark, said))
    for block in made_by.blocks:
        for stream, cut in block.cuts.items():
            said = f"cut by the REPL: {cut.kept:,} of {cut.total:,} characters of {text.clean(stream)}, block {block.j}"
            lines.append(Line().add(" " + said, "ink-2"))
    lines += [Line().add(f" cut: {said}", "ink-2") for _, said in found]
    at = 0
    for mark, _ in found:
        lines += plain(whole[at : mark.start()].removesuffix("\n"), width, ink)
        line = Line().add(f" {mark.group()}", "ink bold")
        if line.width + 12 < width:
            line.fill(width - 10).add("cut here", "ink-3")
        lines.append(line.cut(width, view.glyphs.ellipsis))
        at = mark.end() + 1
    return [*lines, *plain(whole[at:], width, ink)] if at <= len(whole) else lines


def _says(whole: str, mark: re.Match[str], made_by: Iteration) -> str:
    """What a cut left out, in words; empty when the words are a block's own and no cut."""
    if mark.group(1) is None:
        left = int(mark.group(2))
        errors = [events.length(block.error) for block in made_by.blocks]
        return f"{left:,} characters out of the middle of an error" if any(left < n for n in errors) else ""
    total, begin = int(mark.group(1)), whole.rfind(_OUTPUT, 0, mark.start())
    block = next((b for b in made_by.blocks if 0 <= total - _printed(b) <= _JOINTS), None)
    if begin < 0 or block is None:
        return ""
    kept = mark.start() - 1 - begin - len(_OUTPUT)
    name = f"block {address.number(block.id)}" if len(made_by.blocks) > 1 else "the block"
    return f"the first {kept:,} of {total:,} characters that {name} printed"


def _printed(block: Block) -> int:
    """Characters of everything that a block gave, without line ends between the parts."""
    return sum(events.length(part) for part in (block.stdout, block.stderr, block.raw, block.value))
