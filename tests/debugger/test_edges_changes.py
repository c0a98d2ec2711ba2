"""Changes that are odd, too large, too late or made twice: what is said of them, what comes of them, how the run ends."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.journal.store import read
from tests.debugger.small import NOTHING_CHANGED, QUESTION, TWO, Table, answer, code, do, events, small, stop, to
from tests.runs import DEADLINE_S, Watched, done, refused

THREE: Table = {
    QUESTION: ["\n\n".join(code(f"print({n})") for n in (1, 2, 3)), code('FINAL("end")')],
}
LEAF: Table = {QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": ["leaf"]}
SURROGATE = "lone \udc80 and \ud800 end"


def sent(run: Watched, id: str) -> str:
    """The last message of a request that was answered."""
    run.until(lambda fold: id in fold.iterations and fold.iterations[id].attempts, f"{id} asked")
    return run.session.text(run.run.iterations[id].attempts[0].messages()[-1].content)


def statuses(run: Watched, id: str = "root/i1") -> list[str]:
    return [block.status for block in run.run.iterations[id].blocks]


# Code -----------------------------------------------------------------------------------------------------------------


def test_code_edited_into_a_syntax_error_is_told_to_the_model_and_the_run_goes_on() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", "def (:"))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert statuses(run) == ["error"]
        assert "SyntaxError" in sent(run, "root/i2") and "def (:" in sent(run, "root/i2")


@pytest.mark.parametrize("nothing", ["", "   \n\n", "# only a remark"], ids=["empty", "blank", "a remark"])
def test_code_edited_into_nothing_runs_as_nothing(nothing: str) -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", nothing))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert statuses(run) == ["ok"] and run.run.blocks[held.id].stdout == ""
        assert run.run.blocks[held.id].mark == "edited"


def test_five_megabytes_of_code_run_and_are_kept_whole(tmp_path: Path) -> None:
    huge = "x = '" + "a" * 5_000_000 + "'\nprint(len(x))"
    with small(TWO, hold=True, runs=tmp_path) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", huge))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert run.run.blocks[held.id].stdout == "5000000\n"
        assert run.session.text(run.run.blocks[held.id].code) == huge
        path = run.session.path
    assert path is not None
    kept = read(path)
    (start,) = [e for e in kept.events() if e.ev == "exec.start" and e.id == "root/i1/b1"]
    assert kept.text(start.code) == huge  # type: ignore[attr-defined]


SURROGATES: dict[str, tuple[Table, str, Any]] = {
    "llm": (TWO, "messages", [{"role": "user", "content": SURROGATE}]),
    "reply": (TWO, "reply", SURROGATE),
    "block": (TWO, "code", f"x = {SURROGATE!r}\ny = '{SURROGATE}'"),
    "call": (LEAF, "answer", SURROGATE),
    "return": (LEAF, "answer", SURROGATE),
    "observe": (TWO, "obs", SURROGATE),
    "final": (TWO, "final", {"text": SURROGATE}),
}


@pytest.mark.parametrize("point", SURROGATES)
def test_lone_surrogates_break_neither_the_run_nor_its_journal(point: str, tmp_path: Path) -> None:
    table, field, value = SURROGATES[point]
    with small({**table, "": [code('FINAL("end")')]}, hold=True, runs=tmp_path) as run:
        held = to(run, point)
        done(run.session.edit(held.id, field, value))
        done(run.session.release(held.id))
        while (at := stop(run)) is not None:
            do(run, "release", at)
        assert run.run.root is not None and run.run.root.status == "final"
        path, seen = run.session.path, list(run.events)
    assert path is not None
    written = read(path)
    assert [e.seq for e in written.events()] == [e.seq for e in seen] and not written.notices
    (edit,) = [e for e in written.events() if e.ev == "edit"]
    assert edit.value == value  # type: ignore[attr-defined]


def test_every_block_of_a_reply_is_skipped_and_the_run_goes_on() -> None:
    with small(THREE, hold=True) as run:
        do(run, "next", run.held("llm"))
        for k in (1, 2, 3):
            at = run.until(lambda fold, k=k: fold.held.get(f"root/i1/b{k}"), f"block {k}")
            done(run.session.edit(at.id, "skip", {"say": False}))
            do(run, "step" if k < 3 else "release", at)
        assert answer(run) == "end"
        assert statuses(run) == ["skipped"] * 3
        assert not [chunk for chunk in events(run, "chunk") if chunk.kind == "stdout"]


# Replies --------------------------------------------------------------------------------------------------------------


def test_a_reply_edited_to_have_no_fence_gets_the_nudge() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "reply")
        done(run.session.edit(held.id, "reply", "I think, and write no code."))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert not run.run.iterations["root/i1"].blocks
        assert "No code was run." in sent(run, "root/i2")


def test_a_reply_edited_to_have_two_more_blocks_runs_all_three() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "reply")
        done(run.session.edit(held.id, "reply", "\n".join(code(f"print({n})") for n in (7, 8, 9))))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert [b.stdout for b in run.run.iterations["root/i1"].blocks] == ["7\n", "8\n", "9\n"]
        assert {b.mark for b in run.run.iterations["root/i1"].blocks} == {"downstream"}


def test_a_reply_edited_to_have_fewer_blocks_leaves_no_row_of_the_others() -> None:
    with small(THREE, hold=True) as run:
        held = to(run, "reply")
        done(run.session.edit(held.id, "reply", code("print('one only')")))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert [b.id for b in run.run.iterations["root/i1"].blocks] == ["root/i1/b1"]


def test_a_reply_edited_to_nothing_at_all_goes_on() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "reply")
        done(run.session.edit(held.id, "reply", ""))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert not run.run.iterations["root/i1"].blocks and sent(run, "root/i2").strip()


# Observations and answers ---------------------------------------------------------------------------------------------


def test_an_observation_that_is_emptied_is_sent_empty_and_the_raw_one_is_kept() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "observe")
        done(run.session.edit(held.id, "obs", ""))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert "x is" not in sent(run, "root/i2")
        assert run.run.iterations["root/i1"].obs_mark == "edited"
        assert "x is 1" in events(run, "edit")[0].was


def test_an_answer_is_given_where_a_failed_call_comes_back() -> None:
    table: Table = {**LEAF, "a leaf": [ValueError("no")]}
    with small(table, breakpoints=Breakpoints(None, ["return"])) as run:
        do(run, "release", run.held("error"))
        held = run.held("return")
        assert held.value["status"] == "error"
        done(run.session.edit(held.id, "answer", "by hand"))
        done(run.session.release(held.id))
        assert answer(run) == "by hand"
        assert run.run.calls[held.id].mark == "edited" and not run.run.blocks["root/i1/b1"].error


@pytest.mark.parametrize("point", ["call", "return"])
def test_an_empty_answer_is_an_answer(point: str) -> None:
    table: Table = {QUESTION: [code('x = llm_query("a leaf")', "FINAL(repr(x))")], "a leaf": ["leaf"]}
    with small(table, hold=True) as run:
        done(run.session.supply(to(run, point).id, ""))
        while (at := stop(run)) is not None:
            do(run, "release", at)
        assert answer(run) == "''"


def test_a_final_answer_edited_to_nothing_is_nothing() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "final")
        done(run.session.edit(held.id, "final", {"text": ""}))
        done(run.session.release(held.id))
        assert answer(run) == "" and run.run.root is not None and run.run.root.status == "final"


def test_a_final_answer_is_rejected_without_a_word_and_the_model_is_asked_again() -> None:
    with small(TWO, hold=True, max_iterations=3) as run:
        held = to(run, "final")
        done(run.session.edit(held.id, "final", {"accept": False}))
        done(run.session.release(held.id))
        assert answer(run) == "end" and len(run.run.iterations) == 3


# Taken back -----------------------------------------------------------------------------------------------------------


def test_a_revert_pressed_twice_reverts_once() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", "print('mine')"))
        done(run.session.revert(held.id))
        assert refused(run.session.revert(held.id)) == NOTHING_CHANGED
        done(run.session.release(held.id))
        assert answer(run) == "end" and run.run.blocks[held.id].stdout == "x is 1\n"
        assert len(events(run, "edit")) == 2


def test_one_revert_takes_back_code_that_was_changed_and_code_that_was_put_in() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.edit(held.id, "code", "print('mine')"))
        done(run.session.insert(held.id, "print('first')", say=True))
        done(run.session.revert(held.id))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert [(b.id, b.stdout) for b in run.run.iterations["root/i1"].blocks] == [("root/i1/b1", "x is 1\n")]
        assert run.run.root is not None and not run.run.root.final_mark


def test_code_put_in_again_after_a_revert_runs_once() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.insert(held.id, "print('first')", say=False))
        done(run.session.revert(held.id))
        done(run.session.insert(held.id, "print('again')", say=False))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert [b.stdout for b in run.run.iterations["root/i1"].blocks] == ["again\n", "x is 1\n"]


# Code put in ----------------------------------------------------------------------------------------------------------


def test_code_put_in_that_declares_an_answer_does_so_after_the_block_ran() -> None:
    with small(TWO, hold=True) as run:
        held = to(run, "block")
        done(run.session.insert(held.id, 'FINAL("by hand")', say=False))
        done(run.session.release(held.id))
        assert answer(run) == "by hand"
        assert statuses(run) == ["ok", "ok"] and run.run.root is not None
        assert run.run.root.final_mark and len(run.run.iterations) == 1


def test_code_put_in_that_asks_a_model_has_the_call_below_itself() -> None:
    with small({**TWO, "a leaf": ["leaf says"]}, hold=True) as run:
        held = to(run, "block")
        done(run.session.insert(held.id, 'print(llm_query("a leaf"))', say=True))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        (call,) = run.run.calls.values()
        assert call.id.startswith("root/i1/b1+h1~llm") and call.status == "ok"
        assert "leaf says" in sent(run, "root/i2")


def test_code_put_in_that_asks_can_be_held_at_its_call() -> None:
    with small({**TWO, "a leaf": ["leaf says"]}, hold=True, breakpoints=Breakpoints(None, ["call"])) as run:
        block = to(run, "block")
        done(run.session.insert(block.id, 'print(llm_query("a leaf"))', say=False))
        done(run.session.release(block.id))
        held = run.held("call")
        done(run.session.supply(held.id, "by hand"))
        assert answer(run) == "end" and run.run.blocks["root/i1/b1+h1"].stdout == "by hand\n"


# Messages to the model ------------------------------------------------------------------------------------------------


def test_what_is_said_twice_while_a_block_runs_is_seen_once_each(later: Event) -> None:
    table: Table = {QUESTION: [code('x = llm_query("a leaf")', "print(x)"), code('FINAL("end")')], "a leaf": [later]}
    with small(table) as run:
        run.until(lambda fold: any(c.state == "sampling" for c in fold.calls.values()), "the leaf")
        for word in ("Mind the units.", "And the dates."):
            done(run.session.say("root", word))
        later.set()
        assert answer(run) == "end"
        seen = sent(run, "root/i2")
        assert seen.count("Mind the units.") == seen.count("And the dates.") == 1
        assert seen.index("Mind the units.") < seen.index("And the dates.")


def test_nothing_can_be_said_to_a_child_that_has_ended() -> None:
    table: Table = {QUESTION: [code('x = rlm_query("child")'), code("FINAL(x)")], "child": [code('FINAL("said")')]}
    with small(table, breakpoints=Breakpoints(None, ["observe @root"])) as run:
        run.held("observe")
        child = next(id for id in run.run.nodes if id != "root")
        assert refused(run.session.say(child, "too late")) == "This node has ended."
        assert not events(run, "edit")


def test_nothing_can_be_said_to_a_leaf() -> None:
    with small(LEAF, hold=True) as run:
        at = to(run, "call")
        before = len(run.events)
        said = run.session.say(at.id, "a word").result(DEADLINE_S)
        # A call is held by the node that asks, and that is who hears it.
        assert said is None
        run.until(lambda _: len(run.events) > before)
        assert events(run, "edit")[0].id == "root/i1"


def test_a_note_is_kept_on_a_run_that_has_ended() -> None:
    with small(TWO) as run:
        assert answer(run) == "end"
        done(run.session.note("root/i1/b1", "odd"))
        run.until(lambda fold: [note.value for note in fold.notes["root/i1/b1"]] == ["odd"])
