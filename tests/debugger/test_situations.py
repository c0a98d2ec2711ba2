"""What each verb does where a block stands, was aborted, has died, or where a rebuild differs."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from rlm_tui.journal.tree import Held
from rlm_tui.repl.results import Looked
from tests.debugger.small import QUESTION, Table, answer, code, do, events, small, stop
from tests.debugger.standing import LOOP, broken, printed
from tests.runs import DEADLINE_S, Watched, done, refused

EXITS = code("import os", "os._exit(3)")
DRIFTS = code("import uuid", 'x = llm_query(f"a leaf {uuid.uuid4()}")')
"""Asks for something else each time it runs."""


def stand(run: Watched) -> Held:
    printed(run)
    return broken(run)


def abort(run: Watched) -> Held:
    stand(run)
    done(run.session.harder("root"))
    return run.held("error")


def die(run: Watched) -> Held:
    return run.held("error")


def unrecorded(run: Watched) -> Held:
    do(run, "retry", die(run))
    return run.held("call")


def diverge(run: Watched) -> Held:
    held = unrecorded(run)
    done(run.session.edit(held.id, "answer", "given"))
    done(run.session.release(held.id))
    return run.until(
        lambda fold: next((h for h in fold.held.values() if h.value.get("kind") == "diverged"), None), "diverged"
    )


SITUATIONS: dict[str, tuple[Table, Callable[[Watched], Held]]] = {
    "stands": ({QUESTION: [LOOP, code('FINAL("end")')]}, stand),
    "aborted": ({QUESTION: [LOOP, code('FINAL("end")')]}, abort),
    "died": ({QUESTION: [EXITS, code('FINAL("end")')]}, die),
    "unrecorded": ({QUESTION: [DRIFTS, EXITS, code('FINAL("end")')], "a leaf": ["leaf"]}, unrecorded),
    "diverged": ({QUESTION: [DRIFTS, EXITS, code('FINAL("end")')], "a leaf": ["leaf"]}, diverge),
}

INSIDE = "There is nothing inside here; a block and a sub-call can be stepped into."
NO_ERROR = "Only an error can be tried again."
NOT_IN_A_BLOCK = (
    "In a block that stands nothing can be changed; evaluate code in it, or abort it and change its code then."
)
NOT_WHERE_IT_DIFFERS = (
    "Nothing can be changed here; release goes on with the REPL as it is now, retry makes it anew once more."
)
ONLY_CODE = "At an error, {} can't be changed; code can."
HELD = "It is held already."

EDITS: dict[str, Any] = {
    "code": "1", "answer": "x", "prompt": "x", "messages": [{"role": "user", "content": "x"}],
    "model": "x", "params": {}, "skip": {"say": False}, "limit": {"name": "max_iterations", "to": 99},
}  # fmt: skip

REFUSED: dict[str, dict[str, str]] = {
    "stands": {
        "into": "A block that stands is stepped by line: step also stops at its sub-calls, next does not.",
        "retry": NO_ERROR, "skip": NOT_IN_A_BLOCK, "pause": HELD, **dict.fromkeys(EDITS, NOT_IN_A_BLOCK),
    },
    "aborted": {
        "into": INSIDE, "pause": HELD, "harder": HELD,
        **{field: ONLY_CODE.format(field) for field in EDITS if field != "code"},
    },
    "died": {
        "into": INSIDE, "pause": HELD, "harder": HELD,
        **{field: ONLY_CODE.format(field) for field in EDITS if field != "code"},
    },
    "unrecorded": {
        "retry": NO_ERROR, "pause": HELD,
        "release_all": "Calls that the first run did not make are let go one by one: they are asked live.",
        "code": "At a sub-call, code can't be changed; prompt or model or answer or kill can.",
    },
    "diverged": {"into": INSIDE, "pause": HELD, "harder": HELD, **dict.fromkeys(EDITS, NOT_WHERE_IT_DIFFERS)},
}  # fmt: skip


@pytest.mark.parametrize("situation", REFUSED)
def test_what_cannot_be_done_there_is_refused_in_words(situation: str) -> None:
    table, reach = SITUATIONS[situation]
    with small(table) as run:
        held = reach(run)
        before = len(run.events)
        for verb, words in REFUSED[situation].items():
            if verb == "release_all":
                said = refused(run.session.release_all())
            elif verb in EDITS and verb != "skip":
                said = refused(run.session.edit(held.id, verb, EDITS[verb]))
            else:
                said = refused(getattr(run.session, verb)(held.id))
            assert said == words, verb
        assert len(run.events) == before
        assert run.run.held[held.id].since == held.since


GOES_ON: dict[tuple[str, str], str] = {
    ("stands", "step"): "line",
    ("stands", "next"): "line",
    ("stands", "harder"): "error aborted",
    ("aborted", "release"): "ended",
    ("aborted", "step"): "observe",
    ("aborted", "next"): "observe",
    ("died", "release"): "ended",
    ("died", "step"): "observe",
    ("died", "retry"): "error died",
    ("unrecorded", "release"): "error diverged",
    ("unrecorded", "step"): "return",
    ("unrecorded", "release_all"): "call",
    ("diverged", "release"): "error died",
    ("diverged", "retry"): "call",
}


@pytest.mark.parametrize(("situation", "verb"), GOES_ON, ids=lambda part: part)
def test_what_can_be_done_there_leads_where_the_table_says(situation: str, verb: str) -> None:
    table, reach = SITUATIONS[situation]
    with small(table) as run:
        held = reach(run)
        if verb == "release_all":
            refused(run.session.release_all())
        elif verb == "harder":
            done(run.session.harder(held.id))
            run.until(lambda _: any(e.ev == "go" and e.verb == "abort" for e in run.events), "the abort")
        else:
            do(run, verb, held)
        after = stop(run)
        found = "ended" if after is None else f"{after.point} {after.value.get('kind', '')}".strip()
        assert found == GOES_ON[situation, verb]


def test_a_block_that_stands_goes_on_when_everything_is_released() -> None:
    with small({QUESTION: [LOOP]}) as run:
        stand(run)
        done(run.session.release_all())
        run.until(lambda fold: not fold.held, "let go")
        assert run.session.ladder("root").next == "pause"


def test_a_call_without_a_record_is_asked_live_only_when_a_person_lets_it_go() -> None:
    table, reach = SITUATIONS["unrecorded"]
    with small(table) as run:
        held = reach(run)
        assert held.why == "error" and not run.run.calls.get(held.id)
        before = len(events(run, "llm.start"))
        refused(run.session.release_all())
        assert len(events(run, "llm.start")) == before
        do(run, "release", held)
        run.held("error")
        asked = events(run, "llm.start")[before:]
        assert [start.id for start in asked] == [held.id]


def test_an_answer_given_to_a_call_without_a_record_is_used_and_asks_nobody() -> None:
    table, reach = SITUATIONS["diverged"]
    with small(table) as run:
        held = reach(run)
        assert held.why == "error" and "call" in held.value["message"]
        assert len(events(run, "llm.start")) == 3
        assert run.session.look("root", "x").result(DEADLINE_S) == Looked("ok", "'given'")
        assert refused(run.session.evaluate("root", "x")) == (
            "Its REPL is not what it was; decide on that first. An expression can be looked at meanwhile."
        )
        do(run, "release", held)
        assert run.held("error").value["kind"] == "died"


def test_what_is_evaluated_in_a_repl_that_differs_waits_for_a_decision() -> None:
    table, reach = SITUATIONS["died"]
    with small({QUESTION: [DRIFTS, *table[QUESTION]], "a leaf": ["leaf"]}) as run:
        held = reach(run)
        evaluation = run.session.evaluate("root", "x")
        call = run.held("call")
        done(run.session.edit(call.id, "answer", "given"))
        done(run.session.release(call.id))
        asked = run.until(lambda fold: fold.held.get(f"{held.id}+e1"), "the decision")
        assert asked.value["kind"] == "diverged"
        assert refused(run.session.release(held.id)).startswith("An evaluation is under way here")
        done(run.session.release(asked.id))
        done(evaluation)
        assert run.run.blocks[f"{held.id}+e1"].value == "'given'"


def test_a_rebuild_that_is_the_same_holds_nothing() -> None:
    again = Event()
    table: Table = {QUESTION: [code('x = llm_query("a leaf")'), EXITS, again, code("FINAL(x)")], "a leaf": ["leaf"]}
    with small(table) as run:
        do(run, "release", run.held("error"))
        again.set()
        assert answer(run) == "leaf"
        assert len(events(run, "hold")) == 1 and len(events(run, "llm.start")) == 5
