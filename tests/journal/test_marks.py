"""A person's hand and what follows from it, through a tree: ``edited`` is ✎, ``downstream`` is ┆."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import Blob, NodeEnd
from rlm_tui.journal.run import REVERTED, Run
from tests.journal.build import Tape, picture


def asked() -> tuple[Tape, list[str]]:
    """One iteration before, then a batch of five in flight."""
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1")
    tape.say("root/i1", "seen")
    tape.ask("root/i2", base=2)
    tape.code("root/i2/b1")
    return tape, tape.batch("root/i2/b1", 5)


def go_on(tape: Tape) -> Run:
    """The rest of the run, as its model would go on."""
    tape.ran("root/i2/b1")
    tape.say("root/i2", "7 m")
    tape.ask("root/i3", base=4)
    tape.code("root/i3/b1")
    tape.batch("root/i3/b1", 1, "llm")
    tape.ran("root/i3/b1")
    tape.say("root/i3", "7 m")
    tape.end()
    return tape.run()


def marks(run: Run) -> dict[str, str]:
    """Every mark that is there, by address."""
    found = {id: call.row_mark for id, call in run.calls.items()}
    found |= {id: block.mark for id, block in run.blocks.items()}
    found |= {id: iteration.mark for id, iteration in run.iterations.items()}
    found |= {f"{id} obs": iteration.obs_mark for id, iteration in run.iterations.items()}
    found |= {f"{id} final": node.final_mark for id, node in run.nodes.items() if node.final_mark}
    return {id: mark for id, mark in found.items() if mark}


def rest_of_root(run: Run) -> dict[str, str]:
    later = run.blocks["root/i3/b1"].calls[0].id
    return dict.fromkeys(
        ["root/i2/b1", "root/i2 obs", "root/i3", "root/i3/b1", later, "root/i3 obs", "root final"], "downstream"
    )


def test_without_a_hand_nothing_is_marked():
    tape, calls = asked()
    for call in calls:
        tape.child(call)
    run = go_on(tape)
    assert marks(run) == {}
    assert run.root is not None
    assert run.root.row_mark == ""


def test_an_edit_in_the_third_child_marks_it_its_block_and_what_its_parent_does_later_and_no_sibling():
    tape, calls = asked()
    third = calls[2]
    tape.node(third, 1)
    tape.ask(f"{third}/i1")
    tape.hold(f"{third}/i1/b1", "block", node=third, code="old")
    tape.edit(f"{third}/i1/b1", "code", "new", "old")
    tape.go(f"{third}/i1/b1")
    tape.code(f"{third}/i1/b1", "new")
    tape.ran(f"{third}/i1/b1")
    tape.say(f"{third}/i1", "so")
    assert marks(tape.run()) == {
        third: "edited", f"{third}/i1/b1": "edited", f"{third}/i1 obs": "downstream",
    }  # fmt: skip
    tape.add(NodeEnd(id=third, status="final", value="9 m", via="FINAL"))
    tape.back(third, "9 m")
    # Items of the batch that begin, and end, after the edited one was answered follow from nothing of it.
    for call in (calls[0], calls[1], calls[3], calls[4]):
        tape.child(call)
    run = go_on(tape)
    assert marks(run) == {
        third: "edited",
        f"{third}/i1/b1": "edited",
        f"{third}/i1 obs": "downstream",
        f"{third} final": "downstream",
        **rest_of_root(run),
    }
    block = run.blocks[f"{third}/i1/b1"]
    assert (block.code, block.was) == ("new", "old")
    assert [node.row_mark for node in run.nodes.values()] == ["downstream", "edited", "", "", "", ""]


@pytest.mark.parametrize("ran_as", ["rlm", "llm"])
def test_an_edited_prompt_reaches_its_parent_with_its_answer_and_not_before(ran_as: str):
    tape, calls = asked()
    third = calls[2]
    tape.hold(third, "call")
    tape.edit(third, "prompt", "better", "part 2")
    tape.go(third)
    if ran_as == "rlm":
        tape.node(third, 1)
        tape.ask(f"{third}/i1")
    else:
        tape.ask(third)
    run = tape.run()
    assert run.root is not None
    assert run.calls[third].edited_prompt == "better"
    assert not run.root.tainted
    assert run.root.row_mark == "edited"
    # A later, sequential call of the same block before the answer is there does not follow from it.
    more = tape.batch("root/i2/b1", 6)[5]
    assert tape.run().calls[more].mark == ""
    tape.back(third)
    run = go_on(tape)
    expected = {third: "edited", **rest_of_root(run)}
    if ran_as == "rlm":
        expected[f"{third}/i1"] = "downstream"
    assert marks(run) == expected


@pytest.mark.parametrize("when", ["supplied at its gate", "changed when it came back"])
def test_a_supplied_answer(when: str):
    tape, calls = asked()
    third = calls[2]
    if when == "supplied at its gate":
        tape.hold(third, "call")
        tape.edit(third, "answer", "mine")
        tape.go(third)
        tape.back(third, "mine", "supplied")
    else:
        tape.child(third, "its own")
        tape.hold(third, "return")
        tape.edit(third, "answer", "mine", "its own")
        assert tape.run().blocks["root/i2/b1"].mark == ""
        tape.go(third)
        assert tape.run().blocks["root/i2/b1"].mark == "downstream"
        assert tape.run().calls[third].was == "its own"
    run = go_on(tape)
    assert (run.calls[third].value, run.calls[third].state) == ("mine", "supplied")
    assert marks(run) == {third: "edited", **rest_of_root(run)}


def test_a_supplied_answer_that_a_crash_let_through_without_a_go_still_marks():
    tape, calls = asked()
    tape.child(calls[2])
    tape.hold(calls[2], "return")
    tape.edit(calls[2], "answer", "mine", "7 m")
    run = go_on(tape)
    assert marks(run) == {calls[2]: "edited", **rest_of_root(run)}


def test_a_hand_in_a_grandchild_climbs():
    tape, calls = asked()
    child = calls[0]
    tape.node(child, 1)
    tape.code(f"{child}/i1/b1")
    (grandchild,) = tape.batch(f"{child}/i1/b1", 1)
    tape.node(grandchild, 2)
    tape.edit(grandchild, "say", "hurry")
    tape.back(grandchild)
    tape.ran(f"{child}/i1/b1")
    assert tape.run().calls[child].row_mark == "downstream"
    tape.add(NodeEnd(id=child, status="final", value="1", via="FINAL"))
    tape.back(child, "1")
    run = go_on(tape)
    assert marks(run) == {
        grandchild: "edited", child: "downstream", f"{child}/i1/b1": "downstream", f"{child} final": "downstream",
        **rest_of_root(run),
    }  # fmt: skip


@pytest.mark.parametrize("field", ["messages", "model", "params"])
def test_a_request_that_was_edited_before_it_was_sent(field: str):
    tape, calls = asked()
    for call in calls:
        tape.child(call)
    tape.ran("root/i2/b1")
    tape.hold("root/i3", "llm")
    tape.edit("root/i3", field, [], [])
    tape.go("root/i3")
    tape.ask("root/i3", base=2)
    tape.ask("root/i4", base=4)
    run = tape.run()
    assert run.root is not None
    assert [iteration.id for iteration in run.root.iterations] == ["root/i1", "root/i2", "root/i3", "root/i4"]
    assert marks(run) == {"root/i3": "edited", "root/i4": "downstream"}


def test_a_block_that_a_rule_skips_before_it_was_ever_held():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.edit("root/i1/b1", "skip", {"say": False}, by="rule:3")
    tape.code("root/i1/b1", "print(1)")
    tape.ran("root/i1/b1", "skipped")
    block = tape.run().blocks["root/i1/b1"]
    assert (block.mark, block.code, block.state) == ("edited", "print(1)", "skipped")


def test_a_reply_and_an_observation():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "its own")
    tape.edit("root/i1", "reply", "mine", "its own")
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1")
    tape.edit("root/i1", "obs", "seen", "saw")
    tape.say("root/i1", "seen")
    run = tape.run()
    iteration = run.iterations["root/i1"]
    assert (iteration.reply, iteration.obs, iteration.obs_was) == ("mine", "seen", "saw")
    assert marks(run) == {"root/i1": "edited", "root/i1/b1": "downstream", "root/i1 obs": "edited"}


@pytest.mark.parametrize(
    ("verdict", "mark"),
    [({"text": "8 m"}, "edited"), ({"accept": True}, "edited"), ({"accept": False, "message": "no"}, "downstream")],
)
def test_an_answer_that_was_judged(verdict: dict[str, Any], mark: str):
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.edit("root/i1", "final", verdict, "7 m")
    tape.ask("root/i2")
    tape.end("8 m")
    assert marks(tape.run())["root final"] == mark


def test_a_forced_answer():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.edit("root", "final", {"text": "8 m"})
    tape.end("8 m", via="forced")
    run = tape.run()
    assert run.root is not None
    assert marks(run) == {"root final": "edited"}
    assert run.root.row_mark == "edited"


@pytest.mark.parametrize(
    ("origin", "by", "marked"), [("human", None, True), ("eval", "human", True), ("eval", None, False)]
)
def test_code_of_a_person_and_not_the_loops_own(origin: str, by: str | None, marked: bool):
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.code("root/i1/b1+h1", origin=origin, by=by)
    tape.ran("root/i1/b1+h1")
    tape.code("root/i1/b1")
    assert marks(tape.run()) == ({"root/i1/b1+h1": "edited", "root/i1/b1": "downstream"} if marked else {})


def test_a_note_marks_nothing():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.edit("root/i1", "note", "look here")
    tape.edit("root/i1", "note", "fan-out 20", by="rule:2")
    tape.end()
    run = tape.run()
    assert marks(run) == {}
    assert [(edit.value, edit.by) for edit in run.edits] == [("look here", "human"), ("fan-out 20", "rule:2")]


def test_a_long_code_that_was_edited_stays_a_blob():
    tape = Tape()
    tape.begin()
    blob = Blob.model_validate({"$blob": "a" * 64, "length": 9000})
    tape.hold("root/i1/b1", "block", code="old")
    tape.edit("root/i1/b1", "code", blob, "old")
    assert (tape.run().blocks["root/i1/b1"].code, tape.run().blocks["root/i1/b1"].was) == (blob, "old")


# Taking back ----------------------------------------------------------------------------------------------------------


def reverted(tape: Tape, id: str, field: str, came: Any, now: Any) -> None:
    tape.edit(id, field, came, now, note=REVERTED)


@pytest.mark.parametrize(
    ("point", "where", "field", "now", "came"),
    [("llm", "root/i3", "messages", [1], []), ("reply", "root/i2", "reply", "mine", "ok"),
     ("block", "root/i2/b2", "code", "new", "old"), ("call", 1, "prompt", "better", "part 1"),
     ("return", 0, "answer", "mine", "7 m"), ("observe", "root/i2", "obs", "mine", "7 m"),
     ("final", "root/i2", "final", {"text": "8"}, {"text": "7"})],
)  # fmt: skip
def test_what_is_taken_back_leaves_no_trace(point: str, where: str | int, field: str, now: Any, came: Any):
    def told(change: bool) -> dict[str, Any]:
        tape, calls = asked()
        tape.child(calls[0])
        id = calls[where] if isinstance(where, int) else where
        tape.hold(id, point, code="old")
        for value in ("first try", now) if change else ():
            tape.edit(id, field, value, came)
        if change:
            assert marks(tape.run())
            reverted(tape, id, field, came, now)
        found = marks(tape.run()), picture(tape.run())
        assert found[0] == {}
        tape.go(id)
        assert tape.run().root is not None
        assert marks(go_on(tape)) == {}
        shown = found[1]
        for key in ("last", "seen", "_next"):
            del shown[key]
        return shown

    with_, without = told(True), told(False)
    if field == "messages":
        # The iteration is there since it was first spoken of, and has nothing in it yet.
        assert with_["iterations"].pop("root/i3")["attempts"] == []
        with_["nodes"]["root"]["iterations"].remove("root/i3")
    assert with_ == without


def test_taking_back_does_not_touch_what_was_let_go_before():
    tape = Tape()
    tape.begin()
    tape.hold("root/i1", "llm")
    tape.edit("root/i1", "messages", [1], [])
    tape.go("root/i1")
    tape.ask("root/i1", "its own")
    tape.hold("root/i1", "reply")
    tape.edit("root/i1", "reply", "mine", "its own")
    reverted(tape, "root/i1", "reply", "its own", "mine")
    tape.go("root/i1")
    tape.code("root/i1/b1")
    run = tape.run()
    assert run.root is not None
    assert [edit.field for edit in run.edits] == ["messages"]
    assert (run.iterations["root/i1"].reply, run.root.hands) == ("its own", 1)
    assert marks(run) == {"root/i1": "edited", "root/i1/b1": "downstream"}


def test_taking_one_back_leaves_the_others_hand():
    tape, calls = asked()
    for call in calls[:2]:
        tape.hold(call, "call")
        tape.edit(call, "prompt", "better", "part")
    reverted(tape, calls[0], "prompt", "part", "better")
    run = tape.run()
    assert run.root is not None
    assert marks(run) == {calls[1]: "edited"}
    assert run.root.row_mark == "edited"
