"""Further replies to a request that has one, for a person to choose from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_tui.engine.gate import Request
from rlm_tui.engine.hands import over
from rlm_tui.engine.shared import Shared
from rlm_tui.journal import address

NOT_HELD = "More replies can be asked for while a reply is held."
UNPRICED = "The model has no price, so max_budget can't be kept to; raise it first."
UNDER_WAY = "More replies are under way here already."


@dataclass(slots=True)
class Resampling:
    """The further replies of one node's requests.

    Args:
        shared: The run.
        node: The node's address.
    """

    shared: Shared
    node: str
    _task: asyncio.Task[None] | None = field(default=None)

    async def ask(self, id: str, count: int, model: str | None, params: Mapping[str, Any] | None) -> str | None:
        """Ask a request again, some times at once; over when all have come back or failed.

        Args:
            id: The iteration's address; its reply is there.
            count: How many more.
            model: Another model; None is the same.
            params: Other parameters; None are the same.

        Returns:
            A refusal in words: when a limit on money or tokens is reached, or others are under way.
        """
        turn = self.shared.run.iterations.get(id)
        sent = next((a for a in reversed(turn.attempts) if a.status in ("ok", "partial")), None) if turn else None
        if turn is None or sent is None:
            return "There is no request here that could be sent again."
        if self._task is not None:
            return UNDER_WAY
        if id not in self.shared.holding.get(self.node, ()):
            return NOT_HELD
        if (hit := self.shared.limits.spent()) is not None:
            return UNPRICED if hit.reason == "unpriced" else f"{hit.name} is reached; raise it first."
        text = self.shared.text
        messages = tuple({"role": m.role, "content": text(m.content)} for m in sent.messages())
        request = Request(messages, model or sent.model, dict(sent.params) if params is None else params)
        first = len({sample.id for sample in turn.samples}) + 1
        self._task = asyncio.create_task(self._all(id, range(first, first + count), request, sent.attempt))
        try:
            await self._task
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is not None and me.cancelling():
                raise
            return "The reply was handed on before these were here."
        finally:
            self._task = None
        return None

    async def _all(self, id: str, numbers: range, request: Request, attempt: int) -> None:
        asking = self.shared.asking
        async with asyncio.TaskGroup() as group:
            for k in numbers:
                # Each is an attempt of its own: a model that would say the same again can tell them apart.
                group.create_task(asking.sample(address.sample(id, k), self.node, request, attempt + k))

    async def stop(self) -> None:
        """The reply is decided, or the node ends: what is still under way is not waited for."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await over(task)
