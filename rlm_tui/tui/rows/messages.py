"""What a model was sent, or is about to be sent, message by message: exactly, and with what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any, cast

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Message, Text
from rlm_tui.journal.tree import Attempt, Call, Edited, Held, Iteration, Node
from rlm_tui.tui import text, words
from rlm_tui.tui.rows import requests
from rlm_tui.tui.rows.code import difference
from rlm_tui.tui.rows.layout import Layout, identity, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import ANSWER, as_text
from rlm_tui.tui.view import View

NOT_SENT = "not yet"
_NEVER = {
    "supplied": "never: it was answered by hand",
    "killed": "never: it was ended by hand",
    "refused": "never: a limit refused it",
    "timeout": "never: its time was over",
    "error": "never: it failed before",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """The messages of one request.

    Attributes:
        messages: Oldest first.
        new: The index of the first one that the request before did not have.
        was: What they were before a person changed them; None when nobody did.
        model: Where it goes.
        params: Its parameters.
        attempts: Every time it was sent, oldest first.
        iteration: Whose request it is; None for a leaf's.
        call: The sub-call that it is of, where that is selected.
        pending: Why it has not been sent, or never was; empty when it was.
    """

    messages: list[Message]
    new: int
    was: list[Message] | None = None
    model: str = ""
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    iteration: Iteration | None = None
    call: Call | None = None
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as it is shown.

    Attributes:
        message: The message.
        number: Its place in the request, from 1; 0 for one that was taken out.
        new: Whether the request before did not have it.
        what: What a person did to it: ``edited``, ``added``, ``taken out``, or nothing.
        was: What it said before.
        of: The iteration whose observation it is.
    """

    message: Message
    number: int
    new: bool
    what: str = ""
    was: Text | None = None
    of: Iteration | None = None


# Which request -------------------------------------------------------------------------------------------------------


def sent(view: View) -> Sent | None:
    """The messages that go with what is selected: of its iteration, of its call, or the node's last ones."""
    thing = view.thing()
    if isinstance(thing, Call):
        return _of_call(view, thing) if thing.node is None else _first(view, thing, thing.node)
    iteration = None if (view.item or "").endswith(ANSWER) else view.iteration_of(view.item)
    shown = view.shown
    if iteration is None and isinstance(shown, Node) and shown.iterations:
        iteration = shown.iterations[-1]
    return _of_iteration(view, iteration) if iteration is not None else None


def _first(view: View, call: Call, node: Node) -> Sent | None:
    """The first request of a child: what it was asked."""
    first = node.iterations[0] if node.iterations else None
    if first is None:
        id = address.iteration(node.id, 1)
        held = view.run.held.get(id)
        if held is None or held.point != "llm":
            return None
        first = Iteration(id, 1, node)
    found = _of_iteration(view, first)
    return replace(found, call=call) if found is not None else None


def _of_call(view: View, call: Call) -> Sent:
    """The request of a leaf, also when it waits for its turn or was never sent."""
    held = view.run.held.get(call.id)
    if held is not None and held.point == "llm":
        return replace(_in_hand(view, held, 0), call=call, attempts=call.attempts)
    if call.attempts:
        found = _of(view, call.attempts[-1])
        was = found.was
        if was is None and call.edited_prompt is not None and len(found.messages) == 1:
            was = [Message(role="user", content=call.prompt)]
        return replace(found, call=call, attempts=call.attempts, was=was)
    value = words.current(view, held) if held is not None and held.point == "call" else {}
    prompt = as_text(value.get("prompt", call.edited_prompt if call.edited_prompt is not None else call.prompt))
    asked = [Message(role="user", content=call.prompt)]
    now = [Message(role="user", content=prompt)]
    was = asked if identity(prompt) != identity(call.prompt) and view.text(call.prompt) != view.text(prompt) else None
    model = str(value.get("model") or call.model or "")
    return Sent(now, 0, was, model, call=call, pending=_NEVER.get(call.status, NOT_SENT))


