"""A root with three children at once, held as a person would find them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlm_tui.journal.tree import Call
from rlm_tui.llm.callable import CallableModel
from tests.debugger.small import Table, chat, code
from tests.runs import DEADLINE_S
from tests.tui.stage import Play, Stage, staged

NAMES = ("alpha", "beta", "gamma")
CHILD = [code("x = 1", "print('looked')"), code("answer = str(x)", "FINAL_VAR('answer')")]
ROOT = [
    code(f"got = rlm_query_batched({[f'{name} log' for name in NAMES]!r})", "print(got)"),
    code("done = '; '.join(got)", "FINAL_VAR('done')"),
]
TABLE: Table = {**{f"{name} log": CHILD for name in NAMES}, "": ROOT}


def family(size: tuple[int, int] = (120, 36), table: Table | None = None, **options: Any) -> Callable[[Play], Any]:
    """A stage for it."""
    return staged(size, model=CallableModel(chat(table or TABLE)), **options)


async def at_block(stage: Stage) -> None:
    """The root before the block that asks the three."""
    await stage.ready("llm")
    await stage.verb("n")
    await stage.ready("block")


async def all_held(stage: Stage) -> None:
    """The three children before their first request, the root in view with nothing held of its own."""
    await at_block(stage)
    assert stage.session.pause(None).result(DEADLINE_S) is None
    assert stage.session.release("root").result(DEADLINE_S) is None
    await stage.until(lambda: len(stage.run.held) == 3, "three held")
    await stage.until(lambda: stage.view.held_here() is None, "nothing of the root's own")


def child(stage: Stage, name: str) -> Call:
    """The call of a child."""
    return next(call for call in stage.run.calls.values() if str(call.prompt).startswith(name))


async def select(stage: Stage, id: str) -> None:
    """Move the trajectory's cursor to a row by keys."""
    await stage.press("2", "home")
    for _ in range(40):
        if stage.view.item == id:
            break
        await stage.press("down")
    assert stage.view.item == id, (id, stage.view.item)
    await stage.until(lambda: not stage.view.grace, "its keys")
