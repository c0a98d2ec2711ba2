"""Working time: it stops while a node, or anything below it, is held. Held time is nobody's fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class WorkClock:
    """The working time of one node, in seconds.

    Args:
        parent: The clock of the node above, which stops too when this one does.
        worked: Seconds that an earlier process had worked already.
        now: A monotonic clock.
    """

    def __init__(
        self, parent: WorkClock | None = None, *, worked: float = 0.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._parent = parent
        self._worked = worked
        self._now = now
        self._since: float | None = now()
        self._holds = 0
        self._changed = asyncio.Event()

    @property
    def elapsed(self) -> float:
        """Seconds worked so far."""
        return self._worked + (self._now() - self._since if self._since is not None else 0.0)

    def stop(self) -> None:
        """Something here or below is held. Counts: as many `go` start it again."""
        self._holds += 1
        if self._since is not None:
            self._worked += self._now() - self._since
            self._since = None
        self._turn()
        if self._parent is not None:
            self._parent.stop()

    def go(self) -> None:
        """One thing less is held."""
        self._holds -= 1
        if self._holds == 0:
            self._since = self._now()
        self._turn()
        if self._parent is not None:
            self._parent.go()

    def wake(self) -> None:
        """What somebody waits for may have changed: they look again."""
        self._turn()

    def _turn(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def reach(self, seconds: Callable[[], float]) -> None:
        """Wait until so many seconds were worked; asked for again when the clock is woken."""
        while (left := seconds() - self.elapsed) > 0 or self._since is None:
            changed = self._changed
            try:
                async with asyncio.timeout(None if self._since is None else left):
                    await changed.wait()
            except TimeoutError:
                continue
