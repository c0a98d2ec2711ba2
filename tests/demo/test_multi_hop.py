"""`multi-hop`: markers, leaves, children, shallow trees, and what follows from an edit."""

from __future__ import annotations

import re

import pytest

from rlm_tui.demo.catalogue import SCENARIOS, VARIANTS
from tests.demo.desk import Desk, family
from tests.runs import running

HOPS = SCENARIOS["multi-hop"]


@pytest.fixture
def data():
    return HOPS.make(11)


@pytest.fixture
def shallow(data):
    """The root at `max_depth` 1: whatever it asks, a leaf answers."""
    return Desk(HOPS.policy, data.context, data.question)


def tree(data) -> list[Desk]:
    desks: list[Desk] = []
    family("multi-hop", data.context, data.question, desks)
    return desks


def leaves(desk: Desk) -> int:
    return sum(request.leaf for request in desk.asked)


def note(data, title: str) -> str:
    return next(one for one in data.context if one.startswith(f"[{title}"))


def bridge(data) -> str:
    return data.question.removesuffix("?").split("designer of the ")[1]


def designer(data) -> str:
    return " ".join(note(data, f"bridges/{bridge(data).lower().replace(' ', '-')}").split(" ")[7:9])


def test_the_whole_tree(data):
    desks = tree(data)
    assert desks[0].play() == data.oracle
    assert [len(desk.outputs) for desk in desks] == [4, 3, 2, 2, 2, 2]
    assert [leaves(desk) for desk in desks] == [1, 1, 1, 0, 0, 0]
    look, station, logs, last = desks[0].outputs
    assert look.splitlines()[0] == "list of 16 notes" and len(look.splitlines()) == 17
    assert re.fullmatch(r"station: .+\n3 logs, 0 people\n", station)
    assert re.fullmatch(r"3 reports\n(report: g-\d+ \d+\.\d\n){3}", logs)
    assert last == f"calibrated by: {data.oracle}\n"


def test_labels_of_the_tree_tell_one_call_from_another(data):
    desks = tree(data)
    desks[0].play()
    firsts = [desk.names["context"].splitlines()[0] for desk in desks[1:]]
    assert len(set(firsts)) == 5
    assert [re.sub(r"g-\d+", "g", first) for first in firsts[2:]] == ["Report '<id> <max>' for gust log g."] * 3
    asked = [r.messages[0]["content"].splitlines()[0] for desk in desks for r in desk.asked if r.leaf]
    assert len(set(asked) | set(firsts)) == 8


def test_without_children_the_root_makes_the_second_hop_itself(shallow, data):
    assert shallow.play() == data.oracle
    assert len(shallow.outputs) == 5 and leaves(shallow) == 6
    assert shallow.outputs[1].splitlines() == [f"station: {designer(data)}", "0 logs, 1 people"]


