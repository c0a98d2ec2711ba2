"""Two runs side by side: the rows, the texts below them, and the screen by its keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color

from rlm_tui.debugger.likeness import Change
from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal.events import Edit, NodeEnd, RunEnd
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from rlm_tui.tui.comparing import Both, both
from rlm_tui.tui.glyphs import ASCII, UNICODE
from rlm_tui.tui.rows import compare, differing, outcome
from rlm_tui.tui.rows.differing import Part, matches
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.screens.compare import CompareScreen
from rlm_tui.tui.theme import tokens
from rlm_tui.tui.widgets.comparison import Things
from tests.tui import branched
from tests.tui.branched import looking
from tests.tui.panes import in_loop
from tests.tui.sample import held_run
from tests.tui.sample import view as a_view
from tests.tui.stage import Stage


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and a branch of it in which a person changed a block of a child."""
    source = branched.played(tmp_path_factory.mktemp("runs"))
    return source, branched.mended(source)


@pytest.fixture(scope="module")
def found(runs: tuple[Path, Path]) -> Both:
    source, branch = runs
    return both(branch, source, UNICODE)


# The texts --------------------------------------------------------------------------------------------------------------


LINES = st.lists(st.sampled_from("abc"), max_size=30)


@given(LINES, LINES, st.booleans())
def test_every_line_of_both_is_told_once_and_in_order(left: list[str], right: list[str], all: bool) -> None:
    told = list(matches(left, right, all=all))
    mine = [match.left for match in told if match.left is not None]
    theirs = [match.right for match in told if match.right is not None]
    assert mine == sorted(set(mine)) and theirs == sorted(set(theirs))
    gaps = sum(match.gap for match in told)
    assert (len(mine) + gaps, len(theirs) + gaps) == (len(left), len(right))
    assert not (all and gaps)
    for match in told:
        if match.same and not match.gap:
            assert match.left is not None and match.right is not None
            assert left[match.left] == right[match.right]
        elif match.left is not None and match.right is not None:
            assert not match.same
    if left != right:
        assert any(not match.same for match in told)


def test_far_from_a_difference_equal_lines_are_only_counted() -> None:
    left = [str(n) for n in range(100)]
    told = list(matches(left, [*left[:50], "other", *left[51:]]))
    assert [match.gap for match in told if match.gap] == [47, 46]
    assert sum(match.same and not match.gap for match in told) == 2 * differing.AROUND


def test_texts_too_long_to_be_matched_are_told_as_replaced() -> None:
    left, right = ([f"{side} {n}" for n in range(3000)] for side in ("left", "right"))
    told = list(matches(["same", *left], ["same", *right]))
    assert told[0].same and not any(match.same for match in told[1:])
    assert len(told) == 3001


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("cells", [60, 118, 200])
def test_no_line_is_wider_than_the_row_and_nothing_is_obeyed(cells: int, split: bool) -> None:
    view = a_view([])
    nasty = "x = '\x1b[31m'\n" + "wide 漢字 " * 60 + "\n\u202eright to left\nlast"
    parts = [
        Part("code", nasty, nasty.replace("last", "other"), code=True, edited=True),
        Part("value", "\x1b]0;title\x07", None),
        Part("output", None, nasty),
    ]
    lines = differing.lines(view, parts, cells, split=split)
    assert {line.width for line in lines} == {cells}
    assert not set(plain(lines)) & {"\x1b", "\x07", "\u202e"}


def test_what_went_and_what_came_stand_on_their_sides() -> None:
    view = a_view([])
    parts = [Part("code", "a = 1\nb = 2\nc = 3", "a = 1\nb = 4\nc = 5", code=True), Part("status", "done", "error")]
    rows = plain(differing.lines(view, parts, 100, split=True)).split("\n")
    changed = next(row for row in rows if "b = 2" in row)
    assert changed.index("- b = 2") < changed.index("≠") < changed.index("+ b = 4")
    assert next(row for row in rows if "a = 1" in row).count("a = 1") == 2
    status = next(row for row in rows if "status" in row)
    assert status.index("done") < status.index("≠") < status.index("error")
    below = plain(differing.lines(view, parts, 80, split=False)).split("\n")
    signed = [row[5:].strip() for row in below if row[5:6] in "-+" and row.strip()]
    assert signed == ["- b = 2", "- c = 3", "+ b = 4", "+ c = 5"]
    assert [row.split() for row in below[-2:]] == [["-", "status", "done"], ["+", "status", "error"]]


