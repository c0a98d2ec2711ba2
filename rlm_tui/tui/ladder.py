"""What the bar says while a node is being stopped: what was asked for, and what the next press does."""

from __future__ import annotations

import time

from rlm_tui.debugger.likeness import Ladder, Rung

UNANSWERED_S = 1.0
"""Seconds without an answer, after which the bar says so."""

_ASKED: dict[Rung, str] = {
    "pause": "stops at the next pause point", "break": "breaking in to {block}", "abort": "aborting {block}",
    "kill": "killing the REPL",
}  # fmt: skip
_UNANSWERED: dict[Rung, str] = {
    "break": "in native code: it cannot be stopped where it is", "abort": "it does not stop",
}  # fmt: skip
_NEXT: dict[Rung, str] = {
    "pause": "pause", "break": "break in now", "abort": "abort the block, keeping the variables so far",
    "kill": "kill the REPL and rebuild it to before this block",
}  # fmt: skip
_TRUE: dict[Rung, str] = {
    "pause": "It runs on until then. Nothing is lost.",
    "break": "It stops where it is, its calls go on, and it can go on too. Nothing is lost.",
    "abort": "Its calls are cancelled first. What it has set so far stays.",
    "kill": "Then the blocks before it are run again with their recorded answers. No model is asked.",
}
_STILL_TRUE: dict[Rung, str] = {
    "break": "It stands as soon as it is back in Python. Nothing is lost.",
    "abort": "It catches what is to end it, or is in native code. What it has set so far stays.",
}


def asked(ladder: Ladder, block: str) -> str:
    """What is under way.

    Args:
        ladder: How far the node was asked to stop.
        block: What its block is called.
    """
    if ladder.asked is None:
        return ""
    words = _UNANSWERED.get(ladder.asked) if _late(ladder) else None
    return (words or _ASKED[ladder.asked]).format(block=block)


def again(ladder: Ladder) -> str:
    """What the next press does; empty when there is nothing harder."""
    return _NEXT[ladder.next] if ladder.next is not None else ""


def truth(ladder: Ladder) -> str:
    """What is lost by it, and what not."""
    if ladder.asked is None:
        return ""
    return (_STILL_TRUE.get(ladder.asked) if _late(ladder) else None) or _TRUE[ladder.asked]


def _late(ladder: Ladder) -> bool:
    return time.monotonic() - ladder.since >= UNANSWERED_S
