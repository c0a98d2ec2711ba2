"""Sub-calls that a person ends while nobody works on them but a model."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rlm_tui.engine.ending import Killed
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.slots import Window
from rlm_tui.journal.events import CallEnd, CallStart, LlmEnd, LlmStart
from tests.engine.person import Person, act, edit, nothing, up_to
from tests.engine.scripts import Slow, of_kind, repl
from tests.runs import DEADLINE_S

BACK = "This call has come back."


def asked(prompt: str) -> Any:
    """Whether an event is the request of a leaf with this prompt."""
    return lambda e: isinstance(e, LlmStart) and "~llm" in e.id and e.add[-1].content == prompt


def id_of(p: Person, prompt: str) -> str:
    return next(e.id for e in of_kind(p.journal, CallStart) if e.prompt == prompt)


def supply(p: Person, prompt: str, text: str) -> str | None:
    """As a verb does: written down, then done."""
    id = id_of(p, prompt)
    p.journal.append(edit(id, "answer", text))
    return p.engine.supply(id, text)


def kill(p: Person, prompt: str) -> str | None:
    id = id_of(p, prompt)
    p.journal.append(edit(id, "kill", True))
    return p.engine.kill_call(id)


def ends(p: Person, prompt: str) -> list[tuple[str, Any, Any]]:
    """Every end of a call: status, value, by whom."""
    return [(e.status, e.value, e.by) for e in of_kind(p.journal, CallEnd) if e.id == id_of(p, prompt)]


def nothing_is_taken(engine: EngineRun, requests: int = 8) -> None:
    """Every slot is free, and nothing is under way."""
    shared = engine.shared
    assert shared.slots.llm._value == requests
    assert not (shared.under_way or shared.seats or shared.clocks)


@pytest.mark.parametrize(
    ("by", "status", "said"), [(supply, "supplied", "by hand"), (kill, "killed", "Error: killed by user")]
)
def test_a_request_under_way_is_cancelled_and_the_block_goes_on(slow: Slow, by: Any, status: str, said: str) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow"))
        assert by(p, "slow", *(["by hand"] if by is supply else [])) is None

    p = act(
        repl("out = llm_query('slow')"), repl("FINAL(out)"), points=(), script=script, leaf=slow, max_batch_workers=1
    )

    assert p.run.nodes["root"].value == said
    assert ends(p, "slow") == [(status, "by hand" if by is supply else None, "human")]
    assert [e.status for e in of_kind(p.journal, LlmEnd) if "~llm" in e.id] == ["cancelled"]
    assert p.run.calls[id_of(p, "slow")].state == status
    nothing_is_taken(p.engine, 1)


def test_items_of_a_batch_are_ended_under_way_and_while_they_wait_for_their_turn(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow 1"))
        assert kill(p, "slow 3") is None
        assert supply(p, "slow 2", "two") is None
        assert supply(p, "slow 1", "one") is None

    prompts = ["slow 1", "slow 2", "slow 3", "quick"]
    p = act(
        repl(f"out = llm_query_batched({prompts})"), repl("FINAL(out)"), points=(), script=script, leaf=slow,
        max_batch_workers=1, max_subcalls=4,
    )  # fmt: skip

    assert p.run.nodes["root"].data == '["one", "two", "Error: killed by user", "<quick>"]'
    assert [e.add[-1].content for e in of_kind(p.journal, LlmStart) if "~llm" in e.id] == ["slow 1", "quick"]
    assert [len(ends(p, prompt)) for prompt in prompts] == [1, 1, 1, 1]
    assert p.engine.shared.limits.subcalls == 4
    nothing_is_taken(p.engine, 1)


def test_each_is_counted_once_by_the_limits(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow 1"))
        for prompt in ("slow 2", "slow 1"):
            assert supply(p, prompt, prompt) is None

    p = act(
        repl("out = llm_query_batched(['slow 1', 'slow 2'])"), repl("FINAL([*out, llm_query('3'), llm_query('4')])"),
        points=(), script=script, leaf=slow, max_batch_workers=1, max_subcalls=3,
    )  # fmt: skip

    assert p.run.nodes["root"].data == '["slow 1", "slow 2", "<3>", "Error: max_subcalls exceeded"]'


def test_one_that_is_held_at_an_error_is_ended(slow: Slow) -> None:
    def leaf(prompt: str) -> str:
        raise ConnectionError("no way through")

    async def script(p: Person) -> None:
        await p.at("error")
        assert supply(p, "q", "by hand") is None

    p = act(
        repl("out = llm_query('q')"), repl("FINAL(out)"), points=("error",), script=script, leaf=leaf,
    )  # fmt: skip
    assert p.run.nodes["root"].value == "by hand"
    assert not p.run.held and not p.engine.shared.holding["root"]
    nothing_is_taken(p.engine)


def test_a_call_that_has_come_back_is_not_ended_twice() -> None:
    async def script(p: Person) -> None:
        id, value, go = await p.at("return")
        assert p.engine.supply(id, "late") == BACK
        go(value)
        _, value, go = await p.at("observe")
        assert p.engine.kill_call(id) == BACK
        assert p.engine.supply("root/i1/b1~llm:00000000#1", "never asked") == BACK
        go(value)

    p = act(repl("out = llm_query('q')"), repl("FINAL(out)"), points=("return", "observe"), script=script)
    assert ends(p, "q") == [("ok", "<q>", None)]
    assert p.run.nodes["root"].value == "<q>"


def test_the_first_of_two_ends_counts(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow"))
        assert p.engine.kill_call(id_of(p, "slow")) is None
        assert p.engine.supply(id_of(p, "slow"), "late") == BACK

    p = act(repl("out = llm_query('slow')"), repl("FINAL(out)"), points=(), script=script, leaf=slow)
    assert ends(p, "slow") == [("killed", None, "human")]


def test_a_block_that_ends_at_that_moment_takes_the_call_along(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow"))
        assert p.engine.supply(id_of(p, "slow"), "by hand") is None
        p.engine.stop("root", Killed())

    p = act(repl("out = llm_query('slow')"), points=(), script=script, leaf=slow)
    assert ends(p, "slow") == [("supplied", "by hand", "human")]
    assert p.run.nodes["root"].status == "killed"
    nothing_is_taken(p.engine)


def test_an_answer_that_was_written_down_is_the_answer_when_the_run_is_gone_on_with(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow"))
        assert supply(p, "slow", "by hand") is None

    replies = (repl("out = llm_query('slow')"), repl("FINAL(out)"))
    first = act(*replies, points=(), script=script, leaf=slow)
    for kind in (LlmEnd, CallEnd):
        left = up_to(first.journal, lambda e, kind=kind: isinstance(e, kind) and "~llm" in e.id)
        p = act(*replies, points=(), script=nothing, journal=left, leaf=slow)
        assert p.run.nodes["root"].value == "by hand"
        assert p.chat.leaves == []


def test_a_child_whose_end_was_written_down_ends_when_the_run_is_gone_on_with(slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow"))
        id = id_of(p, "sub")
        p.journal.append(edit(id, "kill", True))
        assert p.engine.stop(id, Killed())

    replies, children = (repl("out = rlm_query('sub')"), repl("FINAL(out)")), {"sub": [repl("llm_query('slow')")]}
    first = act(*replies, points=(), script=script, leaf=slow, children=children, max_depth=2)
    left = up_to(first.journal, lambda e: isinstance(e, LlmEnd) and e.status == "cancelled")
    p = act(*replies, points=(), script=nothing, journal=left, leaf=slow, children=children, max_depth=2)

    assert p.run.nodes["root"].value == "Error: killed by user"
    assert p.run.nodes[id_of(p, "sub")].status == "killed"
    assert ends(p, "sub") == [("killed", None, None)]


# A caller's own backend -----------------------------------------------------------------------------------------------


class Backend:
    """A caller's own, which is asked a batch at once."""

    depth, max_depth = 0, 1
    child_traces = ()

    def __init__(self, over: threading.Event) -> None:
        self.over = over
        self.begun = threading.Event()
        self.batches: list[list[str]] = []

    def query(self, prompt: str, model: str | None = None) -> str:
        self.begun.set()
        self.over.wait(DEADLINE_S)
        return f"[{prompt}]"

    def query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        self.batches.append(prompts)
        return [f"[{prompt}]" for prompt in prompts]

    recursive_query, recursive_query_batched = query, query_batched


