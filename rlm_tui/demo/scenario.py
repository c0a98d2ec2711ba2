"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlm_tui.llm.scripted import Policy

Context = str | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits a scenario is meant to run with, named as the runner's arguments.

    Attributes:
        max_depth: Where `rlm_query` falls back to a leaf; root is 0.
        max_iterations: Per node.
        block_timeout_s: Computing time of one block, in seconds.
    """

    max_depth: int
    max_iterations: int = 30
    block_timeout_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Data:
    """One draw of a scenario.

    Attributes:
        context: The value of ``context`` in the root's REPL.
        question: The task.
        limits: Recommended limits.
        oracle: The true answer as a whole string, computed from the generator's own records.
    """

    context: Context
    question: str
    limits: Limits
    oracle: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, or a variant of one.

    Attributes:
        name: As in ``scripted:<name>``.
        title: One line for a list.
        make: Draws the data; the same seed gives the same data on every Python.
        policy: Plays the model.
    """

    name: str
    title: str
    make: Callable[[int], Data]
    policy: Policy
