"""Verbs where a person would not expect to need them: pressed twice, too late, at the wrong thing, by two at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.journal import address
from tests.debugger.small import QUESTION, Table, answer, children, code, do, events, small, stop
from tests.debugger.standing import LOOP, broken, printed
from tests.runs import DEADLINE_S, Watched, done, refused

BLOCKS: Table = {
    QUESTION: ["\n\n".join(code(f"print({n})") for n in (1, 2, 3)), code('FINAL("end")')],
}
CHILDREN: Table = {
    QUESTION: [code('r = rlm_query_batched(["child 1", "child 2", "child 3"])'), code("FINAL(str(r))")],
    "child": [code("x = 1", 'FINAL("said")')],
}
UNKNOWN = "root/i9/b9~llm:00000000#9"
NO_NODE = "There is no such node."
CONSUMED = "It is not held any more; what was handed on can't be taken back."


def goes(run: Watched) -> list[tuple[str, str]]:
    return [(go.verb, go.id) for go in events(run, "go")]


# Twice, and one in the midst of another -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("step", "step", "Step is under way here already."),
        ("step", "next", "Step is under way here already."),
        ("next", "step", "Next is under way here already."),
        ("iteration", "iteration", "Iteration is under way here already."),
        ("out", "step", "Out is under way here already."),
    ],
)
def test_a_verb_before_the_one_before_was_granted_is_refused(first: str, second: str, words: str, later: Event) -> None:
    with small({QUESTION: [later]}, hold=True) as run:
        done(getattr(run.session, first)(run.held("llm").id))
        assert refused(getattr(run.session, second)("root")) == words
        assert [verb for verb, _ in goes(run)] == [first]
        assert run.session.wants("root") == first


def test_a_step_pressed_twice_steps_once(later: Event) -> None:
    with small({QUESTION: [later]}, hold=True) as run:
        done(run.session.step(run.held("llm").id))
        refused(run.session.step("root"))
        later.set()
        assert run.held("reply").why == "step"
        assert goes(run) == [("step", "root/i1")]


def test_a_release_while_a_step_is_under_way_has_nothing_to_release(later: Event) -> None:
    with small({QUESTION: [later]}, hold=True) as run:
        done(run.session.step(run.held("llm").id))
        assert refused(run.session.release("root")) == "Nothing is held here."
        assert run.session.wants("root") == "step"


@pytest.mark.parametrize("held", [True, False], ids=["while held", "while on its way"])
def test_pause_pressed_twice(held: bool, later: Event) -> None:
    with small({QUESTION: [later]}, hold=True) as run:
        at = run.held("llm")
        if not held:
            do(run, "release", at)
            done(run.session.pause("root"))
        words = "It is held already." if held else "Pause is under way here already."
        assert refused(run.session.pause("root")) == words
        later.set()
        assert run.held("llm" if held else "reply").why == ("start" if held else "pause")


def test_two_people_step_and_release_one_hold_and_one_of_them_is_told() -> None:
    with small(BLOCKS, hold=True) as run:
        # At a block: what is held after it has another address, so no verb can be meant for that.
        do(run, "next", run.held("llm"))
        held = run.held("block")
        before = threading.Barrier(8)
        said: list[str | None] = []

        def press(verb: str) -> None:
            before.wait(DEADLINE_S)
            said.append(getattr(run.session, verb)(held.id).result(DEADLINE_S))

        people = [threading.Thread(target=press, args=(verb,)) for verb in ("step", "release", "next", "skip") * 2]
        for one in people:
            one.start()
        for one in people:
            one.join(DEADLINE_S)
        assert said.count(None) == 1 and len(said) == 8
        assert all(isinstance(why, str) and why for why in said if why is not None)
        assert [id for _, id in goes(run)].count(held.id) == 1
        run.session.release_all().result(DEADLINE_S)
        while (at := stop(run)) is not None:
            do(run, "release", at)
        assert answer(run) == "end"


def test_two_people_edit_one_hold_and_both_edits_are_kept_in_the_order_they_came() -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "next", run.held("llm"))
        id = run.held("block").id
        first, second = (run.session.edit(id, "code", f"print({n})") for n in (10, 20))
        done(first)
        done(second)
        run.until(lambda _: len(events(run, "edit")) == 2, "both")
        assert [(e.was, e.value) for e in events(run, "edit")] == [
            ("print(1)", "print(10)"), ("print(10)", "print(20)"),
        ]  # fmt: skip
        done(run.session.release_all())
        assert answer(run) == "end" and run.run.blocks[id].stdout == "20\n"


# Nothing there --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        ("step", (), NO_NODE), ("next", (), NO_NODE), ("iteration", (), NO_NODE), ("out", (), NO_NODE),
        ("pause", (), NO_NODE), ("harder", (), NO_NODE), ("say", ("x",), NO_NODE), ("supply", ("x",), NO_NODE),
        ("kill_node", (), NO_NODE), ("set_model", ("x",), NO_NODE), ("set_limit", ("max_iterations", 9), NO_NODE),
        ("evaluate", ("1",), NO_NODE), ("look", ("1",), NO_NODE), ("page", ("x", 0, 9), NO_NODE),
        ("complete", ("x", 1), NO_NODE),
        ("into", (), "Only what is held can be stepped into."),
        ("to", (), "There is nothing to run to there."),
        ("release", (), "Nothing is held here."),
        ("edit", ("code", "1"), "It is not held any more, so it can't be changed here."),
        ("revert", (), CONSUMED),
        ("retry", (), "Only an error can be tried again."),
        ("resample", (2,), "More replies can be asked for while a reply is held."),
        ("pick", (1,), "Only a reply that is held can be chosen."),
    ],
    ids=lambda part: part if isinstance(part, str) and " " not in part else "",
)  # fmt: skip
@pytest.mark.parametrize("at", [UNKNOWN, "", "nonsense \x1b[31m"], ids=["unknown", "empty", "nonsense"])
def test_a_verb_at_an_address_that_is_not_there_is_refused(
    nowhere: Watched, verb: str, arguments: tuple[Any, ...], words: str, at: str
) -> None:
    before = len(nowhere.events)
    assert refused(getattr(nowhere.session, verb)(at, *arguments)) == words
    assert len(nowhere.events) == before


@pytest.fixture(scope="module")
def nowhere() -> Iterator[Watched]:
    """A run that is held at its first request, and none of whose refusals changes it."""
    with small(BLOCKS, hold=True) as run:
        run.held("llm")
        yield run


def test_release_all_with_nothing_held_takes_back_what_was_wished_and_else_says_so(later: Event) -> None:
    with small({QUESTION: [later, code('FINAL("end")')]}, hold=True) as run:
        done(run.session.step(run.held("llm").id))
        done(run.session.release_all())
        assert run.session.wants("root") is None
        assert refused(run.session.release_all()) == "Nothing is held here."
        later.set()
        assert answer(run) == "end" and len(events(run, "hold")) == 1


@pytest.mark.parametrize("verb", ["step", "next", "iteration", "out", "release"])
@pytest.mark.parametrize("scope", ["subtree", "run"])
def test_a_verb_of_a_scope_with_nothing_held_is_refused(verb: str, scope: str, later: Event) -> None:
    with small({QUESTION: [later]}) as run:
        run.until(lambda fold: fold.iterations, "asked")
        words = "Nothing is held here." if (verb, scope) == ("release", "run") else "Nothing is held in this scope."
        assert refused(getattr(run.session, verb)("root", scope)) == words
        assert run.session.wants("root") is None


@pytest.mark.parametrize("verb", ["step", "next", "iteration", "out", "pause"])
def test_a_verb_of_a_child_that_has_ended_says_so(verb: str) -> None:
    with small(CHILDREN, breakpoints=Breakpoints(None, ["observe @root"])) as run:
        run.held("observe")
        child = next(id for id in run.run.nodes if id != "root")
        assert refused(getattr(run.session, verb)(child)) == "This node has ended."
        assert run.session.wants(child) is None


def test_a_verb_at_what_was_handed_on_acts_on_nothing() -> None:
    with small(BLOCKS, hold=True) as run:
        was = run.held("llm").id
        do(run, "step", run.held("llm"))
        do(run, "step", run.held("reply"))
        run.held("block")
        before = len(run.events)
        assert refused(run.session.release(was)) == "Nothing is held here."
        assert refused(run.session.step(was)) == NO_NODE
        assert refused(run.session.edit(was, "reply", "late")).startswith("It is not held any more")
        assert refused(run.session.skip(was)).startswith("It is not held any more")
        assert len(run.events) == before


# Out, into, to --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["llm", "block", "observe"])
def test_out_at_the_root_is_its_answer(point: str) -> None:
    with small(BLOCKS, hold=True) as run:
        while (held := run.held()).point != point:
            do(run, "step", held)
            run.until(lambda fold, was=held: fold.held and fold.held.get(was.id) is not was)
        done(run.session.out(held.id))
        at = run.held("final")
        assert (at.id, at.why, at.reason) == ("root/i2", "step", "")


def test_out_of_a_leaf_on_its_way_is_its_answer(later: Event) -> None:
    with small({QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": [later]}) as run:
        leaf = run.until(lambda fold: next((c for c in fold.calls.values() if c.state == "sampling"), None), "the leaf")
        done(run.session.out(leaf.id))
        later.set()
        held = run.held("return")
        assert (held.id, held.why, held.reason) == (leaf.id, "step", "")


def test_there_is_nothing_inside_an_observation() -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "iteration", run.held("llm"))
        run.held("llm")
        assert refused(run.session.into("root")).startswith("There is nothing inside here")
    with small(BLOCKS, breakpoints=Breakpoints(None, ["observe"])) as run:
        held = run.held("observe")
        assert refused(run.session.into(held.id)) == (
            "There is nothing inside here; a block and a sub-call can be stepped into."
        )
        assert run.run.held[held.id].since == held.since


def test_into_a_block_that_makes_no_call_says_so_where_it_stops() -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        held = run.until(lambda fold: fold.held.get("root/i1/b2"), "the second block")
        assert held.reason == "into ended early: the block made no call"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("root/i1/b2", "It is held there already."),
        ("root/i1/b1", "That is behind: what was handed on can't be taken back, but a branch can begin there."),
        ("root/i1/b4", "There is nothing to run to there."),
        ("root/i2", "There is nothing to run to there."),
    ],
    ids=["the very thing", "behind", "not in the reply", "not known yet"],
)
def test_what_cannot_be_run_to_says_so_and_stays_held(target: str, words: str) -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        held = run.until(lambda fold: fold.held.get("root/i1/b2"), "the second block")
        assert refused(run.session.to(target)) == words
        assert run.run.held["root/i1/b2"].since == held.since


def test_to_a_queued_block_and_then_the_other_is_skipped() -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "next", run.held("llm"))
        run.held("block")
        done(run.session.to("root/i1/b3"))
        at = run.until(lambda fold: fold.held.get("root/i1/b3"), "the third block")
        assert run.run.blocks["root/i1/b2"].status == "ok"
        do(run, "skip", at)
        assert answer(run) == "end"
        assert [b.status for b in run.run.iterations["root/i1"].blocks] == ["ok", "ok", "skipped"]


def test_to_a_queued_block_whose_neighbour_a_breakpoint_skips_stops_there_all_the_same() -> None:
    with small(BLOCKS, hold=True, breakpoints=Breakpoints(None, ['block if code == "print(2)" do skip'])) as run:
        do(run, "next", run.held("llm"))
        run.held("block")
        done(run.session.to("root/i1/b3"))
        at = run.until(lambda fold: fold.held.get("root/i1/b3"), "the third block")
        assert (at.why, at.reason, run.run.blocks["root/i1/b2"].status) == ("step", "", "skipped")


def test_iteration_at_the_last_one_ends_early_and_says_so() -> None:
    with small({QUESTION: [code("print(1)")]}, hold=True, max_iterations=1) as run:
        do(run, "iteration", run.held("llm"))
        held = run.held("limit")
        assert (held.why, held.reason) == ("limit", "iteration ended early: a limit is reached")
        assert run.session.wants("root") is None


def test_a_verb_whose_node_is_killed_from_above_leaves_no_wish_behind(later: Event) -> None:
    table: Table = {
        QUESTION: [code('r = rlm_query("child")'), code("FINAL(r)")],
        "grandchild": [later],
        "child": [code('rlm_query("grandchild")')],
    }
    with small(table) as run:
        below = run.until(lambda fold: next((n for n in fold.nodes.values() if n.depth == 2), None), "the grandchild")
        child = address.node_of(run.run.calls[below.id].block.id)
        done(run.session.step(below.id))
        done(run.session.iteration(child))
        done(run.session.kill_node(child))
        assert answer(run) == "Error: killed by user"
        assert [run.session.wants(node) for node in (child, below.id)] == [None, None]
        assert not events(run, "hold")


# Many at once ---------------------------------------------------------------------------------------------------------


def test_a_release_of_the_run_leaves_what_a_person_evaluates(later: Event) -> None:
    with small({**CHILDREN, "a leaf": [later]}, hold=True) as run:
        one, *others = children(run)
        asked = run.session.evaluate(one.node, "llm_query('a leaf')")
        run.until(lambda fold: any(c.state == "sampling" for c in fold.calls.values()), "the evaluation asks")
        done(run.session.release(one.node, "run"))
        run.until(lambda fold: not any(other.id in fold.held for other in others), "the others")
        assert one.id in run.run.held and not asked.done()
        assert refused(run.session.release_all()) == "An evaluation is under way here; wait for it, or stop it."
        later.set()
        done(asked)
        done(run.session.release(one.node))
        assert answer(run) == "['said', 'said', 'said']"


def test_all_stop_turned_on_while_one_is_held_holds_each_other_once(later: Event) -> None:
    table: Table = {"child 2": [later], "child 3": [later], **CHILDREN}
    with small(table, breakpoints=Breakpoints(None, ['llm @"child 1"'])) as run:
        first = run.held("llm")
        run.until(lambda fold: len([n for n in fold.nodes.values() if n.state == "sampling"]) == 2, "two on their way")
        done(run.session.stop_all(True))
        later.set()
        run.until(lambda fold: len(fold.held) == 3, "all three")
        others = [held for held in run.run.held.values() if held is not first]
        assert {(h.why, h.reason) for h in others} == {("pause", "all-stop: another node is held")}
        do(run, "release", first)
        assert all(other.id in run.run.held for other in others)


def test_all_stop_turned_off_in_the_midst_holds_nobody_more(later: Event) -> None:
    table: Table = {"child 2": [later, code('FINAL("two")')], "child 3": [later, code('FINAL("three")')], **CHILDREN}
    with small(table, breakpoints=Breakpoints(None, ['llm @"child 1"'])) as run:
        first = run.held("llm")
        done(run.session.stop_all(True))
        done(run.session.stop_all(False))
        later.set()
        run.until(lambda fold: len([n for n in fold.nodes.values() if n.status == "final"]) == 2, "two ran through")
        assert list(run.run.held) == [first.id]
        do(run, "release", first)
        assert answer(run) == "['said', 'two', 'three']"


def test_release_all_under_all_stop_lets_all_go_and_it_stays_on() -> None:
    with small(CHILDREN, hold=True) as run:
        children(run)
        done(run.session.stop_all(True))
        done(run.session.release_all())
        assert answer(run) == "['said', 'said', 'said']"
        assert run.session.all_stop
        assert len([go for go in events(run, "go") if go.scope == "run"]) == 3


def test_a_block_that_stands_is_not_released_by_a_verb_of_its_sibling() -> None:
    table: Table = {"child 1": [LOOP], **CHILDREN}
    with small(table) as run:
        id = run.until(lambda fold: next((c.id for c in fold.calls.values() if c.item == 1 and c.node), None), "one")
        printed(run, f"{id}/i1/b1")
        held = broken(run, id)
        sibling = next(call.id for call in run.run.calls.values() if call.item == 2)
        run.until(lambda fold: fold.calls[sibling].status == "ok", "the sibling is through")
        for verb in ("release", "step"):
            refused(getattr(run.session, verb)(sibling))
        assert run.run.held[held.id].since == held.since
