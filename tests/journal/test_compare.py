"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given

from rlm_tui.journal.compare import Comparison, Pair, compare
from rlm_tui.journal.events import Blob, Edit, Event, ExecEnd, LlmEnd, Message, Point
from rlm_tui.journal.fork import fork
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import chat, plain, small
from tests.journal import strategies
from tests.journal.build import Tape, two_levels
from tests.journal.forks import WORK, go_on
from tests.runs import Watched


def read(text: Any) -> str:
    return f"[{text.sha256}]" if isinstance(text, Blob) else text or ""


def of(left: Tape, right: Tape) -> Comparison:
    return compare(left.run(), right.run(), read, read)


def changed(change: Callable[[Event], dict[str, Any]]) -> Tape:
    """The told run with some events otherwise."""
    tape = two_levels()
    tape.events = [event.model_copy(update=change(event)) for event in tape.events]
    return tape


def differing(found: Comparison) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(plain(pair.id), pair.kind, pair.differs) for pair in found.pairs if not pair.same]


@pytest.fixture(scope="module")
def source() -> Iterator[Watched]:
    with small(WORK, max_iterations=10) as run:
        run.ended()
        yield run


def branch(source: Watched, at: str, point: Point, field: Any, value: Any) -> Comparison:
    """A run and a branch of it that went on by itself."""
    journal, target = source.session.journal, Journal.memory()
    fork(journal, target, at, point, edits=[Edit(id=at, field=field, value=value)])
    after = go_on(target, source, CallableModel(chat(WORK)))
    return compare(Run(journal.events()), after, journal.text, target.text)


# The same ---------------------------------------------------------------------------------------------------------------


def test_the_same_run_twice_is_the_same_whatever_the_clock_and_the_money_say() -> None:
    later = changed(lambda e: {"t": e.t + 1000.0, **({"ms": 5.0, "usage": None} if isinstance(e, LlmEnd) else {})})
    found = of(two_levels(), later)
    assert found.same and found.first is None and differing(found) == []
    assert [(plain(pair.id), pair.kind, pair.depth) for pair in found.pairs[:9]] == [
        ("root", "node", 0), ("root/i1", "iteration", 0), ("root/i1/b1", "block", 0), ("root/i1/obs", "obs", 0),
        ("root/i2", "iteration", 0), ("root/i2/b1", "block", 0), ("root/i2/b1~rlm#1", "call", 0),
        ("root/i2/b1~rlm#1", "node", 1), ("root/i2/b1~rlm#1/i1", "iteration", 1),
    ]  # fmt: skip
    assert [(plain(pair.id), pair.kind) for pair in found.pairs[-2:]] == [
        ("root/i3", "iteration"),
        ("root/answer", "answer"),
    ]


def test_another_attempt_at_a_request_is_no_difference() -> None:
    tape = Tape()
    for event in two_levels().events:
        if isinstance(event, LlmEnd) and event.id == "root/i1":
            tape.add(event.model_copy(update={"status": "error", "reply": ""}))
            tape.add(tape.events[-2].model_copy(update={"attempt": 2, "base": 2, "add": ()}))
            event = event.model_copy(update={"attempt": 2})  # noqa: PLW2901
        tape.add(event)
    assert of(two_levels(), tape).same


@given(strategies.RUNS)
def test_any_run_is_the_same_as_itself_and_nothing_is_told_twice(events: list[Event]) -> None:
    found = compare(Run(events), Run(events), read, read)
    assert found.same
    assert len({(pair.id, pair.kind) for pair in found.pairs}) == len(found.pairs)


def test_a_branch_that_changes_nothing_is_the_same(source: Watched) -> None:
    child = next(call for call in source.run.calls.values() if call.fn == "rlm_query_batched")
    found = branch(source, child.id, "call", "prompt", source.session.text(child.prompt))
    assert differing(found) == []


# Different ------------------------------------------------------------------------------------------------------------


def test_an_edited_block_is_the_first_that_differs(source: Watched) -> None:
    found = branch(source, "root/i2/b2", "block", "code", "c = d = '-'")
    assert found.first is not None
    assert (found.first.id, found.first.kind, found.first.differs) == ("root/i2/b2", "block", ("code",))
    assert differing(found) == [
        ("root/i2/b2", "block", ("code",)),
        ("root/i2/b2~llm#1", "call", ()), ("root/i2/b2~llm#1", "call", ()),
        ("root/i2/obs", "obs", ("obs",)),
        ("root/i3", "iteration", ("messages",)),
        ("root/answer", "answer", ("value",)),
    ]  # fmt: skip
    gone = [pair for pair in found.pairs if pair.kind == "call" and not pair.same]
    assert all(pair.left is not None and pair.right is None for pair in gone)


def test_what_a_call_came_to_is_before_what_its_block_came_to(source: Watched) -> None:
    child = next(call for call in source.run.calls.values() if call.fn == "rlm_query_batched")
    found = branch(source, child.id, "return", "answer", "Z")
    assert found.first is not None
    assert (found.first.id, found.first.kind, found.first.differs) == (child.id, "call", ("status", "value"))
    below = branch(source, f"{child.id}/i2/b1", "block", "code", "FINAL('Q')")
    assert below.first is not None
    assert (below.first.id, below.first.differs) == (f"{child.id}/i2/b1", ("code", "value"))
    assert ("call", ("value",)) in [row[1:] for row in differing(below)]


