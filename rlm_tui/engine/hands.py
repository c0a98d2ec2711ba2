"""What a person asks of a node's REPL: to stop what runs there, to run something, to look."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from rlm_tui.engine.blocks import Blocks
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal import address
from rlm_tui.journal.events import ExecStart
from rlm_tui.journal.tree import IN_FRAME
from rlm_tui.repl.process import Looked, Page, ReplDied

RUNS = "A block runs here; break in to it first."
NOT_HELD = "Code can be evaluated only where a node is held; pause it first."
BUSY = "An evaluation is under way here; wait for it, or stop it."
LEFT = "The run is not going on."
OVER = "The node ended before this did."
GONE = "Its REPL does not run now."


@dataclass(slots=True)
class Hands:
    """One node, as a person reaches into it. All of it belongs to the engine's loop.

    Args:
        shared: The run.
        spec: The node.
        blocks: Its REPL and what runs there.
    """

    shared: Shared
    spec: NodeSpec
    blocks: Blocks
    _evaluating: asyncio.Task[None] | None = None

    # Stopping what runs -------------------------------------------------------------------------------------------

    async def break_in(self) -> str | None:
        """Stop the running block where it is.

        Returns at once. When the block stands, a `Broken` value passes the ``line`` gate, again after each step.

        Returns:
            A refusal in words, when no block runs, one is being broken in to, or the system can't.
        """
        return await self.blocks.break_in()

    async def abort_block(self) -> str | None:
        """End the running block: its calls are cancelled, then it is interrupted; its REPL stays.

        Returns at once; the block ends as ``aborted`` by ``human`` when it heeds that, and passes the ``error`` gate.

        Returns:
            A refusal in words, when no block runs.
        """
        return await self.blocks.stop_by_hand()

    async def kill_worker(self) -> str | None:
        """End the running block with its worker: it ends as ``died`` by ``human``.

        The REPL is made anew to before the block at once, then the ``error`` gate is passed.

        Returns:
            A refusal in words, when no block runs.
        """
        return await self.blocks.kill_by_hand()

    # Asking -------------------------------------------------------------------------------------------------------

    async def evaluate(self, code: str) -> str | None:
        """Run code in the node's REPL, or in the frame that stands; over when it has ended, its end in the journal.

        Args:
            code: Python source; a trailing expression is its value.

        Returns:
            A refusal in words: when the node is not held, a block runs unbroken, or another evaluation is under way.
        """
        standing = self.blocks.standing
        if self._evaluating is not None:
            return BUSY
        if self.blocks.running and standing is None:
            return RUNS
        held = self.shared.holding.get(self.spec.id)
        if not held:
            return NOT_HELD
        id = self.free_id(standing.block if standing is not None else self._beside(held[-1]))
        self._evaluating = asyncio.create_task(self._evaluate(id, code, inside=standing is not None))
        try:
            await self._evaluating
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is not None and me.cancelling():
                raise
            return LEFT if self.shared.leaving else OVER
        finally:
            self._evaluating = None
        return None

    async def _evaluate(self, id: str, code: str, *, inside: bool) -> None:
        if inside:
            start = ExecStart(id=id, code=code, origin="eval", by="human", reasons=(IN_FRAME,))
            await self.shared.effects.do(start, self.blocks.evaluate_inside)
        else:
            await self.blocks.prepare(id)
            start = ExecStart(id=id, code=code, origin="eval", by="human")
            await self.shared.effects.do(start, self.blocks.execute)

    async def settle(self) -> None:
        """The node ends: what a person evaluates in it ends first."""
        if self._evaluating is not None:
            self._evaluating.cancel()
            await over(self._evaluating)

    def _beside(self, held: str) -> str:
        """The block or the iteration that a held value belongs to; of the node itself, its newest iteration."""
        while held != self.spec.id and not address.number(held) and not held.endswith("/default"):
            held = address.parent(held)
        if held != self.spec.id:
            return held
        node = self.shared.run.nodes.get(self.spec.id)
        return node.iterations[-1].id if node is not None and node.iterations else address.iteration(self.spec.id, 1)

    def free_id(self, base: str) -> str:
        """The next address beside a block or an iteration."""
        numbers = itertools.count(1)
        return next(id for k in numbers if not self.shared.effects.started("exec", id := f"{base}+e{k}"))

    async def look(self, expression: str) -> Looked:
        """Evaluate an expression in a copy of the REPL, which is thrown away: nothing of it is kept or recorded.

        Args:
            expression: Python source.

        Returns:
            Its outcome; of status ``error``, with a reason in words, where a block runs unbroken.

        Raises:
            ReplDied: When there is no REPL, and none can be had.
        """
        if self.blocks.running:
            return await self.blocks.look_inside(expression) or Looked("error", RUNS)
        held = self.shared.holding.get(self.spec.id)
        return await self.blocks.look(expression, held[-1] if held else self.spec.id)

    async def page(self, name: str, start: int, count: int) -> Page:
        """A part of a variable, without running any of the model's code; also while a block runs.

        Args:
            name: The variable.
            start: Where the part begins, in characters, bytes or items.
            count: How much of it.

        Raises:
            LookupError: When there is no such variable.
            ReplDied: When there is no REPL now.
        """
        repl = self.blocks.repl
        if repl is None or not repl.alive:
            raise ReplDied(GONE)
        return await repl.page(name, start, count)


async def over(task: asyncio.Task[Any]) -> None:
    """Wait until a task is over, however often this one is cancelled meanwhile."""
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue


async def whole(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, and be cancelled only then: a node above may end in the midst of it."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await over(task)
        raise
