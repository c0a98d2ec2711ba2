from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    Blob,
    CallStart,
    Chunk,
    Event,
    Hold,
    LlmStart,
    NodeEnd,
    NodeStart,
    Proposal,
    Unknown,
    VariableRow,
)
from rlm_tui.journal.run import Run
from tests.journal import strategies
from tests.journal.build import Tape, context, picture, system_and, two_levels

BLOCK = "root/i2/b1"


def child(n: int) -> str:
    return address.call(BLOCK, "rlm", f"part {n}", None, 1)


# Laws -----------------------------------------------------------------------------------------------------------------


@given(strategies.RUNS, st.data())
def test_any_prefix_folds_and_goes_on_to_the_whole(events: list[Event], data: st.DataObject):
    cut = data.draw(st.integers(0, len(events)))
    run = Run(events[:cut])
    before = picture(run)
    assert before == picture(Run(events[:cut]))
    for event in events[cut:]:
        run.apply(event)
    assert picture(run) == picture(Run(events))


@given(strategies.RUNS)
def test_folding_twice_is_folding_once(events: list[Event]):
    assert picture(Run(events + events)) == picture(Run(events))


@given(strategies.RUNS)
def test_every_text_of_a_fold_is_one_whatever_an_edit_holds(events: list[Event]):
    run = Run(events)
    shown = [turn.reply for turn in run.iterations.values()] + [turn.obs_was for turn in run.iterations.values()]
    shown += [text for call in run.calls.values() for text in (call.value, call.was, call.edited_prompt)]
    shown += [block.code for block in run.blocks.values()]
    assert all(text is None or isinstance(text, str | Blob) for text in shown)


@given(strategies.RUNS)
def test_what_a_fold_shows_holds_together(events: list[Event]):
    run = Run(events)
    for node in run.nodes.values():
        assert node.holds >= 0
        assert (node.holds == 0) == (node.held_since is None)
        assert node.total.tokens >= node.own.tokens
        assert all(iteration.node is node for iteration in node.iterations)
    for call in run.calls.values():
        assert call in call.block.calls
        assert call.block.open_calls >= 0
    for block in run.blocks.values():
        assert block.open_calls == sum(call.status == "open" for call in block.calls)
    if run.root is not None and run.end is None:
        assert run.state == ("held" if run.held else "running")
    for iteration in run.iterations.values():
        for attempt in iteration.attempts:
            assert len(attempt.messages()) <= attempt.base + len(attempt.add)


def test_every_prefix_of_a_told_run_folds():
    events = two_levels().events
    for n in range(len(events) + 1):
        run = Run(events[:n])
        picture(run)
        assert run.seen == n


def test_no_event_changes_what_it_folds():
    events = two_levels().events
    before = [event.model_dump_json() for event in events]
    Run(events)
    assert [event.model_dump_json() for event in events] == before


# The tree and its states ----------------------------------------------------------------------------------------------


def test_a_whole_run():
    run = two_levels().run()
    assert (run.state, run.id, run.task) == ("ended", "231114-2213-00aa", "how deep?")
    assert run.root is not None
    assert (run.root.state, run.root.value, run.root.via) == ("answered", "7 m", "FINAL")
    assert [iteration.k for iteration in run.root.iterations] == [1, 2, 3]
    assert [node.id for node in run.root.walk()] == ["root", child(0), child(1), child(2)]
    assert [(call.item, call.size, call.state, call.value) for call in run.root.calls()] == [
        (n, 3, "done", "7 m") for n in range(3)
    ]
    assert (run.subcalls, run.children, run.errors, run.unknown) == (3, 3, 0, 0)
    assert all(node.parent is run.root for node in list(run.root.walk())[1:])
    assert run.root.row_mark == ""


