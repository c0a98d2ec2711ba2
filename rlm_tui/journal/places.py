"""Where runs live, and what they are called."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

import platformdirs

from rlm_tui.journal.errors import JournalError

JOURNAL: Final = "journal.jsonl"
BLOBS: Final = "blobs"
VARIABLE: Final = "RLM_TUI_RUNS_DIR"

_ID = re.compile(r"(\d{6}-\d{4})-[0-9a-f]{4}")


def new_id(now: float) -> str:
    """A fresh run id, ``yymmdd-hhmm-xxxx`` in local time: it sorts by time, and its last part tells runs apart.

    Args:
        now: Seconds since the epoch.
    """
    return f"{_stamp(now)}-{secrets.token_hex(2)}"


def runs_dir(flag: Path | None = None) -> Path:
    """The directory that runs are in; it need not exist yet.

    Args:
        flag: What was asked for on the command line. Next comes ``RLM_TUI_RUNS_DIR``, then the platform's
            directory for user data.
    """
    if flag is not None:
        return flag
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    return platformdirs.user_data_path("rlm-tui", appauthor=False) / "runs"


def list_runs(runs: Path) -> list[Path]:
    """The directories of all runs, newest first; none when there is no such directory."""
    try:
        found = [path for path in runs.iterdir() if (path / JOURNAL).is_file()]
    except OSError:
        return []
    return sorted(found, key=_age, reverse=True)


def find_run(runs: Path, text: str) -> Path:
    """The directory of the run that somebody means.

    Args:
        runs: Where runs are.
        text: An id, a path to a run or to its journal, or the end of exactly one id.

    Raises:
        JournalError: When it is none of these, or the end of several ids.
    """
    known = {path.name: path for path in list_runs(runs)}
    if text in known:
        return known[text]
    if text and (path := _as_path(text)) is not None:
        return path
    matches = [path for name, path in known.items() if text and name.endswith(text)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(path.name for path in matches[:3])
        raise JournalError(f"{len(matches)} runs end in {text!r}: {names}{' …' if len(matches) > 3 else ''}")
    if text and Path(text).is_dir():
        raise JournalError(f"{text!r} is not a run: it has no {JOURNAL}")
    raise JournalError(f"no run {text!r} in {runs}")


def run_directory(path: Path) -> Path:
    """The directory of a run named by itself or by its journal.

    Raises:
        JournalError: When there is no journal in it.
    """
    directory = path.parent if path.name == JOURNAL and not path.is_dir() else path
    if not (directory / JOURNAL).is_file():
        missing = "it is not there" if not directory.exists() else f"it has no {JOURNAL}"
        raise JournalError(f"{path} is not a run: {missing}")
    return directory


def _as_path(text: str) -> Path | None:
    try:
        return run_directory(Path(text).expanduser())
    except (JournalError, OSError, ValueError, RuntimeError):
        return None


def _age(path: Path) -> tuple[str, float]:
    try:
        written = (path / JOURNAL).stat().st_mtime
    except OSError:
        return "", 0.0
    found = _ID.fullmatch(path.name)
    return (found.group(1) if found else _stamp(written), written)


def _stamp(seconds: float) -> str:
    return time.strftime("%y%m%d-%H%M", time.localtime(seconds))
