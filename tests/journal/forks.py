"""Forks in tests: every point of a run, what it keeps, and what must be so of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Chunk,
    Event,
    ExecEnd,
    ExecStart,
    Go,
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
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel
from tests.debugger.small import QUESTION, Table, code, do, plain, stop
from tests.runs import DEADLINE_S, Watched, done


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
    """What must have happened for an event to happen, as kind and address."""
    id, up = event.id, address.parent(event.id)
    match event:
        case LlmEnd() | ExecEnd() | CallEnd() | NodeEnd():
            yield event.ev.replace("end", "start"), id
        case NodeStart() if id != address.ROOT:
            yield "call.start", id
        case LlmStart() if address.is_node(id):
            yield "call.start", id
        case LlmStart() if address.is_sample(id):
            yield "llm.end", up
        case LlmStart():
            yield "node.start", up
            if address.number(id) > 1:
                yield "obs", address.iteration(up, address.number(id) - 1)
        case ExecStart(origin="model"):
            yield "llm.end", up
            if address.number(id) > 1:
                yield "exec.end", address.block(up, address.number(id) - 1)
        case CallStart():
            asked_in = address.parent(up)
            yield "llm.end", address.parent(asked_in) if "+" in up.rsplit("/", 1)[-1] else asked_in
        case Obs():
            yield "llm.end", id
        case Go(verb="resume"):
            yield "node.start", address.ROOT
        case Go():
            yield "hold", id
        case Chunk():
            yield "exec.end", id
        case _:
            pass


def what(event: Event) -> str:
    """An event in three words: ``edit root/i1 obs``."""
    more = getattr(event, "point", None) or getattr(event, "field", None) or ""
    return f"{event.ev} {plain(event.id)} {more}".rstrip()


WORK: Table = {
    QUESTION: [
        code("x = 1", "print(x)"),
        "\n\n".join(
            [code('a, b = rlm_query_batched(["child a", "child b"])'), code('c, d = llm_query_batched(["one", "two"])')]
        ),
        code("answer['content'] = a + b + c + d + str(x)", "answer['ready'] = True"),
        code('FINAL("end")'),
    ],
    "child a": [code("y = 2"), code('FINAL("A" + str(y))')],
    "child b": [code('FINAL(llm_query("lower"))')],
    "lower": ["B"],
    "one": ["C"],
    "two": ["D"],
}
"""A run with a batch of children, one of leaves, a leaf below, and an answer in the dict."""


def by_hand(run: Watched) -> list[Event]:
    """Go through `WORK` step by step with a hand in everything, to its end; its events."""
    session = run.session
    acts: dict[tuple[str, str], Sequence[Callable[[str], Any]]] = {
        ("llm", "root/i1"): [
            lambda id: session.say("root", "be brief"),
            lambda id: session.note("root/i1", "odd"),
            lambda id: session.set_limit("root", "max_iterations", 20),
        ],
        ("reply", "root/i1"): [lambda id: session.resample(id, 1), lambda id: session.pick(id, 1)],
        ("block", "root/i1/b1"): [
            lambda id: session.insert(id, "before = 0", say=True),
            lambda id: session.evaluate("root", "y = 5"),
            lambda id: session.edit(id, "code", "x = 1; print(x, y)"),
        ],
        ("observe", "root/i1"): [
            lambda id: session.edit(id, "obs", "seen"),
            lambda id: session.evaluate("root", "z = 6"),
            lambda id: session.say("root", "and go on"),
        ],
        ("llm", "root/i2"): [lambda id: session.set_model("root", "another", {"t": 1})],
        ("call", "root/i2/b1~rlm#1"): [lambda id: session.edit(id, "prompt", "child a, again")],
        ("block", "root/i2/b2"): [lambda id: session.edit(id, "code", "x = 7"), session.revert],
        ("return", "root/i2/b2~llm#1"): [lambda id: session.edit(id, "answer", "mine")],
        ("final", "root/i3"): [lambda id: session.edit(id, "final", {"accept": False, "message": "no"})],
    }
    while (held := stop(run)) is not None:
        for act in acts.pop((held.point, plain(held.id)), ()):
            done(act(held.id))
        do(run, "step", held)
    assert not acts, acts
    run.ended()
    return list(session.events())


def go_on(journal: Journal, like: Watched, model: ChatModel) -> Run:
    """Run a journal to its end, with nobody to hold it; its fold."""
    engine = EngineRun(
        journal,
        lambda _: model,
        context=like.data.context,
        task=like.data.question,
        options=like.session.engine.options,
    )
    asyncio.run(asyncio.wait_for(engine.go(), 2 * DEADLINE_S))
    return Run(journal.events())
