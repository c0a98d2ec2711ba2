"""A run as it was: which moments of it there are, and the fold of its events up to one of them.

A fold only ever goes forward. Going back is folding a shorter beginning of the journal, in a thread of its own where
that takes longer than a key may.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from threading import Lock, Thread

from rlm_tui.journal import address, events
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Event
from rlm_tui.journal.run import Run
from rlm_tui.tui.tally import Tally

AT_ONCE = 2_000
"""Events that are folded before a key is answered: a few hundredths of a second's work."""
KEPT = 30_000
"""Events that a run may have for all of them to be kept in memory; of a longer one they are read again."""

Source = Callable[[int], Iterator[Event]]
"""Gives a run's events from a number on."""


class Fold:
    """A run as its first events make it, with what is counted beside.

    Args:
        run: The run so far.

    Attributes:
        run: The run.
        tally: What is counted of it.
        newest: The event that was folded last; None before the first.
    """

    def __init__(self, run: Run | None = None) -> None:
        self.run = run if run is not None else Run()
        self.tally = Tally(self.run)
        self.newest: Event | None = None

    def apply(self, event: Event) -> None:
        """Take one more event."""
        self.run.apply(event)
        if not isinstance(event, events.Chunk):
            self.tally.add(event)
        if event.seq >= 0:
            self.newest = event

    @property
    def at(self) -> int:
        """The number of the newest event; -1 before the first."""
        return self.newest.seq if self.newest is not None else -1


class Moments:
    """The events after which a run is worth a look, by number: they grow with the run."""

    def __init__(self) -> None:
        self._all = array("q")
        self._turns: dict[str, array[int]] = {}
        self._turned: set[str] = set()

    def add(self, event: Event) -> None:
        """Note an event, when it is one of these."""
        if event.seq < 0 or not is_moment(event) or (self._all and event.seq <= self._all[-1]):
            return
        self._all.append(event.seq)
        if isinstance(event, events.LlmStart) and event.id not in self._turned and _begins(event.id):
            self._turned.add(event.id)
            self._turns.setdefault(address.node_of(event.id), array("q")).append(event.seq)

    def __len__(self) -> int:
        return len(self._all)

    def number(self, seq: int) -> int:
        """How many moments there are up to an event."""
        return bisect_right(self._all, seq)

    def before(self, seq: int) -> int | None:
        """The moment before an event; None before the first."""
        return _before(self._all, seq)

    def after(self, seq: int) -> int | None:
        """The moment after an event; None after the last."""
        return _after(self._all, seq)

    def turn_before(self, node: str, seq: int) -> int | None:
        """When an iteration last began before an event, of a node or else above it; else the first moment."""
        found = next((n for turns in self._up(node) if (n := _before(turns, seq)) is not None), None)
        first = self._all[0] if self._all and self._all[0] < seq else None
        return found if found is not None else first

    def turn_after(self, node: str, seq: int) -> int | None:
        """When an iteration next begins after an event, of a node or else above it; None when none does."""
        return next((n for turns in self._up(node) if (n := _after(turns, seq)) is not None), None)

    def _up(self, node: str) -> Iterator[array[int]]:
        """When the iterations began, of a node and of those above it."""
        while True:
            yield self._turns.get(node, array("q"))
            up = address.node_of(address.parent(node))
            if up == node:
                return
            node = up


def _begins(id: str) -> bool:
    """Whether a request at an address is one of an iteration."""
    return not (address.is_node(id) or address.is_sample(id))


def _before(places: array[int], seq: int) -> int | None:
    n = bisect_left(places, seq)
    return places[n - 1] if n else None


def _after(places: array[int], seq: int) -> int | None:
    n = bisect_right(places, seq)
    return places[n] if n < len(places) else None


def is_moment(event: Event) -> bool:
    """Whether something happened that one would stop at: an act begun or ended, a hold, a change by a person."""
    match event:
        case (
            events.LlmStart()
            | events.LlmEnd()
            | events.ExecStart()
            | events.ExecEnd()
            | events.CallEnd()
            | events.Hold()
            | events.NodeEnd()
        ):
            return True
        case events.Edit():
            return event.field != "note" or event.by in (None, "human")
        case _:
            return False


class Past:
    """A run as far as one moment, and the ways to others.

    Args:
        source: The run's events.

    Attributes:
        fold: The run as it was; None until the first is there.
        wanted: The number of the event up to which it is wanted.
        reached: How far the thread is with that.
        fault: Why the events can't be read; empty while they can.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.fold: Fold | None = None
        self.wanted = -1
        self.reached = 0
        self.fault = ""
        self._rest: Iterator[Event] = iter(())
        self._made: tuple[Fold, Iterator[Event]] | None = None
        self._lock = Lock()
        self._thread: Thread | None = None
        self._over = False

    @property
    def going(self) -> bool:
        """Whether what is wanted is not there yet."""
        return self.fold is None or self.fold.at != self.wanted

    def go(self, seq: int) -> bool:
        """Want the run up to an event.

        Args:
            seq: The event's number.

        Returns:
            Whether it is there at once; else `take` has it later.
        """
        with self._lock:
            self.wanted = seq
            if self._thread is not None:
                return False
            if self._forward(seq):
                return True
            if seq >= AT_ONCE:
                self._thread = Thread(target=self._work, name="rlm-past", daemon=True)
                self._thread.start()
                return False
        self.fold, self._rest = self._folded()
        return True

    def take(self) -> bool:
        """Take what the thread has made; whether there was anything."""
        with self._lock:
            made, self._made = self._made, None
            if made is None:
                return False
            self.fold, self._rest = made
            return True

    def close(self) -> None:
        """Have the thread give up."""
        self._over = True

    def _forward(self, seq: int) -> bool:
        """Go on with the fold that there is, when that is near."""
        if self.fold is None or not self.fold.at < seq <= self.fold.at + AT_ONCE:
            return self.fold is not None and self.fold.at == seq
        for event in self._rest:
            self.fold.apply(event)
            if event.seq >= seq:
                return True
        # The run has grown since this was begun.
        return False

    def _work(self) -> None:
        """In the thread: fold until what was made is what is wanted."""
        while True:
            try:
                made = self._folded()
            except (JournalError, OSError) as error:
                made, self.fault = None, str(error)
            with self._lock:
                self._made = made
                if made is None or self._over or made[0].at == self.wanted:
                    self._thread = None
                    return

    def _folded(self) -> tuple[Fold, Iterator[Event]]:
        """The run up to what is wanted, which may become less meanwhile; with the events that come after."""
        fold, rest = Fold(), self._source(0)
        for event in rest:
            fold.apply(event)
            self.reached = event.seq
            if event.seq >= self.wanted or self._over:
                return fold, rest
        # Somebody has cut the journal off.
        self.wanted = fold.at
        return fold, rest
