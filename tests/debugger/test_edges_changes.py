"""Changes that are odd, too large, too late or made twice: what is said of them, what comes of them, how the run ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.journal.events import Usage
from rlm_tui.journal.store import read
from rlm_tui.journal.tree import Held
from rlm_tui.llm.base import ChatRequest, Reply
from tests.debugger.small import QUESTION, Table, answer, code, do, events, small, stop
from tests.debugger.standing import ON, printed
from tests.runs import DEADLINE_S, Watched, done, refused, running

TWO: Table = {QUESTION: [code("x = 1", "print('x is', x)"), code('FINAL("end")')]}
THREE: Table = {
    QUESTION: ["\n\n".join(code(f"print({n})") for n in (1, 2, 3)), code('FINAL("end")')],
}
LEAF: Table = {QUESTION: [code('x = llm_query("a leaf")', "FINAL(x)")], "a leaf": ["leaf"]}
NOTHING_CHANGED = "Nothing was changed here."
SURROGATE = "lone \udc80 and \ud800 end"


@pytest.fixture
def later() -> Iterator[Event]:
    """A model that is told to wait for this waits for the test."""
    event = Event()
    yield event
    event.set()


def to(run: Watched, point: str) -> Held:
    """Step until this point is held."""
    while (held := stop(run)) is not None and held.point != point:
        do(run, "into" if held.point == "call" else "step", held)
        run.until(lambda fold, was=held: fold.held.get(was.id) is not was)
    assert held is not None, f"no {point}"
    return held


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


# Further replies ------------------------------------------------------------------------------------------------------


class Wordy:
    """A model that says which attempt it is; from the second on it waits, if it is told to; one model it knows not."""

    def __init__(self, waits: asyncio.Event | None = None) -> None:
        self.waits = waits
        self.loop: asyncio.AbstractEventLoop | None = None
        self.asked: list[str] = []

    async def stream(self, request: ChatRequest) -> Any:
        self.loop = asyncio.get_running_loop()
        self.asked.append(request.model)
        if request.model == "unknown":
            raise ValueError("no such model")
        if self.waits is not None and request.attempt > 1:
            await self.waits.wait()
        usage = Usage(prompt=9, completion=1, cost=0.01, source="provider")
        yield Reply(code(f'FINAL("attempt {request.attempt}")'), "stop", usage)

    def go_on(self) -> None:
        assert self.loop is not None and self.waits is not None
        self.loop.call_soon_threadsafe(self.waits.set)


def wordy(model: Wordy, **options: Any) -> Any:
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    return running("multi-hop", hold=True, model=model, data=data, **options)


def at_reply(run: Watched) -> str:
    do(run, "step", run.held("llm"))
    return run.held("reply").id


def test_asking_again_and_reverting_leaves_the_first_reply() -> None:
    with wordy(Wordy()) as run:
        id = at_reply(run)
        done(run.session.resample(id, 2))
        assert refused(run.session.revert(id)) == NOTHING_CHANGED
        done(run.session.pick(id, 2))
        done(run.session.revert(id))
        done(run.session.release(id))
        assert answer(run) == "attempt 1"
        assert run.run.root is not None and not run.run.root.final_mark


def test_the_first_reply_is_picked_where_it_stands_and_nothing_is_written() -> None:
    with wordy(Wordy()) as run:
        id = at_reply(run)
        done(run.session.pick(id, 0))
        assert refused(run.session.pick(id, 1)) == "There is no reply 1."
        assert not events(run, "edit")
        done(run.session.release(id))
        assert answer(run) == "attempt 1"


@pytest.mark.parametrize("number", [-1, 99])
def test_a_reply_that_is_not_there_is_not_picked(number: int) -> None:
    with wordy(Wordy()) as run:
        id = at_reply(run)
        done(run.session.resample(id, 1))
        assert refused(run.session.pick(id, number)) == f"There is no reply {number}."
        assert not events(run, "edit")


@pytest.mark.parametrize(("name", "limit"), [("max_tokens", 10), ("max_budget", 0.01)])
def test_asking_again_at_a_limit_is_refused_until_it_is_raised(name: str, limit: float) -> None:
    with wordy(Wordy(), **{name: limit}) as run:
        id = at_reply(run)
        assert refused(run.session.resample(id, 1)) == f"{name} is reached; raise it first."
        assert len(events(run, "llm.start")) == 1
        done(run.session.set_limit("root", name, 10**9))
        done(run.session.resample(id, 1))
        assert [sample.status for sample in run.run.iterations[id].samples] == ["ok"]


def test_the_first_reply_is_edited_while_others_come_and_keeps_the_edit() -> None:
    model = Wordy(asyncio.Event())
    with wordy(model) as run:
        id = at_reply(run)
        more = run.session.resample(id, 1)
        run.until(lambda fold: fold.iterations[id].samples, "on its way")
        done(run.session.edit(id, "reply", code('FINAL("mine")')))
        assert not more.done()
        model.go_on()
        done(more)
        assert run.run.held[id].point == "reply"
        done(run.session.release(id))
        assert answer(run) == "mine"


def test_one_that_is_picked_over_an_edit_goes_back_to_the_first_by_a_revert() -> None:
    with wordy(Wordy()) as run:
        id = at_reply(run)
        done(run.session.resample(id, 1))
        done(run.session.edit(id, "reply", code('FINAL("mine")')))
        done(run.session.pick(id, 1))
        assert events(run, "edit")[-1].was == code('FINAL("mine")')
        done(run.session.pick(id, 0))
        done(run.session.release(id))
        assert answer(run) == "attempt 1"


# Models and limits ----------------------------------------------------------------------------------------------------


def test_an_unknown_model_holds_at_the_error_and_the_way_back_goes_on() -> None:
    model = Wordy()
    with wordy(model) as run:
        held = run.held("llm")
        known = held.value["model"]
        done(run.session.set_model("root", "unknown"))
        done(run.session.release(held.id))
        held = run.held("error")
        assert "no such model" in held.value["message"]
        done(run.session.set_model("root", known))
        done(run.session.edit(held.id, "model", known))
        done(run.session.retry(held.id))
        assert answer(run).startswith("attempt")
        assert model.asked[0] == "unknown" and model.asked[-1] == known


@pytest.mark.parametrize("to", [0, 2, -1, float("nan"), float("inf")])
def test_a_limit_that_is_held_is_not_set_to_what_is_used_or_to_no_number(to: float) -> None:
    with small({QUESTION: [code("print(1)")]}, max_iterations=2) as run:
        held = run.held("limit")
        assert refused(run.session.edit(held.id, "limit", {"name": "max_iterations", "to": to}))
        assert run.run.held[held.id].since == held.since and not events(run, "edit")


def test_a_limit_that_is_raised_twice_while_it_is_held_counts_as_it_was_raised_last() -> None:
    with small({QUESTION: [code("print(1)")]}, max_iterations=1) as run:
        held = run.held("limit")
        for to in (5, 2):
            done(run.session.set_limit("root", "max_iterations", to))
        done(run.session.release(held.id))
        again = run.until(lambda fold: next((h for h in fold.held.values() if h.value.get("used") == 2), None), "again")
        assert (again.point, again.value["limit"]) == ("limit", 2)


def test_an_edit_while_a_person_evaluates_there_is_taken_and_the_release_waits(later: Event) -> None:
    with small({**TWO, "a leaf": [later]}, hold=True) as run:
        held = to(run, "block")
        asked = run.session.evaluate("root", "llm_query('a leaf')")
        run.until(lambda fold: any(c.state == "sampling" for c in fold.calls.values()), "the evaluation asks")
        done(run.session.edit(held.id, "code", "print('mine')"))
        assert refused(run.session.release(held.id)).startswith("An evaluation is under way here")
        later.set()
        done(asked)
        done(run.session.release(held.id))
        assert answer(run) == "end" and run.run.blocks[held.id].stdout == "mine\n"


def test_a_block_that_runs_cannot_be_changed() -> None:
    with small({QUESTION: [code(ON, "while True: pass")]}) as run:
        printed(run)
        for verb, arguments in (("edit", ("code", "1")), ("revert", ()), ("skip", ()), ("retry", ())):
            assert refused(getattr(run.session, verb)("root/i1/b1", *arguments))
        assert refused(run.session.insert("root/i1/b1", "1", say=True)).startswith("It is not held any more")
        assert not events(run, "edit")
