from __future__ import annotations

from typing import Any

import pytest

from rlm_tui.journal.events import (
    Blob,
    CallStart,
    Chunk,
    ErrorInfo,
    ExecEnd,
    ExecStart,
    Go,
    Hold,
    LlmEnd,
    LlmStart,
    NodeEnd,
    Obs,
)
from rlm_tui.journal.run import Run
from rlm_tui.tui.copied import copied
from rlm_tui.tui.rows import pages
from rlm_tui.tui.selection import as_text
from rlm_tui.tui.view import View, size_for
from tests.tui import sample
from tests.tui.sample import feed

EVENTS = sample.held_run()
CHILD = sample.log_call(2)
HELD = f"{CHILD}/i2/b1"


@pytest.mark.parametrize(
    ("size", "layout"),
    [((160, 45), "wide"), ((140, 36), "wide"), ((140, 35), "medium"), ((139, 45), "medium"), ((100, 30), "medium"),
     ((99, 30), "narrow"), ((100, 29), "narrow"), ((80, 24), "narrow"), ((60, 16), "narrow"), ((59, 16), "tiny"),
     ((200, 15), "tiny")],
)  # fmt: skip
def test_the_layout_for_a_terminal(size: tuple[int, int], layout: str) -> None:
    assert size_for(*size) == layout


def test_a_run_that_is_there_already_is_opened_at_its_newest_row() -> None:
    view = sample.view(EVENTS)
    assert (view.node, view.item) == ("root", "root/i3/b1")
    assert sample.view(sample.answered_run()).item == "root/answer"


def test_following_goes_with_the_shown_node_row_by_row() -> None:
    view = View()
    seen: list[str | None] = []
    for event in EVENTS:
        view.apply(event)
        if not seen or seen[-1] != view.item:
            seen.append(view.item)
    assert seen == [
        None, "root/i1", "root/i1/b1", "root/i1/obs", "root/i2", "root/i2/b1", "root/i2/obs", "root/i3", "root/i3/b1",
    ]  # fmt: skip


def test_following_never_jumps_to_another_node() -> None:
    view = View()
    nodes: set[str] = set()
    for event in EVENTS:
        view.apply(event)
        nodes.add(view.node)
    assert nodes == {"root"}
    assert view.run.held, "something is held elsewhere, and the selection stayed"


def test_what_happens_in_another_node_leaves_the_selection_alone() -> None:
    view = sample.view(EVENTS)
    view.select_node(sample.log_call(0))
    before = view.item
    feed(view, LlmStart(id=f"{CHILD}/i3"), Chunk(id=f"{CHILD}/i3", kind="reply", text="x"))
    assert view.item == before


def test_without_following_the_selection_stays_and_the_fold_goes_on() -> None:
    view = View()
    for event in EVENTS[:10]:
        view.apply(event)
    view.follow_on(False)
    before = view.item
    for event in EVENTS[10:]:
        view.apply(event)
    assert view.item == before
    assert view.run.held
    view.follow_on()
    assert view.item == "root/i3/b1"


def test_looking_at_an_older_row_ends_following_and_the_newest_does_not() -> None:
    view = sample.view(EVENTS)
    view.select_item("root/i3/b1")
    assert view.follow
    view.select_item("root/i1")
    assert not view.follow


def test_a_stream_moves_nothing() -> None:
    view = sample.view(EVENTS)
    view.item = "root/i1"
    version = view.version
    feed(view, Chunk(id="root/i3", kind="reply", text="x"))
    assert (view.item, view.version) == ("root/i1", version)


def test_what_happens_far_below_changes_nothing_that_is_shown() -> None:
    view = sample.view(EVENTS)
    version = view.version
    hop = next(id for id in view.run.nodes if id.startswith("root/i2"))
    leaf = next(call.id for call in view.run.calls.values() if call.node is None)
    feed(view, LlmEnd(id=leaf, status="ok", reply="late"))
    assert view.version == version
    feed(view, LlmStart(id=f"{hop}/i3"))
    assert view.version == version + 1, "a child's step shows in the row of its call"


def test_selecting_a_node_selects_what_is_held_in_it() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert view.item == HELD
    assert view.held_here() is view.run.held[HELD]


def test_selecting_what_is_not_there_changes_nothing() -> None:
    view = sample.view(EVENTS)
    view.select_node("root/i9/b9~rlm:00000000#1")
    assert view.node == "root"


def test_the_held_value_of_the_row_comes_before_that_of_the_node() -> None:
    view = sample.view(EVENTS)
    assert view.held_here() is None
    view.select_node(CHILD)
    view.item = f"{CHILD}/i1"
    assert view.held_here() is view.run.held[HELD]


