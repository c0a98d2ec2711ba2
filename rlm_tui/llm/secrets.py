"""Keys do not leave this room: what a text must not hold is taken out by value, then by pattern."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

REMOVED = "[removed]"

_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$", re.IGNORECASE)
_PATTERNS = (
    re.compile(r"(?i)(?<=authorization)(\W+)(?:\w+\s+)?[^\s'\",}]+"),
    re.compile(r"(?i)\b(bearer )\s*[\w.~+/=*-]+"),
    re.compile(r"\b()(?:sk|pk|gsk|xai|hf)[-_][\w*-]{8,}"),
    re.compile(r"\b()AIza[\w-]{20,}"),
    re.compile(r"(?i)([?&](?:api[_-]?key|key|token|access_token)=)[^&\s'\"]+"),
    re.compile(r"(?<=://)()[^/@\s]+@"),
)


def known_secrets(given: Iterable[str | None] = (), environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The values no text may hold, longest first.

    Args:
        given: Keys that did not come from the environment.
        environ: The value of every variable whose name ends as a secret's does counts, from 8 characters on;
            shorter ones are words that would be found in any text.
    """
    values = {value for name, value in environ.items() if _NAMES.search(name) and len(value) >= 8}
    values |= {value for value in given if value and len(value) >= 6}
    return tuple(sorted(values | {quote(value, safe="") for value in values}, key=len, reverse=True))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets, and without whatever else is written the way keys are."""
    for secret in secrets:
        text = text.replace(secret, REMOVED)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{REMOVED}", text)
    return text
