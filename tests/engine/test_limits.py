"""Limits, row by row: where each is checked, what is left when it applies, and that a person can raise it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.engine.runner import LocalRLMRunner, RLMRunResult
from rlm_tui.journal.events import Edit, ExecEnd, LlmStart, NodeEnd, Usage
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import Reply
from tests.engine.scripts import Chat, Raising, calls, nodes, notes, observation, of_kind, play, repl

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


def test_what_a_skipped_block_did_not_touch_is_still_there() -> None:
    class Skipping:
        async def pass_(self, point: str, id: str, value: Any, *, node: str) -> Any:
            return replace(value, skip=True) if (point, id) == ("block", "root/i2/b1") else value

    result = play(repl('answer["content"] = "kept"'), repl("x = 1"), max_iterations=2, gates=Skipping())

    assert (result.final_answer, result.via) == ("kept", "answer")
