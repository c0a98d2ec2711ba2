"""Rows: what was measured, its floor from the same run, and their ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    name: str
    value: float
    unit: str
    floor: float | None = None
    floor_name: str = ""

    def __str__(self) -> str:
        left = f"{self.name:<52} {self.value:>11,.3f} {self.unit:<9}"
        if self.floor is None:
            return left
        return f"{left} {self.value / self.floor:>8.2f}×  {self.floor_name} ({self.floor:,.3f})"


def median_of(times: int, act: Callable[[], float]) -> float:
    """The median of several measurements."""
    return statistics.median(act() for _ in range(times))


def seconds(act: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