def with_backend(p: Person, backend: Backend) -> None:
    p.engine.shared.opaque = backend


@pytest.mark.parametrize("ended", ["1", "2", "3"])
def test_an_item_that_waits_for_its_batch_is_ended_and_the_rest_is_asked_at_once(slow: Slow, ended: str) -> None:
    backend = Backend(slow.over)

    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        with_backend(p, backend)
        p.points = ("call",)
        go(value)
        held = {id: (value, go) for id, value, go in [await p.at("call") for _ in range(3)]}
        waits = [prompt for prompt in "123" if prompt != "3"]
        for prompt in waits:
            value, go = held[id_of(p, prompt)]
            go(value)
        # Two wait for the third, which is held.
        assert not backend.batches
        assert supply(p, ended, "by hand") is None
        value, go = held[id_of(p, "3")]
        if ended != "3":
            go(value)

    p = act(
        repl("out = llm_query_batched(['1', '2', '3'])"), repl("FINAL(out)"), points=("block",), script=script,
        max_batch_workers=1,
    )  # fmt: skip
    rest = [prompt for prompt in "123" if prompt != ended]
    assert backend.batches == [rest]
    value = [f"[{prompt}]" if prompt != ended else "by hand" for prompt in "123"]
    assert p.run.nodes["root"].value == str(value)


def test_a_question_to_a_callers_own_backend_is_not_waited_for(slow: Slow) -> None:
    backend = Backend(slow.over)

    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        with_backend(p, backend)
        go(value)
        await p.until(lambda e: isinstance(e, CallStart))
        assert supply(p, "q", "by hand") is None
        p.points = ()

    p = act(repl("out = llm_query('q')"), repl("FINAL(out)"), points=("block",), script=script)
    assert p.run.nodes["root"].value == "by hand"


def test_nobody_sits_in_a_window_that_all_were_ended_in(windows: list[Window], slow: Slow) -> None:
    async def script(p: Person) -> None:
        await p.until(asked("slow 2"))
        for prompt in ("slow 1", "slow 4", "slow 2", "slow 3"):
            assert kill(p, prompt) is None

    prompts = [f"slow {k}" for k in range(1, 5)]
    act(
        repl(f"llm_query_batched({prompts})"),
        repl("FINAL(1)"),
        points=(),
        script=script,
        leaf=slow,
        max_batch_workers=2,
    )
    assert len(windows) == 2
