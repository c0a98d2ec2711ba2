"""What the screen says about a held value: where it is held, why, what has not happened yet, what the main key does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from rlm_tui.journal import address, events
from rlm_tui.journal.events import RESUME, Blob, Point, Why
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Block, Edited, Held
from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.text import count, one_line
from rlm_tui.tui.view import View

RELEASE: dict[Point, str] = {
    "llm": "send", "reply": "take it", "block": "run", "call": "start it", "return": "hand back",
    "observe": "show the model", "final": "accept", "error": "let it fail", "limit": "let it end",
    "line": "go on",
}  # fmt: skip
"""What releasing is called, by pause point."""

WHY: dict[Why, str] = {
    "step": "step", "breakpoint": "breakpoint", "pause": "pause", "error": "always held", "limit": "always held",
    "start": "held at the start", "resume": "resumed, held",
}  # fmt: skip


def why(held: Held) -> str:
    """Why something is held, with the breakpoint's text, its error, or the verb that ended early."""
    reason = one_line(held.reason)
    return f"{WHY[held.why]}  {reason}" if reason else WHY[held.why]


_UNTIL: dict[Point, str] = {
    "llm": "This request has not been sent.",
    "reply": "Nothing of this reply has run.",
    "block": "Nothing of this block has run.",
    "call": "Nobody has been asked yet.",
    "return": "The code has not seen this answer.",
    "observe": "The model has not seen this text.",
    "final": "This answer has not been accepted.",
}

_WISHES = {
    "step": "step: stops at this node's next pause point",
    "next": "next: stops at this node's next block, or what it prints",
    "iteration": "iteration: stops at this node's next request",
    "into": "into: stops at the first request of the call",
    "out": "out: stops when this node has ended",
    "cursor": "to the cursor: stops when that is next",
    "pause": "stops at the next pause point",
}

_KEYS: dict[str, str] = {
    "code": "code", "reply": "text", "obs": "text", "prompt": "prompt", "answer": "text", "messages": "messages",
    "model": "model", "params": "params",
}  # fmt: skip


def i_k(held: Held) -> str:
    """The iteration that a held value belongs to, as the rows write it: ``i2``; empty when there is none."""
    found = re.match(r"/(i\d+)", held.id.removeprefix(held.node))
    return found.group(1) if found else ""


def where(held: Held) -> str:
    """Where something is held: ``before block 1``."""
    match held.point:
        case "llm":
            return "before a request"
        case "reply":
            return "at a reply"
        case "block":
            return f"before block {address.number(held.id)}"
        case "call":
            return "before a call"
        case "return":
            return "at an answer to the code"
        case "observe":
            return "before an observation"
        case "final":
            return "at a final answer"
        case "error":
            return _WHERE_FAILED.get(failed(held), "at an error").format(n=address.number(held.id))
        case "limit":
            # Which one: a narrow window has no room for the sentence that tells it.
            return f"at the limit {_plain(held.value.get('name'))}"
        case "line":
            return f"in block {address.number(held.id)}, at line {held.value.get('line')}"


_WHERE_FAILED = {
    "aborted": "after block {n} was aborted", "died": "after the REPL of block {n} died",
    "diverged": "in a rebuild, before block {n}",
}  # fmt: skip


def failed(held: Held) -> str:
    """What kind of thing went wrong, of what is held at an error; empty elsewhere."""
    return str(held.value.get("kind") or "") if held.point == "error" else ""


def joined(glyphs: Glyphs, *parts: str) -> str:
    """Where something is, part by part, those left out that are empty."""
    return f" {glyphs.sent} ".join(part for part in parts if part)


def edits_of(run: Run, held: Held) -> list[Edited]:
    """What people changed of a held value since it is held, oldest first."""
    found: list[Edited] = []
    for edited in reversed(run.edits):
        if edited.t < held.since:
            break
        if edited.id == held.id and edited.field != "note":
            found.append(edited)
    return found[::-1]


def is_edited(run: Run, held: Held) -> bool:
    """Whether a held value differs from what it was when it was held."""
    found = edits_of(run, held)
    return bool(found) and found[-1].value != found[0].was


_AFTER = {"aborted": "tell the model", "diverged": "go on as it is"}

RAISED = "go on"
"""What releasing does at a limit that was raised."""


def release_word(run: Run, held: Held) -> str:
    """What the key that releases does here, as its label."""
    word = RELEASE[held.point]
    if held.point == "limit" and is_edited(run, held):
        return RAISED
    if held.point == "limit" and held.id in run.calls and held.id not in run.nodes:
        return "refuse the call"
    if (kind := failed(held)) in _AFTER or (kind == "died" and held.id in run.blocks):
        return _AFTER.get(kind, _AFTER["aborted"])
    if held.point == "call" and held.value.get("unrecorded"):
        return "ask now"
    if held.point == "error" and any(edited.field == "answer" for edited in edits_of(run, held)):
        return RELEASE["return"]
    return f"{word} edited" if held.point == "block" and is_edited(run, held) else word


def limit(run: Run, held: Held) -> str:
    """How much of a limit is used, of what it is now: ``max_iterations 30 of 40``."""
    to = held.value.get("limit")
    for edited in edits_of(run, held):
        if edited.field == "limit":
            to = cast(dict[str, Any], edited.value)["to"]
    return f"{one_line(_plain(held.value.get('name')))} {_number(held.value.get('used'))} of {_number(to)}"


