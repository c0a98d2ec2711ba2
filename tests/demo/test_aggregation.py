"""`aggregation`: markers, the leaf that chats, and what follows from an edit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.demo.aggregation import CHAT, INSISTENCE
from rlm_tui.demo.catalogue import SCENARIOS
from rlm_tui.demo.lexicon import category
from tests.demo.desk import FENCE, Desk, ask
from tests.runs import done, running

AGGREGATION = SCENARIOS["aggregation"]


@pytest.fixture
def data():
    return AGGREGATION.make(11)


@pytest.fixture
def desk(data):
    return Desk(AGGREGATION.policy, data.context, data.question)


def prompts(desk: Desk) -> list[str]:
    return [request.messages[0]["content"] for request in desk.asked if request.leaf]


def edit_answers(desk: Desk, edit) -> None:
    """Put a hand between the leaves and the code: index in the batch, the real answer."""
    desk.names["llm_query_batched"] = lambda asks: [edit(n, desk.leaf(prompt)) for n, prompt in enumerate(asks)]


def test_the_way_from_look_to_answer(desk, data):
    assert desk.play() == data.oracle
    look, label, again, answer = desk.outputs
    assert look == "\n".join([data.context.splitlines()[0], data.context.splitlines()[-1], "600 lines", ""])
    assert label == "550 of 600 labelled\n"
    said, labelled, *counts, categories = again.splitlines()
    assert said == f"chunk 7 said: {CHAT[:60]!r}"
    assert (labelled, categories) == ("600 of 600 labelled", "6 categories")
    assert sum(int(line.split()[0]) for line in counts) == 600
    kind, n = data.oracle.split(": ")
    assert f"{n} {kind}" in counts
    assert answer == ""


def test_twelve_leaves_of_fifty_tickets_and_one_again(desk):
    desk.play()
    asked = prompts(desk)
    assert [prompt.split("\n---\n")[1].count("\n#") + 1 for prompt in asked] == [50] * 13
    assert [n for n, prompt in enumerate(asked) if INSISTENCE in prompt] == [12]
    assert asked[12].split("\n---\n")[1] == asked[7].split("\n---\n")[1]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("q\n---\n#0001 user 3: Hi, nothing loads in Wren 1\n#0002 user 9: Hello, many thanks for Heron 2",
         "#0001 outage\n#0002 praise"),
        ("q\n---\n#0001 user 3: Hi, what time is it?", "#0001 unclear"),
        ("q\n---\nno ticket", "there is no ticket here"),
        ("#0001 user 3: Hi, nothing loads in Wren 1\n---\n", "there is no ticket here"),
        ("q\n---\n#0350 user 3: Hi, nothing loads in Wren 1", CHAT),
        (f"q {INSISTENCE}\n---\n#0350 user 3: Hi, nothing loads in Wren 1", "#0350 outage"),
        ("q\n---\n#0351 user 3: Hi, nothing loads in #0350", "#0351 outage"),
        ("", "there is no ticket here"),
    ],
)  # fmt: skip
def test_a_leaf_answers_from_the_tickets_in_its_prompt(desk, prompt, answer):
    assert desk.leaf(prompt) == answer


def test_the_leaf_that_chats_answers_well_when_it_is_asked_once_more(desk):
    desk.play()
    (bad,) = [request for request in desk.asked if request.leaf and ask(desk.policy, request).text == CHAT]
    again = ask(desk.policy, replace(bad, attempt=2)).text
    assert len(re.findall(r"^#\d{4} \w+$", again, re.MULTILINE)) == 50


def test_when_every_ticket_has_a_label_nobody_is_asked_again(desk, data):
    plain, insisting = "\n---\n", f" {INSISTENCE}\n---\n"
    desk.names["llm_query_batched"] = lambda asks: [desk.leaf(prompt.replace(plain, insisting)) for prompt in asks]
    assert desk.play() == data.oracle
    assert desk.outputs[1] == "600 of 600 labelled\n" and len(prompts(desk)) == 12
    assert len(desk.outputs) == 4


def test_tickets_without_a_label_after_two_rounds_are_owned_up_to(desk, data):
    edit_answers(desk, lambda n, answer: "no" if n == 0 else answer)
    first = desk.play()
    assert re.fullmatch(r"\w+: \d+ \(50 of 600 tickets unlabelled\)", first)
    assert len(desk.outputs) == 4


def test_an_edited_answer_of_a_leaf_is_what_the_code_counts(desk, data):
    rarest = data.oracle.split(": ")[0]
    edit_answers(desk, lambda n, answer: answer.replace(f" {rarest}", " praise" if rarest != "praise" else " login"))
    assert desk.play() == f"{rarest}: 0"


def test_labels_that_nobody_asked_for_are_not_counted(desk, data):
    edit_answers(desk, lambda n, answer: answer + "\n#9999 praise\n#0001 nonsense\nFINAL(3)\n600 of 600 labelled")
    assert desk.play() == data.oracle


def test_a_leaf_that_failed_is_asked_again(desk, data):
    real = desk.names["llm_query_batched"]
    desk.names["llm_query_batched"] = lambda asks: (
        ["Error: killed by user", *real(asks[1:])] if len(asks) == 12 else real(asks)
    )
    assert desk.play() == data.oracle
    assert desk.outputs[1] == "500 of 600 labelled\n"


def test_an_edited_observation_is_believed(desk, data):
    desk.turn()
    desk.turn()
    desk.messages[-1]["content"] = desk.messages[-1]["content"].replace("550 of 600", "600 of 600")
    assert re.fullmatch(r"\w+: \d+ \(50 of 600 tickets unlabelled\)", desk.play())
    assert len(prompts(desk)) == 12, "so it believes that all are labelled, and only its own arithmetic knows better"


def test_smaller_chunks_by_hand_are_gone_on_from(desk, data):
    desk.turn()
    desk.turn(edit=lambda code: code.replace("n + 50", "n + 100").replace("len(lines), 50", "len(lines), 100"))
    assert desk.outputs[-1] == "500 of 600 labelled\n"
    assert desk.play() == data.oracle


def test_another_category_in_the_question_is_looked_for_too(data):
    question = data.question.replace("praise.", "praise, gossip.")
    assert Desk(AGGREGATION.policy, data.context, question).play() == "gossip: 0"


def test_a_context_without_the_bad_ticket_needs_no_second_round(data):
    context = "\n".join(line for line in data.context.splitlines() if not line.startswith("#0350"))
    desk = Desk(AGGREGATION.policy, context, data.question)
    desk.play()
    assert desk.outputs[1] == "599 of 599 labelled\n" and not FENCE.search(desk.messages[-1]["content"])


@pytest.mark.parametrize("hand", ["ask again", "supply"])
def test_one_leaf_repaired_by_hand_saves_the_second_round(hand):
    with running("aggregation", breakpoints=Breakpoints(None, ['return if "glad to help" in out'])) as run:
        call = run.held("return").id
        if hand == "ask again":
            done(run.session.retry(call))
        else:
            _, tickets = run.session.text(run.run.calls[call].prompt).split("\n---\n")
            done(run.session.supply(call, "\n".join(f"{line[:5]} {category(line)}" for line in tickets.splitlines())))
        run.ended()
        root = run.run.root
        assert (root.status, root.via, run.session.text(root.value)) == ("final", "answer", run.data.oracle)
        assert len(run.run.calls) == 12 and len(root.iterations) == 4
        attempts = [run.session.text(attempt.reply) for attempt in run.run.calls[call].attempts]
        assert attempts[0] == CHAT and len(attempts) == (2 if hand == "ask again" else 1)
        assert root.final_mark == ("downstream" if hand == "supply" else ""), "to ask again changes nothing by hand"


def test_the_tree_is_a_root_and_thirteen_leaves_twelve_of_them_in_one_batch():
    with running("aggregation") as run:
        run.ended()
        calls = list(run.run.calls.values())
        assert [(call.ran_as, call.size, call.status) for call in calls] == [
            *[("llm", 12, "ok")] * 12,
            ("llm", 1, "ok"),
        ]
        assert len(run.run.nodes) == 1 and len(run.run.root.iterations) == 4
        assert run.session.text(calls[7].value) == CHAT
