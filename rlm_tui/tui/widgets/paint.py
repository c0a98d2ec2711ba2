"""From words to paint: the one place where a piece of a line gets its colour."""

from __future__ import annotations

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.theme import tokens

_PLAIN = ("ink", "ink-2", "error", "human", "live", "code-string", "code-number")
_WEIGHED = {"ink-3": "ink-3", "rule": "rule", "rule-2": "rule", "held-text": "held-text", "final": "final",
            "code-keyword": "code-keyword"}  # fmt: skip
_GROUNDS = {"on-bg": "bg", "on-raised": "raised", "on-cursor": "cursor", "on-held": "held-bg", "on-human": "human-bg",
            "on-bar": "held-bg"}  # fmt: skip
_GROUND_WEIGHTS = {"on-cursor": "cursor", "on-held": "held-bg"}
_SOLID = {"held": ("on-held", "held"), "act": ("bg", "human"), "kill": ("bg", "error")}
_MATCHES = {"found": ("ink", "rule-2"), "found-here": ("bg", "ink")}

_KEPT = 4096


def look(word: str, theme: Theme, no_color: bool) -> Style | None:
    """The style of one of our words under a theme; None for a word that is not ours.

    Read from the tokens and not through component classes: a score of those on every widget, matched again at each
    change of a class, cost more than everything else that a first frame takes.
    """
    t = tokens(theme.dark, theme.ansi)
    if word in _PLAIN:
        return Style(color=_colour(t[word]))
    if word in _WEIGHED:
        return Style(color=_colour(t[word])) + _weight(t[f"{_WEIGHED[word]}-style"])
    if word in _GROUNDS:
        weight = _GROUND_WEIGHTS.get(word)
        return Style(bgcolor=_colour(t[_GROUNDS[word]])) + (_weight(t[f"{weight}-style"]) if weight else Style())
    if word in _SOLID:
        letters, ground = _SOLID[word]
        ink = "ansi_black" if theme.ansi else t[letters]
        weight = "bold reverse" if no_color else "bold"
        return Style(color=_colour(ink), bgcolor=_colour(t[ground])) + _weight(weight)
    if word in _MATCHES:
        letters, ground = _MATCHES[word]
        weight = _weight("bold" if word == "found-here" else "none")
        if theme.ansi or no_color:
            return weight + Style(reverse=word == "found-here", underline=word == "found")
        return weight + Style(color=_colour(t[letters]), bgcolor=_colour(t[ground]))
    return None


def _colour(name: str) -> RichColor:
    return Color.parse(name).rich_color


def _weight(words: str) -> Style:
    return Style() if words == "none" else Style.parse(words)


class Painter:
    """Paints lines for a widget, in the colours of its app's theme."""

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
        app = self._widget.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return look(word, app.current_theme, app.no_color) or Style.parse(word)

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
