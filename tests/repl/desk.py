"""One worker and one event loop for a test, with a host that stays responsive while blocks run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from rlm_tui.repl.birth import Source, open_source
from rlm_tui.repl.process import BlockResult, Conditions, Repl, ReplConfig

NAMES = {
    "llm_query": "ask",
    "llm_query_batched": "ask_batch",
    "FINAL": "final",
    "FINAL_VAR": "final_var",
    "SHOW_VARS": "show_vars",
    "format_exc": "format_exc",
    "safe_json_dumps": "safe_json_dumps",
}
DEADLINE_S = 90.0
T = TypeVar("T")


async def echo(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str | list[str]:
    return [f"<{p}>" for p in prompt] if isinstance(prompt, list) else f"<{prompt}>"


async def never(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str | list[str]:
    return await asyncio.get_running_loop().create_future()


def ring_for_the_past(repl: Repl) -> None:
    """Ring both bells as for a block that has ended. Said on `ctl` first: a SIGINT nobody announced is a block's own."""
    repl._link.control({"kind": "abort", "block": "root/i0/b1", "again": False})
    repl._worker.interrupt()
    repl._worker.break_in()


class Watch:
    """An `on_output` that remembers, and on which a test can wait."""

    def __init__(self) -> None:
        self.pieces: list[tuple[str, str, str, bool]] = []
        self._changed = asyncio.Event()

    def __call__(self, block: str, stream: str, text: str, late: bool) -> None:
        self.pieces.append((block, stream, text, late))
        self._changed.set()

    def text(self, stream: str = "stdout", late: bool = False) -> str:
        return "".join(text for _, s, text, was_late in self.pieces if s == stream and was_late == late)

    async def until(self, ready: Callable[[Watch], bool]) -> None:
        while not ready(self):
            self._changed.clear()
            await self._changed.wait()

    async def said(self, word: str) -> None:
        await self.until(lambda watch: word in watch.text())


class Desk:
    """A worker in use: `with Desk(scratch) as desk: desk.run("1 + 1")`; forked from a zygote, or spawned."""

    def __init__(self, scratch: Path, forked: bool = False, **config: Any) -> None:
        self.forked = forked
        self.source: Source | None = None
        own = {name: config.pop(name) for name in ("names", "restore", "seed") if name in config}
        self.config = ReplConfig(**{"names": NAMES, "conditions": Conditions(scratch_root=scratch, **config), **own})
        self.runner = asyncio.Runner()
        self._number = 0

    def __enter__(self) -> Desk:
        try:
            self.source = self.wait(self.open())
            self.repl = self.wait(Repl.start(self.config, self.source))
            # One that was spawned is still loading, and a test means its times for the block alone.
            self.wait(self.repl.variables())
        except BaseException:
            self._close_source()
            self.runner.close()
            raise
        return self

    async def open(self) -> Source | None:
        """Where the worker comes from, if not from itself."""
        return await open_source(self.config.conditions) if self.forked else None

    def _close_source(self) -> None:
        if self.source is not None:
            self.wait(self.source.close())

    def __exit__(self, *_: object) -> None:
        try:
            self.wait(self.repl.close())
            self._close_source()
        finally:
            self.runner.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(DEADLINE_S):
                return await work

        return self.runner.run(bounded())

    def address(self) -> str:
        self._number += 1
        return f"root/i1/b{self._number}"

    async def execute(self, code: str, on_output: Any = None, on_call: Any = echo, **options: Any) -> BlockResult:
        return await self.repl.execute(
            self.address(), code, on_output=on_output or (lambda *_: None), on_call=on_call, **options
        )

    def run(self, code: str, **options: Any) -> BlockResult:
        return self.wait(self.execute(code, **options))

    def while_running(self, code: str, act: Callable[[Watch], Awaitable[None]], **options: Any) -> BlockResult:
        """Run a block that prints `go`; once it did, await `act`, then the block's end."""

        async def work() -> BlockResult:
            watch = Watch()
            task = asyncio.create_task(self.execute(code, watch, **options))
            await watch.said("go")
            await act(watch)
            return await task

        return self.wait(work())

    def abort_while_running(self, code: str, first: str = "pass", **options: Any) -> BlockResult:
        async def abort(_: Watch) -> None:
            await self.repl.interrupt()

        return self.while_running(f"{first}\nprint('go', flush=True)\n{code}", abort, **options)

    def still_there(self) -> bool:
        """Whether the same worker runs the next block."""
        return self.run("print('still here')").stdout == "still here\n"
