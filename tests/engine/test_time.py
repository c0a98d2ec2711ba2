"""Time limits, and what is held meanwhile: clocks stand, seats are free. Clocks are put forward, never waited for."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.demo.catalogue import model_for
from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.runner import LocalRLMRunner, RLMRunResult
from rlm_tui.journal.events import CallEnd, ExecEnd, LlmEnd, NodeEnd, RunEnd
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from rlm_tui.llm.pace import Pace
from tests.engine.scripts import Chat, Raising, calls, nodes, observation, of_kind, play, repl
from tests.runs import DEADLINE_S, done, refused, running


class Clocks:
    """The working clocks of a run's nodes, in the order they began; each can be put forward."""

    def __init__(self) -> None:
        self.made: list[tuple[WorkClock, asyncio.AbstractEventLoop]] = []

    def make(self, *args: Any, **keywords: Any) -> WorkClock:
        clock = WorkClock(*args, **keywords)
        self.made.append((clock, asyncio.get_running_loop()))
        return clock

    def late(self, which: int) -> str:
        """Let a node have worked an hour more; from any thread."""
        clock, loop = self.made[which]

        def jump() -> None:
            clock._worked += 3600
            clock._turn()

        loop.call_soon_threadsafe(jump)
        return "late"


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr("rlm_tui.engine.node.WorkClock", clocks.make)
    return clocks


LATE = 'llm_query("it gets late")\nwhile True: pass'
"""A block that has an hour pass, and does not end."""


def in_time(*root: Any, clocks: Clocks, late: int = 0, **keywords: Any) -> RLMRunResult:
    return play(*root, leaf=lambda _: clocks.late(late), **{"timeout_s": 600} | keywords)


def test_s20_time_runs_out_during_a_block_and_its_call_to_final_counts(clocks: Clocks) -> None:
    journal = Journal.memory()
    result = in_time(repl(f'print("on my way")\nFINAL("declared")\n{LATE}'), clocks=clocks, journal=journal)

    assert (result.final_answer, result.status, result.limit) == ("declared", "final", "max_timeout")
    (end,) = of_kind(journal, ExecEnd)
    assert (end.status, end.stdout) == ("aborted", "on my way\n")


def test_s20_a_proposal_of_a_block_before_the_one_that_was_cut_short_counts_too(clocks: Clocks) -> None:
    result = in_time(repl('FINAL("first block")') + "\n" + repl(LATE), clocks=clocks)

    assert (result.final_answer, result.limit) == ("first block", "max_timeout")


def test_s20_without_one_there_is_no_answer_and_the_face_says_the_seeds_words(clocks: Clocks) -> None:
    journal = Journal.memory()
    result = in_time(repl(LATE), clocks=clocks, journal=journal)

    assert result.final_answer is not None
    assert re.fullmatch(r"Error: child timeout after 36\d\d\.\d\d\ds", result.final_answer)
    assert (result.status, result.limit) == ("limit", "max_timeout")
    assert result.tree is not None
    assert result.tree.value is None
    (end,) = of_kind(journal, RunEnd)
    assert (end.status, end.value) == ("limit", None)


def test_s20_partial_work_is_kept(clocks: Clocks) -> None:
    result = in_time(repl('answer["content"] = "half"'), repl(LATE), clocks=clocks, max_timeout=50, timeout_s=5000)

    assert (result.status, result.partial) == ("limit", "half")


def test_s20_time_runs_out_during_a_request(clocks: Clocks) -> None:
    release = threading.Event()

    def chat(messages: Any) -> str:
        clocks.late(0)
        release.wait(DEADLINE_S)
        return "too late"

    journal = Journal.memory()
    try:
        result = LocalRLMRunner(chat, max_timeout=600, journal=journal).run("", "?")
    finally:
        release.set()
    assert (result.status, result.limit) == ("limit", "max_timeout")
    assert [end.status for end in of_kind(journal, LlmEnd)] == ["cancelled"]


def test_s20_no_time_at_all_asks_nobody() -> None:
    chat = Chat(repl("FINAL(1)"))
    result = LocalRLMRunner(chat).run("", "?", timeout_s=0)

    assert (result.limit, result.iterations, chat.asked) == ("max_timeout", 0, [])


