"""What was looked at, and how it is: the rows of `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["ok", "warning", "missing"]
"""All there; something a person may want to mend; something without which no run starts."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row.

    Attributes:
        name: What was looked at.
        state: How it is.
        words: What was found.
        details: More of it, a line each.
        remedy: What to do; empty where there is nothing to.
        facts: The same for a program.
    """

    name: str
    state: State
    words: str
    details: tuple[str, ...] = ()
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
