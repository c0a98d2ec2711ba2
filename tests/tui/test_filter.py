from __future__ import annotations

import time

import pytest

from rlm_tui.journal.events import CallEnd, ErrorInfo
from rlm_tui.tui.finding import Finder, with_paths
from rlm_tui.tui.rows import header, tree
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.find import FindLine
from tests.runs import DEADLINE_S
from tests.tui import sample
from tests.tui.stage import Stage, staged

BATCH = "root/i3/b1*1"


def filtered(typed: str, view: View | None = None) -> tuple[View, Finder]:
    """The held run with its tree filtered, the search through."""
    view = view or sample.view(sample.held_run())
    finder = Finder(view)
    assert finder.filter(typed) == ""
    poll(finder, view)
    return view, finder


def poll(finder: Finder, view: View) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while finder._filter is None or not finder._filter.over or finder.poll() or view.filtered is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def keys(view: View) -> list[str]:
    return [row.key for row in tree.rows(view)]


def test_only_what_fits_is_shown_and_the_way_to_it() -> None:
    view, _ = filtered("status:error")
    assert keys(view) == ["root", BATCH, sample.log_call(3)]
    assert view.filtered is not None and view.filtered.fits == {sample.log_call(3)}


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("status:held", {sample.log_call(2)}),
        ("edited -status:running", {sample.log_call(2)}),
        ("g-117", {sample.log_call(0)}),
        ("depth=0", {"root"}),
        ("nothing-like-it", set[str]()),
        ("node:root", {"root"}),
    ],
)
def test_rows_fit_by_what_they_are_or_by_what_is_in_them(typed: str, fits: set[str]) -> None:
    view, _ = filtered(typed)
    assert view.filtered is not None
    assert view.filtered.fits - {"root"} == fits - {"root"}
    assert keys(view)[0] == "root"


def test_a_node_is_no_error_for_an_error_in_it() -> None:
    view = sample.view(sample.held_run())
    for id, block in view.run.blocks.items():
        if id.startswith(sample.log_call(1)):
            block.status = "error"
    filtered("status:error", view)
    assert view.filtered is not None and sample.log_call(1) not in view.filtered.fits
    filtered("kind:block status:error", view)
    assert view.filtered is not None and sample.log_call(1) in view.filtered.fits


def test_everything_above_a_row_is_on_the_way_to_it() -> None:
    view = sample.view(sample.held_run())
    leaf = next(id for id, call in view.run.calls.items() if call.node is None and "~llm" in id)
    rows = with_paths(view.run, frozenset({leaf}))
    hop = leaf.split("/i1/b1~llm")[0]
    assert rows == {leaf, hop, "root"}


def test_folded_rows_open_on_the_way_and_fold_again_afterwards() -> None:
    view = sample.view(sample.held_run())
    view.folded = {BATCH, sample.log_call(0)}
    view, finder = filtered("status:error", view)
    assert sample.log_call(3) in keys(view)
    assert finder.show_all()
    assert view.folded == {BATCH, sample.log_call(0)}
    assert not finder.show_all()


def test_the_title_says_so_and_how_many_fit_however_narrow() -> None:
    view, _ = filtered("status:error")
    line = header.title(view, "calls", 46, True).plain
    assert " 1 status:error · esc shows all ━" in line and line.endswith(" 1 of 9 ━")
    assert " 1 filtered: status:error · esc shows all ━" in header.title(view, "calls", 80, True).plain
    view, _ = filtered("status:error -status:held -status:done node:root*")
    line = header.title(view, "calls", 46, True).plain
    assert len(line) == 46 and "· esc shows all" in line and "…" in line
    view.size = "narrow"
    assert "1 calls filtered 1 of 9" in header.title(view, "calls", 80, True).plain


def test_what_comes_later_and_fits_is_shown_too() -> None:
    events = sample.held_run()
    view = sample.view(events)
    view, finder = filtered("status:error", view)
    wrong = ErrorInfo(kind="server", message="down")
    end = CallEnd(id=sample.log_call(4), status="error", error=wrong)
    view.apply(end.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0) + 1}))
    view.version += 1
    assert finder._filter is not None
    finder._filter.began -= 100
    deadline = time.monotonic() + DEADLINE_S
    while sample.log_call(4) not in keys(view):
        assert time.monotonic() < deadline
        finder.poll()
        assert sample.log_call(3) in keys(view)
        time.sleep(0.005)


def test_a_history_is_no_filter_and_nonsense_is_told() -> None:
    finder = Finder(sample.view(sample.held_run()))
    assert "looked for with /" in finder.filter("when x")
    assert "is none of" in finder.filter("kind:x")
    assert finder.filter("  ") == ""


@staged(hold=False)
async def test_the_tree_follows_what_is_typed_and_escape_shows_all(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    shown = stage.main.query_one(CallTree)
    await stage.until(lambda: len(shown.entries) > 5, "the tree")
    all_rows = len(shown.entries)
    await stage.press("f", *"kind:llm")
    await stage.until(lambda: stage.view.filtered is not None and len(shown.entries) < all_rows, "fewer rows")
    await stage.press("enter")
    assert not stage.main.query_one(FindLine).typing and stage.main.pane == "calls"
    assert "1 kind:llm · esc shows all" in stage.text
    assert stage.main.query_one("#footer").display and "esc show all rows" in stage.footer
    await stage.press("down", "down")
    assert stage.view.node in (row.key for row in (entry.about for entry in shown.entries))
    await stage.press("escape")
    await stage.until(lambda: len(shown.entries) == all_rows, "all rows")
    assert stage.view.filtered is None


@staged(hold=False)
async def test_when_nothing_fits_that_is_said(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("f", *"nothing-like-it", "enter")
    await stage.until(lambda: "No other row fits." in stage.text, "a sentence")


@staged(size=(80, 24), hold=False)
async def test_in_a_narrow_window_the_filtered_tree_is_shown(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("f", *"kind:llm", "enter")
    await stage.until(lambda: stage.view.filtered is not None, "the filter")
    await stage.until(lambda: "calls filtered" in stage.text, "the title")
    assert "esc show all rows" in stage.footer
    assert stage.main.pane == "calls"
    await stage.press("escape")
    assert "filtered" not in stage.text and stage.main.pane == "calls"