def _of_iteration(view: View, iteration: Iteration) -> Sent | None:
    held = view.run.held.get(iteration.id)
    if held is not None and held.point == "llm":
        last = iteration.node.last_attempt
        kept = len(last.messages()) if last is not None else 0
        return replace(_in_hand(view, held, kept), iteration=iteration, attempts=iteration.attempts)
    if not iteration.attempts:
        return None
    found = replace(_of(view, iteration.attempts[-1]), iteration=iteration, attempts=iteration.attempts)
    if held is not None and held.point == "error":
        # What failed is kept; a retry sends what a person made of it.
        value = words.current(view, held)
        changed = {edit.field for edit in words.edits_of(view.run, held)}
        if "messages" in changed:
            return replace(found, messages=messages_of(value.get("messages")), was=found.messages, pending=NOT_SENT)
    return found


def _of(view: View, attempt: Attempt) -> Sent:
    now = attempt.messages()
    mine = [e for e in view.run.edits if e.id == attempt.id and e.field in ("messages", "say")]
    was = _before(view, now, mine)
    return Sent(now, attempt.base, was, attempt.model, attempt.params)


def _before(view: View, now: list[Message], edits: Sequence[Edited]) -> list[Message] | None:
    """A sent request as it was before people changed it; None when nobody did."""
    from rlm_tui.debugger.edits import without_said

    first = next((n for n, e in enumerate(edits) if e.field == "messages" and e.was), None)
    if first is not None:
        was = messages_of(edits[first].was)
        edits = edits[:first]
    else:
        was = now
    for edit in reversed([e for e in edits if e.field == "say" and _said_in(e) == "llm"]):
        if not was:
            break
        last = was[-1]
        rest = without_said(view.text(last.content), view.text(as_text(_value(edit, "text"))))
        if rest is not None:
            was = [*was[:-1], *([Message(role=last.role, content=rest)] if rest else [])]
    return None if was is now else was


def _value(edit: Edited, name: str) -> Any:
    value: Any = edit.value
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None


def _said_in(edit: Edited) -> str:
    return str(_value(edit, "at") or "")


def _in_hand(view: View, held: Held, kept: int) -> Sent:
    first = messages_of(held.value.get("messages"))
    changed = bool(words.edits_of(view.run, held))
    value = words.current(view, held) if changed else held.value
    now = messages_of(value.get("messages")) if changed else first
    params = value.get("params")
    return Sent(
        now, min(kept, len(first)), first if now != first else None, str(value.get("model") or ""),
        cast("Mapping[str, Any]", params) if isinstance(params, Mapping) else {}, pending=NOT_SENT,
    )  # fmt: skip


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


# What a hand changed -------------------------------------------------------------------------------------------------


def shown(view: View, found: Sent) -> list[Shown]:
    """The messages with what people did to each, those taken out in their place."""
    made: list[Shown] = []
    if found.was is None:
        made = [Shown(message, n + 1, n >= found.new) for n, message in enumerate(found.messages)]
    else:
        made = _changed(found.was, found.messages, found.new)
    owner = found.iteration
    return [_rests(view, one, owner) if owner is not None and one.number else one for one in made]


def _changed(was: list[Message], now: list[Message], new: int) -> list[Shown]:
    keys = [[(m.role, identity(m.content)) for m in some] for some in (was, now)]
    made: list[Shown] = []
    for _, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        for n in range(max(b - a, d - c)):
            old = was[a + n] if a + n < b else None
            message = now[c + n] if c + n < d else None
            if message is None:
                assert old is not None
                made.append(Shown(old, 0, a + n >= new, "taken out"))
            elif old is None:
                made.append(Shown(message, c + n + 1, True, "added"))
            else:
                what = "" if old == message else "edited"
                made.append(Shown(message, c + n + 1, a + n >= new, what, old.content if what else None))
    return made