def test_raised_time_goes_on(clocks: Clocks) -> None:
    gates = Raising("max_timeout", 10_000)
    result = in_time(repl('x = llm_query("it gets late")'), repl("FINAL(x)"), clocks=clocks, gates=gates)

    assert result.final_answer == "late"
    assert [hit.limit for hit in gates.hits] == [600]


def test_s71_a_child_that_takes_too_long_is_a_timeout_and_its_parent_goes_on(clocks: Clocks) -> None:
    code = 'out = [rlm_query("slow child"), rlm_query_batched(["slow child"]), rlm_query("quick child")]'
    result = in_time(
        repl(code),
        repl('FINAL_VAR("out")'),
        children={"slow child": [repl(LATE)], "quick child": [repl("FINAL(1)")]},
        clocks=clocks,
        late=-1,
        per_child_timeout_s=600,
    )

    one, (two,), quick = result.final_value
    assert quick == "1"
    for text in (one, two):
        assert re.fullmatch(r"Error: child timeout after 36\d\d\.\d\d\ds", text)
    slow = [call for call in calls(result) if call.prompt == "slow child"]
    assert [call.status for call in slow] == ["timeout", "timeout"]
    assert [(trace.status, trace.result_preview) for trace in result.child_traces] == [
        ("timeout", None), ("timeout", None), ("ok", "1"),
    ]  # fmt: skip
    assert [node.limit for node in nodes(result)] == [None, "per_child_timeout_s", "per_child_timeout_s", None]


def test_s71_a_childs_time_ends_with_its_parents(clocks: Clocks) -> None:
    journal = Journal.memory()
    result = in_time(
        repl('rlm_query("slow child")'),
        children={"slow child": [repl(LATE)]},
        clocks=clocks,
        per_child_timeout_s=100_000,
        journal=journal,
    )

    assert (result.status, result.limit) == ("limit", "max_timeout")
    assert [(end.id.count("~"), end.status) for end in of_kind(journal, NodeEnd)] == [(1, "killed"), (0, "limit")]
    assert next(end.status for end in of_kind(journal, CallEnd) if end.id.count("~") == 1) == "killed"


def test_s53_s70_a_block_has_so_much_computing_time_and_the_loop_goes_on() -> None:
    result = play(repl('x = 1\nprint("begun")\nwhile True: pass'), repl("FINAL(x)"), block_timeout_s=1.5)

    assert result.final_answer == "1"
    text = observation(result)
    assert "REPL output:\nbegun" in text
    assert "ERROR: " in text
    assert result.tree is not None
    assert [block.status for iteration in result.tree.iterations for block in iteration.blocks] == ["timeout", "ok"]


def test_a_working_clock_stands_while_it_or_one_below_is_held() -> None:
    now = [100.0]
    above = WorkClock(worked=5.0, now=lambda: now[0])
    below = WorkClock(above, now=lambda: now[0])

    now[0] = 101.0
    below.stop()
    below.stop()
    now[0] = 150.0
    below.go()
    assert (above.elapsed, below.elapsed) == (6.0, 1.0)
    below.go()
    above.stop()
    now[0] = 152.0
    assert (above.elapsed, below.elapsed) == (6.0, 3.0)


def test_s20_the_clock_stands_while_a_person_holds_the_run() -> None:
    with running("needle", hold=True, max_timeout=60.0) as one:
        one.held("llm")
        clock = one.session.engine.shared.clocks["root"]
        before = clock.elapsed
        began = time.monotonic()
        while time.monotonic() - began < 0.01:
            pass
        assert clock.elapsed == before
        done(one.session.release("root"))
        one.ended()


