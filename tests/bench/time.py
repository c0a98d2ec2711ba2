"""Going on with a run, and branching it, beside what can't be saved: executing its blocks once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rlm_tui.debugger.fork import branch
from rlm_tui.debugger.session import Session
from rlm_tui.engine.dialect import dialect
from rlm_tui.engine.gate import Gates
from rlm_tui.engine.options import Options
from rlm_tui.engine.run import EngineRun
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal, read
from rlm_tui.llm.callable import CallableModel
from rlm_tui.repl.birth import open_source
from rlm_tui.repl.process import Conditions, Repl, ReplConfig
from tests.bench.table import Row, median_of, seconds

COUNT = 1_000
BLOCK = "rows = [n * n for n in range(2_000)]\ntotal = sum(rows) % 97\nprint(total)"
TIMES = 3


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = _record(Path(folder))
        floor = median_of(TIMES, lambda: asyncio.run(_alone()))
        taken = [_to_a_live_repl(branch(read(path), "root", "final")) for _ in range(TIMES)]
        yield Row(
            f"take up a run of {COUNT:,} iterations, to a live REPL",
            sorted(taken)[TIMES // 2],
            "s",
            floor,
            "its blocks alone, in one worker",
        )
        fold = median_of(TIMES, lambda: seconds(lambda: Run(read(path).events())))
        made = median_of(TIMES, lambda: seconds(lambda: branch(read(path), "root/i500", "llm")))
        yield Row("make a branch from its middle", made, "s", fold, "reading and folding it")
        long, short = (_bytes(Path(folder), count) for count in (500, 50))
        yield Row("bytes of journal an iteration, at 500", long, "B", short, "at 50")


def _said(count: int) -> Callable[[list[dict[str, str]]], str]:
    def chat(messages: list[dict[str, str]]) -> str:
        done = sum(m["role"] == "assistant" for m in messages)
        return "```repl\nFINAL(total)\n```" if done == count else f"```repl\n{BLOCK}\n```"

    return chat


def _run(journal: Journal, count: int = COUNT, gates: Gates | None = None) -> EngineRun:
    options = Options(max_iterations=count + 1)
    model = CallableModel(_said(count))
    return EngineRun(journal, lambda _: model, context="", task="t", options=options, gates=gates)


def _record(folder: Path, count: int = COUNT) -> Path:
    journal = Journal.create(folder)
    asyncio.run(_run(journal, count).go())
    journal.close()
    assert journal.path is not None
    return journal.path


def _bytes(folder: Path, count: int) -> float:
    path = _record(folder, count)
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / count


async def _alone() -> float:
    source = await open_source(Conditions())
    repl = await Repl.start(ReplConfig(names=dict(dialect("openenv").names)), source)
    began = time.perf_counter()
    for n in range(COUNT):
        await repl.execute(f"root/i{n}/b1", BLOCK, on_output=lambda *_: None, on_call=_never)
    took = time.perf_counter() - began
    await repl.close()
    await source.close()
    return took


async def _never(*_: object) -> str:
    raise AssertionError("no block asks")


def _to_a_live_repl(path: Path) -> float:
    """Seconds from opening a directory to the value of an expression in the REPL that was made anew."""
    began = time.perf_counter()
    journal = Journal.open(path)
    session = Session(journal, lambda gates: _run(journal, gates=gates), resumed=True)
    session.start(lambda event: None)
    while not session.gates.held:
        time.sleep(0.001)
    refusal = session.evaluate("root", "total").result(120)
    assert refusal is None, refusal
    took = time.perf_counter() - began
    session.close()
    return took
