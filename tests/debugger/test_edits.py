"""What a person changes: at each point, what comes of it, and where the marks are."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rlm_tui.journal.run import REVERTED
from tests.debugger.small import QUESTION, Table, answer, code, do, events, plain, small, to
from tests.runs import Watched, done, refused, running

ECHO: Table = {
    QUESTION: [code('x = llm_query("a leaf")', 'FINAL("got " + x)')],
    "a leaf": ["leaf"],
    "another leaf": ["another"],
}


CHANGES: dict[str, tuple[str, Any, Any, str]] = {
    "reply": ("reply", code('FINAL("mine")'), code('x = llm_query("a leaf")', 'FINAL("got " + x)'), "mine"),
    "block": ("code", 'FINAL("my code")', 'x = llm_query("a leaf")\nFINAL("got " + x)', "my code"),
    "call": ("prompt", "another leaf", "a leaf", "got another"),
    "return": ("answer", "my word", "leaf", "got my word"),
    "final": ("final", {"text": "my end"}, {"text": "got leaf", "accept": True}, "my end"),
}


@pytest.mark.parametrize("point", CHANGES)
def test_a_change_is_in_the_journal_with_what_was_there_and_counts(point: str) -> None:
    field, new, was, end = CHANGES[point]
    with small(ECHO, hold=True) as run:
        held = to(run, point)
        done(run.session.edit(held.id, field, new, note="why not"))
        done(run.session.release(held.id))
        assert answer(run) == end
        (edit,) = events(run, "edit")
        assert (edit.id, edit.field, edit.value, edit.was, edit.note, edit.by) == (
            held.id, field, new, was, "why not", "human",
        )  # fmt: skip
        assert edit.seq < next(go.seq for go in events(run, "go") if go.id == held.id and go.verb == "release")
        assert run.run.root is not None and run.run.root.final_mark


def test_edited_messages_are_what_is_sent_and_stay_in_the_history() -> None:
    with small({QUESTION: [code("print(1)"), code('FINAL("a")')], "another": [code('FINAL("b")')]}, hold=True) as run:
        held = run.held("llm")
        messages = [*held.value["messages"][:-1], {"role": "user", "content": "another question"}]
        done(run.session.edit(held.id, "messages", messages))
        done(run.session.release(held.id))
        assert answer(run) == "b"
        assert run.run.root is not None
        assert [m.model_dump() for m in run.run.root.iterations[0].attempts[0].messages()] == messages


def test_an_edited_observation_is_what_the_model_reads_next() -> None:
    with small({QUESTION: [code("print(1)"), code('FINAL("a")')]}, hold=True) as run:
        held = to(run, "observe")
        done(run.session.edit(held.id, "obs", "REPL output:\nsomething else"))
        done(run.session.step(held.id))
        held = run.held("llm")
        assert held.value["messages"][-1]["content"] == "REPL output:\nsomething else"


def test_a_supplied_answer_and_a_killed_call_ask_nobody() -> None:
    for field, new, end in (("answer", "mine", "got mine"), ("kill", True, "got Error: killed by user")):
        with small(ECHO, hold=True) as run:
            held = to(run, "call")
            done(run.session.edit(held.id, field, new))
            done(run.session.release(held.id))
            assert answer(run) == end
            assert not run.run.calls[held.id].attempts


def test_a_skipped_block_does_not_run() -> None:
    with small({QUESTION: [code("1 / 0") + "\n\n" + code('FINAL("b")')]}, hold=True) as run:
        held = to(run, "block")
        done(run.session.skip(held.id))
        assert answer(run) == "b"
        assert [block.status for block in run.run.blocks.values()] == ["skipped", "ok"]


def test_a_rejected_final_goes_back_with_the_message() -> None:
    with small({QUESTION: [code('FINAL("too early")'), code('FINAL("later")')]}, hold=True) as run:
        held = to(run, "final")
        done(run.session.edit(held.id, "final", {"accept": False, "message": "look again"}))
        done(run.session.release(held.id))
        assert answer(run) == "later"
        assert "look again" in run.session.text(run.run.iterations["root/i1"].obs)


def test_a_rejection_can_be_taken_back_by_accepting() -> None:
    with small({QUESTION: [code('FINAL("yes")')]}, hold=True) as run:
        held = to(run, "final")
        done(run.session.edit(held.id, "final", {"accept": False, "message": "no"}))
        done(run.session.edit(held.id, "final", {"accept": True}))
        done(run.session.release(held.id))
        assert answer(run) == "yes"


def test_a_raised_limit_lets_the_run_go_on() -> None:
    table = {QUESTION: [code("print(1)"), code("print(2)"), code('FINAL("after all")')]}
    with small(table, max_iterations=1) as run:
        held = run.held("limit")
        assert held.why == "limit"
        for low in (0, 1, math.nan, math.inf, True, "2"):
            assert refused(run.session.edit(held.id, "limit", {"name": "max_iterations", "to": low}))
        assert "max_errors" not in refused(run.session.edit(held.id, "limit", {"name": "max_errors", "to": 9}))
        done(run.session.edit(held.id, "limit", {"name": "max_iterations", "to": 3}))
        done(run.session.release(held.id))
        assert answer(run) == "after all"


# Errors ---------------------------------------------------------------------------------------------------------------


def flaky(failures: int) -> Any:
    """A model that fails so many times, then answers with the last message it got."""
    left = [failures]

    def answer_last(messages: list[dict[str, str]]) -> str:
        if left[0]:
            left[0] -= 1
            raise ValueError("not now")
        return code(f"FINAL({messages[-1]['content'][-4:]!r})")

    return answer_last


def test_an_error_is_tried_again_as_often_as_asked() -> None:
    with small(flaky(2)) as run:
        for attempt in (1, 2):
            held = run.held("error")
            assert held.value["attempt"] == attempt
            do(run, "retry", held)
        run.ended()
        assert [(a.attempt, a.status) for a in run.run.iterations["root/i1"].attempts] == [
            (1, "error"), (2, "error"), (3, "ok"),
        ]  # fmt: skip


def test_at_an_error_the_request_can_be_changed_and_what_was_sent_is_kept() -> None:
    with small(flaky(1)) as run:
        held = run.held("error")
        messages = [{"role": "user", "content": "say this"}]
        done(run.session.edit(held.id, "messages", messages))
        done(run.session.retry(held.id))
        assert answer(run) == "this"
        (edit,) = events(run, "edit")
        assert edit.was == [m.model_dump() for m in run.run.iterations["root/i1"].attempts[0].messages()]


def test_what_was_taken_back_at_an_error_is_not_sent() -> None:
    with small(flaky(1)) as run:
        held = run.held("error")
        done(run.session.edit(held.id, "messages", [{"role": "user", "content": "say this"}]))
        done(run.session.revert(held.id))
        assert refused(run.session.revert(held.id)) == "Nothing was changed here."
        done(run.session.retry(held.id))
        run.ended()
        assert len(run.run.iterations["root/i1"].attempts[-1].messages()) == 2
        assert run.run.root is not None and not run.run.root.edited


def test_an_answer_can_be_given_at_an_error_of_a_leaf() -> None:
    table = {QUESTION: [code('FINAL(llm_query("a leaf"))')], "a leaf": [ValueError("no")], "b leaf": ["changed"]}
    with small(table) as run:
        held = run.held("error")
        assert "messages" in refused(run.session.edit(held.id, "messages", [{"role": "user", "content": "x"}]))
        done(run.session.edit(held.id, "answer", "given"))
        assert "revert takes it back" in refused(run.session.retry(held.id))
        done(run.session.release(held.id))
        assert answer(run) == "given"


def test_a_block_whose_repl_died_is_changed_and_run_again() -> None:
    with small({QUESTION: [code("kept = 7"), code("import os; os._exit(3)")]}) as run:
        held = run.held("error")
        assert held.value["kind"] == "died" and held.id == "root/i2/b1"
        assert "code can" in refused(run.session.edit(held.id, "answer", "x"))
        done(run.session.edit(held.id, "code", "FINAL(kept)"))
        done(run.session.retry(held.id))
        assert answer(run) == "7"


def test_the_prompt_of_a_leaf_can_be_changed_at_its_error() -> None:
    table = {QUESTION: [code('FINAL(llm_query("a leaf"))')], "a leaf": [ValueError("no")], "b leaf": ["changed"]}
    with small(table) as run:
        held = run.held("error")
        done(run.session.edit(held.id, "prompt", "b leaf"))
        done(run.session.retry(held.id))
        assert answer(run) == "changed"
        assert events(run, "edit")[0].was == "a leaf"


# What is no change ----------------------------------------------------------------------------------------------------

NONE = [
    ("llm", "reply", "x"), ("llm", "messages", []), ("llm", "messages", [{"role": "user"}]),
    ("llm", "messages", [{"role": "tool", "content": "x"}]), ("llm", "messages", [{"role": "user", "content": 3}]),
    ("llm", "model", " "), ("llm", "params", {"temperature": math.nan}), ("llm", "params", {"x": object()}),
    ("block", "code", 3), ("call", "kill", False), ("final", "final", {"text": 3}), ("final", "final", {"answer": "x"}),
    ("final", "final", {"accept": False, "text": "x"}),
]  # fmt: skip


@pytest.mark.parametrize("point", sorted({point for point, _, _ in NONE}))
def test_what_is_no_change_is_refused_and_nothing_is_written(point: str) -> None:
    with small(ECHO, hold=True) as run:
        held = to(run, point)
        for _, field, value in (one for one in NONE if one[0] == point):
            assert refused(run.session.edit(held.id, field, value)), (field, value)
        done(run.session.release_all())
        run.ended()
        assert not events(run, "edit")


def test_the_same_value_again_is_no_change() -> None:
    with small(ECHO, hold=True) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", held.value["code"]))
        assert refused(run.session.revert(held.id)) == "Nothing was changed here."
        assert not events(run, "edit")


def test_what_was_handed_on_cannot_be_changed() -> None:
    with small(ECHO, hold=True) as run:
        held = to(run, "block")
        done(run.session.release(held.id))
        assert refused(run.session.edit(held.id, "code", "1")).startswith("It is not held any more")
        assert refused(run.session.revert(held.id)).startswith("It is not held any more")


# Revert ---------------------------------------------------------------------------------------------------------------

REVERTS = {
    "llm": [("model", "other"), ("params", {"temperature": 1})],
    "reply": [("reply", "x")],
    "block": [("code", "1 / 0"), ("code", "2 / 0"), ("skip", {"say": True})],
    "call": [("answer", "mine"), ("prompt", "x"), ("kill", True)],
    "return": [("answer", "mine")],
    "final": [("final", {"text": "x"}), ("final", {"accept": False, "message": "no"})],
}


@pytest.mark.parametrize("point", REVERTS)
def test_a_revert_takes_back_all_and_leaves_no_mark(point: str) -> None:
    with small(ECHO, hold=True) as run:
        held = to(run, point)
        for field, value in REVERTS[point]:
            done(run.session.edit(held.id, field, value))
        root = run.until(lambda fold: fold.root if fold.root.edited else None, "the mark")
        done(run.session.revert(held.id))
        run.until(lambda _: not root.edited and not root.tainted, "no mark")
        assert events(run, "edit")[-1].note == REVERTED
        done(run.session.release(held.id))
        assert answer(run) == "got leaf"
        assert not root.final_mark and not run.run.edits
        assert run.run.iterations["root/i1"].attempts[0].model == "scripted:multi-hop"


def test_a_note_cannot_pass_for_a_revert() -> None:
    with small(ECHO, hold=True) as run:
        held = to(run, "return")
        done(run.session.edit(held.id, "answer", "mine", note=REVERTED))
        done(run.session.release(held.id))
        assert answer(run) == "got mine"
        assert run.run.edits


# Where the marks are --------------------------------------------------------------------------------------------------


def marks(run: Watched) -> dict[str, str]:
    """The marks of the tree's rows, by address without hashes and with the child's question."""
    run.ended()
    found = {node.id: node.row_mark for node in run.run.nodes.values()}
    return found | {"answer": run.run.root.final_mark if run.run.root else "?"}


def test_an_edit_in_one_child_marks_it_the_root_and_the_answer_and_no_sibling() -> None:
    with running("multi-hop", hold=True) as run:
        do(run, "next", run.held("llm"))
        while "rlm_query_batched" not in run.session.text((held := run.held("block", "root")).value["code"]):
            do(run, "next", held)
            do(run, "next", run.held("observe", "root"))
        do(run, "into", held)
        first = run.held("call").id
        do(run, "into", run.held("call"))
        do(run, "next", run.held("llm", first))
        do(run, "next", run.held("block", first))
        do(run, "next", run.held("observe", first))
        held = run.held("block", first)
        assert "top = max(values)" in held.value["code"]
        done(run.session.edit(held.id, "code", held.value["code"].replace("max(values)", "99.5")))
        done(run.session.release(held.id))
        found = marks(run)
        siblings = [call for call in run.run.blocks["root/i3/b1"].calls if call.id != first]
        assert run.session.text(run.run.root.value) != run.data.oracle  # type: ignore[union-attr]
        assert found.pop(first) == "edited"
        assert found.pop("root") == found.pop("answer") == "downstream"
        assert len(siblings) == 2 and set(found.values()) == {""}
        assert all(not call.mark for call in siblings)
        block, iteration = run.run.blocks["root/i3/b1"], run.run.iterations
        assert block.mark == "downstream" and iteration["root/i3"].obs_mark == "downstream"
        assert iteration["root/i4"].mark == "downstream" and not iteration["root/i3"].mark
        assert not iteration[f"{first}/i1"].mark and plain(held.id).endswith("/i2/b1")
