"""What of a run can be searched: its things, each with its texts, in the order in which the run is told.

Lists are copied before they are walked, and nothing is changed: the walk may be in another thread than the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from rlm_tui.journal import address
from rlm_tui.journal.events import Blob, ErrorInfo, Message, Text
from rlm_tui.journal.query import Field
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Attempt, Block, Call, Edited, Iteration, Node

Given = list[tuple[Field, Text | None]]


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of a thing, and of which kinds it is."""

    field: Field
    kinds: frozenset[str]
    text: Text


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing of a run, with its texts.

    Attributes:
        id: Its address.
        row: The address of the node or the sub-call that it is of.
        kind: What it is.
        depth: Of its row; the root's is 0.
        state: What it does, or how it ended.
        edited: Whether a person's hand is in it.
        failed: Whether something went wrong in it.
        pieces: Its texts.
    """

    id: str
    row: str
    kind: str
    depth: int
    state: str
    edited: bool
    failed: bool
    pieces: tuple[Piece, ...]


def subjects(run: Run) -> Iterator[Subject]:
    """Every thing of a run with its texts, in the order in which the run is told: a child where it was asked for."""
    notes = {id: list(edits) for id, edits in list(run.notes.items())}
    systems: set[str] = set()
    waiting: list[Iterator[Subject | Node]] = [_node(run.root, run.task, systems)] if run.root is not None else []
    while waiting:
        thing = next(waiting[-1], None)
        if thing is None:
            waiting.pop()
        elif isinstance(thing, Node):
            waiting.append(_node(thing, None, systems))
        else:
            yield thing
            for id in (thing.id, f"{thing.id}/obs", f"{thing.id}/answer"):
                yield from _notes(notes.pop(id, ()), thing.row, thing.depth)
    for id, left in notes.items():
        yield from _notes(left, address.node_of(id), 0)
    yield from _changed(run)
    yield from _in_hand(run, systems)


def _notes(edits: Iterable[Edited], row: str, depth: int) -> Iterator[Subject]:
    for edit in edits:
        texts = _distinct({"note"}, [("note", _text(edit.value)), ("note", edit.note)])
        yield Subject(edit.id, row, "note", depth, "done", edit.by == "human", False, texts)


def _changed(run: Run) -> Iterator[Subject]:
    """What a person put into requests: sent, but not the text of any other thing."""
    for edit in list(run.edits):
        kind, row, depth = _asker(run, edit.id)
        if edit.field == "messages":
            before = {_identity(text) for _, text in _contents(edit.was)}
            given = [text for _, text in _contents(edit.value) if _identity(text) not in before]
        elif edit.field == "say":
            given = [_text(cast("dict[str, Any]", edit.value or {}).get("text"))]
        else:
            continue
        texts = _distinct({kind}, [("prompt", text) for text in given])
        yield Subject(edit.id, row, kind, depth, "done", True, False, texts)


def _in_hand(run: Run, systems: set[str]) -> Iterator[Subject]:
    """What is held and has not become a part of anything yet."""
    for held in list(run.held.values()):
        node = run.nodes.get(held.node)
        if node is None:
            continue
        if held.point == "llm":
            kind, row, depth = _asker(run, held.id)
            given = [text for role, text in _contents(held.value.get("messages")) if role == "system"]
            new: Given = [("system", text) for text in given if _identity(text) not in systems]
            texts = _distinct({kind}, new, "system")
            yield Subject(held.id, row, kind, depth, "held", False, False, texts)
        elif held.point == "observe":
            texts = _distinct({"observe"}, [("observe", _text(held.value.get("text")))])
            yield Subject(held.id, node.id, "observe", node.depth, "held", False, False, texts)
        elif held.point == "final":
            texts = _distinct({"rlm", "final"}, [("answer", _text(held.value.get("text")))])
            yield Subject(node.id, node.id, "final", node.depth, "held", False, False, texts)


def _asker(run: Run, id: str) -> tuple[str, str, int]:
    """Of a request's address: what kind of thing asks, which row it is of, and how deep that is."""
    node = run.nodes.get(address.node_of(id))
    if node is not None:
        return "reply", node.id, node.depth
    call = run.calls.get(id)
    above = run.nodes.get(address.node_of(call.block.id)) if call is not None else None
    return "llm", id, above.depth + 1 if above is not None else 0


def _contents(messages: Any) -> list[tuple[str, Text]]:
    """Roles and texts of messages as an event keeps them."""
    found: list[tuple[str, Text]] = []
    for message in cast("list[Any]", messages) if isinstance(messages, list | tuple) else []:
        if isinstance(message, Message):
            found.append((message.role, message.content))
        elif isinstance(message, dict):
            fields = cast("dict[str, Any]", message)
            found.append((str(fields.get("role", "")), _text(fields.get("content"))))
    return found


