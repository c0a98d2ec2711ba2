"""What all nodes of one run share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_tui.engine.backends import RecursiveBackend
from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.dialect import Dialect
from rlm_tui.engine.effects import Effects
from rlm_tui.engine.gate import LimitHit
from rlm_tui.engine.limits import TreeLimits
from rlm_tui.engine.options import Options
from rlm_tui.engine.sampling import Asking
from rlm_tui.engine.seam import Seam
from rlm_tui.engine.slots import Seat, Slots
from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, Point, Text
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.repl.process import Conditions

if TYPE_CHECKING:
    from rlm_tui.repl.birth import Source


@dataclass(slots=True, eq=False)
class UnderWay:
    """A sub-call that has not come back: queued, held, or asked.

    Attributes:
        task: What asks for it.
        decided: How a person ended it; None while nobody did.
        counted: Whether the limits count it.
        back: Whether its answer has come, and passes its gate.
    """

    task: asyncio.Task[CallEnd]
    decided: CallEnd | None = None
    counted: bool = False
    back: bool = False

    def decide(self, end: CallEnd) -> bool:
        """End it as a person wants it; False when it has come back, or that is decided already."""
        if self.decided is not None or self.back or self.task.done():
            return False
        self.decided = end
        self.task.cancel()
        return True


@dataclass(slots=True)
class Shared:
    """One run's journal, memory, gates, slots and limits.

    Attributes:
        run: The fold of the journal, always up to date.
        clocks: Working clocks by node.
        hold_repl: By node, how to stop and start the computing clock of its REPL.
        seats: By call, its seat in its block's window.
        holding: By node, the addresses of its values that a gate holds now, oldest first.
        under_way: By call, those that were asked for and have not come back.
        source: Where REPLs come from; None starts a process for each.
        child_options: Those of child RLMs, when a described backend gives them others.
        opaque: A caller's own backend for sub-calls, if there is one.
        scratch: Where REPLs make their private directories; None means the system's place.
        beginning: Of a branch, the point and the address at which a person is to decide, though the journal has what
            comes of it.
        leaving: Set when the process goes and the run stays resumable: then no end is written any more.
    """

    journal: Journal
    run: Run
    effects: Effects
    seam: Seam
    asking: Asking
    slots: Slots
    limits: TreeLimits
    options: Options
    dialect: Dialect
    child_options: Options
    opaque: RecursiveBackend | None = None
    scratch: Path | None = None
    clocks: dict[str, WorkClock] = field(default_factory=dict[str, WorkClock])
    hold_repl: dict[str, Callable[[bool], None]] = field(default_factory=dict[str, Callable[[bool], None]])
    seats: dict[str, Seat] = field(default_factory=dict[str, Seat])
    holding: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    under_way: dict[str, UnderWay] = field(default_factory=dict[str, "UnderWay"])
    source: Source | None = None
    giving: asyncio.Task[Any] | None = None
    """Gives the root's context to the source, and comes back with what it has then as ``context``."""
    beginning: tuple[Point, str] | None = None
    leaving: bool = False
    loaded_at: float | None = None
    """When the last event was written that an earlier process left, seconds since the epoch."""

    @property
    def conditions(self) -> Conditions:
        """What every REPL of the run lives under."""
        options = self.options
        return Conditions(
            hash_seed=options.hash_seed,
            scratch_root=self.scratch,
            confine=options.confine,
            site=options.allow_site,
            network=options.allow_network,
        )

    async def inherits(self, context: Any) -> bool:
        """Whether every REPL of the source is born with this value as ``context``; waits until that is known."""
        if self.giving is None:
            return False
        await asyncio.wait([self.giving])
        return not self.giving.cancelled() and self.giving.result() is context

    def worked(self, node: str) -> float:
        """Seconds of working time that an earlier process spent on a node."""
        before = self.run.nodes.get(node)
        if before is None or self.loaded_at is None or before.started > self.loaded_at:
            return 0.0
        return max(0.0, self.loaded_at - before.started - before.held_s)

    def text(self, value: Text | None) -> str:
        """A text of the journal, wherever it is kept."""
        return self.journal.text(value)

    async def stopped_at(
        self,
        id: str,
        node: str,
        check: Callable[[], LimitHit | None],
        raise_to: Callable[[LimitHit], None],
        *,
        remembered: bool = False,
    ) -> LimitHit | None:
        """The limit that stands against an act, once it is let apply; None when the act may be done.

        A limit that was changed while a gate held its hit does not apply: it is looked at anew.

        Args:
            id: The address of the act.
            node: The node that waits meanwhile.
            check: The hit that the act would be, as things stand.
            raise_to: Takes a hit that was raised.
            remembered: Whether the act has its outcome in the journal.
        """
        while (hit := check()) is not None:
            passed = await self.seam.pass_("limit", id, hit, node, remembered=remembered)
            if passed.raised is not None:
                raise_to(passed)
            elif (now := check()) is not None and (now.name, now.limit) == (hit.name, hit.limit):
                return passed
        return None

    @contextmanager
    def held(self, id: str, node: str) -> Generator[None, None, None]:
        """While a gate holds a value of a node: its clocks and its ancestors' stop, and the seats above are free.

        Args:
            id: The address of the value.
            node: The node that waits.
        """
        seats = [seat for call in self._calls_above(id, node) if (seat := self.seats.get(call))]
        clock = self.clocks[node]
        repls = [hold for other, hold in self.hold_repl.items() if other == node or other.startswith(f"{node}/")]
        clock.stop()
        self.holding.setdefault(node, []).append(id)
        for seat in seats:
            seat.hold()
        for hold in repls:
            hold(True)
        try:
            yield
        finally:
            for hold in repls:
                hold(False)
            for seat in seats:
                seat.release()
            self.holding[node].remove(id)
            clock.go()

    @staticmethod
    def _calls_above(id: str, node: str) -> Iterator[str]:
        if id != node and address.is_node(id):
            yield id
        while node != address.ROOT:
            yield node
            node = address.node_of(address.parent(node))
