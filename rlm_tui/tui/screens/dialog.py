"""What all dialogs share: raised ground, the hue of the act down their left, everything behind them faint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar, cast

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, Screen

from rlm_tui.tui.glyphs import Glyphs
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.text import cut, width, wrap

T = TypeVar("T")

LABEL = 14
"""Cells of the column of labels."""

BEFORE = "This is what you had typed before. ctrl+t throws it away."
"""What a form says of a draft that stands in it."""


class Behind:
    """A screen with every letter in one faint colour.

    Args:
        screen: The screen.
        style: Letters and ground.
    """

    def __init__(self, screen: Screen[Any], style: Style) -> None:
        self._screen = screen
        self._style = style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, _, control in console.render(self._screen._compositor, options):  # pyright: ignore[reportPrivateUsage]
            yield Segment(text, None if control else self._style, control)


class Dialog(ModalScreen[T], Generic[T]):
    """A form over the screen. Escape goes back."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"dialog--behind"}
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "back", priority=True, show=False)]

    def render(self) -> RenderableType:
        """The screen behind, faint."""
        rendered = super().render()
        if isinstance(rendered, BackgroundScreen):
            # Textual says of no screen what it returns.
            screen = cast(Screen[Any], rendered.screen)  # pyright: ignore[reportUnknownMemberType]
            return Behind(screen, self.get_component_rich_style("dialog--behind"))
        return rendered

    def action_back(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)


def heading(title: str, aside: str, cells: int, glyphs: Glyphs) -> Line:
    """A dialog's first line: what it does, and what it concerns at the right."""
    aside = cut(aside, max(0, cells - len(title) - 3), glyphs.ellipsis)
    line = Line().add(title, "ink bold")
    return line.add(" " * max(1, cells - line.width - len(aside))).add(aside, "ink-3").cut(cells, glyphs.ellipsis)


def field(label: str, lines: Iterable[Line], cells: int, ellipsis: str = "…") -> list[Line]:
    """Lines with a label before the first.

    Args:
        label: The label.
        lines: What it stands for.
        cells: The whole width.
        ellipsis: The sign for a cut.
    """
    rows: list[Line] = []
    for n, line in enumerate(lines):
        row = Line().add((label if n == 0 else "").ljust(LABEL), "ink-3")
        row.spans.extend(line.spans)
        rows.append(row.cut(cells, ellipsis))
    return rows


def paragraph(said: str, cells: int, words: str = "ink-2") -> list[Line]:
    """A sentence in as many lines as it takes."""
    return [Line().add(row, words) for row in wrap(said, cells)]


def keys(
    primary: tuple[str, str], others: Iterable[tuple[str, str]], solid: str = "act", cells: int | None = None
) -> Line:
    """The last line of a dialog: the primary verb solid, then the other keys.

    Args:
        primary: The key and the word of the primary verb.
        others: Keys and words.
        solid: How the primary verb is filled.
        cells: What there is room for; in less the keys stand closer.
    """
    there = list(others)
    line = Line().add(f" {primary[0]} {primary[1]} ", solid)
    needed = line.width + sum(width(key) + width(word) + 4 for key, word in there)
    for key, word in there:
        line.add("   " if cells is None or needed <= cells else "  ")
        line.add(key, "ink bold").add(f" {word}", "ink-2")
    return line
