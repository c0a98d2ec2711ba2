"""Drawn commands over runs with parallel children: whatever a person does, nothing hangs, is lost, or is done twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent import futures
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Event,
    ExecEnd,
    ExecStart,
    Go,
    LlmEnd,
    LlmStart,
    NodeEnd,
    NodeStart,
)
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.journal.tree import Held
from rlm_tui.llm.callable import CallableModel
from tests.debugger.processes import workers
from tests.debugger.small import QUESTION, Table, chat, code
from tests.debugger.test_walk import Flaky, change, numbers, settled
from tests.runs import DEADLINE_S, Watched, running

NESTED: Table = {
    QUESTION: [
        code('r = rlm_query_batched(["child 1", "child 2", "child 3"])', "print(r)")
        + "\n\n"
        + code('x = llm_query_batched(["leaf 1", "leaf 2", "leaf 3"])'),
        code('y = rlm_query("child 4")', "print(y)"),
        code('FINAL("the end")'),
    ],
    "child": [
        code('a = rlm_query_batched(["grand 1", "grand 2"])', "print(a)") + "\n\n" + code('b = llm_query("leaf 4")'),
        code("FINAL(b)"),
    ],
    "grand": [code('c = rlm_query("leaf 5")'), code('FINAL("grand says")')],
    "leaf": ["leaf says"],
    "": ["I think."],
}
"""Batches of children that have batches of children: each level is a worker of its own."""

AWHILE_S = 0.3
"""As long as a command waits for something to be held, before it is given to a run that goes on."""

Verb = Callable[[Watched, Held, int], "Future[Any] | None"]
"""A verb on what is held, with a number to choose by."""


def on_held(verb: str, *arguments: Any, **keywords: Any) -> Verb:
    return lambda run, held, _: getattr(run.session, verb)(held.id, *arguments, **keywords)


def on_node(verb: str, *arguments: Any, **keywords: Any) -> Verb:
    return lambda run, held, _: getattr(run.session, verb)(held.node, *arguments, **keywords)


def edit(run: Watched, held: Held, _: int) -> Any:
    return run.session.edit(held.id, *change(held))


def pick(run: Watched, held: Held, which: int) -> Any:
    return run.session.pick(held.id, which % (len(run.run.iterations[held.id].samples) + 1))


def to(run: Watched, held: Held, which: int) -> Any:
    """To something of the node that is ahead, as far as that is known; else to anything there is."""
    blocks = [block.id for block in run.run.blocks.values() if block.status == "new"]
    ids = (blocks if which % 2 else []) or [*run.run.blocks, *run.run.calls, *run.run.iterations]
    return run.session.to(ids[which % len(ids)]) if ids else None


GO: Sequence[Verb] = (
    *(on_held("step") for _ in range(8)), on_held("next"), on_held("next"), on_held("iteration"), to, to,
    on_held("step", "subtree"), on_held("next", "run"),
)  # fmt: skip
FAR: Sequence[Verb] = (
    on_held("out"),
    on_held("release"),
    on_held("iteration", "subtree"),
    on_held("release", "subtree"),
)
"""Those after which a node may be through."""
INTO = on_held("into")
TELL: Sequence[Verb] = (
    on_held("note", "a remark"), on_node("say", "a word from a person"), on_node("evaluate", "h = 2"),
)  # fmt: skip
LEGAL: dict[str, Sequence[Verb]] = {
    "llm": (edit, on_held("revert"), on_node("set_model", "another"), *TELL),
    "reply": (edit, on_held("revert"), on_held("resample", 2), on_held("resample", 1), pick, pick, *TELL),
    "block": (
        edit, on_held("revert"), on_held("skip"), INTO, INTO, INTO, INTO, *TELL,
        on_held("insert", "h = 1", say=False), on_held("insert", "print('by hand')", say=True),
    ),
    "call": (edit, on_held("revert"), INTO, INTO, INTO, on_held("supply", "by hand"), on_held("kill_node"), *TELL),
    "return": (edit, on_held("revert"), on_held("supply", "by hand"), on_held("retry"), *TELL),
    "observe": (edit, on_held("revert"), *TELL),
    "final": (edit, on_held("revert")),
    "error": (edit, on_held("revert"), on_held("retry"), on_held("retry")),
    "limit": (edit, on_held("revert")),
    "line": (on_held("harder"),),
}  # fmt: skip
"""What may be done where something is held, besides going on."""


def some(run: Watched, which: int) -> str:
    """A node or a sub-call that is under way, or queued; never the root, as long as there is another."""
    calls = [call.id for call in run.run.calls.values() if call.status == "open"]
    return calls[which % len(calls)] if calls else address.ROOT


BREAKPOINTS = (
    "observe", "call every 2", "return once", 'block @depth>=1 if has("llm_query")', 'llm do log "{depth}"',
    'return if n == 2 do answer "by a rule"', "block @depth>=2 every 3 do skip", "llm do set temperature=0.5",
)  # fmt: skip


def breakpoint_(run: Watched, which: int) -> None:
    """Set one, or take the first one away."""
    if which % 3 == 0 and run.session.breakpoints.all():
        run.session.breakpoints.remove(0)
    else:
        assert run.session.breakpoints.add(BREAKPOINTS[which % len(BREAKPOINTS)]) is None


AT_LARGE: dict[str, Callable[[Watched, int], Any]] = {
    "pause": lambda run, which: run.session.pause(some(run, which)),
    "pause below": lambda run, which: run.session.pause(some(run, which), "subtree"),
    "pause all": lambda run, _: run.session.pause(None),
    "breakpoint": breakpoint_,
    "all-stop": lambda run, which: run.session.stop_all(which % 3 > 0),
    "harder": lambda run, which: run.session.harder(some(run, which)),
    "say": lambda run, which: run.session.say(some(run, which), "a word"),
    "model": lambda run, which: run.session.set_model(some(run, which), "another"),
    "iterations": lambda run, which: run.session.set_limit(some(run, which), "max_iterations", 5 + which % 3),
    "subcalls": lambda run, which: run.session.set_limit(address.ROOT, "max_subcalls", 60 + which),
    "supply": lambda run, which: run.session.supply(some(run, which), "by hand"),
    "kill": lambda run, which: None if (id := some(run, which)) == address.ROOT else run.session.kill_node(id),
    "force": lambda run, which: run.session.force_final(some(run, which), text="forced"),
    "release all": lambda run, _: run.session.release_all(),
}
"""What may be done to a run whether something is held or not."""

RARE = {"release all": 10, "force": 6, "kill": 4, "supply": 2}
"""Commands after which there is less to play with: as often as one in so many."""

Command = tuple[int, int, str]
COMMANDS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.sampled_from(sorted(AT_LARGE))), min_size=30, max_size=120
)
"""Which of what is held, a number to choose a verb by, and the verb at large that is used now and then instead."""
OPTIONS = st.fixed_dictionaries(
    {"max_batch_workers": st.sampled_from([1, 2, 8]), "max_subcalls": st.sampled_from([6, 200])}
)
EVERY = st.sampled_from([5, 11, 1000])
"""Each so-many-th request fails."""


def play(commands: Sequence[Command], options: dict[str, int], every: int, where: Path) -> None:
    """Play commands over one run, then let everything go; and everything that must be true after it."""
    before = workers()
    model = Flaky(CallableModel(chat(NESTED)), every)
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    with running("multi-hop", hold=True, runs=where, model=model, data=data, max_iterations=4, **options) as run:
        run.session.pause(None).result(DEADLINE_S)
        given = [future for command in commands if (future := give(run, *command)) is not None]
        let_go(run)
        for future in given:
            assert isinstance(future.result(DEADLINE_S), str | None)
        assert not any(run.session.wants(node) for node in run.run.nodes)
        path = run.session.journal.path
        assert path is not None
        run.session.close(5.0)
        written = list(read(path).events())
    assert [event.seq for event in written] == list(range(len(written)))
    assert [event.seq for event in run.events] == [event.seq for event in written]
    assert numbers(Run(written)) == numbers(run.run)
    nothing_lost_or_twice(written)
    settled(run)
    assert workers() <= before


def give(run: Watched, which: int, number: int, at_large: str) -> Future[Any] | None:
    """Give one command, and wait until it was taken; one that waits for a model goes on beside what comes next."""
    with run._changed:
        run._changed.wait_for(lambda: run.run.held or run.run.end, AWHILE_S)
        if run.run.end is not None:
            return None
        future = chosen(run, which, number, at_large)
    if future is not None:
        futures.wait([future], AWHILE_S)
    return future


def chosen(run: Watched, which: int, number: int, at_large: str) -> Future[Any] | None:
    """The command that three numbers stand for, in the state that the run is in."""
    held = list(run.run.held.values())
    if not held:
        return run.session.pause(None)
    if number % 5 == 0:
        return AT_LARGE[at_large](run, which) if which % RARE.get(at_large, 1) == 0 else None
    one = held[which % len(held)]
    verbs = FAR if number % 11 == 0 else (*GO, *LEGAL[one.point], *LEGAL[one.point])
    return verbs[number % len(verbs)](run, one, which)


def let_go(run: Watched) -> None:
    """Release what is held until the run has ended; fails when nothing is held and nothing moves."""
    run.session.stop_all(False).result(DEADLINE_S)
    for _ in run.session.breakpoints.all():
        run.session.breakpoints.remove(0)
    while run.run.end is None:
        run.until(lambda fold: fold.held or fold.end, "something held, or the end")
        run.session.release_all().result(DEADLINE_S)
        for held in list(run.run.held):
            run.session.release(held).result(DEADLINE_S)


Act = tuple[str, str]
"""One act of a run: its family and its address."""

STOPPED = frozenset({"killed", "cancelled", "aborted"})


def act_of(event: Event) -> Act | None:
    """The act that an event begins or ends."""
    match event:
        case LlmStart() | LlmEnd() | ExecStart() | ExecEnd() | CallStart() | CallEnd() | NodeStart() | NodeEnd():
            return event.ev.split(".")[0], event.id
        case _:
            return None


def nothing_lost_or_twice(written: Sequence[Event]) -> None:
    """Every act that began has ended, and none that has its outcome was done again, unless a person said so."""
    under_way: set[Act] = set()
    outcomes: dict[Act, Event] = {}
    again: set[str] = set()
    for event in written:
        if isinstance(event, Go) and event.verb == "retry":
            again.add(event.id)
        if (act := act_of(event)) is None:
            continue
        if event.ev.endswith(".start"):
            assert act not in under_way, f"begun twice at once: {event}"
            if act in outcomes and event.id in again:
                forget(outcomes, act)
            assert act not in outcomes, f"done again: {event} after {outcomes.get(act)}"
            under_way.add(act)
        else:
            retried = act[0] == "call" and event.id in again
            assert act in under_way or retried, f"an end without a beginning: {event}"
            under_way.discard(act)
            left = [other for other in under_way if other[1].startswith((f"{act[1]}~", f"{act[1]}/"))]
            assert not left, f"{left} not ended before {event}"
            if not isinstance(event, LlmEnd) or event.status in ("ok", "partial"):
                outcomes[act] = event
    assert not under_way, f"never ended: {under_way}"


def forget(outcomes: dict[Act, Event], act: Act) -> None:
    """An act is done once more: of what is below it, only what was stopped with it may be begun again."""
    del outcomes[act]
    below = [other for other in outcomes if other[1].startswith((f"{act[1]}~", f"{act[1]}/"))]
    for other in below:
        if getattr(outcomes[other], "status", "") in STOPPED:
            del outcomes[other]


def examples(count: int) -> settings:
    """The same examples each time: one that fails is told by its commands, and is not made smaller."""
    return settings(
        max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@examples(30)
@given(COMMANDS, OPTIONS, EVERY)
def test_whatever_is_played_ends_and_nothing_is_lost_or_done_twice(
    commands: Sequence[Command], options: dict[str, int], every: int
) -> None:
    with tempfile.TemporaryDirectory() as where:
        play(commands, options, every, Path(where))


@pytest.mark.full
@pytest.mark.timeout(1_800)
@examples(600)
@given(COMMANDS, OPTIONS, EVERY)
def test_much_more_is_played(commands: Sequence[Command], options: dict[str, int], every: int) -> None:
    with tempfile.TemporaryDirectory() as where:
        play(commands, options, every, Path(where))
