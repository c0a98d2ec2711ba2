"""What a call gave and what a node answered: how it was declared, and what it rests on."""

from __future__ import annotations

from typing import Any, cast

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Proposal, Text
from rlm_tui.journal.tree import Call, Edited, Held, Node
from rlm_tui.tui import text, words
from rlm_tui.tui.rows import strips
from rlm_tui.tui.rows.code import difference
from rlm_tui.tui.rows.layout import Layout, pairs, rule, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import in_hand
from rlm_tui.tui.view import View

_HANDS = {
    "code": "your edit of", "reply": "your edit of the reply,", "obs": "your edit of the observation,",
    "messages": "your edit of the request,", "prompt": "your edit of the prompt,",
    "answer": "your answer for", "final": "your answer for", "skip": "your skip of", "kill": "your kill of",
    "insert": "your code before", "say": "your message to",
    "limit": "your limit for", "model": "your model for", "params": "your parameters for",
}  # fmt: skip
"""What a person did, by the field of the edit."""

MOST = 5
"""Edits that an answer names."""


def given_to(view: View, layout: Layout, call: Call, held: Held | None, width: int) -> list[Line]:
    """What a call gave, or is about to give, to the code; what is being written while it runs.

    Args:
        view: What is seen.
        layout: What was laid out before.
        call: The call.
        held: What is held of it.
        width: Cells of the pane.
    """
    given: Text | None = call.value
    if held is not None and held.point == "return":
        given = in_hand(held, "text")
        edit = last_edit(view, call.id, "answer", held)
        given = edit.value if edit is not None else given
    if given is None and call.error is not None:
        return [Line(), *layout.text(view, call.error.message, width, "error")]
    if given is None:
        writer = call.attempts[-1] if call.attempts and call.node is None else None
        if writer is not None and writer.ended is None and writer.stream:
            return [Line(), *strips.stream(view, view.labels.call(call), writer, width, 12)]
        return []
    cut = f", the code got {call.cut:,}" if call.cut is not None else ""
    made = [Line(), rule(view, "answer", width, text.count(events.length(given), "character") + cut)]
    was = call.was if call.was is not None else _was(view, call.id, held)
    if was is not None and was != given:
        return made + difference(layout, view.text(was), view.text(given), width, is_code=False)
    return made + layout.text(view, given, width)


def last_edit(view: View, id: str, field: str, held: Held) -> Edited | None:
    """The newest change of a held value."""
    return next((e for e in reversed(view.run.edits) if e.id == id and e.field == field and e.t >= held.since), None)


def _was(view: View, id: str, held: Held | None) -> Text | None:
    if held is None or held.point != "return":
        return None
    return in_hand(held, "text") if last_edit(view, id, "answer", held) is not None else None


def answer(view: View, layout: Layout, thing: Node | Call, width: int) -> list[Line]:
    """The answer of a node or a leaf: how it was declared, and what it rests on."""
    if isinstance(thing, Call):
        return given_to(view, layout, thing, view.run.held.get(thing.id), width)[2:] or sentence(
            "No answer yet.", width
        )
    held = next((h for h in view.run.held.values() if h.node == thing.id and h.point in ("final", "limit")), None)
    if held is not None:
        return _proposed(view, layout, held, width)
    if thing.value is None:
        return _unanswered(view, layout, thing, width)
    g = view.glyphs
    made = list(layout.text(view, thing.value, width, "ink bold", indent=3))
    made[0] = Line([(f" {g.answered} ", "final"), (made[0].spans[0][0][3:], "ink bold")])
    kind = f"{text.clean(thing.type or 'str')}, {text.count(events.length(thing.value), 'character')}"
    declared = _declared(thing)
    rows: list[tuple[str, Line | str]] = [("declared", declared)]
    if declared.width + text.width(kind) + 18 <= width:
        declared.add(f"     {kind}", "ink-2")
    else:
        rows.append(("value", kind))
    if thing.final_mark:
        hands = rests_on(view, thing)
        rows += [
            ("rests on" if n == 0 else "", Line().add(f"{g.human} ", "human").add(hand)) for n, hand in enumerate(hands)
        ]
    return [*made, Line(), *pairs(rows, width)]


