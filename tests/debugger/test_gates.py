"""What holds a block that stands and a call without a record, and what each verb makes of them as it lets them go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rlm_tui.debugger.edits import fields, illegal, shown
from rlm_tui.debugger.gates import HoldingGates, handed_on
from rlm_tui.engine.gate import Answer, Ask, Broken, Failure
from rlm_tui.journal.events import ErrorInfo, ErrorKind, ExecEnd, Hold
from rlm_tui.journal.store import Journal

BLOCK, CALL = "root/i1/b1", "root/i1/b1~llm:00000000#1"
STANDS = Broken(7, ((7, "<module>", BLOCK),), (("n", "int", None, "1"),), 2)
UNMADE = Ask("llm_query", "p", "m", unrecorded=True)


async def held(gates: HoldingGates, point: Any, id: str, value: Any) -> asyncio.Task[Any]:
    """Hand a value to the gate, and let the gate see it."""
    task = asyncio.ensure_future(gates.pass_(point, id, value, node="root"))
    await asyncio.wait([task], timeout=0)
    return task


def test_a_block_stands_only_while_somebody_wants_it_to() -> None:
    async def body() -> None:
        gates = HoldingGates(Journal.memory())
        assert await gates.pass_("line", BLOCK, STANDS, node="root") is STANDS
        gates.lines[BLOCK] = "pause"
        gates.forget_lines("root/i2/b1~rlm:00000000#1")
        task = await held(gates, "line", BLOCK, STANDS)
        hand = gates.held[BLOCK]
        assert gates.standing("root") is hand and not gates.lines
        gates.release(hand, "step")
        assert (await task).action == "step"
        task = await held(gates, "line", BLOCK, STANDS)
        gates.release(gates.held[BLOCK], "release")
        assert (await task).action == "go"
        assert await gates.pass_("line", BLOCK, STANDS, node="root") is STANDS
        assert [event.why for event in gates.journal.events() if isinstance(event, Hold)] == ["pause", "step"]

    asyncio.run(body())


@pytest.mark.parametrize("how", ["its end", "a taking back"])
def test_a_step_that_met_no_further_line_is_forgotten(how: str) -> None:
    async def body() -> None:
        gates = HoldingGates(Journal.memory())
        gates.lines[BLOCK] = "step"
        if how == "its end":
            gates.journal.append(ExecEnd(id=BLOCK, status="ok"))
        else:
            gates.forget_lines("root")
        assert not gates.lines

    asyncio.run(body())


def test_a_call_without_a_record_is_held_unasked_and_another_is_not() -> None:
    async def body() -> None:
        gates = HoldingGates(Journal.memory())
        recorded = Ask("llm_query", "p", "m")
        assert await gates.pass_("call", CALL, recorded, node="root") is recorded
        task = await held(gates, "call", CALL, UNMADE)
        assert gates.held[CALL].why == "error"
        gates.release(gates.held[CALL], "release")
        assert not (await task).unrecorded

    asyncio.run(body())


LET_GO: list[tuple[Any, str, Any]] = [
    (STANDS, "release", ("action", "go")),
    (STANDS, "step", ("action", "step")),
    (STANDS, "next", ("action", "step")),
    (STANDS, "abort", ("action", "abort")),
    (UNMADE, "release", ("unrecorded", False)),
    (UNMADE, "step", ("unrecorded", False)),
    (UNMADE, "into", ("unrecorded", False)),
    (Ask("llm_query", "p", "m", supplied="", unrecorded=True), "release", ("unrecorded", True)),
    (Ask("llm_query", "p", "m", killed=True, unrecorded=True), "release", ("unrecorded", True)),
    (Answer("ok", "x"), "step", ("text", "x")),
]


@pytest.mark.parametrize(("value", "verb", "expected"), LET_GO)
def test_what_a_verb_makes_of_a_value(value: Any, verb: str, expected: tuple[str, Any]) -> None:
    name, now = expected
    assert getattr(handed_on(value, verb), name) == now


@pytest.mark.parametrize(("kind", "legal"), [("died", ("code",)), ("aborted", ("code",)), ("diverged", ())])
def test_what_can_be_changed_at_the_error_of_a_block(kind: ErrorKind, legal: tuple[str, ...]) -> None:
    failure = Failure(ErrorInfo(kind=kind, message="m"))
    assert fields("error", BLOCK, failure) == legal
    assert (illegal("error", BLOCK, failure, "code", "1") is None) == bool(legal)
    assert illegal("error", BLOCK, failure, "answer", "x")


def test_a_block_that_stands_is_written_down_whole_and_cannot_be_changed() -> None:
    assert shown(STANDS) == {
        "line": 7, "frames": [(7, "<module>", BLOCK)], "locals": [("n", "int", None, "1")], "threads": 2,
    }  # fmt: skip
    assert fields("line", BLOCK, STANDS) == ()
    assert illegal("line", BLOCK, STANDS, "code", "1")
