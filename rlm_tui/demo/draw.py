"""Random draws that are the same on every Python, and the guard that draws again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

TRIES = 50


class Draw:
    """Draws by `Random.random` alone: Python promises that sequence across versions, and not that of ``choice``.

    Args:
        seed: Any whole number.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def below(self, end: int) -> int:
        """A whole number from 0 up to, not including, ``end``."""
        return int(self._random() * end)

    def between(self, low: float, high: float) -> float:
        """A number with one decimal, from ``low`` to ``high``."""
        return round(low + self._random() * (high - low), 1)

    def one(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """``count`` different items in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All items in random order."""
        return self.some(items, len(items))


def first_fit(seed: int, make: Callable[[Draw], Item | None]) -> Item:
    """The first draw that fits, over seeds derived from ``seed``.

    Args:
        seed: Where to begin.
        make: Draws; None when the draw lacks what its scenario needs.

    Raises:
        RuntimeError: When none of 50 draws fits.
    """
    for step in range(TRIES):
        made = make(Draw(seed + step * 1_000_003))
        if made is not None:
            return made
    raise RuntimeError(f"none of {TRIES} draws from seed {seed} fits")
