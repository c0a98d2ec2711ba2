"""Leaving, killing and closing, whatever the run is doing; and what the journal says afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from rlm_tui.debugger.session import Session
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import in_use, read
from tests.debugger.processes import workers
from tests.debugger.small import NOTHING, QUESTION, Table, code, do, events, small
from tests.debugger.standing import RESISTS, broken
from tests.debugger.test_forcing import bottom_up
from tests.runs import DEADLINE_S, Watched, done, refused, running

NEVER = Event()
"""Nobody sets it: a model that never answers."""

LOOP = code('print("on")', "while True: pass")
FAMILY: Table = {
    QUESTION: [code('rlm_query_batched(["child a", "child b", "child c"])')],
    "child a": [LOOP],
    "child b": [NEVER],
    "child c": [code('rlm_query("grandchild")')],
    "grandchild": [RESISTS],
}


def printed(run: Watched, times: int) -> None:
    """Wait until so many blocks have printed, and so are in their loops."""
    run.until(lambda _: sum(e.ev == "chunk" and e.kind == "stdout" for e in run.events) == times, "output")


def at_hold(run: Watched) -> None:
    run.held("llm")


def in_a_loop(run: Watched) -> None:
    printed(run, 1)


def in_a_request(run: Watched) -> None:
    run.until(lambda fold: fold.nodes and fold.nodes["root"].state == "sampling", "a request")


def in_a_family(run: Watched) -> None:
    printed(run, 2)
    run.until(lambda fold: any(node.state == "sampling" for node in fold.nodes.values()), "a request")


def standing(run: Watched) -> None:
    printed(run, 1)
    broken(run)


def aborting(run: Watched) -> None:
    standing(run)
    done(run.session.harder("root"))
    run.until(lambda fold: not fold.held, "the abort")


def evaluating(run: Watched) -> None:
    held = run.held("llm")
    run.session.evaluate("root", 'print("on", flush=True)\nwhile True: pass')
    run.until(lambda _: any(e.ev == "chunk" and e.id == f"{held.id}+e1" for e in run.events), "its output")


SITUATIONS: dict[str, tuple[Table, Callable[[Watched], None]]] = {
    "held": ({QUESTION: [LOOP]}, at_hold),
    "loop": ({QUESTION: [LOOP]}, in_a_loop),
    "resisting": ({QUESTION: [RESISTS]}, in_a_loop),
    "sampling": ({QUESTION: [NEVER]}, in_a_request),
    "family": (FAMILY, in_a_family),
    "standing": ({QUESTION: [LOOP]}, standing),
    "standing, resisting": ({QUESTION: [RESISTS]}, standing),
    "aborting": ({QUESTION: [RESISTS]}, aborting),
    "evaluating": ({QUESTION: [LOOP]}, evaluating),
}


@pytest.mark.parametrize("how", ["leave", "close", "kill"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_run_ends_with_nothing_left_running(situation: str, how: str, tmp_path: Path) -> None:
    table, reach = SITUATIONS[situation]
    before = workers()
    with small(table, hold=situation in ("held", "evaluating"), runs=tmp_path) as run:
        reach(run)
        path = run.session.journal.path
        assert path is not None and in_use(path)
        if how != "close":
            getattr(run.session, how)()
        run.session.close(5.0)
        assert workers() <= before
        assert not in_use(path)
        fold = Run(read(path).events())
        assert fold.seen == len(run.events)
        if how == "kill":
            assert fold.end is not None and fold.end.status == "killed" and fold.state == "ended"
            assert fold.root is not None and fold.root.status == "killed"
            bottom_up(run)
        else:
            assert fold.end is None and not events(run, "node.end")


def test_a_run_left_while_held_is_still_held_in_its_journal(tmp_path: Path) -> None:
    with small({QUESTION: [LOOP]}, hold=True, runs=tmp_path) as run:
        held = run.held("llm")
        run.session.leave()
        run.session.close()
        fold = Run(run.session.events())
        assert list(fold.held) == [held.id] and fold.state == "held" and not events(run, "go")


def test_a_killed_run_holds_nothing(tmp_path: Path) -> None:
    with small({QUESTION: [LOOP]}, hold=True, runs=tmp_path) as run:
        run.held("llm")
        run.session.kill()
        run.session.close()
        fold = Run(run.session.events())
        assert not fold.held and fold.state == "ended"


def test_closing_twice_and_before_the_start_is_no_error() -> None:
    with small({QUESTION: [code('FINAL("x")')]}) as run:
        run.ended()
        end = run.session.result
        run.session.close()
        run.session.close()
        result = end()
        assert result is not None and result.value == "x"
    fresh = Session(run.session.journal, lambda gates: run.session.engine)
    fresh.close()
    assert refused(fresh.step("root")) == "The run is not going on."


def test_a_run_that_broke_off_says_so() -> None:
    with small({QUESTION: [code("print(1)"), code('FINAL("x")')]}, hold=True) as run:
        held = run.held("llm")
        run.session.journal.close()
        future = run.session.release(held.id)
        assert isinstance(future.exception(20), Exception)
        run.session.kill()
        run.session.close()
        assert [notice for notice in run.session.notices if "journal is closed" in notice]


def test_held_time_is_nobodys_fault() -> None:
    table: Table = {
        QUESTION: [code('r = rlm_query_batched(["child a", "child b"])', 'FINAL("x")')],
        "child a": [code('FINAL("a")')],
        "child b": [code("1"), code("2"), code("3"), code('FINAL("b")')],
    }
    with small(table, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        do(run, "into", run.held("call"))
        held = run.held("llm")
        clocks = run.session.engine.shared.clocks
        root, child = clocks["root"], clocks[held.node]
        run.until(lambda fold: [c.status for c in fold.blocks["root/i1/b1"].calls] == ["open", "ok"], "the sibling")
        stood = root.elapsed, child.elapsed
        done(run.session.edit(held.id, "model", "other"))
        assert (root.elapsed, child.elapsed) == stood
        do(run, "release", held)
        run.ended()
        assert root.elapsed > stood[0]


def test_eight_held_children_leave_their_seats_to_the_ninth() -> None:
    names = [f"child {n}." for n in range(9)]
    table: Table = {QUESTION: [code(f"r = rlm_query_batched({names})", "FINAL(len(r))")], "child": [code('FINAL("x")')]}
    with small(table, hold=True, max_batch_workers=8) as run:
        done(run.session.pause(None))
        do(run, "release", run.held("llm", "root"))
        run.until(lambda fold: len(fold.held) == 9, "all nine held")
        done(run.session.release_all())
        run.ended()
        assert run.run.root is not None and run.run.root.value == "9"


def test_multi_hop_closed_at_once_leaves_nothing() -> None:
    before = workers()
    with running("multi-hop") as run:
        run.until(lambda fold: len(fold.nodes) >= 4, "the batch")
        run.session.close(5.0)
        assert workers() <= before


def test_an_answer_is_forced_while_a_block_stands() -> None:
    before = workers()
    table: Table = {QUESTION: [code('kept = "mine"'), LOOP]}
    for answer in ({"text": "mine"}, {"var": "kept"}):
        with small(table) as run:
            standing(run)
            done(run.session.force_final("root", **answer))
            run.ended()
            assert run.run.root is not None and (run.run.root.value, run.run.root.via) == ("mine", "forced")
            assert not run.run.held and run.session.ladder("root").next is None
        assert workers() <= before


@pytest.mark.parametrize("end", ["kill_node", "force_final", "abort"])
def test_what_is_queued_ends_with_the_block_that_asked(end: str) -> None:
    answers = Event()
    batch = code('llm_query_batched(["a", "b", "c"])')
    with small({QUESTION: [batch, NOTHING], "a": [answers], "b": ["b"], "c": ["c"]}, max_batch_workers=1) as run:
        run.until(lambda fold: [call.state for call in fold.calls.values()] == ["sampling", "new", "new"], "a queue")
        if end == "abort":
            for _ in range(3):
                run.session.harder("root").result(DEADLINE_S)
            run.held("error")
        else:
            done(getattr(run.session, end)("root", **({"text": "x"} if end == "force_final" else {})))
            run.until(lambda fold: fold.blocks["root/i1/b1"].status == "aborted", "the block's end")
        assert [call.status for call in run.run.calls.values()] == ["killed"] * 3
        assert run.run.blocks["root/i1/b1"].open_calls == 0
        answers.set()
