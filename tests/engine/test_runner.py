"""`LocalRLMRunner` as code written for the seed uses it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from rlm_tui.engine.runner import ChildTrace, LocalRLMRunner, RLMRunResult
from rlm_tui.journal.events import Edit, NodeEnd
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ModelError, Reply
from tests.engine.scripts import Chat, nodes, of_kind, play, repl

ANSWER = repl("FINAL(6 * 7)")


def test_s01_code_of_the_seed_runs_with_its_import_changed(capsys: pytest.CaptureFixture[str]) -> None:
    # As in the seed's examples: a plain function, positional context and task, callbacks, verbose.
    started: list[tuple[Any, ...]] = []
    ended: list[tuple[Any, ...]] = []

    def chat_fn(messages, model=None):  # type: ignore[no-untyped-def]
        if len(messages) == 1:
            return "a leaf"
        if "Count the words" in messages[1]["content"]:
            if len(messages) == 2:
                return "Let me look.\n```repl\nprint(len(context))\npart = rlm_query('Sum up: ' + context[:20])\n```"
            return "```python\nFINAL_VAR('part')\n```"
        return "```repl\nFINAL(len(context))\n```"

    runner = LocalRLMRunner(
        chat_fn,
        max_iterations=4,
        max_depth=2,
        on_subcall_start=lambda *args: started.append(args),
        on_subcall_complete=lambda *args: ended.append(args),
        verbose=True,
    )
    result = runner.run("a text of words", "Count the words", model="some-model")

    assert isinstance(result, RLMRunResult)
    assert (result.final_answer, result.iterations, result.depth) == ("23", 2, 0)
    assert [message["role"] for message in result.messages] == ["system", "user", "assistant", "user", "assistant"]
    trace = result.child_traces[0]
    assert isinstance(trace, ChildTrace)
    assert (trace.depth, trace.prompt_preview, trace.result_preview, trace.error) == (
        1, "Sum up: a text of words", "23", None,
    )  # fmt: skip
    assert started == [(1, "default", "Sum up: a text of words")]
    assert [(depth, model, error) for depth, model, _, error in ended] == [(1, "default", None)]
    assert capsys.readouterr().out == ("[depth=0] iteration=1 code_blocks=1\n[depth=0] iteration=2 code_blocks=1\n")


def test_s01_defaults_are_the_seeds() -> None:
    runner = LocalRLMRunner(lambda messages: "")

    assert (runner.max_iterations, runner.max_depth, runner.depth) == (30, 2, 0)
    assert (runner.env_max_iterations_multiplier, runner.max_batch_workers) == (5, 8)
    limits = ("max_children_total", "max_children_per_batch", "result_truncation_limit", "per_child_timeout_s")
    assert [getattr(runner, name) for name in limits] == [None] * 4


def test_s02_the_arity_is_decided_once_and_a_type_error_is_an_error() -> None:
    asked: list[Any] = []

    def broken(messages: Any, model: Any = None) -> str:
        asked.append(model)
        raise TypeError("unhashable type: 'list'")

    with pytest.raises(TypeError, match="unhashable"):
        LocalRLMRunner(broken).run("", "?", model="m")
    assert asked == ["m"]

    def keyword_only(messages: Any, *, model: Any) -> str:
        return repl(f"FINAL({model!r})")

    def messages_only(messages: Any) -> str:
        return ANSWER

    assert LocalRLMRunner(keyword_only).run("", "?", model="m").final_answer == "m"
    assert LocalRLMRunner(messages_only).run("", "?", model="m").final_answer == "42"


def test_s02_the_function_may_be_async_and_may_return_a_reply() -> None:
    async def chat(messages: Any, model: Any) -> Reply:
        await asyncio.sleep(0)
        return Reply(ANSWER, reasoning="easy")

    result = LocalRLMRunner(chat).run("", "?")

    assert result.final_answer == "42"
    assert result.tree is not None
    assert result.tree.iterations[0].attempts[0].reasoning == "easy"


def test_s02_messages_are_fresh_each_time() -> None:
    def spoiling(messages: list[dict[str, str]], model: Any) -> str:
        turn = sum(message["role"] == "assistant" for message in messages)
        for message in messages:
            message["content"] = "spoiled"
        messages.clear()
        return repl("print(1)") if turn == 0 else ANSWER

    result = LocalRLMRunner(spoiling, max_iterations=3).run("", "?")

    assert result.iterations == 2
    assert "spoiled" not in str(result.messages)


def test_s03_the_verbose_line_comes_before_the_block_runs_and_for_the_root_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = 'import time\nprint("x")\nrlm_query("child")'
    play(repl(code), ANSWER, children={"child": [ANSWER]}, verbose=True, depth=3, max_depth=5)

    assert capsys.readouterr().out.splitlines() == [
        "[depth=3] iteration=1 code_blocks=1",
        "[depth=3] iteration=2 code_blocks=1",
    ]


def test_s05_every_run_is_new() -> None:
    chat = Chat(repl('a = rlm_query("child")\nFINAL(a)'), children={"child": [ANSWER]})
    runner = LocalRLMRunner(chat, max_children_total=1)

    for _ in range(2):
        result = runner.run("", "?")
        assert (result.final_answer, len(result.child_traces)) == ("42", 1)


def test_s05_options_can_be_changed_between_runs() -> None:
    runner = LocalRLMRunner(Chat(repl("x = 1")))
    runner.max_iterations = 2

    assert runner.run("", "?").iterations == 2


def test_s10_a_context_is_a_text_a_list_or_a_dict() -> None:
    for context in ("text", ["a", "b"], {"k": "v", "n": [1, 2]}):
        assert play(repl("FINAL(context)"), context=context).final_answer == str(context)
    with pytest.raises(TypeError, match="context must be str, list or dict, not int"):
        play(ANSWER, context=3)


@pytest.mark.parametrize("context", ["", [], {}])
def test_s12_s13_an_empty_context_is_defined_and_the_environment_is_not_read(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REPL_CONTEXT", "REPL_TASK_PROMPT", "REPL_MAX_ITERATIONS", "HF_TOKEN"):
        monkeypatch.setenv(name, "7")

    assert play(repl("FINAL(repr(context))"), context=context).final_answer == repr(context)


def test_s21_the_original_exception_is_raised_with_the_result_so_far() -> None:
    class OutOfCoffeeError(Exception):
        pass

    error = OutOfCoffeeError("no more")
    with pytest.raises(OutOfCoffeeError) as caught:
        play(repl("x = 1\nprint(x)"), error)

    assert caught.value is error
    result = error.rlm_result  # type: ignore[attr-defined]
    assert (result.status, result.final_answer, result.iterations) == ("error", None, 2)
    assert result.messages[-1]["role"] == "user"
    assert "REPL output:\n1" in result.messages[-1]["content"]


@pytest.mark.parametrize("reply", [None, 3, b"FINAL(1)"])
def test_s21_a_reply_that_is_no_text_is_a_provider_error(reply: Any) -> None:
    with pytest.raises(ModelError, match="it must return the reply's text"):
        play(reply)


def test_s29_the_result_has_the_seeds_five_fields_first() -> None:
    result = play(ANSWER)

    assert list(vars(result))[:5] == ["final_answer", "messages", "iterations", "depth", "child_traces"]
    assert (result.status, result.via, result.final_value, result.limit) == ("final", "FINAL", 42, None)
    assert result.usage is not None
    assert (result.usage.prompt, result.usage.completion, result.usage.cost) == (None, None, None)


def test_it_runs_inside_a_running_event_loop() -> None:
    async def main() -> RLMRunResult:
        return LocalRLMRunner(Chat(ANSWER)).run("", "?")

    assert asyncio.run(main()).final_answer == "42"


def test_arun_runs_on_the_callers_loop() -> None:
    loops: list[Any] = []

    async def chat(messages: Any) -> str:
        loops.append(asyncio.get_running_loop())
        return ANSWER

    async def main() -> str | None:
        result = await LocalRLMRunner(chat).arun("", "?")
        assert loops == [asyncio.get_running_loop()]
        return result.final_answer

    assert asyncio.run(main()) == "42"


def test_the_chat_function_is_never_called_on_the_callers_thread() -> None:
    chat = Chat(ANSWER)
    LocalRLMRunner(chat).run("", "?")

    assert threading.current_thread().name not in chat.threads


CHILDREN = """
out = []
for name in "abc":
    try:
        out.append(rlm_query("child " + name))
    except RuntimeError as error:
        out.append(str(error))