@pytest.mark.parametrize(
    ("point", "id", "row"),
    [("llm", "root/i4", "root/i4"), ("llm", "root/i3", "root/i3"), ("reply", "root/i3", "root/i3"),
     ("block", "root/i3/b1", "root/i3/b1"), ("observe", "root/i3", "root/i3/obs"), ("final", "root/i3", "root/answer"),
     ("limit", "root", "root/answer"), ("limit", "root/i3/b7", "root/i3"), ("error", "root/i3/b1", "root/i3/b1"),
     ("call", sample.log_call(4), sample.log_call(4)), ("return", sample.log_call(0), sample.log_call(0))],
)  # fmt: skip
def test_every_held_value_has_a_row(point: Any, id: str, row: str) -> None:
    view = sample.view(EVENTS)
    feed(view, Hold(id=id, point=point, node="root", why="step"))
    assert view.item == row
    assert view.held_here() is view.run.held[id]
    assert view.thing() is not None


def test_a_held_first_request_is_an_iteration_that_was_not_asked_yet() -> None:
    view = View()
    for event in EVENTS[:2]:
        view.apply(event)
    feed(view, Hold(id="root/i1", point="llm", node="root", value={"messages": []}, why="start"))
    assert view.item == "root/i1"
    node = view.run.root
    assert node is not None
    assert [iteration.k for iteration in view.iterations(node)] == [1]
    feed(view, Go(id="root/i1", verb="release"), LlmStart(id="root/i1"))
    assert [iteration.k for iteration in view.iterations(node)] == [1]
    assert view.thing() is view.run.iterations["root/i1"]


def test_next_held_goes_round() -> None:
    view = sample.view(EVENTS)
    assert view.next_held() == CHILD
    view.select_node(CHILD)
    assert view.next_held() == CHILD
    other = sample.log_call(4)
    feed(view, Hold(id=f"{other}/i2", point="reply", node=other, why="step"))
    feed(view, Hold(id=sample.log_call(0), point="return", node="root", why="step"))
    visited: list[str | None] = []
    for _ in range(4):
        home = view.next_held()
        assert home is not None
        view.select_node(home)
        visited.append(home)
        held = view.held_here()
        assert held is not None
        assert view.home_of(held) == home
    assert visited == [other, sample.log_call(0), CHILD, other]


def test_nothing_held_is_no_next() -> None:
    assert sample.view(sample.answered_run()).next_held() is None


def test_up_and_down_the_tree() -> None:
    view = sample.view(EVENTS)
    assert view.parent_node() is None
    assert view.child_node() == CHILD, "of several calls the held one"
    view.select_node(CHILD)
    assert view.parent_node() == "root"
    assert view.child_node() is None
    view.select_node("root")
    view.item = sample.log_call(1)
    assert view.child_node() == sample.log_call(1)
    assert view.path(CHILD) == ["root", "g-305"]


def test_iterations_back_and_forward() -> None:
    view = sample.view(EVENTS)
    steps = []
    while (back := view.iteration_back()) is not None:
        view.select_item(back)
        steps.append(back)
    assert steps == ["root/i3", "root/i2", "root/i1"]
    assert view.iteration_forward() == "root/i2"
    view.select_item("root/i1/obs")
    assert view.iteration_back() == "root/i1"
    view.select_item(None)
    assert view.iteration_forward() == "root/i1"
    ended = sample.view(sample.answered_run())
    assert ended.iteration_back() == "root/i2"


def test_what_is_copied() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert copied(view) == sample.EDITED_CODE
    view.item = f"{CHILD}/i2"
    assert copied(view).startswith("The data is one gust log")
    view.item = f"{CHILD}/i1/obs"
    assert copied(view) == "question 49"
    view.item = None
    assert copied(view) == sample.LOG_PROMPT.format("g-305")
    view.select_node("root")
    view.item = sample.log_call(0)
    assert copied(view) == "38.4"
    view.item = sample.log_call(4)
    assert copied(view) == sample.LOG_PROMPT.format("g-402")
    assert copied(sample.view(sample.answered_run())) == "M. Osei"


def test_what_is_copied_of_the_output() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, LlmStart(id="root/i1"), LlmEnd(id="root/i1", status="ok", reply="look"))
    feed(view, ExecStart(id="root/i1/b1", code="1/0"))
    feed(view, ExecEnd(id="root/i1/b1", status="error", stdout="before\n", error="oops"))
    assert (view.item, copied(view)) == ("root/i1/b1", "1/0")
    view.tab = pages.OUTPUT
    assert copied(view) == "before\noops\n"
    view.item = "root/i1"
    assert copied(view) == "before\noops\n"
    view.select_node("root")
    view.item = None
    assert copied(view) == view.run.task, "nothing printed there"


