"""Asking a model: one request, as many attempts as it takes, each an ``llm.start`` and an ``llm.end``."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_tui.engine.effects import Effects
from rlm_tui.engine.gate import Ask, Failure, Request
from rlm_tui.engine.pieces import Pieces
from rlm_tui.engine.seam import Seam
from rlm_tui.engine.slots import Slots
from rlm_tui.journal import address
from rlm_tui.journal.events import ErrorInfo, LlmEnd, LlmStart, Message
from rlm_tui.llm.base import ChatMessage, ChatModel, ChatRequest, Delta, ModelError, Reply, UnknownModelError

ATTEMPTS = 4
LONGEST_WAIT_S = 30.0
LONGEST_ASKED_WAIT_S = 120.0


class RequestFailed(Exception):
    """A model request failed for good: nobody retried it, nobody supplied an answer.

    Attributes:
        error: What went wrong, as journaled.
        original: What was raised, as it was raised; None when it was in an earlier process.
    """

    def __init__(self, error: ErrorInfo, original: BaseException | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.original = original


def attempts_for(error: ModelError) -> int:
    """How many attempts are made by themselves where this is what goes wrong."""
    return {True: ATTEMPTS, "once": 2, False: 1}[error.retry]


def wait_before_next(error: ModelError, attempt: int) -> float | None:
    """Seconds before the next attempt by itself, or None when there is to be none.

    Args:
        error: Why this attempt failed.
        attempt: Its number, from 1.
    """
    if attempt >= attempts_for(error):
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_ASKED_WAIT_S else None
    return min(LONGEST_WAIT_S, 2.0 ** (attempt - 1)) * random.uniform(0.8, 1.2)


def carried_over(before: tuple[ChatMessage, ...], now: tuple[ChatMessage, ...]) -> int:
    """How many leading messages two requests share."""
    shared = 0
    for old, new in zip(before, now, strict=False):
        # A history grows by the same messages: what is the same one is not looked into.
        if old is not new and old != new:
            break
        shared += 1
    return shared


@dataclass(slots=True)
class Writing:
    """A reply on its way.

    Attributes:
        heard: What has come of it.
        thoughts: What has come of its reasoning.
        stopped: Ends it when it expires: a person takes what has come.
    """

    heard: list[str] = field(default_factory=list[str])
    thoughts: list[str] = field(default_factory=list[str])
    stopped: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    def stop(self) -> None:
        """Take what has come; its connection is closed."""
        self.stopped.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True)
class Asking:
    """The way of one run to its models.

    Args:
        effects: The run's memory.
        seam: Its gates.
        slots: Its slots.
        models: From a model's name to the model; raises `UnknownModelError`.
        sub_models: The same for everything but the root's own requests, when that is another; else None.
        sleep: Waits so many seconds before a retry.
        streams: Whether nodes' replies are asked for in pieces.

    Attributes:
        waiting: By address, what ends a wait before the next attempt: True tries now, False gives up.
        writing: By address, the reply that comes in now.
        loading: How many requests wait for the library of their provider.
    """

    effects: Effects
    seam: Seam
    slots: Slots
    models: Callable[[str], ChatModel]
    sub_models: Callable[[str], ChatModel] | None = None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    streams: bool = True
    waiting: dict[str, asyncio.Future[bool]] = field(default_factory=dict[str, "asyncio.Future[bool]"])
    writing: dict[str, Writing] = field(default_factory=dict[str, "Writing"])
    loading: int = 0

    async def ask(
        self,
        id: str,
        node: str,
        request: Request,
        before: tuple[ChatMessage, ...] = (),
        *,
        leaf: bool = False,
        once_more: bool = False,
    ) -> LlmEnd:
        """Send a request, or remember its outcome.

        Args:
            id: The address of the request: an iteration's, a leaf call's, ``…/default``.
            node: The node that waits meanwhile.
            request: What is sent; edits made at the ``error`` gate change it for the next attempt.
            before: The messages of the node's request before this one.
            leaf: Whether this is a plain sub-LM request.
            once_more: Whether it is sent though its outcome is known: a person wants another.

        Raises:
            RequestFailed: When it failed and the failure was let apply.
        """
        if not once_more and (end := self.effects.remembered("llm", id, LlmEnd)) is not None:
            return end
        one = _One(self, id, node, request, before, leaf)
        end = await self.effects.do(one.start(), one.live, one.again)
        if end.status in ("ok", "partial"):
            return end
        raise RequestFailed(end.error or ErrorInfo(kind="unknown", message="the request failed"), one.original)

    async def sample(self, id: str, node: str, request: Request, attempt: int) -> LlmEnd:
        """Ask for a further reply; one that fails for good is an end like any other, and holds nothing.

        Args:
            id: Its own address.
            node: The node it is for.
            request: What was sent before.
            attempt: The number of its first attempt, as a model is told it.
        """
        one = _One(self, id, node, request, request.messages, leaf=False, first=attempt)
        return await self.effects.once(one.start(), one.live, LlmEnd, one.wait_and_go_on)


@dataclass(slots=True)
class _One:
    """One request on its way through its attempts."""

    asking: Asking
    id: str
    node: str
    request: Request
    before: tuple[ChatMessage, ...]
    leaf: bool
    first: int = 1
    """The number of its first attempt."""
    original: BaseException | None = None
    supplied: str | None = None
    _seen: int = field(init=False)
    """How many of the changes at its address the request has: a message is not said twice."""

    def __post_init__(self) -> None:
        self._seen = len(self.asking.effects.edits(self.id))

    def start(self) -> LlmStart:
        """The next attempt's intent."""
        base = carried_over(self.before, self.request.messages)
        return LlmStart(
            id=self.id,
            attempt=self.asking.effects.started("llm", self.id) + self.first,
            base=base,
            add=tuple(Message(role=m["role"], content=m["content"]) for m in self.request.messages[base:]),
            model=self.request.model,
            params=dict(self.request.params),
        )

    async def live(self, start: LlmStart) -> LlmEnd:
        """One attempt."""
        # A later attempt is carried over from this one, which the fold has as the request before.
        self.before = self.request.messages
        if self.supplied is not None:
            return LlmEnd(id=self.id, attempt=start.attempt, status="ok", reply=self.supplied, by="human")
        return await self._attempt(start)

    async def _attempt(self, start: LlmStart) -> LlmEnd:
        pieces, writing = Pieces(self.asking.effects.journal, self.id), Writing()
        heard = writing.heard
        began = time.monotonic()

        def end(**fields: object) -> LlmEnd:
            pieces.flush()
            ms = (time.monotonic() - began) * 1000
            return LlmEnd.model_validate({"id": self.id, "attempt": start.attempt, "ms": round(ms, 1), **fields})

        try:
            model = await self._model()
            async with self.asking.slots.llm:
                began = time.monotonic()
                self.asking.writing[self.id] = writing
                async with writing.stopped:
                    reply = await self._listen(model, start, pieces, writing)
        except asyncio.CancelledError:
            journal = self.asking.effects.journal
            if not journal.closed:
                journal.append(end(status="cancelled", reply="".join(heard)))
            raise
        except Exception as error:  # noqa: BLE001 - an adapter's own fault is a node at its `error` gate, never a dead run
            if writing.stopped.expired():
                # Whatever the library makes of being stopped.
                return end(status="partial", reply="".join(heard), reasoning="".join(writing.thoughts), by="human")
            return end(status="error", **self._failed(error, start, "".join(heard)))
        finally:
            self.asking.writing.pop(self.id, None)
        return end(
            status="ok", reply=reply.text, reasoning=reply.reasoning, finish_reason=reply.finish_reason,
            usage=reply.usage, model=reply.model, api_base=reply.api_base,
        )  # fmt: skip

    def _failed(self, error: Exception, start: LlmStart, heard: str) -> dict[str, Any]:
        """What the end of a failed attempt says."""
        self.original = error
        match error:
            case ModelError():
                self.original = error.original or error
                wait = wait_before_next(error, start.attempt - self.first + 1)
                most = attempts_for(error) + self.first - 1 if wait is not None else None
                said = {"reply": error.partial or heard, "error": error.info, "usage": error.usage}
                return {**said, "wait": wait, "of": most}
            case UnknownModelError():
                return {"reply": heard, "error": ErrorInfo(kind="model", message=str(error))}
            case _:
                said = f"{type(error).__name__}: {error}"
                return {"reply": heard, "error": ErrorInfo(kind="unknown", message=said)}

    async def _model(self) -> ChatModel:
        """The model, with the library it needs: loading takes seconds that are not the request's."""
        own = self.node == address.ROOT and not self.leaf
        find = self.asking.models if own or self.asking.sub_models is None else self.asking.sub_models
        model = find(self.request.model)
        load = getattr(model, "load", None)
        if load is not None:
            self.asking.loading += 1
            try:
                await load()
            finally:
                self.asking.loading -= 1
        return model

    async def _listen(self, model: ChatModel, start: LlmStart, pieces: Pieces, writing: Writing) -> Reply:
        reply: Reply | None = None
        stream = model.stream(
            ChatRequest(
                messages=tuple(dict(message) for message in self.request.messages),
                model=self.request.model,
                params=self.request.params,
                attempt=start.attempt,
                stream=self.asking.streams and not self.leaf,
                leaf=self.leaf,
            )
        )
        try:
            async for part in stream:
                if isinstance(part, Delta):
                    (writing.heard if part.kind == "reply" else writing.thoughts).append(part.text)
                    pieces.add(part.kind, part.text)
                else:
                    reply = part
        finally:
            # At once, also when it is left early: that is what ends the request at the provider.
            close = getattr(stream, "aclose", None)
            if close is not None:
                await close()
        if reply is None:
            raise ModelError("empty", "no reply came back", retry="once", partial="".join(writing.heard))
        return reply

    async def wait_and_go_on(self, start: LlmStart, end: LlmEnd) -> LlmStart | None:
        """The next attempt after its wait, where there is to be one."""
        return self.start() if end.wait is not None and await self._waited(end.wait) else None

    async def _waited(self, seconds: float) -> bool:
        """Wait before the next attempt, no longer than a person wants; False when one gave it up. Holds no slot."""
        decided = self.asking.waiting[self.id] = asyncio.get_running_loop().create_future()
        sleeping = asyncio.ensure_future(self.asking.sleep(seconds))
        try:
            await asyncio.wait((decided, sleeping), return_when=asyncio.FIRST_COMPLETED)
            return decided.result() if decided.done() else True
        finally:
            del self.asking.waiting[self.id]
            sleeping.cancel()

    async def again(self, start: LlmStart, end: LlmEnd) -> LlmStart | None:
        """The next attempt, after its wait or after the ``error`` gate; None lets the failure apply."""
        if (after := await self.wait_and_go_on(start, end)) is not None:
            return after
        error = end.error or ErrorInfo(kind="unknown", message="the request failed")
        broke_off = Failure(error, start.attempt, partial=self.asking.effects.journal.text(end.reply))
        failure = await self.asking.seam.pass_("error", self.id, broke_off, self.node)
        if failure.action == "apply":
            return None
        self.supplied = failure.text if failure.action == "supply" else None
        self.request = self._edited()
        return self.start()

    def _edited(self) -> Request:
        """The request with what people changed at its address. A leaf's is made of a prompt that may be changed too."""
        seam, request, first = self.asking.seam, self.request, self._seen
        self._seen = len(self.asking.effects.edits(self.id))
        if self.leaf:
            ask = seam.edited(self.id, Ask("llm_query", request.messages[-1]["content"], request.model), first=first)
            request = replace(request, messages=({"role": "user", "content": ask.prompt},), model=ask.model)
        return seam.edited(self.id, request, first=first)
