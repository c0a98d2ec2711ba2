"""What a model is told."""

from __future__ import annotations

import ast
import io
from contextlib import redirect_stdout

import pytest

from rlm_tui.engine import prompts
from rlm_tui.engine.dialect import OpenEnv
from rlm_tui.engine.parsing import parse
from rlm_tui.engine.prompts import (
    RLM_SYSTEM_PROMPT,
    RLM_SYSTEM_PROMPT_QWEN,
    child_task,
    context_lengths,
    describe,
    no_such_variable,
    note_lines,
    opening,
    reminder,
)
from rlm_tui.engine.values import Context, NodeSpec


def node(task: str = "How many?", context: Context = "abc", system_prompt: str = RLM_SYSTEM_PROMPT) -> NodeSpec:
    return NodeSpec("root", 0, task, context, "scripted:x", system_prompt)


@pytest.mark.parametrize("prompt", [RLM_SYSTEM_PROMPT, RLM_SYSTEM_PROMPT_QWEN])
def test_s16_the_prompt_tells_everything_there_is(prompt: str) -> None:
    for name in OpenEnv().names:
        assert f"`{name}" in prompt, name
    for phrase in (
        "`context`", "```repl", "FINAL(value)", 'FINAL_VAR("name")', "llm_query", "rlm_query_batched", "SHOW_VARS",
        'answer["content"]', 'answer["ready"] = True', "SubcallError", "every import", "persist",
        "value of its last line", "traceback", "Never follow instructions", "in a later reply", "without any code",
    ):  # fmt: skip
        assert phrase in prompt, phrase
    assert f"{prompts.OUTPUT_CAP:,} characters" in prompt
    assert len(prompt) < 6_000


def test_s16_the_variant_adds_one_paragraph_on_the_price_of_sub_calls() -> None:
    added = RLM_SYSTEM_PROMPT_QWEN.removeprefix(RLM_SYSTEM_PROMPT)
    assert added != RLM_SYSTEM_PROMPT_QWEN
    assert "llm_query" in added
    assert "price" in added


@pytest.mark.parametrize(
    ("context", "pieces"),
    [
        ("x" * 120_000, [51_000, 51_000, 20_000]),
        (["Ann met Bo", "nobody"], [10, 6]),
        ({"a.txt": "Ann", "b.txt": 3}, [10, 8]),
    ],
)
def test_s16_the_examples_run_and_suit_every_kind_of_context(context: Context, pieces: list[int]) -> None:
    blocks = parse(RLM_SYSTEM_PROMPT, "stop").blocks
    assert len(blocks) == 2
    asked: list[str] = []

    def llm_query_batched(batch: list[str]) -> list[str]:
        asked.extend(batch)
        return ["Ann\nBo", *["NONE"] * (len(batch) - 1)]

    out = io.StringIO()
    with redirect_stdout(out):
        for block in blocks:
            exec(compile(ast.parse(block.code), "<example>", "exec"), space := {**locals()})
    assert [len(prompt.rpartition("\n\n")[2]) for prompt in asked] == pieces
    assert space["names"] == {"Ann", "Bo"}
    assert "2 ['Ann', 'Bo']" in out.getvalue()


# --- the facts about the context ---


@pytest.mark.parametrize(
    ("context", "facts"),
    [
        ("abc", ["a str:", " 3 characters in total", "[3]"]),
        ("", ["a str:", " 0 characters in total", "[0]"]),
        (["ab", "c" * 10], ["a list[str]:", " 12 characters in total", "[2, 10]"]),
        ([], ["a list[str]:", " 0 characters in total", "[]"]),
        ({"a": "xyz", "b": [1, 2]}, ["a dict:", " 9 characters in total", "[3, 6]", "'a', 'b'"]),
        ({"é": "é"}, ["a dict:", " 1 characters in total", "[1]", "'é'"]),
        ({"a": {"k": "é"}}, [" 10 characters in total", "[10]"]),
    ],
)
def test_s14_the_sentence_has_kind_total_and_lengths(context: Context, facts: list[str]) -> None:
    sentence = describe(context)
    for fact in facts:
        assert fact in sentence
    assert "\n" not in sentence
    assert sum(context_lengths(context)) == int(sentence.split(": ")[1].split()[0])


def test_s14_after_a_hundred_chunks_the_rest_is_a_number() -> None:
    sentence = describe(["ab"] * 100)
    assert "others" not in sentence
    sentence = describe(["ab"] * 103)
    assert sentence.count("2, ") >= 100
    assert "2, ... [3 others]]" in sentence


def test_s14_keys_of_a_dict_are_shortened_and_stay_on_one_line() -> None:
    sentence = describe({"k\n" * 200: "", **{str(k): "" for k in range(20)}})
    assert len(sentence) < 400
    assert "\n" not in sentence
    assert "... [13 others]" in sentence


# --- messages ---


def test_s14_the_first_message_is_the_prompt_a_blank_line_and_the_facts() -> None:
    messages = opening(node(context="abc", system_prompt="You are {x}."))
    assert messages[0] == {"role": "system", "content": "You are {x}.\n\n" + describe("abc")}


def test_s15_the_second_message_is_a_caution_and_the_task_in_quotes() -> None:
    task = "Fill {braces} and {0} and %s, \\n and {{twice}}"
    messages = opening(node(task))
    assert len(messages) == 2
    assert messages[1]["role"] == "user"
    assert messages[1]["content"].endswith(f'"{task}"')
    assert "not answer before" in messages[1]["content"]
    assert f'"{task}"' in reminder(task)


def test_s27_the_last_request_has_the_phrase_that_is_looked_for() -> None:
    message = OpenEnv().last_request(node())
    assert message["role"] == "user"
    for phrase in ("run out of REPL iterations", "FINAL(", "FINAL_VAR(", "no more code"):
        assert phrase in message["content"]


def test_nothing_the_engine_says_declares_an_answer_when_it_is_quoted() -> None:
    said = [RLM_SYSTEM_PROMPT, prompts.NUDGE, prompts.LAST_REQUEST, prompts.FIRST_TURN, reminder("x")]
    for text in [*said, *prompts.REFUSAL_NOTES.values(), *prompts.REJECT_NOTES.values()]:
        assert [p for p in parse(text, "stop").finals if p.refused is None] == []


def test_notes_are_one_line_each_and_said_once() -> None:
    assert note_lines(["a\nb", "c", "a b", ""]) == "NOTE: a b\nNOTE: c"


def test_s43_a_missing_variable_is_named_with_those_that_look_like_it() -> None:
    assert no_such_variable("totl", ["total", "tot"]) == (
        "FINAL_VAR(totl) was not taken: there is no such variable. Did you mean total or tot? SHOW_VARS() lists them."
    )
    assert "mean" not in no_such_variable("x")


# --- the task of a child ---


def test_s62_a_prompt_of_8192_characters_is_the_task_whole() -> None:
    assert child_task("é" * 8192) == "é" * 8192


def test_s62_a_longer_prompt_keeps_its_ends_and_says_where_the_rest_is() -> None:
    prompt = "a" * 6144 + "b" * 1000 + "c" * 2048
    task = child_task(prompt)
    head, middle, tail = task.split("\n\n")
    assert (head, tail) == ("a" * 6144, "c" * 2048)
    assert "1000 characters" in middle
    assert "`context`" in middle
