"""A fork: a new run that begins with the causal past of one point of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rlm_tui.journal import address
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Edit, EditField, Point, RunStart
from rlm_tui.journal.past import causal_past
from rlm_tui.journal.positions import position, row
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, Reader
from rlm_tui.journal.tree import Block, Call, Iteration, Node
from rlm_tui.journal.wire import blobs_in

__all__ = ["causal_past", "changed_at", "fork", "passes", "points_at"]

_NOT_BACK = ("open", "killed")
"""Sub-calls that gave their block nothing: without an end, or ended together with it."""


_ADDS_UP = ("say", "insert")
"""Changes that come to what was there; every other takes the place of the one before."""


def fork(
    source: Journal | Reader,
    target: Journal,
    at: str,
    point: Point,
    *,
    edits: Sequence[Edit] = (),
    changed: bool = False,
    why: str = "",
) -> int:
    """Write the beginning of a new run: what led to a point of another, and what a person changes there.

    Args:
        source: The run that is forked; it is only read, and may be going on.
        target: An empty journal.
        at: The address of what passes the point; for ``final`` a node's is that of its last iteration.
        point: One of `points_at` of that address.
        edits: What the person changes there.
        changed: Whether it begins with what was changed there in the source too.
        why: Why, in words.

    Returns:
        How many events were inherited: they have the numbers from 1 on.

    Raises:
        JournalError: When the source has no such point, the target is not empty or can't be written.
    """
    told = list(source.events())
    start = told[0] if told else None
    if not isinstance(start, RunStart):
        raise JournalError(f"{source.id} has not begun, so it can't be forked")
    run = Run(told)
    if point not in points_at(run, at):
        raise JournalError(f"{source.id} has no {point} at {at} that a fork could begin at")
    if next(iter(target.events()), None) is not None:
        raise JournalError(f"{target.id} is not empty")
    asked, at = at, passes(run, at, point)
    # A change of a final answer at the node's own address would end the node at once, whatever it does.
    edits = [edit.model_copy(update={"id": at}) if edit.id == asked else edit for edit in edits]
    if changed:
        edits = [*changed_at(run, at, point), *edits]
    inherited = list(causal_past(told, at, point))
    parent = {"run": start.run, "at": at, "point": point, "kept": len(inherited), "why": why}
    for name in blobs_in(start):
        target.blobs.take(name, source.blobs)
    target.append(start.model_copy(update={"run": target.id, "parent": parent, "seq": -1}))
    for event in inherited:
        target.copy(event, source)
    for edit in edits:
        for name in blobs_in(edit):
            target.blobs.take(name, source.blobs)
        target.append(edit.model_copy(update={"by": edit.by or "human"}))
    return len(inherited)


def passes(run: Run, at: str, point: Point) -> str:
    """The address of what passes a point: for the ``final`` of a node, that of its last iteration.

    Args:
        run: The run.
        at: The address that was asked for.
        point: The point.
    """
    node = run.nodes.get(at) if point == "final" else None
    turn = _answered_at(node) if node is not None else None
    return turn.id if turn is not None else at


def changed_at(run: Run, at: str, point: Point) -> list[Edit]:
    """What is otherwise at a point than it came there: what a branch there leaves out, unless it begins with it.

    Args:
        run: The run, as far as it has come.
        at: The address of what passes the point; for ``final`` a node's is that of its last iteration.
        point: The point.

    Returns:
        The changes in force, oldest first. What was reverted is none.
    """
    at = passes(run, at, point)
    found: list[Edit] = []
    for edited in run.edits:
        if edited.id != at or edited.field == "note":
            continue
        field = cast(EditField, edited.field)
        edit = Edit(id=at, field=field, value=edited.value, was=edited.was, note=edited.note, by=edited.by)
        if _is_of(edit, point, run.calls.get(at)):
            found = [one for one in found if one.field != edit.field or edit.field in _ADDS_UP]
            found.append(edit)
    return found


def _is_of(edit: Edit, point: Point, call: Call | None) -> bool:
    """Whether a change at an address is of that point of it."""
    if call is not None:
        came = edit.field == "answer" and call.came is not None
        return came if point == "return" else point == "call" and not came and edit.field != "kill"
    return edit.field != "answer" and position(edit, row(edit.id)) == row(edit.id).at(point)


def points_at(run: Run, id: str) -> tuple[Point, ...]:
    """Which points of a thing a fork can begin at, the most natural one first; none of what never came to one.

    Args:
        run: The run, as far as it has come.
        id: An address: of a node, an iteration, a block or a sub-call.
    """
    if _in_evaluation(id):
        return ()
    held = run.held.get(id)
    points: list[Point] = []
    if (call := run.calls.get(id)) is not None:
        points += _of_call(call)
    if (node := run.nodes.get(id)) is not None and _answered_at(node) is not None:
        points.append("final")
    if (turn := run.iterations.get(id)) is not None:
        judged = any(edit.id == id and edit.field == "final" for edit in run.edits)
        points += _of_iteration(turn, judged=judged)
    if (block := run.blocks.get(id)) is not None:
        points += _of_block(block)
    if held is not None and held.point not in points and held.point not in ("error", "limit", "line"):
        points.append(held.point)
    return tuple(points)


def _in_evaluation(id: str) -> bool:
    """Whether it is of code that a person evaluated: nothing of a run goes on from there."""
    return any("+e" in piece for piece in id.replace("~", "/").split("/"))


def _of_call(call: Call) -> tuple[Point, ...]:
    if call.unasked:
        return ()
    return ("call",) if call.status in _NOT_BACK else ("call", "return")


def _of_block(block: Block) -> tuple[Point, ...]:
    own = block.origin == "model" and address.number(block.id) > 0
    return ("block",) if own and (block.started is not None or block.calls) else ()


def _of_iteration(turn: Iteration, *, judged: bool) -> list[Point]:
    points: list[Point] = []
    if turn.answered is not None:
        points.append("reply")
    if turn.attempts:
        points.append("llm")
    if turn.obs is not None and turn.k:
        points.append("observe")
    if _answered_at(turn.node) is turn or (judged and turn.answered is not None):
        points.append("final")
    return points


def _answered_at(node: Node) -> Iteration | None:
    """The iteration whose answer passed its gate and was accepted; None when a node ended in another way."""
    if node.status == "final" and node.via != "forced" and node.limit is None:
        return node.iterations[-1] if node.iterations else None
    return node.default if node.status == "exhausted" and node.via == "default" else None
