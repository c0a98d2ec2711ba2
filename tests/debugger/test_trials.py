"""Branches of one point run to their ends by themselves, and what came of them is one table."""

from __future__ import annotations

import shutil
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.debugger.fork import branch
from rlm_tui.debugger.trials import AT_ONCE, Plan, Trials, price
from rlm_tui.engine.again import material
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.outcomes import Arm, Outcomes, Table
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, in_use, read
from rlm_tui.llm.base import ChatModel
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import QUESTION, chat, code, do, small
from tests.debugger.small import answer as answer_of
from tests.debugger.test_resuming import resumed
from tests.runs import DEADLINE_S, done

COINS = {
    QUESTION: [code('coin = llm_query("toss")', "print(coin)"), code("FINAL(coin)")],
    "gently": [code('coin = llm_query("toss gently")', "print(coin)"), code("FINAL(coin)")],
}
"""A root that asks a leaf for the side a coin fell on, and believes it."""


class Tosses:
    """A model whose coin falls on heads twice out of three, and gently always on its edge."""

    def __init__(self) -> None:
        self.falls = count()
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        self.thrown = threading.Semaphore(0)
        self._script = chat(COINS)

    def __call__(self, messages: list[dict[str, str]]) -> str:
        self.asked += 1
        said = messages[-1]["content"]
        if said == "toss gently":
            return "edge"
        if said == "toss":
            self.thrown.release()
            assert self.open.wait(DEADLINE_S)
            return "tails" if next(self.falls) % 3 == 2 else "heads"
        return self._script(messages)


def engine(model: ChatModel) -> Any:
    def make(path: Path) -> EngineRun:
        journal = Journal.open(path)
        again = material(journal)
        return EngineRun(
            journal, lambda _: model, context=again.context, task=again.task, model=again.model, options=again.options
        )

    return make


def tried(source: Path, model: ChatModel, *arms: bool, times: int, at: str = "root/i1") -> Trials:
    trials = Trials(source, Plan(at, "llm", arms or (False,), times), engine(model))
    trials.start()
    return trials


def ended(trials: Trials) -> None:
    assert trials._main is not None
    trials._main.result(DEADLINE_S)
    trials.close()


def table(source: Path, at: str = "root/i1") -> Table:
    return Outcomes(source.parent, source.name, at, "llm").read()


def grouped(arm: Arm) -> list[tuple[int, str]]:
    return [(len(group), read(group[0].path).text(group[0].answer)) for group in arm.groups]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    with small(Tosses(), runs=tmp_path) as run:
        assert answer_of(run) == "heads"
        path = run.session.path
    assert path is not None
    return path


def test_a_point_is_tried_so_often_and_the_answers_are_counted(source: Path) -> None:
    before = (source / "journal.jsonl").read_bytes()
    tosses = Tosses()
    ended(tried(source, CallableModel(tosses), times=6))
    found = table(source)
    (arm,) = found.arms
    assert grouped(arm) == [(4, "heads"), (2, "tails")]
    assert (arm.ended, arm.changes, arm.unended, arm.by_hand) == (6, (), (), ())
    # Two turns and a toss each: nothing came before the point.
    assert tosses.asked == 18 and {one.took.requests for group in arm.groups for one in group} == {3}
    assert found.origin is not None and found.origin.path == source
    assert (source / "journal.jsonl").read_bytes() == before
    assert not any(in_use(path) for path in source.parent.iterdir())


def test_what_was_before_the_point_is_not_asked_again(source: Path) -> None:
    tosses = Tosses()
    ended(tried(source, CallableModel(tosses), times=2, at="root/i2"))
    assert tosses.asked == 2 and grouped(table(source, "root/i2").arms[0]) == [(2, "heads")]


def test_a_price_is_what_the_run_asked_for_from_the_point_on(source: Path, tmp_path: Path) -> None:
    assert (price(source, "root/i1", "llm").asked.requests, price(source, "root/i1", "llm").whole) == (3, True)
    assert price(source, "root/i2", "llm").asked.requests == 1
    assert price(source, "root", "final").asked.requests == 0
    with small(Tosses(), hold=True, runs=tmp_path / "other") as run:
        run.held("llm")
        path = run.session.path
        assert path is not None and not price(path, "root/i1", "llm").whole


