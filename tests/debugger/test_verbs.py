"""Where each verb stops, by situation."""

from __future__ import annotations

from threading import Event

import pytest

from tests.debugger.small import QUESTION, Table, code, do, events, plain, small, stop
from tests.runs import done, refused

FAMILY: Table = {
    QUESTION: [
        code('x = llm_query("a leaf")', "print(x)"),
        code('r = rlm_query_batched(["child one", "child two"])') + "\n\n" + code("print(r)"),
        code('y = rlm_query("grandparent")', 'FINAL("the end")'),
    ],
    "a leaf": ["leaf says"],
    "child one": [code("print(1)"), code('FINAL("one")')],
    "child two": [code("print(2)"), code('FINAL("two")')],
    "grandparent": [code('FINAL(rlm_query("nested"))')],
    "nested": [code('FINAL("deep")')],
}
"""Three iterations: a leaf; a batch of two children, then a block without calls; a child that has a child."""

CHILD, LEAF, BATCH = "root/i3/b1~rlm#1", "root/i1/b1~llm#1", "root/i2/b1~rlm#1"
TO_BATCH = "next next next"
TO_CHILD = f"{TO_BATCH} next next next"

STOPS = {
    # the root
    "": "llm root/i1 start",
    "step": "reply root/i1 step",
    "step step": "block root/i1/b1 step",
    "next": "block root/i1/b1 step",
    "next next": "observe root/i1 step",
    "next next step": "llm root/i2 step",
    # a leaf
    "next step": f"call {LEAF} step",
    "next into": f"call {LEAF} step",
    "next into step": f"return {LEAF} step",
    "next into into": f"return {LEAF} step",
    "next into next": "observe root/i1 step",
    "next into into step": "observe root/i1 step",
    # a batch: the first item is held, the rest runs on
    TO_BATCH: "block root/i2/b1 step",
    f"{TO_BATCH} into": f"call {BATCH} step",
    f"{TO_BATCH} into into": f"llm {BATCH}/i1 step",
    f"{TO_BATCH} into into next": f"block {BATCH}/i1/b1 step",
    f"{TO_BATCH} into next": "block root/i2/b2 step",
    f"{TO_BATCH} next": "block root/i2/b2 step",
    # a block without calls: into stops at what comes next
    f"{TO_BATCH} next into": "observe root/i2 step",
    # a child, and a child of it
    TO_CHILD: "block root/i3/b1 step",
    f"{TO_CHILD} into into next": f"block {CHILD}/i1/b1 step",
    f"{TO_CHILD} into into next into": f"call {CHILD}/i1/b1~rlm#1 step",
    f"{TO_CHILD} into into next into into": f"llm {CHILD}/i1/b1~rlm#1/i1 step",
    f"{TO_CHILD} into into next next": f"final {CHILD}/i1 step",
    # the end: a child's is where its answer goes back, the root's is the run's
    f"{TO_CHILD} into into next next step": f"return {CHILD} step",
    f"{TO_CHILD} into into next next next": f"return {CHILD} step",
    f"{TO_CHILD} next": "final root/i3 step",
    f"{TO_CHILD} next step": "ended",
    "release": "ended",
}


@pytest.mark.parametrize(("path", "expected"), STOPS.items(), ids=[path or "start" for path in STOPS])
def test_a_verb_stops_where_the_table_says(path: str, expected: str) -> None:
    with small(FAMILY, hold=True) as run:
        for verb in path.split():
            held = stop(run)
            assert held is not None
            do(run, verb, held)
        held = stop(run)
        assert ("ended" if held is None else f"{held.point} {plain(held.id)} {held.why}") == expected
        assert run.session.wants("root") is None


def test_into_says_so_and_the_next_hold_is_below_it() -> None:
    with small(FAMILY, hold=True) as run:
        for verb in f"{TO_BATCH} into into".split():
            held = stop(run)
            assert held is not None
            do(run, verb, held)
        run.held("llm")
        gone = [event for event in run.events if event.ev == "go" and event.verb == "into"]
        at = [next(e for e in run.events if e.ev == "hold" and e.seq > go.seq) for go in gone]
        assert [plain(go.id) for go in gone] == ["root/i2/b1", BATCH]
        assert at[0].id.startswith(gone[0].id) and at[1].node == gone[1].id


def test_one_child_is_held_and_its_siblings_run_on() -> None:
    with small(FAMILY, hold=True) as run:
        for verb in f"{TO_BATCH} into into".split():
            held = stop(run)
            assert held is not None
            do(run, verb, held)
        held = run.held("llm")
        block = run.run.blocks["root/i2/b1"]
        run.until(lambda _: block.calls[1].status == "ok", "the sibling's answer")
        assert block.calls[0].node is not None and block.calls[0].node.id == held.node
        assert block.calls[0].status == "open" and block.status == "open"
        assert run.run.state == "held"


ERRS: Table = {QUESTION: [code('print(llm_query("bad leaf"))'), code('FINAL("ok")')], "bad leaf": [ValueError("no")]}


