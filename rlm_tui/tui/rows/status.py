"""What something is doing, in a sign, an ink and a word or two: the same in the tree and in the trajectory."""

from __future__ import annotations

import math

from rlm_tui.journal.tree import Attempt, Block, Call, Held, Iteration, Node, State
from rlm_tui.tui import text
from rlm_tui.tui.glyphs import STATE_INK
from rlm_tui.tui.rows.line import Line
from rlm_tui.tui.view import View

MOVING: tuple[State, ...] = ("sampling", "executing", "between")
RUNNING: tuple[State, ...] = (*MOVING, "waiting", "held", "new")

WORDS: dict[State, str] = {
    "new": "queued", "error": "error", "timeout": "timeout", "killed": "killed", "refused": "refused",
    "limit": "limit", "unanswered": "no answer", "supplied": "supplied", "skipped": "skipped", "sampling": "sampling",
}  # fmt: skip


def held_at(view: View, id: str) -> Held | None:
    """The value held in a row of the tree: of a node its own, not its calls'; of a call the call's."""
    held = view.run.held.get(id)
    if held is not None:
        return held
    node = view.run.nodes.get(id)
    if node is None or node.held is None:
        return None
    return node.held if view.home_of(node.held) == id and node.held.id in view.run.held else None


def state_of(view: View, thing: Node | Call | Block | Iteration) -> State:
    """What something is doing, where a node that only waits for a held call is waiting."""
    if isinstance(thing, Iteration):
        return iteration_state(view, thing)
    if isinstance(thing, Block):
        return "held" if thing.id in view.run.held else thing.state if thing.state != "held" else "new"
    if held_at(view, thing.id) is not None:
        return "held"
    if isinstance(thing, Call) and thing.status != "open":
        return thing.state
    node = thing if isinstance(thing, Node) else thing.node
    if node is None:
        return "sampling" if isinstance(thing, Call) and sampling(thing.attempts) else thing.state
    if node.status == "open" and node.held is not None:
        return "waiting"
    return node.state


def iteration_state(view: View, iteration: Iteration) -> State:
    """What the request of an iteration is doing."""
    held = view.run.held.get(iteration.id)
    if held is not None and held.point in ("llm", "reply", "error"):
        return "held"
    if not iteration.attempts:
        return "new"
    last = iteration.attempts[-1]
    if last.ended is None:
        return "sampling" if iteration.node.status == "open" else "killed"
    if last.status in ("cancelled", "lost"):
        return "killed" if last.status == "cancelled" else "new"
    return "done" if iteration.reply is not None else "error"


def running_block(view: View, node: str) -> Block | None:
    """The block of a node that runs now; a person's evaluation is none."""
    found = view.run.nodes.get(node)
    last = (found.default or (found.iterations[-1] if found.iterations else None)) if found is not None else None
    blocks = last.blocks if last is not None else []
    return next((block for block in reversed(blocks) if block.status == "open" and block.origin != "eval"), None)


def sampling(attempts: list[Attempt]) -> bool:
    """Whether a request is under way."""
    return bool(attempts) and attempts[-1].ended is None


def retrying(attempts: list[Attempt]) -> bool:
    """Whether the last attempt failed and there is to be another."""
    return bool(attempts) and attempts[-1].status == "error" and attempts[-1].wait is not None


def left(view: View, failed: Attempt) -> int:
    """Whole seconds until the attempt after one that failed; 0 when it is due."""
    return max(0, math.ceil((failed.ended or 0.0) + (failed.wait or 0.0) - now(view)))


def next_try(view: View, failed: Attempt) -> str:
    """Which attempt comes next, and when: ``attempt 2 of 4 in 7s``.

    Args:
        view: For the clock.
        failed: The attempt before it, which has a wait.
    """
    of = f" of {failed.of}" if failed.of is not None else ""
    seconds = left(view, failed)
    return f"attempt {failed.attempt + 1}{of} {f'in {seconds}s' if seconds else 'now'}"


def sign(view: View, state: State, mark_edited: bool = False) -> tuple[str, str]:
    """The sign of a state and the words of its ink.

    Args:
        view: For the table of signs and the picture of the moving one.
        state: The state.
        mark_edited: Whether a person supplied the value.
    """
    if mark_edited and state == "done":
        return view.glyphs.human, STATE_INK["supplied"]
    return view.glyphs.state(state, view.frame), STATE_INK[state]


def point_words(held: Held) -> str:
    """The name of a held thing on its badge: the point, with a block's number."""
    if held.point == "line":
        return f"line {held.value.get('line')}"
    return f"block {held.id.rsplit('/b', 1)[-1].split('+')[0]}" if held.point == "block" else held.point


def badge(line: Line, words: str, solid: bool) -> Line:
    """A badge at the end of a line: filled on the brightest thing, amber letters on others."""
    return line.add(f" {words} ", "held" if solid else "held-text bold")


def brightest(view: View) -> Held | None:
    """The one held value whose row is filled: the selected one, else the first that waits; of the past, none."""
    if view.past is not None:
        return None
    here = view.held_here()
    return here or next(iter(view.run.held.values()), None)


def seconds_of(view: View, started: float | None, ended: float | None, working: float | None = None) -> str:
    """How long something took, or has been going on for. Empty before it began.

    Args:
        view: For the clock; an opened journal's clock stands at its last event.
        started: Seconds since the epoch.
        ended: Seconds since the epoch; None while it runs.
        working: Seconds of work, where holding was taken off.
    """
    if working is not None and ended is not None:
        return text.duration(working)
    if started is None:
        return ""
    if ended is not None:
        return text.duration(ended - started)
    return text.clock(now(view) - started)


def now(view: View) -> float:
    """The present of a run: the clock's, or the last event of one that is over or only read."""
    return view.run.last or 0.0 if view.still else view.clock()
