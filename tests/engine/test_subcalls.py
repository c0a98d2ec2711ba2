"""Sub-calls: what the code receives status by status, depth, models, children, batches."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.engine.runner import LocalRLMRunner
from rlm_tui.journal.events import CallEnd, CallStart, LlmEnd, NodeEnd, NodeStart, Usage
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import Reply
from tests.engine.scripts import CATCH, Chat, Deciding, answered, calls, nodes, notes, observation, of_kind, play, repl


def boom(prompt: str) -> Any:
    return ValueError("boom") if prompt == "bad" else f"<{prompt}>"


# What the code receives, status by status --------------------------------------------------------------------------


def test_ok_is_the_text() -> None:
    assert answered('out = [llm_query("a"), llm_query_batched(["b", "c"]), llm_batch(["d"]), llm_query_batched([])]') == [
        "<a>", ["<b>", "<c>"], ["<d>"], [],
    ]  # fmt: skip


def test_s66_an_error_raises_alone_and_is_a_text_in_a_batch() -> None:
    code = CATCH + 'out = [tried(lambda: llm_query("bad")), llm_query_batched(["a", "bad", "c"])]'

    assert answered(code, leaf=boom) == [
        ["SubcallError", "ValueError: boom"],
        ["<a>", "Error: ValueError: boom", "<c>"],
    ]


def test_s66_a_childs_error_too() -> None:
    code = CATCH + 'out = [tried(lambda: rlm_query("bad child")), rlm_query_batched(["bad child", "good child"])]'
    journal = Journal.memory()
    children = {"bad child": [KeyError("gone")], "good child": [repl("FINAL(1)")]}

    assert answered(code, children=children, journal=journal) == [
        ["SubcallError", "KeyError: 'gone'"],
        ["Error: KeyError: 'gone'", "1"],
    ]
    assert [end.status for end in of_kind(journal, CallEnd)] == ["error", "error", "ok"]


def test_a_supplied_answer_is_the_text_and_nobody_is_asked() -> None:
    gates = Deciding("call", lambda id, ask: replace(ask, supplied="mine") if ask.prompt == "a" else ask)
    chat = Chat(repl('FINAL([llm_query("a"), llm_query_batched(["a", "b"])])'))
    result = LocalRLMRunner(chat, gates=gates, result_truncation_limit=3).run("", "?")

    assert result.final_value == ["mine", ["mine", "<b>"]]
    assert chat.leaves == ["b"]
    assert [call.status for call in calls(result)] == ["supplied", "supplied", "ok"]


def test_s67_a_child_without_an_answer_is_an_empty_text_and_a_note() -> None:
    code = 'out = [rlm_query("child"), rlm_query_batched(["child"])]'
    result = play(repl(code), repl('FINAL_VAR("out")'), children={"child": [repl("x = 1"), ""]}, max_iterations=2)

    assert result.final_value == ["", [""]]
    assert notes(observation(result)) == [
        "NOTE: rlm_query: a call ended without an answer; the code received an empty string.",
        "NOTE: rlm_query_batched: a call ended without an answer; the code received an empty string.",
    ]


def test_a_killed_call_says_so() -> None:
    gates = Deciding("call", lambda id, ask: replace(ask, killed=ask.prompt == "bad"))

    assert answered('out = [llm_query("bad"), llm_query_batched(["a", "bad"])]', gates=gates) == [
        "Error: killed by user", ["<a>", "Error: killed by user"],
    ]  # fmt: skip


@pytest.mark.parametrize("limit", ["max_children_total", "max_subcalls"])
def test_s64_refused_by_a_total_is_a_text_and_a_status(limit: str) -> None:
    code = 'out = [rlm_query("child 1"), rlm_query("child 2"), rlm_query_batched(["child 3"])]'
    result = play(
        repl(code), repl('FINAL_VAR("out")'), children={"child": [repl("FINAL(1)")]}, **{limit: 1}
    )  # fmt: skip

    assert result.final_value == ["1", f"Error: {limit} exceeded", [f"Error: {limit} exceeded"]]
    assert [(call.status, call.limit) for call in calls(result)] == [
        ("ok", None),
        ("refused", limit),
        ("refused", limit),
    ]
    assert len(result.child_traces) == 1
    assert notes(observation(result)) == [
        f"NOTE: rlm_query: refused by {limit}; the result is 'Error: {limit} exceeded'.",
        f"NOTE: rlm_query_batched: 1 of 1 prompts were refused by {limit}; their results are 'Error: {limit} exceeded' "
        "(indices 0).",
    ]


def test_s64_leaves_are_no_children_but_sub_calls() -> None:
    code = 'out = [llm_query("a"), rlm_query("child"), llm_query("b")]'
    children = {"child": [repl("FINAL(1)")]}

    assert answered(code, children=children, max_children_total=1) == ["<a>", "1", "<b>"]
    assert answered(code, children=children, max_subcalls=2) == ["<a>", "1", "Error: max_subcalls exceeded"]


def test_s65_a_batch_keeps_its_length_and_says_which_were_refused() -> None:
    code = 'out = rlm_query_batched([f"child {i}" for i in range(5)])'
    result = play(
        repl(code), repl('FINAL_VAR("out")'), children={"child": [repl("FINAL(context)")]}, max_children_per_batch=2
    )

    assert result.final_value == ["child 0", "child 1", "", "", ""]
    assert notes(observation(result)) == [
        "NOTE: rlm_query_batched: 3 of 5 prompts were refused by max_children_per_batch; their results are empty strings "
        "(indices 2, 3, 4)."
    ]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ('llm_query_batched("text")', "llm_query_batched() needs a list of str prompts, not str"),
        ('rlm_query_batched(["a", 3])', "rlm_query_batched() needs a list of str prompts, not int"),
        ("llm_query(3)", "llm_query() needs a str prompt, not int"),
        ('rlm_query("a", 3)', "rlm_query() needs a str model, not int"),
    ],
)
def test_s65_a_wrong_prompt_is_a_type_error_of_the_block(code: str, error: str) -> None:
    result = play(repl(code), repl("FINAL(1)"))

    assert f"TypeError: {error}" in observation(result)
    assert calls(result) == []


def test_s67_truncation_cuts_what_the_code_receives_and_says_so() -> None:
    code = 'out = [llm_query("abcdefgh"), rlm_query_batched(["child"])]'
    result = play(
        repl(code),
        repl('FINAL_VAR("out")'),
        children={"child": [repl('FINAL("0123456789")')]},
        result_truncation_limit=4,
    )

    assert result.final_value == ["<abc", ["0123"]]
    assert result.final_answer == "['<abc', ['0123']]"
    assert [(call.value, call.cut) for call in calls(result)] == [("<abcdefgh>", 4), ("0123456789", 4)]
    assert notes(observation(result)) == [
        "NOTE: llm_query: an answer of 10 characters was cut to 4.",
        "NOTE: rlm_query_batched: an answer of 10 characters was cut to 4.",
    ]


# Depth and models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_depth", "depth", "ran"),
    [(0, 0, ["llm"]), (1, 0, ["llm"]), (2, 0, ["rlm", "llm"]), (3, 0, ["rlm", "rlm", "llm"]), (3, 2, ["llm"])],
)
def test_s60_depth(max_depth: int, depth: int, ran: list[str]) -> None:
    deeper = repl('FINAL(rlm_query("child"))')
    result = play(deeper, children={"child": [deeper]}, max_depth=max_depth, depth=depth)

    assert result.final_answer == "<child>"
    assert result.depth == depth
    assert [call.ran_as for call in calls(result)] == ran
    assert [call.reason for call in calls(result)] == [None] * (len(ran) - 1) + ["depth"]
    assert [node.depth for node in nodes(result)] == list(range(depth, depth + len(ran)))


def models_asked(**keywords: Any) -> list[tuple[str, str | None]]:
    """Which model each request went to: by root, child and leaf."""
    code = 'llm_query("l")\nllm_query("lx", model="x")\nrlm_query("child")\nrlm_query("child x", model="x")\nFINAL(1)'
    chat = Chat(repl(code), children={"child": [repl('llm_query("c")\nFINAL(1)')]})
    LocalRLMRunner(chat, **keywords).run("", "?", model="m")
    return [
        ("child" if "child" in m[1]["content"] else "root", model) if len(m) > 1 else (m[0]["content"], model)
        for m, model in chat.asked
    ]


def test_s17_s63_a_model_is_inherited_and_an_override_reaches_the_childs_own_calls() -> None:
    assert models_asked() == [
        ("root", "m"), ("l", "m"), ("lx", "x"), ("child", "m"), ("c", "m"), ("child", "x"), ("c", "x"),
    ]  # fmt: skip


def test_s17_sub_model_is_for_all_sub_calls_that_name_none() -> None:
    assert models_asked(sub_model="s") == [
        ("root", "m"), ("l", "s"), ("lx", "x"), ("child", "s"), ("c", "s"), ("child", "x"), ("c", "s"),
    ]  # fmt: skip


def test_models_by_depth_come_before_it_and_after_what_the_code_names() -> None:
    assert models_asked(sub_model="s", depth_models={1: "one"}) == [
        ("root", "m"), ("l", "one"), ("lx", "x"), ("child", "one"), ("c", "s"), ("child", "x"), ("c", "s"),
    ]  # fmt: skip
    assert models_asked(depth_models={2: "two"}) == [
        ("root", "m"), ("l", "m"), ("lx", "x"), ("child", "m"), ("c", "two"), ("child", "x"), ("c", "two"),
    ]  # fmt: skip


# Children ---------------------------------------------------------------------------------------------------------


def test_s62_a_childs_prompt_is_its_context_and_its_task() -> None:
    prompt = "child " + "a" * (8192 - 6)
    chat = Chat(repl(f"FINAL(rlm_query({prompt!r}))"), children={"child": [repl("FINAL(context)")]})
    result = LocalRLMRunner(chat).run("", "?")

    assert result.final_answer == prompt
    assert f'"{prompt}"' in chat.asked[1][0][1]["content"]


def test_s62_a_long_prompt_is_told_by_its_two_ends() -> None:
    code = 'FINAL(rlm_query("child" + "a" * 399_990 + "tail!"))'
    chat = Chat(repl(code), children={"child": [repl("print(1)"), repl("FINAL([len(context), context[-5:]])")]})
    journal = Journal.memory()
    result = LocalRLMRunner(chat, journal=journal).run("", "?")

    assert result.final_answer == "[400000, 'tail!']"
    opening = chat.asked[1][0]
    assert len(opening[1]["content"]) < 10_000
    assert "[391808 characters are left out here; the whole text is in `context`]" in opening[1]["content"]
    assert "400000 characters in total" in opening[0]["content"]
    child = next(start for start in of_kind(journal, NodeStart) if start.id != "root")
    assert len(journal.text(child.context.text)) == 400_000


def test_s61_a_child_gets_every_option() -> None:
    child = [repl("x = 1"), repl("x = 2"), "Done."]
    chat = Chat(repl('FINAL(rlm_query("child"))'), children={"child": child})
    result = LocalRLMRunner(
        chat, max_iterations=2, system_prompt="Write ```repl code.", result_truncation_limit=2
    ).run("", "?")  # fmt: skip

    assert result.final_answer == "Do"
    assert nodes(result)[1].status == "exhausted"
    assert all(m[0]["content"].startswith("Write ```repl code.") for m, _ in chat.asked if len(m) > 1)


def test_s61_counters_are_the_trees() -> None:
    code = 'FINAL([rlm_query("child a"), rlm_query("child b")])'
    children = {
        "child": [repl('out = [rlm_query("grand 1"), rlm_query("grand 2")]\nFINAL(out)')],
        "grand": [repl("FINAL(1)")],
    }
    result = play(repl(code), children=dict(reversed(children.items())), max_depth=3, max_children_total=3)

    assert result.final_value == ["['1', '1']", "Error: max_children_total exceeded"]


def test_a_leafs_request_is_in_the_tree_with_its_usage() -> None:
    def chat(messages: Any) -> Any:
        if len(messages) == 1:
            return Reply("a", usage=Usage(prompt=3, completion=2, cost=0.5))
        return Reply(repl('FINAL(llm_query("q"))'), usage=Usage(prompt=10, completion=5, cost=1.0))

    result = LocalRLMRunner(chat).run("", "?")

    (call,) = calls(result)
    assert call.usage is not None
    assert (call.usage.prompt, call.usage.cost) == (3, 0.5)
    assert result.usage is not None
    assert (result.usage.prompt, result.usage.completion, result.usage.cost) == (13, 7, 1.5)


# Batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_shares_its_key_and_every_item_is_announced_before_any_is_asked() -> None:
    journal = Journal.memory()
    answered('llm_query_batched(["a", "b"])\nout = llm_query_batched(["c", "c", "d"])', journal=journal)
    starts = list(of_kind(journal, CallStart))

    assert [(s.batch, s.item, s.size) for s in starts] == [(1, 1, 2), (1, 2, 2), (2, 1, 3), (2, 2, 3), (2, 3, 3)]
    first_answer = next(e.seq for e in of_kind(journal, LlmEnd) if "~" in e.id)
    assert starts[1].seq < first_answer
    assert starts[2].id[:-1] == starts[3].id[:-1]
    assert (starts[2].id[-2:], starts[3].id[-2:]) == ("#1", "#2")


class Crowd:
    """Leaf answers that wait until as many are there as are let in."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.now = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, prompt: str) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.barrier.wait(20)
        with self._lock:
            self.now -= 1
        return prompt


