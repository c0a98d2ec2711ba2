"""Scenes worth a picture: a real scripted run brought to a state, with everything that moves pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from textual.pilot import Pilot

from rlm_tui.demo.catalogue import model_for
from rlm_tui.journal.events import CallEnd, Event, ExecEnd, LlmEnd, NodeEnd, RunStart
from rlm_tui.llm.base import ChatModel, ChatRequest, Delta, Reply
from rlm_tui.tui.app import DebuggerApp
from rlm_tui.tui.screens.edit import Editor, EditScreen
from tests.runs import watched
from tests.tui.stage import Stage, shut_in

START = 1_700_000_000.0
NOW = START + 41.0
Scene = Callable[[Stage], Awaitable[None]]


def pinned(event: Event) -> Event:
    """An event without what differs from run to run."""
    update: dict[str, Any] = {"t": START}
    match event:
        case RunStart():
            event = shut_in(event)
            update["run"] = "251122-1810-7f3a"
        case LlmEnd():
            update["ms"] = 1100.0
        case ExecEnd():
            update |= {"ms": 40.0, "cpu_ms": 0.0}
        case CallEnd() | NodeEnd():
            update["seconds"] = 3.1
        case _:
            pass
    return event.model_copy(update=update)


class Silent:
    """Plays a scenario, but never answers a prompt that has a word in it."""

    def __init__(self, inner: ChatModel, word: str) -> None:
        self._inner = inner
        self._word = word

    async def stream(self, request: ChatRequest) -> AsyncIterator[Delta | Reply]:
        if any(self._word in message["content"] for message in request.messages):
            await asyncio.Event().wait()
        async for piece in self._inner.stream(request):
            yield piece


@contextmanager
def scene(play: Scene, *, silent: str = "", hold: bool = True, **app: Any) -> Iterator[tuple[DebuggerApp, Any]]:
    """An app and the function that brings it to a scene.

    Args:
        play: What happens.
        silent: A word in the prompts that are never answered.
        hold: Hold the root first.
        app: Options of the app.
    """
    model = model_for("multi-hop")
    with watched("multi-hop", hold=hold, model=Silent(model, silent) if silent else model) as one:
        made = DebuggerApp(one.session, clock=lambda: NOW, **app)
        made.animation_level = "none"
        put = made.bridge.put
        made.bridge.put = lambda event: put(pinned(event))  # type: ignore[method-assign]

        async def before(pilot: Pilot[Any]) -> None:
            stage = Stage(made, pilot, one)
            stage.decision.grace = 0.01
            await stage.until(lambda: stage.run.root is not None, "the root")
            await play(stage)
            await stage.until(lambda: not stage.view.grace, "its keys")
            await pilot.pause()

        yield made, before


async def held_request(stage: Stage) -> None:
    await stage.ready("llm")


async def held_block(stage: Stage) -> None:
    """The root's second block, before it asks a child."""
    for point in ("block", "observe", "block"):
        await stage.ready()
        await stage.verb("n")
        await stage.ready(point)


async def batch_block(stage: Stage) -> None:
    """The root's block that asks five children at once."""
    while "rlm_query_batched" not in stage.session.text(stage.run.blocks[stage.view.held_here().id].code):
        await stage.verb("n")
        await stage.ready("observe")
        await stage.verb("n")
        await stage.ready("block")


async def held_child(stage: Stage) -> None:
    """The first child of the batch before its second block; the others have ended."""
    await held_block(stage)
    await batch_block(stage)
    await stage.verb("i")
    await stage.ready("call")
    await stage.verb("i")
    await stage.until(lambda: stage.view.node != "root", "the child in view")
    for point in ("block", "observe", "block"):
        await stage.ready()
        await stage.verb("n")
        await stage.ready(point)
    held = stage.view.held_here()
    assert held is not None
    mine = stage.run.calls[held.node]
    others = [call for call in mine.block.calls if call is not mine]
    await stage.until(lambda: all(call.status != "open" for call in others), "the others ended")


async def edited(stage: Stage) -> None:
    """The same, its code changed by hand."""
    await held_child(stage)
    held = stage.view.held_here()
    assert held is not None
    code = stage.session.text(stage.run.blocks[held.id].code)
    await type_code(stage, code.replace("max(values)", "max(values) + 4"))
    await stage.press("ctrl+s")
    await stage.until(lambda: stage.app.screen is stage.main and "edited" in stage.bar, "the edit")


async def type_code(stage: Stage, code: str) -> None:
    await stage.press("e")
    await stage.until(lambda: isinstance(stage.app.screen, EditScreen), "the editor")
    stage.app.screen.query_one(Editor).text = code
    await stage.pilot.pause()


async def answered(stage: Stage) -> None:
    """The answer after that edit."""
    await edited(stage)
    await stage.verb("A")
    await stage.until(lambda: stage.run.end is not None, "the end")
    await stage.press("1", "home", "2")
    await stage.until(lambda: "answered" in stage.text, "the answer")
