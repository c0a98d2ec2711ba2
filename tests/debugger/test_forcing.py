"""A person decides an answer: of any node, in any phase of it."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from tests.debugger.small import QUESTION, Table, answer, code, do, events, plain, small, stop
from tests.runs import Watched, done, refused

ASK = [code('FINAL("child said " + rlm_query("the child"))')]
LOOP = code("n = 5", "while True: pass")


def child(run: Watched) -> Any:
    """The first child, once it has begun."""
    return run.until(lambda fold: next((n for n in fold.nodes.values() if n.depth == 1), None), "a child")


def executing(run: Watched, id: str) -> None:
    """Wait until code of a node runs, and has bound ``n``."""
    run.until(lambda fold: id in fold.nodes and fold.nodes[id].state == "executing", "code that runs")


def forced(run: Watched, id: str, text: str) -> None:
    """Force, and see that the node has the answer, by hand."""
    done(run.session.force_final(id, text=text))
    run.until(lambda fold: fold.nodes[id].status == "final", "the forced end")
    node = run.run.nodes[id]
    assert (run.session.text(node.value), node.via, node.final_mark) == (text, "forced", "edited")


def bottom_up(run: Watched) -> None:
    """Everything that began has ended, what is below before what is above, and nothing comes after an end."""
    begun: dict[tuple[str, str], int] = {}
    for event in run.events:
        kind, _, part = str(event.ev).partition(".")
        if part == "start":
            begun[kind, event.id] = begun.get((kind, event.id), 0) + 1
            if kind == "llm" and begun.get(("call", event.id)) == 0:
                # A plain sub-call had come back, and was asked once more.
                begun["call", event.id] = 1
        elif part == "end":
            begun[kind, event.id] -= 1
            if kind in ("node", "run"):
                still = [
                    key for key, n in begun.items() if n > 0 and key[1].startswith((f"{event.id}/", f"{event.id}~"))
                ]
                assert not still, (event.id, still)
    assert not any(begun.values()), begun
    assert not run.run.held


# Phases ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1])
def test_while_it_is_sampled_the_request_is_cancelled(depth: int) -> None:
    never = Event()
    table: Table = {QUESTION: [never]} if depth == 0 else {QUESTION: ASK, "the child": [never]}
    with small(table) as run:
        id = "root" if depth == 0 else child(run).id
        run.until(lambda fold: id in fold.nodes and fold.nodes[id].state == "sampling", "a request")
        forced(run, id, "mine")
        assert answer(run) == ("mine" if depth == 0 else "child said mine")
        assert run.run.nodes[id].iterations[0].attempts[0].status == "cancelled"
        bottom_up(run)
    never.set()


@pytest.mark.parametrize("depth", [0, 1])
def test_while_its_code_runs_the_code_is_stopped(depth: int) -> None:
    table: Table = {QUESTION: [LOOP]} if depth == 0 else {QUESTION: ASK, "the child": [LOOP]}
    with small(table) as run:
        id = "root" if depth == 0 else child(run).id
        executing(run, id)
        forced(run, id, "mine")
        assert answer(run) == ("mine" if depth == 0 else "child said mine")
        assert [block.status for block in run.run.nodes[id].iterations[0].blocks] == ["aborted"]
        bottom_up(run)


def test_code_that_resists_is_stopped_too() -> None:
    stubborn = code(
        'print("now")', "while True:", "    try:", "        while True: pass", "    except BaseException: pass"
    )
    with small({QUESTION: [stubborn]}) as run:
        run.until(lambda fold: any(e.ev == "chunk" and e.kind == "stdout" for e in run.events), "output")
        forced(run, "root", "mine")
        run.ended()
        bottom_up(run)


def test_an_answer_the_code_gave_does_not_win_over_the_person() -> None:
    loop = code('print("now")', 'FINAL("the model\'s")', "while True: pass") + "\n\n" + code('FINAL("next block")')
    with small({QUESTION: [loop]}) as run:
        run.until(lambda fold: any(e.ev == "chunk" and e.kind == "stdout" for e in run.events), "output")
        forced(run, "root", "mine")
        assert answer(run) == "mine"
        assert list(run.run.blocks) == ["root/i1/b1"]
        bottom_up(run)


@pytest.mark.parametrize("point", ["llm", "reply", "block", "observe", "final"])
@pytest.mark.parametrize("depth", [0, 1])
def test_while_it_is_held_it_is_let_go(point: str, depth: int) -> None:
    turns = [code("print(1)"), code('FINAL("own")')]
    table: Table = {QUESTION: turns} if depth == 0 else {QUESTION: ASK, "the child": turns}
    with small(table, hold=True) as run:
        if depth:
            do(run, "next", run.held("llm"))
            do(run, "into", run.held("block"))
            do(run, "into", run.held("call"))
            run.held("llm", child(run).id)
        while (held := stop(run)) is not None and held.point != point:
            do(run, "step", held)
        assert held is not None
        forced(run, held.node, "mine")
        assert answer(run) == ("mine" if depth == 0 else "child said mine")
        bottom_up(run)


@pytest.mark.parametrize("point", ["error", "limit"])
def test_while_an_error_or_a_limit_is_held_that_is_let_go(point: str) -> None:
    first = ValueError("no") if point == "error" else code("print(1)")
    with small({QUESTION: ASK, "the child": [first]}, max_iterations=1) as run:
        held = run.held(point, child(run).id)
        forced(run, held.node, "mine")
        assert answer(run) == "child said mine"
        bottom_up(run)


def test_while_it_waits_for_children_they_are_ended_first() -> None:
    never = Event()
    table: Table = {
        QUESTION: [code('r = rlm_query_batched(["child a", "child b", "child c", "child d"])')],
        "child a": [never],
        "child b": [LOOP],
        "child c": [code('rlm_query("grandchild")')],
        "child d": [code('llm_query("a leaf")')],
        "grandchild": [LOOP],
        "a leaf": [never],
    }
    with small(table) as run:
        run.until(lambda fold: sum(node.state == "executing" for node in fold.nodes.values()) == 2, "both loops")
        run.until(lambda fold: [c.state for c in fold.calls.values() if c.ran_as == "llm"] == ["sampling"], "the leaf")
        forced(run, "root", "mine")
        assert answer(run) == "mine"
        ended = [plain(e.id) for e in run.events if e.ev == "node.end"]
        assert len(ended) == 6 and ended[-1] == "root"
        assert {run.run.nodes[e.id].status for e in run.events if e.ev == "node.end"} == {"killed", "final"}
        assert {call.status for call in run.run.calls.values()} == {"killed"}
        bottom_up(run)
    never.set()


def test_one_child_of_a_batch_is_decided_and_the_others_run_on() -> None:
    never = Event()
    table: Table = {
        QUESTION: [code('r = rlm_query_batched(["child a", "child b"])', 'FINAL(",".join(r))')],
        "child a": [never],
        "child b": [code('FINAL("b")')],
    }
    with small(table) as run:
        run.until(lambda fold: any(call.status == "ok" for call in fold.calls.values()), "the other child")
        forced(run, next(n.id for n in run.run.nodes.values() if n.depth == 1 and n.status == "open"), "a")
        assert answer(run) == "a,b"
        bottom_up(run)
    never.set()


# Children that have not begun -----------------------------------------------------------------------------------------


def test_a_queued_child_is_answered_and_never_begins() -> None:
    first = Event()
    table: Table = {
        QUESTION: [code('r = rlm_query_batched(["child a", "child b"])', 'FINAL(",".join(r))')],
        "child a": [first, code('FINAL("a")')],
        "child b": [code('FINAL("b")')],
    }
    with small(table, max_batch_workers=1) as run:
        queued = run.until(lambda fold: next((c for c in fold.calls.values() if c.item == 2), None))
        assert refused(run.session.force_final(queued.id, var="x")).endswith("give a text.")
        done(run.session.force_final(queued.id, text="mine"))
        first.set()
        assert answer(run) == "a,mine"
        assert queued.status == "supplied" and queued.mark == "edited" and queued.node is None
        bottom_up(run)


def test_a_child_held_at_its_call_is_answered_and_never_begins() -> None:
    with small({QUESTION: ASK, "the child": [LOOP]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        held = run.held("call")
        done(run.session.force_final(held.id, text="mine"))
        assert answer(run) == "child said mine"
        assert [go.verb for go in events(run, "go")][-1] == "final"
        assert list(run.run.nodes) == ["root"]
        bottom_up(run)


def test_a_plain_call_on_its_way_is_cancelled_and_answered() -> None:
    never = Event()
    with small({QUESTION: [code('FINAL(llm_query("a leaf"))')], "a leaf": [never]}) as run:
        call = run.until(lambda fold: next((c for c in fold.calls.values() if c.state == "sampling"), None))
        done(run.session.force_final(call.id, text="mine"))
        assert answer(run) == "mine"
        assert [(a.status, a.reply) for a in run.run.calls[call.id].attempts] == [("cancelled", "")]
        assert (run.run.calls[call.id].state, run.run.calls[call.id].mark) == ("supplied", "edited")
    never.set()


# From a variable ------------------------------------------------------------------------------------------------------


def test_a_variable_of_a_held_node_is_the_answer_typed() -> None:
    with small({QUESTION: [code('found = {"n": [1, 2]}')]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        run.held("observe")
        assert "near names: found" in refused(run.session.force_final("root", var="fund"))
        done(run.session.force_final("root", var="found"))
        assert answer(run) == "{'n': [1, 2]}"
        assert run.run.root is not None and run.run.root.via == "forced" and run.run.root.data == '{"n": [1, 2]}'


def test_a_variable_from_a_block_before_is_the_answer_while_another_runs() -> None:
    with small({QUESTION: [code("kept = 42"), code("while True: pass")]}) as run:
        run.until(lambda fold: "root/i2/b1" in fold.blocks and fold.nodes["root"].state == "executing")
        assert refused(run.session.force_final("root", var="nothing")) == "There is no variable 'nothing' here."
        done(run.session.force_final("root", var="kept"))
        assert answer(run) == "42"


def test_a_variable_of_a_dead_repl_is_rebuilt() -> None:
    with small({QUESTION: [code("kept = 42"), code("import os; os._exit(1)")]}) as run:
        run.held("error")
        done(run.session.force_final("root", var="kept"))
        assert answer(run) == "42"


def test_a_variable_that_cannot_be_read_changes_nothing() -> None:
    lines = ("class Bad:", "    def __str__(self): raise OSError('no')", "bad = Bad()")
    with small({QUESTION: [code(*lines)]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        held = run.held("observe")
        assert refused(run.session.force_final("root", var="bad")).startswith("It can't be the answer:")
        assert not events(run, "edit") and held.id in run.run.held


# Once -----------------------------------------------------------------------------------------------------------------


def test_a_node_is_decided_once() -> None:
    with small({QUESTION: [LOOP]}) as run:
        executing(run, "root")
        first, second = run.session.force_final("root", text="1"), run.session.force_final("root", text="2")
        done(first)
        assert refused(second) in ("This node is ending already.", "This node has ended.")
        assert answer(run) == "1"
        assert len(events(run, "edit")) == 1


def test_a_child_being_decided_while_its_parent_is_has_an_end() -> None:
    with small({QUESTION: ASK, "the child": [LOOP]}) as run:
        id = child(run).id
        executing(run, id)
        both = [run.session.force_final(id, text="child's"), run.session.force_final("root", text="root's")]
        for future in both:
            done(future)
        assert answer(run) == "root's"
        bottom_up(run)


def test_an_ended_child_whose_answer_is_held_says_so() -> None:
    with small({QUESTION: ASK, "the child": [code('FINAL("c")')]}, hold=True) as run:
        for verb in ("next", "into", "into", "next", "next", "step"):
            held = stop(run)
            assert held is not None
            do(run, verb, held)
        held = run.held("return")
        assert refused(run.session.force_final(held.id, text="x")).endswith("Its answer is held, and can be edited.")
        done(run.session.edit(held.id, "answer", "better"))
        done(run.session.release(held.id))
        assert answer(run) == "child said better"