def test_a_batch_runs_side_by_side_up_to_the_window() -> None:
    crowd = Crowd(4)

    assert len(answered("out = llm_query_batched([str(i) for i in range(12)])", leaf=crowd, max_batch_workers=4)) == 12
    assert crowd.most == 4


THREADS = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    out = list(pool.map(lambda i: llm_query(f"q{i % 5}"), range(20)))
    out += [r for rs in pool.map(lambda i: llm_query_batched([f"b{i}", "same"]), range(4)) for r in rs]
"""


def test_addresses_are_the_same_however_threads_run() -> None:
    seen: set[tuple[str, ...]] = set()
    for _ in range(5):
        journal = Journal.memory()
        out = answered(THREADS, journal=journal)
        assert out[:5] == [f"<q{i}>" for i in range(5)]
        seen.add(tuple(sorted(start.id for start in of_kind(journal, CallStart))))
    assert len(seen) == 1
    assert len(seen.pop()) == 28


def test_calls_of_threads_run_at_the_same_time() -> None:
    crowd = Crowd(6)
    code = THREADS.partition("with")[0] + (
        'with ThreadPoolExecutor(6) as pool:\n    out = list(pool.map(llm_query, "abcdef"))'
    )

    assert answered(code, leaf=crowd) == list("abcdef")
    assert crowd.most == 6


# No deadlock ------------------------------------------------------------------------------------------------------


def test_batches_nested_to_depth_4_with_one_worker() -> None:
    deeper = repl('FINAL("+".join(rlm_query_batched(["child 1", "child 2"])))')
    result = play(deeper, children={"child": [deeper]}, max_depth=4, max_batch_workers=1)

    assert result.final_answer == "+".join(["<child 1>", "<child 2>"] * 8)
    assert len(calls(result)) == 2 + 4 + 8 + 16
    assert {call.status for call in calls(result)} == {"ok"}


def test_threads_that_wait_for_one_another_over_children() -> None:
    # Blocks that compute in one thread while another waits for a child: more of them than there are computing slots.
    nested = """
