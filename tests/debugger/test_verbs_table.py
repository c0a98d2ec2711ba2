"""Verbs by situations: where each stops, why, and what is said when that is before what it was on the way to."""

from __future__ import annotations

import pytest

from rlm_tui.journal.tree import Held
from tests.debugger.small import QUESTION, Table, code, do, plain, small, stop
from tests.runs import Watched, done, refused

TREE: Table = {
    QUESTION: [
        code('r = rlm_query_batched([f"item {n}" for n in range(8)])') + "\n\n" + code("print(len(r))"),
        code('print(llm_query("bad leaf"))'),
        code('FINAL("the end")'),
    ],
    "item": [code('q = rlm_query_batched(["inner a", "inner b"])'), code('FINAL("item")')],
    "inner": [code('FINAL("in")')],
    "bad leaf": [ValueError("no")],
}
"""A batch of eight, each of which makes a batch of two; then a leaf that fails; then the answer."""

ITEM, INNER, BAD = "root/i1/b1~rlm#1", "root/i1/b1~rlm#1/i1/b1~rlm#1", "root/i2/b1~llm#1"
AT: dict[str, tuple[str, str]] = {
    "root": ("", "llm root/i1"),
    "reply": ("step", "reply root/i1"),
    "batch of 8": ("next", "block root/i1/b1"),
    "item of 8": ("next into", f"call {ITEM}"),
    "child": ("next into into", f"llm {ITEM}/i1"),
    "nested batch": ("next into into next", f"block {ITEM}/i1/b1"),
    "inner item": ("next into into next into into", f"llm {INNER}/i1"),
    "error": ("next next next next next", f"error {BAD}"),
    "end of a child": ("next into into next next next next", f"final {ITEM}/i2"),
    "end": ("next next next next next iteration next next", "final root/i3"),
}
"""How to get to each situation, and what is held there then."""

EARLY = "{} ended early: {}"
FAILED, ANSWERS, OVER = "something failed", "the node is about to answer", "the node has ended"

STOPS: dict[str, dict[str, str]] = {}


def arrive(run: Watched, situation: str) -> Held:
    """Go to a situation."""
    path, where = AT[situation]
    for verb in path.split():
        held = stop(run)
        assert held is not None
        do(run, verb, held)
    held = stop(run)
    assert held is not None and f"{held.point} {plain(held.id)}" == where
    return held


def stopped(run: Watched, leaving: Held) -> str:
    """Where it stands next."""
    run.until(lambda fold: fold.held.get(leaving.id) is not leaving, "let go")
    held = stop(run)
    return (
        "ended"
        if held is None
        else f"{held.point} {plain(held.id)} {held.why}" + f" · {held.reason}" * bool(held.reason)
    )


BAD_LEAF = f"error {BAD} error"
OUT_FAILED = f"{BAD_LEAF} · {EARLY.format('out', FAILED)}"
STOPS = {
    "root": {
        "step": "reply root/i1 step",
        "next": "block root/i1/b1 step",
        "iteration": "llm root/i2 step",
        "out": OUT_FAILED,
        "release": BAD_LEAF,
    },
    "reply": {
        "step": "block root/i1/b1 step",
        "next": "block root/i1/b1 step",
        "iteration": "llm root/i2 step",
        "out": OUT_FAILED,
        "release": BAD_LEAF,
    },
    "batch of 8": {
        "step": f"call {ITEM} step",
        "next": "block root/i1/b2 step",
        "iteration": "llm root/i2 step",
        "into": f"call {ITEM} step",
        "out": OUT_FAILED,
        "release": BAD_LEAF,
    },
    "item of 8": {
        "step": f"return {ITEM} step",
        "next": "block root/i1/b2 step",
        "iteration": "llm root/i2 step",
        "into": f"llm {ITEM}/i1 step",
        "out": OUT_FAILED,
        "release": BAD_LEAF,
    },
    "child": {
        "step": f"reply {ITEM}/i1 step",
        "next": f"block {ITEM}/i1/b1 step",
        "iteration": f"llm {ITEM}/i2 step",
        "out": f"return {ITEM} step",
        "release": BAD_LEAF,
    },
    "nested batch": {
        "step": f"call {INNER} step",
        "next": f"observe {ITEM}/i1 step",
        "iteration": f"llm {ITEM}/i2 step",
        "into": f"call {INNER} step",
        "out": f"return {ITEM} step",
        "release": BAD_LEAF,
    },
    "inner item": {
        "step": f"reply {INNER}/i1 step",
        "next": f"block {INNER}/i1/b1 step",
        "iteration": f"final {INNER}/i1 step · {EARLY.format('iteration', ANSWERS)}",
        "out": f"return {INNER} step",
        "release": BAD_LEAF,
    },
    "error": {
        "step": f"return {BAD} step",
        "next": "observe root/i2 step",
        "iteration": "llm root/i3 step",
        "out": "final root/i3 step",
        "release": "ended",
    },
    "end of a child": {
        "step": f"return {ITEM} step",
        "next": f"return {ITEM} step · {EARLY.format('next', OVER)}",
        "iteration": f"return {ITEM} step · {EARLY.format('iteration', OVER)}",
        "out": f"return {ITEM} step",
        "release": BAD_LEAF,
    },
    "end": dict.fromkeys(("step", "next", "iteration", "out", "release"), "ended"),
}
NOT_INSIDE = "There is nothing inside here; a block and a sub-call can be stepped into."
CASES = [(situation, verb) for situation, row in STOPS.items() for verb in row]


