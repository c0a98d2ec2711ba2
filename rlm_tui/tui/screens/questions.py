"""What each form asks: supply an answer, put code in, tell the model, note, model and parameters, reject an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rlm_tui.journal import address
from rlm_tui.journal.tree import Call, Held, Node
from rlm_tui.tui import words
from rlm_tui.tui.bridge import Answer
from rlm_tui.tui.forms import Form, problem
from rlm_tui.tui.rows import status
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.screens.ask import Asked, Entry, Question, Said
from rlm_tui.tui.screens.dialog import paragraph
from rlm_tui.tui.screens.final import in_flight, told
from rlm_tui.tui.text import clean, cut, one_line
from rlm_tui.tui.view import View

if TYPE_CHECKING:
    from rlm_tui.debugger.likeness import SessionLike

_HIDDEN, _SHOWN = "is not told", "sees it"
_ONE, _ALL = "this request", "from here on"
MOST_NOTES = 3


def _one(verb: Callable[[], Future[Answer]]) -> list[Asked]:
    return [verb]


def _carries(view: View) -> str:
    return f"What follows carries {view.glyphs.human}."


# Answers -------------------------------------------------------------------------------------------------------------


def supply(view: View, session: SessionLike, id: str) -> Question:
    """An answer of a person's for a sub-call.

    Args:
        view: The run.
        session: Takes it.
        id: The call's address.
    """
    call, held = view.run.calls[id], view.run.held.get(id)
    first = str(words.current(view, held).get("text") or "") if held is not None and held.point == "return" else ""

    def then(said: Said, room: int) -> list[Line]:
        lines = told(view, in_flight(call.node), room) if call.node is not None else []
        return [*lines, *paragraph(f"{_supplied(view, call)} {_carries(view)}", room)]

    def ask(said: Said) -> list[Asked] | str:
        if not said["answer"].strip():
            return "Type the answer first."
        return _one(partial(session.supply, id, said["answer"]))

    state = status.WORDS.get(call.state, call.state)
    about = words.joined(view.glyphs, view.label(id), f"held {words.where(held)}" if held is not None else state)
    return Question("Supply an answer", about, id, "supply", "supply it", (Entry("answer", first=first),), then, ask)


def _supplied(view: View, call: Call) -> str:
    held = view.run.held.get(call.id)
    match held.point if held is not None else "":
        case "call":
            return "Nobody is asked. The code gets this as the answer, and goes on."
        case "return":
            return "The code gets this in place of the answer that came, and goes on."
        case "error":
            return "The code gets this in place of the error, and goes on."
        case _ if call.node is not None:
            return "This child ends with it, and the code that asked goes on."
        case _ if call.attempts:
            return "Its request is cancelled. The code gets this as the answer, and goes on."
        case _:
            return "It has not begun, and nobody is asked. The code gets this as the answer."


def reject(view: View, session: SessionLike, held: Held) -> Question:
    """Why an answer is not accepted, for the model.

    Args:
        view: The run.
        session: Takes it.
        held: The answer, held at ``final``.
    """

    def then(said: Said, room: int) -> list[Line]:
        tells = "The model is told this" if said["message"].strip() else "The model is told that it was not accepted"
        lines = paragraph(f"The answer does not count. {tells}, and goes on.", room)
        return [*lines, *paragraph(_carries(view), room)]

    def ask(said: Said) -> list[Asked] | str:
        verdict = {"accept": False, "message": said["message"]}
        change = partial(session.edit, held.id, "final", verdict, was=None)
        return [cast("Asked", change), partial(session.release, held.id)]

    answer = one_line(str(words.current(view, held).get("text", "")))
    about = words.joined(view.glyphs, view.label(held.node), cut(answer, 40, view.glyphs.ellipsis))
    return Question("Reject this answer", about, held.id, "reject", "reject it", (Entry("message"),), then, ask)


# Code and words ------------------------------------------------------------------------------------------------------


def insert(view: View, session: SessionLike, held: Held) -> Question:
    """Code of a person's, to run before a block.

    Args:
        view: The run.
        session: Takes it.
        held: The block.
    """
    block = words.where(held).removeprefix("before ")
    entries = (Entry("code", written="python"), Entry("the model", "choice", options=(_HIDDEN, _SHOWN)))

    def then(said: Said, room: int) -> list[Line]:
        runs = f"It runs in this REPL when {block} is released, before it."
        if said["the model"] == _SHOWN:
            seen = "The model is shown it and what it printed, as from the person who runs this."
        else:
            seen = "The model never sees it, only what follows from it."
        return paragraph(f"{runs} {seen} {_carries(view)}", room)

    def ask(said: Said) -> list[Asked] | str:
        if not said["code"].strip():
            return "Type the code first."
        return _one(partial(session.insert, held.id, said["code"], say=said["the model"] == _SHOWN))

    def wrong(said: Said) -> str:
        return problem(Form("code", "", "", "python"), said["code"])

    about = words.joined(view.glyphs, f"before {block}", words.i_k(held), view.label(held.node))
    return Question("Put code in", about, held.id, "insert", "put in", entries, then, ask, wrong)


def say(view: View, session: SessionLike, node: str) -> Question:
    """A message to a node's model.

    Args:
        view: The run.
        session: Takes it.
        node: The node's address.
    """

    def then(said: Said, room: int) -> list[Line]:
        lines = paragraph(f"{_goes(view, node)} It says that it is from the person who runs this.", room)
        return [*lines, *paragraph(_carries(view), room)]

    def ask(said: Said) -> list[Asked] | str:
        return _one(partial(session.say, node, said["message"])) if said["message"].strip() else "Type it first."

    return Question("Tell the model", view.label(node), node, "say", "tell it", (Entry("message"),), then, ask)


def _goes(view: View, node: str) -> str:
    held = next((h for h in view.run.held.values() if h.node == node and h.point in ("llm", "observe")), None)
    if held is None:
        return "It goes in with the next observation, the next thing that the model is shown."
    if held.point == "llm":
        return "It goes in at the end of the request that is held."
    return "It goes in at the end of the observation that is held."


def note(view: View, session: SessionLike, id: str, about: str) -> Question:
    """A remark, for people only.

    Args:
        view: The run.
        session: Takes it.
        id: What it is kept by.
        about: What that is called.
    """

    def then(said: Said, room: int) -> list[Line]:
        lines = paragraph("It is kept in the journal. No model ever sees it.", room)
        there = view.run.notes.get(id, [])
        if there:
            lines.append(Line())
        for noted in there[-MOST_NOTES:]:
            text = cut(one_line(view.text(noted.value)), room - 2, view.glyphs.ellipsis)
            lines.append(Line().add(f"{view.glyphs.note} ", "ink-2").add(text, "ink-2"))
        return lines

    def ask(said: Said) -> list[Asked] | str:
        return _one(partial(session.note, id, said["note"])) if said["note"].strip() else "Type the note first."

    return Question("Note", about, id, "note", "keep it", (Entry("note"),), then, ask)


# Model and parameters ------------------------------------------------------------------------------------------------


def model(view: View, session: SessionLike, node: str) -> Question:
    """Another model, or other parameters: for the request that is held, or from here on.

    Args:
        view: The run.
        session: Takes them.
        node: The node's address.
    """
    held = next((h for h in view.run.held.values() if h.node == node and h.point == "llm"), None)
    if held is not None:
        value = words.current(view, held)
        name, params = str(value.get("model") or ""), cast("dict[str, Any]", value.get("params") or {})
    else:
        name, params = in_force(view, view.run.nodes[node])
    entries = [Entry("model", "line", clean(name)), Entry("parameters", "line", json.dumps(params))]
    if held is not None and held.id != node:
        entries.append(Entry("for", "choice", options=(_ONE, _ALL)))

    def alone(said: Said) -> bool:
        return said.get("for") == _ONE

    def then(said: Said, room: int) -> list[Line]:
        if alone(said):
            what = "The request that is held is sent like this; the next one is as before."
        else:
            what = "Every request of this node is sent like this from now on. Its children keep theirs."
        return paragraph(f"{what} {_carries(view)}", room)

    def ask(said: Said) -> list[Asked] | str:
        found = read_params(said["parameters"])
        if isinstance(found, str):
            return found
        to = said["model"].strip()
        if not to:
            return "Name a model."
        new, other = to if to != clean(name) else None, found if found != params else None
        if new is None and other is None:
            return "Nothing is different yet."
        if held is None or not alone(said):
            return _one(partial(session.set_model, node, new, other))
        asked: list[Asked] = []
        for field, value in (("model", new), ("params", other)):
            if value is not None:
                asked.append(partial(session.edit, held.id, field, value))
        return asked

    def wrong(said: Said) -> str:
        found = read_params(said["parameters"])
        return found if isinstance(found, str) else ""

    about = words.joined(view.glyphs, view.label(node), words.i_k(held) if held is not None else "")
    return Question("Model and parameters", about, node, "model", "set it", tuple(entries), then, ask, wrong)


def in_force(view: View, node: Node) -> tuple[str, dict[str, Any]]:
    """The model and the parameters that a node's next request is sent with."""
    name, params = node.model, dict[str, Any]()
    if node.last_attempt is not None:
        params = node.last_attempt.params
    for edit in view.run.edits:
        if edit.id != node.id:
            continue
        if edit.field == "model":
            name = str(edit.value)
        elif edit.field == "params":
            params = cast("dict[str, Any]", edit.value)
    return name, params


def read_params(text: str) -> dict[str, Any] | str:
    """Parameters as a person types them; a text is why they are none."""
    try:
        found: Any = json.loads(text.strip() or "{}")
    except ValueError as error:
        return f"The parameters are no JSON: {clean(str(error))}."
    except RecursionError:
        return "The parameters are nested too deeply."
    if not isinstance(found, dict):
        return 'The parameters are an object, such as {"temperature": 0.2}.'
    return cast("dict[str, Any]", found)


def subject_of_note(view: View) -> tuple[str, str]:
    """What a note is kept by, and what that is called: the selected thing, else the node in view."""
    from rlm_tui.tui.rows.header import item_title
    from rlm_tui.tui.selection import ANSWER, OBS

    id = view.item or view.node
    return id.removesuffix(OBS).removesuffix(ANSWER) or address.ROOT, item_title(view)
