"""The panes of the main screen: gone to, resized, and copied from."""

from __future__ import annotations

from rlm_tui.tui.screens.panes import PANES
from rlm_tui.tui.view import size_for
from rlm_tui.tui.widgets.calls import CallTree
from tests.tui.stage import Stage, staged


@staged((160, 45))
async def test_panes_by_tab_digit_and_zoom(stage: Stage) -> None:
    await stage.ready("llm")
    for pane in ("inspector", "calls", "trajectory"):
        await stage.press("tab")
        assert stage.main.pane == pane
        focused = stage.app.focused
        assert focused is not None and any(getattr(node, "pane", "") == pane for node in focused.ancestors_with_self)
    await stage.press("shift+tab")
    assert stage.main.pane == "calls"
    await stage.press("3", "z")
    shown = [pane for pane in PANES if stage.main.query_one(f"#{pane}").display]
    assert shown == ["inspector"]
    await stage.press("1")
    assert [pane for pane in PANES if stage.main.query_one(f"#{pane}").display] == ["calls"]
    await stage.press("q")
    assert all(stage.main.query_one(f"#{pane}").display for pane in PANES)
    assert stage.main.pane == "calls"


@staged((80, 24))
async def test_narrow_goes_back_pane_by_pane(stage: Stage) -> None:
    await stage.ready("llm")
    await stage.press("3")
    for pane in ("trajectory", "calls"):
        await stage.press("q")
        assert stage.main.pane == pane
    await stage.press("q")
    assert "Q quits" in stage.text


@staged((160, 45))
async def test_a_resize_keeps_selection_and_focus(stage: Stage) -> None:
    await stage.next_to("block")
    await stage.press("1")
    node, item = stage.view.node, stage.view.item
    for size in ((80, 24), (100, 30), (120, 36), (59, 15), (20, 5), (160, 45)):
        await stage.pilot.resize_terminal(*size)
        await stage.until(lambda size=size: stage.view.size == size_for(*size), str(size))
        await stage.pilot.pause()
        assert (stage.view.node, stage.view.item, stage.main.pane) == (node, item, "calls")
        assert all(len(line) <= size[0] for line in stage.text.splitlines())
        if stage.view.size == "tiny":
            assert "This window is" in stage.text
            assert "held" not in stage.text
        else:
            assert "held before block 1" in stage.text
    await stage.until(lambda: isinstance(stage.app.focused, CallTree), "the focus")


@staged((59, 15))
async def test_a_window_too_small_to_see_takes_no_decision(stage: Stage) -> None:
    await stage.until(lambda: stage.view.held_here() is not None and not stage.view.grace, "held")
    await stage.press("a", "s", "n")
    assert stage.verbs() == []
    await stage.press("Q")
    assert "leave" in stage.text


@staged()
async def test_copy_says_what_it_copied(stage: Stage) -> None:
    await stage.next_to("block")
    held = stage.view.held_here()
    assert held is not None
    await stage.press("y")
    code = stage.session.text(stage.run.blocks[held.id].code)
    assert stage.app.clipboard == code
    assert any(f"Copied {len(code):,} character" in said for said in stage.said())


@staged()
async def test_text_that_no_terminal_takes_is_copied_all_the_same(stage: Stage) -> None:
    stage.main.copy("a\ud800b")
    assert stage.app.clipboard == "a?b"
