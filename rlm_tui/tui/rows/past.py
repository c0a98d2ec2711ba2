"""What the banner says while a run is shown as it was: which moment this is, what happened at it, what goes on now."""

from __future__ import annotations

from rlm_tui.journal import address, events
from rlm_tui.journal.events import Event
from rlm_tui.journal.tree import Node
from rlm_tui.tui import words
from rlm_tui.tui.past import Past
from rlm_tui.tui.rows.edits import NAMES
from rlm_tui.tui.text import clock, count
from rlm_tui.tui.view import View

_SENT = {"ok": "reply came", "partial": "part of a reply taken", "cancelled": "request cancelled"}
_RAN = {"ok": "ended", "aborted": "was aborted", "timeout": "timed out"}


def where(view: View, past: Past) -> list[str]:
    """The moment, by its number and its time; while it is not there yet, how far that is.

    Args:
        view: What is shown.
        past: The moment.
    """
    number, of = view.moments.number(past.wanted), len(view.moments)
    if past.going:
        done = f"{100 * past.reached // max(1, past.wanted)}%" if past.wanted else ""
        return [f"going to moment {number:,} of {of:,}", done]
    began, then, now = view.live.started or 0.0, view.run.last or 0.0, view.live.last or 0.0
    return [f"moment {number:,} of {of:,}", f"{clock(then - began)} of {clock(now - began)}"]


def happened(view: View, event: Event) -> str:
    """What happened at a moment, in a few words.

    Args:
        view: The run as it was just after.
        event: What happened.
    """
    owner = address.node_of(event.id)
    if isinstance(event, events.Hold):
        owner, said = event.node, f"held {_held(view, event)}"
    else:
        said = _said(view, event)
    if owner not in view.run.nodes and owner not in view.run.calls:
        return said
    return words.joined(view.glyphs, view.label(owner), _turn(event.id, owner), said)


def _turn(id: str, owner: str) -> str:
    """The iteration that an address is in, as the rows write it."""
    first = id.removeprefix(owner + "/").split("/")[0].split("+")[0]
    return first if id != owner and first[:1] == "i" else ""


def _held(view: View, event: events.Hold) -> str:
    held = view.run.held.get(event.id)
    return words.where(held) if held is not None else f"at {event.point}"


def _said(view: View, event: Event) -> str:
    match event:
        case events.LlmStart():
            return "request sent" if not address.is_sample(event.id) else "another reply asked for"
        case events.LlmEnd():
            return _SENT.get(event.status, "request failed")
        case events.ExecStart():
            return f"{_code(view, event.id)} began"
        case events.ExecEnd():
            return f"{_code(view, event.id)} {_RAN.get(event.status, 'failed')}"
        case events.CallEnd():
            return "came back" if event.status == "ok" else f"came back: {event.status}"
        case events.NodeEnd():
            return "answered" if event.status == "final" else f"ended: {event.status}"
        case events.Edit():
            return "a note was made" if event.field == "note" else f"a person changed the {_field(event.field)}"
        case _:
            return ""


def _field(field: str) -> str:
    return NAMES.get(field, field)


def _code(view: View, id: str) -> str:
    block = view.run.blocks.get(id)
    if block is not None and block.origin == "eval":
        return "an evaluation"
    if block is not None and block.origin == "human":
        return "inserted code"
    return f"block {address.number(id)}" if address.number(id) else "the answer's variable"


def meanwhile(view: View) -> str:
    """What the run does now, behind what is shown; empty when it has ended or nobody runs it."""
    run = view.live
    if view.read_only or run.end is not None or run.root is None:
        return ""
    root: Node = run.root
    at = f"at i{root.iterations[-1].k}" if root.iterations else "before its first iteration"
    if run.held:
        return f"Now the run is {at}, {count(len(run.held), 'value')} held."
    return f"Now the run is {at}, and goes on."