from concurrent.futures import ThreadPoolExecutor
def both(i):
    llm_query(f"before {i}")
    return rlm_query_batched([f"leaf child {i}", f"leaf child {i + 1}"])
with ThreadPoolExecutor(4) as pool:
    out = list(pool.map(both, range(4)))
FINAL(len(out))
"""
    result = play(
        repl('FINAL(rlm_query_batched([f"wide child {i}" for i in range(6)]))'),
        children={"wide child": [repl(nested)], "leaf child": [repl("FINAL(sum(range(1000)))")]},
        max_depth=3,
        max_batch_workers=4,
    )

    assert result.final_value == ["4"] * 6
    assert len(calls(result)) == 6 + 6 * (4 + 8)


def test_children_end_in_the_journal_before_their_call_does() -> None:
    journal = Journal.memory()
    answered('out = rlm_query_batched(["child 1", "child 2"])', children={"child": [repl("FINAL(1)")]}, journal=journal)
    ends = {end.id: end.seq for end in of_kind(journal, NodeEnd)}

    assert [ends[end.id] < end.seq for end in of_kind(journal, CallEnd)] == [True, True]


def test_a_function_that_is_not_there_cannot_be_called() -> None:
    # A block can reach what makes the functions; what it asks for then is checked here.
    code = CATCH + (
        "names = next(c.cell_contents for c in llm_query.__closure__ if hasattr(c.cell_contents, '_call'))\n"
        'out = tried(lambda: names._call("format_disk", "p", None))'
    )
    journal = Journal.memory()

    assert answered(code, journal=journal) == ["SubcallError", "NameError: there is no function 'format_disk' to call"]
    assert list(of_kind(journal, CallStart)) == []


def test_s68_traces_are_in_the_order_in_which_children_ended() -> None:
    ended = threading.Event()

    def on_complete(*_: Any) -> None:
        ended.set()

    def leaf(prompt: str) -> str:
        assert ended.wait(20)
        return "waited"

    result = play(
        repl('FINAL(rlm_query_batched(["slow child", "quick child"]))'),
        children={"slow child": [repl('FINAL(llm_query("wait"))')], "quick child": [repl("FINAL(1)")]},
        leaf=leaf,
        on_subcall_complete=on_complete,
    )

    assert result.final_value == ["waited", "1"]
    assert [trace.prompt_preview for trace in result.child_traces] == ["quick child", "slow child"]
