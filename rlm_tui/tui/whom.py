"""Whom an action is of: the node, the call, the request that is meant where the person looks."""

from __future__ import annotations

from rlm_tui.journal import address
from rlm_tui.journal.events import Point
from rlm_tui.journal.fork import points_at
from rlm_tui.journal.tree import Attempt
from rlm_tui.tui.rows import status
from rlm_tui.tui.selection import ANSWER, OBS
from rlm_tui.tui.view import View


def node_of(view: View) -> str:
    """The RLM node that a verb acts on: the one that waits for the held value, else the selected call's, else the
    one in view."""
    held = view.held_here()
    if held is not None:
        return held.node
    call = view.selected_call()
    child = view.run.nodes.get(call) if call is not None else None
    node = child.id if child is not None and child.status == "open" else view.node
    return node if node in view.run.nodes else address.node_of(address.parent(node))


def subject(view: View) -> str:
    """What is killed, or answered by hand: the selected call, else the one that is held, else what is in view."""
    call, held = view.selected_call(), view.held_here()
    if call is not None:
        return call
    if held is not None:
        return view.home_of(held)
    return view.node


def points(view: View) -> tuple[Point, ...]:
    """At which points of the selected thing a branch can begin, the most natural one first."""
    id = view.item or view.node
    if id.endswith(OBS):
        return ("observe",)
    return points_at(view.run, id.removesuffix(ANSWER))


def request(view: View) -> Attempt | None:
    """Its newest attempt; None where nothing was asked, or what was asked for has gone on."""
    call = view.run.calls.get(view.selected_call() or "")
    if call is not None and call.node is None:
        return call.attempts[-1] if call.attempts and call.status == "open" else None
    node = view.run.nodes.get(node_of(view))
    if node is None or node.status != "open":
        return None
    last = node.default or (node.iterations[-1] if node.iterations else None)
    return last.attempts[-1] if last is not None and last.attempts else None


def waiting(view: View) -> Attempt | None:
    """The attempt that failed, while the next one is waited for."""
    last = request(view)
    if last is None or last.id in view.run.held or view.run.end is not None:
        return None
    return last if status.retrying([last]) else None


def address_of(attempt: Attempt | None) -> str:
    """The address of a request, for a verb; of none it is one that nothing has."""
    return attempt.id if attempt is not None else ""


def writing(view: View) -> Attempt | None:
    """The attempt whose reply is being written, once something of it has come."""
    last = request(view)
    return last if last is not None and last.ended is None and last.stream else None


def broke_off(view: View) -> Attempt | None:
    """The attempt that is held at its error, where something of its reply had come."""
    held = view.held_here()
    last = request(view)
    if held is None or held.point != "error" or last is None or last.id != held.id:
        return None
    return last if last.status == "error" and last.reply else None
