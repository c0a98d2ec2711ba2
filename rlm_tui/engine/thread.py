"""The engine's own thread: one event loop, a daemon, so that a held run never blocks quitting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class EngineThread:
    """Runs one event loop in a daemon thread until `close`."""

    def __init__(self, name: str = "rlm-engine") -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop; from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, act: Callable[[], T]) -> Future[T]:
        """Run a function on the loop; from any other thread."""

        async def once() -> T:
            return act()

        return self.submit(once())

    def close(self, timeout: float = 1.0) -> None:
        """Cancel what is left, stop the loop, and wait for the thread for at most ``timeout`` seconds."""
        if self.loop.is_closed():
            return

        async def settle() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=timeout)
            self.loop.stop()

        try:
            self.submit(settle())
        except RuntimeError:
            return
        self._thread.join(timeout * 2)
