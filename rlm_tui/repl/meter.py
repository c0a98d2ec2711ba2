"""How much of a text stream is kept. Used on both sides, so standard library only and no sibling."""

from __future__ import annotations

TAIL = 64 << 10
"""Characters kept of the end of a stream that was cut."""


class Budget:
    """Characters that several streams may still keep together."""

    def __init__(self, left: int) -> None:
        self.left = left


class Meter:
    """Takes pieces of one stream, says what is kept of each, and remembers the end of what is not."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._tail: list[str] = []
        self._tail_size = 0
        self.kept = 0
        self.total = 0

    def take(self, text: str) -> str:
        """Count a piece and return the part of it that is kept."""
        part = text if len(text) <= self._budget.left else text[: self._budget.left]
        self._budget.left -= len(part)
        self.total += len(text)
        self.kept += len(part)
        if len(part) < len(text):
            self._remember(text[len(part) :][-TAIL:])
        return part

    def _remember(self, text: str) -> None:
        self._tail.append(text)
        self._tail_size += len(text)
        if self._tail_size > 4 * TAIL:
            self._tail = [self.tail]
            self._tail_size = len(self._tail[0])

    @property
    def cut(self) -> bool:
        """Whether something was not kept."""
        return self.total > self.kept

    @property
    def tail(self) -> str:
        """The last characters of what was not kept, at most `TAIL`."""
        return "".join(self._tail)[-TAIL:]
