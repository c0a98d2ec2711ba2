"""What a model was sent, or is about to be sent, message by message: exactly, and with what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from rlm_tui.journal import events
from rlm_tui.journal.events import Message
from rlm_tui.journal.tree import Attempt, Call, Edited, Held, Iteration, Node
from rlm_tui.tui import text
from rlm_tui.tui.rows.code import difference
from rlm_tui.tui.rows.layout import Layout, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import ANSWER, View, as_text


@dataclass(frozen=True, slots=True)
class Sent:
    """The messages of one request.

    Attributes:
        messages: Oldest first.
        new: The index of the first one that the request before did not have.
        was: What they were before a person changed them; None when nobody did.
        by_hand: Indices of messages that rest on an edited reply or observation.
    """

    messages: list[Message]
    new: int
    was: list[Message] | None = None
    by_hand: frozenset[int] = frozenset()


def sent(view: View) -> Sent | None:
    """The messages that go with what is selected: of its iteration, of its call, or the node's last ones."""
    thing = view.thing()
    if isinstance(thing, Call) and thing.node is None:
        held = view.run.held.get(thing.id)
        if held is not None and held.point == "llm":
            return _in_hand(view, held, 0)
        return _of(view, thing.attempts[-1]) if thing.attempts else None
    iteration = None if (view.item or "").endswith(ANSWER) else view.iteration_of(view.item)
    if isinstance(thing, Call) and thing.node is not None:
        iteration = thing.node.iterations[-1] if thing.node.iterations else None
    shown = view.shown
    if iteration is None and isinstance(shown, Node) and shown.iterations:
        iteration = shown.iterations[-1]
    return _of_iteration(view, iteration) if iteration is not None else None


def _of_iteration(view: View, iteration: Iteration) -> Sent | None:
    held = view.run.held.get(iteration.id)
    by_hand = _by_hand(iteration)
    if held is not None and held.point == "llm":
        last = iteration.node.last_attempt
        kept = len(last.messages()) if last is not None else 0
        found = _in_hand(view, held, kept)
        return Sent(found.messages, found.new, found.was, by_hand)
    if not iteration.attempts:
        return None
    found = _of(view, iteration.attempts[-1])
    if held is not None and held.point == "error" and (edits := _edits(view, held)):
        # What failed is kept; a retry sends what a person made of it.
        return Sent(messages_of(edits[-1].value), found.new, found.messages, by_hand)
    return Sent(found.messages, found.new, found.was, by_hand)


def _of(view: View, attempt: Attempt) -> Sent:
    edit = next((e for e in reversed(view.run.edits) if e.id == attempt.id and e.field == "messages"), None)
    return Sent(attempt.messages(), attempt.base, messages_of(edit.was) if edit and edit.was else None)


def _edits(view: View, held: Held) -> list[Edited]:
    return [e for e in view.run.edits if e.id == held.id and e.field == "messages" and e.t >= held.since]


def _in_hand(view: View, held: Held, kept: int) -> Sent:
    edits = _edits(view, held)
    first = messages_of(held.value.get("messages"))
    if not edits:
        return Sent(first, min(kept, len(first)))
    return Sent(messages_of(edits[-1].value), min(kept, len(first)), first)


def messages_of(value: Any) -> list[Message]:
    """Messages as an event keeps them: objects with a role and a content; what is no message is left out."""
    found: list[Message] = []
    for entry in cast("list[Any]", value) if isinstance(value, list | tuple) else []:
        if isinstance(entry, Message):
            found.append(entry)
        elif isinstance(entry, dict):
            fields = cast("dict[str, Any]", entry)
            found.append(Message(role=str(fields.get("role", "?")), content=as_text(fields.get("content", ""))))
    return found


def _by_hand(iteration: Iteration) -> frozenset[int]:
    """Where edited replies and observations stand: after system and task, two messages an iteration."""
    found: set[int] = set()
    for n, before in enumerate(iteration.node.iterations):
        if before is iteration:
            break
        if before.edited_reply is not None:
            found.add(2 + 2 * n)
        if before.obs_mark == "edited":
            found.add(3 + 2 * n)
    return frozenset(found)


def lines(view: View, layout: Layout, width: int) -> tuple[list[Line], int]:
    """Every message under a rule with its role and length.

    Args:
        view: What is selected.
        layout: What was laid out before.
        width: Cells of the pane.

    Returns:
        The lines, and the index of the line where what is new begins.
    """
    found = sent(view)
    if found is None or not found.messages:
        return sentence("No messages yet: nothing has been sent.", width), 0
    made: list[Line] = []
    start = 0
    for n, message in enumerate(found.messages):
        if n == found.new:
            start = len(made)
        was = found.was[n] if found.was is not None and n < len(found.was) else None
        edited = found.was is not None and (was is None or was != message)
        made.append(_heading(view, n, message, n >= found.new, edited or n in found.by_hand, width))
        if edited and was is not None:
            made += difference(layout, view.text(was.content), view.text(message.content), width, is_code=False)
        else:
            made += layout.text(view, message.content, width, "ink" if n >= found.new else "ink-2")
        made.append(Line())
    return made, start if found.new < len(found.messages) else 0


def _heading(view: View, n: int, message: Message, new: bool, edited: bool, width: int) -> Line:
    g = view.glyphs
    line = (
        Line()
        .add(g.thin, "rule-2")
        .add(f" {n + 1} ", "ink-3")
        .add(text.clean(message.role), "ink bold" if new else "ink-2")
    )
    if edited:
        line.add(f" {g.human} edited", "human")
    end = Line().add(" ")
    if new:
        end.add("new  ", "ink-2")
    end.add(text.count(events.length(message.content), "character"), "ink-3").add(f" {g.thin}", "rule-2")
    line.add(" ").add(g.thin * max(1, width - 1 - line.width - 1 - end.width), "rule-2")
    line.spans += end.spans
    return line.cut(width, g.ellipsis)
