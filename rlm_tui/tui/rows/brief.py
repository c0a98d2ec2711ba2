"""What a row says of a thing in a few words."""

from __future__ import annotations

import difflib
import re

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Text
from rlm_tui.journal.tree import Block, Call, Held, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows import status
from rlm_tui.tui.view import View

_FENCE = re.compile(r"^\s*(```|~~~)", re.MULTILINE)
_THOUGHT = re.compile(r"\A\s*<think>.*?(</think>|\Z)", re.DOTALL)
_LINE = re.compile(r"line (\d+)")
_QUERY = re.compile(r"\b(?:llm|rlm)_query(?:_batched)?\s*\(")
_OUTPUT = re.compile(r"REPL output:\n(.*?)(?:\n\n|\Z)", re.DOTALL)


def prose(reply: str) -> str:
    """What a reply says before its first code, on one line."""
    spoken = _FENCE.split(_THOUGHT.sub("", reply), maxsplit=1)[0]
    return text.flowed(spoken) or ("code only" if reply.strip() else "an empty reply")


def block(view: View, block: Block) -> tuple[str, str]:
    """The most useful thing to say of a block, and its ink."""
    held = view.run.held.get(block.id)
    if held is not None and held.point == "line":
        return _stands(view, block, held), "held-text"
    if held is not None and held.point in ("block", "call", "return"):
        if block.was is not None:
            return changed_lines(view.text(block.was), view.text(view.code(block))), "held-text"
        return f"{text.count(lines(view, block), 'line')}, not run yet", "held-text"
    ink = "held-text" if held is not None else ""
    said, its_ink = _ended_badly(view, block) or _going_on(view, block)
    return said, ink or its_ink


def _stands(view: View, block: Block, held: Held) -> str:
    """The line that a block stands at, as it is written."""
    line = held.value.get("line")
    code = view.text(block.code).split("\n")
    return text.one_line(code[line - 1]) if isinstance(line, int) and 0 < line <= len(code) else "stands"


BY_HAND = "human"
_ENDS = {"timeout": "timed out", "died": "the REPL died"}


def _ended_badly(view: View, block: Block) -> tuple[str, str] | None:
    """How a block ended that did not end by itself, or with an error; None when it did."""
    why = _error(events.head(block.error), view.text(block.error)) if block.error is not None else ""
    match block.status:
        case "aborted" if block.stopped_by == BY_HAND:
            return "aborted by you, variables kept", "ink-2"
        case "aborted":
            return "stopped", "ink-2"
        case "died" if block.stopped_by == BY_HAND:
            return "its REPL was killed by you", "ink-2"
        case "timeout" | "died":
            said = _ENDS[block.status]
            return said + (f": {why.removeprefix(f'{said}: ')}" if why else ""), "error"
        case _:
            return (why, "error") if why else None


def _going_on(view: View, block: Block) -> tuple[str, str]:
    match block.status:
        case "new" if _ahead(view, block):
            return f"{text.count(lines(view, block), 'line')}, not run yet", "ink-3"
        case "new":
            return "not run", "ink-3"
        case "open":
            return _running(view, block)
        case "skipped":
            return "skipped", "ink-2"
        case _:
            return _ended(block), "ink-2"


def _ahead(view: View, block: Block) -> bool:
    """Whether a block that has not run may still do so."""
    node = view.run.nodes.get(address.node_of(block.id))
    seen = view.past is not None or not view.read_only
    return view.run.end is None and seen and node is not None and node.status == "open"


def _running(view: View, block: Block) -> tuple[str, str]:
    if not block.open_calls:
        said = text.one_line(block.stream[-1][1]) if block.stream else ""
        return said or "running", "live"
    line = waiting_line(events.head(block.code, 4096))
    at = f"line {line}, " if line else ""
    return f"{at}waiting for {text.count(block.open_calls, 'call')}", "ink"


