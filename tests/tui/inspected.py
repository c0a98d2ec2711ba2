"""The inspector's tabs as text."""

from __future__ import annotations

from rlm_tui.tui.rows import pages
from rlm_tui.tui.rows.layout import Layout
from rlm_tui.tui.rows.line import plain as as_text
from rlm_tui.tui.view import View
from tests.tui import sample

EVENTS = sample.held_run()
CHILD = sample.log_call(2)
CODE, OUTPUT, MESSAGES, VARIABLES = range(4)


def page(view: View, tab: int, item: str | None = "", width: int = 60, height: int = 40) -> str:
    """What a tab says of a thing, the selected one unless another is named."""
    view.tab = tab
    if item != "":
        view.item = item
    return as_text(pages.page(view, Layout(), width, height).lines)


def names(view: View) -> list[str]:
    """The tabs' names, with the marks of a hand and of nothing in them."""
    return [tab.name + ("✎" if tab.edited else "") + (" –" if tab.empty else "") for tab in pages.tabs(view)]
