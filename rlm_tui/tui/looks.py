"""What a person looked at without changing it: kept by the view, for the journal holds only what may change things."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """An expression, and what it gave in a copy of the REPL that was then thrown away.

    Attributes:
        code: The expression.
        text: Its ``repr``, or what went wrong.
        output: What it printed.
        failed: Whether it went wrong.
        after: How many recorded evaluations were there before it.
    """

    code: str
    text: str
    output: str = ""
    failed: bool = False
    after: int = 0
