"""What holds for the ladder of every scenario."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from rlm_tui.demo.aggregation import CHAT
from rlm_tui.demo.aggregation_variants import FLAKY, LEAF_ERROR, OVERSIZE, RATE_LIMIT
from rlm_tui.demo.catalogue import SCENARIOS, VARIANTS, scenario
from rlm_tui.demo.ladder import PROBE, Script
from rlm_tui.llm.base import ChatRequest, ModelError
from tests.demo.desk import FENCE, REPAIRS, Desk, ask, family, outcome, persist, seated

ON_PURPOSE = {"head and a claim", "useless", "give up"}
"""Rungs of `broken` that claim before they have seen, repeat themselves, or neither ask nor answer."""
EVERY = [*SCENARIOS, *VARIANTS]
STEADY = [name for name in EVERY if name != FLAKY.name]
"""Those whose root is not refused at its first attempt."""
BAD = (CHAT, f"Error: {RATE_LIMIT}", f"rate: {RATE_LIMIT}")
"""What leaves say that answer well when they are asked once more."""
FINAL = re.compile(r"^FINAL\(.*\)$", re.MULTILINE)


def played(name: str, seed: int) -> list[Desk]:
    """Every node of a run, the root first."""
    data = scenario(name).make(seed)
    desks: list[Desk] = []
    assert family(name, data.context, data.question, desks).play() == data.oracle
    return desks


def asked(name: str, seed: int) -> list[ChatRequest]:
    return [request for desk in played(name, seed) for request in desk.asked]


def script(name: str) -> Script:
    policy = scenario(name).policy
    assert isinstance(policy, Script)
    return policy


@pytest.fixture(params=EVERY)
def name(request) -> str:
    return request.param


@pytest.mark.parametrize("seed", range(20))
def test_the_code_of_the_replies_finds_the_answer_and_no_reply_holds_it(name, seed):
    data = scenario(name).make(seed)
    for desk in played(name, seed):
        for message in desk.messages:
            assert message["role"] != "assistant" or data.oracle not in message["content"]


def test_the_same_request_gets_the_same_reply_in_any_order(name):
    requests = asked(name, 3)
    policy = scenario(name).policy
    first = [outcome(policy, request) for request in requests]
    order = list(range(len(requests)))
    random.Random(1).shuffle(order)
    again = {n: outcome(policy, requests[n]) for n in order}
    assert [again[n] for n in range(len(requests))] == first


def test_the_same_request_gets_the_same_reply_in_another_process(name):
    requests = asked(name, 3)
    code = """
