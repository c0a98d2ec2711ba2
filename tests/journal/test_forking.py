"""A fork as a journal of its own: what is written, that it goes on by itself, and what is told of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import Edit, ExecEnd, Point, RunStart
from rlm_tui.journal.fork import fork, points_at
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, JournalError, read
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import chat, small
from tests.journal.build import Tape, two_levels
from tests.journal.forks import WORK, every_point, go_on
from tests.runs import Watched, running


@pytest.fixture(scope="module")
def multi_hop() -> Iterator[Watched]:
    with running("multi-hop") as run:
        run.ended()
        yield run


def of_tape(tape: Tape) -> Journal:
    journal = Journal.memory()
    for event in tape.events:
        journal.copy(event, journal)
    return journal


# Written --------------------------------------------------------------------------------------------------------------


def test_a_fork_says_where_it_is_from_and_begins_with_copies() -> None:
    source, target = of_tape(two_levels()), Journal.memory()
    edit = Edit(id="root/i2/b1", field="code", value="print(2)", was="rlm_query_batched(parts)")
    kept = fork(source, target, "root/i2/b1", "block", edits=[edit], why="try two")
    start, *others = target.events()
    assert isinstance(start, RunStart)
    assert (start.run, start.task) == (target.id, "how deep?")
    assert start.parent == {
        "run": "231114-2213-00aa", "at": "root/i2/b1", "point": "block", "kept": kept, "why": "try two",
    }  # fmt: skip
    *copies, changed = others
    assert [e.seq for e in others] == list(range(1, kept + 2))
    assert [(e.ev, e.id, e.t) for e in copies] == [(e.ev, e.id, e.t) for e in list(source.events())[1 : kept + 1]]
    assert (changed.by, changed.ev, changed.id) == ("human", "edit", "root/i2/b1")
    run = Run(target.events())
    assert (run.inherited, run.parent, run.id) == (kept, start.parent, target.id)
    assert run.blocks["root/i2/b1"].mark == "edited"


def test_the_final_of_a_node_is_that_of_its_last_iteration() -> None:
    target = Journal.memory()
    fork(of_tape(two_levels()), target, "root", "final", edits=[Edit(id="root", field="final", value={"text": "8 m"})])
    assert (Run(target.events()).parent or {})["at"] == "root/i3"
    assert list(target.events())[-1].id == "root/i3"


@pytest.mark.parametrize(
    ("at", "point"), [("root/i9", "llm"), ("root/i3", "observe"), ("root/i1", "block"), ("", "final")]
)
def test_a_point_that_is_not_there_is_refused_and_nothing_is_written(at: str, point: Point) -> None:
    target = Journal.memory()
    with pytest.raises(JournalError, match="that a fork could begin at"):
        fork(of_tape(two_levels()), target, at, point)
    assert list(target.events()) == []


def test_an_empty_source_and_a_target_in_use_are_refused() -> None:
    with pytest.raises(JournalError, match="has not begun"):
        fork(Journal.memory(), Journal.memory(), "root", "final")
    target = of_tape(two_levels())
    with pytest.raises(JournalError, match="is not empty"):
        fork(of_tape(two_levels()), target, "root/i1", "llm")


def test_either_run_can_be_deleted(tmp_path: Path) -> None:
    long = "deep water " * 900
    source = Journal.create(tmp_path)
    for event in two_levels().events:
        more = {"task": long} if event.ev == "run.start" else {"stdout": long} if event.id == "root/i1/b1" else {}
        more = {key: value for key, value in more.items() if key in type(event).model_fields}
        source.append(event.model_copy(update=more))
    source.close()
    target = Journal.create(tmp_path)
    fork(read(tmp_path / source.id), target, "root/i2", "reply")
    target.close()
    assert source.path is not None and target.path is not None
    (blob,) = (target.path / "blobs").iterdir()
    assert blob.stat().st_nlink == 2
    shutil.rmtree(source.path)
    run, reader = Run(read(target.path).events()), read(target.path)
    assert reader.text(run.task, strict=True) == reader.text(run.blocks["root/i1/b1"].stdout, strict=True) == long


# Going on -------------------------------------------------------------------------------------------------------------


def test_a_fork_goes_on_by_itself_and_asks_only_for_what_it_has_not(multi_hop: Watched) -> None:
    source = multi_hop.session.journal
    run = Run(source.events())
    points = list(every_point(run))
    for at, point in [*points[::14], points[-1]]:
        target = Journal.memory()
        fork(source, target, at, point)
        before = Run(target.events())
        assert before.own.requests == 0
        after = go_on(target, multi_hop, model_for("multi-hop"))
        assert after.root is not None and run.root is not None
        assert target.text(after.root.value) == source.text(run.root.value), (at, point)
        assert set(after.calls) == set(run.calls) and {c.status for c in after.calls.values()} == {"ok"}
        assert (after.totals.requests, after.totals.tokens) == (run.totals.requests, run.totals.tokens)
        assert after.own.requests == run.totals.requests - before.totals.requests
        assert after.own.tokens == run.totals.tokens - before.totals.tokens


def test_an_answer_that_is_given_reaches_the_end_and_the_other_children_are_not_asked_again() -> None:
    with small(WORK, max_iterations=10) as run:
        run.ended()
        source = run.session.journal
        child = next(call for call in run.run.calls.values() if call.fn == "rlm_query_batched")
        target = Journal.memory()
        given = Edit(id=child.id, field="answer", value="Z", was=source.text(child.value))
        fork(source, target, child.id, "return", edits=[given])
        after = go_on(target, run, CallableModel(chat(WORK)))
        assert after.root is not None and run.run.root is not None
        was = source.text(run.run.root.value)
        assert target.text(after.root.value) == was.replace("A2", "Z") != was
        assert after.root.final_mark == "downstream"
        assert after.own.requests == 3, "the two leaves of the block after it, and what follows from them"


def test_a_fork_of_a_fork_goes_on_too() -> None:
    with small(WORK, max_iterations=10) as run:
        run.ended()
        first = Journal.memory()
        fork(
            run.session.journal,
            first,
            "root/i2/b2",
            "block",
            edits=[Edit(id="root/i2/b2", field="code", value="c = d = '-'")],
        )
        middle = go_on(first, run, CallableModel(chat(WORK)))
        second = Journal.memory()
        fork(first, second, "root/i2/b1", "block")
        last = go_on(second, run, CallableModel(chat(WORK)))
        assert middle.root is not None and last.root is not None and run.run.root is not None
        assert first.text(middle.root.value) == "A2B--1"
        assert second.text(last.root.value) == run.session.text(run.run.root.value) == "A2BCD1"
        assert (last.parent or {})["run"] == first.id


# Told -----------------------------------------------------------------------------------------------------------------


def test_the_calls_of_a_block_that_is_to_run_again_are_there_before_it_runs() -> None:
    tape = two_levels()
    target = Journal.memory()
    child = next(iter(tape.run().calls))
    fork(of_tape(tape), target, f"{child}/i1", "reply")
    run = Run(target.events())
    block = run.blocks["root/i2/b1"]
    assert (block.state, block.started, block.code, block.open_calls) == ("new", None, "", 1)
    assert [call.state for call in block.calls] == ["between", "done", "done"]
    assert points_at(run, "root/i2/b1") == ("block",)
    again = Tape()
    again.events = list(target.events())
    again.hold("root/i2/b1", "block", code="rlm_query_batched(parts)")
    assert again.run().blocks["root/i2/b1"].code == "rlm_query_batched(parts)"
    again.code("root/i2/b1", "rlm_query_batched(parts)")
    assert again.run().blocks["root/i2/b1"].state == "waiting"


def test_what_the_code_did_not_ask_for_counts_nowhere_as_open() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "…")
    tape.code("root/i1/b1")
    one, two, three = tape.batch("root/i1/b1", 3)
    tape.node(one, 1)
    tape.edit(two, "answer", "mine")
    tape.back(two, "mine", "supplied")
    tape.back(three)
    tape.code("root/i1/b1")
    tape.add(ExecEnd(id="root/i1/b1", status="ok", unasked=(one, two)))
    run = tape.run()
    block = run.blocks["root/i1/b1"]
    assert [(call.unasked, call.state) for call in block.calls] == [
        (True, "skipped"),
        (True, "supplied"),
        (False, "done"),
    ]
    assert (block.open_calls, run.nodes[one].state) == (0, "skipped")
    assert [points_at(run, id) for id in (one, two, three)] == [(), (), ("call", "return")]
    tape.back(one)
    assert tape.run().blocks["root/i1/b1"].open_calls == 0
    tape.events.pop()
    tape.code("root/i1/b1")
    run = tape.run()
    assert (run.blocks["root/i1/b1"].open_calls, run.calls[one].unasked, run.nodes[one].state) == (1, False, "new")


def test_a_change_that_nobody_ran_for_does_not_make_time() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "…")
    tape.add(Edit(id="root/i1", field="reply", value="x"), after=3600)
    tape.add(Edit(id="root", field="note", value="name"), after=3600)
    tape.go("root", "resume")
    run = tape.run()
    assert run.root is not None
    assert run.root.held_s == pytest.approx(7201)


def test_a_run_that_is_no_fork_has_all_as_its_own() -> None:
    run = two_levels().run()
    assert (run.inherited, run.own) == (0, run.totals)
    strange = Run([RunStart(id="root", run="r", task="", context=run.context, parent={"kept": "many"}, seq=0)])
    assert strange.inherited == 0
