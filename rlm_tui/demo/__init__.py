"""Scenarios that play without a key: data, a question, its true answer, and a policy that plays the model."""

from collections.abc import Mapping
from types import MappingProxyType

VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "needle": ("injected-final",),
        "aggregation": ("storm", "oversize", "leaf-error", "flaky"),
        "multi-hop": ("shallow",),
        "broken": (),
    }
)
"""The scenarios, and of each its variants, here so that a wrong name is refused before any is loaded."""

NAMES = tuple(
    name for scenario, variants in VARIANTS.items() for name in (scenario, *(f"{scenario}+{one}" for one in variants))
)
"""Every name that plays: ``needle``, ``needle+injected-final`` …"""

DEFAULT = "multi-hop"
"""The one that plays when none is named."""


def unknown(name: str) -> str:
    """One line for a person who named a scenario, or a variant of one, there is not."""
    scenario, plus, variant = name.partition("+")
    if not plus or scenario not in VARIANTS:
        return f"no scenario {name!r} (known: {', '.join(VARIANTS)})"
    known = ", ".join(f"{scenario}+{one}" for one in VARIANTS[scenario])
    return f"no variant {variant!r} of {scenario} ({f'known: {known}' if known else 'it has none'})"