def test_a_difference_to_take_away_is_a_unified_one() -> None:
    said = differing.as_text([Part("code", "a\nb\nc", "a\nB\nc"), Part("value", None, "7")])
    assert said == "--- code\n+++ code\n a\n-b\n+B\n c\n--- value\n+++ value\n-\n+7\n"


# The rows ---------------------------------------------------------------------------------------------------------------


def test_the_one_that_began_first_stands_at_the_left_and_its_first_difference_is_known(
    found: Both, runs: tuple[Path, Path]
) -> None:
    assert (found.left.path, found.right.path) == runs
    keys = [row.key for row in found.rows]
    assert len(keys) == len(set(keys)), "a child RLM has one row with its call"
    assert found.first in keys and found.first is not None and found.first.endswith("/i2/b1")
    first = next(row for row in found.rows if row.key == found.first)
    assert "code" in first.differs and not first.same
    answer = found.rows[-1]
    assert answer.key == "root/answer" and answer.differs == ("value",)


@pytest.mark.parametrize("cells", [59, 79, 99, 119, 199])
def test_every_row_fits_and_the_signs_stand_in_one_column(found: Both, cells: int) -> None:
    signs = "=" + UNICODE.differs
    rows = [compare.draw(row, found.left, found.right, cells, selected=False).plain for row in found.rows]
    at = 1 + differing.halves(cells - 1)[0] + 1
    assert {len(row) for row in rows} == {cells}
    assert {row[at] for row in rows} == set(signs)
    summary = outcome.summary(found.left, found.right, cells - 1, short=True)
    assert [line.plain[at - 1] for line in summary] == [UNICODE.differs, "=", "=", " "]


def test_what_only_one_has_is_said_on_its_side(found: Both) -> None:
    missing = [row for row in found.rows if row.pair.left is None or row.pair.right is None]
    assert len(missing) == 2, "the last question names another log"
    for row in missing:
        line = compare.draw(row, found.left, found.right, 160, selected=False).plain
        mine, theirs = line[: differing.halves(159)[0]], line[differing.halves(159)[0] :]
        assert ("not in this run" in mine) == (row.pair.left is None)
        assert ("not in this run" in theirs) == (row.pair.right is None)
        assert [part.name for part in compare.parts(row, found.left, found.right)] == ["prompt", "answer"]