def test_a_long_text_is_fetched_to_be_copied() -> None:
    blob = Blob(sha256="ab" * 32, length=5000, head="x" * 256)
    texts = {blob.sha256: "x" * 5000}
    run = Run(EVENTS)
    view = View(run, lambda value: texts[value.sha256] if isinstance(value, Blob) else value or "")
    feed(view, Obs(id="root/i3", text=blob, raw_length=5000))
    assert view.item == "root/i3/obs"
    assert len(copied(view)) == 5000


def test_texts_of_free_json() -> None:
    blob = Blob(sha256="ab" * 32, length=5000, head="x")
    assert as_text("x") == "x"
    assert as_text(None) == ""
    assert as_text(blob) is blob
    assert as_text({"$blob": blob.sha256, "length": 5000, "head": "x"}) == blob
    assert as_text(3) == "3"


def test_the_code_of_a_held_block_is_the_held_one() -> None:
    view = sample.view(EVENTS)
    blob = Blob(sha256="cd" * 32, length=9000, head="y")
    feed(view, Hold(id="root/i4/b1", point="block", node="root", value={"code": blob}, why="step"))
    assert view.code(view.run.blocks["root/i4/b1"]) == blob


def test_a_failed_child_is_one_error() -> None:
    view = sample.view(EVENTS)
    assert len(view.errors) == 1
    live = View()
    for event in EVENTS:
        live.apply(event)
    assert live.errors == view.errors
    feed(live, ExecStart(id="root/i4/b1", code="1/0"), ExecEnd(id="root/i4/b1", status="error", error="oops"))
    assert len(live.errors) == 2


def test_what_was_tried_again_and_went_well_is_no_error() -> None:
    view = sample.view(EVENTS[:2])
    wrong = ErrorInfo(kind="network", message="nothing answers")
    feed(view, LlmStart(id="root/i1"), LlmEnd(id="root/i1", status="error", error=wrong))
    assert view.errors == {"root"}
    feed(view, LlmStart(id="root/i1", attempt=2), LlmEnd(id="root/i1", status="ok", reply="x"))
    assert view.errors == set()


def test_the_depth_of_the_deepest_call() -> None:
    assert sample.view(EVENTS).deepest == 2
    live = View()
    for event in EVENTS:
        live.apply(event)
    assert live.deepest == 2
    feed(live, ExecStart(id=f"{HELD}x", code=""), CallStart(id=f"{HELD}~llm:00000000#1", fn="llm_query", prompt="p"))
    assert live.deepest == 2, "a call of a depth that was there before"


def test_a_leaf_call_has_a_trajectory_of_its_own() -> None:
    view = sample.view(EVENTS)
    leaf = next(call for call in view.run.calls.values() if call.node is None)
    view.select_node(leaf.id)
    assert view.item == f"{leaf.id}/answer"
    assert view.thing() is leaf
    assert copied(view) == "I. Thorne"
    assert view.parent_node() in view.run.nodes


def test_a_reply_on_its_way_is_copied_as_far_as_it_came() -> None:
    view = View()
    for event in EVENTS[:2]:
        view.apply(event)
    feed(view, LlmStart(id="root/i1"), Chunk(id="root/i1", kind="reply", text="I will "))
    feed(view, Chunk(id="root/i1", kind="reply", text="look"))
    assert copied(view) == "I will look"
    feed(view, LlmEnd(id="root/i1", status="ok", reply="I will look."))
    assert copied(view) == "I will look."


def test_the_end_selects_the_answer() -> None:
    view = sample.view(EVENTS)
    feed(view, NodeEnd(id="root", status="killed"))
    assert view.item == "root/answer"


def test_the_moving_sign_is_in_step_with_the_clock() -> None:
    now = [100.0]
    view = View(clock=lambda: now[0])
    frames = []
    for _ in range(8):
        now[0] += 0.25
        view.advance()
        frames.append(view.frame)
    assert frames == [1, 2, 3, 0, 1, 2, 3, 0]
    assert not view.advance()


def test_nothing_moves_in_a_run_that_nobody_runs() -> None:
    for view in (sample.view(EVENTS, read_only=True), sample.view(sample.answered_run())):
        view.clock = lambda: 100.25
        assert not view.advance()
        assert view.frame == 0
