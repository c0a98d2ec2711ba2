"""Replies asked for again, models and limits changed, at odd moments: what is refused, and what the run goes on with."""

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from tests.debugger.small import NOTHING_CHANGED, QUESTION, TWO, answer, code, events, small, to
from tests.debugger.standing import ON, printed
from tests.debugger.wordy import Wordy, at_reply, wordy
from tests.runs import done, refused

# Further replies ------------------------------------------------------------------------------------------------------


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
    model = Wordy(waits=asyncio.Event())
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
        assert model.asked[0][1] == "unknown" and model.asked[-1][1] == known


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