def test_what_a_branch_began_with_is_told_from_what_it_asked_for(found: Both) -> None:
    assert outcome.split(found.left, lambda totals: str(totals.requests)) == "18"
    assert outcome.split(found.right, lambda totals: str(totals.requests)) == "2 new, 16 remembered"
    rows = {row.key: compare.draw(row, found.left, found.right, 160, selected=False).plain for row in found.rows}
    halves = {key: (row[: len(row) // 2], row[len(row) // 2 :]) for key, row in rows.items()}
    assert UNICODE.remembered in halves["root/i1/b1"][1] and UNICODE.remembered not in halves["root/i1/b1"][0]
    assert UNICODE.remembered not in halves["root/i3/b1"][1], "it ran again"


def test_the_heading_says_where_the_branch_begins_and_what_was_changed(found: Both) -> None:
    lines = plain(outcome.heading(found.left, found.right, 160))
    assert f"{found.right.short} is a branch of {found.left.short} at g-125 · i2 · block 1" in lines
    assert "✎ code changed" in lines and "2 requests made, 16 remembered" in lines


def test_a_request_is_shown_from_its_first_message_that_differs(found: Both) -> None:
    row = next(row for row in found.rows if row.differs[:1] == ("messages",))
    messages, reply = compare.parts(row, found.left, found.right)
    assert (messages.name, reply.name) == ("messages", "reply")
    assert messages.left is not None and messages.right is not None
    assert messages.left.startswith("[") and "system]" not in messages.left
    assert messages.left.split("\n")[0] == messages.right.split("\n")[0]
    assert messages.left != messages.right


def test_two_branches_of_one_run_know_their_origin(runs: tuple[Path, Path]) -> None:
    source, branch = runs
    block = branched.block_with(source, "max(values)")
    other = branched.forked(source, block.id, "block")
    found = both(branch, other, UNICODE)
    assert f"are two branches of {source.name[-4:]}" in plain(outcome.heading(found.left, found.right, 120))
    assert outcome.split(found.right, lambda totals: str(totals.requests)).startswith("nothing new, ")
    assert outcome.ended(found.right.run).startswith("not ended")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"status": "final", "value": "7", "via": "FINAL"}, "FINAL in i1"),
        ({"status": "final", "value": "7", "via": "forced"}, "forced by a person"),
        ({"status": "exhausted", "value": "7", "via": "default"}, "asked for at the end"),
        ({"status": "exhausted"}, "no answer"),
        ({"status": "limit", "limit": "max_tokens"}, "limit: max_tokens"),
        ({"status": "killed"}, "killed"),
        ({"status": "final"}, "no answer"),
    ],
)
def test_how_a_run_ended_in_a_few_words(end: dict[str, Any], words: str) -> None:
    events = [event for event in held_run() if event.seq < 4]
    run = Run([*events, NodeEnd(id="root", **end), RunEnd(id="root", status=end["status"], value=end.get("value"))])
    assert outcome.ended(run) == words


def test_a_run_is_called_by_its_name(runs: tuple[Path, Path], tmp_path: Path) -> None:
    journal = Journal.create(tmp_path)
    source = read(runs[0])
    for event in source.events():
        journal.copy(event, source)
    journal.append(Edit(id="root", field="note", value="the \x1b[31mfirst try", note="name", by="human"))
    journal.close()
    assert journal.path is not None
    found = both(journal.path, runs[1], UNICODE)
    title = outcome.titles(found.left, found.right, 120).plain
    assert "the ␛[31mfirst try" in title


# The screen -------------------------------------------------------------------------------------------------------------


async def opened(stage: Stage) -> CompareScreen:
    await stage.press("equals_sign")
    screen = stage.app.screen
    assert isinstance(screen, CompareScreen)
    await stage.until(lambda: screen.things.both is not None, "both runs")
    await stage.until(lambda: "of 10 differences" in stage.text, "the first difference")
    return screen


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@in_loop
async def test_the_first_difference_stands_opened(runs: tuple[Path, Path], size: tuple[int, int]) -> None:
    async with looking(runs[1], size) as stage:
        screen = await opened(stage)
        assert screen.things.at == screen.things.both.first
        assert "- top = max(values)" in stage.text and "+ top = max(values) + 4" in stage.text
        assert "g-125 · i2 · block 1: code, output" in stage.text
        assert "Runa Marlow" in stage.text and "Casper Quist" in stage.text
        await stage.press("enter")
        assert "- top = max(values)" not in stage.text
        await stage.press("escape")
        assert stage.app.screen is stage.main


@in_loop
async def test_the_keys_go_from_difference_to_difference(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (120, 36)) as stage:
        screen = await opened(stage)
        things = screen.things
        differing_keys = [row.key for row in things.both.rows if not row.same]
        while things.at != differing_keys[0]:
            await stage.press("comma")
        await stage.press("comma")
        assert "This is the first difference." in stage.text
        for n, key in enumerate(differing_keys[1:], 2):
            await stage.press("full_stop")
            assert things.at == key and things.opened == {key}
            assert f"{n} of 10 differences" in stage.text
        await stage.press("full_stop")
        assert "This is the last difference." in stage.text
        assert things.at == differing_keys[-1]


