"""What people do to runs that are kept, and the trees that branches make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlm_tui.journal import summary
from rlm_tui.journal.branches import Branch, family, forest
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import (
    RESUME,
    ContextInfo,
    Edit,
    ErrorInfo,
    Event,
    Go,
    LlmStart,
    NodeEnd,
    NodeStart,
    RunEnd,
    RunStart,
)  # fmt: skip
from rlm_tui.journal.shelf import delete, note, rename, search, size
from rlm_tui.journal.store import Journal, in_use, read
from rlm_tui.journal.summary import summarize
from rlm_tui.journal.wire import encode

CONTEXT = ContextInfo(kind="str", text="c", length=1)


def made(runs: Path, id: str, *events: Event, parent: dict[str, Any] | None = None, task: str = "what?") -> Path:
    journal = Journal.create(runs, run_id=id)
    journal.append(RunStart(id="root", run=id, task=task, context=CONTEXT, parent=parent))
    for event in events:
        journal.append(event)
    journal.close()
    assert journal.path is not None
    return journal.path


def ended(value: str) -> tuple[Event, ...]:
    start = NodeStart(id="root", depth=0, prompt="what?", context=CONTEXT, model="m")
    return (
        start,
        NodeEnd(id="root", status="final", value=value),
        RunEnd(id="root", status="final", value=value, totals={"cost": 0.5}),
    )


def of(run: str, kept: int = 0) -> dict[str, Any]:
    return {"run": run, "at": "root/i1/b1", "point": "block", "kept": kept, "why": ""}


def shape(tree: Branch) -> list[tuple[int, str]]:
    return [(depth, branch.summary.id) for depth, branch in tree.walk()]


def test_a_run_is_named_and_noted_after_its_end_and_a_list_shows_it(tmp_path: Path) -> None:
    path = made(tmp_path, "a", *ended("42"))
    rename(path, " the first ")
    note(path, "a remark\nof two lines")
    one = summarize(path)
    assert (one.name, one.notes, one.state, one.answer) == ("the first", ("a remark of two lines",), "final", "42")
    assert one.cost == 0.5 and one.seconds is not None
    rename(path, "")
    assert summarize(path).name == ""


@pytest.mark.parametrize("length", range(100, 112))
def test_a_name_is_found_where_two_looks_at_the_file_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    path = made(tmp_path, "a", Edit(id="root", field="note", value="x" * length, note="name", by="human"))
    monkeypatch.setattr(summary, "SPAN", 16)
    assert summarize(path).name == "x" * length


def test_what_ended_a_run_without_an_answer_is_told(tmp_path: Path) -> None:
    broke = ErrorInfo(kind="key", message="the key is\nnot valid")
    start = NodeStart(id="root", depth=0, prompt="what?", context=CONTEXT, model="m")
    limit = NodeEnd(id="root", status="exhausted", limit="max_iterations"), RunEnd(id="root", status="exhausted")
    error = NodeEnd(id="root", status="error", error=broke), RunEnd(id="root", status="error")
    assert summarize(made(tmp_path, "a", start, *limit)).stopped == "max_iterations"
    assert summarize(made(tmp_path, "b", start, *error)).stopped == "the key is not valid"
    assert summarize(made(tmp_path, "c", start)).stopped == ""
    assert summarize(made(tmp_path, "d", *ended("42"))).stopped == ""


@pytest.mark.parametrize(
    ("totals", "cost"),
    [
        ({"cost": 0.5, "unpriced": 0, "scripted": 0}, 0.5),
        ({"cost": 0.0, "unpriced": 0, "scripted": 0}, 0.0),
        ({"cost": 0.5, "unpriced": 1, "scripted": 0}, None),
        ({"cost": 0.0, "unpriced": 0, "scripted": 7}, None),
        ({"cost": 0.5}, 0.5),
        ({"cost": 0.0}, None),
    ],
)
def test_a_cost_that_nobody_knows_is_no_0(tmp_path: Path, totals: dict[str, float], cost: float | None) -> None:
    assert summarize(made(tmp_path, "a", RunEnd(id="root", status="final", totals=totals))).cost == cost


def test_the_iterations_of_the_root_are_told_whatever_happened_last(tmp_path: Path) -> None:
    below = LlmStart(id="root/i12/b1~rlm:9f2c41d0#1/i3", model="m")
    path = made(tmp_path, "a", *ended("42")[:1], LlmStart(id="root/i11", model="m"), below)
    assert summarize(path).iterations == 12
    assert summarize(made(tmp_path, "b", *ended("42"))).iterations is None


def test_a_name_is_found_however_much_was_written_since(tmp_path: Path) -> None:
    path = made(tmp_path, "a", Edit(id="root", field="note", value="early", note="name", by="human"))
    # Each of a person's own acts waits for the disk; as they stand in the file is what counts here.
    said = Edit(id="root", field="note", value='a "field":"note" in a text', by="human")
    with path.joinpath("journal.jsonl").open("ab") as file:
        count = len(list(read(path).events()))
        file.writelines(
            encode(said.model_copy(update={"seq": n, "id": f"root/i{n}"})) for n in range(count, count + 3_000)
        )
    assert path.joinpath("journal.jsonl").stat().st_size > 1 << 17
    assert (summarize(path).name, summarize(path).notes) == ("early", ())


def test_a_run_that_was_taken_up_after_its_end_has_no_end(tmp_path: Path) -> None:
    path = made(tmp_path, "a", *ended("42"), Go(id="root", verb=RESUME))
    assert summarize(path).state == "left"


def test_every_word_is_looked_for_in_any_order(tmp_path: Path) -> None:
    one = made(tmp_path, "a", *ended("Oslo"), task="Which city?")
    other = made(tmp_path, "b", *ended("Rome"), task="Which city?")
    rename(other, "Second try")
    note(one, "keeps the ROAD")
    runs = [summarize(one), summarize(other)]
    found = {
        words: [run.id for run in search(runs, words)] for words in ("city", "TRY city", "road oslo", "b", "x y", "")
    }
    assert found == {"city": ["a", "b"], "TRY city": ["b"], "road oslo": ["a"], "b": ["b"], "x y": [], "": ["a", "b"]}


def test_what_is_written_can_be_neither_named_nor_deleted(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, run_id="a")
    journal.append(RunStart(id="root", run="a", task="", context=CONTEXT))
    assert journal.path is not None
    for act in (lambda: rename(journal.path, "x"), lambda: note(journal.path, "x"), lambda: delete(journal.path)):  # type: ignore[arg-type]
        with pytest.raises(JournalError, match=r"another process|being written"):
            act()
    assert in_use(journal.path)
    journal.close()
    assert len(list(read(journal.path).events())) == 1


def test_a_deleted_run_is_gone_and_its_branch_stays(tmp_path: Path) -> None:
    path = made(tmp_path, "a", *ended("x" * 10_000))
    branch = made(tmp_path, "b", *ended("1"), parent=of("a"))
    assert size(path) > 10_000
    delete(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]
    assert [shape(tree) for tree in forest(tmp_path)] == [[(0, "b")]]
    assert summarize(branch).answer == "1"
    with pytest.raises(JournalError, match="not a run"):
        delete(path)


def test_branches_stand_under_what_they_were_made_from(tmp_path: Path) -> None:
    made(tmp_path, "250101-0001-aaaa")
    made(tmp_path, "250101-0002-bbbb", parent=of("250101-0001-aaaa"))
    made(tmp_path, "250101-0003-cccc", parent=of("250101-0002-bbbb"))
    made(tmp_path, "250101-0004-dddd", parent=of("250101-0001-aaaa"))
    made(tmp_path, "250101-0005-eeee")
    first, second = forest(tmp_path)
    assert shape(first) == [(0, "250101-0005-eeee")]
    assert shape(second) == [
        (0, "250101-0001-aaaa"), (1, "250101-0002-bbbb"), (2, "250101-0003-cccc"), (1, "250101-0004-dddd"),
    ]  # fmt: skip
    found = family(tmp_path, "250101-0003-cccc")
    assert found is not None and shape(found) == shape(second)
    assert family(tmp_path, "nope") is None


def test_branches_that_come_from_one_another_end(tmp_path: Path) -> None:
    made(tmp_path, "a", parent=of("b"))
    made(tmp_path, "b", parent=of("a"))
    made(tmp_path, "c", parent=of("c"))
    made(tmp_path, "d", parent={"run": 7, "at": None, "kept": "x"})
    assert sorted(id for tree in forest(tmp_path) for _, id in shape(tree)) == ["a", "b", "c", "d"]
    found = family(tmp_path, "d")
    assert found is not None and (found.parent, found.at, found.point, found.edit) == (None, "", "", None)


def test_a_branch_tells_what_was_changed_first(tmp_path: Path) -> None:
    inherited = Edit(id="root/i1/b1", field="code", value="old", by="human")
    noted = Edit(id="root", field="note", value="so", by="human")
    own = Edit(id="root/i2/b1", field="code", value="new", by="human")
    made(tmp_path, "a")
    made(tmp_path, "b", inherited, noted, own, parent=of("a", kept=1))
    found = family(tmp_path, "b")
    assert found is not None
    (child,) = found.children
    assert (child.parent, child.at, child.point) == ("a", "root/i1/b1", "block")
    assert child.edit is not None and child.edit.value == "new"
