"""What people changed: in words, as differences, and what they noted or told a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from rlm_tui.journal import address
from rlm_tui.journal.events import Blob, Text
from rlm_tui.journal.tree import Edited
from rlm_tui.tui import text
from rlm_tui.tui.rows import messages
from rlm_tui.tui.rows.code import difference
from rlm_tui.tui.rows.layout import Layout, pairs, rule, sentence
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.selection import ANSWER, OBS, as_text
from rlm_tui.tui.view import View

NAMES = {
    "messages": "request", "reply": "reply", "code": "code", "prompt": "prompt", "answer": "answer",
    "obs": "observation", "final": "final answer", "limit": "limit", "model": "model", "params": "parameters",
    "insert": "code put in", "say": "message to the model", "skip": "skipped", "kill": "killed",
}  # fmt: skip
"""What an edit is of, by its field."""

MOST = 200
"""Edits, or notes, of one page."""

_RULE = "rule:"


def taken_back(edits: Iterable[Edited]) -> str:
    """What reverting takes back, in a sentence: every kind of change once, with how many there are."""
    counts: dict[str, int] = {}
    for edit in edits:
        counts[edit.field] = counts.get(edit.field, 0) + 1
    said: list[str] = []
    for field, number in counts.items():
        if field == "insert":
            said.append(text.count(number, "piece of code put in", "pieces of code put in"))
        elif field == "say":
            said.append(text.count(number, "message to the model", "messages to the model"))
        else:
            said.append(f"the {NAMES.get(field, field)}")
    if not said:
        return "Nothing was changed."
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"Taken back: {listed}."


def concerning(view: View) -> list[Edited]:
    """The changes of what is selected, oldest first."""
    item, node = view.item or "", view.node
    if item.endswith(OBS):
        id = item.removesuffix(OBS)
        return [e for e in _at(view, id) if e.field == "obs" or _said_at(e) == "observe"]
    if item.endswith(ANSWER):
        found = (e for e in view.run.edits if address.node_of(e.id) == node)
        return [e for e in found if e.field == "final" or (e.id == node and e.field in ("answer", "kill"))]
    if not item:
        return _at(view, node)
    if item in view.run.iterations:
        return [e for e in _at(view, item) if e.field not in ("obs", "final") and _said_at(e) != "observe"]
    if (base := _before(item)) is not None:
        return [e for e in _at(view, base) if e.field == "insert"]
    return _at(view, item)


def _at(view: View, id: str) -> list[Edited]:
    return [edit for edit in view.run.edits if edit.id == id and edit.field != "note"]


def _before(item: str) -> str | None:
    """The block that a person's code was put in before."""
    base, sign, number = item.rpartition("+h")
    return base if sign and number.isdigit() else None


def _said_at(edit: Edited) -> str:
    return str(_field(edit.value, "at") or "") if edit.field == "say" else ""


def _field(value: Any, name: str) -> Any:
    return cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None


# Diff ----------------------------------------------------------------------------------------------------------------


def page(view: View, layout: Layout, width: int) -> list[Line]:
    """Every change of what is selected, as what went and what came; after what the model wrote, all of it at once."""
    found = concerning(view)
    if not found:
        return sentence("Nobody has changed this. e edits what is held.", width)
    lines: list[Line] = []
    for edit in found[-MOST:]:
        if lines:
            lines.append(Line())
        lines.append(rule(view, f"{view.glyphs.human} {NAMES.get(edit.field, edit.field)}", width, by(edit), "human"))
        lines += _change(view, layout, edit, width)
        if edit.note and edit.note != "reverted":
            lines += pairs([("note", text.one_line(edit.note))], width)
    return lines


def by(edit: Edited) -> str:
    """Who made a change."""
    if edit.by.startswith(_RULE):
        return text.cut(f"by {text.one_line(edit.by.removeprefix(_RULE))}", 40)
    return "by you" if edit.by in ("", "human") else f"by {text.one_line(edit.by)}"


def _change(view: View, layout: Layout, edit: Edited, width: int) -> list[Line]:
    def whole(value: Any) -> str:
        return view.text(as_text(value))

    match edit.field:
        case "messages":
            return _messages(view, layout, edit, width)
        case "model" | "params" | "limit":
            before = _plain(view, edit.was)
            now = Line().add(_plain(view, edit.value), "human bold")
            return pairs([("was", before), ("now", now)] if before else [("now", now)], width)
        case "insert":
            seen = "The model is shown it." if _field(edit.value, "say") else "The model is not told of it."
            code = whole(_field(edit.value, "code"))
            return [*difference(layout, "", code, width), *sentence(seen, width, "ink-2")]
        case "say":
            return difference(layout, "", whole(_field(edit.value, "text")), width, is_code=False)
        case "final":
            return _final(view, layout, edit, width)
        case "skip":
            return sentence("It was not run.", width, "ink-2")
        case "kill":
            return sentence("It was ended without an answer.", width, "ink-2")
        case _:
            before = "" if edit.was is None else whole(edit.was)
            return difference(layout, before, whole(edit.value), width, is_code=edit.field == "code")


