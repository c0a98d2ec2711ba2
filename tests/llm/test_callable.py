"""A function as a model: how it is called, how often, and what it may answer."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rlm_tui.journal.events import Usage
from rlm_tui.llm.base import ModelError, Reply
from rlm_tui.llm.callable import CallableModel
from tests.llm.asking import Answer, answer, ask, request

MESSAGES = [{"role": "user", "content": "How long is it?"}]


class Recorder:
    """Calls of every shape, as they arrived."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def heard(self, *arguments: Any, **keywords: Any) -> str:
        self.calls.append((arguments, keywords))
        return "ok"

    def two(self, messages: Any, model: Any) -> str:
        return self.heard(messages, model)

    def two_with_default(self, messages: Any, temperature: Any = 0.5) -> str:
        return self.heard(messages, temperature)

    def anything(self, *arguments: Any) -> str:
        return self.heard(*arguments)

    def keyword(self, messages: Any, *, model: Any = None) -> str:
        return self.heard(messages, model=model)

    def one(self, messages: Any) -> str:
        return self.heard(messages)

    def one_and_keywords(self, messages: Any, **keywords: Any) -> str:
        return self.heard(messages, **keywords)

    def three(self, messages: Any, model: Any, more: Any) -> str:
        return self.heard(messages, model, more)

    async def later(self, messages: Any, model: Any) -> str:
        return self.heard(messages, model)

    def __call__(self, messages: Any, *, model: str) -> str:
        return self.heard(messages, model=model)


@pytest.mark.parametrize(
    ("shape", "arguments", "keywords"),
    [
        ("two", (MESSAGES, "m"), {}),
        ("two_with_default", (MESSAGES, "m"), {}),
        ("anything", (MESSAGES, "m"), {}),
        ("keyword", (MESSAGES,), {"model": "m"}),
        ("one", (MESSAGES,), {}),
        ("one_and_keywords", (MESSAGES,), {}),
        ("later", (MESSAGES, "m"), {}),
        ("__call__", (MESSAGES,), {"model": "m"}),
    ],
)
def test_how_it_is_called(shape: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    recorder = Recorder()
    got = ask(CallableModel(recorder if shape == "__call__" else getattr(recorder, shape)), request("m"))
    assert got.reply == Reply(text="ok") and not got.deltas
    assert recorder.calls == [(arguments, keywords)]


def test_without_a_signature_two_positionals() -> None:
    class Opaque(Recorder):
        __signature__ = "not one"

        def __call__(self, *arguments: Any, **keywords: Any) -> str:
            return self.heard(*arguments, **keywords)

    opaque = Opaque()
    ask(CallableModel(opaque), request("m"))
    assert opaque.calls == [((MESSAGES, "m"), {})]


def test_no_model_is_none() -> None:
    recorder = Recorder()
    ask(CallableModel(recorder.two), request())
    assert recorder.calls == [((MESSAGES, None), {})]


def test_a_function_that_cannot_be_called_fails_once() -> None:
    recorder = Recorder()
    error = failed(ask(CallableModel(recorder.three), request("m")))
    assert error.kind == "unknown" and "TypeError" in error.message
    assert not recorder.calls


def test_the_messages_are_its_own() -> None:
    asked = request()

    def greedy(messages: list[dict[str, str]]) -> str:
        messages[0]["content"] = "changed"
        messages.append({"role": "user", "content": "more"})
        return "ok"

    model = CallableModel(greedy)
    ask(model, asked)
    ask(model, asked)
    assert asked.messages == ({"role": "user", "content": "How long is it?"},)


def test_a_reply_goes_through_as_it_is() -> None:
    reply = Reply("text", "length", Usage(prompt=1, completion=2), reasoning="hm")
    assert ask(CallableModel(lambda messages: reply), request()).reply is reply


@pytest.mark.parametrize("value", [None, 7, b"text", ["text"], {"content": "text"}])
def test_what_is_no_reply_is_malformed(value: Any) -> None:
    error = failed(ask(CallableModel(lambda messages: value), request()))
    assert (error.kind, error.retry) == ("malformed", False)
    assert type(value).__name__ in error.message


class Odd(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize(
    "raised", [ValueError("two\nlines"), TypeError("fn() takes 1"), StopIteration(), SystemExit(3), Odd()]
)
@pytest.mark.parametrize("form", ["sync", "async", "returns awaitable"])
def test_what_it_raises_is_an_error_and_kept(raised: BaseException, form: str) -> None:
    calls: list[int] = []

    def plain(messages: Any) -> str:
        calls.append(1)
        raise raised

    async def later(messages: Any) -> str:
        return plain(messages)

    def returns(messages: Any) -> Any:
        return later(messages)

    fn: Callable[..., Any] = {"sync": plain, "async": later, "returns awaitable": returns}[form]
    error = failed(ask(CallableModel(fn), request()))
    assert (error.kind, error.retry) == ("unknown", False)
    assert "\n" not in error.message
    assert len(calls) == 1
    if form != "sync" and isinstance(raised, StopIteration):
        assert isinstance(error.original, RuntimeError)  # as Python has it for a coroutine
    else:
        assert error.original is raised
        assert error.message.startswith(type(raised).__name__ + ":")


def test_its_own_model_error_goes_through() -> None:
    own = ModelError("rate", "wait", retry=True, retry_after=3)

    def limited(messages: Any) -> str:
        raise own

    assert ask(CallableModel(limited), request()).error is own


def test_a_cancellation_of_its_own_is_an_error() -> None:
    async def waits(messages: Any) -> str:
        task = asyncio.ensure_future(asyncio.Event().wait())
        task.cancel()
        await task
        return "never"

    error = failed(ask(CallableModel(waits), request()))
    assert error.kind == "unknown" and "CancelledError" in error.message


def test_where_it_runs() -> None:
    threads: list[threading.Thread] = []

    def here(messages: Any) -> str:
        threads.append(threading.current_thread())
        return "ok"

    async def there(messages: Any) -> str:
        return here(messages)

    ask(CallableModel(here), request())
    ask(CallableModel(there), request())
    with ThreadPoolExecutor(1, "given") as executor:
        ask(CallableModel(here, executor=executor), request())
    assert threads[0].daemon and threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()
    assert threads[2].name.startswith("given")


def test_a_partial_of_an_async_function() -> None:
    async def fn(prefix: str, messages: Any, model: str) -> str:
        return prefix + model

    got = ask(CallableModel(functools.partial(fn, "hello ")), request("m"))
    assert got.reply == Reply(text="hello m")


def test_several_at_once() -> None:
    everyone = threading.Barrier(4)

    def meets(messages: Any) -> str:
        everyone.wait(timeout=60)
        return "met"

    async def run() -> list[Answer]:
        model = CallableModel(meets)
        return await asyncio.gather(*(answer(model, request()) for _ in range(4)))

    assert [got.reply for got in asyncio.run(run())] == [Reply(text="met")] * 4


def test_cancelling_does_not_wait_for_it() -> None:
    called, release = threading.Event(), threading.Event()

    def slow(messages: Any) -> str:
        called.set()
        release.wait(60)
        return "too late"

    async def run() -> None:
        task = asyncio.create_task(answer(CallableModel(slow), request()))
        await asyncio.to_thread(called.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not release.is_set()

    asyncio.run(run())
    release.set()


def failed(got: Answer) -> ModelError:
    assert got.reply is None and got.error is not None
    return got.error
