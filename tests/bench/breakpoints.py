"""What breakpoints cost a value that passes a gate, beside a gate without any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.gates import HoldingGates
from rlm_tui.debugger.patterns import compiled
from rlm_tui.debugger.rules import Rules
from rlm_tui.engine.gate import Ask, Code
from rlm_tui.journal.store import Journal
from tests.bench.table import Row, median_of, seconds
from tests.runs import Watched, running

PASSES = 10_000
ELSEWHERE = ("reply", "observe if error", "return if ms > 1000", "final", "llm if cost > 1")
HERE = (
    'call @root if fn == "llm_query"', "call @depth>=3", "call if n > 500", "call if tokens > 1e9",
    'call if "nowhere" in prompt', 'call if prompt.startswith("Error")', 'call if has("nowhere")', "call if cost > 9",
    "call if edited and depth > 1", 'call @"no such *" if len(prompt) > 9 do log "{n}"',
)  # fmt: skip


def rows() -> Iterator[Row]:
    with running("multi-hop") as run:
        run.ended()
        call = next(iter(run.run.calls.values()))
        ask = Ask(call.fn, run.session.text(call.prompt), "scripted:multi-hop")

        def passing(lines: Sequence[str]) -> float:
            met = Rules(Breakpoints(None, lines), run.run, run.session.text).meet("call", call.id, "root", ask)
            assert met is None or not met.holds, "it would be held without an end"
            return median_of(3, lambda: asyncio.run(_passed(run, call.id, ask, lines))) / PASSES * 1e6

        none = passing(())
        yield Row("gate, no breakpoint", none, "µs")
        yield Row("gate, 5 breakpoints at other points", passing(ELSEWHERE), "µs", none, "with none")
        yield Row("gate, 10 breakpoints at it that do not fit", passing(HERE), "µs", none, "with none")
        yield Row("gate, one that logs each time", passing(('call do log "{n} of {fn}"',)), "µs", none, "with none")
    yield from _searches()


async def _passed(run: Watched, id: str, ask: Ask, lines: Sequence[str]) -> float:
    journal = Journal.memory()
    gates = HoldingGates(journal)
    gates.rules = Rules(Breakpoints(None, lines), run.run, run.session.text)
    began = time.perf_counter()
    for _ in range(PASSES):
        await gates.pass_("call", id, ask, node="root")
    took = time.perf_counter() - began
    journal.close()
    return took


def _searches() -> Iterator[Row]:
    code = Code("total = sum(len(part) for part in context)  # a line of code\n" * 40).code
    long = "x" * 1_000_000
    for name, pattern, text in (
        ("2.4 kB of code for a word", r"\bllm_query\b", code), ("2.4 kB of code, two repetitions", r"\w+ = .*query", code),
        ("one line of 1 MB, nested repetitions", "(a+)+b|(x+)+y", long),
    ):  # fmt: skip
        found, times = compiled(pattern), max(1, 200_000 // len(text))
        ours = median_of(3, lambda found=found, text=text, times=times: _each(lambda: found.searches(text), times))
        floor = median_of(3, lambda text=text, times=times: _each(lambda: _plainly(text), times))
        yield Row(f"has: {name}", ours, "µs", floor, "a text in each line")


def _each(act: Callable[[], bool], times: int) -> float:
    return seconds(lambda: [act() for _ in range(times)]) / times * 1e6


def _plainly(text: str) -> bool:
    return any("nowhere" in line for line in text.split("\n"))