def _declared(node: Node) -> Line:
    line = Line()
    chosen = _chosen(node)
    match node.via:
        case "FINAL_VAR":
            line.add("FINAL_VAR", "live").add("(", "ink-2")
            name = chosen.var if chosen is not None and chosen.var else "…"
            line.add(f'"{text.clean(name)}"', "code-string").add(")", "ink-2")
        case "FINAL":
            line.add("FINAL", "live").add("(…)", "ink-2")
        case "answer":
            line.add("answer", "live").add('["content"]', "ink-2")
        case "forced":
            return line.add("forced by a person", "human")
        case _:
            line.add("asked for at the end, the default answer", "ink-2")
    if node.iterations and node.via != "default":
        block = f", block {chosen.block.rsplit('/b', 1)[-1]}" if chosen is not None and chosen.block else ""
        line.add(f"  in i{node.iterations[-1].k}{block}", "ink-2")
    return line


def _chosen(node: Node) -> Proposal | None:
    if not node.iterations:
        return None
    finals = [final for block in node.iterations[-1].blocks for final in block.finals]
    counted = [final for final in finals if final.refused is None and final.via == node.via]
    return next((final for final in counted if final.chosen), counted[-1] if counted else None)


def rests_on(view: View, node: Node) -> list[str]:
    """The changes by people that a node's answer follows from, as far as they lie in it or below; at most five."""
    edits = [edit for edit in view.run.edits if edit.field != "note" and edit.id.startswith(node.id)]
    said: list[str] = []
    for edit in edits[:MOST]:
        owner = address.node_of(edit.id)
        rest = edit.id[len(owner) :].strip("/").replace("/b", f" {view.glyphs.sent} block ")
        where = f"{view.label(owner)} {view.glyphs.sent} {rest}" if rest else view.label(owner)
        said.append(f"{_HANDS.get(edit.field, f'your {edit.field} for')} {where}")
    if len(edits) > MOST:
        said.append(f"{len(edits) - MOST:,} more")
    return said


def _unanswered(view: View, layout: Layout, node: Node, width: int) -> list[Line]:
    if node.status == "open":
        return sentence("No answer yet.", width)
    if node.error is not None:
        made = list(layout.text(view, node.error.message, width, "error"))
    else:
        why = f": the limit {text.clean(node.limit)} was reached" if node.limit else ""
        made = sentence(f"No answer{': killed' if node.status == 'killed' else why}.", width, "ink-2")
    if node.error is not None and events.length(node.error.detail):
        made += [Line(), *layout.text(view, node.error.detail, width, "ink-2")]
    if node.partial is not None:
        made += [Line(), rule(view, "what it had so far", width), *layout.text(view, node.partial, width)]
    return made


def _proposed(view: View, layout: Layout, held: Held, width: int) -> list[Line]:
    value: dict[str, Any] = held.value
    if held.point == "limit":
        name, _, used = words.limit(view.run, held).partition(" ")
        return pairs([(name, f"{used} used")], width, 22)
    edit = last_edit(view, held.id, "final", held)
    given = in_hand(held, "text")
    new: dict[str, Any] = cast("dict[str, Any]", edit.value) if edit is not None and _is_object(edit.value) else {}
    changed = new.get("text")
    made = pairs([("proposed by", text.clean(str(value.get("via", ""))))], width, 13)
    others: list[Any] = list(value.get("others") or ())
    if others:
        made += pairs([("instead of", text.count(len(others), "other proposal"))], width, 13)
    if isinstance(changed, str):
        return [*made, Line(), *difference(layout, view.text(given), changed, width, is_code=False)]
    return [*made, Line(), *layout.text(view, given, width, "ink bold")]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
