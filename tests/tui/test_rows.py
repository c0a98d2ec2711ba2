from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from rlm_tui.journal.events import (
    CallStart,
    ContextInfo,
    Event,
    ExecEnd,
    ExecStart,
    Hold,
    LlmEnd,
    LlmStart,
    NodeStart,
    Obs,
)
from rlm_tui.tui.glyphs import glyphs
from rlm_tui.tui.rows import brief, pages, step, trajectory, tree
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.view import View
from tests.tui import sample

EVENTS = sample.held_run()
CHILD = sample.log_call(2)


def tree_text(view: View, width: int) -> str:
    rows = tree.rows(view)
    return plain([tree.draw(view, row, width, selected=row.key == view.node, focused=True) for row in rows])


def steps_text(view: View, width: int) -> str:
    rows = trajectory.rows(view, width)
    item = view.item or ""
    return plain([step.draw(view, row, width, selected=row.key == item, focused=True) for row in rows])


def golden(text: str) -> str:
    """A picture in a test: the first line end and the margin of its bar are not part of it."""
    return "\n".join(line.split("|", 1)[1].rstrip() for line in text.split("\n") if "|" in line)


def test_the_tree_wide() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert tree_text(view, 45) == golden("""
        |   ▾ ⋯ root                      i3/30   5.7k
        |     ▾ ✓ rlm which station?         i2   1.0k
        |         ✓ llm who designed Harrow B…     212
        |         ✓ llm what did I. Thorne fo…     212
        |     ▾ ⋯ batch of 5 ━━━━━━────  3/5 ✗1   2.1k
        |         ✓ rlm g-117                i1    300
        |         ✓ rlm g-204                i1    300
        |▌✎       ǁ rlm g-305           block 1    900
        |         ✗ rlm g-311             error    300
        |         ◐ rlm g-402          sampling    300
    """)


def test_the_tree_narrow_drops_the_kind_then_info_then_tokens() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert tree_text(view, 28) == golden("""
        |   ▾ ⋯ root     i3/30   5.7k
        |     ▾ ✓ which station?
        |         ✓ who designed Ha…
        |         ✓ what did I. Tho…
        |     ▾ ⋯ batch of 5   3/5 ✗1
        |         ✓ g-117   i1    300
        |         ✓ g-204   i1    300
        |▌✎       ǁ g-305    block 1
        |         ✗ g-311       error
        |         ◐ g-402    sampling
    """)


def test_a_row_without_tokens_keeps_its_columns() -> None:
    started = next(n for n, event in enumerate(EVENTS) if event.id == f"{CHILD}/i1" and event.ev == "llm.start")
    rows = tree_text(sample.view(EVENTS[: started + 1]), 45).split("\n")
    waiting, queued = (next(row for row in rows if name in row) for name in ("g-305", "g-311"))
    assert waiting == "         ◐ rlm g-305          sampling"
    assert queued == "         ○ rlm g-311            queued"


def test_folding_hides_what_is_below_and_keeps_the_hand() -> None:
    view = sample.view(EVENTS)
    batch = "root/i3/b1*1"
    hop = next(id for id in view.run.nodes if id.startswith("root/i2"))
    view.folded |= {batch, hop}
    assert tree_text(view, 45) == golden("""
        |▌  ▾ ⋯ root                      i3/30   5.7k
        |     ▸ ✓ rlm which station?         i2   1.0k
        | ✎   ▸ ⋯ batch of 5 ━━━━━━────  3/5 ✗1   2.1k
    """)


def test_the_tree_in_ascii_is_ascii_and_as_wide() -> None:
    view = sample.view(EVENTS)
    unicode = tree_text(view, 45)
    view.glyphs = glyphs(True)
    ascii = tree_text(view, 45)
    assert ascii.isascii()
    assert [len(line) for line in ascii.split("\n")] == [cell_len(line) for line in unicode.split("\n")]


def test_the_roots_trajectory_wide() -> None:
    assert steps_text(sample.view(EVENTS), 71) == golden("""
        |   asked Who calibrated the anemometer with the strongest gust at the…
        |         context  list, 16 items, 9.8k characters
        |
        |   i1 I will look at the shape of the context before       1.1s    600
        |      anything else.
        |      ✓  block 1  16 notes; 5 kinds of title               0.0s
        |      ·  observe  16 notes; 5 kinds of title
        |
        |   i2 The bridge and people notes are enough to find the   1.1s    900
        |      station. I give them to one child.
        |      ✓  block 1  station: Cold Fell                       5.2s
        |        ✓  rlm  which station?  → Cold Fell                5.1s   1.0k
        |      ·  observe  station: Cold Fell
        |
        |   i3 Cold Fell has five gust logs. One child for each,    1.1s   1.1k
        |      all at once, then I compare.
        |▌     ⋯  block 1  line 2, waiting for 2 calls              0:46
        |        ✓  rlm  g-117  → 38.4                              3.1s    300
        |        ✓  rlm  g-204  → 38.4                              3.1s    300
        | ✎      ǁ  rlm  g-305  block 1                             0:38    900
        |        ✗  rlm  g-311  rate limit, 3 tries                 6.0s    300
        |        ◐  rlm  g-402  i2 sampling                         0:46    300
    """)


