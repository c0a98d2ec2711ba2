"""Whatever stands in a journal, it is drawn: no run breaks a row or a page."""

from __future__ import annotations

from hypothesis import given

from rlm_tui.journal.events import Event
from rlm_tui.tui.rows import pages
from rlm_tui.tui.rows.layout import Layout
from tests.journal import strategies
from tests.tui import sample
from tests.tui.test_rows import every_row


@given(strategies.RUNS)
def test_any_run_is_drawn(events: list[Event]) -> None:
    view = sample.view(events)
    for node in view.run.nodes:
        view.select_node(node)
        for width, row in every_row(view):
            assert len(row) <= width
        layout = Layout()
        for item in [*view.run.iterations, *view.run.blocks, *view.run.calls]:
            view.item = item
            for tab in range(6):
                view.tab = tab
                pages.page(view, layout, 80, 20)
