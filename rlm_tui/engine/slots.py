"""Who may act at the same time. No task waits for a slot while it holds one, so nothing deadlocks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Slots:
    """The run-wide slots: one for each request on its way, one for each block that computes.

    Args:
        requests: Model requests at one time.
    """

    def __init__(self, requests: int) -> None:
        self.llm = asyncio.Semaphore(max(1, requests))
        self.exec = asyncio.Semaphore(max(2, os.cpu_count() or 2))


class Computing:
    """One block's exec slot: given back while any call of the block is open, taken again before the last is answered.

    Not before every answer: a block that computes in one thread and waits in another would hold a slot that the child
    it waits for may need.
    """

    def __init__(self, slots: Slots) -> None:
        self._slot = slots.exec
        self._has = False
        self._open = 0
        self._answering = asyncio.Lock()

    async def __aenter__(self) -> Computing:
        await self._slot.acquire()
        self._has = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._has:
            self._has = False
            self._slot.release()

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[None, None]:
        """While one call of the block is open. A cancelled call has no answer to deliver and takes nothing."""
        self._open += 1
        self._give_back()
        try:
            yield
        except asyncio.CancelledError:
            self._open -= 1
            raise
        except BaseException:
            await self._answer()
            raise
        await self._answer()

    async def _answer(self) -> None:
        self._open -= 1
        # One at a time, or a second answer would wait for a slot that its own block has.
        async with self._answering:
            if self._open or self._has:
                return
            await self._slot.acquire()
            # Another thread may have asked meanwhile: then the block waits again, and holds nothing.
            if self._open:
                self._slot.release()
            else:
                self._has = True


class Window:
    """The seats of one block: at most so many of its sub-calls are active at one time.

    A held item gives its seat to the next one; when it goes on it takes its seat back at once, over the number if
    need be, because waiting for it could wait for itself.
    """

    def __init__(self, size: int) -> None:
        self._size = max(1, size)
        self._active = 0
        self._queue: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> Window:
        if self._active >= self._size:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.leave()
                elif turn in self._queue:
                    self._queue.remove(turn)
                raise
        else:
            self._active += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Give a seat back."""
        self._active -= 1
        while self._queue and self._active < self._size:
            turn = self._queue.pop(0)
            if not turn.done():
                self._active += 1
                turn.set_result(None)

    def take(self) -> None:
        """Take a seat back without waiting."""
        self._active += 1


class Seat:
    """One call's seat in a window: given back while anything in the call, or below it, is held.

    Args:
        window: Where it is; the call has it already.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._holds = 0

    def hold(self) -> None:
        """Something here or below is held. Counts: as many `release` take the seat back."""
        self._holds += 1
        if self._holds == 1:
            self._window.leave()

    def release(self) -> None:
        """One thing less is held."""
        self._holds -= 1
        if self._holds == 0:
            self._window.take()
