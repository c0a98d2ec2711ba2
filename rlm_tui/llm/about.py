# pyright: basic
"""What is known of a model without asking it: its provider, its window, its price. Loads the provider library."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rlm_tui.llm.base import ModelError
from rlm_tui.llm.litellm import LiteLLMModel
from rlm_tui.llm.providers import PROVIDERS, how_to_write, provider_of

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class About:
    """One model, as the provider library has it.

    Attributes:
        window: Tokens that a request may have; None where that is unknown.
        prompt: US dollars of a million tokens in; None where that is unknown.
        completion: The same, out.
        table: Whose figures these are.
        lacks: Environment variables that its provider wants and nobody has set, by the library's own list.
    """

    window: int | None
    prompt: float | None
    completion: float | None
    table: str
    lacks: tuple[str, ...] = ()

    @property
    def free(self) -> bool:
        """Whether the table has it at no price at all: it runs on somebody's own machine."""
        return self.prompt == 0 and self.completion == 0


async def about(name: str) -> About:
    """Look a model up in what the provider library brings with it. Nothing is sent anywhere.

    Args:
        name: ``provider/model``.

    Raises:
        ModelError: When no provider answers to the name.
    """
    model = LiteLLMModel(name)
    await model.load()
    library = model.library
    provider = provider_of(name)
    if provider not in {str(getattr(known, "value", known)) for known in library.provider_list} | set(PROVIDERS):
        raise ModelError("model", how_to_write(name))
    row = _row(library.model_cost, name)
    return About(
        window=_whole(row.get("max_input_tokens") or row.get("max_tokens")),
        prompt=_price(row.get("input_cost_per_token")),
        completion=_price(row.get("output_cost_per_token")),
        table=f"litellm {version('litellm')}",
        # Of those we know it is looked at without the library, and it is wrong about some of them.
        lacks=() if provider in PROVIDERS else tuple(library.validate_environment(name)["missing_keys"]),
    )


def _row(table: dict[str, Any], name: str) -> dict[str, Any]:
    """A model's row, by its whole name, else by its own where that is its provider's."""
    provider, _, own = name.partition("/")
    if name in table:
        return table[name]
    row = table.get(own, {})
    return row if row.get("litellm_provider") == provider else {}


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal()) else None


def _price(value: Any) -> float | None:
    return float(value) * MILLION if isinstance(value, int | float) else None
