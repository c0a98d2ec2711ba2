"""Breaking in to a block that runs: it stands where it was, and goes on from there as a person decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from rlm_tui.engine.gate import Broken
from rlm_tui.engine.seam import Seam
from rlm_tui.engine.slots import Computing
from rlm_tui.repl.process import NotHere, Repl, ReplDied, Standing

UNDER_WAY = "It is being broken in to already."
STANDS = "It stands already."


@dataclass(slots=True)
class BreakIn:
    """One block that runs, as far as it is stopped where it is.

    Args:
        seam: Where a block that stands is handed through.
        repl: Where it runs.
        node: Its node's address.
        block: Its address.
        slot: What it computes in; free while it stands.
        hold: Stops and starts its computing clock.
        abort: Ends it for good, as a person's wish.

    Attributes:
        asking: Taken while something is evaluated where it stands: it does not go on meanwhile.
    """

    seam: Seam
    repl: Repl
    node: str
    block: str
    slot: Computing
    hold: Callable[[bool], None]
    abort: Callable[[], Coroutine[Any, Any, None]]
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _task: asyncio.Task[str | None] | None = None

    async def begin(self) -> str | None:
        """Ask for it, and see to what follows; a refusal in words when that is under way, or can't be had here."""
        if self._task is not None and not self._task.done():
            return STANDS if self.repl.standing is not None else UNDER_WAY
        # It may be taken back while this waits.
        self._task = task = asyncio.create_task(self._stand())
        await asyncio.wait([task], timeout=0)
        return task.result() if task.done() and not task.cancelled() else None

    async def take_back(self) -> None:
        """Want it no more. A block that stands is left standing, for whoever ends it.

        Raises:
            Exception: What a gate raised meanwhile.
        """
        task, self._task = self._task, None
        if task is None or task is asyncio.current_task():
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _stand(self) -> str | None:
        try:
            standing = await self.repl.break_in()
            while standing is not None:
                action = (await self._pass(standing)).action
                if action == "abort":
                    await self.abort()
                    break
                async with self.asking:
                    if action == "go":
                        await self.repl.go()
                        break
                    standing = await self.repl.step()
        except ReplDied:
            return None
        except NotHere as nowhere:
            return str(nowhere)
        except Exception:
            # A gate's fault must not leave the block standing for ever: it is raised where the block is waited for.
            await self.repl.go()
            raise
        return None

    async def _pass(self, standing: Standing) -> Broken:
        self.hold(True)
        try:
            async with self.slot.waiting():
                return await self.seam.pass_("line", self.block, broken(standing), self.node)
        finally:
            self.hold(False)


def broken(standing: Standing) -> Broken:
    """A block that stands, as it passes its gate."""
    return Broken(
        line=standing.line,
        frames=tuple((frame.line, frame.function, frame.block) for frame in standing.frames),
        locals=tuple((row.name, row.type, row.size, row.brief) for row in standing.locals),
        threads=standing.threads,
    )