def test_an_output_is_after_the_calls_below_it_and_before_what_is_seen_of_it() -> None:
    other = changed(lambda e: {"stdout": "other"} if isinstance(e, ExecEnd) and e.id == "root/i2/b1" else {})
    found = of(two_levels(), other)
    assert differing(found) == [("root/i2/b1", "block", ("output",))]
    both = changed(
        lambda e: {"stdout": "other"} if isinstance(e, ExecEnd) and e.id == "root/i2/b1"
        else {"value": "8 m"} if e.ev == "call.end" else {}
    )  # fmt: skip
    first = of(two_levels(), both).first
    assert first is not None and first.kind == "call"


PARTS: list[tuple[str, str, dict[str, Any], tuple[str, str, tuple[str, ...]]]] = [
    ("node.start", "root", {"prompt": "how wide?"}, ("root", "node", ("prompt",))),
    ("llm.end", "root/i1", {"reply": "no"}, ("root/i1", "iteration", ("reply",))),
    ("exec.start", "root/i1/b1", {"code": "print(2)"}, ("root/i1/b1", "block", ("code",))),
    ("exec.end", "root/i1/b1", {"value": "2"}, ("root/i1/b1", "block", ("value",))),
    ("exec.end", "root/i1/b1", {"status": "error", "error": "no"}, ("root/i1/b1", "block", ("status", "output"))),
    ("obs", "root/i1", {"text": "2"}, ("root/i1/obs", "obs", ("obs",))),
    ("node.end", "root", {"value": None, "status": "limit"}, ("root/answer", "answer", ("status", "value"))),
    ("call.end", "root/i2/b1~rlm#1", {"status": "supplied"}, ("root/i2/b1~rlm#1", "call", ("status",))),
]  # fmt: skip


@pytest.mark.parametrize(("ev", "id", "change", "expected"), PARTS)
def test_each_part_is_named(
    ev: str, id: str, change: dict[str, Any], expected: tuple[str, str, tuple[str, ...]]
) -> None:
    found = of(two_levels(), changed(lambda e: change if (e.ev, plain(e.id)) == (ev, id) else {}))
    assert set(differing(found)) == {expected}
    assert found.first is not None and (plain(found.first.id), *expected[1:]) == (expected[0], *expected[1:])


def test_messages_differ_from_where_they_were_changed_on() -> None:
    new = Message(role="user", content="other")
    found = of(two_levels(), changed(lambda e: {"add": (new,)} if (e.ev, e.id) == ("llm.start", "root/i2") else {}))
    assert differing(found) == [("root/i2", "iteration", ("messages",)), ("root/i3", "iteration", ("messages",))]


def test_addresses_of_objects_are_no_difference_and_names_are() -> None:
    def printed(text: str) -> Tape:
        return changed(lambda e: {"stdout": text} if (e.ev, e.id) == ("exec.end", "root/i1/b1") else {})

    assert of(printed("<A at 0x7f001122aabb>"), printed("<A at 0x7f99ffee0000>")).same
    assert not of(printed("<A at 0x7f001122aabb>"), printed("<B at 0x7f001122aabb>")).same


def test_a_text_is_the_same_wherever_it_is_kept() -> None:
    long = "deep water " * 600
    kept = {"a" * 64: long, "b" * 64: long + "!"}

    def told(text: Any) -> Tape:
        return changed(lambda e: {"stdout": text} if (e.ev, e.id) == ("exec.end", "root/i1/b1") else {})

    def text(value: Any) -> str:
        return kept[value.sha256] if isinstance(value, Blob) else value or ""

    blob, other = (Blob(**{"$blob": name, "length": 6600, "head": long[:256]}) for name in kept)
    inline, stored, changed_at_end = told(long).run(), told(blob).run(), told(other).run()
    assert compare(inline, stored, text, text).same
    assert not compare(stored, changed_at_end, text, text).same
    assert not compare(inline, changed_at_end, text, text).same


def test_what_one_side_alone_has_stands_where_it_belongs() -> None:
    short = two_levels()
    short.events = short.events[:-4]
    found = of(short, two_levels())
    assert [(p.id, p.left is None, p.right is None) for p in found.pairs if not p.same] == [
        ("root/i3", True, False), ("root/answer", True, False),
    ]  # fmt: skip
    assert found.first is not None and found.first.id == "root/i3"
    empty = compare(Run(), short.run(), read, read)
    assert all(pair.left is None and not pair.same for pair in empty.pairs) and empty.pairs[0].kind == "node"
    assert compare(Run(), Run(), read, read).pairs == []


def test_rows_of_either_side_are_merged_by_address() -> None:
    left, right = Tape(), Tape()
    for tape, blocks in ((left, ("b1", "b1+h1", "b3")), (right, ("b1", "b2", "b3", "b4"))):
        tape.begin()
        tape.ask("root/i1")
        for block in blocks:
            tape.code(f"root/i1/{block}", origin="human" if "+" in block else "model")
            tape.ran(f"root/i1/{block}")
    rows = [pair.id.removeprefix("root/i1/") for pair in of(left, right).pairs if pair.kind == "block"]
    assert sorted(rows) == ["b1", "b1+h1", "b2", "b3", "b4"]
    assert [row for row in rows if "+" not in row] == ["b1", "b2", "b3", "b4"]


def test_a_chain_of_children_is_compared_however_deep() -> None:
    def chain(answer: str) -> Tape:
        tape = Tape()
        tape.begin()
        node = "root"
        for depth in range(1, 1200):
            tape.code(f"{node}/i1/b1")
            (node,) = tape.batch(f"{node}/i1/b1", 1)
            tape.node(node, depth)
        tape.ask(f"{node}/i1", answer)
        return tape

    first = of(chain("a"), chain("b")).first
    assert isinstance(first, Pair) and (first.depth, first.differs) == (1199, ("reply",))
