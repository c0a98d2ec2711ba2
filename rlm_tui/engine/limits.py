"""Limits: checked at seams, before the act that would exceed them. A limit is a gate, not an exception.

What is remembered is never refused: iterations, steps and errors are positional and a second pass meets them again;
every other limit is consulted only when the act at hand has no end in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rlm_tui.engine.gate import LimitHit
from rlm_tui.engine.options import Options
from rlm_tui.journal.run import Run

Fn = Literal["llm_query", "llm_query_batched", "llm_batch", "rlm_query", "rlm_query_batched"]

EXHAUSTED = frozenset({"max_iterations", "max_steps"})
"""Limits at which the model is asked for a default answer; the others end the node at once."""

TREE = frozenset({"max_budget", "max_tokens", "max_subcalls", "max_children_total", "max_children_per_batch"})
"""Limits of the whole tree: raised anywhere, they are raised everywhere."""

TIMES = frozenset({"max_timeout", "per_child_timeout_s"})


@dataclass(slots=True)
class Batch:
    """One batched call of a block: its key, its size, and how many child RLMs of it began."""

    key: int
    size: int
    children: int = 0


@dataclass(slots=True)
class TreeLimits:
    """The counters of a whole tree: calls and children by reservation, tokens and money from the fold.

    Args:
        options: What the run may do.
        run: The fold of its journal.
    """

    options: Options
    run: Run
    subcalls: int = 0
    children: int = 0
    raised: dict[str, float] = field(default_factory=dict[str, float])
    unguarded: bool = False

    def __post_init__(self) -> None:
        let_through = [call for call in self.run.calls.values() if call.status not in ("open", "refused") or call.node]
        self.subcalls = len(let_through)
        self.children = sum(call.ran_as == "rlm" for call in let_through)
        for edit in self.run.edits:
            if edit.field == "limit" and edit.value.get("name") in TREE:
                self.raised[edit.value["name"]] = float(edit.value["to"])

    def value(self, name: str) -> float | None:
        """A limit as it stands now, raised by a person or not."""
        return self.raised.get(name, getattr(self.options, name))

    def raise_to(self, hit: LimitHit) -> None:
        """Let the whole tree have more, or go on though a model has no price."""
        if hit.raised is None:
            return
        self.unguarded |= hit.reason == "unpriced"
        self.raised[hit.name] = hit.raised

    def spent(self) -> LimitHit | None:
        """The hit of a token or money limit that the next model request would go beyond."""
        totals = self.run.totals
        for name, used in (("max_tokens", float(totals.tokens)), ("max_budget", totals.cost)):
            limit = self.value(name)
            if limit is not None and used >= limit:
                return LimitHit(name, used, limit, "tree")
        if totals.unpriced and (limit := self.value("max_budget")) is not None and not self.unguarded:
            return LimitHit("max_budget", totals.cost, limit, "tree", reason="unpriced")
        return None

    def for_call(self, child: bool, batch: Batch | None) -> Iterator[LimitHit]:
        """Every hit that one more sub-call would be; each is asked for only after the one before was raised."""
        yield from self._count("max_subcalls", self.subcalls)
        if child:
            if batch is not None:
                yield from self._count("max_children_per_batch", batch.children, "batch")
            yield from self._count("max_children_total", self.children)
        if hit := self.spent():
            yield hit

    def _count(self, name: str, used: int, scope: str = "tree") -> Iterator[LimitHit]:
        limit = self.value(name)
        if limit is not None and used >= limit:
            yield LimitHit(name, used, limit, scope)

    def reserve(self, child: bool, batch: Batch | None) -> None:
        """Count a sub-call that was let through."""
        self.subcalls += 1
        if child:
            self.children += 1
            if batch is not None:
                batch.children += 1


@dataclass(slots=True)
class NodeLimits:
    """The counters of one node: iterations, steps (executed blocks) and failed iterations in a row.

    Args:
        options: The node's own: a child's may differ from the run's.
    """

    options: Options
    USED: ClassVar[frozenset[str]] = frozenset({"max_iterations", "max_errors", "max_steps"})
    steps: int = 0
    errors: int = 0
    done: int = 0
    raised: dict[str, float] = field(default_factory=dict[str, float])

    def value(self, name: str) -> float | None:
        """A limit of `USED` as it stands now, changed by a person or not."""
        return self.raised.get(name, getattr(self.options, name))

    def used(self, name: str) -> int:
        """How much of it is used."""
        return {"max_iterations": self.done, "max_errors": self.errors, "max_steps": self.steps}[name]

    def iteration(self, done: int) -> LimitHit | None:
        """The hit that one more iteration would be."""
        self.done = done
        for name in ("max_iterations", "max_errors"):
            limit, used = self.value(name), self.used(name)
            if limit is not None and used >= limit:
                return LimitHit(name, used, limit, "node")
        return self.step()

    def step(self) -> LimitHit | None:
        """The hit that one more executed block would be."""
        limit = self.value("max_steps")
        return LimitHit("max_steps", self.steps, limit, "node") if limit is not None and self.steps >= limit else None

    def raise_to(self, hit: LimitHit) -> None:
        """Let the node have more."""
        if hit.raised is not None:
            self.raised[hit.name] = hit.raised

    def turned(self, failed: bool) -> None:
        """An iteration is through."""
        self.errors = self.errors + 1 if failed else 0