def test_a_step_that_meets_an_error_says_error() -> None:
    with small(ERRS, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        held = run.held("error")
        assert held.why == "error" and held.value["message"] == "ValueError: no"
        assert run.session.wants("root") is None


def test_a_verb_that_meets_a_limit_says_limit() -> None:
    with small({QUESTION: [code("print(1)")]}, hold=True, max_iterations=1) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        do(run, "step", run.held("observe"))
        assert run.held("limit").why == "limit"


def test_a_pause_takes_the_place_of_a_next_and_nothing_else_does() -> None:
    with small({QUESTION: [code("print(1)"), code("while True: pass")]}, hold=True) as run:
        do(run, "next", run.held("llm"))
        do(run, "next", run.held("block"))
        do(run, "next", run.held("observe"))
        do(run, "next", run.held("block"))
        run.until(lambda fold: fold.nodes["root"].state == "executing")
        assert run.session.wants("root") == "next"
        assert refused(run.session.step("root")) == "Next is under way here already."
        done(run.session.pause("root"))
        assert run.session.pausing("root")
        assert refused(run.session.pause("root")) == "Pause is under way here already."


def test_pause_of_all_holds_each_node_once_and_release_all_ends_it() -> None:
    with small(FAMILY, hold=True) as run:
        done(run.session.pause(None))
        seen: list[str] = []
        while (held := stop(run)) is not None:
            assert held.node not in seen
            seen.append(held.node)
            do(run, "release", held)
        assert len(seen) == 5 and seen[0] == "root"
    with small(FAMILY, hold=True) as run:
        done(run.session.pause(None))
        run.held("llm", "root")
        done(run.session.release_all())
        run.ended()
        assert len(events(run, "hold")) == 1


def test_a_wish_of_a_queued_child_is_granted_when_its_turn_comes() -> None:
    first_answers = Event()
    table = {**FAMILY, "child one": [first_answers, code('FINAL("one")')]}
    with small(table, max_batch_workers=1) as run:
        queued = run.until(lambda fold: next((c for c in fold.calls.values() if c.item == 2), None))
        done(run.session.pause(queued.id))
        first_answers.set()
        held = run.held("call")
        assert (held.id, held.why, held.node) == (queued.id, "pause", "root")
        assert queued.block.calls[0].status == "ok"
        do(run, "release", held)
        run.ended()


def test_a_pause_of_a_leaf_on_its_way_holds_its_answer() -> None:
    answers = Event()
    with small({**FAMILY, "a leaf": [answers]}) as run:
        leaf = run.until(lambda fold: next((c for c in fold.calls.values() if c.state == "sampling"), None))
        done(run.session.pause(leaf.id))
        assert run.session.pausing(leaf.id)
        answers.set()
        held = run.held("return")
        assert (held.id, held.why) == (leaf.id, "pause") and not run.session.pausing(leaf.id)


ILLEGAL = {
    ("into", "root/i1"): "There is nothing inside here; a block and a sub-call can be stepped into.",
    ("skip", "root/i1"): "At a model request, skip can't be changed; messages or model or params or say can.",
    ("retry", "root/i1"): "Only an error can be tried again.",
    ("revert", "root/i1"): "Nothing was changed here.",
    ("pause", "root"): "It is held already.",
    ("release", "root/i9"): "Nothing is held here.",
    ("into", "root/i9"): "Only what is held can be stepped into.",
    ("step", "root/i9"): "There is no such node.",
    ("revert", "root/i9"): "It is not held any more; what was handed on can't be taken back.",
    ("force_final", "root/i9"): "There is no such node.",
}


def test_what_cannot_be_done_is_refused_in_words() -> None:
    with small(FAMILY, hold=True) as run:
        run.held("llm")
        before = len(run.events)
        for (verb, at), words in ILLEGAL.items():
            assert refused(getattr(run.session, verb)(at)) == words, (verb, at)
        assert len(run.events) == before
        assert not run.session.paced
        assert run.session.change_pace(faster=True) == ""
        done(run.session.release_all())
        run.ended()
        for verb in ("step", "next", "pause"):
            assert refused(getattr(run.session, verb)("root")) == "The run has ended."
        assert refused(run.session.pause(None)) == "The run has ended."
        assert refused(run.session.release_all()) == "Nothing is held here."
        assert refused(run.session.force_final("root", text="x")) == "This node has ended."


def test_a_value_is_released_once() -> None:
    with small(FAMILY, hold=True) as run:
        held = run.held("llm")
        first, second = run.session.release(held.id), run.session.release(held.id)
        done(first)
        assert refused(second) == "Nothing is held here."
        run.ended()
        assert [go.id for go in events(run, "go")] == [held.id]


def test_after_close_every_verb_is_refused() -> None:
    with small(FAMILY, hold=True) as run:
        run.held("llm")
        run.session.close(5.0)
        assert refused(run.session.release("root")) == "The run is not going on."
        assert refused(run.session.force_final("root", text="x")) == "The run is not going on."
