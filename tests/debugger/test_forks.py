"""A branch asks for what depends on its point, and for nothing else; what it was made from is not touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_tui.debugger.likeness import Change
from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal.events import Event, Point
from rlm_tui.journal.fork import points_at
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import read
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import QUESTION, Table, answer, chat, code, do, small, stop
from tests.debugger.test_resuming import ANSWER, WORK, resumed
from tests.engine.test_effects import Counting, asked, outcomes
from tests.runs import DEADLINE_S, Watched, done

NAMES = "abcdefgh"
EIGHT: Table = {
    QUESTION: [
        code(f"answers = rlm_query_batched([f'child {{c}}.' for c in {NAMES!r}])", "print(answers)"),
        code('FINAL("".join(answers))'),
    ],
    **{f"child {c}.": [code(f'x = "{c}"'), code("y = x * 2"), code("FINAL(y)")] for c in NAMES},
}
DOUBLED = "".join(c * 2 for c in NAMES)


def made(table: Table, runs: Path) -> tuple[Path, Run]:
    """A run that has ended, and its fold."""
    with small(table, runs=runs) as run:
        answer(run)
        path = run.session.path
    assert path is not None
    return path, Run(read(path).events())


def branch(path: Path, at: str, point: Point, change: Change | None = None) -> Path:
    """A branch of a run that nobody runs."""
    session = ReadOnlySession(path)
    found = session.fork(at, point, change).result(DEADLINE_S)
    session.close()
    assert isinstance(found, Path), found
    return found


def inherited(path: Path) -> list[Event]:
    events = list(read(path).events())
    parent = Run(events).parent
    assert parent is not None
    return events[: parent["kept"] + 1]


def test_a_change_in_one_child_of_eight_asks_for_what_follows_from_it(tmp_path: Path) -> None:
    path, run = made(EIGHT, tmp_path)
    third = next(call for call in run.calls.values() if "child c" in run_text(path, call.prompt))
    before = (path / "journal.jsonl").read_bytes()
    forked = branch(path, f"{third.id}/i1/b1", "block")
    model = Counting(CallableModel(chat(EIGHT)))
    with resumed(forked, model) as one:
        held = one.held("block", third.id)
        assert held.id == f"{third.id}/i1/b1" and held.why == "resume" and model.asked == 0
        done(one.session.edit(held.id, "code", "x = 'Z'"))
        do(one, "release", held)
        assert answer(one) == DOUBLED.replace("cc", "ZZ")
        # Two more turns of that child, and one of the root.
        assert model.asked == 3
        fold = one.run
        assert fold.root is not None and fold.root.tainted
        assert [node.id for node in fold.nodes.values() if node.edited] == [third.id]
        assert fold.parent is not None and fold.parent["run"] == path.name
    assert (path / "journal.jsonl").read_bytes() == before


def run_text(path: Path, value: Any) -> str:
    return read(path).text(value)


def everywhere(run: Run) -> list[tuple[str, Point]]:
    """Every point of a run at which a branch can begin."""
    things = [*run.nodes, *run.iterations, *run.blocks, *run.calls]
    return [(id, point) for id in dict.fromkeys(things) for point in points_at(run, id)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    return made(WORK, tmp_path_factory.mktemp("runs"))


def let_go(run: Watched) -> None:
    while (held := stop(run)) is not None:
        do(run, "release", held)


def test_a_branch_opens_at_its_point_and_nothing_is_asked_before(source: tuple[Path, Run]) -> None:
    path, run = source
    whole = asked(read(path).events())
    points = everywhere(run)
    assert {point for _, point in points} == {"llm", "reply", "block", "call", "return", "observe", "final"}
    for at, point in points:
        forked = branch(path, at, point)
        kept = inherited(forked)
        model = Counting(CallableModel(chat(WORK)))
        with resumed(forked, model) as one:
            held = one.held()
            begins = one.run.parent["at"] if one.run.parent else ""
            assert (held.id, held.point, held.why) == (begins, point, "resume"), (at, point)
            assert model.asked == 0
            let_go(one)
            assert answer(one) == ANSWER, (at, point)
            assert model.asked == len(whole - {e.id for e in kept if e.ev == "llm.end"}), (at, point)
            assert max(outcomes(one.events).values()) == 1


CHANGES: Sequence[tuple[str, Point, Change, str]] = [
    ("root/i1/b1", "block", Change("code", "x = 5"), "A2BC5"),
    ("root/i3", "reply", Change("reply", code('FINAL("other")')), "other"),
    ("root/i3", "final", Change("final", {"text": "by hand"}), "by hand"),
]


@pytest.mark.parametrize(("at", "point", "change", "expected"), CHANGES)
def test_a_branch_made_with_a_change_has_it_as_its_first_event(
    source: tuple[Path, Run], at: str, point: Point, change: Change, expected: str
) -> None:
    path, _ = source
    forked = branch(path, at, point, change)
    events = list(read(forked).events())
    kept = len(inherited(forked))
    assert [e.ev for e in events[kept:]] == ["edit"] and events[kept].by == "human"
    with resumed(forked, CallableModel(chat(WORK))) as one:
        assert one.held().id == at
        let_go(one)
        assert answer(one) == expected


def test_an_answer_is_changed_in_a_branch_and_the_other_answers_are_remembered(source: tuple[Path, Run]) -> None:
    path, run = source
    call = next(call for call in run.calls.values() if call.fn == "llm_query" and call.block.id == "root/i2/b1")
    forked = branch(path, call.id, "return", Change("answer", "Z"))
    model = Counting(CallableModel(chat(WORK)))
    with resumed(forked, model) as one:
        held = one.held("return")
        assert held.id == call.id
        let_go(one)
        assert answer(one) == "A2BZ1" and model.asked == 1


def test_a_branch_of_a_branch_of_a_branch(source: tuple[Path, Run]) -> None:
    path, _ = source
    text = ANSWER
    for value in ("7", "8", "9"):
        path = branch(path, "root/i1/b1", "block", Change("code", f"x = {value}"))
        with resumed(path, CallableModel(chat(WORK))) as one:
            let_go(one)
            assert answer(one) == text.replace("1", value)
    assert len({event.t for event in inherited(path)}) > 1


def test_what_a_branch_was_made_from_can_be_deleted_and_the_other_way_round(tmp_path: Path) -> None:
    long = "word " * 3_000
    table: Table = {QUESTION: [code(f"x = {long!r}", "print(len(x))"), code("FINAL(x)")]}
    path, _ = made(table, tmp_path)
    forked = branch(path, "root/i2/b1", "block")
    other = branch(path, "root/i2/b1", "block")
    remove(other)
    assert read(path).text(Run(read(path).events()).nodes["root"].value) == long
    remove(path)
    with resumed(forked, CallableModel(chat(table))) as one:
        let_go(one)
        assert answer(one) == long


def remove(path: Path) -> None:
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()


def test_a_live_run_is_branched_while_it_is_held_and_goes_on_as_it_was(tmp_path: Path) -> None:
    with small(WORK, hold=True, runs=tmp_path) as run:
        for _ in range(2):
            do(run, "iteration", run.held())
        assert run.held("llm").id == "root/i3"
        found = run.session.fork("root/i1", "reply").result(DEADLINE_S)
        assert isinstance(found, Path)
        with resumed(found, CallableModel(chat(WORK))) as one:
            held = one.held()
            assert (held.id, held.point) == ("root/i1", "reply")
            let_go(one)
            assert answer(one) == ANSWER
        assert run.held("llm").id == "root/i3"
        let_go(run)
        assert answer(run) == ANSWER


def test_what_can_be_no_branch_is_refused_in_words(source: tuple[Path, Run]) -> None:
    session = ReadOnlySession(source[0])
    for at, point, change in (
        ("root/i9", "llm", None),
        ("root/i1/b1", "observe", None),
        ("root/i1/b1", "block", Change("obs", "x")),
    ):
        found = session.fork(at, point, change).result(DEADLINE_S)  # type: ignore[arg-type]
        assert isinstance(found, str) and "\n" not in found
    session.close()
    assert not (source[0].parent / ".unfinished").exists()
