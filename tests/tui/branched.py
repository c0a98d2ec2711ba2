"""A run of a scenario and branches of it, each in a directory, and the app on one that nobody runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rlm_tui.debugger.fork import branch
from rlm_tui.debugger.likeness import Change
from rlm_tui.debugger.reading import ReadOnlySession
from rlm_tui.demo.catalogue import model_for
from rlm_tui.demo.scenario import Data, Limits
from rlm_tui.engine.again import material
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import Point, RunStart
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from rlm_tui.journal.tree import Block
from rlm_tui.llm.base import ChatModel
from rlm_tui.llm.callable import CallableModel
from rlm_tui.tui.app import DebuggerApp
from tests.debugger.small import QUESTION, chat
from tests.runs import DEADLINE_S, running
from tests.tui import scenes
from tests.tui.stage import SHUT_IN, Stage

SCENARIO = "multi-hop"


def played(runs: Path, name: str = SCENARIO) -> Path:
    """A run that went through; its directory."""
    with running(name, runs=runs) as one:
        one.ended()
        path = one.session.path
    assert path is not None
    return path


def gone_on(path: Path, name: str = SCENARIO, model: ChatModel | None = None) -> Path:
    """A branch, gone on with to its end."""
    answers = model or model_for(name)
    journal = Journal.open(path)
    try:
        again = material(journal)
        engine = EngineRun(
            journal, lambda _: answers, context=again.context, task=again.task, model=again.model,
            options=again.options,
        )  # fmt: skip
        asyncio.run(asyncio.wait_for(engine.go(), 2 * DEADLINE_S))
    finally:
        journal.close()
    return path


def forked(source: Path, at: str, point: Point, change: Change | None = None, why: str = "") -> Path:
    """A branch that nobody has gone on with."""
    return branch(read(source), at, point, change, why)


def told_by(runs: Path, replies: Sequence[str]) -> Path:
    """A run whose model says what it is told to, turn by turn; its directory."""
    data = Data("some context", QUESTION, Limits(max_depth=1), "")
    with running(runs=runs, model=CallableModel(chat({"": replies})), data=data) as one:
        one.ended()
        path = one.session.path
    assert path is not None
    return path


def block_with(path: Path, words: str) -> Block:
    """The block with some words in its code; of those in a batch, the first child's."""
    reader = read(path)
    run = Run(reader.events())
    found = [block for block in run.blocks.values() if words in reader.text(block.code)]
    return min(found, key=lambda block: run.calls[address.node_of(block.id)].item or 0)


def mended(source: Path) -> Path:
    """A branch of multi-hop in which a person mended the code that compares numbers as texts; gone on with."""
    block = block_with(source, "max(values)")
    code = read(source).text(block.code)
    changed = code.replace("max(values)", "max(values) + 4")
    return gone_on(forked(source, block.id, "block", Change("code", changed, was=code)))


def family(runs: Path) -> tuple[Path, ...]:
    """A run; a branch with a block changed; one with an answer supplied; a branch of the first, not gone on with."""
    source = played(runs)
    first = mended(source)
    call = next(call for call in Run(read(source).events()).calls.values() if call.item == 2)
    change = Change("answer", "g-472 99.9", was="g-472 24.0")
    supplied = gone_on(forked(source, call.id, "return", change, "were the log higher"))
    return source, first, supplied, forked(first, "root/i4", "llm")


def tried(runs: Path) -> tuple[Path, ...]:
    """A run, and six branches at one block of it: three as it came, three with it changed."""
    source = played(runs)
    block = block_with(source, "max(values)")
    return (
        source,
        *(gone_on(forked(source, block.id, "block")) for _ in range(3)),
        *(mended(source) for _ in range(3)),
    )


def pinned(path: Path, runs: Path, called: Mapping[str, str], later_s: float) -> Path:
    """The same run as every machine would have it; its directory.

    Args:
        path: The run.
        runs: Where the copy is to be.
        called: Its id and those it refers to, and what they are to be.
        later_s: Seconds after the first run that it began.
    """
    source, began = read(path), scenes.START + later_s
    journal = Journal.create(runs, run_id=called[path.name])
    kept = 0
    for event in source.events():
        update: dict[str, Any] = {"t": scenes.START if 0 < event.seq <= kept else began + bool(event.seq)}
        if isinstance(event, RunStart):
            update |= {"run": called[path.name], "environment": SHUT_IN}
            if event.parent is not None:
                kept = event.parent["kept"]
                update["parent"] = event.parent | {"run": called[event.parent["run"]]}
        journal.copy(scenes.pinned(event).model_copy(update=update), source)
    journal.close()
    assert journal.path is not None
    return journal.path


def as_elsewhere(paths: Sequence[Path]) -> list[Path]:
    """The same runs in a folder of the working directory, with the ids and times of every other machine."""
    tails = ("7f3a", "b20c", "4e91", "a6d2", "19e7", "c05d", "83bb", "5a40", "e7f1", "2d96", "90c8")
    called = {path.name: f"251122-18{10 + n}-{tails[n]}" for n, path in enumerate(paths)}
    return [pinned(path, Path("runs"), called, 60.0 * n) for n, path in enumerate(paths)]


@asynccontextmanager
async def looking(path: Path, size: tuple[int, int], **app: Any) -> AsyncIterator[Stage]:
    """The app on a run that nobody runs, all of it read."""
    made = DebuggerApp(ReadOnlySession(path), **app)
    made.animation_level = "none"
    async with made.run_test(size=size, notifications=True) as pilot:
        stage = Stage(made, pilot, None)  # type: ignore[arg-type]
        await stage.until(lambda: not stage.app.bridge.loading, "the whole journal")
        try:
            yield stage
        finally:
            for session in made.sessions:
                session.close()
