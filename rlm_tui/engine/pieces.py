"""Pieces of a reply or of output on their way to the journal, gathered so that a flood stays a trickle."""

from __future__ import annotations

import asyncio
from typing import Literal

from rlm_tui.journal.events import Chunk
from rlm_tui.journal.store import Journal

Kind = Literal["reply", "reasoning", "stdout", "stderr", "raw"]

WAIT_S = 0.05
MOST = 2048


class Pieces:
    """Writes ``chunk`` events for one address: after 50 ms, after 2 KB, or when the kind changes.

    Args:
        journal: Where they go.
        id: The address that is being written.
    """

    def __init__(self, journal: Journal, id: str) -> None:
        self._journal = journal
        self._id = id
        self._kind: Kind = "reply"
        self._late = False
        self._parts: list[str] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, kind: Kind, text: str, late: bool = False) -> None:
        """Take one piece."""
        if (kind, late) != (self._kind, self._late):
            self.flush()
            self._kind, self._late = kind, late
        self._parts.append(text)
        self._size += len(text)
        if self._size >= MOST:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self.flush)

    def flush(self) -> None:
        """Write what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text, self._parts, self._size = "".join(self._parts), [], 0
        if text and not self._journal.closed:
            self._journal.append(Chunk(id=self._id, kind=self._kind, text=text, late=self._late))
