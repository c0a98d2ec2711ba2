"""What customers write, and which of six categories it belongs to: one lexicon for all who draw or read messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PHRASES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "billing": ("I was charged twice for", "wrong invoice for", "I want my money back for"),
        "outage": ("nothing loads in", "I only get errors from", "a blank page in"),
        "login": ("I cannot sign in to", "my password is refused by", "I am locked out of"),
        "shipping": ("no parcel came with", "I still wait for my", "a crushed box around"),
        "feature": ("please add dark colours to", "I wish for an export from", "I miss a shortcut in"),
        "praise": ("I am delighted with", "many thanks for", "I tell everybody about"),
    }
)
"""Phrases of each category. No phrase holds another, and none holds the name of a category."""

GREETINGS = ("Hello", "Hi", "Good day", "Dear all", "Hi there")
OBJECTS = ("Heron", "Kestrel", "Wren", "Plover", "Egret", "Siskin")


def category(text: str) -> str | None:
    """The category whose phrase stands in a text.

    Args:
        text: One message.

    Returns:
        The first that fits; None when no phrase is known.
    """
    for name, phrases in PHRASES.items():
        if any(phrase in text for phrase in phrases):
            return name
    return None
