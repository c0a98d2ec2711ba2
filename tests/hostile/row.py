"""One row of the matrix: a block that does its worst, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.hostile.trial import Act, Told

State = Literal["kept", "rebuilt", "either"]
BEFORE = "kept = ['before']"
AFTER = "kept.append('after')\nprint(kept, llm_query('still?'))"
LEFT: Mapping[State, tuple[str, ...]] = {
    "kept": ("['before', 'begun', 'after'] <still?>\n",),
    "rebuilt": ("['before', 'after'] <still?>\n",),
    "either": ("['before', 'begun', 'after'] <still?>\n", "['before', 'after'] <still?>\n"),
}
"""What `AFTER` prints: a rebuilt REPL knows nothing of the block that was lost."""


@dataclass(frozen=True)
class Row:
    """A hostile block.

    Attributes:
        number: Its number in the matrix; several blocks may share one.
        name: What it does, in a word or two.
        code: The block; ``kept.append('begun')`` goes before it, and ``print('go')`` when a person acts.
        status: How it may end.
        error: Words that its error must have.
        stdout: What it prints, exactly; None when that is not told.
        state: Whether the next block runs in the same worker or in a rebuilt one.
        begun: Whether any of it runs: not when it can't be compiled.
        before: More of the block before.
        after: Another block than `AFTER` for the next reply; it prints `left`.
        left: What `after` prints.
        act: What a person does meanwhile.
        holds: Points at which the root waits for that person.
        check: Looks at what is left of the run.
        level: The only level it is meant for; None is all.
        children: What child RLMs reply, by a text of their task.
        options: Of the run.
    """

    number: int
    name: str
    code: str
    status: str = "ok"
    error: str = ""
    stdout: str | None = None
    state: State = "kept"
    begun: bool = True
    before: str = ""
    after: str = AFTER
    left: str = ""
    act: Act | None = None
    holds: frozenset[str] = frozenset()
    check: Callable[[Told], None] | None = None
    level: Literal["confined", "process"] | None = None
    children: Mapping[str, list[str]] | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def id(self) -> str:
        return f"{self.number}-{self.name.replace(' ', '-')}"

    @property
    def statuses(self) -> tuple[str, ...]:
        return tuple(self.status.split("|"))

    @property
    def hostile(self) -> str:
        """The whole block."""
        return "\n".join(
            [
                *(["kept.append('begun')"] if self.begun else []),
                *(["print('go', flush=True)"] if self.act else []),
                self.code,
            ]
        )

    @property
    def prints(self) -> tuple[str, ...]:
        """What the block after may print."""
        if self.left:
            return (self.left,)
        return LEFT[self.state if self.begun else "rebuilt"]
