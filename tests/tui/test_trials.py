"""Several branches of one point from the screen: planned and priced, run by themselves, and told of in a table."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from rlm_tui.config import Settings
from rlm_tui.debugger.likeness import Change
from rlm_tui.debugger.trials import Plan, Price, Trials, price
from rlm_tui.journal.events import Edit
from rlm_tui.journal.outcomes import Outcomes, Table
from rlm_tui.journal.places import list_runs
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, in_use, read
from rlm_tui.journal.totals import Totals
from rlm_tui.llm.callable import CallableModel
from rlm_tui.llm.pace import Pace
from rlm_tui.making import GoingOn
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.comparing import side
from rlm_tui.tui.glyphs import ASCII, UNICODE
from rlm_tui.tui.rows import trials
from rlm_tui.tui.rows.line import plain
from rlm_tui.tui.screens import branching
from rlm_tui.tui.screens.branches import BranchesScreen
from rlm_tui.tui.screens.compare import CompareScreen
from rlm_tui.tui.screens.quit import QuitDialog
from rlm_tui.tui.screens.trials import TrialList, TrialsScreen
from rlm_tui.tui.view import View
from rlm_tui.tui.widgets.branches import BranchTree
from tests.debugger.small import answer, small
from tests.debugger.test_trials import Tosses, engine
from tests.runs import DEADLINE_S, watched
from tests.tui.branched import forked, gone_on, looking, told_by
from tests.tui.stage import Stage

PLACE = ("root/i1", "llm")


@pytest.fixture(scope="module")
def tossed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A run; six branches of its first request, of which two fell otherwise; three with that changed; one left."""
    with small(Tosses(), runs=tmp_path_factory.mktemp("runs")) as run:
        assert answer(run) == "heads"
        source = run.session.path
    assert source is not None
    model = CallableModel(Tosses())
    change = Change("messages", [{"role": "system", "content": "toss"}, {"role": "user", "content": "gently, please"}])
    made = [gone_on(forked(source, *PLACE), model=model) for _ in range(6)]
    made += [gone_on(forked(source, *PLACE, change), model=model) for _ in range(3)]
    return source, *made, forked(source, *PLACE, change)


def table(paths: Sequence[Path]) -> Table:
    return Outcomes(paths[0].parent, paths[0].name, *PLACE).read()


def a_view(path: Path, ascii: bool = False) -> View:
    return side(path, ASCII if ascii else UNICODE).view


# The rows ---------------------------------------------------------------------------------------------------------------


def test_each_answer_is_a_row_below_what_was_tried_the_most_frequent_first(tossed: tuple[Path, ...]) -> None:
    view = a_view(tossed[0])
    lines = [trials.draw(view, row, 119, selected=False).plain.rstrip() for row in trials.rows(table(tossed))]
    said = "\n".join(lines)
    assert "━━━━━━━━────    4 of 6  heads" in said and "━━━━────────    2 of 6  tails" in said
    assert "✎ request changed   3 runs ended" in said and "━━━━━━━━━━━━    3 of 3  edge" in said
    assert "1 left in i1" in said
    assert "the run itself  as it came   heads   not counted" in said


@pytest.mark.parametrize("cells", [60, 79, 95, 96, 119, 160])
@pytest.mark.parametrize("ascii", [False, True])
def test_every_row_fits(tossed: tuple[Path, ...], cells: int, ascii: bool) -> None:
    view, found = a_view(tossed[0], ascii), table(tossed)
    for row in trials.rows(found):
        for selected in (False, True):
            assert trials.draw(view, row, cells, selected=selected).width == cells
        for chosen in range(len(row.outcomes)):
            told = [trials.under(view, row, chosen, cells), *trials.detail(view, row, chosen, cells)]
            assert all(line.width <= cells for line in told)
            assert not ascii or "\n".join(line.plain for line in told).isascii()
    assert trials.heads(view, cells).width == cells
    assert trials.title(view, "root · i1", "from its request", found, "3 to come", cells).width <= cells


def test_a_share_of_few_says_how_little_it_says() -> None:
    assert [round(each, 2) for each in trials.share(3, 3)] == [0.44, 1.0]
    assert [round(each, 2) for each in trials.share(4, 6)] == [0.30, 0.90]
    assert [round(each, 2) for each in trials.share(0, 10)] == [0.0, 0.28]
    low, high = trials.share(500, 1_000)
    assert 0.46 < low < 0.5 < high < 0.54


def test_prices_add_up_and_what_is_unknown_stays_unknown() -> None:
    known = Totals(requests=4, prompt=900, completion=100, cost=0.02)
    assert trials.price(known) == "4 requests, 1.0k tokens, $0.0200"
    assert trials.price(known.times(5)) == "20 requests, 5.0k tokens, $0.10"
    assert (
        trials.price(known.plus(Totals(requests=1, uncounted=1, unpriced=1))) == "5 requests, 1.0k+? tokens, $0.0200+?"
    )
    assert known.plus(known).less(known) == known
    assert trials.price(Totals()) == "nothing asked"


