"""A small app around the panes, and a way to read what is on its screen."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, ParamSpec

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical

import rlm_tui.tui
from rlm_tui.tui import theme
from rlm_tui.tui.view import View, size_for
from rlm_tui.tui.widgets.calls import CallTree
from rlm_tui.tui.widgets.header import Header
from rlm_tui.tui.widgets.inspector import Inspector
from rlm_tui.tui.widgets.title import PaneRule, PaneTitle
from rlm_tui.tui.widgets.trajectory import Trajectory

P = ParamSpec("P")


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run a test that is a coroutine in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **keywords: P.kwargs) -> None:
        asyncio.run(test(*args, **keywords))  # type: ignore[arg-type]

    return run


STYLES = Path(rlm_tui.tui.__file__).parent / "styles"


class Panes(App[None]):
    """Header, tree, trajectory and inspector, side by side."""

    CSS_PATH: ClassVar = [STYLES / "panes.tcss"]
    CSS = "#calls { width: 46; } #trajectory { width: 60; } #inspector { width: 1fr; }"

    def __init__(self, view: View, theme_name: str = "rlm-dark", *, ansi: bool | None = None) -> None:
        super().__init__(ansi_color=ansi)
        self.view = view
        for ours in theme.THEMES:
            self.register_theme(ours)
        self.theme = theme_name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return theme.tokens(self.current_theme.dark, self.current_theme.ansi)

    def compose(self) -> ComposeResult:
        yield Header(self.view)
        with Horizontal():
            with Vertical(id="calls"):
                yield PaneTitle(self.view, "calls")
                yield CallTree(self.view)
            yield PaneRule(self.view)
            with Vertical(id="trajectory"):
                yield PaneTitle(self.view, "trajectory")
                yield Trajectory(self.view)
            yield PaneRule(self.view)
            with Vertical(id="inspector"):
                yield PaneTitle(self.view, "inspector")
                yield Inspector(self.view)

    def on_resize(self) -> None:
        self.view.size = size_for(self.size.width, self.size.height)

    def sync(self) -> None:
        for widget in self.screen.walk_children():
            if isinstance(widget, Header | PaneTitle | CallTree | Trajectory | Inspector):
                widget.sync()

    def segments(self) -> list[list[Segment]]:
        """What is on the screen, row by row."""
        return [list(strip) for strip in self.screen._compositor.render_strips()]

    def rows(self) -> list[str]:
        """The screen as text."""
        return ["".join(segment.text for segment in row) for row in self.segments()]
