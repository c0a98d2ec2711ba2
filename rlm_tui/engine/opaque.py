"""A caller's own backend for sub-calls: asked in a thread, a batch at once. What it does inside is not in the tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rlm_tui.engine.backends import RecursiveBackend
from rlm_tui.llm.threads import in_thread


class OpaqueCall:
    """One call of the code: one prompt, or a batch that the backend is asked once, when no item is missing any more.

    Args:
        backend: Who answers.
        fn: The function's name, as the code called it.
        size: How many items the batch has; None for a single call.
    """

    def __init__(self, backend: RecursiveBackend, fn: str, size: int | None) -> None:
        deep = fn.startswith("rlm")
        self._one: Callable[..., Any] = backend.recursive_query if deep else backend.query
        self._many: Callable[..., Any] = backend.recursive_query_batched if deep else backend.query_batched
        self._batch = size is not None
        self._missing = set(range(1, (size or 0) + 1))
        self._waiting: list[tuple[str, str | None, asyncio.Future[Any]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, index: int, prompt: str, model: str | None) -> str | None:
        """What the backend says to one prompt; None when it says nothing.

        Args:
            index: The item's number in its batch, from 1.
            prompt: Its prompt.
            model: The model that it is to go to; None leaves that to the backend.

        Raises:
            Exception: What the backend raised; ValueError when a batch came back with another length.
        """
        if not self._batch:
            said = await in_thread(self._one, prompt, model)
        else:
            heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._waiting.append((prompt, model, heard))
            self._not_missing(index)
            said = await heard
        return None if said is None else str(said)

    def without(self, index: int) -> None:
        """An item of the batch has its outcome without being asked for, or is not waited for any more."""
        if self._batch:
            self._not_missing(index)

    def _not_missing(self, index: int) -> None:
        self._missing.discard(index)
        if not self._missing and self._asking is None and self._waiting:
            self._asking = asyncio.create_task(self._ask_all())

    async def _ask_all(self) -> None:
        """Once for each model: a person may have given an item another one, or have answered it meanwhile."""
        waiting = [(prompt, model, heard) for prompt, model, heard in self._waiting if not heard.done()]
        for model in dict.fromkeys(model for _, model, _ in waiting):
            items = [(prompt, heard) for prompt, other, heard in waiting if other == model]
            try:
                said = list(await in_thread(self._many, [prompt for prompt, _ in items], model))
                if len(said) != len(items):
                    raise ValueError(f"{len(said)} answers came back for {len(items)} prompts")
            except Exception as error:  # noqa: BLE001 - whatever a foreign backend raises is these calls' error
                for _, heard in items:
                    if not heard.done():
                        heard.set_exception(error)
                continue
            for (_, heard), one in zip(items, said, strict=True):
                if not heard.done():
                    heard.set_result(one)
