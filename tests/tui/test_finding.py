"""What a search finds, in which order, and where of a run it is seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rlm_tui.journal.query import Query, parse
from rlm_tui.journal.search import Hit
from rlm_tui.tui import text
from rlm_tui.tui.finding import Finder
from rlm_tui.tui.rows import found
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.rows.pages import tabs
from rlm_tui.tui.screens.hits import draw as draw_hit
from rlm_tui.tui.selection import ANSWER, OBS
from tests.runs import DEADLINE_S
from tests.tui import sample

CHILD = sample.log_call(2)


def searched(typed: str, node: str = "root") -> Finder:
    """A finder on the held run, its search through."""
    view = sample.view(sample.held_run())
    view.select_node(node)
    finder = Finder(view)
    finder.look_for(typed)
    wait(lambda: not finder.searching)
    return finder


def wait(state: Callable[[], Any]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not state():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def words(typed: str) -> tuple[Any, ...]:
    query = parse(typed)
    assert isinstance(query, Query)
    return query.wanted


# What is looked for ------------------------------------------------------------------------------------------------


def test_hits_go_round_both_ways() -> None:
    finder = searched("kind:reply")
    assert finder.count == f"{len(finder.hits)} hits" and len(finder.hits) > 5
    last = len(finder.hits) - 1
    assert finder.step(1) == finder.hits[0]
    assert finder.step(-1) == finder.hits[last]
    assert finder.step(1) == finder.hits[0]
    assert finder.step(1) == finder.hits[1]
    fresh = searched("kind:reply")
    assert fresh.step(-1) == fresh.hits[last]


def test_what_cannot_be_understood_loses_nothing() -> None:
    finder = searched("thorne")
    hits = list(finder.hits)
    finder.look_for("thorne kind:nothing")
    assert "kind:nothing is none of" in finder.wrong
    assert finder.hits == hits and finder.typed == "thorne kind:nothing"
    finder.look_for("thorne")
    assert finder.wrong == "" and finder.count


def test_nothing_typed_looks_for_nothing() -> None:
    finder = searched("thorne")
    finder.look_for("  ")
    assert (finder.hits, finder.wrong, finder.count) == ([], "", "")


def test_queries_are_remembered_once_each_the_newest_last() -> None:
    finder = searched("one")
    for typed in ("one", "two", "one", " "):
        finder.remember(typed)
    assert finder.history == ["two", "one"]


def test_a_variable_is_followed_through_its_node() -> None:
    finder = searched("when body", CHILD)
    assert [hit.id for hit in finder.hits] == [f"{CHILD}/i1/b1"]
    assert finder.hits[0].head.startswith("first there: str 366, ")
    assert finder.told == "body over time."


def test_a_variable_that_is_not_here_is_looked_for_elsewhere() -> None:
    finder = searched("when body")
    assert len(finder.hits) == 5
    assert finder.told == "body over time. Not in this node; elsewhere in 5 others."
    assert searched("when nonsense").told == "No block of this run made a variable nonsense."


def test_a_value_that_was_had_is_where_the_first_step_leads() -> None:
    finder = searched("when n == 16")
    assert finder.told == "n had that value."
    hit = finder.step(1)
    assert hit is not None and (hit.id, hit.head) == ("root/i1/b1", "has the value: int, 16")
    assert searched("when n == 17").told == "n never had that value."


def test_a_run_that_goes_on_is_searched_again_and_the_hit_stays() -> None:
    events = sample.held_run()
    view = sample.view(events[:12])
    finder = Finder(view)
    finder.look_for("kind:block")
    wait(lambda: not finder.searching)
    before = len(finder.hits)
    hit = finder.step(1)
    assert finder._chase is not None
    finder._chase.began -= 100
    for event in events[12:]:
        view.apply(event)

    def grown() -> bool:
        finder.poll()
        return len(finder.hits) > before

    wait(grown)
    assert finder.hits[finder.at] == hit


# Where it is ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hit", "node", "item", "tab"),
    [
        (Hit("root", "root", "rlm", "prompt", 1), "root", None, ""),
        (Hit("root/i1", "root", "reply", "reply", 1), "root", "root/i1", ""),
        (Hit("root/i1+s2", "root", "reply", "reply", 1), "root", "root/i1", ""),
        (Hit("root/i1", "root", "reply", "system", 1), "root", "root/i1", "Messages"),
        (Hit("root/i1", "root", "observe", "observe", 1), "root", "root/i1" + OBS, ""),
        (Hit("root/i1/b1", "root", "block", "code", 1), "root", "root/i1/b1", ""),
        (Hit("root/i1/b1", "root", "block", "output", 1), "root", "root/i1/b1", "Output"),
        (Hit("root/i1/b1", "root", "variable", source="n"), "root", "root/i1/b1", "Variables"),
        (Hit(CHILD, CHILD, "rlm", "prompt", 1), "root", CHILD, ""),
        (Hit(sample.log_call(0), sample.log_call(0), "final", "answer", 1),
         sample.log_call(0), sample.log_call(0) + ANSWER, ""),
        (Hit("root/i1" + OBS, "root", "note", "note", 1), "root", "root/i1" + OBS, "Notes"),
    ],
)  # fmt: skip
def test_where_a_hit_is_seen(hit: Hit, node: str, item: str | None, tab: str) -> None:
    place = found.place(sample.view(sample.held_run()), hit)
    assert (place.node, place.item, place.tab) == (node, item, tab)


def test_the_answer_of_a_leaf_is_in_the_leaf() -> None:
    finder = searched('in:answer "I. Thorne" kind:llm')
    assert finder.hits
    place = found.place(finder._view, finder.hits[0])
    assert (place.node, place.item) == (finder.hits[0].id, finder.hits[0].id + ANSWER)


def test_every_hit_of_a_run_has_a_place_that_is_there() -> None:
    view = sample.view(sample.held_run())
    for query in ("a", "kind:rlm", "kind:block", "kind:llm", "kind:reply", "kind:observe", "kind:final"):
        for hit in searched(query).hits:
            place = found.place(view, hit)
            assert place.node in view.run.nodes or place.node in view.run.calls
            view.select_node(place.node)
            view.item = place.item
            assert place.item is None or view.thing() is not None
            assert not place.tab or place.tab in [tab.name for tab in tabs(view)]
            assert found.name(view, hit)


def test_words_are_marked_and_line_numbers_are_not() -> None:
    lines = [Line([("   3 ", "ink-3"), ("top = ", "ink"), ("m3ax", "live"), ("(3)", "ink-2")])]
    (line,) = found.mark(lines, words("3"))
    assert line.plain == lines[0].plain
    assert [(piece, ink) for piece, ink in line.spans if ink == "found"] == [("3", "found"), ("3", "found")]
    (line,) = found.mark(lines, words('"= m3"'), 0)
    assert [piece for piece, ink in line.spans if ink == "found-here"] == ["= ", "m3"]


def test_a_hit_is_found_again_in_wrapped_lines() -> None:
    view = sample.view(sample.held_run())
    said = "first line\n" + "word " * 60 + "needle " + "word " * 10 + "\nneedle needle\n"
    rows = [Line([(" " + row, "ink")]) for row in text.lay_out(said, 30)]

    def hit(offset: int, line: int) -> Hit:
        return Hit("x", "root", "reply", "reply", line, offset, 6, source=said)

    first = said.index("needle")
    at = found.row_of(view, rows, hit(first, 2))
    assert at is not None and "needle" in rows[at].plain and at < len(rows) - 2
    last = found.row_of(view, rows, hit(said.index("needle needle"), 3))
    assert last is not None and rows[last].plain == " needle needle"
    assert found.row_of(view, [Line([("nothing", "ink")])], hit(first, 2)) is None


def test_the_same_line_many_times_is_found_where_it_was() -> None:
    view = sample.view(sample.held_run())
    said = "x = 1\n" * 50
    rows = [Line([(f"{n:>4} ", "ink-3"), ("x = 1", "ink")]) for n in range(1, 51)]
    for n in (0, 7, 49):
        assert found.row_of(view, rows, Hit("x", "root", "block", "code", n + 1, 6 * n, 1, source=said)) == n


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_a_row_of_the_list_is_as_wide_as_the_screen_and_shows_the_match(width: int) -> None:
    view = sample.view(sample.held_run())
    head = "a\tb " + "x" * 90 + " needle \x1b[31m" + "y" * 40
    hit = Hit(f"{CHILD}/i1/b1", CHILD, "block", "output", 12, 500, 6, head, head.index("needle"), head)
    line = draw_hit(view, 4_321, hit, width, selected=True)
    assert line.width == width
    assert "needle" in line.plain and "\x1b" not in line.plain and "4,322" in line.plain
