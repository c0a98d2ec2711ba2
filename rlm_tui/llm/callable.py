"""A function of the user's as a model."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, cast

from rlm_tui.llm.base import ChatMessage, ChatRequest, Delta, ModelError, Reply
from rlm_tui.llm.threads import in_thread

ChatFn = Callable[..., "str | Reply | Awaitable[str | Reply]"]
"""``fn(messages, model)``, ``fn(messages, *, model)`` or ``fn(messages)``; sync or async."""


class CallableModel:
    """A function that answers a conversation.

    How it is called is decided here, once, by its signature: with two positional arguments where two can be bound
    (or where it has no signature), with a keyword ``model`` where that is keyword-only, else with the messages
    alone. An async function runs on the event loop; any other in a thread, and what it returns is awaited if it
    can be. It has no pieces: `stream` yields one `Reply`.

    Args:
        fn: The function.
        executor: Where a sync function runs. By default each call has a daemon thread of its own, so that a function
            that never comes back holds neither another call nor the end of the program.
    """

    def __init__(self, fn: ChatFn, *, executor: Executor | None = None) -> None:
        self.fn = fn
        self._executor = executor
        self._call = _binding(fn)
        self._is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
            getattr(fn, "__call__", None)  # noqa: B004
        )

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        """Call the function, exactly once.

        Cancelling leaves a sync function running in its thread, its outcome unheard.

        Raises:
            ModelError: ``unknown`` with the exception as ``original`` when it raised; ``malformed`` when it returned
                neither text nor `Reply`. A `ModelError` of its own goes through as it is.
        """
        messages, model = [dict(message) for message in request.messages], request.model or None
        try:
            if self._is_async:
                answer = self._call(messages, model)
            else:
                answer = await in_thread(self._attempt, messages, model, executor=self._executor)
            if isinstance(answer, ModelError):
                raise answer from answer.original
            if inspect.isawaitable(answer):
                answer = await answer
        except ModelError:
            raise
        # The function is the user's: also its SystemExit is an answer to this request and to nothing else.
        except BaseException as error:
            if _is_ours(error):
                raise
            raise _failed(error) from error
        yield _reply(answer)

    def _attempt(self, messages: list[ChatMessage], model: str | None) -> object:
        """Call the function in a thread, where nobody else hears of what it raises: not even of a StopIteration."""
        try:
            return self._call(messages, model)
        except BaseException as error:  # noqa: BLE001
            return error if isinstance(error, ModelError) else _failed(error)


def _is_ours(error: BaseException) -> bool:
    """Whether an exception is about this task and not about the function: a cancellation, Ctrl-C, a closing."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _binding(fn: ChatFn) -> Callable[[list[ChatMessage], str | None], Any]:
    """How to hand the messages and the model's name to a function."""
    call = cast(Callable[..., Any], fn)
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return call
    if _binds(signature, None, None):
        return call
    model = signature.parameters.get("model")
    if model is not None and model.kind is inspect.Parameter.KEYWORD_ONLY and _binds(signature, None, model=None):
        return lambda messages, name: call(messages, model=name)
    return lambda messages, name: call(messages)


def _binds(signature: inspect.Signature, *arguments: None, **keywords: None) -> bool:
    try:
        signature.bind(*arguments, **keywords)
    except TypeError:
        return False
    return True


def _failed(error: BaseException) -> ModelError:
    text = f"{type(error).__name__}: {error}"
    return ModelError("unknown", " ".join(text.split()), detail=text, original=error)


def _reply(answer: object) -> Reply:
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, str):
        return Reply(text=answer)
    message = f"the function returned {type(answer).__name__}; it must return the reply's text, or a Reply"
    raise ModelError("malformed", message)
