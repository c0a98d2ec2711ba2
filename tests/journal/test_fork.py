"""What a fork begins with: at every point of real runs, and where people had a hand in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, Event, Hold, NodeEnd, Point, Unknown
from rlm_tui.journal.fork import causal_past, points_at
from rlm_tui.journal.run import Run
from tests.debugger.small import plain, small
from tests.journal import strategies
from tests.journal.build import Tape, two_levels
from tests.journal.forks import WORK, by_hand, causes, every_point, inherited, numbered, what
from tests.runs import running

POINTS: tuple[Point, ...] = ("llm", "reply", "block", "call", "return", "observe", "final")


@pytest.fixture(scope="module")
def whole() -> list[Event]:
    """A run with children of children, a batch among them, that ended."""
    with running("multi-hop") as run:
        run.ended()
        return list(run.session.events())


@pytest.fixture(scope="module")
def handled() -> Iterator[list[Event]]:
    """A run with a hand in everything."""
    with small(WORK, hold=True, max_iterations=10) as run:
        yield by_hand(run)


def address_of(events: Sequence[Event], name: str, nth: int = 0) -> str:
    """The whole address of a plain one."""
    return list(dict.fromkeys(event.id for event in events if plain(event.id) == name))[nth]


def is_gone(run: Run, at: str, point: Point) -> bool:
    """Whether nothing is there of what follows from a point."""
    id = address.parent(at) if point in ("call", "return") else at
    node = run.nodes.get(address.node_of(id))
    if node is None or node.status != "open" or any(above.status != "open" for above in node.up()):
        return False
    turn, block, call = run.iterations.get(at), run.blocks.get(at), run.calls.get(at)
    match point:
        case "llm":
            return turn is None or not turn.attempts
        case "reply":
            return turn is not None and turn.answered is not None and not turn.blocks
        case "block":
            return block is None or (block.started is None and not block.calls)
        case "call":
            return call is not None and call.status == "open" and not call.attempts and call.node is None
        case "return":
            return call is not None and call.status != "open" and call.block.started is None
        case _:
            return turn is not None and turn.obs is None and all(b.ended for b in turn.blocks)


@pytest.mark.parametrize("told", ["whole", "handled"])
def test_every_point_has_a_past_that_is_closed_in_order_and_its_own(told: str, request: pytest.FixtureRequest) -> None:
    events: list[Event] = request.getfixturevalue(told)
    points = list(every_point(Run(events)))
    assert {point for _, point in points} == set(POINTS)
    for at, point in points:
        kept = list(causal_past(events, at, point))
        numbers = [event.seq for event in kept]
        assert numbers == sorted(numbers) and 0 not in numbers
        there: set[tuple[str, str]] = set()
        for event in kept:
            assert not set(causes(event)) - there, (at, point, what(event))
            there.add((event.ev, event.id))
        assert list(causal_past(kept, at, point)) == kept
        run = inherited(events, at, point)
        assert not run.held and run.end is None
        assert is_gone(run, run.nodes[at].latest.id if point == "final" and at in run.nodes else at, point), (at, point)


def test_a_fork_of_a_fork_keeps_what_a_fork_there_would(whole: list[Event]) -> None:
    points = list(every_point(Run(whole)))
    for at, point in points[::7]:
        kept = list(causal_past(whole, at, point))
        for lower, other in every_point(Run(numbered([whole[0], *kept]))):
            once, twice = (
                set(map(what, causal_past(kept, lower, other))),
                set(map(what, causal_past(whole, lower, other))),
            )
            assert once <= twice, (at, point, lower, other)


def test_of_a_batch_the_others_stay_whatever_the_clock_says(whole: list[Event]) -> None:
    run = Run(whole)
    batch = next(block for block in run.blocks.values() if len(block.calls) > 2)
    first = batch.calls[0]
    for point in ("call", "llm", "return"):
        at = f"{first.id}/i1" if point == "llm" else first.id
        kept = list(causal_past(whole, at, point))
        for other in batch.calls[1:]:
            mine = [event for event in whole if address.within(other.id, event.id) and event.ev != "chunk"]
            assert [event for event in kept if address.within(other.id, event.id)] == mine
            assert point != "call" or mine[-1].seq > max(e.seq for e in kept if address.within(first.id, e.id))
        assert not any(event.id == batch.id and event.ev.startswith("exec") for event in kept)


KEPT: list[tuple[str, Point, str, str]] = [
    ("root/i1", "llm", "node.start root", "hold root/i1 llm · edit root/i1 say · edit root/i1 note · edit root limit"),
    ("root/i1", "reply", "hold root/i1 llm · edit root/i1 say · edit root/i1 note · edit root limit · llm.end root/i1+s1",
     "hold root/i1 reply · edit root/i1 reply"),
    ("root/i1/b1", "block", "hold root/i1 reply · edit root/i1 say",
     "hold root/i1/b1 block · edit root/i1/b1 insert · edit root/i1/b1 code · exec.start root/i1/b1+e1 · exec.start root/i1/b1+h1"),
    ("root/i1", "observe",
     "hold root/i1/b1 block · edit root/i1/b1 insert · edit root/i1/b1 code · exec.end root/i1/b1+e1 · exec.end root/i1/b1+h1",
     "edit root/i1 obs · exec.start root/i1+e1 · hold root/i1 observe"),
    ("root/i2", "llm", "edit root/i1 obs · exec.end root/i1+e1 · obs root/i1",
     "edit root model · edit root/i2 model · edit root params"),
    ("root/i2", "reply", "edit root model · edit root/i2 model · edit root params", ""),
    ("root/i2/b1", "block", "llm.end root/i2", "call.start root/i2/b1~rlm#1 · edit root/i2/b1~rlm#1 prompt"),
    ("root/i2/b2", "block", "exec.end root/i2/b1 · edit root/i2/b1~rlm#1 prompt", "edit root/i2/b2 code · hold root/i2/b2 block"),
    ("root/i2", "observe", "edit root/i2/b2 code · edit root/i2/b2~llm#1 answer · hold root/i2/b2~llm#1 return", ""),
    ("root/i3", "final", "exec.end root/i3/b1", "edit root/i3 final · hold root/i3 final · exec.start root/i3+e1"),
    ("root/i3", "observe", "exec.end root/i3/b1 · edit root/i3 final · hold root/i3 final · exec.end root/i3+e1", ""),
    ("root", "final", "exec.end root/i4/b1", "node.end root · hold root/i4 final"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "point", "there", "gone"), KEPT, ids=[f"{row[0]}-{row[1]}" for row in KEPT])
def test_a_hand_stays_with_what_it_changed(handled: list[Event], at: str, point: Point, there: str, gone: str) -> None:
    assert {*there.split(" · "), *gone.split(" · ")} - {"", "edit root/i1 reply"} <= set(map(what, handled))
    kept = set(map(what, causal_past(handled, address_of(handled, at), point)))
    assert set(there.split(" · ")) - {""} <= kept
    assert not set(gone.split(" · ")) & kept


def of(events: Sequence[Event], id: str) -> list[str]:
    return [what(event).replace(plain(id), "~") for event in events if event.id == id]


def test_the_hand_in_a_call_stays_from_its_answer_on(handled: list[Event]) -> None:
    asked = next(e.id for e in handled if what(e) == "edit root/i2/b1~rlm#1 prompt")
    assert of(list(causal_past(handled, asked, "call")), asked) == ["call.start ~"]
    back = of(list(causal_past(handled, asked, "return")), asked)
    assert back == of([e for e in handled if not isinstance(e, Hold) or e.point == "call"], asked)[: len(back)]
    assert back[:3] == ["call.start ~", "hold ~ call", "edit ~ prompt"] and back[-1] == "call.end ~"
    below = of(list(causal_past(handled, f"{asked}/i1", "llm")), asked)
    assert below == ["call.start ~", "hold ~ call", "node.start ~", "edit ~ prompt", "go ~"] or sorted(below) == sorted(
        ["call.start ~", "hold ~ call", "edit ~ prompt", "go ~", "node.start ~"]
    )


def test_an_answer_given_by_hand_is_not_there_before_it_was_given(handled: list[Event]) -> None:
    asked = next(e.id for e in handled if what(e) == "edit root/i2/b2~llm#1 answer")
    run = inherited(handled, asked, "return")
    assert (run.calls[asked].status, run.calls[asked].was) == ("ok", None)
    assert "edit ~ answer" not in of(list(causal_past(handled, asked, "return")), asked)
    others = [call for call in run.calls[asked].block.calls if call.id != asked]
    assert [call.status for call in others] == ["ok"]


def test_what_was_taken_back_leaves_no_mark_in_a_fork(handled: list[Event]) -> None:
    run = inherited(handled, "root/i2", "observe")
    assert (run.blocks["root/i2/b2"].was, run.blocks["root/i1/b1"].was is None) == (None, False)


def test_what_is_in_hand_elsewhere_is_in_no_hand_in_a_fork(whole: list[Event]) -> None:
    run = Run(whole)
    one, other = next(block for block in run.blocks.values() if len(block.calls) > 2).calls[:2]
    tape = Tape()
    tape.events = [event for event in whole if event.seq <= next(e.seq for e in whole if e.id == other.id)]
    tape.hold(other.id, "call", prompt="p")
    tape.edit(other.id, "prompt", "new", "p")
    tape.edit(other.id, "prompt", "p", "new", note="reverted")
    tape.edit(other.id, "model", "m", "")
    assert list(tape.run().held) == [other.id]
    kept = of(list(causal_past(tape.events, one.id, "call")), other.id)
    assert kept == ["call.start ~", "edit ~ model"]


# Where people and other processes had a hand --------------------------------------------------------------------------


def test_a_kill_of_those_above_stays_out_and_one_of_another_child_stays() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "…")
    tape.code("root/i1/b1")
    one, two, three = tape.batch("root/i1/b1", 3)
    tape.edit(two, "kill", True)
    tape.back(two, None, "killed")
    tape.node(one, 1)
    tape.ask(f"{one}/i1")
    tape.node(three, 1)
    tape.edit("root", "kill", True)
    tape.edit(one, "final", {"text": "forced"})
    tape.add(tape.events[-1].model_copy(update={"field": "kill", "id": "root/i1/b1"}))
    tape.back(three, None, "killed")
    tape.ran("root/i1/b1", "aborted")
    tape.end(None, "killed")
    kept = list(map(what, causal_past(tape.events, f"{one}/i1", "reply")))
    assert f"edit {plain(two)} kill" in kept and kept.count(f"call.end {plain(two)}") == 2
    assert not {"edit root kill", f"edit {plain(one)} final", "exec.end root/i1/b1", "node.end root"} & set(
        kept[-9:]
    ) - {f"edit {plain(two)} kill"}


def test_the_time_between_two_processes_is_kept_with_what_came_after_it() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "…")
    tape.code("root/i1/b1")
    one, two = tape.batch("root/i1/b1", 2)
    tape.child(one)
    tape.go("root", "resume")
    tape.child(two)
    tape.ran("root/i1/b1")
    tape.say("root/i1", "7 m")
    tape.go("root", "resume")
    tape.ask("root/i2", "FINAL(7 m)", base=2)
    tape.end()

    def taken_up(at: str, point: Point) -> int:
        return list(map(what, causal_past(tape.events, at, point))).count("go root")

    assert [taken_up(one, "call"), taken_up(two, "call"), taken_up("root/i1", "reply")] == [1, 0, 0]
    assert [taken_up("root/i2", "llm"), taken_up("root/i2", "reply")] == [1, 2]


def test_a_name_is_a_runs_own_and_notes_stay_by_what_is_kept() -> None:
    tape = two_levels()
    tape.edit("root", "note", "my run", note="name")
    tape.edit("root", "note", "about all")
    for id in ("root/i1", "root/i1/obs", "root/i2/b1", "root/i3", "root/answer"):
        tape.edit(id, "note", id)
    tape.edit("root/i1", "note", "logged", by="rule:1")
    kept = [event.value for event in causal_past(tape.events, "root/i2/b1", "block") if event.ev == "edit"]  # type: ignore[attr-defined]
    assert kept == ["about all", "root/i1", "root/i1/obs"]


def test_events_of_a_newer_version_stay_or_go_with_their_row() -> None:
    tape = two_levels()
    for id in ("root/i1", "root/i2/b1", "root/i3", "root/i1/x7", "elsewhere"):
        tape.add(Unknown.model_validate({"ev": "moon.rise", "id": id}))
    kept = [event.id for event in causal_past(tape.events, "root/i2/b1", "block") if event.ev == "moon.rise"]
    assert sorted(kept) == ["elsewhere", "root/i1", "root/i1/x7"]


# What can be forked at ------------------------------------------------------------------------------------------------


def test_which_points_there_are(handled: list[Event]) -> None:
    run = Run(handled)
    names = {plain(at): points_at(run, at) for at in [*run.nodes, *run.iterations, *run.blocks, *run.calls]}
    assert {name: names[name] for name in ("root", "root/i1", "root/i3", "root/i4", "root/i1/b1")} == {
        "root": ("final",),
        "root/i1": ("reply", "llm", "observe"),
        "root/i3": ("reply", "llm", "observe", "final"),
        "root/i4": ("reply", "llm", "final"),
        "root/i1/b1": ("block",),
    }
    assert names["root/i1/b1+h1"] == names["root/i1/b1+e1"] == names["root/i3+e1"] == ()
    assert names["root/i2/b1~rlm#1"] == ("call", "return", "final")
    assert names["root/i2/b2~llm#1"] == ("call", "return")
    assert points_at(run, "root/i9") == points_at(run, "nowhere") == ()


@pytest.mark.parametrize(
    ("end", "points"),
    [({"via": "forced"}, ()), ({"status": "limit", "answer": None, "via": None}, ()), ({"limit": "max_timeout"}, ()),
     ({"status": "exhausted", "via": "answer"}, ()), ({}, ("final",))],
)  # fmt: skip
def test_an_end_that_passed_no_gate_is_no_point(end: dict[str, str], points: tuple[Point, ...]) -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1", "FINAL(7 m)")
    tape.end(**end)  # type: ignore[arg-type]
    assert points_at(tape.run(), "root") == points
    assert ("final" in points_at(tape.run(), "root/i1")) == bool(points)


def test_what_is_held_is_a_point_before_it_is_past() -> None:
    tape = Tape()
    tape.begin()
    tape.hold("root/i1", "llm", messages=[])
    assert points_at(tape.run(), "root/i1") == ("llm",)
    tape.go("root/i1")
    tape.ask("root/i1")
    tape.code("root/i1/b1")
    tape.hold("root/i1/b1", "line")
    assert points_at(tape.run(), "root/i1/b1") == ("block",)


def test_nothing_goes_on_from_within_an_evaluation() -> None:
    tape = Tape()
    tape.begin()
    tape.ask("root/i1")
    tape.code("root/i1+e1", origin="eval", by="human")
    (call,) = tape.batch("root/i1+e1", 1)
    tape.child(call)
    tape.ran("root/i1+e1")
    assert points_at(tape.run(), call) == points_at(tape.run(), f"{call}/i1") == ()
    tape.say("root/i1", "ok")
    assert {e.id for e in tape.events if address.within(call, e.id)} <= {
        e.id for e in causal_past(tape.events, "root/i1", "observe")
    }


# Anything at all ------------------------------------------------------------------------------------------------------


@given(strategies.RUNS, strategies.IDS, st.sampled_from(POINTS))
def test_any_journal_has_a_past_that_is_in_order_its_own_and_in_no_hand(
    events: list[Event], at: str, point: Point
) -> None:
    kept = list(causal_past(events, at, point))
    assert [event.seq for event in kept] == sorted({event.seq for event in kept})
    assert not any(event.ev in ("run.start", "run.end", "rebuild") for event in kept)
    assert not Run(numbered(kept)).held


def test_what_was_held_twice_and_let_go_never_is_in_no_hand() -> None:
    held = [Hold(id="root", seq=n, t=n + 1.0, point="llm", node="root", value={}, why="step") for n in range(2)]
    assert list(causal_past(held, "root", "final")) == []


@pytest.mark.parametrize(
    "end", [CallEnd(id="root/i1", seq=1, t=2.0, status="ok"), NodeEnd(id="root", seq=1, t=2.0, status="final")]
)
def test_the_end_of_what_never_began_lets_go_what_is_held_there(end: Event) -> None:
    held = Hold(id="root/i1", seq=0, t=1.0, point="llm", node="root", value={}, why="step")
    assert Run([held]).held
    assert not Run([held, end]).held
    assert not Run(numbered(list(causal_past([held, end], "root/i2", "llm")))).held


def test_a_chain_of_children_is_forked_however_deep() -> None:
    tape = Tape()
    tape.begin()
    node = "root"
    for depth in range(1, 1500):
        tape.ask(f"{node}/i1")
        tape.code(f"{node}/i1/b1")
        (node,) = tape.batch(f"{node}/i1/b1", 1)
        tape.node(node, depth)
    tape.ask(f"{node}/i1")
    run = inherited(tape.events, f"{node}/i1", "reply")
    assert run.root is not None
    assert sum(1 for _ in run.root.walk()) == 1500
    assert all(block.started is None for block in run.blocks.values())
