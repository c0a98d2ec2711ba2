"""Scenarios that play without a key: data, a question, its true answer, and a policy that plays the model."""

NAMES = ("needle", "aggregation", "multi-hop", "broken")
"""The scenarios' names, here so that a wrong one is refused before any is loaded."""

DEFAULT = "multi-hop"
"""The one that plays when none is named."""


def unknown(name: str) -> str:
    """One line for a person who named a scenario there is not."""
    return f"no scenario {name!r} (known: {', '.join(NAMES)})"