def test_nothing_more_is_asked_while_a_time_limit_is_held_and_raising_it_goes_on() -> None:
    with running("needle", max_timeout=0.02, model=model_for("needle", Pace(20_000))) as one:
        held = one.held("limit")
        asked = lambda run: [a for i in run.iterations.values() for a in i.attempts]  # noqa: E731
        one.until(
            lambda run: all(a.ended for a in asked(run)) and run.nodes["root"].state == "held", "the act in flight"
        )
        before = len(asked(one.run))
        assert before < 4
        assert refused(one.session.edit(held.id, "limit", {"name": "max_timeout", "to": 0.001}))
        done(one.session.edit(held.id, "limit", {"name": "max_timeout", "to": 600}))
        assert len(asked(one.run)) == before
        done(one.session.release(held.id))
        one.ended()
        assert one.session.text(one.run.end.value) == one.data.oracle


def test_a_node_below_stops_the_clocks_above_and_gives_its_seats_back() -> None:
    gates = Gate(lambda point, id, node: point == "llm" and node != "root")
    code = 'out = rlm_query_batched([f"child {i}" for i in range(9)])\nFINAL(out)'
    chat = Chat(repl(code), children={"child": [repl("FINAL(context[-1])")]})

    async def main() -> None:
        engine = made(chat, gates, max_batch_workers=8, max_timeout=60.0)
        task = asyncio.ensure_future(engine.go())
        # Eight seats, nine items: the ninth begins because a held child has no seat.
        await gates.holds(9)
        assert engine.shared.slots.llm._value == 8
        gates.open()
        end = await asyncio.wait_for(task, DEADLINE_S)
        assert end.value == str([str(i) for i in range(9)])
        assert not engine.shared.seats

    asyncio.run(main())


class Gate:
    """Gates that hold what they are told to, until they are opened."""

    def __init__(self, holding: Callable[[str, str, str], bool]) -> None:
        self.holding = holding
        self.held: list[str] = []
        self.engine: EngineRun | None = None
        self._opened = asyncio.Event()
        self._changed = asyncio.Condition()

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if self._opened.is_set() or not self.holding(point, id, node):
            return value
        assert self.engine is not None
        async with self._changed:
            self.held.append(id)
            self._changed.notify_all()
        with self.engine.shared.held(id, node):
            await self._opened.wait()
        return value

    async def holds(self, many: int) -> None:
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.held) >= many)

    def open(self) -> None:
        self._opened.set()


def made(chat: Any, gates: Gate, **options: Any) -> EngineRun:
    """A run of a chat function with these gates, in memory."""
    model = CallableModel(chat)
    gates.engine = EngineRun(
        Journal.memory(), lambda _: model, context="", task="?", options=Options(**options), gates=gates
    )
    return gates.engine


def test_a_seat_is_given_back_once_however_much_below_it_is_held() -> None:
    # Two held grandchildren below one child, with a window of two: the third child may begin, a fourth may not.
    gates = Gate(lambda point, id, node: point == "llm" and id.count("~") >= 1 and "~" in id.partition("~")[2])
    chat = Chat(
        repl('FINAL(rlm_query_batched(["child 1", "child 2", "child 3", "child 4"]))'),
        children={
            "grand": [repl("FINAL(1)")],
            "child 1": [repl('FINAL(rlm_query_batched(["grand 1", "grand 2"]))')],
            "child": [repl('FINAL(llm_query("q"))')],
        },
        leaf=lambda _: "leaf",
    )

    async def main() -> None:
        engine = made(chat, gates, max_batch_workers=2, max_depth=3)
        task = asyncio.ensure_future(engine.go())
        await gates.holds(2)
        window = next(iter(engine.shared.seats.values()))._window
        assert window._active <= 2
        assert window._active >= 0
        gates.open()
        end = await asyncio.wait_for(task, DEADLINE_S)
        assert end.value == str([str(["1", "1"]), "leaf", "leaf", "leaf"])
        assert window._active == 0

    asyncio.run(main())


def test_an_answer_that_a_person_rejected_does_not_come_back_when_time_runs_out(clocks: Clocks) -> None:
    class Rejecting:
        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            if (point, id) == ("llm", "root/i2"):
                clocks.late(0)
                await asyncio.Event().wait()
            return replace(value, accepted=False) if point == "final" else value

    result = in_time(repl('FINAL("rejected")'), clocks=clocks, gates=Rejecting())

    assert (result.status, result.limit) == ("limit", "max_timeout")
    assert "rejected" not in str(result.final_answer)
