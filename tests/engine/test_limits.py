"""Limits, row by row: where each is checked, what is left when it applies, and that a person can raise it."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.gate import LimitHit
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.runner import LocalRLMRunner, RLMRunResult
from rlm_tui.journal.events import CallEnd, Edit, ExecEnd, LlmEnd, LlmStart, NodeEnd, RunEnd, Usage
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import Reply
from rlm_tui.llm.callable import CallableModel
from tests.engine.scripts import Chat, calls, nodes, notes, observation, of_kind, play, repl
from tests.runs import DEADLINE_S, done, running


class Raising:
    """Gates at which limits are raised, a few times."""

    def __init__(self, name: str, *to: float) -> None:
        self.name = name
        self.to = list(to)
        self.hits: list[LimitHit] = []
        self.at: list[str] = []

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point != "limit":
            return value
        self.hits.append(value)
        self.at.append(id)
        return replace(value, raised=self.to.pop(0)) if value.name == self.name and self.to else value


# Iterations and steps ---------------------------------------------------------------------------------------------


def default_answer(reply: str, *turns: str, **keywords: Any) -> RLMRunResult:
    """A run of two iterations whose model answers the last request so."""
    first = turns or (repl("v = [1, 2]"), repl("print(2)"))
    return play(*first, reply, max_iterations=2, **keywords)


def test_s27_out_of_iterations_the_model_is_asked_once_more() -> None:
    chat = Chat(repl("x = 1"), repl("x = 2"), "FINAL(the best I have)")
    result = LocalRLMRunner(chat, max_iterations=2).run("", "?")

    assert (result.final_answer, result.status, result.via, result.limit) == (
        "the best I have", "exhausted", "default", "max_iterations",
    )  # fmt: skip
    assert result.iterations == 2
    last = chat.asked[2][0]
    assert "run out of REPL iterations" in last[-1]["content"]
    assert last[:-1] == result.messages
    assert result.messages[-1]["role"] == "user"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("FINAL(a (b) c)", "a (b) c"),
        ("FINAL_VAR(v)", "[1, 2]"),
        ("```\nFINAL(42)\n```", "42"),
        ("So it is FINAL(42), I think.", "42"),
        ("It is 42.\n```python\nprint(1)\n```", "It is 42."),
        ("FINAL_VAR(missing)", None),
        ("", None),
        ("```python\nFINAL('not run')\nx = 1\n```", None),
    ],
)
def test_s27_how_a_default_answer_is_read(reply: str, answer: str | None) -> None:
    journal = Journal.memory()
    result = default_answer(reply, journal=journal)

    assert result.final_answer == answer
    assert (result.status, result.iterations) == ("exhausted", 2)
    assert len([end for end in of_kind(journal, ExecEnd) if "/b" in end.id]) == 2


def test_s27_a_default_request_that_fails_is_not_swallowed() -> None:
    error = ConnectionError("gone")
    with pytest.raises(ConnectionError) as caught:
        play(repl("x = 1"), error, max_iterations=1)

    assert caught.value is error
    assert caught.value.rlm_result.limit == "max_iterations"  # type: ignore[attr-defined]


def test_a_default_answer_passes_the_gates_as_any_other() -> None:
    passed: list[tuple[str, str]] = []

    class Looking:
        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            if id.startswith("root/default"):
                passed.append((point, id))
            return value

    default_answer("FINAL(1)", gates=Looking())

    assert passed == [("llm", "root/default"), ("reply", "root/default"), ("final", "root/default")]


def test_an_answer_built_in_the_repl_is_not_retyped() -> None:
    chat = Chat(repl('answer["content"] = ["long", "work"]'), repl("x = 1"))
    result = LocalRLMRunner(chat, max_iterations=2).run("", "?")

    assert (result.final_answer, result.status, result.via) == ("['long', 'work']", "exhausted", "answer")
    assert result.partial is None
    assert len(chat.asked) == 2


def test_s11_s28_exactly_as_many_blocks_run_as_there_are_steps() -> None:
    reply = "\n".join(repl(f"n{i} = {i}") for i in range(4))
    journal = Journal.memory()
    chat = Chat(reply, reply, "FINAL(out of steps)")
    result = LocalRLMRunner(chat, max_iterations=3, env_max_iterations_multiplier=2, journal=journal).run("", "?")

    assert len(list(of_kind(journal, ExecEnd))) == 6
    assert (result.final_answer, result.status, result.limit, result.iterations) == (
        "out of steps", "exhausted", "max_steps", 2,
    )  # fmt: skip
    assert notes(observation(result, 2)) == [
        "NOTE: The limit on executed blocks was reached: block 3 and any after it did not run."
    ]
    assert result.tree is not None
    assert [len(iteration.blocks) for iteration in result.tree.iterations] == [4, 2]


def test_s28_a_proposal_made_before_the_steps_ran_out_still_counts() -> None:
    reply = "\n".join([repl("x = 1"), repl('FINAL("in time")'), repl("x = 2")])
    result = play(reply, max_iterations=2, env_max_iterations_multiplier=1)

    assert (result.final_answer, result.status) == ("in time", "final")
    assert result.tree is not None
    assert len(result.tree.iterations[0].blocks) == 2


def test_raised_iterations_go_on_and_are_asked_about_again_when_they_are_used_up() -> None:
    gates = Raising("max_iterations", 2)
    result = play(repl("x = 1"), max_iterations=1, gates=gates)

    assert result.iterations == 2
    assert [(hit.used, hit.limit) for hit in gates.hits] == [(1, 1), (2, 2)]
    assert (result.status, result.limit) == ("exhausted", "max_iterations")


def test_raised_steps_go_on_in_the_middle_of_a_reply() -> None:
    reply = "\n".join(repl(f"n{i} = {i}") for i in range(3))
    gates = Raising("max_steps", 10)
    result = play(reply, repl("FINAL(n2)"), max_iterations=2, env_max_iterations_multiplier=1, gates=gates)

    assert result.final_answer == "2"
    assert gates.at == ["root/i1/b3"]


def test_a_raise_that_is_remembered_is_in_force_and_does_not_hang_when_it_is_used_up() -> None:
    journal = Journal.memory()
    play(repl("x = 1"), max_iterations=1, journal=journal, gates=Writing(journal))

    assert len([start for start in of_kind(journal, LlmStart) if "/i" in start.id]) == 2
    ends = list(of_kind(journal, NodeEnd))
    assert [(end.status, end.limit) for end in ends] == [("exhausted", "max_iterations")]


class Writing:
    """Gates at which a person raises the iterations to two, once, and says so in the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
        if point == "limit" and value.limit == 1:
            to = {"name": value.name, "to": 2}
            self.journal.append(Edit(id=id, field="limit", value=to, by="human"))
            return replace(value, raised=2.0)
        return value


