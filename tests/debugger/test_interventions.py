"""What a person puts in, says, asks again, answers, ends and sets, over real runs."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

import pytest

from rlm_tui.journal.tree import Call
from tests.debugger.small import QUESTION, TWO, Table, answer, code, do, events, small
from tests.debugger.wordy import Wordy, at_reply, wordy
from tests.runs import Watched, done, refused


def at_block(run: Watched) -> str:
    do(run, "next", run.held("llm"))
    return run.held("block").id


def sent(run: Watched, id: str) -> str:
    """The last message of a request."""
    turn = run.until(lambda fold: fold.iterations.get(id) if id in fold.iterations else None, id)
    run.until(lambda _: turn.attempts and turn.attempts[0].ended, "asked")
    return run.session.text(turn.attempts[0].messages()[-1].content)


# Code put in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("say", [True, False])
def test_code_put_in_runs_before_the_block_and_the_model_sees_it_only_if_it_is_to(say: bool) -> None:
    table: Table = {QUESTION: [code("print('x is', x)"), code('FINAL("end")')]}
    with small(table, hold=True) as run:
        id = at_block(run)
        done(run.session.insert(id, "x = 41", say=False))
        done(run.session.insert(id, "x += 1; print('by hand')", say=say))
        done(run.session.release(id))
        assert answer(run) == "end"
        rows = [(b.code, b.status, b.origin, b.mark) for b in run.run.iterations["root/i1"].blocks]
        assert rows == [
            ("x = 41", "ok", "human", "edited"),
            ("x += 1; print('by hand')", "ok", "human", "edited"),
            ("print('x is', x)", "ok", "model", "downstream"),
        ]
        seen = sent(run, "root/i2")
        assert "x is 42" in seen and ("by hand" in seen) == say and "x = 41" not in seen
        assert run.run.root is not None and run.run.root.final_mark == "downstream"


def test_code_put_in_is_taken_back_by_a_revert() -> None:
    with small(TWO, hold=True) as run:
        id = at_block(run)
        for line in ("a = 1", "b = 2"):
            done(run.session.insert(id, line, say=True))
        run.until(lambda fold: len(fold.iterations["root/i1"].blocks) == 3)
        done(run.session.revert(id))
        run.until(lambda fold: len(fold.iterations["root/i1"].blocks) == 1, "taken back")
        do(run, "release", run.held("block"))
        assert answer(run) == "end"
        assert not any("+h" in event.id for event in events(run, "exec.start"))


def test_code_put_in_that_fails_stops_nothing_and_is_not_the_models_failure() -> None:
    with small(TWO, hold=True, max_errors=1) as run:
        id = at_block(run)
        done(run.session.insert(id, "1 / 0", say=False))
        done(run.session.insert(id, "def", say=False))
        do(run, "skip", run.held("block"))
        assert answer(run) == "end"
        assert [b.status for b in run.run.iterations["root/i1"].blocks] == ["error", "error", "skipped"]


@pytest.mark.parametrize("nothing", ["", "  \n"])
def test_no_code_is_not_put_in(nothing: str) -> None:
    with small(TWO, hold=True) as run:
        assert refused(run.session.insert(at_block(run), nothing, say=True)) == "There is no code to put in."
        assert refused(run.session.insert("root/i9/b1", "1", say=True)).startswith("It is not held any more")


# Messages to the model ------------------------------------------------------------------------------------------------


def test_what_is_said_at_a_request_goes_with_it() -> None:
    with small(TWO, hold=True) as run:
        held = run.held("llm")
        done(run.session.say("root", "Mind the units."))
        done(run.session.say("root", "And the dates."))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        said = sent(run, "root/i1")
        assert said.endswith(
            "A message from the person who runs this:\nMind the units.\n\n"
            "A message from the person who runs this:\nAnd the dates."
        )
        roles = [m.role for m in run.run.iterations["root/i1"].attempts[0].messages()]
        assert roles == ["system", "user"]


@pytest.mark.parametrize("point", ["reply", "block", "observe"])
def test_what_is_said_later_goes_with_the_next_observation_once(point: str) -> None:
    with small(TWO, hold=True) as run:
        while (held := run.held()).point != point:
            do(run, "step", held)
            run.until(lambda fold, was=held: fold.held and fold.held.get(was.id) is not was)
        done(run.session.say("root", "Mind the units."))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        assert sent(run, "root/i2").count("Mind the units.") == 1
        assert run.run.iterations["root/i1"].obs_mark == "edited"
        assert refused(run.session.say("root", "too late")) == "The run has ended."


def test_nothing_is_not_said() -> None:
    with small(TWO, hold=True) as run:
        run.held("llm")
        assert refused(run.session.say("root", " ")) == "There is nothing to say."
        assert refused(run.session.note("root", " ")) == "There is nothing to note."
        done(run.session.note("root/i1", "odd"))
        run.until(lambda fold: [note.value for note in fold.notes["root/i1"]] == ["odd"])


# Further replies ------------------------------------------------------------------------------------------------------


def test_one_of_several_replies_is_picked() -> None:
    model = Wordy(fails={3})
    with wordy(model) as run:
        id = at_reply(run)
        done(run.session.resample(id, 3, params={"temperature": 1}))
        turn = run.run.iterations[id]
        assert [(a.id, a.attempt, a.status) for a in turn.samples] == [
            (f"{id}+s1", 2, "ok"), (f"{id}+s2", 3, "error"), (f"{id}+s3", 4, "ok"),
        ]  # fmt: skip
        assert sorted(model.asked)[1:] == [(n, "scripted:multi-hop", {"temperature": 1}) for n in (2, 3, 4)]
        assert refused(run.session.pick(id, 2)) == "That one has failed."
        assert refused(run.session.pick(id, 4)) == "There is no reply 4."
        done(run.session.pick(id, 3))
        run.until(lambda _: turn.mark == "edited")
        done(run.session.pick(id, 0))
        run.until(lambda _: not turn.mark)
        done(run.session.resample(id, 1))
        assert [a.id for a in turn.samples][-1] == f"{id}+s4"
        done(run.session.pick(id, 1))
        done(run.session.release(id))
        assert answer(run) == "attempt 2"
        assert run.run.edits[-1].note == "reply 2 of 5" and run.run.totals.requests == 4


def test_replies_that_are_not_waited_for_are_cancelled() -> None:
    never = asyncio.Event()
    with wordy(Wordy(waits=never)) as run:
        id = at_reply(run)
        more = run.session.resample(id, 2)
        run.until(lambda fold: len(fold.iterations[id].samples) == 2, "on their way")
        assert refused(run.session.resample(id, 1)) == "More replies are under way here already."
        assert refused(run.session.pick(id, 1)) == "That reply is not there yet."
        done(run.session.release(id))
        assert answer(run) == "attempt 1"
        assert refused(more) == "The reply was handed on before these were here."
        assert {a.status for a in run.run.iterations[id].samples} == {"cancelled"}


def test_replies_can_be_asked_for_only_where_one_is_held_and_within_the_limits() -> None:
    with wordy(Wordy(), max_tokens=0) as run:
        assert refused(run.session.resample("root/i1", 1)) == "More replies can be asked for while a reply is held."
    with wordy(Wordy()) as run:
        id = at_reply(run)
        for count in (0, 17, -1):
            assert refused(run.session.resample(id, count)) == "From 1 to 16 replies can be asked for."


# Answers and ends by hand ---------------------------------------------------------------------------------------------

LEAVES = code('FINAL(llm_query_batched(["leaf a", "leaf b", "leaf c"]))')


def leaf(run: Watched, prompt: str, state: str) -> Call:
    return run.until(
        lambda fold: next((c for c in fold.calls.values() if c.prompt == prompt and c.state == state), None), prompt
    )


def test_a_leaf_under_way_and_one_that_is_queued_are_answered_by_hand() -> None:
    never = Event()
    with small({QUESTION: [LEAVES], "leaf": [never]}, max_batch_workers=2) as run:
        first, queued = leaf(run, "leaf a", "sampling"), leaf(run, "leaf c", "new")
        second = leaf(run, "leaf b", "sampling")
        done(run.session.supply(queued.id, "C"))
        assert refused(run.session.supply(queued.id, "again")).startswith("This")
        done(run.session.supply(first.id, "A"))
        done(run.session.kill_node(second.id))
        assert answer(run) == "['A', 'Error: killed by user', 'C']"
        assert [(c.status, c.mark) for c in (first, second, queued)] == [
            ("supplied", "edited"), ("killed", "edited"), ("supplied", "edited"),
        ]  # fmt: skip
        assert not queued.attempts and first.attempts[0].status == "cancelled"
        assert len([e for e in run.events if e.ev == "call.end"]) == 3
    never.set()


def test_a_child_under_way_is_answered_or_ended_by_hand() -> None:
    never = Event()
    table: Table = {
        QUESTION: [code('FINAL(rlm_query_batched(["child a", "child b"]))')],
        "child": [code('llm_query("leaf")')],
        "leaf": [never],
    }
    with small(table) as run:
        a, b = (leaf_of(run, prompt) for prompt in ("child a", "child b"))
        done(run.session.supply(a, "A"))
        done(run.session.kill_node(b))
        assert answer(run) == "['A', 'Error: killed by user']"
        assert (run.run.nodes[a].via, run.run.nodes[b].status) == ("forced", "killed")
        assert refused(run.session.kill_node(b)) == "The run has ended."
    never.set()


def leaf_of(run: Watched, child: str) -> str:
    """A child whose leaf is under way."""
    call = run.until(lambda fold: next((c for c in fold.calls.values() if c.prompt == child and c.node), None), child)
    run.until(lambda fold: any(c.state == "sampling" and c.id.startswith(call.id) for c in fold.calls.values()), child)
    return call.id


@pytest.mark.parametrize(("point", "said"), [("call", "mine"), ("return", "mine")])
def test_a_held_call_is_answered_and_handed_on(point: str, said: str) -> None:
    with small({QUESTION: [code('FINAL(llm_query("a leaf"))')], "a leaf": ["leaf"]}, hold=True) as run:
        at_block(run)
        do(run, "into", run.held("block"))
        if point == "return":
            do(run, "step", run.held("call"))
        held = run.held(point)
        done(run.session.supply(held.id, said))
        assert answer(run) == said
        assert [e.verb for e in events(run, "go")][-1] == "supply"


def test_an_answer_is_asked_for_once_more() -> None:
    with small(_asks_twice(), hold=True) as run:
        at_block(run)
        do(run, "into", run.held("block"))
        do(run, "step", run.held("call"))
        held = run.held("return")
        assert held.value["text"] == "first"
        done(run.session.retry(held.id))
        assert answer(run) == "second"
        call = run.run.calls[held.id]
        assert [a.reply for a in call.attempts] == ["first", "second"] and call.value == "second"


def _asks_twice() -> Any:
    said = iter(["first", "second"])

    def chat(messages: list[dict[str, str]]) -> str:
        return next(said) if messages[-1]["content"] == "a leaf" else code('FINAL(llm_query("a leaf"))')

    return chat


def test_the_run_is_ended_at_its_root() -> None:
    with small(TWO, hold=True) as run:
        run.held("llm")
        done(run.session.kill_node("root"))
        run.ended()
        assert run.run.root is not None and run.run.root.status == "killed"
        assert refused(run.session.supply("root", "x")) == "The root was called by nobody; force its final answer."


# From here on ---------------------------------------------------------------------------------------------------------


def test_a_model_and_parameters_hold_from_there_on() -> None:
    with small(TWO, hold=True) as run:
        held = run.held("llm")
        done(run.session.set_model("root", "another", {"temperature": 0.5}))
        done(run.session.release(held.id))
        assert answer(run) == "end"
        starts = events(run, "llm.start")
        assert [(s.model, s.params) for s in starts] == [("another", {"temperature": 0.5})] * 2
        assert {e.id for e in events(run, "edit") if e.field == "model"} >= {"root"}


@pytest.mark.parametrize(("model", "params"), [(" ", None), (None, {"x": object()})])
def test_what_is_no_model_is_refused(model: str | None, params: Any) -> None:
    with small(TWO, hold=True) as run:
        run.held("llm")
        assert refused(run.session.set_model("root", model, params)).startswith("That is no ")


def test_a_limit_is_set_while_the_run_goes_on() -> None:
    turns = [code(f"print({n})") for n in range(9)]
    with small({QUESTION: turns}, hold=True, max_iterations=9) as run:
        held = run.held("llm")
        done(run.session.set_limit("root", "max_iterations", 2))
        done(run.session.set_limit("root", "max_tokens", 10**6))
        assert refused(run.session.set_limit("root", "max_horses", 2)) == "max_horses is no limit here."
        done(run.session.release(held.id))
        hit = run.held("limit")
        assert (hit.value["name"], hit.value["limit"], hit.value["used"]) == ("max_iterations", 2, 2)
        assert refused(run.session.set_limit("root", "max_iterations", 1)).startswith(
            "max_iterations has 2 used already"
        )
        done(run.session.set_limit("root", "max_iterations", 3))
        done(run.session.release(hit.id))
        again = run.until(lambda fold: next((h for h in fold.held.values() if h.value.get("used") == 3), None), "again")
        assert again.value["limit"] == 3


def test_a_time_limit_is_set_where_there_was_none_and_applies() -> None:
    with small({QUESTION: [code("import time", "time.sleep(60)")]}, hold=True) as run:
        held = run.held("llm")
        done(run.session.set_limit("root", "max_timeout", 0.2))
        done(run.session.release(held.id))
        hit = run.held("limit")
        assert hit.value["name"] == "max_timeout"
        done(run.session.release(hit.id))
        run.ended()
        assert run.run.root is not None and run.run.root.limit == "max_timeout"