def _node(node: Node, task: Text | None, systems: set[str]) -> Iterator[Subject | Node]:
    failed = node.status == "error"
    if node.call is None:
        asked = _distinct({"rlm", "prompt"}, [("prompt", node.prompt if task is None else task)], "prompt")
        yield Subject(node.id, node.id, "rlm", node.depth, node.state, node.edited, failed, asked)
    for iteration in [*node.iterations, *([node.default] if node.default is not None else [])]:
        yield from _reply(node, iteration, systems)
        for block in list(iteration.blocks):
            yield _block(node, block)
            for call in list(block.calls):
                yield _call(node, call)
                if call.node is not None:
                    yield call.node
        if iteration.obs is not None:
            texts = _distinct({"observe"}, [("observe", iteration.obs), ("observe", iteration.obs_was)])
            edited = iteration.obs_mark == "edited"
            yield Subject(iteration.id, node.id, "observe", node.depth, "done", edited, False, texts)
    if node.status != "open":
        given: Given = [("answer", node.value), ("answer", node.partial)]
        answer = _distinct({"rlm", "final"}, given + _error(node.error), "answer")
        edited = node.final_mark == "edited"
        yield Subject(node.id, node.id, "final", node.depth, node.state, edited, failed, answer)


def _reply(node: Node, iteration: Iteration, systems: set[str]) -> Iterator[Subject]:
    attempts = list(iteration.attempts)
    given: Given = [("reply", iteration.edited_reply)]
    for attempt in attempts:
        given += _brought(attempt, systems)
    failed = any(attempt.status == "error" for attempt in attempts)
    texts = _distinct({"reply"}, given, "reply")
    state, edited = _asked(iteration, attempts), iteration.mark == "edited"
    yield Subject(iteration.id, node.id, "reply", node.depth, state, edited, failed, texts)
    for sample in list(iteration.samples):
        texts = _distinct({"reply"}, _brought(sample, systems), "reply")
        failed = sample.status == "error"
        yield Subject(sample.id, node.id, "reply", node.depth, _how(sample), False, failed, texts)


def _brought(attempt: Attempt, systems: set[str]) -> Given:
    """What a request brought. What it sent is found where that came from; only a system prompt is nowhere else."""
    given: Given = []
    for message in attempt.add:
        if message.role == "system" and (name := _identity(message.content)) not in systems:
            systems.add(name)
            given.append(("system", message.content))
    said = attempt.reply or "".join(list(attempt.stream))
    given.append(("reasoning", attempt.reasoning))
    given.append(("reply", said))
    given += _error(attempt.error)
    return given


def _asked(iteration: Iteration, attempts: list[Attempt]) -> str:
    if iteration.held is not None and iteration.held.point in ("llm", "reply", "error"):
        return "held"
    return _how(attempts[-1]) if attempts else "new"


def _how(attempt: Attempt) -> str:
    return {"open": "sampling", "ok": "done", "partial": "done", "cancelled": "killed", "lost": "new"}.get(
        attempt.status, "error"
    )


def _block(node: Node, block: Block) -> Subject:
    kind = "eval" if block.origin == "eval" else "block"
    running = "".join(text for _, text in [*list(block.stream), *list(block.late)])
    given: Given = [
        ("code", block.code), ("code", block.was), ("output", block.stdout), ("output", block.stderr),
        ("output", block.raw), ("output", block.value), ("output", running), ("error", block.error),
    ]  # fmt: skip
    given.extend(("output", cut.tail) for cut in block.cuts.values())
    failed = block.status in ("error", "timeout", "died")
    texts = _distinct({kind}, given, "code")
    return Subject(block.id, node.id, kind, node.depth, block.state, block.mark == "edited", failed, texts)


def _call(node: Node, call: Call) -> Subject:
    kind = "rlm" if call.node is not None or call.ran_as == "rlm" else "llm"
    attempts = list(call.attempts)
    prompts: Given = [("prompt", call.prompt), ("prompt", call.edited_prompt)]
    # A child's answer is told where it ends; here stands only what became of it on the way.
    same = call.node is not None and call.value == call.node.value
    given: Given = [("answer", None if same else call.value), ("answer", call.was)]
    given += _error(call.error)
    for attempt in attempts:
        given.append(("reasoning", attempt.reasoning))
        given += _error(attempt.error)
        if call.status == "open":
            given.append(("answer", attempt.reply or "".join(list(attempt.stream))))
    failed = call.status in ("error", "timeout") or any(attempt.status == "error" for attempt in attempts)
    texts = _distinct({kind, "prompt"}, prompts, "prompt") + _distinct({kind}, given)
    return Subject(call.id, call.id, kind, node.depth + 1, call.state, call.row_mark == "edited", failed, texts)


def _error(error: ErrorInfo | None) -> Given:
    return [] if error is None else [("error", error.message), ("error", error.detail)]


def _distinct(kinds: set[str], texts: Given, empty: Field | None = None) -> tuple[Piece, ...]:
    """The texts that say something, each once; where none does, one that is empty, of the field given for that."""
    kept: dict[tuple[Field, str], Piece] = {}
    for field, text in texts:
        if text:
            kept.setdefault((field, _identity(text)), Piece(field, frozenset(kinds), text))
    if not kept and empty is not None:
        return (Piece(empty, frozenset(kinds), ""),)
    return tuple(kept.values())


def _identity(text: Text) -> str:
    return text.sha256 if isinstance(text, Blob) else text


def _text(value: Any) -> Text:
    """A text from an edit, whichever way it is kept there."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return Blob.model_validate(fields) if "$blob" in fields else ""
    return value if isinstance(value, str | Blob) else "" if value is None else str(cast("object", value))
