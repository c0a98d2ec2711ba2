"""Asking of a node's REPL: code that is run in it, an expression that is only looked at, parts of variables."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

from rlm_tui.journal.tree import Block, Held
from rlm_tui.repl.results import Looked, Page
from tests.debugger.small import QUESTION, Table, answer, code, do, events, small
from tests.debugger.standing import LOOP, ON, broken, printed
from tests.runs import DEADLINE_S, Watched, done, refused

NEVER = Event()
TWO: Table = {QUESTION: [code("x = [1, 2]", "s = 'abcdef'"), code("FINAL(x)")], "a leaf": ["leaf"]}


def between(run: Watched) -> Held:
    """The second request of the root is held: `x` is there, nothing runs."""
    do(run, "next", run.held("llm"))
    do(run, "next", run.held("block"))
    do(run, "step", run.held("observe"))
    return run.held("llm")


def evaluated(run: Watched, text: str, node: str = "root") -> Block:
    """The block that an evaluation made."""
    before = set(run.run.blocks)
    done(run.session.evaluate(node, text))
    (new,) = set(run.run.blocks) - before
    return run.run.blocks[new]


def looked(run: Watched, text: str, node: str = "root") -> Looked:
    found = run.session.look(node, text).result(DEADLINE_S)
    assert isinstance(found, Looked), found
    return found


def page(run: Watched, name: str, start: int = 0, count: int = 100, node: str = "root") -> Page:
    found = run.session.page(node, name, start, count).result(DEADLINE_S)
    assert isinstance(found, Page), found
    return found


# Evaluate -------------------------------------------------------------------------------------------------------------


def test_an_evaluation_is_recorded_and_changes_the_repl() -> None:
    with small(TWO, hold=True) as run:
        held = between(run)
        block = evaluated(run, "x.append(3)\nx")
        assert (block.id, block.origin, block.status, block.value) == (f"{held.id}+e1", "eval", "ok", "[1, 2, 3]")
        assert [e.by for e in events(run, "exec.start")][-1] == "human"
        assert evaluated(run, "len(x)").id == f"{held.id}+e2"
        assert run.run.held[held.id].since == held.since
        do(run, "release", held)
        assert answer(run) == "[1, 2, 3]"
        assert run.run.root is not None and run.run.root.final_mark == "downstream"


def test_what_an_evaluation_changed_is_there_after_the_repl_died() -> None:
    with small({QUESTION: [code("x = 1"), code("import os; os._exit(3)"), code("FINAL(x)")]}, hold=True) as run:
        held = between(run)
        done(run.session.evaluate("root", "x = 2"))
        do(run, "release", held)
        do(run, "release", run.held("error"))
        assert answer(run) == "2"


def test_an_evaluation_that_raises_is_recorded_too() -> None:
    with small(TWO, hold=True) as run:
        between(run)
        block = evaluated(run, "1 / 0")
        assert block.status == "error" and "ZeroDivisionError" in run.session.text(block.error)


def test_an_evaluation_may_ask_and_its_calls_can_be_held() -> None:
    table: Table = {**TWO, "a bad leaf": [ValueError("no")]}
    with small(table, hold=True) as run:
        held = between(run)
        assert evaluated(run, 'llm_query("a leaf")').value == "'leaf'"
        evaluation = run.session.evaluate("root", 'y = llm_query("a bad leaf")')
        error = run.held("error")
        assert error.id.startswith(f"{held.id}+e2~")
        assert refused(run.session.release(held.id)) == "An evaluation is under way here; wait for it, or stop it."
        done(run.session.edit(error.id, "answer", "given"))
        done(run.session.release(error.id))
        done(evaluation)
        assert evaluated(run, "y").value == "'given'"


def test_an_evaluation_in_a_block_that_stands_is_made_in_its_frame() -> None:
    lines = (
        "def f(go):", "    k = 5", f"    {ON}", "    while go: pass", "    return k", "FINAL(f([1]))",
    )  # fmt: skip
    with small({QUESTION: [code(*lines)]}) as run:
        printed(run)
        held = broken(run)
        assert [frame[1] for frame in held.value["frames"]][-1] == "f"
        block = evaluated(run, "k")
        assert (block.id, block.value) == (f"{held.id}+e1", "5")
        assert evaluated(run, "go.clear()").status == "ok"
        assert evaluated(run, 'llm_query("a leaf")').status == "error"
        assert not run.run.calls
        do(run, "release", held)
        assert answer(run) == "5"


def test_an_evaluation_that_does_not_end_is_stopped_by_the_ladder() -> None:
    with small(TWO, hold=True) as run:
        held = between(run)
        evaluation = run.session.evaluate("root", f"{ON}\nwhile True: x.append(0)")
        printed(run, f"{held.id}+e1")
        for verb in ("release", "step", "next"):
            assert refused(getattr(run.session, verb)(held.id)).startswith("An evaluation is under way here")
        assert refused(run.session.evaluate("root", "1")).startswith("An evaluation is under way here")
        assert refused(run.session.look("root", "1")).startswith("An evaluation is under way here")
        assert refused(run.session.release_all()).startswith("An evaluation is under way here")
        assert run.session.ladder("root").next == "abort"
        done(run.session.harder("root"))
        evaluation.result(DEADLINE_S)
        assert run.run.blocks[f"{held.id}+e1"].status == "aborted"
        assert run.run.held[held.id].since == held.since
        do(run, "release", held)
        run.ended()


def test_what_does_not_end_in_a_block_that_stands_is_stopped_with_the_block() -> None:
    with small({QUESTION: [LOOP, code('FINAL("end")')]}) as run:
        printed(run)
        held = broken(run)
        evaluation = run.session.evaluate("root", f"{ON}\nwhile True: pass")
        printed(run, f"{held.id}+e1")
        assert run.session.ladder("root").next == "abort"
        done(run.session.harder("root"))
        evaluation.result(DEADLINE_S)
        assert run.held("error").value["kind"] == "aborted"
        assert run.run.blocks[f"{held.id}+e1"].status == "aborted"
        do(run, "release", run.held("error"))
        assert answer(run) == "end"


# Look -----------------------------------------------------------------------------------------------------------------


def test_looking_changes_nothing() -> None:
    with small(TWO, hold=True) as run:
        between(run)
        before = len(run.events)
        assert looked(run, "x.append(9) or x") == Looked("ok", "[1, 2, 9]")
        assert looked(run, "x") == Looked("ok", "[1, 2]")
        assert looked(run, "print('seen')").output == "seen\n"
        assert "ZeroDivisionError" in looked(run, "1 / 0").text
        assert looked(run, "__import__('os')._exit(1)").status == "died"
        assert looked(run, "[None for _ in iter(int, 1)]").status == "timeout"
        assert len(run.events) == before


def test_looking_into_a_block_that_stands() -> None:
    with small({QUESTION: [LOOP]}) as run:
        printed(run)
        broken(run)
        assert looked(run, "n > 0") == Looked("ok", "True")


# What can't be asked --------------------------------------------------------------------------------------------------


def said(future: Any) -> str:
    found = future.result(DEADLINE_S)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("verb", ["evaluate", "look"])
def test_where_nothing_can_be_evaluated_it_is_said(verb: str) -> None:
    with small({QUESTION: [code("1"), LOOP], "a leaf": [NEVER]}, hold=True) as run:
        ask = getattr(run.session, verb)
        held = run.held("llm")
        assert said(ask("root", " \n")) == "There is nothing to evaluate."
        assert said(ask("root/i9", "1")) == "There is no such node."
        do(run, "release", held)
        printed(run, "root/i2/b1")
        assert said(ask("root", "1")) == "A block runs here; break in to it first."
        assert not events(run, "exec.start")[2:]
        run.session.kill()
        run.ended()
        assert said(ask("root", "1")) == "The run has ended."
        run.session.close(5.0)
        assert said(ask("root", "1")) == "The run is not going on."


@pytest.mark.parametrize("verb", ["evaluate", "look"])
def test_a_request_and_a_call_have_nothing_to_evaluate_in(verb: str) -> None:
    with small({QUESTION: [code('llm_query("a leaf")'), NEVER], "a leaf": ["leaf"]}, hold=True) as run:
        ask = getattr(run.session, verb)
        do(run, "next", run.held("llm"))
        do(run, "into", run.held("block"))
        call = run.held("call")
        assert said(ask("root", "1")) == said(ask(call.id, "1")) == "A block runs here; break in to it first."
        do(run, "release", call)
        run.until(lambda fold: fold.nodes["root"].state == "sampling" and len(fold.iterations) == 2, "a request")
        assert said(ask("root", "1")) == "Code can be evaluated only where a node is held; pause it first."


# Pages ----------------------------------------------------------------------------------------------------------------


def test_pages_of_variables_held_and_running() -> None:
    with small({QUESTION: [code("x = list(range(1000))", "s = 'ab' * 5000"), LOOP]}) as run:
        printed(run, "root/i2/b1")
        assert page(run, "s", 9_990, 100).text == "ab" * 5
        some = page(run, "x", 990, 5)
        assert (some.kind, some.total, [row.brief for row in some.rows]) == (
            "items", 1000, ["990", "991", "992", "993", "994"],
        )  # fmt: skip
        assert page(run, "n").kind == "plain"
        assert said(run.session.page("root", "nothing", 0, 1)) == "There is no variable 'nothing' here."
        broken(run)
        assert page(run, "s", 0, 2).text == "ab"


def test_where_there_are_no_pages_it_is_said() -> None:
    with small({QUESTION: [code('llm_query("a leaf")', 'FINAL("x")')], "a leaf": ["leaf"]}, hold=True) as run:
        no_repl = "Its REPL does not run now, so only the brief of a variable is known."
        held = run.held("llm")
        assert said(run.session.page("root", "x", 0, 1)) == no_repl
        assert said(run.session.page("root/i9", "x", 0, 1)) == "There is no such node."
        do(run, "release", held)
        run.ended()
        assert said(run.session.page("root", "x", 0, 1)) == "The run has ended."
