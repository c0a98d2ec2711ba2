"""From words to paint: the one place where a piece of a line gets its colour."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from rlm_tui.tui.rows.line import Line

TOKENS = (
    "ink", "ink-2", "ink-3", "rule", "rule-2", "held", "held-text", "error", "human", "live", "final",
    "code-keyword", "code-string", "code-number", "on-bg", "on-raised", "on-cursor", "on-held", "on-human",
)  # fmt: skip

COMPONENTS = frozenset(f"t--{token}" for token in TOKENS)
"""The component classes of every widget that paints lines; `styles/tokens.tcss` gives them their look."""

_KEPT = 4096


class Painter:
    """Paints lines for a widget that has `COMPONENTS` among its component classes."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[str, Style] = {}
        self._strips: dict[tuple[tuple[tuple[str, str], ...], str, int], Strip] = {}

    def forget(self) -> None:
        """Drop what was painted, because the theme changed."""
        self._styles.clear()
        self._strips.clear()

    def style(self, words: str) -> Style:
        """The style for words such as ``held-text bold``."""
        found = self._styles.get(words)
        if found is None:
            found = Style()
            for word in words.split():
                found += self._word(word)
            self._styles[words] = found
        return found

    def _word(self, word: str) -> Style:
        if word in TOKENS:
            return self._widget.get_component_rich_style(f"t--{word}", partial=True)
        return Style.parse(word)

    def paint(self, line: Line, width: int) -> Strip:
        """The line as a strip of exactly so many cells."""
        key = (tuple(line.spans), line.ground, width)
        strip = self._strips.get(key)
        if strip is None:
            base = self._widget.rich_style + self.style(line.ground)
            segments = [Segment(piece, base + self.style(words)) for piece, words in line.spans]
            strip = Strip(segments).adjust_cell_length(width, base)
            if len(self._strips) >= _KEPT:
                self._strips.clear()
            self._strips[key] = strip
        return strip