def _rests(view: View, one: Shown, owner: Iteration) -> Shown:
    """A message with the iteration whose observation it is; edited, when the reply or observation that it is was."""
    for before in owner.node.iterations:
        if before is owner:
            break
        if one.message.role == "user" and before.obs is not None and _begins(one, before.obs):
            one = replace(one, of=before)
            if before.obs_mark == "edited" and not one.what and before.obs_was is not None:
                return replace(one, what="edited", was=before.obs_was)
            return one
        if one.message.role == "assistant" and before.edited_reply is not None and not one.what:
            own = next((a.reply for a in reversed(before.attempts) if a.status in ("ok", "partial")), None)
            if own is not None and _begins(one, before.edited_reply):
                return replace(one, what="edited", was=own)
    return one


def _begins(one: Shown, said: Text) -> bool:
    """Whether a message is a text; of one that a person changed, whether it was."""
    return identity(one.message.content) == identity(said) or (
        one.was is not None and identity(one.was) == identity(said)
    )


# Lines ---------------------------------------------------------------------------------------------------------------


def lines(view: View, layout: Layout, width: int) -> tuple[list[Line], int]:
    """The request, then every message under a rule with its role and length.

    Args:
        view: What is selected.
        layout: What was laid out before.
        width: Cells of the pane.

    Returns:
        The lines, and the index of the line where what is new begins.
    """
    made, _, start = laid_out(view, layout, width)
    return made, start


def laid_out(view: View, layout: Layout, width: int) -> tuple[list[Line], list[int], int]:
    """The same, and between them the indices of the lines where the messages begin."""
    found = sent(view)
    if found is None or not found.messages:
        return sentence("No messages yet: nothing has been sent.", width), [], 0
    entries = shown(view, found)
    made = [*_about(view, found, width), Line()]
    heads: list[int] = []
    start: int | None = None
    for one in entries:
        heads.append(len(made))
        if one.new and start is None:
            start = len(made)
        made.append(_heading(view, one, width))
        made += _body(view, layout, one, width)
        made.append(Line())
    # A first request is new from its first message on: then it begins at what is known of it.
    return made, heads, 0 if start is None or start == heads[0] else start


def _about(view: View, found: Sent, width: int) -> list[Line]:
    new = max(0, len(found.messages) - found.new)
    return requests.about(
        view,
        model=found.model,
        params=found.params,
        characters=sum(events.length(message.content) for message in found.messages),
        messages=f"{len(found.messages)}, {'all' if not found.new else f'{new} of them'} new",
        attempts=found.attempts,
        iteration=found.iteration,
        call=found.call,
        pending=found.pending,
        width=width,
    )


def _body(view: View, layout: Layout, one: Shown, width: int) -> list[Line]:
    ink = "ink" if one.new else "ink-2"
    content = one.message.content
    match one.what:
        case "edited" if one.was is not None:
            return difference(layout, view.text(one.was), view.text(content), width, is_code=False)
        case "added":
            return difference(layout, "", view.text(content), width, is_code=False)
        case "taken out":
            return difference(layout, view.text(content), "", width, is_code=False)
        case _:
            return requests.body(view, layout, content, one.of, width, ink)


def _heading(view: View, one: Shown, width: int) -> Line:
    g = view.glyphs
    number = f" {one.number} " if one.number else f" {g.dash} "
    line = Line().add(g.thin, "rule-2").add(number, "ink-3")
    line.add(text.clean(one.message.role), "ink bold" if one.new else "ink-2")
    if one.what:
        line.add(f" {g.human} {one.what}", "human")
    characters = events.length(one.message.content)
    size = text.count(characters, "character")
    weight = f"{text.tokens(requests.estimate(characters), estimated=True)} tokens"
    mark = "new  " if one.new and one.what != "taken out" else ""
    for said in (f"{weight}  {size}", weight, ""):
        if line.width + len(mark) + len(said) + 7 <= width:
            break
    else:
        said = ""
    line.add(" ")
    line.add(g.thin * max(1, width - line.width - len(mark) - len(said) - 4), "rule-2").add(" ")
    return line.add(mark, "ink-2").add(said, "ink-3").add(f" {g.thin}", "rule-2").cut(width, g.ellipsis)