def test_states_as_a_node_goes_on():
    tape = Tape()
    assert tape.run().state == "empty"
    tape.begin()
    seen = []

    def now() -> None:
        run = tape.run()
        assert run.root is not None
        block = run.blocks.get("root/i1/b1")
        seen.append((run.root.state, block.state if block else None))

    now()
    tape.add(LlmStart(id="root/i1", add=system_and("go")))
    now()
    tape.events.pop()
    tape.ask("root/i1")
    now()
    tape.hold("root/i1/b1", "block", code="print(1)")
    now()
    tape.go("root/i1/b1")
    now()
    tape.code("root/i1/b1")
    now()
    (call,) = tape.batch("root/i1/b1", 1)
    now()
    tape.child(call)
    now()
    tape.ran("root/i1/b1")
    now()
    tape.end()
    now()
    assert seen == [
        ("new", None), ("sampling", None), ("between", None), ("held", "held"), ("between", "new"),
        ("executing", "executing"), ("waiting", "waiting"), ("executing", "executing"), ("between", "done"),
        ("answered", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "value", "state"),
    [("final", "a", "answered"), ("final", "", "answered"), ("final", None, "unanswered"), ("exhausted", None, "unanswered"),
     ("exhausted", "a", "answered"), ("limit", None, "limit"), ("error", None, "error"), ("killed", None, "killed")],
)  # fmt: skip
def test_states_of_a_node_that_ended(status: str, value: str | None, state: str):
    tape = Tape()
    tape.begin()
    tape.end(value, status)
    run = tape.run()
    assert run.root is not None
    assert run.root.state == state


@pytest.mark.parametrize(
    ("status", "state"),
    [("ok", "done"), ("error", "error"), ("timeout", "timeout"), ("skipped", "skipped"), ("aborted", "killed"),
     ("died", "error")],
)  # fmt: skip
def test_states_of_a_block_that_ended(status: str, state: str):
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1", status)
    assert tape.run().blocks["root/i1/b1"].state == state


@pytest.mark.parametrize(
    ("status", "value", "state"),
    [("ok", "a", "done"), ("ok", None, "unanswered"), ("error", None, "error"), ("supplied", "a", "supplied"),
     ("killed", None, "killed"), ("timeout", None, "timeout"), ("refused", None, "refused")],
)  # fmt: skip
def test_states_of_a_call_that_ended(status: str, value: str | None, state: str):
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    (call,) = tape.batch("root/i1/b1", 1, "llm")
    assert tape.run().calls[call].state == "new"
    tape.back(call, value, status)
    run = tape.run()
    assert run.calls[call].state == state
    assert run.blocks["root/i1/b1"].state == "executing"


def test_reading_a_final_var_is_no_iteration_and_no_block_of_the_model():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "FINAL_VAR(depth)")
    tape.code("root/i1/final", "depth", origin="eval")
    tape.ran("root/i1/final", value="'7 m'")
    run = tape.run()
    assert run.root is not None
    assert [iteration.id for iteration in run.root.iterations] == ["root/i1"]
    (iteration,) = run.root.iterations
    assert iteration.blocks == []
    assert iteration.resolved is run.blocks["root/i1/final"]


def test_code_of_a_person_sits_beside_and_shifts_no_number():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    deep = address.call("root/i1/b1+h1", "rlm", "part 0", None, 1)
    for id in ("root/i1/b1+h1", "root/i1/b1", "root/i1+e1"):
        tape.code(id, origin="model" if id.endswith("b1") else "human")
        if id.endswith("+h1"):
            assert tape.batch(id, 1) == [deep]
            tape.node(deep, 1)
            tape.code(f"{deep}/i1/b1+h1", origin="human")
    run = tape.run()
    assert run.root is not None
    assert [iteration.id for iteration in run.root.iterations] == ["root/i1"]
    assert [(b.id, b.j) for b in run.root.iterations[0].blocks] == [
        ("root/i1/b1+h1", 0), ("root/i1/b1", 1), ("root/i1+e1", 0)
    ]  # fmt: skip
    assert [iteration.id for iteration in run.nodes[deep].iterations] == [f"{deep}/i1"]


