"""Pieces of a reply or of output on their way to the journal, gathered so that a flood stays a trickle."""

from __future__ import annotations

import asyncio
from typing import Literal

from rlm_tui.journal.events import Chunk
from rlm_tui.journal.store import Journal

Kind = Literal["reply", "reasoning", "stdout", "stderr", "raw"]

WAIT_S = 0.05
MOST = 2048
CHANGES = 16


class Pieces:
    """Writes ``chunk`` events for one address, after 50 ms or 2 KB: one for each change of kind, in order.

    Where kinds change more often than `CHANGES` times meanwhile, the rest of each kind is put together: a live view
    may be out of order by that much, the end of the act has the order.

    Args:
        journal: Where they go.
        id: The address that is being written.
    """

    def __init__(self, journal: Journal, id: str) -> None:
        self._journal = journal
        self._id = id
        self._waiting: list[tuple[Kind, bool, list[str]]] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: Kind, text: str, late: bool = False) -> None:
        """Take one piece."""
        self._parts(kind, late).append(text)
        self._size += len(text)
        if self._size >= MOST:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self.flush)

    def _parts(self, kind: Kind, late: bool) -> list[str]:
        for known, was_late, parts in reversed(self._waiting):
            if (known, was_late) == (kind, late):
                return parts
            if len(self._waiting) < CHANGES:
                break
        self._waiting.append((kind, late, []))
        return self._waiting[-1][2]

    def flush(self) -> None:
        """Write what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting, self._size = self._waiting, [], 0
        for kind, late, parts in waiting:
            text = "".join(parts)
            if text and not self._journal.closed:
                self._journal.append(Chunk(id=self._id, kind=kind, text=text, late=late))
