"""The first tab of the inspector: the selected thing itself, whole."""

from __future__ import annotations

import re
from typing import Any

from rlm_tui.journal import events
from rlm_tui.journal.events import Text
from rlm_tui.journal.tree import Block, Call, Held, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import brief, evaluated, messages, rebuilt, standing, status, strips, variables
from rlm_tui.tui.rows.answers import given_to, last_edit
from rlm_tui.tui.rows.code import difference, numbered
from rlm_tui.tui.rows.layout import Layout, columns, pairs, rule, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.step import context
from rlm_tui.tui.selection import in_hand
from rlm_tui.tui.view import View

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*(\w*)")
_FENCE_LINE = re.compile(r"^\s*(`{3,}|~{3,})", re.MULTILINE)
_DECLARES = re.compile(r"\s*FINAL(_VAR)?\(")
_DECLARED = "an answer, declared in prose"
_BESIDE_CODE = "an answer, declared in prose; beside code that runs it is not taken"


def code(view: View, layout: Layout, block: Block, width: int, height: int) -> tuple[list[Line], int]:
    """A block: its code, an edit as a difference; below it its calls and who writes, or the variables it will find.

    Args:
        view: What is seen.
        layout: What was laid out before.
        block: The block.
        width: Cells of the pane.
        height: Rows of the pane; what is below the code fits itself to what is left.

    Returns:
        The lines, and up to which of them the newest evaluation reaches; 0 without one.
    """
    stands = standing.held_at_line(view, block)
    iteration = view.iteration_of(block.id)
    tried = evaluated.beside(iteration, block.id)
    looked = evaluated.looks(view, view.run.held.get(block.id))
    aside = view.size == "medium" and (stands is not None or bool(tried or looked))
    room = width * 11 // 20 if aside else width
    cells = room - 1 if aside else width
    made = _code(view, layout, block, cells)
    if stands is not None:
        made = standing.code(view, made, stands, block, cells)
    made += rebuilt.told(view, block, cells)
    if block.calls and view.size == "wide":
        made += [Line(), *strips.strips(view, block, width)]
    if (writer := strips.writing(view, block)) is not None:
        return [*made, Line(), *strips.stream(view, *writer, width, height - len(made) - 1)], 0
    left = width - room if aside else width
    found = evaluated.lines(view, layout, tried, looked, left)
    below = [Line(), *found] if found else []
    reached = len(below)
    if stands is not None:
        below += standing.below(view, stands, left)
    elif not block.calls and iteration is not None and not aside:
        below += _before(view, block, iteration, width)
    if aside:
        return columns(made, below[1:], width, room), max(0, reached - 1)
    return made + below, len(made) + reached if reached else 0


def _code(view: View, layout: Layout, block: Block, width: int) -> list[Line]:
    now = view.text(view.code(block))
    if not now.strip():
        return sentence("This block is empty.", width)
    if block.was is not None:
        return list(difference(layout, view.text(block.was), now, width))
    waits = block.status == "open" and block.open_calls and standing.held_at_line(view, block) is None
    return list(numbered(view, layout, now, width, brief.waiting_line(now) if waits else None))


def _before(view: View, block: Block, iteration: Iteration, width: int) -> list[Line]:
    rows = variables.with_context(iteration.node, variables.before(iteration.node, block))
    return [Line(), Line().add(" variables before this block", "ink-2"), *variables.table(view, rows, width)]


def reply(view: View, layout: Layout, iteration: Iteration, width: int, height: int) -> list[Line]:
    """A reply: whole, on its way, or what is about to be asked."""
    held = view.run.held.get(iteration.id)
    last = iteration.attempts[-1] if iteration.attempts else None
    if held is not None and held.point == "llm":
        return _request(view, layout, held, width)
    if held is not None and held.point == "error":
        return _failure(view, held, width)
    if last is not None and last.ended is None:
        who = view.label(iteration.node.id)
        if last.stream:
            return strips.stream(view, who, last, width, height)
        loading = " The library of its provider is being loaded first, once." if view.loading else ""
        return sentence(f"No reply yet. {who} is being asked.{loading}", width)
    made: list[Line] = []
    if last is not None and last.reasoning:
        thought = text.count(events.length(last.reasoning), "character")
        made += [rule(view, "reasoning", width, thought), *layout.text(view, last.reasoning, width, "ink-3"), Line()]
    given = iteration.reply if iteration.reply is not None else in_hand(held, "text") if held else None
    if given is None:
        error = last.error if last is not None else None
        if error is None and last is not None and last.status == "cancelled":
            return made + sentence("No reply: the request was cancelled.", width)
        if error is None and last is not None and last.status == "lost":
            return made + sentence("No reply: the process that asked is gone. It is asked again.", width)
        if error is None:
            return sentence("No reply yet: nothing has been asked.", width)
        return made + layout.text(view, error.message, width, "error") + layout.text(view, error.detail, width, "ink-2")
    whole = view.text(given)
    if iteration.edited_reply is not None:
        was = next((e.was for e in view.run.edits if e.id == iteration.id and e.field == "reply"), None)
        if isinstance(was, str):
            return made + difference(layout, was, whole, width, is_code=False)
    return made + layout.keep(("reply", whole, str(width)), lambda: _markdown(view, layout, whole, width))


