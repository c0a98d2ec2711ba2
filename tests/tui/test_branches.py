"""The tree of branches: its rows, and the screen by its keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.journal import shelf
from rlm_tui.journal.branches import family
from rlm_tui.journal.store import Journal, read
from rlm_tui.journal.summary import summarize
from rlm_tui.tui.comparing import side
from rlm_tui.tui.glyphs import UNICODE
from rlm_tui.tui.rows import branches
from rlm_tui.tui.rows.branches import Figures, Row
from rlm_tui.tui.screens.branches import BranchesScreen
from rlm_tui.tui.screens.compare import CompareScreen
from rlm_tui.tui.screens.keeping import DeleteDialog
from rlm_tui.tui.widgets.branches import BranchTree
from tests.tui import branched
from tests.tui.branched import looking
from tests.tui.panes import in_loop
from tests.tui.sample import view as a_view
from tests.tui.stage import Stage


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """See `branched.family`."""
    return branched.family(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def runs(kept: tuple[Path, ...], tmp_path: Path) -> tuple[Path, ...]:
    """The same, to be changed."""
    return tuple(Path(shutil.copytree(path, tmp_path / path.name)) for path in kept)


def listed(kept: tuple[Path, ...], here: int = 1) -> tuple[list[Row], dict[str, Figures]]:
    rows = branches.rows(family(kept[0].parent, kept[0].name), kept[here].name)
    known = {
        row.branch.summary.id: branches.figures(
            side(row.branch.summary.path, UNICODE), row.branch, shelf.size(row.branch.summary.path)
        )
        for row in rows
    }
    return rows, known


# The rows ---------------------------------------------------------------------------------------------------------------


def test_a_branch_stands_below_what_it_was_made_from(kept: tuple[Path, ...]) -> None:
    rows, _ = listed(kept)
    source, mended, supplied, left = (path.name for path in kept)
    assert {row.branch.summary.id: row.depth for row in rows} == {source: 0, mended: 1, supplied: 1, left: 2}
    ids = [row.branch.summary.id for row in rows]
    assert ids[0] == source and ids.index(left) == ids.index(mended) + 1
    assert [row.branch.summary.id for row in rows if row.here] == [mended]


@pytest.mark.parametrize("cells", [60, 79, 100, 119, 140, 199])
def test_every_row_fits_and_says_what_was_changed_and_what_came_of_it(kept: tuple[Path, ...], cells: int) -> None:
    rows, known = listed(kept)
    view = side(kept[1], UNICODE).view
    for figures in ({}, known):
        lines = {
            row.branch.summary.id: branches.draw(
                view, row, figures.get(row.branch.summary.id), cells, selected=False
            ).plain
            for row in rows
        }
        assert {len(line) for line in lines.values()} == {cells}
        source, mended, supplied, left = (lines[path.name] for path in kept)
        assert "the first run" in source and "Runa" in source and " here" not in source
        assert "✎ code  g-125" in mended and "Casper" in mended and " here" in mended
        assert "✎ answer  g-472" in supplied
        assert "nothing yet" in left
        if figures and cells >= branches.FROM:
            assert "2.1k new, 20.2k ↺" in mended and "nothing new" in left
    assert branches.heads(cells).width == cells


def test_what_is_kept_of_a_run_is_told_below(kept: tuple[Path, ...]) -> None:
    rows, known = listed(kept)
    view = side(kept[1], UNICODE).view

    def told(path: Path) -> str:
        row = next(row for row in rows if row.branch.summary.id == path.name)
        return "\n".join(line.plain for line in branches.detail(view, row, known[path.name], 160))

    assert "were the log higher" in told(kept[2]) and "at its answer" in told(kept[2])
    assert "2.1k new, 20.2k remembered" in told(kept[1])
    assert f"at g-125 · i2 · block 1 of {kept[0].name[-4:]}" in told(kept[1])
    assert "before its request" in told(kept[3]) and "not ended" in told(kept[3])
    assert "begins" not in told(kept[0]) and str(kept[0]) in told(kept[0])


def test_a_name_and_an_answer_are_shown_and_not_obeyed(runs: tuple[Path, ...]) -> None:
    shelf.rename(runs[1], "odd\x1b[31m")
    rows, _ = listed(runs)
    row = next(row for row in rows if row.branch.summary.id == runs[1].name)
    for line in (branches.draw(a_view([]), row, None, 120, selected=True), branches.under(a_view([]), row, 120)):
        assert "\x1b" not in line.plain and "odd␛[31m" in line.plain


# The screen -------------------------------------------------------------------------------------------------------------


async def opened(stage: Stage, many: int = 4) -> BranchTree:
    await stage.press("T")
    screen = stage.app.screen
    assert isinstance(screen, BranchesScreen)
    await stage.until(lambda: len(screen.listed.known) == many, "what the journals tell")
    screen.sync()
    await stage.pilot.pause()
    return screen.listed


async def to(stage: Stage, listed: BranchTree, path: Path) -> None:
    await stage.press("home")
    while listed.at != path.name:
        await stage.press("down")


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
@in_loop
async def test_the_branches_are_listed_and_the_one_on_the_screen_is_marked(
    kept: tuple[Path, ...], size: tuple[int, int]
) -> None:
    async with looking(kept[1], size) as stage:
        listed = await opened(stage)
        assert listed.at == kept[1].name
        assert "3 branches" in stage.text
        here = [line for line in stage.text.split("\n") if f"{kept[1].name[-4:]} here" in line]
        assert len(here) == 1 and "✎ code" in here[0]
        assert "2.1k new, 20.2k remembered" in stage.text
        await stage.press("escape")
        assert stage.app.screen is stage.main


@in_loop
async def test_a_run_without_branches_says_how_one_is_made(tmp_path: Path) -> None:
    path = branched.told_by(tmp_path, ["```repl\nFINAL('a')\n```"])
    async with looking(path, (80, 24)) as stage:
        await stage.press("equals_sign")
        screen = stage.app.screen
        assert isinstance(screen, BranchesScreen), "there is nothing to compare it with"
        await stage.until(lambda: "No branches yet." in stage.text, "the words")
        assert "D makes one" in stage.text
        await stage.press("equals_sign")
        assert "Choose another one" in stage.text


@in_loop
async def test_one_is_gone_to(kept: tuple[Path, ...]) -> None:
    async with looking(kept[1], (120, 36), reopen=ReadOnlySession) as stage:
        listed = await opened(stage)
        await to(stage, listed, kept[2])
        await stage.press("enter")
        await stage.until(lambda: stage.app.session.path == kept[2], "the other run")
        await stage.until(lambda: "Edda Dunne" in stage.text, "its answer")


@in_loop
async def test_one_is_put_beside_the_run_on_the_screen(kept: tuple[Path, ...]) -> None:
    async with looking(kept[1], (120, 36)) as stage:
        listed = await opened(stage)
        for path, one, other in ((kept[2], kept[1], kept[2]), (kept[1], kept[0], kept[1])):
            await to(stage, listed, path)
            await stage.press("equals_sign")
            screen = stage.app.screen
            assert isinstance(screen, CompareScreen)
            await stage.until(lambda screen=screen: screen.things.both is not None, "both")
            assert {screen.things.both.left.path, screen.things.both.right.path} == {one, other}
            await stage.press("escape")


@in_loop
async def test_one_is_named_and_noted(runs: tuple[Path, ...]) -> None:
    async with looking(runs[1], (120, 36)) as stage:
        listed = await opened(stage)
        await to(stage, listed, runs[2])
        await stage.press("n", *"hi", "enter")
        await stage.until(lambda: summarize(runs[2]).name == "hi", "the name")
        await stage.until(lambda: f"{runs[2].name[-4:]}  hi" in stage.text, "the name in its row")
        await stage.press("m", *"odd", "enter")
        await stage.until(lambda: summarize(runs[2]).notes == ("odd",), "the note")
        await stage.until(lambda: "odd" in stage.text, "the note below")
        assert listed.at == runs[2].name


@in_loop
async def test_one_that_is_being_written_is_left_alone(runs: tuple[Path, ...]) -> None:
    journal = Journal.open(runs[2])
    try:
        async with looking(runs[1], (120, 36)) as stage:
            listed = await opened(stage)
            await to(stage, listed, runs[2])
            await stage.press("n", *"hi", "enter")
            await stage.until(lambda: "another process" in stage.text or "being written" in stage.text, "why not")
            await stage.press("escape", "x")
            await stage.until(lambda: isinstance(stage.app.screen, DeleteDialog), "the question")
            await stage.press("enter")
            await stage.until(lambda: "is being written" in stage.text, "why not")
            assert (runs[2] / "journal.jsonl").is_file()
    finally:
        journal.close()


@in_loop
async def test_one_is_deleted_after_it_was_asked_and_its_branches_stay(runs: tuple[Path, ...]) -> None:
    async with looking(runs[2], (120, 36)) as stage:
        listed = await opened(stage)
        await stage.press("x")
        assert "is open here" in stage.text
        await to(stage, listed, runs[1])
        await stage.press("x")
        await stage.until(lambda: "Its branch stays" in stage.text, "what stays")
        await stage.press("escape")
        assert runs[1].is_dir()
        await stage.press("x")
        await stage.until(lambda: isinstance(stage.app.screen, DeleteDialog), "the question")
        await stage.press("enter")
        await stage.until(lambda: not runs[1].exists() and len(listed.all) == 2, "that it is gone")
        assert runs[3].is_dir()
        assert {row.branch.summary.id for row in listed.all} == {runs[0].name, runs[2].name}


@in_loop
async def test_a_run_whose_directory_is_gone_is_told_of(runs: tuple[Path, ...]) -> None:
    async with looking(runs[1], (120, 36)) as stage:
        listed = await opened(stage)
        for path in runs:
            shutil.rmtree(path)
        await stage.press("r")
        await stage.until(lambda: "kept no more" in stage.text, "the words")
        await stage.press("enter", "equals_sign", "x", "down")
        assert listed.row is None and isinstance(stage.app.screen, BranchesScreen)


@in_loop
async def test_a_window_too_small_for_anything_is_no_error(kept: tuple[Path, ...]) -> None:
    async with looking(kept[1], (120, 36)) as stage:
        await opened(stage)
        await stage.press("equals_sign")
        await stage.until(lambda: "of 10 differences" in stage.text, "both")
        for size in ((30, 6), (12, 3), (120, 36)):
            await stage.pilot.resize_terminal(*size)
            await stage.press("full_stop", "comma", "f", "f")
        await stage.until(lambda: "of 10 differences" in stage.text, "all of it again")
        await stage.press("escape")
        for size in ((30, 6), (12, 3), (120, 36)):
            await stage.pilot.resize_terminal(*size)
            await stage.press("up", "down")
        await stage.until(lambda: "3 branches" in stage.text, "all of it again")


@in_loop
async def test_a_branch_of_a_run_that_is_named_outside_of_the_folder_is_compared_with_none(tmp_path: Path) -> None:
    there = branched.told_by(tmp_path / "a", ["```repl\nFINAL('a')\n```"])
    journal = Journal.create(tmp_path / "b")
    source = read(there)
    for event in source.events():
        parent = {"run": f"../a/{there.name}", "at": "root/i1", "point": "llm", "kept": 0, "why": ""}
        journal.copy(event.model_copy(update={"parent": parent}) if event.seq == 0 else event, source)
    journal.close()
    assert journal.path is not None
    async with looking(journal.path, (120, 36)) as stage:
        await stage.press("equals_sign")
        assert isinstance(stage.app.screen, BranchesScreen)


@in_loop
async def test_it_is_ascii_where_that_is_asked_for(kept: tuple[Path, ...]) -> None:
    async with looking(kept[1], (80, 24), ascii=True) as stage:
        await opened(stage)
        odd = {c for c in stage.text if ord(c) > 126 and c not in "▁▂▃▄▅▆▇█▎"}
        assert odd == set()
