"""Finding on the screen: the line that is typed in, the hits in the panes, the list of them."""

from __future__ import annotations

import dataclasses

from rlm_tui.tui import text
from rlm_tui.tui.finding import Finder
from rlm_tui.tui.rows import found
from rlm_tui.tui.rows.pages import tabs
from rlm_tui.tui.screens.hits import HitList, HitsScreen
from rlm_tui.tui.widgets.find import FindLine, Seeking
from rlm_tui.tui.widgets.inspector import Inspector
from tests.tui.stage import Stage, staged


def line_of(stage: Stage) -> str:
    return stage.text.split("\n")[-2]


async def answered(stage: Stage) -> None:
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.until(lambda: not stage.app.bridge.waiting, "everything taken")
    await stage.pilot.pause()


async def counted(stage: Stage) -> Finder:
    finder = stage.main.finder
    await stage.until(lambda: finder.hits and not finder.searching, "hits")
    await stage.pilot.pause()
    stage.main.query_one(FindLine).sync()
    await stage.pilot.pause()
    return finder


@staged(hold=False)
async def test_hits_are_counted_while_it_is_typed_and_enter_goes_to_the_first(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"station")
    finder = await counted(stage)
    assert f"{len(finder.hits)} hits" in stage.text
    before = (stage.view.node, stage.view.item)
    assert (stage.view.node, stage.view.item) == before
    await stage.press("enter")
    assert finder.at == 0
    assert f"1 of {len(finder.hits)}" in stage.text
    place = found.place(stage.view, finder.hits[0])
    assert (stage.view.node, stage.view.item) == (place.node, place.item)
    assert not stage.main.query_one(FindLine).typing


@staged(hold=False)
async def test_a_hit_is_marked_in_the_inspector_and_in_sight(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"in:code max", "enter")
    await counted(stage)
    body = stage.main.query_one(Inspector).body

    def seen() -> bool:
        lines = body.lines[body.scroll_offset.y :][: body.size.height]
        return any(ink == "found-here" for line in lines for _, ink in line.spans)

    for _ in range(len(stage.main.finder.hits)):
        await stage.press("full_stop")
        await stage.until(seen, "the hit in sight")


@staged(hold=False)
async def test_the_next_hit_and_the_one_before(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"kind:block", "enter")
    finder = await counted(stage)
    items = []
    for key in ("full_stop", "full_stop", "comma"):
        await stage.press(key)
        items.append(stage.view.item)
    assert items[0] == items[2] != items[1]
    assert stage.view.follow is False
    await stage.press("escape")
    assert stage.view.found is None and not stage.main.query_one(FindLine).has_class("-stands")
    assert stage.main.query_one("#footer").display
    await stage.press("full_stop")
    assert "Nothing is looked for. / finds." in (stage.bar + "".join(stage.said()))
    assert finder.history == ["kind:block"]


@staged(hold=False)
async def test_a_bad_query_is_told_and_stays(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"kind:wrong")
    assert "kind:wrong is none of rlm llm" in line_of(stage) + stage.text.split("\n")[-1]
    await stage.press("enter")
    line = stage.main.query_one(FindLine)
    assert line.typing and stage.main.query_one(Seeking).value == "kind:wrong"
    await stage.press("escape")
    assert not line.typing


@staged(hold=False)
async def test_queries_of_before_come_back(stage: Stage) -> None:
    await answered(stage)
    for typed in ("alpha", "beta"):
        await stage.press("slash", *typed, "enter", "escape")
    await stage.press("slash", *"gam", "up")
    field = stage.main.query_one(Seeking)
    assert field.value == "beta"
    await stage.press("up", "up")
    assert field.value == "alpha"
    await stage.press("down", "down")
    assert field.value == "gam"


@staged(hold=False)
async def test_all_hits_in_a_list_and_from_there_to_one(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"kind:llm|rlm")
    finder = await counted(stage)
    await stage.press("tab")
    await stage.until(lambda: isinstance(stage.app.screen, HitsScreen), "the list")
    await stage.pilot.pause()
    shown = stage.app.screen.query_one(HitList)
    assert len(shown.entries) == len(finder.hits) > 3
    await stage.press("end", "up", "enter")
    await stage.until(lambda: stage.app.screen is stage.main, "back")
    assert finder.at == len(finder.hits) - 2
    await stage.press("L", "escape")
    await stage.until(lambda: stage.app.screen is stage.main, "back")
    assert finder.at == len(finder.hits) - 2


@staged(size=(80, 24), hold=False)
async def test_in_a_narrow_window_the_hit_is_shown_in_the_inspector(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"in:code print", "enter")
    await counted(stage)
    await stage.press("full_stop")
    assert stage.main.pane == "inspector"
    assert "hit" in line_of(stage)
    assert max(len(line) for line in stage.text.split("\n")) <= 80


@staged(hold=False)
async def test_a_variable_leads_to_its_row(stage: Stage) -> None:
    await answered(stage)
    node = next(node for node in stage.run.nodes.values() if node.variables)
    name = next(iter(node.variables))
    stage.view.select_node(node.id)
    await stage.press("slash", *f"when {name}", "enter")
    await stage.until(lambda: stage.view.variable == name, "the variable under the cursor")
    assert tabs(stage.view)[stage.view.tab].name == "Variables"


@staged()
async def test_letters_that_type_do_nothing_else(stage: Stage) -> None:
    await stage.ready("llm")
    seen = stage.run.seen
    await stage.press("slash", *"asxRQ.,[]1")
    assert stage.run.seen == seen
    assert stage.main.query_one(Seeking).value == "asxRQ.,[]1"
    assert stage.app.screen is stage.main


@staged()
async def test_a_line_of_code_and_a_search_stand_side_by_side(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("slash", *"context", "enter")
    await counted(stage)
    await stage.press("exclamation_mark", *"1+1")
    footer = stage.main.query_one("#footer")
    assert not footer.display and "find" in stage.text
    await stage.press("escape")
    await stage.until(lambda: not stage.main.query_one("#prompt").has_class("-stands"), "the line of code away")
    await stage.until(lambda: not footer.display, "the search in the footer's place")
    await stage.press("escape")
    assert footer.display


@staged(hold=False)
async def test_a_hit_beyond_what_is_laid_out_says_so(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"station", "enter")
    finder = await counted(stage)
    far = dataclasses.replace(finder.hits[0], offset=text.CAP + 5)
    finder.hits[:] = [far]
    finder.at = 0
    stage.main.query_one(FindLine).sync()
    await stage.until(lambda: "beyond what a pane lays out" in stage.text, "a sentence")


@staged(size=(160, 45), hold=False, app={"ascii": True})
async def test_in_ascii_nothing_else_is_shown(stage: Stage) -> None:
    await answered(stage)
    await stage.press("slash", *"station", "enter")
    await counted(stage)
    await stage.press("L")
    await stage.until(lambda: isinstance(stage.app.screen, HitsScreen), "the list")
    await stage.pilot.pause(0.3)
    # The last column is the scroll bar of the list.
    assert not [row for row in stage.text.split("\n") if not row.ljust(160)[:159].isascii()]


@staged()
async def test_finding_while_the_run_goes_on(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("slash", *"kind:block", "enter")
    before = len(stage.main.finder.hits)
    await stage.verb("a")
    await stage.until(lambda: stage.run.end is not None, "the end")

    def more() -> bool:
        chase = stage.main.finder._chase
        if chase is not None:
            chase.began -= 5
        return len(stage.main.finder.hits) > before

    await stage.until(more, "the blocks that came later")