# The form ---------------------------------------------------------------------------------------------------------------


def never(plan: Plan) -> Future[str | None]:
    raise AssertionError(plan)


def test_a_form_prices_before_anything_is_made(tossed: tuple[Path, ...]) -> None:
    view, path = a_view(tossed[0]), tossed[0]
    prices: dict[object, Price | str] = {"llm": price(path, *PLACE)}
    question = branching.fork(view, "root/i1", ("reply", "llm"), never, prices)  # type: ignore[arg-type]
    assert [entry.name for entry in question.entries] == ["begins at", "how many"]
    five = {"begins at": "request", "how many": "5"}
    said = plain(question.then(five, 60))
    assert "5 new runs." in said and "15 requests" in said and "each 3 requests" in said
    assert "being read" in plain(question.then(five | {"begins at": "reply"}, 60))
    assert "It opens held here" in plain(question.then(five | {"how many": branching.ONCE}, 60))


def test_a_form_offers_both_where_something_was_changed(tossed: tuple[Path, ...]) -> None:
    changed = tossed[7]
    plans: list[Plan] = []

    def make(plan: Plan) -> Future[str | None]:
        plans.append(plan)
        return Future()

    question = branching.fork(a_view(changed), "root/i1", ("reply", "llm"), make, {})
    # What was changed is what one wants to try.
    assert question.entries[0].options == ("request", "reply")
    said = {"begins at": "request", "begins with": "both", "how many": "3"}
    asked = question.ask(said)
    assert not isinstance(asked, str)
    asked[0]()
    assert plans == [Plan("root/i1", "llm", (False, True), 3)] and plans[0].size == 6
    assert "6 new runs, 3 of each" in plain(question.then(said, 60))
    assert "Nothing was changed at the reply" in plain(question.then(said | {"begins at": "reply"}, 60))


# The screen -------------------------------------------------------------------------------------------------------------


def test_a_point_is_tried_from_the_screen_and_one_of_them_is_gone_to(tmp_path: Path) -> None:
    found = Settings({"runs_dir": tmp_path})

    async def play() -> None:
        with watched("multi-hop", runs=tmp_path) as one:
            app = DebuggerApp(
                one.session,
                reopen=lambda path: GoingOn(found, path, Pace("instant")).session(),
                unattended=lambda path: GoingOn(found, path, Pace("instant")).unattended(),
            )
            async with app.run_test(size=(120, 36), notifications=True) as pilot:
                stage = Stage(app, pilot, one)
                await stage.until(lambda: stage.run.end, "the end")
                stage.view.select_item("root/i3")
                await stage.press("D", "tab", "right", "right")
                await stage.until(lambda: "costs about 24 requests" in stage.text, "the price")
                await stage.press("enter")
                await stage.until(lambda: isinstance(app.screen, TrialsScreen), "the outcomes")
                await stage.until(lambda: "3 of 3  Runa Marlow" in stage.text, "all three")
                await stage.until(lambda: not app.trying, "nothing to come")
                assert len(list_runs(tmp_path)) == 4
                await stage.press("right", "enter")
                await stage.until(lambda: app.session is not one.session, "the branch")
                assert stage.run.root is not None and stage.run.root.status == "final"
                await stage.press("T")
                await stage.until(lambda: isinstance(app.screen, BranchesScreen), "the branches")
                await stage.until(lambda: len(app.screen.query_one(BranchTree).entries) == 4, "all of them")
                await stage.press("o")
                await stage.until(lambda: "3 of 3  Runa Marlow" in stage.text, "the outcomes from there")
                await stage.press("escape", "escape", "Q")

    asyncio.run(play())


def test_those_that_run_are_left_when_one_quits(tmp_path: Path) -> None:
    tosses = Tosses()
    with small(tosses, runs=tmp_path) as run:
        answer(run)
        source = run.session.path
    assert source is not None
    tosses.open.clear()

    async def play() -> None:
        async with looking(source, (80, 24), unattended=engine(CallableModel(tosses))) as stage:
            app = stage.app
            stage.view.select_item("root/i1")
            await stage.press("D", "tab", "right", "enter")
            await stage.until(lambda: isinstance(app.screen, TrialsScreen), "the outcomes")
            await stage.until(lambda: "2 running in i1" in stage.text, "both at work")
            assert "2 to come" in stage.text
            # One that runs by itself can be looked at.
            await stage.press("enter")
            await stage.until(lambda: len(app.sessions) == 2, "one of them")
            assert app.session.read_only and app.session.path is not None and in_use(app.session.path)
            await stage.press("Q")
            await stage.until(lambda: isinstance(app.screen, QuitDialog), "the question")
            assert "2 branches running unattended" in stage.text
            await stage.press("enter")
            # As at the end of `DebuggerApp.run`.
            for begun in app._trials:
                begun.close(DEADLINE_S)

    asyncio.run(play())
    tosses.open.set()
    kept = [path for path in list_runs(tmp_path) if path != source]
    assert len(kept) == 2 and not any(in_use(path) for path in kept)
    assert all(Run(read(path).events()).end is None for path in kept)