import json, sys
from rlm_tui.llm.base import ChatRequest, ModelError
from rlm_tui.demo.catalogue import scenario
from tests.demo.desk import outcome
for messages in json.load(sys.stdin):
    print(json.dumps(outcome(scenario(sys.argv[1]).policy, ChatRequest(tuple(messages), "scripted:x"))))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, name],
        input=json.dumps([request.messages for request in requests[::-1]]),
        env={"PYTHONHASHSEED": "4711", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    there = [json.loads(line) for line in done.stdout.splitlines()]
    assert there == [outcome(scenario(name).policy, request) for request in requests[::-1]]


def test_the_model_name_and_the_parameters_change_nothing(name):
    for request in asked(name, 3):
        other = replace(request, params={"temperature": 1})
        assert outcome(scenario(name).policy, other) == outcome(scenario(name).policy, request)
        other = replace(request, model="scripted:y")
        said = outcome(scenario(name).policy, request).replace("too long for scripted:x", "too long for scripted:y")
        assert outcome(scenario(name).policy, other) == said


@pytest.mark.parametrize("name", STEADY)
def test_attempts_of_a_node_differ_in_their_prose_and_keep_the_code(name):
    nodes = [request for request in asked(name, 3) if not request.leaf]
    assert nodes
    for request in nodes:
        texts = [ask(scenario(name).policy, replace(request, attempt=n)).text for n in (1, 2, 3, 4)]
        assert len(set(texts)) == 4
        assert len({tuple(FENCE.findall(text)) for text in texts}) == 1 and FENCE.findall(texts[0])


def test_attempts_of_a_leaf_that_answers_well_do_not_differ(name):
    for request in asked(name, 3):
        first, second = (outcome(scenario(name).policy, replace(request, attempt=n)) for n in (1, 2))
        if request.leaf and first not in BAD and "is busy" not in first:
            assert first == second


@pytest.mark.parametrize("name", STEADY)
def test_a_mark_tells_one_step_from_all_others(name):
    for rungs in (script(name).root, (PROBE, *script(name).children)):
        steps = [rung for rung in rungs if rung.code and rung.name not in ON_PURPOSE]
        assert steps
        for rung in steps:
            assert rung.mark and [other.name for other in steps if rung.mark in other.code] == [rung.name]


@pytest.mark.parametrize("name", STEADY)
def test_a_rung_has_either_code_or_a_final_and_two_wordings(name):
    for rung in (PROBE, *script(name).root, *script(name).children):
        assert rung.name in ON_PURPOSE or bool(rung.code) != bool(rung.final), rung.name
        assert len(set(rung.prose)) == len(rung.prose) >= 2


def test_code_fits_a_narrow_screen_and_compiles(name):
    for desk in played(name, 3):
        for message in desk.messages:
            for code in FENCE.findall(message["content"]) if message["role"] == "assistant" else ():
                compile(code, "<block>", "exec")
                assert max(len(line) for line in code.splitlines()) <= 78
                assert len(code.splitlines()) <= 20


def root(name: str) -> Desk:
    data = scenario(name).make(5)
    return seated(name, data.context, data.question)


def test_a_step_found_in_the_history_is_not_repeated_whoever_wrote_it(name):
    taken = root(name)
    first = taken.reply()
    taken.turn(f"I have my own way to begin.\n\n```repl\n{FENCE.findall(first)[0]}\n```")
    second = taken.reply()
    assert FENCE.findall(second) and FENCE.findall(second) != FENCE.findall(first)


def test_a_reply_by_hand_that_takes_two_steps_at_once_is_gone_on_from(name):
    plain, quick = root(name), root(name)
    for _ in range(3):
        plain.turn()
    one, two, three = (FENCE.findall(message["content"])[0] for message in plain.messages[2::2])
    quick.turn(f"Both at once.\n\n```repl\n{one}\n{two}\n```")
    assert FENCE.findall(quick.reply()) == [three]


def test_an_old_observation_put_in_again_does_not_bring_its_step_back(name):
    desk = root(name)
    desk.turn()
    desk.turn()
    desk.messages[-1] = desk.messages[-3]
    assert FENCE.findall(desk.reply()) != FENCE.findall(desk.messages[-2]["content"])


def test_after_a_nudge_the_step_that_was_missed_is_taken(name):
    plain, nudged = root(name), root(name)
    nudged.turn("Let me think about this for a moment.")
    for _ in range(3):
        plain.turn()
        nudged.turn()
        nudged.turn("I am still thinking.")
    assert plain.outputs == [output for output in nudged.outputs if output]
    assert plain.outputs[-1]


def test_an_unknown_question_gets_a_probe_and_an_honest_end(name):
    data = scenario(name).make(5)
    for context in (data.context, "What is this?\n---\nsome data", "", {"a": "b"}):
        desk = Desk(scenario(name).policy, context, "How many ducks are there?")
        assert desk.play(most=2) == "this script does not know the question it was asked"
        assert "ERROR" not in desk.outputs[0]
        assert ("question: What is this?" in desk.outputs[0]) == (context == "What is this?\n---\nsome data")


@pytest.mark.parametrize("name", [name for name in EVERY if name != "broken"])
def test_a_block_that_fails_ends_with_a_plain_word_and_not_in_a_loop(name):
    desk = root(name)
    desk.turn()
    desk.turn(edit=lambda code: "raise RuntimeError('no')")
    assert "last block failed" in desk.play(most=3)


def test_an_output_that_tells_nothing_ends_with_a_plain_word(name):
    desk = root(name)
    desk.turn(edit=lambda code: "pass")
    assert "cannot go on" in desk.play(most=2)


def test_a_refused_answer_is_given_again_in_plain_words(name):
    desk = root(name)
    desk.play()
    desk.final = None
    desk.turn()
    assert desk.final and desk.final.startswith("no answer")


def test_when_the_iterations_ran_out_there_is_no_code(name):
    desk = root(name)
    desk.turn()
    desk.messages.append({"role": "user", "content": "You have run out of REPL iterations. Give your answer."})
    reply = desk.reply()
    assert not FENCE.findall(reply) and (FINAL.search(reply) or name in REPAIRS)


def test_no_history_makes_a_policy_fail(name):
    texts = [
        "",
        "---",
        "\n---\n",
        "REPL output:\n",
        '"$name"',
        "question: x",
        "station: `",
        "0 logs, 1 people",
        "9 hits",
    ]
    rng = random.Random(8)
    requests = asked(name, 3)
    for _ in range(300):
        messages = list(rng.choice(requests).messages)
        for _ in range(rng.randrange(4)):
            role = rng.choice(["user", "assistant"])
            messages.insert(rng.randrange(len(messages) + 1), {"role": role, "content": rng.choice(texts)})
        try:
            assert persist(scenario(name).policy, ChatRequest(tuple(messages), "scripted:x"))
        except ModelError as error:
            assert name in (OVERSIZE.name, LEAF_ERROR.name) and error.kind in ("context", "rate")
