"""Ends and answers by hand at awkward moments: what ends, what is told, what the journal keeps, what goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Event

import pytest

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.reading import READ_ONLY, ReadOnlySession
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import in_use, read
from rlm_tui.journal.tree import Call
from tests.debugger.processes import workers
from tests.debugger.small import QUESTION, Table, answer, children, code, do, events, small
from tests.debugger.standing import ON, printed
from tests.debugger.test_forcing import bottom_up
from tests.debugger.test_situations import DRIFTS, EXITS
from tests.debugger.wordy import Wordy, at_reply, wordy
from tests.runs import DEADLINE_S, Watched, done, refused

CHILDREN: Table = {
    QUESTION: [code('r = rlm_query_batched(["child 1", "child 2", "child 3"])'), code("FINAL(str(r))")],
    "child": [code("x = 1"), code('FINAL("said")')],
}
BACK = "This call has come back."
HANDED_ON = "This call has come back: its answer was handed on already."
ENDED, ENDING, RUN_ENDED = "This node has ended.", "This node is ending already.", "The run has ended."
KILLED = "Error: killed by user"


def under_way(run: Watched, prompt: str) -> Call:
    """A plain sub-call whose request is on its way."""
    return run.until(
        lambda fold: next((c for c in fold.calls.values() if c.prompt == prompt and c.state == "sampling"), None),
        prompt,
    )


# Forcing an answer ----------------------------------------------------------------------------------------------------


def test_an_answer_is_forced_while_children_are_held_and_they_end_first() -> None:
    with small(CHILDREN, hold=True) as run:
        held = children(run)
        done(run.session.force_final("root", text="mine"))
        assert answer(run) == "mine"
        assert {run.run.nodes[h.node].status for h in held} == {"killed"}
        bottom_up(run)


def test_an_answer_is_forced_while_some_children_are_held_some_ask_and_some_are_queued(later: Event) -> None:
    table: Table = {"child 2": [later], **CHILDREN}
    with small(table, max_batch_workers=2, breakpoints=Breakpoints(None, ['llm @"child 1"'])) as run:
        run.held("llm")
        run.until(lambda fold: any(n.state == "sampling" and n.depth for n in fold.nodes.values()), "one that asks")
        done(run.session.force_final("root", text="mine"))
        assert answer(run) == "mine"
        assert not [c for c in run.run.calls.values() if c.status == "open"]
        bottom_up(run)


def test_an_answer_forced_twice_is_the_first() -> None:
    with small(CHILDREN, hold=True) as run:
        run.held("llm")
        first = run.session.force_final("root", text="first")
        second = run.session.force_final("root", text="second")
        done(first)
        assert refused(second) in (ENDING, ENDED)
        assert answer(run) == "first"
        assert [e.value for e in events(run, "edit")] == [{"text": "first"}]


@pytest.mark.parametrize("name", ["absent", "", "x; import os", "x\n", "\udc80"])
def test_a_variable_that_is_missing_is_no_answer_and_nothing_ends(name: str) -> None:
    with small({QUESTION: [code("x = 1"), code('FINAL("end")')]}, hold=True) as run:
        do(run, "iteration", run.held("llm"))
        held = run.held("llm")
        why = refused(run.session.force_final("root", var=name))
        assert why.startswith(("It can't be the answer:", "There is no variable"))
        assert run.run.held[held.id].since == held.since and not events(run, "edit")
        done(run.session.release(held.id))
        assert answer(run) == "end"


def test_a_variable_that_the_running_block_has_just_made_is_not_known_yet() -> None:
    with small({QUESTION: [code("new = 1", ON, "while True: pass")]}) as run:
        printed(run)
        assert refused(run.session.force_final("root", var="new")) == "There is no variable 'new' here."
        assert run.run.end is None and not events(run, "edit")


def test_an_answer_forced_with_no_text_is_empty() -> None:
    with small(CHILDREN, hold=True) as run:
        run.held("llm")
        done(run.session.force_final("root"))
        assert answer(run) == "" and run.run.root is not None and run.run.root.status == "final"


def test_a_queued_child_has_no_variables_to_answer_with(later: Event) -> None:
    with small({"child 1": [later], **CHILDREN}, max_batch_workers=1) as run:
        queued = run.until(lambda fold: next((c for c in fold.calls.values() if c.item == 3), None), "a queued one")
        assert refused(run.session.force_final(queued.id, var="x")) == (
            "It has not begun, so it has no variables; give a text."
        )
        done(run.session.force_final(queued.id, text="three"))
        later.set()
        run.until(lambda _: queued.status == "supplied", "answered")
        done(run.session.kill_node("root"))
        run.ended()


def test_an_answer_is_forced_while_a_person_evaluates(later: Event) -> None:
    with small({QUESTION: [code("x = 1")], "a leaf": [later]}, hold=True) as run:
        run.held("llm")
        asked = run.session.evaluate("root", "llm_query('a leaf')")
        under_way(run, "a leaf")
        done(run.session.force_final("root", text="mine"))
        assert answer(run) == "mine"
        asked.result(DEADLINE_S)
        assert [(e.id, e.status) for e in events(run, "exec.end")] == [("root/i1+e1", "aborted")]
        bottom_up(run)


# Killing --------------------------------------------------------------------------------------------------------------


def test_a_parent_is_killed_while_its_child_is_held() -> None:
    table: Table = {
        QUESTION: [code('r = rlm_query("the parent")'), code("FINAL(r)")],
        "the parent": [code('rlm_query("the inner")')],
        "the inner": [code('FINAL("x")')],
    }
    with small(table, breakpoints=Breakpoints(None, ["llm @depth>=2"])) as run:
        held = run.held("llm")
        parent = next(node.id for node in run.run.nodes.values() if node.depth == 1)
        done(run.session.kill_node(parent))
        assert answer(run) == KILLED
        assert not run.run.held and run.run.nodes[held.node].status == "killed"
        ends = [e.id for e in run.events if e.ev == "node.end"]
        assert ends.index(held.node) < ends.index(parent)
        bottom_up(run)


def test_what_was_held_of_a_killed_node_takes_no_verb() -> None:
    with small(CHILDREN, hold=True) as run:
        one, *_ = children(run)
        done(run.session.kill_node(one.node))
        run.until(lambda fold: fold.nodes[one.node].status == "killed", "killed")
        assert refused(run.session.release(one.id)) == "Nothing is held here."
        assert refused(run.session.edit(one.id, "model", "x")).startswith("It is not held any more")
        assert refused(run.session.step(one.node)) == ENDED
        done(run.session.release_all())
        assert answer(run) == str([KILLED, "said", "said"])


def test_the_root_is_killed_with_everything_held() -> None:
    before = workers()
    with small(CHILDREN, hold=True) as run:
        held = children(run)
        done(run.session.kill_node("root"))
        run.ended()
        assert not run.run.held and run.run.end is not None and run.run.end.status == "killed"
        assert {run.run.nodes[h.node].status for h in held} == {"killed"}
        bottom_up(run)
        run.session.close(5.0)
        assert workers() <= before


def test_a_run_is_killed_while_more_replies_are_under_way() -> None:
    with wordy(Wordy(waits=asyncio.Event())) as run:
        id = at_reply(run)
        more = run.session.resample(id, 2)
        run.until(lambda fold: len(fold.iterations[id].samples) == 2, "on their way")
        done(run.session.kill_node("root"))
        run.ended()
        assert isinstance(more.result(DEADLINE_S), str)
        assert {sample.status for sample in run.run.iterations[id].samples} == {"cancelled"}


@pytest.mark.parametrize("point", ["call", "llm"], ids=["held at its call", "held in its child"])
def test_one_item_of_a_batch_is_killed_and_the_code_gets_its_text(point: str) -> None:
    line = 'call if prompt == "child 2"' if point == "call" else 'llm @"child 2"'
    with small(CHILDREN, breakpoints=Breakpoints(None, [line])) as run:
        held = run.held(point)
        call = held.id if point == "call" else held.node
        done(run.session.kill_node(call))
        assert answer(run) == str(["said", KILLED, "said"])
        assert (run.run.calls[call].status, run.run.calls[call].mark) == ("killed", "edited")
        assert bool(run.run.calls[call].node) == (point == "llm")


def test_every_item_of_a_batch_is_killed_one_by_one_and_the_block_goes_on() -> None:
    with small(CHILDREN, hold=True) as run:
        for one in children(run):
            done(run.session.kill_node(one.node))
        assert answer(run) == str([KILLED] * 3)


def test_a_leaf_killed_twice_is_killed_once(later: Event) -> None:
    with small(
        {QUESTION: [code('x = llm_query_batched(["leaf a", "leaf b"])', "FINAL(str(x))")], "leaf": [later]}
    ) as run:
        leaf = under_way(run, "leaf a")
        first, second = run.session.kill_node(leaf.id), run.session.kill_node(leaf.id)
        done(first)
        assert refused(second) in (ENDING, BACK)
        assert [e.field for e in events(run, "edit")] == ["kill"]
        run.until(lambda _: leaf.status == "killed", "killed")
        assert refused(run.session.kill_node(leaf.id)) == BACK
        later.set()
        assert answer(run) == str([KILLED, "I think."])


def test_a_child_is_killed_and_answered_at_once_and_one_of_both_is_told(later: Event) -> None:
    with small({"child 2": [later], **CHILDREN}) as run:
        child = run.until(
            lambda fold: next((c for c in fold.calls.values() if c.item == 2 and c.state == "sampling"), None), "two"
        )
        first, second = run.session.supply(child.id, "mine"), run.session.kill_node(child.id)
        done(first)
        assert refused(second) in (ENDING, BACK, ENDED)
        assert answer(run) == str(["said", "mine", "said"])


def test_what_has_come_back_is_neither_answered_nor_killed() -> None:
    with small(CHILDREN, breakpoints=Breakpoints(None, ["observe @root"])) as run:
        held = run.held("observe")
        one = next(iter(run.run.calls))
        assert refused(run.session.supply(one, "late")) == HANDED_ON
        assert refused(run.session.kill_node(one)) == BACK
        assert refused(run.session.force_final(one, text="late")) == ENDED
        assert not events(run, "edit")
        done(run.session.release(held.id))
        assert answer(run) == "['said', 'said', 'said']"


@pytest.mark.parametrize("verb", ["kill_node", "force_final"])
@pytest.mark.parametrize("whom", ["the child", "the root"])
def test_a_node_ends_in_the_midst_of_a_rebuild(verb: str, whom: str) -> None:
    table: Table = {
        QUESTION: [code('r = rlm_query("the child")'), code("FINAL(r)")],
        "the child": [DRIFTS, EXITS, code('FINAL("end")')],
        "a leaf": ["leaf"],
    }
    with small(table) as run:
        died = run.held("error")
        do(run, "retry", died)
        held = run.until(lambda fold: next((h for h in fold.held.values() if h.point == "call"), None), "its rebuild")
        assert run.run.nodes[held.node].depth == 1
        node = "root" if whom == "the root" else held.node
        done(run.session.kill_node(node) if verb == "kill_node" else run.session.force_final(node, text="mine"))
        run.ended()
        assert run.run.root is not None and not run.run.held
        if verb == "force_final":
            assert run.session.text(run.run.root.value) == "mine"
        elif whom == "the child":
            assert run.session.text(run.run.root.value) == KILLED
        else:
            assert run.run.root.status == "killed"
        assert not [n for n in run.run.nodes.values() if n.status == "open"]


# Answering ------------------------------------------------------------------------------------------------------------


def test_a_queued_item_is_answered_before_those_ahead_of_it(later: Event) -> None:
    with small({"child 1": [later, code('FINAL("one")')], **CHILDREN}, max_batch_workers=1) as run:
        queued = run.until(lambda fold: next((c for c in fold.calls.values() if c.item == 3), None), "a queued one")
        done(run.session.supply(queued.id, "three"))
        run.until(lambda _: queued.status == "supplied", "answered")
        assert run.run.blocks["root/i1/b1"].calls[0].status == "open"
        later.set()
        assert answer(run) == str(["one", "said", "three"])
        assert queued.node is None and not queued.attempts


def test_a_child_whose_own_child_is_held_is_answered() -> None:
    table: Table = {
        QUESTION: [code('r = rlm_query("the parent")'), code("FINAL(r)")],
        "the parent": [code('rlm_query("the inner")')],
        "the inner": [code('FINAL("x")')],
    }
    with small(table, breakpoints=Breakpoints(None, ["block @depth>=2"])) as run:
        held = run.held("block")
        parent = next(node.id for node in run.run.nodes.values() if node.depth == 1)
        done(run.session.supply(parent, "by hand"))
        assert answer(run) == "by hand"
        assert not run.run.held and run.run.blocks[held.id].status in ("new", "skipped", "aborted")
        bottom_up(run)


# Leaving --------------------------------------------------------------------------------------------------------------


def test_a_run_that_was_left_while_held_is_opened_to_be_read(tmp_path: Path) -> None:
    with small(CHILDREN, hold=True, runs=tmp_path) as run:
        held = children(run)
        done(run.session.edit(held[0].id, "model", "another"))
        path = run.session.path
        assert path is not None
        run.session.leave()
        run.session.close(5.0)
    assert not in_use(path)
    session = ReadOnlySession(path)
    try:
        fold = Run(session.events())
        assert list(fold.held) == [h.id for h in held] and fold.end is None
        assert [e.value for e in fold.edits] == ["another"]
        assert refused(session.release(held[0].id)) == READ_ONLY
        assert refused(session.kill_node("root")) == READ_ONLY
        session.kill()
        assert not session.notices
    finally:
        session.close()
    assert Run(read(path).events()).seen == len(run.events)


def test_leaving_twice_and_killing_what_was_left_is_no_error(tmp_path: Path) -> None:
    with small(CHILDREN, hold=True, runs=tmp_path) as run:
        run.held("llm")
        for act in (run.session.leave, run.session.leave, run.session.kill):
            act()
        run.session.close(5.0)
        run.session.kill()
        assert refused(run.session.kill_node("root")) == "The run is not going on."
        path = run.session.path
    assert path is not None and not in_use(path)
    assert not read(path).notices


@pytest.mark.parametrize("how", ["leave", "kill"])
def test_quitting_while_a_person_evaluates_loses_nothing_that_was_written(
    how: str, tmp_path: Path, later: Event
) -> None:
    before = workers()
    with small({**CHILDREN, "a leaf": [later]}, hold=True, runs=tmp_path) as run:
        run.held("llm")
        asked = run.session.evaluate("root", "h = llm_query('a leaf')")
        under_way(run, "a leaf")
        getattr(run.session, how)()
        run.session.close(5.0)
        assert asked.done()
        path = run.session.path
        assert path is not None
        written = list(read(path).events())
        assert [e.seq for e in written] == list(range(len(written)))
        fold = Run(written)
        assert fold.seen == len(run.events) and "root/i1+e1" in fold.blocks
        assert (fold.blocks["root/i1+e1"].status == "aborted") == (how == "kill")
        assert workers() <= before


@pytest.mark.parametrize("verb", ["edit", "say", "insert", "set_model", "supply"])
def test_a_run_that_ends_while_a_change_is_on_its_way_holds_no_change_after_its_end(verb: str) -> None:
    arguments = {
        "edit": ("code", "print('mine')"), "say": ("a word",), "insert": ("h = 1",), "set_model": ("another",),
        "supply": ("mine",),
    }[verb]  # fmt: skip
    with small({QUESTION: [code("print(1)"), code('FINAL("end")')]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        held = run.held("block")
        end = run.session.kill_node("root")
        at = held.id if verb in ("edit", "insert") else "root"
        late = getattr(run.session, verb)(at, *arguments, **({"say": True} if verb == "insert" else {}))
        done(end)
        said = late.result(DEADLINE_S)
        run.ended()
        assert said is None or said
        kinds = [e.ev for e in run.events]
        assert kinds.index("run.end") == len(kinds) - 1
        assert ("edit" in kinds) == (said is None)
        assert not run.run.blocks[held.id].stdout
        assert refused(getattr(run.session, verb)(at, *arguments, **({"say": True} if verb == "insert" else {})))