def _ended(block: Block) -> str:
    if block.origin == "eval":
        return text.one_line(events.head(block.code))
    if block.mark == "edited":
        return "edited, then run"
    if line := text.one_line(events.head(block.stdout)):
        return line
    if block.finals:
        return "declared an answer"
    if line := text.one_line(events.head(block.value)) or text.one_line(events.head(block.stderr)):
        return line
    return text.count(len(block.calls), "call") if block.calls else "no output"


def waiting_line(code: str) -> int | None:
    """The line of a block's only query, from 1; None when there are several, so that it would be a guess."""
    found = [n for n, line in enumerate(code.split("\n"), 1) if _QUERY.search(line)]
    return found[0] if len(found) == 1 else None


def _error(head: str, whole: str) -> str:
    last = next((line for line in reversed(whole.rstrip().splitlines()) if line.strip()), head)
    numbers = _LINE.findall(whole)
    return text.one_line(last) + (f", line {numbers[-1]}" if numbers and "line " not in last else "")


def lines(view: View, block: Block) -> int:
    """Lines of a block's code."""
    return len(view.text(view.code(block)).rstrip("\n").split("\n"))


def changed_lines(was: str, now: str) -> str:
    """How much an edit changed: ``1 line edited``."""
    matcher = difflib.SequenceMatcher(None, was.split("\n"), now.split("\n"), autojunk=False)
    count = sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")
    return f"{text.count(count, 'line')} edited"


def call(view: View, call: Call) -> tuple[str, str]:
    """What a call gave, or what it is doing, and its ink."""
    g, state = view.glyphs, status.state_of(view, call)
    if call.status == "open":
        steps = call.node.iterations[-1].k if call.node is not None and call.node.iterations else 0
        at = f"i{steps} " if steps else ""
        if status.retrying(call.attempts) and call.node is None:
            return f"retrying in {status.left(view, call.attempts[-1])}s", "live"
        word = {"sampling": "sampling", "executing": "running", "between": "running", "waiting": "waiting"}.get(state)
        return (at + word, "live" if state in status.MOVING else "ink-2") if word else (at + "queued", "ink-3")
    if call.error is not None and call.status != "ok":
        return text.one_line(call.error.message), "error"
    if call.value is None or call.status in ("refused", "killed"):
        return call.limit or status.WORDS.get(state, "no answer"), "ink-2"
    answer = text.one_line(events.head(call.value)) or "(empty)"
    was = f"  was {text.one_line(events.head(call.was))}" if call.was is not None else ""
    return f"{g.arrow} {answer}{was}", "human" if call.status == "supplied" else "ink-2"


def observation(iteration: Iteration, held_text: Text = "") -> str:
    """What the model was told: the one line of output, or how much it was."""
    sent = iteration.obs if iteration.obs is not None else held_text
    shown = _OUTPUT.search(events.head(sent, 4096))
    output = shown.group(1) if shown else events.head(sent, 4096)
    if "\n" not in output.strip() and len(output) < 80 and events.length(sent) < 1024 and output.strip():
        return text.one_line(output)
    length = events.length(sent)
    whole = f", cut from {iteration.obs_length:,}" if iteration.obs_length > length else ""
    return f"{length:,} characters{whole}"


def final(view: View, thing: Node | Call) -> tuple[str, str, str]:
    """The last row of a node or a leaf: its word, what it says, and the ink of that."""
    if isinstance(thing, Call):
        said, ink = call(view, thing)
        return "answer", said.removeprefix(f"{view.glyphs.arrow} "), ink
    if thing.value is not None:
        return "final", text.one_line(events.head(thing.value)) or "(empty)", "ink bold"
    if thing.error is not None:
        return "error", text.one_line(thing.error.message), "error"
    words = {"killed": "killed", "exhausted": "no answer", "limit": "no answer"}.get(thing.status, "no answer")
    return "ended", words + (f", {thing.limit}" if thing.limit else ""), "ink-2"
