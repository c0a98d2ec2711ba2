"""Backends of the seed: described ones, whose calls stay ours, and a caller's own, which is asked as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rlm_tui.engine.backends import BackendLimits, DirectLMBackend, LocalChildRLMBackend
from rlm_tui.engine.runner import LocalRLMRunner
from tests.engine.scripts import CATCH, Chat, Deciding, calls, nodes, play, repl


def test_s04_a_described_backend_stays_native_with_the_tighter_limits_and_the_callbacks() -> None:
    asked: dict[str, Any] = {}
    sub = Chat(repl("FINAL(context)"), leaf=lambda prompt: f"sub:{prompt}")
    root = Chat(repl('FINAL([llm_query("l"), rlm_query("c1"), rlm_query("c2"), rlm_query("c3")])'))
    started: list[Any] = []

    def factory(llm_chat_fn: Any, **keywords: Any) -> LocalChildRLMBackend:
        asked.update(keywords, fn=llm_chat_fn)
        return LocalChildRLMBackend(
            sub,
            runner_factory=LocalRLMRunner,
            system_prompt="A child's prompt: ```repl and FINAL_VAR(",
            max_iterations=3,
            env_max_iterations_multiplier=1,
            limits=BackendLimits(max_depth=5, max_children_total=2),
        )

    result = LocalRLMRunner(
        root, backend_factory=factory, max_depth=2, max_children_total=9, on_subcall_start=lambda *a: started.append(a)
    ).run("", "?", model="m")

    assert result.final_value == ["sub:l", "c1", "c2", "Error: max_children_total exceeded"]
    assert asked == {
        "fn": root, "system_prompt": LocalRLMRunner(root).system_prompt, "max_iterations": 30, "max_depth": 2, "depth": 0,
        "env_max_iterations_multiplier": 5,
    }  # fmt: skip
    assert len(root.asked) == 1
    assert sub.asked[1][0][0]["content"].startswith("A child's prompt")
    assert [call.ran_as for call in calls(result)] == ["llm", "rlm", "rlm", "rlm"]
    assert [args[2] for args in started] == ["c1", "c2"]
    assert nodes(result)[1].limits["max_iterations"] == 3


def test_s04_a_direct_backend_has_no_children() -> None:
    def factory(llm_chat_fn: Any, **_: Any) -> DirectLMBackend:
        return DirectLMBackend(llm_chat_fn, limits=BackendLimits(max_depth=4, result_truncation_limit=3))

    result = play(repl('FINAL(rlm_query("child"))'), backend_factory=factory, max_depth=4)

    assert result.final_answer == "<ch"
    assert [(call.ran_as, call.reason) for call in calls(result)] == [("llm", "depth")]


def test_backend_limits_have_the_seeds_defaults() -> None:
    limits = BackendLimits()

    assert (limits.max_depth, limits.max_batch_workers) == (1, 8)
    assert limits.max_children_total is limits.max_children_per_batch is limits.result_truncation_limit is None
    assert limits.per_child_timeout_s is None


class Mine:
    """A backend of a caller's own."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.child_traces = ["mine"]

    def query(self, prompt: str, model: str | None = None) -> str | None:
        self.said.append(("query", prompt, model))
        if prompt == "bad":
            raise LookupError("no idea")
        return None if prompt == "none" else prompt.upper()

    def query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        self.said.append(("query_batched", prompts, model))
        return [prompt.upper() for prompt in prompts]

    def recursive_query(self, prompt: str, model: str | None = None) -> str:
        self.said.append(("recursive_query", prompt, model))
        return f"child of {prompt}"

    def recursive_query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        self.said.append(("recursive_query_batched", prompts, model))
        return ["too short"]


def test_another_backend_is_called_as_it_is_and_recorded_as_opaque() -> None:
    mine = Mine()
    code = CATCH + (
        'out = [llm_query("a"), llm_query("b", model="x"), llm_query("none"), tried(lambda: llm_query("bad")),\n'
        '    llm_query_batched(["c", "d", "c"]), llm_query_batched([]), rlm_query("e"), rlm_query_batched(["f", "g"])]'
    )
    chat = Chat(repl(code), repl('FINAL_VAR("out")'))
    result = LocalRLMRunner(chat, backend_factory=lambda *_, **__: mine).run("", "?", model="m")

    short = "Error: ValueError: 1 answers came back for 2 prompts"
    assert result.final_value == [
        "A", "B", "", ["SubcallError", "LookupError: no idea"], ["C", "D", "C"], [], "child of e", [short, short],
    ]  # fmt: skip
    assert mine.said == [
        ("query", "a", "m"),
        ("query", "b", "x"),
        ("query", "none", "m"),
        ("query", "bad", "m"),
        ("query_batched", ["c", "d", "c"], "m"),
        ("recursive_query", "e", "m"),
        ("recursive_query_batched", ["f", "g"], "m"),
    ]
    assert {call.ran_as for call in calls(result)} == {"opaque"}
    assert chat.leaves == []
    assert result.child_traces == ["mine"]


def test_an_item_of_an_opaque_batch_can_be_refused_and_supplied() -> None:
    mine = Mine()
    gates = Deciding("call", lambda id, ask: replace(ask, supplied="mine") if ask.prompt == "b" else ask)
    result = play(
        repl('FINAL(llm_query_batched(["a", "b", "c", "d"]))'),
        backend_factory=lambda *_, **__: mine,
        gates=gates,
        max_subcalls=3,
        max_batch_workers=1,
    )

    assert result.final_value == ["A", "mine", "C", "Error: max_subcalls exceeded"]
    assert mine.said == [("query_batched", ["a", "c"], None)]