def ends_here(run: Run, held: Held) -> bool:
    """Whether handing a held value on as it is ends its node: a failed request, a limit of the node not raised."""
    if held.point == "error":
        return held.id in run.iterations and failed(held) not in _AFTER
    return held.point == "limit" and held.id in run.nodes and not is_edited(run, held)


def sentence(run: Run, held: Held, human: str) -> str:
    """What has not happened yet, or what is wrong.

    Args:
        run: The run.
        held: What is held.
        human: The sign of a person's hand.
    """
    value = held.value
    if held.point == "line":
        return standing(held)
    if held.point == "error":
        said = one_line(_plain(value.get("message"))) or "Something failed that is not the model's code."
        if failed(held) == "aborted":
            return "The variables so far are kept. Running it again first rebuilds the REPL to before it."
        if failed(held) == "died" and held.id in run.blocks:
            return f"{said.rstrip('.')}. r runs it again in a REPL rebuilt to before it."
        if failed(held) == "diverged":
            return f"{said.rstrip('.')}. r rebuilds it once more, a goes on with the REPL as it is."
        return said
    if held.point == "call" and value.get("unrecorded"):
        return "The first run did not make this call, so it has no recorded answer. Nobody has been asked."
    if held.point == "limit":
        return f"{limit(run, held)} used." + ("" if is_edited(run, held) else " e raises it.")
    said = _taken_up(run, held) if held.why == RESUME else _UNTIL[held.point]
    return f"{said} What follows from your edit will carry {human}." if is_edited(run, held) else said


MOST_EFFECTS = 2
"""Of what is done once more, so much is named where there is one line."""


def _taken_up(run: Run, held: Held) -> str:
    """What has not happened yet where a run is gone on with, and what is done once more for its REPL's sake."""
    said, block = _UNTIL[held.point], run.blocks.get(held.id)
    if block is not None and block.started is not None:
        said = "It had begun, and runs again from its first line."
    if hazards := done_again(run, held):
        # First what cannot be taken back: a line may be cut.
        return f"{hazards} {said}"
    again = _run_again(run, held)
    return f"{said} Its REPL is made anew from {count(len(again), 'block')} first." if again else said


def done_again(run: Run, held: Held) -> str:
    """What blocks did outside and do once more, when the REPL of something held is made anew; empty for nothing."""
    named = list(dict.fromkeys(one_line(effect) for block in _run_again(run, held) for effect in block.effects))
    if not named:
        return ""
    more = f" and {len(named) - MOST_EFFECTS} more" if len(named) > MOST_EFFECTS else ""
    return f"Done once more first: {'; '.join(named[:MOST_EFFECTS])}{more}."


def _run_again(run: Run, held: Held) -> list[Block]:
    """The blocks that run again before what is held, where a run is gone on with and that was not done yet."""
    node = run.nodes.get(held.node) if held.why == RESUME else None
    again = [one for one in node.ran() if one.repeatable and one.id != held.id] if node is not None else []
    return [] if any(one.rebuilt is not None for one in again) else again


def standing(held: Held) -> str:
    """Where a block stands that was broken in to, and what runs on."""
    line, threads = held.value.get("line"), int(held.value.get("threads") or 0)
    on = f"; {count(threads, 'other thread')} {'runs' if threads == 1 else 'run'} on" if threads else ""
    return f"The block stands at line {line}. Nothing is lost{on}."


def wish(wants: str) -> str:
    """What a verb under way waits for."""
    return _WISHES.get(wants, _WISHES["pause"])


def current(view: View, held: Held) -> dict[str, Any]:
    """A held value as it stands now: with every edit, and every text of it whole.

    Args:
        view: For the run and for texts kept elsewhere.
        held: What is held.
    """
    first = dict(held.value) | (_asked(view.run, held) if held.point == "error" else {})
    value: dict[str, Any] = {key: _whole(view, item) for key, item in first.items()}
    for edited in edits_of(view.run, held):
        new = _whole(view, edited.value)
        if key := _KEYS.get(edited.field):
            value[key] = new
        elif edited.field == "final":
            value.update(new)
        elif edited.field == "limit":
            value["limit"] = new["to"]
        elif edited.field == "say":
            value |= _with_said(value, new["text"])
    return value


def _with_said(value: dict[str, Any], said: str) -> dict[str, Any]:
    """A held request, or an observation, with a message to the model at its end."""
    from rlm_tui.debugger.edits import with_said

    return with_said(value, said)


def _asked(run: Run, held: Held) -> dict[str, Any]:
    """What failed, and is asked for again by a retry: a block's code, a leaf's prompt, a node's messages."""
    if (block := run.blocks.get(held.id)) is not None:
        return {"code": block.code}
    owner = run.calls.get(held.id) or run.iterations.get(held.id)
    if owner is None or not owner.attempts:
        return {}
    messages = owner.attempts[-1].messages()
    return {"prompt": messages[-1].content} if held.id in run.calls else {"messages": messages}


def _whole(view: View, value: Any) -> Any:
    if isinstance(value, Blob):
        return view.text(value)
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, Any], value)
        if "$blob" in fields:
            return view.text(Blob.model_validate(dict(fields)))
        return {key: _whole(view, item) for key, item in fields.items()}
    if isinstance(value, events.Message):
        return {"role": value.role, "content": view.text(value.content)}
    if isinstance(value, list | tuple):
        return [_whole(view, item) for item in cast(list[Any], value)]
    return value


def _plain(value: Any) -> str:
    return value.head if isinstance(value, Blob) else str(value or "")


def _number(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, int | float) else "?"