def _markdown(view: View, layout: Layout, whole: str, width: int) -> list[Line]:
    """Prose as it is, fenced code coloured; the fences stay."""
    made: list[Line] = []
    run: list[str] = []
    fence = ""

    def flush() -> None:
        if not run:
            return
        said = "\n".join(run)
        made.extend(numbered(view, layout, said, width) if fence else layout.text(view, said, width))
        run.clear()

    for line in whole.split("\n"):
        found = _FENCE.match(line)
        if found and (not fence or (line.strip() == found[1] and found[1].startswith(fence))):
            flush()
            fence = "" if fence else found[1]
            made += layout.text(view, line, width, "ink-3")
        elif not fence and _DECLARES.match(line):
            flush()
            made += layout.text(view, line, width, "live bold")
            made += sentence(_BESIDE_CODE if _FENCE_LINE.search(whole) else _DECLARED, width, "ink-2")
        else:
            run.append(line)
    flush()
    return made


def _request(view: View, layout: Layout, held: Held, width: int) -> list[Line]:
    found = messages.sent(view)
    rows: list[tuple[str, str]] = [("model", text.clean(str(held.value.get("model", ""))))]
    params: dict[str, Any] = held.value.get("params") or {}
    if params:
        rows.append(("parameters", ", ".join(f"{name} {value}" for name, value in params.items())))
    if found is not None:
        whole = sum(events.length(message.content) for message in found.messages)
        new = max(0, len(found.messages) - found.new)
        rows.append(("messages", f"{len(found.messages)}, of these {new} new, {whole:,} characters"))
    lines, start = messages.lines(view, layout, width)
    return [*pairs([(name, text.clean(says)) for name, says in rows], width), Line(), *lines[start:]]


def _failure(view: View, held: Held, width: int) -> list[Line]:
    value = held.value
    said = [("went wrong", text.clean(str(value.get("kind", "")))), ("attempt", str(value.get("attempt", 1)))]
    if last_edit(view, held.id, "messages", held) is not None:
        said.append(("next", f"{view.glyphs.human} the request as you changed it, see Messages"))
    rows = pairs(said, width)
    said = text.lay_out(str(value.get("message", "")), width - 2)
    return [*rows, Line(), *(Line().add(" " + line, "error") for line in said)]


def call(view: View, layout: Layout, call: Call, width: int) -> list[Line]:
    """A sub-call: what was asked, of whom, and what came back."""
    kind = "a child RLM" if call.node is not None or call.ran_as == "rlm" else "a model request"
    why = f", because of {text.clean(call.reason)}" if call.reason else ""
    held = status.held_at(view, call.id) or view.run.held.get(call.id)
    rows = [("asked by", text.clean(call.fn)), ("ran as", kind + why)]
    model = call.node.model if call.node is not None else call.attempts[-1].model if call.attempts else call.model
    if model:
        rows.append(("model", text.clean(model)))
    if call.size and call.size > 1 and call.item is not None:
        rows.append(("batch", f"item {call.item} of {call.size}"))
    rows.append(("state", status.WORDS.get(call.state, call.state) + (f", {call.limit}" if call.limit else "")))
    made = pairs(rows, width)
    for attempt in call.attempts:
        if attempt.error is not None:
            made += pairs(
                [(f"try {attempt.attempt}", Line().add(text.one_line(attempt.error.message), "error"))], width
            )
    made += given_to(view, layout, call, held, width)
    asked = call.edited_prompt if call.edited_prompt is not None else call.prompt
    made += [Line(), rule(view, "prompt", width, text.count(events.length(asked), "character"))]
    if call.edited_prompt is not None:
        return made + difference(layout, view.text(call.prompt), view.text(asked), width, is_code=False)
    return made + layout.text(view, asked, width)


def observation(view: View, layout: Layout, iteration: Iteration, width: int) -> list[Line]:
    """The text that the model was told, or is about to be told."""
    held = view.run.held.get(iteration.id)
    given: Text | None = iteration.obs
    was = iteration.obs_was
    if given is None and held is not None:
        given = was = in_hand(held, "text")
        edit = last_edit(view, iteration.id, "obs", held)
        given, was = (edit.value, was) if edit is not None else (given, None)
    if given is None:
        return sentence("No observation yet.", width)
    made: list[Line] = []
    if iteration.obs_length > events.length(given):
        said = f"{events.length(given):,} characters sent; cut from {iteration.obs_length:,}."
        made = [*sentence(said, width, "ink-2"), Line()]
    if was is not None and was != given:
        return made + difference(layout, view.text(was), view.text(given), width, is_code=False)
    return made + layout.text(view, given, width)


def question(view: View, layout: Layout, width: int) -> list[Line]:
    """What the shown node was asked, and the size of its context."""
    shown = view.shown
    asked = view.run.task if not isinstance(shown, Call) and (shown is None or shown.call is None) else shown.prompt
    made = layout.text(view, asked, width)
    if isinstance(shown, Node):
        made = [*made, Line(), *pairs([("context", context(shown)), ("model", text.clean(shown.model))], width)]
    return made
