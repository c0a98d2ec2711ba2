"""What holds for a node now: its model, its parameters and its limits, as the options and people have them.

People change these while the run goes on. Each change is an ``edit`` at the node's address and is read from there, so
that a run that is gone on with later finds the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.limits import TIMES, TREE, NodeLimits
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal import address

Watch = Callable[[str], Awaitable[None]]
"""Watches one time limit, by its name."""


@dataclass(slots=True)
class InForce:
    """One node's model, parameters and limits.

    Args:
        shared: The run.
        spec: The node.
        clock: Its working clock.
        limits: Its counters.
        times: Names and seconds of working time it may use.
    """

    shared: Shared
    spec: NodeSpec
    clock: WorkClock
    limits: NodeLimits
    times: dict[str, float] = field(default_factory=dict[str, float])
    _read: int = 0
    """How many of the changes at the node's address were taken."""
    _watch: Watch | None = None
    _watchers: dict[str, asyncio.Future[None]] = field(default_factory=dict[str, "asyncio.Future[None]"])

    @property
    def model(self) -> str:
        """Where its next request goes."""
        return self._changed("model", self.spec.model)

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of its next request."""
        return self._changed("params", self.spec.params)

    def _changed(self, name: str, value: Any) -> Any:
        for field_, new in self.shared.effects.edits(self.spec.id):
            value = new if field_ == name else value
        return value

    # Limits -------------------------------------------------------------------------------------------------------

    def limit(self, name: str) -> tuple[float, float | None] | None:
        """How much of a limit is used, and the limit; None when there is no such limit here.

        Args:
            name: As in `Options`.
        """
        tree, node, totals = self.shared.limits, self.limits, self.shared.run.totals
        of_tree = {
            "max_subcalls": tree.subcalls, "max_children_total": tree.children, "max_children_per_batch": 0,
            "max_tokens": totals.tokens, "max_budget": totals.cost,
        }  # fmt: skip
        if name in of_tree:
            return float(of_tree[name]), tree.value(name)
        if name in node.USED:
            return float(node.used(name)), node.value(name)
        mine = "max_timeout" if self.spec.id == address.ROOT else "per_child_timeout_s"
        return (self.clock.elapsed, self.times.get(name)) if name == mine else None

    def read(self) -> None:
        """Take what people changed at this node's address since this was last done."""
        edits = self.shared.effects.edits(self.spec.id)
        new, self._read = edits[self._read :], len(edits)
        for name, value in new:
            if name == "limit":
                limit = cast("dict[str, Any]", value)
                self._set(str(limit["name"]), float(limit["to"]))
        self.clock.wake()

    def _set(self, limit: str, to: float) -> None:
        if limit in TREE:
            self.shared.limits.raised[limit] = to
        elif limit in TIMES:
            self.times[limit] = to
            self._watch_over(limit)
        else:
            self.limits.raised[limit] = to

    # Time ---------------------------------------------------------------------------------------------------------

    def begin(self, watch: Watch) -> None:
        """Watch every time limit, those to come included."""
        self._watch = watch
        for name in self.times:
            self._watch_over(name)

    def _watch_over(self, name: str) -> None:
        if self._watch is not None and name not in self._watchers:
            self._watchers[name] = asyncio.ensure_future(self._watch(name))

    def end(self) -> None:
        """Watch no more."""
        self._watch = None
        for watcher in self._watchers.values():
            watcher.cancel()