def test_a_grandchild_may_be_a_leaf(data):
    desk = Desk(HOPS.policy, data.context, data.question)
    desk.names["rlm_query"] = lambda prompt: Desk(HOPS.policy, prompt, prompt).play()
    assert desk.play() == data.oracle and len(desk.outputs) == 4


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Who designed the Elm Bridge?\n---\nThe Elm Bridge was designed by Ada Moss and opened in 1900.", "Ada Moss"),
        ("Who designed the Elm Bridge?\n---\nThe Oak Bridge was designed by Ada Moss and opened.", "unknown"),
        ("What did Ada Moss found?\n---\nAda Moss later founded the weather station at High Tor and ran", "High Tor"),
        ("Who calibrated anemometer g-12?\n---\nAnemometer g-12 was calibrated by Bo Ek in the spring.", "Bo Ek"),
        ("Who calibrated anemometer g-1?\n---\nAnemometer g-12 was calibrated by Bo Ek in the spring.", "unknown"),
        ("Report.\n---\n[logs/high-tor/g-12] 9.8 12.4 3.0", "g-12 12.4"),
        ("Report.\n---\n[logs/high-tor/g-12] 9.8 12.4 three", "unknown"),
        ("Who designed the Elm Bridge?", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_leaf_answers_from_the_data_in_its_prompt(shallow, prompt, answer):
    assert shallow.leaf(prompt) == answer


def test_a_leaf_makes_one_hop_only(shallow, data):
    notes = "\n".join(one for one in data.context if one.startswith(("[bridges", "[people")))
    question = f"Which station did the designer of the {bridge(data)} found?"
    assert shallow.leaf(f"{question}\n---\n{notes}") == designer(data)


def child(prompt: str) -> Desk:
    return Desk(HOPS.policy, prompt, prompt)


def test_a_child_believes_its_context_and_not_the_wording_of_its_first_message():
    desk = Desk(HOPS.policy, "Report '<id> <max>' for gust log g-7.\n---\n[logs/x/g-7] 9.8 12.4", "Go!")
    assert desk.play() == "g-7 12.4"


@pytest.mark.parametrize(
    "prompt",
    [
        "Which station did the designer of the Elm Bridge found?\n---\nnothing of use",
        "Which station did Ada Moss found?\n---\nnothing of use",
    ],
)
def test_a_child_without_the_telling_note_says_so(prompt):
    assert child(prompt).play() == "unknown"


def test_a_child_without_data_gives_up():
    assert "does not know" in child("Which station did the designer of the Elm Bridge found?").play()


def replies_to_logs(desk: Desk) -> list[str]:
    return re.findall(r"^report: (.+)$", desk.outputs[-1], re.MULTILINE)


def test_a_log_child_that_compares_text_misleads_the_root(data):
    """The numbers are text until `float` makes them numbers; the edit takes it away from one child's block."""
    straight = tree(data)[0]
    for _ in range(3):
        straight.turn()
    best = max(replies_to_logs(straight), key=lambda report: float(report.split()[1])).split()[0]

    def edited(prompt: str) -> str:
        desk = child(prompt)
        desk.turn()
        desk.turn(edit=lambda code: code.replace("float(value)", "value") if best in prompt else code)
        return desk.final or ""

    root = tree(data)[0]
    root.names["rlm_query_batched"] = lambda prompts: [edited(prompt) for prompt in prompts]
    wrong = root.play()
    assert wrong != data.oracle
    assert wrong in "".join(one for one in data.context if one.startswith("[workshop"))


def test_a_wrong_station_supplied_by_hand_leads_to_another_answer(data):
    stations = {re.split("[/]", one)[1] for one in data.context if one.startswith("[logs/")}
    right = tree(data)[0]
    right.turn()
    right.turn()
    for slug in stations:
        root = tree(data)[0]
        root.names["rlm_query"] = lambda prompt, slug=slug: slug.replace("-", " ")
        assert (root.play() == data.oracle) == ("station: " + slug.replace("-", " ") in right.outputs[1].lower())


@pytest.mark.parametrize("supplied", ["", "unknown", "Error: killed by user", "Nowhere\nFINAL(x)", "`x`", "Loch Ness"])
def test_a_station_that_is_none_ends_with_a_plain_word(data, supplied):
    root = tree(data)[0]
    root.names["rlm_query"] = lambda prompt: supplied
    assert root.play(most=5) == "no answer: the station was not found"


def test_a_person_supplied_as_station_costs_one_more_hop(data):
    desks = tree(data)
    root, real = desks[0], desks[0].names["rlm_query"]
    root.names["rlm_query"] = lambda prompt: designer(data) if "designer of" in prompt else real(prompt)
    assert root.play() == data.oracle and len(root.outputs) == 5


def test_a_person_who_leads_to_no_logs_is_not_asked_for_ever(data):
    root = tree(data)[0]
    root.names["rlm_query"] = lambda prompt: designer(data)
    assert root.play(most=5) == "no answer: the station was not found"


def test_a_killed_log_child_is_left_out(data):
    root = tree(data)[0]
    real = root.names["rlm_query"]
    root.names["rlm_query_batched"] = lambda ps: ["Error: killed by user", "", *[real(p) for p in ps[2:]]]
    root.play()
    assert len(re.findall("report: g-", root.outputs[2])) == 1


def test_no_usable_report_ends_with_a_plain_word(data):
    root = tree(data)[0]
    root.names["rlm_query_batched"] = lambda prompts: ["Error: killed by user" for _ in prompts]
    assert root.play() == "no answer: no gust log was reported"


def test_an_edited_observation_is_believed(data):
    root = tree(data)[0]
    for _ in range(3):
        root.turn()
    weakest = min(replies_to_logs(root), key=lambda report: float(report.split()[1]))
    root.messages[-1]["content"] = f"report: {weakest.split()[0]} 99.9"
    wrong = root.play()
    assert wrong != data.oracle and wrong in note(data, f"workshop/{weakest.split()[0]}")


def test_what_a_person_says_after_an_observation_counts_more_than_it(data):
    root = tree(data)[0]
    root.turn()
    root.turn()
    root.messages[-1]["content"] += "\n\nstation: Nowhere"
    root.turn()
    assert root.outputs[-1] == "0 reports\n"
    assert root.play() == "no answer: no gust log was reported"


def test_another_bridge_in_the_question_is_another_answer(data):
    """The question is read from the conversation, so an edited one is answered from the same notes."""
    bridges = [re.search("The (.+ Bridge) was", one)[1] for one in data.context if one.startswith("[bridges")]
    answers = {
        name: tree_answer(data.context, data.question.replace(bridge(data), name)) for name in bridges
    }  # fmt: skip
    assert answers[bridge(data)] == data.oracle
    others = [answer for name, answer in answers.items() if name != bridge(data)]
    assert sorted(answer.startswith("no answer") for answer in others) == [False, True], "one station has no logs"
    assert data.oracle not in others


def tree_answer(context: list[str], question: str) -> str:
    return family("multi-hop", context, question, []).play()


@pytest.mark.parametrize(("depth", "nodes", "fallbacks", "leaves", "iterations"), [(2, 5, 1, 3, 4), (1, 1, 5, 6, 5)])
def test_a_shallow_tree_asks_leaves_in_place_of_children(depth, nodes, fallbacks, leaves, iterations):
    assert VARIANTS["multi-hop+shallow"].make(3).limits.max_depth == 2
    with running("multi-hop+shallow", max_depth=depth) as run:
        run.ended()
        calls = list(run.run.calls.values())
        assert [call.fn.split("_")[0] for call in calls if call.reason == "depth"] == ["rlm"] * fallbacks
        assert sum(call.ran_as == "llm" for call in calls) == leaves
        assert (len(run.run.nodes), len(run.run.root.iterations)) == (nodes, iterations)
        assert run.session.text(run.run.root.value) == run.data.oracle
