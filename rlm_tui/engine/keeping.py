"""Keeping one node's REPL: it is started when it is first needed, and made anew when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from rlm_tui.engine.gate import Failure
from rlm_tui.engine.rebuild import DiedAgain, Divergence, Step, steps
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.slots import Computing
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal.events import ErrorInfo, ExecEnd
from rlm_tui.repl.process import Repl, ReplConfig, ReplDied


@dataclass(slots=True)
class Keeping:
    """One node's REPL, alive or not.

    Args:
        shared: The run.
        spec: The node.
        rebuild: Brings a fresh REPL to where the old one was, and tells what differs.

    Attributes:
        repl: The REPL; None before it was first needed.
        turn: Taken by whatever runs in the REPL by itself.
        ending: Whether the node is being ended: then nothing is tried twice.
        closed: Whether it has ended.
    """

    shared: Shared
    spec: NodeSpec
    rebuild: Callable[[Repl, list[Step], str, Computing], Awaitable[Divergence | None]]
    repl: Repl | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ending: bool = False
    closed: bool = False
    held: bool = False
    """Whether the computing clock stands."""
    _divergence: Divergence | None = None
    """What the REPL has different from the record, until a block has run in it all the same."""
    _decided: bool = False
    """Whether that was let be."""
    _left_out: frozenset[str] = frozenset()
    """Blocks that ended the worker when they were run again."""

    async def live(self, waiting: str, slot: Computing) -> Repl:
        """The node's REPL with everything that ran in it; only for who has its turn.

        Args:
            waiting: The address of what waits for it.
            slot: What that computes in: starting a worker is work too, and the machine has only so many hands.

        Raises:
            ReplDied: When it can't be had.
        """
        while not self.closed:
            if self.repl is not None and self.repl.alive:
                return self.repl
            before, self.repl = self.repl, None
            if before is not None:
                await before.close()
            try:
                await self._make(waiting, slot, anew=before is not None)
            except DiedAgain as died:
                if self.ending:
                    raise
                # All but that block is run again, and what is missing is named.
                self._left_out |= {died.block}
        raise ReplDied("the node has ended, and its REPL with it")

    async def _make(self, waiting: str, slot: Computing, *, anew: bool) -> None:
        self._divergence, self._decided = None, False
        dialect, source = self.shared.dialect, self.shared.source
        config = ReplConfig(
            names=dialect.names,
            restore=frozenset({"context"}) if dialect.restores_context else frozenset(),
            seed=f"{self.shared.options.seed}:{self.spec.id}",
            conditions=self.shared.conditions,
        )
        try:
            self.repl = repl = await Repl.start(config, source)
        except OSError as error:
            raise ReplDied(f"the REPL could not be started: {error}") from error
        repl.hold_clock(self.held)
        if await self.shared.inherits(self.spec.context):
            await repl.inherit("context")
        else:
            await repl.put("context", self.spec.context)
        todo = self._todo(waiting)
        if todo or anew:
            self._divergence = await self.rebuild(repl, todo, waiting, slot)

    def _todo(self, waiting: str) -> list[Step]:
        return steps(self.shared.run.nodes.get(self.spec.id), waiting, self._left_out)

    async def prepare(self, id: str) -> None:
        """Have a REPL made anew for what is to run, before its start is written. What differs passes the gates.

        One that is only to be started is started by what runs, and one that can't be had is found out by it.

        Args:
            id: The address of what waits for it.
        """
        attempt = 1
        while not self.closed and (self.repl is not None or self._todo(id)):
            try:
                async with self.turn, Computing(self.shared.slots) as slot:
                    await self.live(id, slot)
            except ReplDied:
                return
            if self._divergence is None or self._decided:
                return
            error = ErrorInfo(kind="diverged", message=self._divergence.message)
            failure = await self.shared.seam.pass_("error", id, Failure(error, attempt), self.spec.id)
            if failure.action != "retry":
                self._decided = True
                return
            attempt += 1
            await self.discard()

    async def discard(self) -> None:
        """End the REPL: the next one is made anew, up to what it is made for."""
        async with self.turn:
            self._left_out, self._divergence = frozenset(), None
            if self.repl is not None:
                await self.repl.kill()

    def noting_divergence(self, end: ExecEnd) -> ExecEnd:
        """The end of a block that ran in a REPL which is not what it was: the journal's variables are set right."""
        differs, self._divergence = self._divergence, None
        if differs is None:
            return end
        known = {row.name for row in end.changed} | set(end.removed)
        changed = (*(row for row in differs.changed if row.name not in known), *end.changed)
        removed = (*(name for name in differs.removed if name not in known), *end.removed)
        return end.model_copy(update={"divergence": differs.message, "changed": changed, "removed": removed})

    async def close(self) -> None:
        """End the REPL, for good."""
        self.closed = True
        if self.repl is not None:
            await self.repl.close()
