"""Events from the engine's thread to the screen's, and answers to what a person asked for.

The engine's thread only ever appends; the screen takes a bounded share a tick, so a flood leaves the keys alive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from time import perf_counter
from typing import Any, TypeVar, cast

from rlm_tui.journal.events import Event

Answer = str | None
"""What a verb comes back with: None when it is done, else why not, in words for the person."""

T = TypeVar("T")

BATCH = 1_000
"""Events taken at most at a time."""
SHARE_S = 0.02
"""Seconds that taking them may last: a key waits no longer, whatever a machine makes of a thousand."""
_LOOK = 32
"""Events between two looks at the clock."""


class Bridge:
    """What is on its way to the screen.

    Args:
        past: Events from before the subscription, read lazily.
    """

    def __init__(self, past: Iterable[Event] = ()) -> None:
        self._past: Iterator[Event] | None = iter(past)
        self._live: deque[Event] = deque()
        self._asked: list[tuple[Future[Any], Callable[[Any], None]]] = []
        self._last = -1

    def put(self, event: Event) -> None:
        """Take an event. Any thread; never waits."""
        self._live.append(event)

    @property
    def loading(self) -> bool:
        """Whether events from before the subscription are still to come."""
        return self._past is not None

    @property
    def waiting(self) -> int:
        """How many live events have not been taken."""
        return len(self._live)

    def drain(self, most: int = BATCH) -> Iterator[Event]:
        """Take what has come, oldest first, each once, for at most `SHARE_S`.

        Args:
            most: How many at most; what is left over is for the next time.
        """
        ends = perf_counter() + SHARE_S
        for n in range(most):
            if n % _LOOK == _LOOK - 1 and perf_counter() > ends:
                return
            event = self._next()
            if event is None:
                return
            if event.seq < 0 or event.seq > self._last:
                self._last = max(self._last, event.seq)
                yield event

    def _next(self) -> Event | None:
        if self._past is not None:
            event = next(self._past, None)
            if event is not None:
                return event
            self._past = None
        return self._live.popleft() if self._live else None

    def ask(self, future: Future[T], then: Callable[[T | str], None]) -> None:
        """Remember what a person asked for; `answer` calls ``then``, in the screen's thread.

        Args:
            future: What comes.
            then: Gets it, or in words why it did not come.
        """
        self._asked.append((future, cast(Callable[[Any], None], then)))

    def answer(self) -> int:
        """Hand out the answers that have come.

        Returns:
            How many there were.
        """
        done = [asked for asked in self._asked if asked[0].done()]
        self._asked = [asked for asked in self._asked if not asked[0].done() and asked not in done]
        for future, then in done:
            then(_outcome(future))
        return len(done)


def _outcome(future: Future[Any]) -> Any:
    try:
        return future.result(timeout=0)
    except CancelledError:
        return "The run was closed before this could be done."
    except Exception as error:  # noqa: BLE001 - an error of a verb is told to the person; it must not end the screen
        return f"This failed: {type(error).__name__}: {error}"
