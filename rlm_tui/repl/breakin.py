"""A running block that stands, or is to: broken in to, stepped, evaluated in, let go. Host side."""

from __future__ import annotations

import asyncio
from typing import Any

from rlm_tui.repl.link import END_S, Link
from rlm_tui.repl.messages import DoneMessage, HeldMessage, OutMessage
from rlm_tui.repl.results import BlockResult, NotHere, OnOutput, Standing
from rlm_tui.repl.running import ComputingClock, Running

GRACE_S = 2.0
"""Seconds between the abort of an evaluation and the kill."""


class BreakIn:
    """Where one worker's running block stands. Each wish that it stand has a number of its own.

    Attributes:
        standing: Where it stands, if it does.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._running: Running | None = None
        self._wish = 0
        self._coming: asyncio.Future[Standing | None] | None = None
        self._evaluating: Running | None = None
        self.standing: Standing | None = None

    async def ask(self, running: Running) -> Standing | None:
        """Have the block stand where it is; None when it ended first. Cancelling takes the wish back."""
        self._must_be_here()
        if self.standing is not None:
            return self.standing
        if self._coming is None or self._coming.done():
            self._wish += 1
            self._coming = asyncio.get_running_loop().create_future()
        self._running = running
        self._link.knock(running.block, self._wish, self._coming.done)
        return await self._arrival(self._coming)

    async def step(self) -> Standing | None:
        """Have the block go on and stand at its next line; None when it ended first, or does not stand.

        Cancelling lets it go on.
        """
        self._must_be_here()
        self._must_not_evaluate()
        if self.standing is None or self._running is None:
            return None
        order = {"kind": "step", "block": self._running.block, "wish": self._wish, "next": self._wish + 1}
        self._leave()
        self._wish += 1
        self._coming = asyncio.get_running_loop().create_future()
        self._link.control(order)
        return await self._arrival(self._coming)

    def _must_be_here(self) -> None:
        if not self._link.can_stand:
            raise NotHere("This system has no signal that a running block could be broken in to with.")

    async def _arrival(self, coming: asyncio.Future[Standing | None]) -> Standing | None:
        try:
            return await asyncio.shield(coming)
        except asyncio.CancelledError:
            if self.standing is not None:
                self.go()
            elif not coming.done() and self._running is not None:
                coming.set_result(None)
                self._say_go(self._running.block)
                # It may be armed to stand at its next line, and would not look before.
                self._link.ring_once()
            raise

    def go(self) -> None:
        """Let the block go on; nothing when it does not stand."""
        self._must_not_evaluate()
        if self.standing is not None:
            self._say_go(self.standing.block)
            self._leave()

    def _say_go(self, block: str) -> None:
        self._link.control({"kind": "go", "block": block, "wish": self._wish})

    def _leave(self) -> None:
        self.standing = None
        if self._running is not None and self._running.clock is not None:
            self._running.clock.release()

    def _must_not_evaluate(self) -> None:
        if self._evaluating is not None:
            raise RuntimeError("something is being evaluated")

    def order(self, message: dict[str, Any]) -> None:
        """Send an order for the block that stands.

        Raises:
            RuntimeError: If none does, or something is being evaluated.
        """
        self._must_not_evaluate()
        if self.standing is None:
            raise RuntimeError("no block stands")
        self._link.control({**message, "block": self.standing.block, "wish": self._wish})

    async def evaluate(
        self, label: str, code: dict[str, Any], on_output: OnOutput, timeout_s: float | None
    ) -> BlockResult:
        """Run code in the frame that stands, and return how that ended.

        Raises:
            RuntimeError: If no block stands, or something is being evaluated.
            Exception: What `on_output` raised.
        """
        evaluating = Running(label, on_output, _no_call, lambda _call, _reply: None)
        self.order({"kind": "eval", "ask": label, **code})
        self._evaluating = evaluating
        evaluating.clock = ComputingClock(timeout_s, lambda: self._stop(evaluating, "timeout"))
        try:
            result = await asyncio.shield(evaluating.ended)
        except asyncio.CancelledError:
            self._stop(evaluating, "aborted")
            await asyncio.wait([evaluating.ended], timeout=GRACE_S + END_S)
            raise
        finally:
            self._evaluating = None
        if evaluating.failure is not None:
            raise evaluating.failure
        return result

    def _stop(self, evaluating: Running, why: Any) -> None:
        if not evaluating.ended.done():
            evaluating.stopping = evaluating.stopping or why
            self._link.abort(evaluating.block, evaluating.ended.done)
            asyncio.get_running_loop().call_later(GRACE_S, self._kill_if_evaluating, evaluating)

    def _kill_if_evaluating(self, evaluating: Running) -> None:
        if not evaluating.ended.done():
            self._link.kill()

    def held(self, message: HeldMessage) -> None:
        """The worker says that a block stands; without a wish that it should, this is ignored."""
        running, coming = self._running, self._coming
        if running is None or coming is None or coming.done() or running.ended.done():
            return
        if message.wish == self._wish and message.standing.block == running.block:
            if running.clock is not None:
                running.clock.hold()
            self.standing = message.standing
            coming.set_result(message.standing)

    def output(self, message: OutMessage) -> None:
        """Take a piece of what an evaluation printed."""
        if self._evaluating is not None and message.block == self._evaluating.block:
            self._evaluating.output(message.stream, message.text)

    def done(self, message: DoneMessage) -> None:
        """Take the end of an evaluation."""
        if self._evaluating is not None and message.block == self._evaluating.block:
            self._evaluating.finish(message)

    def aborted(self) -> None:
        """The block is being stopped, so it stands no more."""
        if self.standing is not None:
            self._leave()

    def over(self, died: str | None = None) -> None:
        """The block has ended, and all that was asked of it with it; `died` says how, when the worker is gone."""
        self._running = self.standing = None
        if self._coming is not None and not self._coming.done():
            self._coming.set_result(None)
        if self._evaluating is not None and died is None:
            self._evaluating.abandon()
        elif self._evaluating is not None:
            self._evaluating.die(died or "")


async def _no_call(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str | list[str]:
    raise AssertionError("an evaluation in a block that stands makes no calls")