def test_a_childs_trajectory_medium_has_no_air_and_one_line_of_prose() -> None:
    view = sample.view(EVENTS)
    view.size = "medium"
    view.select_node(CHILD)
    assert steps_text(view, 56) == golden("""
        |   i1 First I look at what I was given.            0.7s
        |      ✓  block 1  question 49, data 366 charact…   0.0s
        |      ·  observe  question 49
        |   i2 The data is one gust log of 60 values. I…    1.2s
        |▌✎    ǁ  block 1  1 line edited                    0:38
    """)


def test_a_request_that_was_cancelled_says_so() -> None:
    view = sample.view(EVENTS[:2])
    for event in (LlmStart(id="root/i1"), LlmEnd(id="root/i1", status="cancelled", ms=300)):
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0) + 0.1}))
    assert "  i1 † cancelled before its reply was whole" in steps_text(view, 71)
    shown = pages.page(view, Layout(), 60, 10)
    assert plain(shown.lines) == " No reply: the request was cancelled."


def test_a_held_reply_keeps_its_two_lines() -> None:
    view = sample.view(EVENTS[:2])
    reply = "Cold Fell has five gust logs. One child for each, all at once, then I compare."
    for event in (
        LlmStart(id="root/i1"),
        LlmEnd(id="root/i1", status="ok", reply=reply, ms=1100),
        Hold(id="root/i1", point="reply", node="root", value={"text": reply}, why="step"),
    ):
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0) + 0.1}))
    assert steps_text(view, 71).split("\n")[-2:] == [
        "▌  i1 ǁ  reply  Cold Fell has five gust logs. One child    1.1s      ?",
        "      for each, all at once, then I compare.",
    ]
    rows = [row for row in trajectory.rows(view, 71) if row.kind == "iteration"]
    assert [step.draw(view, row, 71, selected=True, focused=True).ground for row in rows] == ["on-held", "on-held"]
    view.size = "medium"
    assert len(steps_text(view, 71).split("\n")) == 1


@pytest.mark.parametrize(("width", "took", "used"), [(71, True, True), (56, True, False), (43, False, False)])
def test_columns_are_dropped_when_there_is_no_room(width: int, took: bool, used: bool) -> None:
    first = next(line for line in steps_text(sample.view(EVENTS), width).split("\n") if "i1 " in line)
    assert ("1.1s" in first, "600" in first) == (took, used)


def test_a_long_batch_shows_three_and_says_how_many_more() -> None:
    view = sample.view(EVENTS)
    view.size = "medium"
    rows = steps_text(view, 71).split("\n")
    calls = [row for row in rows if " rlm  g-" in row]
    assert ["g-117" in calls[0], "g-305" in calls[1], "g-311" in calls[2]] == [True] * 3, "held and failed ones first"
    assert any("2 more" in row for row in rows)
    view.item = sample.log_call(4)
    assert "g-402" in steps_text(view, 71), "the selected one always"


def test_a_leafs_trajectory() -> None:
    view = sample.view(EVENTS)
    view.size = "medium"
    view.select_node(next(call.id for call in view.run.calls.values() if call.node is None))
    assert steps_text(view, 60) == golden("""
        |      ✓  request  I. Thorne                     1.1s    212
        |▌     ✓  answer   I. Thorne
    """)


def test_the_answer_is_the_last_row() -> None:
    view = sample.view(sample.answered_run())
    assert steps_text(view, 60).split("\n")[-1] == "▌     ◆  final    M. Osei"


# What a block says ---------------------------------------------------------------------------------------------------


def told(*events: Event) -> View:
    view = sample.view(EVENTS[:2])
    for event in (LlmStart(id="root/i1"), LlmEnd(id="root/i1", status="ok", reply="Look.\n```repl\n1\n```"), *events):
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0) + 0.1}))
    return view


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ({"status": "ok", "stdout": "\n  first  line\nsecond\n"}, "first line"),
        ({"status": "ok", "value": "42"}, "42"),
        ({"status": "ok"}, "no output"),
        ({"status": "error", "stdout": "before\n", "error": 'File "<block>", line 3\nNameError: contxt'},
         "NameError: contxt, line 3"),
        ({"status": "skipped"}, "skipped"),
        ({"status": "died"}, "the REPL died"),
        ({"status": "timeout"}, "timed out"),
        ({"status": "aborted"}, "stopped"),
    ],
)  # fmt: skip
def test_a_block_says_the_most_useful_thing(end: dict[str, Any], says: str) -> None:
    view = told(ExecStart(id="root/i1/b1", code="x"), ExecEnd(id="root/i1/b1", **end))
    assert brief.block(view, view.run.blocks["root/i1/b1"])[0] == says


