"""What a person says that a model costs: it wins over what any table says."""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars of a million tokens.

    Attributes:
        prompt: Of those that are sent.
        completion: Of those that come back, thoughts among them.
        cached: Of those that are sent and that the provider had; None is the price of the others.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def of(self, prompt: int, completion: int, cached: int | None) -> float:
        """US dollars of one request.

        Args:
            prompt: Tokens sent, cached ones among them.
            completion: Tokens that came back.
            cached: How many of those sent the provider had; None where it does not say.
        """
        had = min(cached or 0, prompt)
        again = self.prompt if self.cached is None else self.cached
        return ((prompt - had) * self.prompt + had * again + completion * self.completion) / MILLION

    def __str__(self) -> str:
        """As it is written in a setting."""
        return "/".join(f"{price:g}" for price in (self.prompt, self.completion, self.cached) if price is not None)


def read_price(text: str) -> Price:
    """A price as it is written: ``0.15/0.6``, or with that of cached tokens ``0.15/0.6/0.075``.

    Raises:
        ValueError: When it is not that; the text says what it is to be.
    """
    parts = text.split("/")
    try:
        prices = [float(part) for part in parts]
    except ValueError:
        prices = []
    if len(prices) not in (2, 3) or not all(0 <= price < float("inf") for price in prices):
        raise ValueError(f"must be dollars a million tokens, in/out or in/out/cached, not {text!r}")
    return Price(*prices)