FINAL(out)
"""


def test_s69_callbacks_come_in_order_on_the_callers_thread_before_run_returns() -> None:
    said: list[tuple[Any, ...]] = []

    def on_start(depth: int, model: str, prompt: str) -> None:
        said.append(("start", depth, model, prompt, threading.current_thread()))

    def on_complete(depth: int, model: str, seconds: float, error: str | None) -> None:
        assert seconds >= 0
        said.append(("end", depth, model, error, threading.current_thread()))

    play(
        repl(CHILDREN),
        children={"child a": [ANSWER], "child b": [ValueError("broken")], "child c": [ANSWER]},
        on_subcall_start=on_start,
        on_subcall_complete=on_complete,
    )

    me = threading.current_thread()
    assert said == [
        ("start", 1, "default", "child a", me),
        ("end", 1, "default", None, me),
        ("start", 1, "default", "child b", me),
        ("end", 1, "default", "ValueError: broken", me),
        ("start", 1, "default", "child c", me),
        ("end", 1, "default", None, me),
    ]


def test_s69_callbacks_are_for_real_children_only() -> None:
    said: list[Any] = []
    play(
        repl('llm_query("a")\nllm_query_batched(["b", "c"])\nrlm_query("d")\nFINAL(1)'),
        max_depth=1,
        on_subcall_start=lambda *args: said.append(args),
        on_subcall_complete=lambda *args: said.append(args),
    )

    assert said == []


def test_s69_a_callback_that_fails_is_noted_and_changes_nothing() -> None:
    journal = Journal.memory()

    def on_complete(*args: Any) -> None:
        raise RuntimeError("who cares")

    result = play(
        repl('FINAL(rlm_query("child"))'),
        children={"child": [ANSWER]},
        on_subcall_complete=on_complete,
        journal=journal,
    )

    assert result.final_answer == "42"
    assert [edit.value for edit in of_kind(journal, Edit)] == ["callback failed: RuntimeError: who cares"]


def test_s68_traces_are_of_direct_children_and_the_tree_has_everything() -> None:
    result = play(
        repl('FINAL(rlm_query("child " + "x" * 100) + llm_query("leaf"))'),
        children={
            "grand": [repl('FINAL("g" * 200)')],
            "child": [repl('FINAL(rlm_query("grand") + llm_query("deep leaf"))')],
        },
        max_depth=3,
    )

    assert result.final_answer == "g" * 200 + "<deep leaf><leaf>"
    (trace,) = result.child_traces
    assert (trace.depth, trace.prompt_preview, trace.result_preview) == (1, ("child " + "x" * 100)[:80], "g" * 80)
    assert [node.depth for node in nodes(result)] == [0, 1, 2]
    assert [call.fn for node in nodes(result) for call in node.calls()] == [
        "rlm_query", "llm_query", "rlm_query", "llm_query",
    ]  # fmt: skip


def test_an_ended_journal_gives_its_answer_again_and_asks_nobody() -> None:
    journal = Journal.memory()
    first = play(repl("x = 41"), repl("FINAL(x + 1)"), journal=journal)
    chat = Chat(RuntimeError("nobody is asked"))
    again = LocalRLMRunner(chat, journal=journal).run("", "What is it?")

    assert chat.asked == []
    assert (again.final_answer, again.iterations, again.final_value) == ("42", 2, 42)
    assert again.messages == first.messages
    assert len(list(of_kind(journal, NodeEnd))) == 1