def test_max_errors_counts_iterations_in_a_row() -> None:
    bad, good = repl("1 / 0"), repl("x = 1")
    result = play(bad, good, bad, bad, good, max_errors=2)

    assert (result.status, result.limit, result.iterations, result.final_answer) == ("limit", "max_errors", 4, None)


def test_max_errors_is_raised_for_the_node() -> None:
    gates = Raising("max_errors", 3)
    result = play(repl("1 / 0"), max_errors=1, gates=gates)

    assert result.iterations == 3
    assert [hit.used for hit in gates.hits] == [1, 3]


# Money and tokens --------------------------------------------------------------------------------------------------


def paid(*root: str, cost: float | None = 1.0, **keywords: Any) -> RLMRunResult:
    """A run whose every request costs so much, and ten tokens."""
    chat = Chat(*root, children={"child": [repl("y = 1"), repl("FINAL(1)")]})

    def priced(messages: Any, model: Any) -> Reply:
        return Reply(chat(messages, model), usage=Usage(prompt=6, completion=4, cost=cost, source="provider"))

    return LocalRLMRunner(priced, **keywords).run("", "?")


@pytest.mark.parametrize(("limit", "value"), [("max_tokens", 20), ("max_budget", 2.0)])
def test_money_and_tokens_stop_the_next_request(limit: str, value: float) -> None:
    result = paid(repl('answer["content"] = "so far"'), **{limit: value})

    assert (result.status, result.limit, result.iterations) == ("limit", limit, 2)
    assert (result.final_answer, result.partial) == (None, "so far")
    assert result.usage is not None
    assert (result.usage.total, result.usage.cost) == (20, 2.0)