@pytest.mark.parametrize(("situation", "verb"), CASES, ids=[f"{verb} at {where}" for where, verb in CASES])
def test_a_verb_stops_where_the_table_says(situation: str, verb: str) -> None:
    with small(TREE, hold=True) as run:
        held = arrive(run, situation)
        done(getattr(run.session, verb)(held.id))
        assert stopped(run, held) == STOPS[situation][verb]
        assert run.session.wants("root") is None


@pytest.mark.parametrize("situation", [name for name, row in STOPS.items() if "into" not in row])
def test_there_is_an_inside_only_where_the_table_says(situation: str) -> None:
    with small(TREE, hold=True) as run:
        held = arrive(run, situation)
        assert refused(run.session.into(held.id)) == NOT_INSIDE
        assert run.run.held[held.id].since == held.since


# To a place ahead -----------------------------------------------------------------------------------------------------

BLOCKS: Table = {
    QUESTION: [
        "\n\n".join(code(f"print({n})") for n in range(3)) + "\n\n" + code('r = llm_query_batched(["a", "b", "c"])'),
        code('FINAL("end")'),
    ],
    "a": ["a"], "b": ["b"], "c": ["c"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("root/i1/b3", "block root/i1/b3 step"),
        ("root/i1/b4", "block root/i1/b4 step"),
        ("root/i1", "observe root/i1 step"),
        ("root/i1/obs", "observe root/i1 step"),
        ("root/answer", "final root/i2 step"),
    ],
)
def test_it_goes_on_until_what_is_ahead_is_next(target: str, expected: str) -> None:
    with small(BLOCKS, hold=True) as run:
        do(run, "next", run.held("llm"))
        held = run.held("block")
        assert [block.state for block in run.run.iterations["root/i1"].blocks] == ["held", "new", "new", "new"]
        done(run.session.to(target))
        assert stopped(run, held) == expected


def test_a_sub_call_that_is_queued_or_under_way_can_be_run_to() -> None:
    with small(BLOCKS, hold=True, max_batch_workers=1) as run:
        do(run, "next", run.held("llm"))
        done(run.session.to("root/i1/b4"))
        block = run.until(lambda fold: fold.held.get("root/i1/b4"), "the batch")
        do(run, "into", block)
        first = run.held("call")
        third = next(call.id for call in run.run.calls.values() if call.item == 3)
        done(run.session.to(third))
        assert stopped(run, first) == f"call {plain(third)} step"
        assert refused(run.session.to(third)) == "It is held there already."
        behind = "That is behind: what was handed on can't be taken back, but a branch can begin there."
        assert refused(run.session.to(first.id)) == refused(run.session.to("root/i1/b1")) == behind
        assert refused(run.session.to("root/i9")) == "There is nothing to run to there."


def test_one_that_never_comes_ends_where_the_node_ends() -> None:
    table: Table = {QUESTION: [code('FINAL("early")') + "\n\n" + code("print(2)")]}
    with small(table, hold=True) as run:
        do(run, "next", run.held("llm"))
        held = run.held("block")
        done(run.session.to("root/i1"))
        said = EARLY.format("to cursor", ANSWERS)
        assert stopped(run, held) == f"final root/i1 step · {said}"


