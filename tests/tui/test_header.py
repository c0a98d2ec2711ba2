from __future__ import annotations

import pytest
from rich.cells import cell_len

from rlm_tui.journal.events import Event, LlmEnd, LlmStart, NodeEnd, RunEnd
from rlm_tui.tui.rows import header
from rlm_tui.tui.view import View
from tests.tui import sample
from tests.tui.panes import Panes, in_loop

EVENTS = sample.held_run()
CHILD = sample.log_call(2)


def text(view: View, width: int) -> list[str]:
    return [line.plain for line in header.header(view, width)]


def ended(status: str, **fields: object) -> View:
    view = sample.view(EVENTS[:8])
    for event in (NodeEnd(id="root", status=status, **fields), RunEnd(id="root", status=status)):  # type: ignore[arg-type]
        view.apply(event.model_copy(update={"seq": view.run.seen, "t": (view.run.last or 0) + 1}))
    return view


def test_both_rows_wide() -> None:
    first, second = text(sample.view(EVENTS), 160)
    assert first.startswith("  ǁ 1 held  Who calibrated the anemometer")
    assert first.endswith("  multi-hop  7f3a  ")
    assert second.split("   ") == [
        "  scripted:multi-hop", "iteration 3/30 ━─────", "calls 8", "tokens 5.7k", "cost scripted", "depth 2/3", "◐ 1 running",
        "✗ 1 error", "✎ 1 edit", *[""] * 6, "0:57  ",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "gone", "kept"),
    [
        (140, (), ("depth 2/3", "1 running", "scripted:multi-hop", "calls 8")),
        (118, ("depth",), ("◐ 1", "scripted:multi-hop", "calls 8")),
        (84, ("depth", "running", "scripted:multi-hop"), ("calls 8", "✗ 1")),
        (72, ("depth", "running", "scripted:multi-hop", "calls"), ("tokens 5.7k",)),
    ],
)
def test_numbers_are_dropped_in_order(width: int, gone: tuple[str, ...], kept: tuple[str, ...]) -> None:
    second = text(sample.view(EVENTS), width)[1]
    assert not [word for word in gone if word in second]
    assert not [word for word in (*kept, "iteration 3/30", "0:57") if word not in second]


@pytest.mark.parametrize("width", [60, 72, 84, 100, 118, 140, 160, 240])
@pytest.mark.parametrize("size", ["wide", "medium", "narrow"])
def test_rows_are_exactly_as_wide_as_the_terminal(width: int, size: str) -> None:
    view = sample.view(EVENTS)
    view.size = size  # type: ignore[assignment]
    for row in text(view, width):
        assert cell_len(row) == width
        assert "1 held" in row or "iteration" in row


def test_narrow_is_one_row() -> None:
    view = sample.view(EVENTS)
    view.size = "narrow"
    assert text(view, 80) == ["  ǁ 1 held  Who calibrated the anemometer with the…  i3/30  calls 8  5.7k  0:57 "]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View(), "○ starting"),
        (sample.view(EVENTS[:8]), "◐ running"),
        (sample.view(EVENTS), "ǁ 1 held"),
        (sample.view(EVENTS, read_only=True), "read-only"),
        (sample.view(sample.answered_run()), "◆ answered"),
        (ended("error"), "✗ failed"),
        (ended("exhausted"), "∅ no answer"),
        (ended("limit", limit="max_timeout"), "∅ no answer"),
        (ended("killed"), "† killed"),
        (ended("exhausted", value="at last"), "◆ answered"),
    ],
)
def test_the_chip_says_the_state(view: View, words: str) -> None:
    assert header.chip(view)[0] == words


def test_an_answer_after_an_edit_says_so() -> None:
    tell = sample.Teller()
    tell.events = sample.held_run()
    tell.t = tell.events[-1].t
    tell(NodeEnd(id="root", status="final", value="x", via="FINAL"))
    tell(RunEnd(id="root", status="final", value="x"))
    assert "✎ after 1 edit" in text(sample.view(tell.events), 140)[1]


def test_a_run_that_ended_counts_no_further() -> None:
    view = sample.view(sample.answered_run())
    before = text(view, 140)
    view.clock = lambda: sample.START + 1e6
    assert text(view, 140) == before


def test_unknown_tokens_and_cost_are_question_marks() -> None:
    events: list[Event] = [*EVENTS[:2], LlmStart(id="root/i1"), LlmEnd(id="root/i1", status="ok", reply="x")]
    second = text(sample.view(events), 140)[1]
    assert "tokens ?" in second
    assert "cost ?" in second


def test_titles() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    assert header.title(view, "calls", 46, False).plain == "─ 1 calls " + "─" * 32 + " 8 ─"
    assert header.title(view, "trajectory", 46, True).plain == "━ 2 root › g-305 ━━━━━━━━━━━━━━ 2 iterations ━"
    assert header.title(view, "inspector", 30, False).plain == "─ 3 block 1 of i2 ────────────"


def test_a_path_is_shortened_from_the_left() -> None:
    view = sample.view(EVENTS)
    leaf = next(call for call in view.run.calls.values() if call.node is None)
    view.select_node(leaf.id)
    assert "root › which station? › who designed Harrow Bridge" in header.title(view, "trajectory", 90, True).plain
    short = header.title(view, "trajectory", 46, True).plain
    assert "… › who designed Harrow Bridge" in short
    assert cell_len(short) == 46


@pytest.mark.parametrize(("pane", "heavy"), [("calls", "━ 1 calls"), ("trajectory", "━━ 2"), ("inspector", "━━ 3")])
def test_narrow_titles_stand_in_one_rule(pane: str, heavy: str) -> None:
    view = sample.view(EVENTS)
    view.size = "narrow"
    plain = header.title(view, pane, 80, True).plain
    assert heavy in plain
    assert [word in plain for word in ("1 calls", "2 trajectory", "3 block 1 of i3")] == [True] * 3
    assert cell_len(plain) == 80


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("root/i2", "reply of i2"),
        ("root/i2/obs", "observation of i2"),
        ("root/i3/b1", "block 1 of i3"),
        (sample.log_call(0), "call g-117"),
        ("root/answer", "answer of root"),
        (None, "question to root"),
    ],
)
def test_the_inspectors_title_says_what_it_shows(item: str | None, says: str) -> None:
    view = sample.view(EVENTS)
    view.item = item
    assert header.item_title(view) == says


@in_loop
async def test_the_title_of_the_pane_that_takes_keys_is_heavy() -> None:
    app = Panes(sample.view(EVENTS))
    async with app.run_test(size=(160, 45)) as pilot:
        for pane, digit in (("CallTree", "1"), ("Trajectory", "2"), ("TextPane", "3")):
            app.screen.query_one(pane).focus()
            await pilot.pause()
            rule = next(row for row in app.rows() if "─" in row and " 1 calls" in row)
            assert [f"━ {words}" in rule for words in ("1 calls", "2 root", "3 block")] == [n == digit for n in "123"]


@in_loop
async def test_the_header_repaints_when_the_run_goes_on() -> None:
    view = sample.view(EVENTS[:8])
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert "◐ running" in app.rows()[0]
        for event in EVENTS[8:]:
            view.apply(event)
        app.sync()
        await pilot.pause()
        assert "ǁ 1 held" in app.rows()[0]
        assert "iteration 3/30" in app.rows()[1]
