"""How a node ends, by itself or from outside."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_tui.engine.gate import LimitHit
from rlm_tui.journal.events import ErrorInfo, NodeStatus, Proposal, Via


@dataclass(frozen=True, slots=True)
class Ending:
    """What ``node.end`` is made of."""

    status: NodeStatus
    proposal: Proposal | None = None
    limit: str | None = None
    error: ErrorInfo | None = None
    via: Via | None = None


@dataclass(frozen=True, slots=True)
class Forced:
    """A person decided the answer: a text, or the value of a variable."""

    text: str | None = None
    var: str | None = None


@dataclass(frozen=True, slots=True)
class Killed:
    """A person, or the end of the node above, ended it."""


@dataclass(frozen=True, slots=True)
class OverTime:
    """A time limit applied."""

    hit: LimitHit


Stop = Forced | Killed | OverTime