# Wider than a node ----------------------------------------------------------------------------------------------------


def eight_held(run: Watched) -> list[Held]:
    """Every child of the batch, held at its first request; the root is not."""
    do(run, "next", run.held("llm"))
    done(run.session.pause("root", "subtree"))
    done(run.session.release("root"))
    run.until(lambda fold: len([h for h in fold.held.values() if h.node != "root"]) == 8, "eight children")
    return [held for held in run.run.held.values() if held.node != "root"]


def test_a_pause_of_a_subtree_holds_each_node_of_it_once_those_to_come_included() -> None:
    with small(TREE, hold=True) as run:
        held = eight_held(run)
        assert {h.point for h in held} == {"llm"} and {h.why for h in held} == {"pause"}
        one = held[0]
        done(run.session.release(one.node))
        # Its own children are below it, and new.
        run.until(lambda fold: [h for h in fold.held.values() if h.node.startswith(f"{one.node}/")], "its child")
        done(run.session.release_all())


def test_a_step_of_the_run_steps_each_node_that_is_held() -> None:
    with small(TREE, hold=True) as run:
        eight_held(run)
        done(run.session.step("root", "run"))
        run.until(lambda fold: len([h for h in fold.held.values() if h.point == "reply"]) == 8, "eight replies")
        assert {e.scope for e in run.events if e.ev == "go" and e.verb == "step"} == {"run"}


def test_a_release_of_a_subtree_leaves_the_others() -> None:
    with small(TREE, hold=True) as run:
        held = eight_held(run)
        one = held[3]
        done(run.session.release(one.node, "subtree"))
        run.until(lambda fold: one.id not in fold.held, "let go")
        assert all(other.id in run.run.held for other in held if other is not one)
        assert refused(run.session.step(f"{one.node}/i1", "subtree")) == "Nothing is held in this scope."


def test_a_subtree_of_a_call_is_what_is_held_of_it_and_nothing_beside_it() -> None:
    with small(TREE, hold=True) as run:
        do(run, "next", run.held("llm"))
        assert run.session.breakpoints.add("call @root") is None
        done(run.session.release("root"))
        calls = run.until(lambda fold: fold.held if len(fold.held) == 8 else None, "eight calls")
        one, *others = list(calls)
        done(run.session.pause(one, "subtree"))
        done(run.session.release(one, "subtree"))
        assert run.held("llm").node == one
        assert all(other in run.run.held for other in others)
        done(run.session.out(one, "subtree"))
        run.until(lambda fold: sum(held.node.startswith(f"{one}/") for held in fold.held.values()) == 2, "those below")
        done(run.session.release(one, "subtree"))
        run.until(lambda fold: fold.held.get(one), "its answer")
        assert run.run.held[one].point == "return"
        done(run.session.step(one, "subtree"))
        run.until(lambda fold: one not in fold.held, "let go")
        assert all(other in run.run.held for other in others)
        assert refused(run.session.release(one, "subtree")) == "Nothing is held in this scope."


# All-stop -------------------------------------------------------------------------------------------------------------


def test_all_stop_holds_every_node_when_one_is_and_releasing_one_releases_one() -> None:
    with small(TREE, hold=True) as run:
        done(run.session.stop_all(True))
        assert run.session.all_stop
        for verb, point in (("next", "llm"), ("into", "block"), ("into", "call")):
            do(run, verb, run.held(point, "root"))
        first = run.until(lambda fold: fold.held.get(f"{fold.blocks['root/i1/b1'].calls[0].id}/i1"), "the child")
        run.until(lambda fold: len([h for h in fold.held.values() if h.point == "llm"]) == 8, "the others too")
        others = [h for h in run.run.held.values() if h is not first]
        assert first.why == "step" and {(h.why, h.reason) for h in others} == {
            ("pause", "all-stop: another node is held")
        }
        done(run.session.step(first.id))
        run.until(
            lambda fold: [h for h in fold.held.values() if h.node == first.node and h.point == "reply"], "one step"
        )
        assert all(other.id in run.run.held for other in others)
        done(run.session.stop_all(False))
        done(run.session.release_all())
        assert not run.session.all_stop
        run.held("error")
