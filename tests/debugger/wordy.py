"""A model that tells its attempts apart, for further replies to one request."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.journal.events import Usage
from rlm_tui.llm.base import ChatRequest, Reply
from tests.debugger.small import QUESTION, code, do
from tests.runs import Watched, running


class Wordy:
    """A model that says at each attempt which one it is; what it is told to do at some of them, it does.

    Args:
        fails: The attempts at which it fails; where a model called ``unknown`` is asked for, it always does.
        waits: What it waits for from the second attempt on.
    """

    def __init__(self, *, fails: Collection[int] = (), waits: asyncio.Event | None = None) -> None:
        self.asked: list[tuple[int, str, dict[str, Any]]] = []
        self.fails, self.waits = fails, waits
        self.loop: asyncio.AbstractEventLoop | None = None

    async def stream(self, request: ChatRequest) -> Any:
        self.loop = asyncio.get_running_loop()
        self.asked.append((request.attempt, request.model, dict(request.params)))
        if request.model == "unknown":
            raise ValueError("no such model")
        if request.attempt in self.fails:
            raise ValueError("not this one")
        if self.waits is not None and request.attempt > 1:
            await self.waits.wait()
        usage = Usage(prompt=9, completion=1, cost=0.01, source="provider")
        yield Reply(code(f'FINAL("attempt {request.attempt}")'), "stop", usage)

    def go_on(self) -> None:
        """Let it say what it waits with. From any thread."""
        assert self.loop is not None and self.waits is not None
        self.loop.call_soon_threadsafe(self.waits.set)


def wordy(model: Wordy, **options: Any) -> Any:
    """A run of such a model, held at its start."""
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    return running("multi-hop", hold=True, model=model, data=data, **options)


def at_reply(run: Watched) -> str:
    """Step to the first reply; its address."""
    do(run, "step", run.held("llm"))
    return run.held("reply").id
