"""Bad input: one clear line on stderr that says what to do, and an exit code."""

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


class UsageError(Exception):
    """Something a person can mend. The message is one line for them.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: int = BAD_USAGE) -> None:
        super().__init__(message)
        self.code = code
