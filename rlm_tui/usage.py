"""What the front door says: one clear line that says what to do, and an exit code."""

from __future__ import annotations

ANSWERED = 0
"""The run ended with an answer."""
NO_ANSWER = 1
"""The run ended without one."""
BAD_USAGE = 2
"""A wrong option, a missing file, a name that nothing answers to."""
MODEL = 3
"""The run ended, or could not begin, because of its model."""
INTERRUPTED = 130
"""Interrupted; the journal is kept."""

INSTEAD_OF_BWRAP = "put that right (the package is called bubblewrap), or leave confine at auto"
"""What to do where a bubblewrap sandbox can't be had."""


class UsageError(Exception):
    """Something a person can mend. The message is one line for them.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: int = BAD_USAGE) -> None:
        super().__init__(message)
        self.code = code


def printable(text: str, limit: int = 100) -> str:
    """Foreign text for one line of a terminal: shown, never obeyed."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