def gently(messages: Any) -> Any:
    return [*messages[:-1], {"role": "user", "content": "gently, please"}]


def test_a_prompt_is_tried_both_ways_side_by_side(source: Path) -> None:
    forked = branch(read(source), "root/i1", "llm")
    model = CallableModel(Tosses())
    with resumed(forked, model) as one:
        held = one.held("llm")
        done(one.session.edit(held.id, "messages", gently(held.value["messages"])))
        # From where the change is in hand; the branch goes on as it is.
        ended(tried(forked, model, False, True, times=3))
        as_it_came, changed = table(source).arms
        assert grouped(as_it_came) == [(2, "heads"), (1, "tails")]
        assert grouped(changed) == [(3, "edge")]
        assert [edit.field for edit in changed.changes] == ["messages"]
        # The one it was tried in is held, and counts when it is let go.
        assert [outcome.path for outcome in changed.unended] == [forked]
        do(one, "release", held)
        assert answer_of(one) == "edge"
    assert table(source).arms[1].ended == 4
    # The table is the same from wherever one looks.
    again = table(forked)
    assert again.place == table(source).place and again.place.run == source.name


def test_what_a_person_had_a_further_hand_in_counts_for_nothing(source: Path) -> None:
    forked = branch(read(source), "root/i1", "llm")
    with resumed(forked, CallableModel(Tosses())) as one:
        held = one.held("llm")
        done(one.session.step("root"))
        reply = one.held("reply")
        done(one.session.edit(reply.id, "reply", code('FINAL("mine")')))
        done(one.session.release_all())
        assert answer_of(one) == "mine" and held.id == "root/i1"
    (arm,) = table(source).arms
    assert arm.ended == 0 and [outcome.path for outcome in arm.by_hand] == [forked]


def test_those_that_are_left_can_be_gone_on_with(source: Path) -> None:
    tosses = Tosses()
    tosses.open.clear()
    trials = tried(source, CallableModel(tosses), times=AT_ONCE + 2)
    for _ in range(AT_ONCE):
        assert tosses.thrown.acquire(timeout=DEADLINE_S)
    trials.leave()
    tosses.open.set()
    ended(trials)
    assert trials.over == AT_ONCE + 2 and trials.faults == []
    (arm,) = table(source).arms
    assert len(arm.unended) == AT_ONCE and {one.state for one in arm.unended} == {"left"}
    with resumed(arm.unended[0].path, CallableModel(tosses)) as one:
        done(one.session.release_all())
        assert answer_of(one) in ("heads", "tails")


def test_one_that_can_not_be_made_is_told_once_and_the_others_go_on(source: Path) -> None:
    made = engine(CallableModel(Tosses()))
    seen = count()

    def sometimes(path: Path) -> EngineRun:
        if next(seen) % 2:
            raise ValueError("no such model here")
        return made(path)

    trials = Trials(source, Plan("root/i1", "llm", (False,), 4), sometimes)
    trials.start()
    ended(trials)
    assert trials.faults == ["ValueError: no such model here"]
    assert table(source).arms[0].ended == 2


def test_a_point_that_is_none_is_told_and_nothing_is_left(source: Path) -> None:
    ended(trials := tried(source, CallableModel(Tosses()), times=3, at="root/i9"))
    assert len(trials.faults) == 1 and "root/i9" in trials.faults[0]
    assert [path.name for path in source.parent.iterdir()] == [source.name]


def test_a_run_that_is_gone_leaves_its_branches_their_table(source: Path) -> None:
    ended(tried(source, CallableModel(Tosses()), times=3))
    outcomes = Outcomes(source.parent, source.name, "root/i1", "llm")
    assert outcomes.read().origin is not None
    shutil.rmtree(source)
    found = outcomes.read()
    assert found.origin is None and found.arms[0].ended == 3
    assert isinstance(found.arms[0].groups[0][0].run, Run)
