from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.journal.events import Chunk, Edit, Event, ExecStart, LlmEnd, LlmStart, Obs
from rlm_tui.tui.rows import trajectory
from rlm_tui.tui.rows.trajectory import Made
from rlm_tui.tui.view import Size, View
from rlm_tui.tui.widgets.trajectory import Trajectory
from tests.journal.strategies import RUNS
from tests.tui import sample
from tests.tui.panes import Panes, in_loop
from tests.tui.sample import feed

EVENTS = sample.held_run()
CHILD = sample.log_call(2)


def middle(app: Panes) -> list[str]:
    """The rows of the trajectory's pane."""
    return [row[47:106].rstrip() for row in app.rows()]


@in_loop
async def test_moving_the_cursor_selects_rows() -> None:
    view = sample.view(EVENTS)
    chosen: list[str | None] = []

    class Listening(Panes):
        def on_trajectory_chosen(self, event: Trajectory.Chosen) -> None:
            chosen.append(event.item)

    app = Listening(view)
    async with app.run_test(size=(160, 45)) as pilot:
        app.screen.query_one(Trajectory).focus()
        await pilot.press("home")
        assert view.item is None
        await pilot.press("down", "down", "down", "down", "down")
        assert view.item == "root/i2/b1"
        await pilot.press("end")
        assert view.item == sample.log_call(4)
        await pilot.pause()
    assert chosen == [None, "root/i1", "root/i1/b1", "root/i1/obs", "root/i2", "root/i2/b1", sample.log_call(4)]


@in_loop
async def test_a_click_on_the_second_line_of_prose_selects_its_iteration() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(Trajectory)
        y = next(n for n, row in enumerate(middle(app)) if "station. I give them" in row)
        await pilot.click(Trajectory, offset=(12, y - pane.region.y))
        assert view.item == "root/i2"
        assert sum("▌" in row[:2] for row in middle(app)) == 1


@in_loop
async def test_rows_do_not_move_when_their_state_changes() -> None:
    view = View()
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        first: dict[str, int] = {}
        for event in EVENTS:
            view.apply(event)
            app.sync()
            await pilot.pause()
            for y, row in enumerate(middle(app)):
                for name in ("asked", "i1 I will", "block 1  16", "g-117", "g-305"):
                    if name in row and "2 root" not in row:
                        assert first.setdefault(name, y) == y, (event, name)
        assert len(first) == 5


@in_loop
async def test_a_reply_on_its_way_shows_in_its_row() -> None:
    view = sample.view(EVENTS[:2])
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert any("No iteration yet." in row for row in middle(app))
        feed(view, LlmStart(id="root/i1"))
        app.sync()
        await pilot.pause()
        assert any("i1 ◐ sampling" in row for row in middle(app))
        feed(view, Chunk(id="root/i1", kind="reply", text="I will\x1b[31m look"))
        app.sync()
        await pilot.pause()
        assert any("writing I will␛[31m look" in row for row in middle(app))


@in_loop
async def test_a_long_trajectory_keeps_the_newest_row_in_sight_only_when_following() -> None:
    view = sample.view(EVENTS[:2])
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()

        async def iterate(first: int, last: int) -> None:
            for k in range(first, last):
                id = f"root/i{k}"
                feed(view, LlmStart(id=id), LlmEnd(id=id, status="ok", reply=f"Step {k}."))
                feed(view, ExecStart(id=f"{id}/b1", code="x"), Obs(id=id, text="ok"))
            app.sync()
            await pilot.pause()

        await iterate(1, 40)
        assert any("i39 Step 39." in row for row in middle(app))
        view.select_item("root/i2")
        app.sync()
        await pilot.pause()
        assert any("i2 Step 2." in row for row in middle(app))
        before = middle(app)
        await iterate(40, 60)
        assert middle(app)[3:] == before[3:]


@in_loop
async def test_another_node_shows_its_own_rows() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        view.select_node(CHILD)
        app.sync()
        await pilot.pause()
        rows = middle(app)
        assert any("2 root › g-305" in row and "2 iterations" in row for row in rows)
        held = next(row for row in rows if "1 line edited" in row)
        assert held.startswith("▏✎    ǁ  block 1  1 line edited") or held.startswith("▌✎    ǁ  block 1  1 line edited")


@in_loop
async def test_the_held_row_has_the_held_ground_and_a_filled_badge() -> None:
    view = sample.view(EVENTS)
    view.select_node(CHILD)
    app = Panes(view)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        row = next(row for row in app.segments() if any("1 line edited" in s.text for s in row))
        styles = {s.text.strip(): s.style for s in row if s.text.strip()}
        badge, said = styles["block 1"], styles["1 line edited"]
        assert badge is not None
        assert said is not None
        assert badge.bold
        assert badge.bgcolor is not None
        assert badge.bgcolor.triplet is not None
        assert badge.bgcolor.triplet.hex == "#ffb938"
        assert said.bgcolor is not None
        assert said.bgcolor.triplet is not None
        assert said.bgcolor.triplet.hex == "#2b2110"


def same_rows(view: View, made: Made) -> None:
    for width in (56, 40):
        assert trajectory.rows(view, width, made) == trajectory.rows(view, width)


def shown(events: list[Event]) -> list[Event]:
    """Those of any events that a trajectory can show: of a reply that a person changed, the fold believes it is a text."""
    odd = [event for event in events if isinstance(event, Edit) and not isinstance(event.value, str)]
    return [event.model_copy(update={"value": "x"}) if event in odd else event for event in events]


@given(RUNS.map(shown), st.sampled_from(["wide", "medium"]))
def test_rows_that_were_made_before_are_as_if_made_anew(events: list[Event], size: Size) -> None:
    view, made = View(), Made()
    view.size = size
    for event in events:
        view.apply(event)
        same_rows(view, made)
    for moment in (events[len(events) // 3].seq, events[len(events) // 2].seq) if events else ():
        view.look_back(moment)
        same_rows(view, made)
    view.go_live()
    same_rows(view, made)


def test_rows_of_a_whole_run_that_were_made_before_are_as_if_made_anew() -> None:
    view, made = View(), {"root": Made(), CHILD: Made()}
    for event in EVENTS:
        view.apply(event)
        for node, its in made.items():
            view.node = node
            same_rows(view, its)
    kept = made["root"].rows["root/i1"][2]
    assert all(row in kept for row in trajectory.rows(view, 40, made["root"]) if row.key == "root/i1")


@in_loop
async def test_a_call_of_a_long_batch_that_is_selected_gets_a_row() -> None:
    view = sample.view(EVENTS)
    app = Panes(view)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(Trajectory)
        for n in (1, 3, 4):
            view.select_item(sample.log_call(n))
            pane.sync()
            assert sample.log_call(n) in [entry.key for entry in pane.entries]
