"""No key in a journal: what is named like a key, or looks like one, is taken out of a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

REDACTED: Final = "[redacted]"

_NAMES = re.compile(
    r"key|token|auth|(.*(api|private|secret|access|subscription|account)key(id|s)?)"
    r"|(.*(auth|access|api|bearer|session|refresh|id|hf|security)token)"
    r"|.*(secret|passw(or)?d|passphrase|authorization|credentials?|cookie).*"
)
"""Whole names, in lower case and without separators; ``max_tokens`` and ``prompt_cache_key`` are none."""

_HEADERS = re.compile(r".*headers")

_SHAPES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", REDACTED),
        (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {REDACTED}"),
        (r"\b(sk|pk|rk|gsk|xai|pplx|nvapi|r8|hf|key)[-_][A-Za-z0-9_-]{16,}", REDACTED),
        (r"\bAIza[\w-]{30,}", REDACTED),
        (r"\b(gh[opsru]_|github_pat_|glpat-)\w{20,}", REDACTED),
        (r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", REDACTED),
        (r"\bxox[abeprs]-[\w-]{10,}", REDACTED),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", REDACTED),
        (r"(://)[^/@\s]+@", rf"\1{REDACTED}@"),
        (r"(?i)([?&](?:api[-_]?key|key|(?:access[-_]?)?token|sig|signature)=)[^&\s]+", rf"\1{REDACTED}"),
    )
)


def redact(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without keys, for ``run.start``.

    Every text under a name like a key's goes, all values of headers do, and in the other texts whatever has the shape
    of a known provider's key, of an authorization header, or of a password in an address.

    Args:
        config: Anything JSON-like; it is not changed.
    """
    return {name: _value(str(name), value) for name, value in config.items()}


def redact_text(text: str) -> str:
    """A text without what has the shape of a key."""
    for shape, replacement in _SHAPES:
        text = shape.sub(replacement, text)
    return text


def _value(name: str, value: Any) -> Any:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if _NAMES.fullmatch(plain):
        return value if value is None or isinstance(value, bool) else REDACTED
    if _HEADERS.fullmatch(plain) and isinstance(value, Mapping):
        return dict.fromkeys(cast(Mapping[str, Any], value), REDACTED)
    return _inside(value)


def _inside(value: Any) -> Any:
    match value:
        case str():
            return redact_text(value)
        case Mapping():
            return redact(cast(Mapping[str, Any], value))
        case list() | tuple():
            return [_inside(item) for item in cast(list[Any], value)]
        case _:
            return value
