"""Blocks that loop, wait or will not stop, and how a test gets to where they are."""

from __future__ import annotations

from typing import Any

from rlm_tui.journal.tree import Held
from tests.debugger.small import code
from tests.runs import Watched, done

ON = 'print("on", flush=True)'
LOOP = code("n = 0", ON, "while True:", "    n += 1")
"""Stops at every rung."""
NATIVE = code("n = 1", ON, "sum(range(10**12))")
"""Stops at the last rung only: one call of C code."""
RESISTS = code(
    "n = 2",
    ON,
    "def resist(depth):",
    "    while True:",
    "        try:",
    "            while not depth: pass",
    "            resist(depth - 1)",
    "        except BaseException: pass",
    # So deep that what is raised between two tries is still inside another.
    "resist(50)",
)
"""Can be broken in to, and not be aborted."""


def printed(run: Watched, block: str = "root/i1/b1", times: int = 1) -> str:
    """Wait until a block has printed so often, and so is past that line; everything it printed."""

    def text(_: Any) -> str:
        found = [e.text for e in run.events if e.ev == "chunk" and e.kind == "stdout" and e.id == block]  # type: ignore[attr-defined]
        return "".join(found) if "".join(found).count("\n") >= times else ""

    return run.until(text, f"output of {block}")


def broken(run: Watched, node: str = "root") -> Held:
    """Break in to the block that a node runs, and wait until it stands."""
    done(run.session.harder(node))
    done(run.session.harder(node))
    return run.held("line", node)


def rest(run: Watched, node: str = "root") -> None:
    """Wait until a node has reached the rung that was asked for."""
    run.until(lambda _: run.session.ladder(node).asked is None, "the rung")
