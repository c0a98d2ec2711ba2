"""A long journal on the screen: its first frame, what it takes of memory, and how long the longest key waits."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Chunk,
    Event,
    ExecEnd,
    ExecStart,
    LlmEnd,
    LlmStart,
    Message,
    NodeEnd,
    NodeStart,
    Obs,
    VariableRow,
)
from rlm_tui.journal.wire import encode
from tests.bench.table import Row, median_of
from tests.journal.build import USAGE, context, run_start
from tests.terminal import Terminal

ITERATIONS = 10_000
LOADED_S = 300.0
"""Seconds that reading it may take on a busy machine."""
AN_ITERATION = 23
"""Events of one: a request, its reply in eight pieces, a block that prints twice and asks two leaves, what it left."""
CODE = (
    "values = [float(v) for v in body.split()]\nprint(len(values), max(values))\nanswers = llm_query_batched(parts)\n"
)
KEYS = ["j"] * 20 + ["pagedown"] * 10 + ["end", "home"] * 3 + ["[", "]", "u"]


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        long, short = (
            write(runs, name, count) for name, count in (("231114-2213-00aa", ITERATIONS), ("231114-2213-00bb", 1))
        )
        ours, floor = (median_of(3, lambda path=path: _first_frame(path)) for path in (long, short))
        yield Row(f"first frame of {ITERATIONS:,} iterations", ours * 1000, "ms", floor * 1000, "of one iteration")
        taken, base = _resident(long, ITERATIONS // 100 * 201), _resident(short, 3)
        many = ITERATIONS * AN_ITERATION
        yield Row(f"resident, {many:,} events opened", taken, "MB", base, "one iteration opened")
        yield Row("the same for a million events, by proportion", base + (taken - base) * 1e6 / many, "MB")
        slow, quick = (asyncio.run(_longest_key(path)) for path in (long, short))
        yield Row(f"longest of {len(KEYS)} keys in it", slow * 1000, "ms", quick * 1000, "in one iteration")


def write(runs: Path, name: str, iterations: int) -> Path:
    """A run of children with a hundred iterations each; its directory. Written at once: an engine takes minutes."""
    folder = runs / name
    folder.mkdir()
    with (folder / "journal.jsonl").open("wb") as file:
        for seq, event in enumerate(_events(name, iterations)):
            file.write(encode(event.model_copy(update={"seq": seq, "t": 1.7e9 + seq / 100})))
    return folder


def _events(run: str, iterations: int) -> Iterator[Event]:
    yield run_start(run)
    yield NodeStart(id="root", depth=0, prompt="how deep?", context=context(), model="scripted:x")
    for k in range(1, max(1, iterations // 100) + 1):
        turn, block = f"root/i{k}", f"root/i{k}/b1"
        told = (Message(role="assistant", content=f"child {k}"), Message(role="user", content="7"))
        yield LlmStart(id=turn, base=2 * (k - 1), add=told, model="scripted:x")
        yield LlmEnd(id=turn, status="ok", reply=f"child {k}", usage=USAGE)
        yield ExecStart(id=block, code=f"rlm_query('child {k}')")
        child = address.call(block, "rlm", f"child {k}", None, 1)
        yield CallStart(id=child, fn="rlm_query", prompt=f"child {k}", ran_as="rlm")
        yield NodeStart(id=child, depth=1, prompt=f"child {k}", context=context(), model="scripted:x")
        for n in range(1, min(iterations, 100) + 1):
            yield from _iteration(child, n)
        yield NodeEnd(id=child, status="final", value="7", via="FINAL", type="str")
        yield CallEnd(id=child, status="ok", value="7")
        yield ExecEnd(id=block, status="ok", stdout="7\n")
        yield Obs(id=turn, text="7", raw_length=1)


def _iteration(node: str, k: int) -> Iterator[Event]:
    turn, block = f"{node}/i{k}", f"{node}/i{k}/b1"
    reply = f"I look at part {k} of it.\n```repl\n{CODE}```"
    printed = f"{k} values, {k * 7}\n" * 10
    told = (Message(role="assistant", content=reply), Message(role="user", content=printed + "x" * 200))
    yield LlmStart(id=turn, base=2 * (k - 1), add=told, model="scripted:x")
    for piece in range(8):
        yield Chunk(id=turn, kind="reply", text=f"piece {piece} of this reply ")
    yield LlmEnd(id=turn, status="ok", reply=reply, usage=USAGE)
    yield ExecStart(id=block, code=CODE, span=(24, 150))
    for _ in range(2):
        yield Chunk(id=block, kind="stdout", text=printed[: len(printed) // 2])
    for n in range(2):
        prompt, answer = f"part {k} {n} of the notes", f"answer {k} {n}"
        leaf = address.call(block, "llm", prompt, None, 1)
        yield CallStart(id=leaf, fn="llm_query_batched", prompt=prompt, batch=1, item=n, size=2, ran_as="llm")
        yield LlmStart(id=leaf, base=0, add=(Message(role="user", content=prompt),), model="scripted:x")
        yield LlmEnd(id=leaf, status="ok", reply=answer, usage=USAGE)
        yield CallEnd(id=leaf, status="ok", value=answer, usage=USAGE)
    left = tuple(VariableRow(name=n, type="list", size=k, brief=f"[{k}, 2, 3]") for n in ("values", "answers", "parts"))
    yield ExecEnd(id=block, status="ok", stdout=printed, changed=left)
    yield Obs(id=turn, text=printed + "x" * 200, raw_length=len(printed))


def _opened(path: Path) -> Terminal:
    env = dict(os.environ) | {"RLM_TUI_RUNS_DIR": str(path.parent)}
    return Terminal("-m", "rlm_tui.cli", "open", path.name, env=env)


def _first_frame(path: Path) -> float:
    with _opened(path) as terminal:
        return terminal.until("how deep?")


def _resident(path: Path, calls: int) -> float:
    """Megabytes once all of it is read."""
    with _opened(path) as terminal:
        terminal.until(f"calls {calls}", LOADED_S)
        pages = int(Path(f"/proc/{terminal.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _longest_key(path: Path) -> float:
    """Seconds of the slowest of many keys, once all of it is read."""
    from rlm_tui.debugger.reading import ReadOnlySession
    from rlm_tui.tui.app import DebuggerApp

    app = DebuggerApp(ReadOnlySession(path))
    taken: list[float] = []
    async with app.run_test(size=(120, 36)) as pilot:
        while app.bridge.loading:
            await pilot.pause(0.01)
        for key in KEYS:
            began = time.perf_counter()
            await pilot.press(key)
            taken.append(time.perf_counter() - began)
    for session in app.sessions:
        session.close()
    return max(taken)
