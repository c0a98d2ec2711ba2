"""A block that is broken in to, for tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rlm_tui.repl.process import BlockResult, Standing
from tests.repl.desk import Desk, Watch

GO = "print('go', flush=True)\n"


def nothing(*_: object) -> None:
    return None


def standing_in(desk: Desk, code: str, act: Callable[[Standing], Awaitable[Any]], **options: Any) -> BlockResult:
    """Run a block that prints `go`, break in to it, await `act`, let it go on if it still stands; return its end."""

    saying_go = 1 + code[: code.index("print('go'")].count("\n")

    async def broken(_: Watch) -> None:
        while (stands := await desk.repl.break_in()) and stands.line == saying_go:
            await desk.repl.go()
        assert stands is not None
        assert desk.repl.standing == stands
        await act(stands)
        await desk.repl.go()

    return desk.while_running(code, broken, **options)


async def evaluate(desk: Desk, code: str, **options: Any) -> BlockResult:
    options.setdefault("on_output", nothing)
    return await desk.repl.evaluate("root/i1/b1+e1", code, **options)
