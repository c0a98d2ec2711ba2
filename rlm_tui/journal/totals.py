"""Adding up tokens and money honestly: what is unknown stays unknown, what is scripted costs no money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlm_tui.journal.events import Usage


@dataclass(slots=True)
class Totals:
    """Sums over model requests.

    Attributes:
        requests: Requests that came back with a reply.
        prompt: Prompt tokens that were reported.
        completion: Completion tokens that were reported.
        uncounted: Requests whose tokens nobody reported.
        cost: US dollars of the requests with a known price.
        unpriced: Requests of a real model without a known price.
        scripted: Requests that a scripted model answered.
        estimated: Whether a part of the tokens is an estimate.
    """

    requests: int = 0
    prompt: int = 0
    completion: int = 0
    uncounted: int = 0
    cost: float = 0.0
    unpriced: int = 0
    scripted: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens that are known."""
        return self.prompt + self.completion

    def add(self, usage: Usage | None) -> None:
        """Count one request that came back."""
        self.requests += 1
        if usage is None or usage.total is None:
            self.uncounted += 1
        if usage is None:
            self.unpriced += 1
            return
        self.prompt += usage.prompt or 0
        self.completion += usage.completion or 0
        self.estimated |= usage.source == "estimate"
        if usage.source == "scripted":
            self.scripted += 1
        elif usage.cost is None:
            self.unpriced += 1
        else:
            self.cost += usage.cost

    def less(self, part: Totals) -> Totals:
        """These without a part of them."""
        return self.plus(part.times(-1.0))

    def times(self, factor: float) -> Totals:
        """So many times these, in whole requests and tokens."""
        names = ("requests", "prompt", "completion", "uncounted", "unpriced", "scripted")
        return Totals(
            **{name: round(getattr(self, name) * factor) for name in names}, cost=self.cost * factor,
            estimated=self.estimated,
        )  # fmt: skip

    def plus(self, other: Totals) -> Totals:
        """These and others."""
        names = ("requests", "prompt", "completion", "uncounted", "cost", "unpriced", "scripted")
        both = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Totals(**both, estimated=self.estimated or other.estimated)

    def usage(self) -> Usage | None:
        """The sum as one `Usage`, with None for every part that is not known whole; None before any request."""
        if not self.requests:
            return None
        known = not self.uncounted
        return Usage(
            prompt=self.prompt if known else None,
            completion=self.completion if known else None,
            cost=self.cost if not (self.unpriced or self.scripted) else None,
            source=self._source(),
        )

    def _source(self) -> Literal["provider", "scripted", "estimate", "mixed"] | None:
        if self.uncounted == self.requests:
            return None
        if self.scripted == self.requests:
            return "scripted"
        return "mixed" if self.scripted else "estimate" if self.estimated else "provider"
