"""A run that was left, or whose process was killed, is gone on with: held, and asking only for what was in flight."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlm_tui.debugger.session import Session
from rlm_tui.engine.again import material
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.events import Event
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import QUESTION, Table, answer, chat, code, do, small, stop
from tests.engine.test_effects import Counting, asked, outcomes, settled
from tests.runs import Watched

WORK: Table = {
    QUESTION: [
        code("x = 1", "print(x)"),
        code('a, b = rlm_query_batched(["child a", "child b"])', 'c = llm_query("leaf")', "print(a, b, c)"),
        code("FINAL(a + b + c + str(x))"),
    ],
    "child a": [code("y = 2"), code('FINAL("A" + str(y))')],
    "child b": [code('FINAL(llm_query("lower leaf"))')],
    "lower leaf": ["B"],
    "leaf": ["C"],
}
ANSWER = "A2BC1"


@contextmanager
def resumed(path: Path, model: ChatModel, later_s: float = 0.0) -> Iterator[Watched]:
    """A run of a directory, gone on with; so many seconds later than it is."""
    journal = Journal.open(path, clock=lambda: time.time() + later_s)
    again = material(journal)

    def engine(gates: object) -> EngineRun:
        return EngineRun(
            journal, lambda _: model, context=again.context, task=again.task, model=again.model, options=again.options,
            gates=gates,
        )  # fmt: skip

    session = Session(journal, engine, resumed=True)
    watched = Watched(session, None)
    for event in journal.events():
        watched.sink(event)
    session.start(watched.sink)
    try:
        yield watched
    finally:
        session.close(5.0)


def prefix(source: Path, length: int, runs: Path) -> Path:
    """A run as a process left it that was killed after so many events."""
    made = Journal.create(runs)
    whole = Journal.open(source)
    for event, _ in zip(whole.events(), range(length), strict=False):
        made.copy(event, whole)
    whole.close()
    made.close()
    assert made.path is not None
    return made.path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    with small(WORK, runs=tmp_path_factory.mktemp("runs")) as run:
        assert answer(run) == ANSWER
        path = run.session.path
    assert path is not None
    return path, list(run.events)


def acts(run: Watched, before: int) -> list[Event]:
    """What costs money or runs code since a run was taken up."""
    return [
        e for e in run.events[before:] if e.ev in ("llm.start", "exec.start", "call.start", "node.start", "rebuild")
    ]


def test_every_prefix_opens_held_and_comes_to_the_same_answer(
    recorded: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    source, whole = recorded
    at_its_end = next(n for n, event in enumerate(whole) if event.ev == "node.end" and event.id == "root")
    for length in range(1, at_its_end + 1):
        path = prefix(source, length, tmp_path)
        model = Counting(CallableModel(chat(WORK)))
        with resumed(path, model) as run:
            run.held()
            assert not [e for e in acts(run, length) if e.ev != "node.start"], length
            assert all(held.why == "resume" for held in run.run.held.values())
            while (held := stop(run)) is not None:
                do(run, "release", held)
            assert answer(run) == ANSWER, length
            assert run.events[length].ev == "go"
            assert model.asked == len(asked(whole) - settled(whole[:length])), length
            assert max(outcomes(run.events).values()) == 1, length


def test_time_between_two_processes_is_nobodys(recorded: tuple[Path, list[Event]], tmp_path: Path) -> None:
    source, whole = recorded
    path = prefix(source, len(whole) // 2, tmp_path)
    for days in (1, 2, 3):
        with resumed(path, CallableModel(chat(WORK)), later_s=days * 86_400) as run:
            run.held()
            assert run.session.engine.shared.worked("root") < 3_600
            assert run.run.last is not None and run.run.started is not None
            assert run.run.last - run.run.started - run.run.away_s < 3_600