def test_those_that_are_over_while_the_first_table_is_read_are_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CallableModel(lambda _: "```repl\nFINAL('heads')\n```")
    source = told_by(tmp_path, ["```repl\nFINAL('heads')\n```"])
    going = Trials(source, Plan(*PLACE, (False,), 1), engine(model))
    look = Outcomes.read

    def look_and_be_late(self: Outcomes) -> Table:
        found = look(self)
        if not any(arm.ended for arm in found.arms):
            gone_on(forked(source, *PLACE), model=model)
            monkeypatch.setattr(Trials, "going", False)
        return found

    monkeypatch.setattr(Trials, "going", True)
    monkeypatch.setattr(Outcomes, "read", look_and_be_late)

    async def play() -> None:
        async with looking(source, (120, 36)) as stage:
            app = stage.app
            app.push_screen(TrialsScreen(stage.view, app.bridge, source, *PLACE, app.request_quit, going))
            await stage.until(lambda: "1 of 1" in stage.text, "the one that was late")

    asyncio.run(play())


def test_without_what_runs_them_it_is_refused_in_words(tossed: tuple[Path, ...]) -> None:
    async def play() -> None:
        async with looking(tossed[0], (120, 36)) as stage:
            stage.view.select_item("root/i1")
            await stage.press("D", "tab", "right", "enter")
            await stage.until(lambda: "Nothing can be run by itself from here" in stage.text, "the refusal")

    asyncio.run(play())


def test_the_table_by_its_keys(tossed: tuple[Path, ...]) -> None:
    async def play() -> None:
        async with looking(tossed[0], (120, 36)) as stage:
            app = stage.app
            await stage.press("T")
            await stage.until(lambda: len(app.screen.query_one(BranchTree).entries) == 11, "the branches")
            await stage.press("home", "o")
            await stage.until(lambda: "This is no branch" in stage.text, "why not")
            await stage.press("end", "o")
            await stage.until(lambda: "4 of 6  heads" in stage.text, "the outcomes")
            listed = app.screen.query_one(TrialList)
            assert listed.row is not None and listed.row.kind == "answer" and "67%" in stage.text
            first = listed.one
            await stage.press("right")
            assert listed.one is not first and "2 of 4" in stage.text
            await stage.press("left", "left")
            assert "4 of 4" in stage.text
            await stage.press("up", "enter")
            await stage.until(lambda: "Choose a run first" in stage.text, "why not")
            await stage.press("s")
            await stage.until(lambda: "Nothing runs by itself" in stage.text, "why not")
            await stage.press("down", "down", "equals_sign")
            await stage.until(lambda: isinstance(app.screen, CompareScreen), "both")
            await stage.until(lambda: "tails" in stage.text, "what differs")
            await stage.press("escape", "end", "equals_sign")
            # The run itself, beside the branch that was come from.
            await stage.until(lambda: "not ended, at i1" in stage.text, "both")
            await stage.press("escape", "escape", "escape")
            await stage.until(lambda: app.screen is app.main, "back")

    asyncio.run(play())


def test_an_answer_of_somebody_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07[red]x[/red]\nsecond line \u202e"

    def chat(messages: list[dict[str, str]]) -> str:
        return f"```repl\nFINAL({evil!r})\n```"

    with small(chat, runs=tmp_path) as run:
        answer(run)
        source = run.session.path
    assert source is not None
    gone_on(forked(source, *PLACE), model=CallableModel(chat))
    view = a_view(source)
    for row in trials.rows(Outcomes(tmp_path, source.name, *PLACE).read()):
        for line in (trials.draw(view, row, 100, selected=False), *trials.detail(view, row, 0, 100)):
            assert line.plain.isprintable() and "\u202e" not in line.plain


def test_a_journal_that_is_damaged_does_not_hide_the_others(tossed: tuple[Path, ...], tmp_path: Path) -> None:
    runs = [Path(shutil.copytree(path, tmp_path / path.name)) for path in tossed]
    (runs[1] / "journal.jsonl").write_bytes(b"not a journal\n")
    with (runs[2] / "journal.jsonl").open("ab") as file:
        file.write(b'{"torn')
    found = table(runs)
    assert sum(arm.ended for arm in found.arms) == 8
    journal = Journal.open(runs[10])
    journal.append(Edit(id="root", field="note", value="mine", by="human"))
    journal.close()
    assert not any(arm.by_hand for arm in table(runs).arms)
