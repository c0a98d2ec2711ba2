"""The seam as the loop sees it: what people changed is applied, what is remembered is not held."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from rlm_tui.engine.effects import Effects
from rlm_tui.engine.gate import Gates, LimitHit, V, apply_edit
from rlm_tui.journal.events import Point


@dataclass(slots=True)
class Seam:
    """A run's gates, over its memory.

    Args:
        effects: The run's memory, which has the changes people made.
        gates: Who may hold the run.
    """

    effects: Effects
    gates: Gates

    def edited(self, id: str, value: V, *, first: int = 0, last: int | None = None) -> V:
        """A value with the recorded changes at its address applied: all of them, or a part.

        Args:
            id: The address.
            value: What they are of.
            first: How many of them it has already.
            last: How many there are of it; None is all.
        """
        for field, new in self.effects.edits(id)[first:last]:
            value = cast(V, apply_edit(value, field, new))
        return value

    async def pass_(self, point: Point, id: str, value: V, node: str, *, remembered: bool = False) -> V:
        """Hand a value through its gate.

        Args:
            point: Where in the loop.
            id: The value's address.
            value: What crosses.
            node: The node that waits meanwhile.
            remembered: Whether the act this leads to has its outcome in the journal: then no gate holds it.
        """
        value = _in_force(self.edited(id, value))
        if remembered:
            return value
        while True:
            value = await self.gates.pass_(point, id, value, node=node)
            if (passed := _in_force(value)) is value:
                return value
            value = passed


def _in_force(value: V) -> V:
    """A limit that was raised, and is reached again, is not raised any more: the person is asked once more."""
    match value:
        case LimitHit(raised=float() as raised, used=used, reason=reason) if raised <= used and reason != "unpriced":
            return cast(V, replace(value, raised=None))
        case _:
            return value
