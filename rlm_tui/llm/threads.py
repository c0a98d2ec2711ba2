"""Work in a thread that nobody waits for at exit: a program that quits never hangs on a function that sleeps."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: Any, executor: Executor | None = None) -> T:
    """Run a function off the event loop and wait for it.

    Cancelling ends the waiting, not the function.

    Args:
        function: What to run, in a copy of this context.
        arguments: What to run it with.
        executor: Where; by default in a daemon thread of its own. (The interpreter joins the threads of an
            executor when it exits, and would wait for a function that never comes back.)

    Raises:
        BaseException: What the function raised, as it was.
    """
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[tuple[T, None] | tuple[None, BaseException]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: tuple[T, None] | tuple[None, BaseException]) -> None:
        if not heard.done():
            heard.set_result(outcome)

    def work() -> None:
        try:
            outcome = context.run(function, *arguments), None
        # Also SystemExit and a cancellation: nobody else hears of them in this thread.
        except BaseException as error:  # noqa: BLE001
            outcome = None, error
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:
            if not loop.is_closed():  # closed: whoever asked is gone
                raise

    if executor is not None:
        executor.submit(work)
    else:
        threading.Thread(target=work, name=getattr(function, "__name__", "function"), daemon=True).start()
    outcome = await heard
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]