def test_leaves_and_children_spend_from_the_trees_budget_and_running_blocks_are_refused() -> None:
    code = 'out = [llm_query("a"), rlm_query("child"), llm_query("b"), llm_query_batched(["c"])]'
    result = paid(repl(code), max_tokens=35)

    refused = "Error: max_tokens exceeded"
    assert [call.status for call in calls(result)] == ["ok", "ok", "refused", "refused"]
    assert (nodes(result)[1].status, nodes(result)[1].value) == ("final", "1")
    assert result.status == "limit"
    assert refused in notes(observation(result))[0]
    assert result.usage is not None
    assert result.usage.total == 40


def test_a_child_stops_at_the_trees_budget() -> None:
    result = paid(repl('out = rlm_query("child")'), max_budget=2)

    assert [(node.status, node.limit) for node in nodes(result)] == [("limit", "max_budget")] * 2
    assert [call.status for call in calls(result)] == ["ok"]


def test_a_default_answer_is_not_asked_for_without_money() -> None:
    result = paid(repl("x = 1"), max_iterations=2, max_budget=2)

    assert (result.status, result.limit) == ("limit", "max_budget")
    assert result.usage is not None
    assert result.usage.cost == 2.0


def test_a_raised_budget_is_the_trees() -> None:
    gates = Raising("max_budget", 3)
    result = paid(repl('out = rlm_query("child")'), repl("FINAL(out)"), max_budget=1, gates=gates)

    assert [(hit.used, hit.limit) for hit in gates.hits] == [(1, 1), (3, 3)]
    assert [call.status for call in calls(result)] == ["ok"]
    assert (result.status, result.limit) == ("limit", "max_budget")


def test_without_a_price_the_gate_is_passed_once() -> None:
    result = paid(repl("x = 1"), repl("FINAL(x)"), cost=None, max_budget=5)
    assert (result.status, result.limit, result.iterations) == ("limit", "max_budget", 1)

    gates = Raising("max_budget", 5)
    result = paid(repl("x = 1"), repl("x = 2"), repl("FINAL(x)"), cost=None, max_budget=5, gates=gates)
    assert (result.status, result.final_answer) == ("final", "2")
    assert [(hit.reason, hit.used) for hit in gates.hits] == [("unpriced", 0)]


def test_limits_of_calls_can_be_raised_where_they_are_met() -> None:
    gates = Raising("max_subcalls", 2)
    result = play(repl("FINAL([llm_query(c) for c in 'abc'])"), max_subcalls=1, gates=gates)

    assert result.final_value == ["<a>", "<b>", "Error: max_subcalls exceeded"]
    assert [hit.used for hit in gates.hits] == [1, 2]
    assert all("~llm:" in at for at in gates.at)


# Time ----------------------------------------------------------------------------------------------------------


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


def test_what_a_skipped_block_did_not_touch_is_still_there() -> None:
    class Skipping:
        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            return replace(value, skip=True) if (point, id) == ("block", "root/i2/b1") else value

    result = play(repl('answer["content"] = "kept"'), repl("x = 1"), max_iterations=2, gates=Skipping())

    assert (result.final_answer, result.via) == ("kept", "answer")