@in_loop
async def test_only_what_differs_and_what_it_stands_in_is_shown(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (120, 36)) as stage:
        screen = await opened(stage)
        things = screen.things
        await stage.press("f")
        shown = [row.key for row in things.shown]
        assert [row.key for row in things.both.rows if not row.same] == [
            row.key for row in things.shown if not row.same
        ]
        assert shown[:3] == ["root", "root/i3", "root/i3/b1"]
        assert things.at == things.both.first
        await stage.press("f")
        assert things.shown == things.both.rows


@in_loop
async def test_what_is_the_same_can_be_read_too(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (120, 36)) as stage:
        screen = await opened(stage)
        await stage.press("home", "down", "down", "enter")
        row = screen.things.row
        assert row is not None and row.same and row.key == "root/i1/b1"
        await stage.until(lambda: "code  " in stage.text, "its code")
        assert stage.text.count("print(") >= 2, "on both sides"


@in_loop
async def test_a_text_longer_than_the_window_is_scrolled_before_the_cursor_moves(tmp_path: Path) -> None:
    lines = "\n".join(f"print({n})" for n in range(50))
    source = branched.told_by(tmp_path, ["```repl\n" + lines + "\n```", "```repl\nFINAL('a')\n```"])
    changed = lines.replace("print(", "print(1, ")
    block = Change("code", changed, was=lines)
    branch = branched.forked(source, "root/i1/b1", "block", block)
    async with looking(branch, (80, 24)) as stage:
        await stage.press("equals_sign")
        things = stage.app.screen.query_one(Things)
        await stage.until(lambda: things.both is not None and things.opened, "both runs")
        at, top = things.at, things.scroll_offset.y
        await stage.press("down")
        assert (things.at, things.scroll_offset.y) == (at, top + 1)
        await stage.press("pagedown", "pagedown")
        assert things.at == at and things.scroll_offset.y > top + 5
        await stage.press("up")
        assert things.at == at
        for _ in range(15):
            await stage.press("pagedown")
        assert things.at != at, "and then it goes on"


@in_loop
async def test_it_is_ascii_where_that_is_asked_for(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (80, 24), ascii=True) as stage:
        screen = await opened(stage)
        assert screen.things.both.left.view.glyphs is ASCII
        for key in ("home", "f", "full_stop"):
            await stage.press(key)
            odd = {c for c in stage.text if ord(c) > 126 and c not in "▁▂▃▄▅▆▇█▎"}
            assert odd == set()


@in_loop
async def test_the_difference_is_copied_and_either_run_can_be_gone_to(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (160, 45), reopen=ReadOnlySession) as stage:
        await opened(stage)
        await stage.press("y")
        assert "-top = max(values)\n+top = max(values) + 4" in stage.app.clipboard
        await stage.press("1")
        await stage.until(lambda: stage.app.session.path == runs[0], "the other run")
        await stage.until(lambda: stage.view.run.end is not None, "its end")


@in_loop
async def test_a_run_that_is_gone_is_told_of(runs: tuple[Path, Path], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    async with looking(runs[1], (120, 36)) as stage:
        stage.app.push_screen(CompareScreen(stage.view, stage.app.bridge, runs[1], gone, stage.app.request_quit))
        await stage.until(lambda: "is not a run" in stage.text, "why")
        await stage.press("full_stop")
        assert stage.app.screen.id == "compare"


@in_loop
async def test_the_colours_are_tokens(runs: tuple[Path, Path]) -> None:
    async with looking(runs[1], (160, 45), theme="rlm-light") as stage:
        await opened(stage)
        allowed = {Color.parse(v).rgb for k, v in tokens(False).items() if not k.endswith("-style")}
        seen = {
            tuple(colour.triplet)
            for strip in stage.app.screen._compositor.render_strips()
            for segment in strip
            for colour in ((segment.style.color, segment.style.bgcolor) if segment.style else ())
            if colour is not None and colour.triplet is not None
        }
        assert len(seen) > 8 and not seen - allowed
