"""Forks in tests: every point of a run, what it keeps, and what must be so of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Event,
    ExecEnd,
    ExecStart,
    LlmEnd,
    LlmStart,
    NodeEnd,
    NodeStart,
    Obs,
    Point,
    RunStart,
)
from rlm_tui.journal.fork import causal_past, points_at
from rlm_tui.journal.run import Run


def every_point(run: Run) -> Iterator[tuple[str, Point]]:
    """All points of a run that a fork can begin at."""
    for id in dict.fromkeys([*run.nodes, *run.iterations, *run.blocks, *run.calls]):
        for point in points_at(run, id):
            yield id, point


def numbered(events: Iterable[Event]) -> list[Event]:
    """As a journal of their own would have them."""
    return [event.model_copy(update={"seq": n}) for n, event in enumerate(events)]


def inherited(events: Sequence[Event], at: str, point: Point) -> Run:
    """The fold of what a fork has before anything happens in it."""
    begun = [event for event in events[:1] if isinstance(event, RunStart)]
    return Run(numbered([*begun, *causal_past(events, at, point)]))


def causes(event: Event) -> Iterator[tuple[str, str]]:
    """What must have happened for an event to happen, as kind and address; of a whole run of the loop."""
    id, node = event.id, address.node_of(event.id)
    if isinstance(event, LlmEnd | ExecEnd | CallEnd | NodeEnd):
        yield event.ev.replace("end", "start"), id
    if isinstance(event, LlmStart | ExecStart | Obs) or (isinstance(event, NodeStart) and id != address.ROOT):
        yield ("call.start" if isinstance(event, NodeStart) or node not in (address.ROOT,) else "node.start"), node
    if isinstance(event, LlmStart) and node != id:
        yield "node.start", node
        k = address.number(id)
        if k > 1:
            yield "obs", address.iteration(node, k - 1)
    if isinstance(event, ExecStart) and event.origin == "model":
        yield "llm.end", address.parent(id)
        j = address.number(id)
        if j > 1:
            yield "exec.end", address.block(address.parent(id), j - 1)
    if isinstance(event, CallStart):
        yield "reply before", address.parent(id)
    if isinstance(event, Obs):
        yield "llm.end", id
