"""A line on the screen: pieces of text, each with the words that say how it is painted."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_tui.tui import text

Span = tuple[str, str]
"""Harmless text, and words parted by spaces: colour tokens, ``bold``, ``dim``, ``strike``, ``underline``, ``on-…``."""


@dataclass(slots=True)
class Line:
    """One line.

    Attributes:
        spans: Its pieces, left to right.
        ground: The ``on-…`` word of the whole line, or empty.
    """

    spans: list[Span] = field(default_factory=list[Span])
    ground: str = ""

    @property
    def plain(self) -> str:
        """The line without its paint."""
        return "".join(piece for piece, _ in self.spans)

    @property
    def width(self) -> int:
        """Cells it takes."""
        return sum(text.width(piece) for piece, _ in self.spans)

    def add(self, piece: str, words: str = "ink") -> Line:
        """Put a piece at the end; nothing when it is empty."""
        if piece:
            self.spans.append((piece, words))
        return self

    def fill(self, cells: int) -> Line:
        """Spaces up to a width."""
        return self.add(" " * (cells - self.width), "ink")

    def cut(self, cells: int, ellipsis: str = "…") -> Line:
        """The line in at most so many cells, its end replaced by the sign for a cut."""
        if self.width <= cells:
            return self
        kept = Line(ground=self.ground)
        for piece, words in self.spans:
            room = cells - kept.width
            if text.width(piece) >= room:
                shorter = text.cut(piece + "  ", room, ellipsis) if room > 0 else ""
                return kept.add(shorter, words)
            kept.add(piece, words)
        return kept


def plain(lines: list[Line]) -> str:
    """Lines as text, trailing spaces dropped."""
    return "\n".join(line.plain.rstrip() for line in lines)
