"""The variants of `aggregation`: what each is to show, with hands and without."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from rlm_tui import LocalRLMRunner
from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.demo.aggregation_variants import BUSY_S, RATE_LIMIT, TWIN, WINDOW
from rlm_tui.demo.catalogue import model_for, scenario
from rlm_tui.journal.events import CallEnd, ExecEnd, LlmEnd, Obs
from rlm_tui.llm.scripted import tokens
from tests.demo.desk import FENCE, Desk, seated
from tests.runs import Watched, done, running, watched


def ended_right(run: Watched) -> None:
    """Wait for the end; the answer is the oracle's."""
    run.ended()
    root = run.run.root
    assert (root.status, root.via, run.session.text(root.value)) == ("final", "answer", run.data.oracle)


def holding(run: Watched, text: str) -> str:
    """The first call whose prompt holds a text."""
    return next(call.id for call in run.run.calls.values() if text in run.session.text(call.prompt))


def seat(name: str) -> Desk:
    data = scenario(name).make(5)
    return seated(name, data.context, data.question)


def test_a_storm_is_a_call_for_every_ticket_and_one_again():
    with running("aggregation+storm") as run:
        ended_right(run)
        assert [call.size for call in run.run.calls.values()] == [600] * 600 + [1]
        assert max(len(run.session.text(call.prompt)) for call in run.run.calls.values()) < 300


def test_a_storm_stops_at_the_limit_of_calls_and_goes_on_when_it_is_raised():
    with running("aggregation+storm", max_subcalls=50) as run:
        held = dict(run.until(lambda fold: fold.held if len(fold.held) == 550 else None, "all but fifty held"))
        assert {(h.point, h.value["name"], h.value["limit"]) for h in held.values()} == {("limit", "max_subcalls", 50)}
        run.until(lambda fold: [call.status for call in fold.calls.values()].count("ok") == 50, "fifty answers")
        done(run.session.set_limit("root", "max_subcalls", 601))
        done(run.session.release_all())
        ended_right(run)


def test_a_storm_that_nobody_lets_go_on_owns_up_to_what_it_did_not_ask():
    data = scenario("aggregation+storm").make(5)
    model = model_for("scripted:aggregation+storm")
    result = LocalRLMRunner(model, max_depth=1, max_subcalls=50).run(data.context, data.question)
    assert re.fullmatch(r"\w+: \d+ \(550 of 600 tickets unlabelled\)", result.final_answer)


def test_one_prompt_with_everything_is_refused_and_the_root_falls_back_to_chunks():
    with running("aggregation+oversize") as run:
        held = run.held("error")
        assert tokens(len(run.session.text(run.run.calls[held.id].prompt))) > WINDOW
        done(run.session.release(held.id))
        ended_right(run)
        first, *chunks = run.run.calls.values()
        assert (first.status, first.error.kind) == ("error", "context") and f"{WINDOW:,}" in first.error.message
        assert len(chunks) == 13 and all(call.status == "ok" for call in chunks)
        blocks = [turn.blocks[0].status for turn in run.run.root.iterations]
        assert blocks == ["ok", "error", "ok", "ok", "ok"]


def test_a_prompt_that_a_person_shortens_is_answered_and_the_rest_is_asked_in_chunks():
    with running("aggregation+oversize") as run:
        held = run.held("error")
        prompt = run.session.text(run.run.calls[held.id].prompt)
        done(run.session.edit(held.id, "prompt", prompt[: 4 * WINDOW]))
        done(run.session.retry(held.id))
        ended_right(run)
        assert run.run.calls[held.id].status == "ok" and len(run.run.calls) == 14


def test_a_whole_answer_supplied_for_the_prompt_that_was_too_long_needs_no_chunks():
    plain, supplied = seat("aggregation+oversize"), seat("aggregation+oversize")
    oracle = plain.play()
    label = plain.names["ask"]([plain.names["lines"]], plain.names["how"] + plain.names["more"])
    assert label[0].startswith("Error: too long for ")
    supplied.names["llm_query"] = lambda prompt: "\n".join(f"{id} {kind}" for id, kind in plain.names["labels"].items())
    assert supplied.play() == oracle and len(supplied.outputs) == 4
    assert not any(request.leaf for request in supplied.asked)


def test_an_error_that_is_text_and_one_that_is_raised_look_the_same_to_the_code_and_are_asked_again():
    with running("aggregation+leaf-error") as run:
        held = run.held("error")
        done(run.session.release(held.id))
        ended_right(run)
        text, raised = (run.run.calls[holding(run, f"\n---\n{start} ")] for start in ("#0350", TWIN))
        assert (text.status, run.session.text(text.value)) == ("ok", f"Error: {RATE_LIMIT}")
        assert (raised.status, raised.error.kind, raised.id) == ("error", "rate", held.id)
        assert len(run.run.calls) == 14
        said = run.session.text(run.run.root.iterations[2].blocks[0].stdout)
        assert f"chunk 4 said: 'Error: {RATE_LIMIT}'\nchunk 7 said: 'Error: {RATE_LIMIT}'" in said


def test_to_ask_both_once_more_repairs_them_before_the_code_sees_them():
    breakpoints = Breakpoints(None, [f'return if "Error: {RATE_LIMIT}" in out'])
    with running("aggregation+leaf-error", breakpoints=breakpoints) as run:
        for _ in range(2):
            call = run.held().id
            done(run.session.retry(call))
            run.until(lambda fold, id=call: len(fold.calls[id].attempts) == 2 and id not in fold.held, "asked again")
        ended_right(run)
        assert len(run.run.calls) == 12 and all(call.status == "ok" for call in run.run.calls.values())
        assert sorted(len(call.attempts) for call in run.run.calls.values()) == [1] * 10 + [2, 2]


@pytest.mark.parametrize("seed", range(3))
def test_a_busy_provider_is_asked_again_and_no_result_is_recorded_twice(seed):
    waits: list[float] = []

    async def no_wait(seconds: float) -> None:
        waits.append(seconds)

    with watched("aggregation+flaky", seed=seed) as run:
        run.session.engine.shared.asking.sleep = no_wait
        run.session.start(run.sink)
        ended_right(run)
        replies = [event for event in run.events if isinstance(event, LlmEnd)]
        busy = [event for event in replies if event.status == "error"]
        assert busy and waits == [BUSY_S] * len(busy)
        assert {(event.attempt, event.error.kind) for event in busy} == {(1, "rate")}
        good = {event.id: event.attempt for event in replies if event.status == "ok"}
        assert all(good[event.id] == 2 for event in busy) and len(good) == len(replies) - len(busy)
        for kind in (CallEnd, ExecEnd, Obs):
            ids = Counter(event.id for event in run.events if isinstance(event, kind))
            assert ids and set(ids.values()) == {1}
        assert not FENCE.findall(run.session.text(run.run.root.value))
