"""The engine beside a bare worker that runs the same blocks, and its journal's size."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from rlm_tui import LocalRLMRunner
from rlm_tui.engine.dialect import dialect
from rlm_tui.journal.store import Journal
from rlm_tui.repl.process import Repl, ReplConfig
from tests.bench.table import Row, median_of, seconds

NAMES = dict(dialect("openenv").names)


def rows() -> Iterator[Row]:
    yield from _iterations()
    yield from _fan_out()
    yield from _children()
    yield from _scan()
    yield from _journaling()
    yield from _journal_bytes()


def _blocks(count: int) -> Callable[[list[dict[str, str]], str | None], str]:
    def chat(messages: list[dict[str, str]], _model: str | None) -> str:
        done = sum(m["role"] == "assistant" for m in messages)
        return "```repl\nFINAL(1)\n```" if done == count else "```repl\nx = 1\n```"

    return chat


async def _answer(_block: str, _fn: str, prompts: str | list[str], _model: str | None) -> str | list[str]:
    return "y" if isinstance(prompts, str) else ["y"] * len(prompts)


async def _timed(
    repls: int, code: str, times: int = 1, on_call: Callable[..., Awaitable[str | list[str]]] = _answer
) -> float:
    began = time.perf_counter()
    for _ in range(repls):
        repl = await Repl.start(ReplConfig(names=NAMES))
        await repl.put("context", "")
        for n in range(times):
            await repl.execute(f"root/i{n}/b1", code, on_output=lambda *_: None, on_call=on_call)
        await repl.close()
    return time.perf_counter() - began


def _iterations() -> Iterator[Row]:
    count = 100
    runner = LocalRLMRunner(_blocks(count), max_iterations=count + 1)
    ours = median_of(3, lambda: seconds(lambda: runner.run("", "t"))) / count * 1000
    floor = median_of(3, lambda: asyncio.run(_timed(1, "x = 1", count))) / count * 1000
    yield Row("one iteration, instant model, one block", ours, "ms", floor, "the block alone in a bare worker")


def _fan_out() -> Iterator[Row]:
    count = 200
    code = f"r = llm_query_batched([str(n) for n in range({count})])\nFINAL(len(r))"
    runner = LocalRLMRunner(lambda messages: f"```repl\n{code}\n```" if len(messages) > 1 else "y")
    ours = median_of(3, lambda: seconds(lambda: runner.run("", "t"))) * 1000
    floor = median_of(3, lambda: asyncio.run(_timed(1, code))) * 1000
    yield Row(f"fan-out: one batch of {count} leaves", ours, "ms", floor, "one batch answered at once, bare worker")


def _children() -> Iterator[Row]:
    count = 50

    def chat(messages: list[dict[str, str]], _model: str | None) -> str:
        root = "the root's task" in messages[1]["content"]
        batch = f"r = rlm_query_batched([f'child {{n}}' for n in range({count})])\nFINAL(len(r))"
        return f"```repl\n{batch if root else 'FINAL(context)'}\n```"

    ours = median_of(2, lambda: seconds(lambda: LocalRLMRunner(chat).run("", "the root's task"))) * 1000
    floor = median_of(2, lambda: asyncio.run(_timed(count, "FINAL(1)"))) * 1000
    yield Row(f"recursion: {count} child RLMs, eight at a time", ours, "ms", floor, f"{count} bare workers, one by one")


def _scan() -> Iterator[Row]:
    context = "line of text\n" * 800_000
    code = "n = context.count('text')\nFINAL(n)"
    runner = LocalRLMRunner(lambda _: f"```repl\n{code}\n```")
    ours = seconds(lambda: runner.run(context, "t")) * 1000

    async def bare() -> float:
        began = time.perf_counter()
        repl = await Repl.start(ReplConfig(names=NAMES))
        await repl.put("context", context)
        await repl.execute("root/i1/b1", code, on_output=lambda *_: None, on_call=_answer)
        await repl.close()
        return time.perf_counter() - began

    yield Row("scan of a 10 MB context", ours, "ms", asyncio.run(bare()) * 1000, "the same in a bare worker")


def _journaling() -> Iterator[Row]:
    """What it costs to write everything down, on a disk beside nowhere; in turns, because a machine has its moods."""
    count, times = 200, 7

    def run(journal: Journal) -> float:
        runner = LocalRLMRunner(_blocks(count), max_iterations=count + 1, journal=journal)
        took = seconds(lambda: runner.run("", "t"))
        journal.close()
        return took

    with tempfile.TemporaryDirectory() as folder:
        pairs = [(run(Journal.create(Path(folder))), run(Journal.memory())) for _ in range(times)]
    ours, floor = (sorted(pair[n] for pair in pairs)[times // 2] * 1000 / count for n in (0, 1))
    yield Row("an iteration, written down on a disk", ours, "ms", floor, "in memory")


def _journal_bytes() -> Iterator[Row]:
    def per_iteration(count: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal.create(Path(folder))
            LocalRLMRunner(_blocks(count), max_iterations=count + 1, journal=journal).run("", "t")
            journal.close()
            assert journal.path is not None
            return sum(f.stat().st_size for f in journal.path.rglob("*") if f.is_file()) / count

    yield Row("journal, an iteration of 500", per_iteration(500), "bytes", per_iteration(50), "an iteration of 50")