def test_a_running_block_names_the_line_it_waits_at_only_when_it_knows() -> None:
    call = CallStart(id="root/i1/b1~llm:00000000#1", fn="llm_query", prompt="p")
    view = told(ExecStart(id="root/i1/b1", code="a = 1\nb = llm_query('p')"), call)
    assert brief.block(view, view.run.blocks["root/i1/b1"])[0] == "line 2, waiting for 1 call"
    view = told(ExecStart(id="root/i1/b1", code="llm_query('p')\nllm_query('q')"), call)
    assert brief.block(view, view.run.blocks["root/i1/b1"])[0] == "waiting for 1 call"


def test_an_observation_says_its_one_line_or_its_size() -> None:
    view = told(Obs(id="root/i1", text="Code executed:\n```python\n1\n```\n\nREPL output:\nyes\n\nnow go on"))
    assert brief.observation(view.run.iterations["root/i1"]) == "yes"
    view = told(Obs(id="root/i1", text="a\nb\n" * 500, raw_length=9000))
    assert brief.observation(view.run.iterations["root/i1"]) == "2,000 characters, cut from 9,000"


@pytest.mark.parametrize(
    ("reply", "says"),
    [("Look first.\n```repl\nx\n```", "Look first."), ("```repl\nx\n```", "code only"), ("", "an empty reply"),
     ("<think>hm\n```\n</think>Now\nthis.\n```", "Now this.")],
)  # fmt: skip
def test_prose_is_what_comes_before_the_code(reply: str, says: str) -> None:
    assert brief.prose(reply) == says


def test_how_much_an_edit_changed() -> None:
    assert brief.changed_lines("a\nb\nc", "a\nB\nc") == "1 line edited"
    assert brief.changed_lines("a", "a\nb\nc") == "2 lines edited"
    assert brief.changed_lines("a\nb", "") == "2 lines edited"


# Hostile text --------------------------------------------------------------------------------------------------------

HOSTILE = [
    "\x1b[31mred\x1b]0;t\x07", "nul\x00nul", "\ud800 lone", "漢字" * 30, "\u202egnp.exe", "שלום עולם " * 9,
    "[bold red]markup[/]", "e\u0301" * 40, "\t\ttabs", "👩‍👩‍👧 family", "", "x" * 5000, "\r\n\r\n", "🇩🇪🇫🇷",
]  # fmt: skip


def hostile_run(text: str) -> View:
    """A run in which everything that someone else writes is this."""
    tell = sample.Teller()
    tell(EVENTS[0].model_copy(update={"task": text}))
    tell(NodeStart(id="root", depth=0, prompt=text, context=ContextInfo(kind="str", text=text, length=3), model=text))
    tell.ask("root/i1", text, 5)
    tell(ExecStart(id="root/i1/b1", code=text))
    tell.leaf("root/i1/b1", text + "?", text, 5)
    tell(ExecEnd(id="root/i1/b1", status="error", stdout=text, error=text + "\n"))
    tell(Obs(id="root/i1", text=text, raw_length=3))
    return sample.view(tell.events)


def every_row(view: View) -> list[tuple[int, str]]:
    found = []
    for width in (30, 45, 56, 71):
        for row in tree.rows(view):
            found.append((width, tree.draw(view, row, width, selected=False, focused=False).plain))
        for node in ("root", *view.run.calls):
            view.select_node(node)
            for row in trajectory.rows(view, width):
                found.append((width, step.draw(view, row, width, selected=False, focused=False).plain))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_row(text: str) -> None:
    for width, row in every_row(hostile_run(text)):
        assert cell_len(row) == width
        assert not any(c < " " or c in "\x7f\u202e\u200d" or "\ud800" <= c <= "\udfff" for c in row)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=60))
def test_no_text_breaks_a_row(text: str) -> None:
    for width, row in every_row(hostile_run(text)):
        assert cell_len(row) == width
        row.encode()


def test_markup_is_only_text() -> None:
    assert "[bold red]markup[/]" in "\n".join(row for _, row in every_row(hostile_run("[bold red]markup[/]")))


def test_a_deep_chain_stops_indenting_at_eight() -> None:
    tell = sample.Teller()
    tell(EVENTS[0])
    tell(EVENTS[1])
    node = "root"
    for depth in range(1, 13):
        tell(ExecStart(id=f"{node}/i1/b1", code="x"))
        call = f"{node}/i1/b1~rlm:0000000{depth % 10}#1"
        tell(CallStart(id=call, fn="rlm_query", prompt=f"level {depth}", ran_as="rlm"))
        info = ContextInfo(kind="str", text="", length=0)
        tell(NodeStart(id=call, depth=depth, prompt=f"level {depth}", context=info, model="m"))
        node = call
    view = sample.view(tell.events)
    lines = tree_text(view, 60).split("\n")
    assert len(lines) == 13
    starts = [line.index("rlm") for line in lines[1:]]
    assert starts == [*range(9, 9 + 16, 2), 23, 23, 23, 23]
    assert [("8›" in line) for line in lines] == [False] * 9 + [True] * 4


def test_an_opened_journals_clock_stands_still() -> None:
    view = sample.view(EVENTS, read_only=True)
    view.select_node(CHILD)
    assert steps_text(view, 60).split("\n")[-1].endswith("0:03")
