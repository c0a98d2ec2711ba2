"""How fast a scripted model speaks. Apart from it, because a wrong pace is refused before anything else is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping

PACES: Mapping[str, float | None] = {"instant": None, "fast": 2000.0, "normal": 400.0, "slow": 60.0}
"""Names of paces to characters per second; None never sleeps."""


class Pace:
    """How fast scripted models speak: one object shared by all models of a run, changed while they run.

    Args:
        speed: ``instant``, ``fast``, ``normal``, ``slow``, or characters per second as a number or its text.

    Raises:
        ValueError: For anything else; the message is one line for a person.
    """

    def __init__(self, speed: str | float = "instant") -> None:
        self._speed = _speed(speed)

    @property
    def speed(self) -> float | None:
        """Characters per second; None never sleeps."""
        return self._speed

    def set(self, speed: str | float) -> None:
        """Change the pace; a reply on its way goes on at the new one.

        Raises:
            ValueError: As the constructor; the pace is then unchanged.
        """
        self._speed = _speed(speed)

    def shift(self, *, faster: bool) -> str:
        """Go one named pace up or down, and stay at the last one.

        Returns:
            The name of the pace that holds now.
        """
        order = sorted(PACES, key=lambda name: _rank(PACES[name]))
        now = _rank(self._speed)
        beyond = [name for name in order if (_rank(PACES[name]) > now if faster else _rank(PACES[name]) < now)]
        name = (beyond[0] if faster else beyond[-1]) if beyond else order[-1 if faster else 0]
        self.set(name)
        return name


def _rank(speed: float | None) -> float:
    return math.inf if speed is None else speed


def _speed(speed: str | float) -> float | None:
    if isinstance(speed, str) and speed in PACES:
        return PACES[speed]
    try:
        number = float(speed)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"no pace {speed!r} (known: {', '.join(PACES)}, or characters per second)")
    return number
