"""Questions to a worker, and its answers. Host side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal, cast

from rlm_tui.repl import protocol
from rlm_tui.repl.launch import Worker
from rlm_tui.repl.link import Link
from rlm_tui.repl.messages import ValueMessage
from rlm_tui.repl.results import Page, Proposed, ReplDied, Variable

Send = Callable[[dict[str, Any]], None]


class Asks:
    """Open questions of one worker, by number."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: dict[int, asyncio.Future[ValueMessage]] = {}
        self.last = 0

    async def ask(self, message: dict[str, Any], send: Send | None = None) -> ValueMessage:
        """Send a question, on `rpc` unless `send` says otherwise, and wait for the answer.

        Raises:
            ReplDied: If the worker is gone.
        """
        if not self._link.alive:
            raise ReplDied(self._link.obituary)
        self.last += 1
        number = self.last
        self._open[number] = asyncio.get_running_loop().create_future()
        try:
            (send or self._link.send)({**message, "ask": number})
            return await self._open[number]
        finally:
            self._open.pop(number, None)

    def answered(self, message: ValueMessage) -> None:
        """Take an answer; one to a question nobody asked is ignored."""
        future = self._open.get(message.ask)
        if future is not None and not future.done():
            future.set_result(message)

    def bury(self, reason: str) -> None:
        """Tell everyone who waits that the worker is gone."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(ReplDied(reason))
                # Whoever waited may have been cancelled meanwhile; that is nothing to complain of on stderr.
                future.exception()


class Asking:
    """What can be asked of a worker, and given to it, whatever it does."""

    def __init__(self, worker: Worker, link: Link) -> None:
        self._worker = worker
        self._link = link
        self._asks = Asks(link)

    async def put(self, name: str, value: Any) -> None:
        """Bind a variable to a JSON-like value.

        Raises:
            ValueError: If the worker cannot take it, for its memory limit for instance.
            ReplDied: If the worker is gone.
        """
        letters: list[str] = []
        body = await asyncio.to_thread(self.packed, value, letters)
        answer = await self._asks.ask({"kind": "put", "name": name, **body})
        self._worker.discard(letters)
        if answer.status != "ok":
            raise ValueError(answer.error or "the value was refused")

    async def inherit(self, name: str) -> None:
        """Bind a variable to what the worker's source was given under this name, without a copy where that can be.

        Raises:
            KeyError: If it was given nothing of that name.
            ValueError: If the worker cannot take it.
            ReplDied: If the worker is gone.
        """
        if not self._worker.inherited(name):
            await self.put(name, self._worker.given[name])
            return
        answer = await self._asks.ask({"kind": "inherit", "name": name})
        if answer.status != "ok":
            raise ValueError(answer.error or "the value was refused")

    def packed(self, value: Any, letters: list[str]) -> dict[str, Any]:
        """Return how a value travels: in the message, or in a file when its text might not fit a frame."""
        kind, text = ("text", value) if type(value) is str else ("json", json.dumps(value, ensure_ascii=False))
        if len(text) * 6 < protocol.FRAME_CAP:
            return {"value": value}
        letters.append(self._worker.post(text))
        return {"path": letters[-1], "as": kind}

    async def resolve(self, name: str, *, timeout_s: float | None = None) -> Proposed:
        """Return the value of a variable as a proposal; `str(value)` is made in the worker.

        Raises:
            LookupError: If there is no such variable; the text names near ones.
            ValueError: If it is None, or `str` of it raised.
            TimeoutError: If `str` of it took longer than `timeout_s`.
            ReplDied: If the worker is gone.
        """
        label = f"resolve:{self._asks.last + 1}"
        loop = asyncio.get_running_loop()
        timed_out: list[bool] = []
        over: list[bool] = []

        def expire() -> None:
            timed_out.append(True)
            self._link.abort(label, lambda: bool(over))
            timers.append(loop.call_later(2.0, self._link.kill))

        timers = [] if timeout_s is None else [loop.call_later(timeout_s, expire)]
        try:
            answer = await self._asks.ask({"kind": "read", "name": name, "block": label})
        except ReplDied:
            if timed_out:
                raise TimeoutError(f"str() of {name!r} took too long; the REPL was killed") from None
            raise
        finally:
            over.append(True)
            for timer in timers:
                timer.cancel()
        if answer.proposed is not None:
            return answer.proposed
        if timed_out:
            raise TimeoutError(f"str() of {name!r} took too long")
        if answer.status == "missing":
            near = f"; near names: {answer.error}" if answer.error else ""
            raise LookupError(f"there is no variable {name!r}{near}")
        raise ValueError(answer.error or f"{name!r} is None")

    async def variables(self) -> list[Variable]:
        """Return the listing, also while a block runs; no code of the model's is run for it.

        Raises:
            ReplDied: If the worker is gone.
        """
        return list((await self._asks.ask({"kind": "rows"})).rows)

    async def set_answer_ready(self, ready: bool) -> None:
        """Set `answer["ready"]` when `answer` is an exact dict.

        Raises:
            ReplDied: If the worker is gone.
        """
        await self._asks.ask({"kind": "answer", "ready": ready})

    async def page(self, name: str, start: int, count: int) -> Page:
        """Return a part of a variable's value, also while a block runs; no code of the model's is run for it.

        Args:
            name: The variable; of the frame that stands, or else of the node.
            start: First character, byte or item.
            count: How many, at most `protocol.PAGE_TEXT` or `protocol.PAGE_ROWS`; more are not given.

        Raises:
            LookupError: If there is no such variable.
            ValueError: If `start` or `count` is negative, or the part could not be made.
            ReplDied: If the worker is gone.
        """
        if start < 0 or count < 0:
            raise ValueError("a page begins and ends within its value")
        answer = await self._asks.ask({"kind": "page", "name": name, "start": start, "count": count})
        if answer.status == "missing":
            raise LookupError(f"there is no variable {name!r}")
        part = answer.page
        if part is None:
            raise ValueError(answer.error or "the part could not be made")
        kind = cast('Literal["text", "items", "plain"]', part.kind)
        return Page(name, kind, part.type, part.total, part.start, part.text, part.rows)
