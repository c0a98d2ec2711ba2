"""What can be checked before a run begins: each raises `UsageError`, in one line that says what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rlm_tui.config import Settings
from rlm_tui.usage import INSTEAD_OF_BWRAP, MODEL, UsageError, printable

SCRIPTED = "scripted:"
"""What the names of scripted models begin with."""


def check_breakpoints(given: Sequence[str], *, holding: bool) -> None:
    """Whether what was given are breakpoints; without a screen, whether they hold nothing."""
    if not given:
        return
    from rlm_tui.debugger.language import BreakpointError, parse

    for line in given:
        try:
            rule = parse(line)
        except BreakpointError as error:
            place = printable(line[error.at :], 40)
            at = f", at {place!r}" if place else ", at its end"
            raise UsageError(f"--break {printable(line)!r}{at}: {error}") from None
        if rule.act == "hold" and not holding:
            raise UsageError(
                f"--break {printable(line)!r}: nobody can let it go without a screen; "
                'leave --headless out, or end it with: do log "…" (or answer, set, skip)'
            )


def check_confinement(found: Settings) -> None:
    """Whether REPLs can be shut in with bubblewrap, when that was asked for: it is had, or nothing begins."""
    if found.get("confine") != "bwrap":
        return
    from rlm_tui.repl.policy import bwrap_refusal

    if (refusal := bwrap_refusal()) is not None:
        raise UsageError(f"--confine bwrap can't be had: {printable(refusal, 300).rstrip('.')}; {INSTEAD_OF_BWRAP}")


def check_screen(found: Settings) -> None:
    """Whether a screen can be opened, and the keys be read; before anything is made."""
    if not sys.stdout.isatty():
        raise UsageError("this is not a terminal; use --headless (and --json) to run without a screen")
    check_theme(found.get("theme"))
    if sys.stdin.isatty():
        return
    # The context may have come from a pipe: the keys then come from the terminal itself.
    try:
        os.dup2(os.open("/dev/tty", os.O_RDWR), 0)
    except OSError as error:
        raise UsageError("there is no keyboard to read from; use --headless to run without a screen") from error


def check_theme(name: str | None) -> None:
    """Whether there is such a theme."""
    from textual.theme import BUILTIN_THEMES

    from rlm_tui.tui.theme import THEMES

    known = sorted({theme.name for theme in THEMES} | set(BUILTIN_THEMES))
    if name is not None and name not in known:
        raise UsageError(f"there is no theme {name!r}; there are {', '.join(known)}")


def check_models(names: list[str | None], api_base: str | None) -> None:
    """What can be known of a model before anything begins, without a request."""
    from rlm_tui.demo import NAMES, unknown
    from rlm_tui.llm.providers import check

    for name in names:
        if name is None:
            continue
        if name.startswith(SCRIPTED):
            if name.removeprefix(SCRIPTED) not in NAMES:
                raise UsageError(unknown(name.removeprefix(SCRIPTED)))
        elif (problem := check(name, api_base)) is not None:
            raise UsageError(problem.message, MODEL)


def check_runs_dir(found: Settings) -> None:
    """Whether runs can be kept where they are to be; cheap, so that it is known before a screen opens."""
    from rlm_tui.journal.places import runs_dir

    where = runs_dir(found.get("runs_dir"))
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"runs can't be kept in {where}: {error.strerror or error}") from error
    if not os.access(where, os.W_OK):
        raise UsageError(f"runs can't be kept in {where}: it may not be written")
