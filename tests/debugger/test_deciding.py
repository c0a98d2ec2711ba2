"""Answering and ending what is held elsewhere than at its call, and what begins once more after it was ended."""

from __future__ import annotations

from threading import Event

import pytest

from rlm_tui.debugger.wishes import Wish
from tests.debugger.small import QUESTION, Table, answer, code, do, small
from tests.debugger.standing import ON
from tests.runs import DEADLINE_S, done, refused

LIMITED: Table = {
    QUESTION: [code('r = rlm_query("child")'), code("FINAL(r)")],
    "child": [code("print(1)")],
}
PAIR: Table = {
    QUESTION: [code('r = llm_query_batched(["first", "second"])'), code("FINAL(str(r))")],
    "first": [ValueError("no")],
    "second": ["two"],
}


@pytest.mark.parametrize("verb", ["supply", "force_final"])
def test_a_child_at_a_limit_of_its_own_is_answered(verb: str) -> None:
    with small(LIMITED, max_iterations=2) as run:
        held = run.held("limit")
        assert held.id == held.node != "root"
        done(getattr(run.session, verb)(held.id, text="given"))
        assert answer(run) == "given"


def test_a_child_at_a_limit_of_its_own_is_ended() -> None:
    with small(LIMITED, max_iterations=2) as run:
        held = run.held("limit")
        done(run.session.kill_node(held.id))
        assert answer(run) == "Error: killed by user"
        assert run.run.nodes[held.id].status == "killed"


@pytest.mark.parametrize("point", ["error", "limit"])
@pytest.mark.parametrize(("verb", "said"), [("supply", "given"), ("kill_node", "Error: killed by user")])
def test_a_leaf_that_failed_or_is_over_a_limit_is_decided(point: str, verb: str, said: str) -> None:
    # The first is over no limit, and fails; the second is over one, and would not fail.
    options = {"max_subcalls": 1} if point == "limit" else {}
    with small({**PAIR, "first": ["one"]} if options else PAIR, **options) as run:
        held = run.held(point)
        act = run.session.supply(held.id, "given") if verb == "supply" else run.session.kill_node(held.id)
        done(act)
        assert answer(run) == str(["one", said] if point == "limit" else [said, "two"])
        assert refused(run.session.kill_node(held.id)) == "The run has ended."


@pytest.mark.parametrize("verb", ["supply", "force_final"])
@pytest.mark.parametrize("held", [False, True], ids=["under way", "at its call"])
def test_a_child_that_ended_with_its_block_is_decided_when_that_asks_once_more(held: bool, verb: str) -> None:
    never = Event()
    table: Table = {QUESTION: [code(ON, 'r = rlm_query("child")'), code("FINAL(r)")], "child": [never]}
    with small(table) as run:
        child = run.until(
            lambda fold: next((c.id for c in fold.calls.values() if c.state == "sampling"), None), "a child"
        )
        for _ in range(3):
            run.session.harder("root").result(DEADLINE_S)
        error = run.held("error")
        assert run.run.calls[child].status == "killed"
        if held:
            run.session.gates.wishes[child] = Wish("pause")
        do(run, "retry", error)
        run.until(lambda fold: child in fold.held if held else fold.nodes[child].status == "open", "once more")
        done(getattr(run.session, verb)(child, text="by hand"))
        assert answer(run) == "by hand"
        never.set()