def _messages(view: View, layout: Layout, edit: Edited, width: int) -> list[Line]:
    was, now = messages.messages_of(edit.was), messages.messages_of(edit.value)
    lines: list[Line] = []
    for n in range(max(len(was), len(now))):
        old = was[n] if n < len(was) else None
        new = now[n] if n < len(now) else None
        if old == new:
            continue
        there = new or old
        role = text.cut(text.one_line(there.role), 12) if there is not None else ""
        what = " added" if old is None else " taken out" if new is None else ""
        lines.append(Line().add(f" {n + 1} {role}{what}", "ink-2"))
        before = view.text(old.content) if old is not None else ""
        after = view.text(new.content) if new is not None else ""
        lines += difference(layout, before, after, width, is_code=False)
    return lines or sentence("No message differs.", width)


def _final(view: View, layout: Layout, edit: Edited, width: int) -> list[Line]:
    if _field(edit.value, "accept") is False:
        told = view.text(as_text(_field(edit.value, "message")))
        said = sentence("It was rejected. The model is told:" if told else "It was rejected.", width, "ink-2")
        return [*said, *difference(layout, "", told, width, is_code=False)] if told else said
    if (name := _field(edit.value, "var")) is not None:
        return pairs([("forced", f"the variable {text.clean(str(name))}")], width)
    was, now = _field(edit.was, "text"), _field(edit.value, "text")
    if now is None:
        return sentence("It was accepted as it is.", width, "ink-2")
    before = "" if was is None else view.text(as_text(was))
    return difference(layout, before, view.text(as_text(now)), width, is_code=False)


def _plain(view: View, value: Any) -> str:
    """A model, parameters or a limit, on one line."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        if "to" in fields:
            to = fields["to"]
            said = "no limit" if to is None else f"{to:.12g}" if isinstance(to, int | float) else str(to)
            return text.one_line(f"{fields.get('name', '')} {said}")
        return text.one_line(json.dumps(dict(fields), default=str))
    return text.one_line(view.text(value) if isinstance(value, str | Blob) else str(value))


# Notes ---------------------------------------------------------------------------------------------------------------


def has_notes(view: View) -> bool:
    """Whether anything was noted by what is selected, or said to its model."""
    return bool(_noted(view))


def _noted(view: View) -> Sequence[Edited]:
    id = (view.item or view.node).removesuffix(OBS).removesuffix(ANSWER)
    told = [edit for edit in concerning(view) if edit.field == "say" or (edit.note and edit.note != "reverted")]
    return sorted([*view.run.notes.get(id, []), *told], key=lambda edit: edit.t)


def notes(view: View, layout: Layout, width: int) -> list[Line]:
    """The notes by what is selected, and what was said to its model there; then those of the node in view."""
    here = _noted(view)
    lines: list[Line] = []
    for edit in here[-MOST:]:
        lines += _note(view, layout, edit, width, "")
    rest = [
        (id, edit) for id, found in view.run.notes.items() if address.node_of(id) == view.node
        for edit in found if edit not in here
    ]  # fmt: skip
    if not here:
        lines += sentence("No notes here. m keeps one; no model ever sees it.", width)
        lines.append(Line())
    for id, edit in rest[-MOST:]:
        where = id.removeprefix(f"{view.node}/") if id != view.node else "the question"
        lines += _note(view, layout, edit, width, where)
    return lines


def _note(view: View, layout: Layout, edit: Edited, width: int, where: str) -> list[Line]:
    g = view.glyphs
    if edit.field == "say":
        name, said = f"{g.human} to the model", as_text(_field(edit.value, "text"))
    elif edit.field == "note":
        name, said = f"{g.note} note", as_text(edit.value)
    else:
        name, said = f"{g.human} {NAMES.get(edit.field, edit.field)}", cast("Text", edit.note)
    end = text.clean(where) if where else by(edit) if edit.by not in ("", "human") else ""
    return [rule(view, name, width, end), *layout.text(view, said, width), Line()]
