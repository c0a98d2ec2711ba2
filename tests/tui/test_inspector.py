"""The inspector's tabs: what each shows of the thing that is selected, and how."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from rlm_tui.journal.events import (
    Chunk,
    Edit,
    ErrorInfo,
    ExecEnd,
    Hold,
    LlmStart,
    NodeEnd,
    Obs,
    Proposal,
)
from rlm_tui.tui import text
from rlm_tui.tui.rows import code, pages
from rlm_tui.tui.rows.layout import Layout, plain
from tests.tui import sample
from tests.tui.inspected import CHILD, CODE, EVENTS, VARIABLES, names, page
from tests.tui.sample import feed
from tests.tui.test_rows import HOSTILE, golden, hostile_run

# Tabs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "first"),
    [
        ("root/i2", "Reply"),
        ("root/i2/b1", "Code"),
        (sample.log_call(0), "Call"),
        ("root/i2/obs", "Observation"),
        ("root/answer", "Answer"),
        (None, "Question"),
    ],
)
def test_the_first_tab_is_named_after_the_thing(item: str | None, first: str) -> None:
    view = sample.view(EVENTS)
    view.item = item
    assert names(view)[0] == first


def test_tabs_say_where_a_hand_is_and_where_nothing_is() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert names(view) == ["Code✎", "Output –", "Messages", "Variables", "Diff", "Notes –"]
    assert pages.tab_line(view, 60)[0].plain == " Code✎   Output –   Messages   Variables   Diff   Notes –"
    view.select_node(next(call.id for call in view.run.calls.values() if call.node is None))
    assert names(view) == ["Answer", "Output –", "Messages", "Variables –", "Diff –", "Notes –"]


# Code ----------------------------------------------------------------------------------------------------------------


def test_an_edit_is_a_difference_in_place_and_numbers_count_the_new_text() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert page(view, CODE) == golden("""
        |   1   values = body.split()[1:]
        |     - top = max(values)
        |   2 + top = max(float(v) for v in values)
        |   3   print("max:", top)
        |   4   FINAL_VAR("result")
        |
        | variables before this block
        | context  str 418  Report '<id> <max>' for this gust log.…
        | head     str 49   Report '<id> <max>' for this gust log.
        | body     str 366  [logs/cold-fell/g-305] 9.8 12.4
    """)


def test_the_painting_of_a_difference() -> None:
    lines = code.difference(Layout(), "a = 1\nb = 2", "a = 1\nb = 3", 40)
    same, gone, came = lines
    assert ("b = 2", "ink-3 strike") in gone.spans
    assert came.ground == "on-human"
    assert (" + ", "human bold") in came.spans
    assert same.ground == gone.ground == ""


def test_code_is_painted_by_what_it_is() -> None:
    [line] = code.coloured("x = llm_query('hi') if context else 42  # why")
    words = {piece.strip(): paint for piece, paint in line}
    assert words["llm_query"] == words["context"] == "live"
    assert words["if"] == words["else"] == "code-keyword"
    assert words["hi"] == words["'"] == "code-string"
    assert words["42"] == "code-number"
    assert words["# why"] == "ink-3"
    assert words["="] == "ink-2"
    assert words["x"] == "ink"


@pytest.mark.parametrize("source", ["def f(:\n  '''", "\x00\x1b[31m", "`" * 50, "\ud800", "日本 = '漢字'", "", "\n\n"])
def test_what_is_no_code_is_shown_whole(source: str) -> None:
    lines = code.coloured(source)
    assert "".join(piece for line in lines for piece, _ in line) == "".join(
        line.plain for line in plain(source, 200, indent=0)
    )


def test_long_code_is_not_coloured_beyond_a_point_but_shown() -> None:
    source = "x = 1\n" * 10_000
    lines = code.coloured(source)
    assert len(lines) == 10_000
    assert lines[0][0] == ("x", "ink")
    assert lines[-1] == [("x = 1", "ink")]


def test_a_block_that_waits_marks_its_line_and_shows_a_strip_for_each_call() -> None:
    view = sample.view(EVENTS)
    shown = page(view, CODE, "root/i3/b1", width=58)
    assert " ▸ 2   tops = rlm_query_batched(logs)  # one each" in shown.split("\n")
    strips = shown[shown.index("calls from") - 1 :]
    assert strips == golden("""
        | calls from line 2                              3/5 · 47s
        | ✓ g-117      ────                                   38.4
        | ✓ g-204      ────                                   38.4
        | ǁ g-305      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━         held
        | ✗ g-311      ─────                                 error
        | ◐ g-402      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━           i2
    """)


def test_strips_are_only_in_wide() -> None:
    view = sample.view(EVENTS)
    view.size = "medium"
    assert "calls from" not in page(view, CODE, "root/i3/b1")


def test_who_writes_below_a_block_is_shown_under_a_rule_with_a_caret() -> None:
    view = sample.view(EVENTS)
    feed(view, Chunk(id=f"{sample.log_call(4)}/i2", kind="reply", text="The notes hold one log.\n```repl\nx = "))
    shown = page(view, CODE, "root/i3/b1").split("\n")
    assert shown[-5:] == [
        "─ g-402 is writing ─────────────────────────────── ~9 tok ─", "", " The notes hold one log.", " ```repl",
        " x = ▌",
    ]  # fmt: skip


def test_wrapped_code_keeps_every_character() -> None:
    source = "values = [" + ", ".join(f"'{n}'" for n in range(40)) + "]"
    lines = code.numbered(sample.view(EVENTS), Layout(), source, 40)
    assert "".join(line.plain[7:] for line in lines) == source
    assert all(cell_len(line.plain) <= 40 for line in lines)


# The other things ----------------------------------------------------------------------------------------------------


def test_a_reply_shows_prose_and_coloured_code() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    shown = page(view, CODE, f"{CHILD}/i2").split("\n")
    assert shown[0] == " The data is one gust log of 60 values. I take the largest"
    assert " ```repl" in shown
    assert "   2   top = max(values)" in shown


def test_an_edited_reply_is_a_difference() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, Hold(id="root/i1", point="reply", node="root", value={"text": "old"}, why="step"))
    feed(view, Edit(id="root/i1", field="reply", value="new", was="old", by="human"))
    assert page(view, CODE, "root/i1").split("\n") == ["     - old", "   1 + new"]
    assert names(view)[0] == "Reply✎"


def test_a_call_shows_what_was_asked_and_what_came_back() -> None:
    view = sample.view(EVENTS)
    shown = page(view, CODE, sample.log_call(0))
    assert "asked by   rlm_query_batched" in shown
    assert "ran as     a child RLM" in shown
    assert "batch      item 1 of 5" in shown
    assert " 38.4" in shown.split("\n")
    assert " [logs/cold-fell/g-117] 9.8 12.4 7.1 43.7" in shown.split("\n")
    assert "rate limit, 3 tries" in page(view, CODE, sample.log_call(3))


def test_an_observation_that_was_cut_says_so() -> None:
    view = sample.view(EVENTS)
    feed(view, Obs(id="root/i3", text="short", raw_length=20_311))
    assert page(view, CODE, "root/i3/obs") == " 5 characters sent; cut from 20,311.\n\n short"


def test_an_answer_says_how_it_was_declared_and_what_it_rests_on() -> None:
    view = sample.view(EVENTS)
    final = Proposal(text="M. Osei", via="FINAL_VAR", var="who", block="root/i3/b1", chosen=True)
    feed(view, ExecEnd(id="root/i3/b1", status="ok", finals=(final,)))
    node = view.run.root
    assert node is not None
    node.downstream = True
    feed(view, NodeEnd(id="root", status="final", value="M. Osei", type="str", via="FINAL_VAR"))
    assert page(view, CODE, "root/answer", width=70) == golden("""
        | ◆ M. Osei
        |
        | declared   FINAL_VAR("who")  in i3, block 1     str, 7 characters
        | rests on   ✎ your edit of g-305 · i2 · block 1
    """)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ({"status": "exhausted", "limit": "max_iterations", "partial": "so far"},
         " No answer: the limit max_iterations was reached."),
        ({"status": "error", "error": ErrorInfo(kind="key", message="No key for this model.")},
         " No key for this model."),
        ({"status": "killed"}, " No answer: killed."),
    ],
)  # fmt: skip
def test_a_node_without_an_answer_says_why(end: dict[str, Any], says: str) -> None:
    view = sample.view(EVENTS)
    feed(view, NodeEnd(id="root", **end))
    assert page(view, CODE, "root/answer").split("\n")[0] == says


def test_a_limit_in_hand() -> None:
    view = sample.view(EVENTS)
    value = {"name": "max_iterations", "used": 30, "limit": 30}
    feed(view, Hold(id="root", point="limit", node="root", value=value, why="limit"))
    assert view.item == "root/answer"
    assert page(view, CODE) == " max_iterations        30 of 30 used"


def test_a_failure_in_hand() -> None:
    view = sample.view(EVENTS[:2])
    feed(view, LlmStart(id="root/i1"))
    value = {"kind": "rate", "message": "Too many requests.", "attempt": 3}
    feed(view, Hold(id="root/i1", point="error", node="root", value=value, why="error"))
    assert page(view, CODE).split("\n") == [
        " went wrong rate",
        " attempt    3",
        "",
        " Too many requests.",
    ]


def test_variables_are_those_of_their_time() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    before = page(view, VARIABLES, f"{CHILD}/i1/b1")
    assert "variables after block 1" in before
    assert "changed here" in before
    assert "variables before this block" in page(view, VARIABLES, f"{CHILD}/i2/b1")
    view.select_node(next(call.id for call in view.run.calls.values() if call.node is None))
    assert page(view, VARIABLES) == " No variables: a model request has no REPL."


def test_a_long_text_is_shown_as_far_as_it_goes_and_says_what_is_left() -> None:
    lines = plain("x" * (text.CAP + 2_500), 1002)
    assert lines[-1].plain == " 2.5 kB more, not shown; y copies all of it"
    assert len(plain("1\n" * 100_000, 80)) == text.LINES + 1, "nor a million short lines"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_the_pane(text: str) -> None:
    view = hostile_run(text)
    for node in ("root", *view.run.calls):
        view.select_node(node)
        for item in (None, view.item, "root/i1", "root/i1/b1", "root/i1/obs"):
            for tab in range(4):
                view.item, view.tab = item, tab
                for line in pages.page(view, Layout(), 40, 20).lines:
                    assert cell_len(line.plain) <= 40
                    assert not any(c < " " or c in "\x7f\u202e\u200d" or "\ud800" <= c <= "\udfff" for c in line.plain)
