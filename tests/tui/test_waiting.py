"""A request that waits for its next attempt, and one that is being written: what is said, and the ways to end it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.llm.base import ModelError
from rlm_tui.tui.app import DebuggerApp
from tests.debugger.small import QUESTION, code
from tests.debugger.test_requests import BUSY, END, HALF, Slow
from tests.runs import done, watched
from tests.tui.stage import Stage

CALLS = code('print(llm_query("the ferry"))')


@asynccontextmanager
async def staged(*told: ModelError | str | list[str], size: tuple[int, int] = (120, 36)) -> AsyncIterator[Stage]:
    data = Data("some context", QUESTION, Limits(max_depth=3), "")
    with watched(model=Slow(*told), data=data) as one:
        app = DebuggerApp(one.session)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Stage(app, pilot, one)


class Loading(Slow):
    """A model whose library takes its time."""

    def __init__(self, *told: ModelError | str | list[str]) -> None:
        super().__init__(*told)
        self.loaded = asyncio.Event()

    async def load(self) -> None:
        await self.loaded.wait()


def test_it_is_said_while_a_providers_library_is_loaded() -> None:
    async def play() -> None:
        model = Loading(END)
        data = Data("some context", QUESTION, Limits(max_depth=3), "")
        with watched(model=model, data=data) as one:
            app = DebuggerApp(one.session)
            async with app.run_test(size=(120, 36), notifications=True) as pilot:
                stage = Stage(app, pilot, one)
                await stage.until(lambda: "loading the provider library" in stage.text, "the words")
                assert "is being loaded first, once." in stage.text
                done(one.session.pause(None))
                one.session.engine.loop.call_soon_threadsafe(model.loaded.set)  # type: ignore[union-attr]
                await stage.ready()
                assert "loading" not in stage.text

    asyncio.run(play())


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
def test_a_wait_is_counted_down_and_ended_at_once(size: tuple[int, int]) -> None:
    async def play() -> None:
        async with staged(BUSY, END, size=size) as stage:
            await stage.until(lambda: "attempt 2 of 4 in " in stage.bar, "the wait")
            assert "rate limited by the provider" in stage.bar and "r try now" in stage.bar and "w give up" in stage.bar
            assert "attempt 2 of 4 in " in stage.text.replace(stage.bar, "")
            first = stage.bar
            await stage.until(lambda: stage.bar != first and "attempt 2 of 4 in " in stage.bar, "the clock")
            await stage.press("r")
            await stage.until(lambda: stage.run.end, "the end")
            assert stage.verbs() == ["try now"] and stage.run.root is not None and stage.run.root.value == "end"

    asyncio.run(play())


def test_a_wait_that_is_given_up_is_held_at_its_error() -> None:
    async def play() -> None:
        async with staged(BUSY, END) as stage:
            await stage.until(lambda: "attempt 2 of 4 in " in stage.bar, "the wait")
            await stage.press("P")
            assert "No reply is being written here" in stage.bar
            await stage.press("w")
            await stage.ready("error")
            assert "r retry" in stage.bar and "take what came" not in stage.bar
            await stage.press("w")
            assert "No request waits here" in stage.bar

    asyncio.run(play())


def test_of_a_plain_call_it_is_the_selected_one() -> None:
    async def play() -> None:
        async with staged(CALLS, BUSY, "leaf", END) as stage:
            await stage.until(lambda: "retrying" in stage.text, "the wait")
            assert "attempt 2" not in stage.bar
            (call,) = stage.run.calls
            stage.view.select_item(call)
            await stage.until(lambda: "attempt 2 of 4 in " in stage.bar, "its wait")
            await stage.press("r")
            await stage.until(lambda: stage.run.end, "the end")
            assert stage.run.calls[call].value == "leaf"

    asyncio.run(play())


def test_what_has_come_is_taken_by_a_key() -> None:
    async def play() -> None:
        async with staged([HALF], END) as stage:
            await stage.until(lambda: "P take what came" in stage.footer, "what has come")
            await stage.press("P")
            await stage.until(lambda: stage.run.end, "the end")
            assert stage.verbs() == ["take"]
            assert stage.run.root is not None and stage.run.root.iterations[0].reply == HALF

    asyncio.run(play())


def test_where_a_reply_broke_off_it_is_one_of_the_verbs() -> None:
    async def play() -> None:
        cut = ModelError("cut", "the reply broke off after 57 characters", partial=HALF)
        async with staged(cut, END) as stage:
            await stage.ready("error")
            assert "P take what came" in stage.bar
            await stage.press("P")
            await stage.until(lambda: stage.run.end, "the end")
            assert stage.run.root is not None and stage.run.root.iterations[0].reply == HALF

    asyncio.run(play())