def test_a_default_answer_is_a_request_of_its_own():
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.ask("root/default", "7 m", base=2)
    run = tape.run()
    assert run.root is not None
    assert run.root.default is not None
    assert (run.root.default.k, run.root.default.reply) == (0, "7 m")
    assert len(run.root.iterations) == 1


def test_a_chain_of_children_is_walked_however_deep():
    tape = Tape()
    tape.begin()
    node = "root"
    for depth in range(1, 1500):
        tape.code(f"{node}/i1/b1")
        node = f"{node}/i1/b1~rlm:00000000#1"
        tape.add(CallStart(id=node, fn="rlm_query", prompt="p", ran_as="rlm"))
        tape.node(node, depth)
    run = tape.run()
    assert run.root is not None
    assert [n.depth for n in run.root.walk()] == list(range(1500))
    assert [n.depth for n in run.nodes[node].up()] == list(reversed(range(1500)))
    assert "Node(" in repr(run.nodes[node])


def test_a_child_whose_call_is_missing_does_not_become_the_root():
    tape = Tape()
    tape.begin()
    tape.node(child(0), 1)
    run = tape.run()
    assert run.root is not None
    assert run.root.id == "root"
    assert child(0) in run.nodes


def test_events_of_a_newer_version_are_counted():
    tape = two_levels()
    tape.add(Unknown.model_validate({"ev": "moon.rise", "id": "root/i1"}))
    run = tape.run()
    assert (run.unknown, run.state) == (1, "ended")


# Blocks, output, variables --------------------------------------------------------------------------------------------


def test_variables_as_blocks_change_them():
    tape = Tape()
    tape.begin()
    tape.ran("root/i1/b9")
    tape.code("root/i1/b1")
    tape.ran("root/i1/b1", changed=(VariableRow(name="a", type="int"), VariableRow(name="b", type="int")))
    tape.code("root/i1/b2")
    tape.ran("root/i1/b2", changed=(VariableRow(name="a", type="str"),), removed=("b", "never"))
    run = tape.run()
    assert run.root is not None
    assert [(row.name, row.type) for row in run.root.variables.values()] == [("a", "str")]
    assert "root/i1/b9" not in run.blocks


def test_streams_are_there_while_they_are_needed():
    tape = Tape()
    tape.begin()
    tape.add(LlmStart(id="root/i1", add=system_and("go")))
    for text in ("so ", "I"):
        tape.add(Chunk(id="root/i1", kind="reply", text=text))
    tape.add(Chunk(id="root/i1", kind="reasoning", text="hm"))
    assert tape.run().iterations["root/i1"].attempts[0].stream == ["so ", "I"]
    tape.events = tape.events[:2]
    tape.ask("root/i1")
    tape.code("root/i1/b1")
    tape.add(Chunk(id="root/i1/b1", kind="stdout", text="1"))
    assert tape.run().blocks["root/i1/b1"].stream == [("stdout", "1")]
    tape.ran("root/i1/b1", stdout="1")
    tape.add(Chunk(id="root/i1/b1", kind="stderr", text="after", late=True))
    block = tape.run().blocks["root/i1/b1"]
    assert (list(block.stream), block.late, block.stdout) == ([], [("stderr", "after")], "1")


def test_a_block_that_runs_again_keeps_its_calls_and_forgets_its_end():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    (call,) = tape.batch("root/i1/b1", 1)
    tape.child(call)
    tape.ran("root/i1/b1", "died", reasons=("lost",))
    tape.code("root/i1/b1", "print(2)")
    tape.batch("root/i1/b1", 1)
    run = tape.run()
    block = run.blocks["root/i1/b1"]
    assert (block.state, block.code, len(block.calls), block.open_calls) == ("executing", "print(2)", 1, 0)
    assert run.subcalls == 1


def test_everything_a_block_left_is_there():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1", reasons=("dedented",))
    proposal = Proposal(text="7 m", chosen=True)
    tape.ran("root/i1/b1", stdout="o", stderr="e", stderr_at=((0, 1),), raw="r", value="v", error="x", finals=(proposal,),
             answer=proposal, effects=("clock",), notes=("n",), put_back=("FINAL",), reasons=("dedented", "late"))  # fmt: skip
    block = tape.run().blocks["root/i1/b1"]
    assert (block.stdout, block.stderr, block.stderr_at, block.raw) == ("o", "e", ((0, 1),), "r")
    assert (block.value, block.error, block.finals, block.answer) == ("v", "x", (proposal,), proposal)
    assert (block.effects, block.notes, block.put_back) == (("clock",), ("n",), ("FINAL",))
    assert block.reasons == ("dedented", "late")


# Held -----------------------------------------------------------------------------------------------------------------


def test_what_is_held_is_held_until_it_goes():
    tape = Tape()
    tape.begin()
    tape.hold("root/i1", "llm")
    run = tape.run()
    assert (run.state, list(run.held)) == ("held", ["root/i1"])
    assert run.root is not None
    assert run.root.held is run.held["root/i1"]
    tape.go("root/i1")
    run = tape.run()
    assert run.root is not None
    assert (run.state, run.held, run.root.held) == ("running", {}, None)


def test_of_several_things_held_in_a_node_the_newest_shows():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    calls = tape.batch("root/i1/b1", 3)
    for call in calls:
        tape.hold(call, "call")

    def newest() -> str | None:
        run = tape.run()
        assert run.root is not None
        return run.root.held.id if run.root.held else None

    assert newest() == calls[2]
    tape.go(calls[2])
    assert newest() == calls[1]
    tape.go(calls[0])
    assert newest() == calls[1]
    assert [tape.run().calls[call].state for call in calls] == ["new", "held", "new"]
    tape.go(calls[1])
    assert newest() is None


def test_a_long_code_in_a_gates_hand_stays_a_blob():
    tape = Tape()
    tape.begin()
    blob = Blob.model_validate({"$blob": "a" * 64, "length": 9000, "head": "x"})
    tape.hold("root/i1/b1", "block", code=blob)
    assert tape.run().blocks["root/i1/b1"].code == blob


@pytest.mark.parametrize("end", ["node", "run", "act"])
def test_what_was_held_when_a_run_was_left_does_not_stay_held(end: str):
    tape = Tape()
    tape.begin()
    tape.hold("root/i1", "llm")
    if end == "act":
        tape.ask("root/i1")
    else:
        tape.add(NodeEnd(id="root", status="killed")) if end == "node" else tape.end()
    run = tape.run()
    assert (run.held, run.iterations["root/i1"].held if end == "act" else None) == ({}, None)


def test_held_time_counts_once_however_much_is_held():
    tape = Tape()
    tape.begin()
    tape.code("root/i1/b1")
    first, second = tape.batch("root/i1/b1", 2)
    tape.node(first, 1)
    tape.hold(second, "call")  # one second apart, each
    tape.hold(f"{first}/i1", "llm", node=first)
    tape.go(second)
    tape.go(f"{first}/i1")
    run = tape.run()
    assert run.root is not None
    assert (run.root.held_s, run.nodes[first].held_s) == (3.0, 2.0)
    assert (run.root.holds, run.root.held_since) == (0, None)
    tape.hold("root/i1", "observe")
    run = tape.run()
    assert run.root is not None
    assert (run.root.holds, run.root.held_since, run.root.held_s) == (1, tape.events[-1].t, 3.0)


def test_a_hold_before_its_node_does_no_harm():
    tape = Tape()
    tape.begin()
    tape.add(Hold(id="root/i1/b1", point="block", node="elsewhere", why="step", value={"code": 3}))
    tape.add(NodeStart(id="elsewhere", depth=0, prompt="", context=context(), model=""))
    tape.go("root/i1/b1")
    assert tape.run().held == {}
