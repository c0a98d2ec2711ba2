"""What people do to runs that are kept: look for words in them, name them, make notes, and delete them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from rlm_tui.journal import address
from rlm_tui.journal.errors import JournalError, reason
from rlm_tui.journal.events import NAME, Edit
from rlm_tui.journal.places import run_directory
from rlm_tui.journal.store import Journal, in_use
from rlm_tui.journal.summary import Summary


def search(runs: Iterable[Summary], words: str) -> Iterator[Summary]:
    """The runs in which every word occurs: in the id, name, question, answer, model, scenario or notes.

    Args:
        runs: What to look through.
        words: Words, in any order; capitals do not count.
    """
    wanted = words.casefold().split()
    for one in runs:
        texts = (one.id, one.name, one.question, one.answer or "", one.model, one.scenario or "", *one.notes)
        where = "\n".join(texts).casefold()
        if all(word in where for word in wanted):
            yield one


def rename(path: Path, name: str) -> None:
    """Give a run a name; an empty one takes it back.

    Args:
        path: The run's directory.
        name: Any text; lists show its beginning, on one line.

    Raises:
        JournalError: When another process writes the run, or it can't be written.
    """
    _write(path, Edit(id=address.ROOT, field="note", value=name.strip(), note=NAME, by="human"))


def note(path: Path, text: str) -> None:
    """Keep a remark by a run.

    Raises:
        JournalError: As for `rename`.
    """
    _write(path, Edit(id=address.ROOT, field="note", value=text, by="human"))


def delete(path: Path) -> None:
    """Delete a run with everything of it. Its branches stay, and need nothing of it.

    Args:
        path: The run's directory.

    Raises:
        JournalError: When it is no run, a process writes it, or it can't be deleted.
    """
    directory = run_directory(path)
    if in_use(directory):
        raise JournalError(f"{directory.name} is being written by a process; end that first")
    # Out of the list first: half a deleted run must not look like a run.
    gone = directory.with_name(f".deleted-{directory.name}")
    try:
        directory.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise JournalError(f"cannot delete {directory.name}: {reason(error)}") from error


def size(path: Path) -> int:
    """Bytes of a run's files. A long text that it shares with its branches is counted in each of them."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += 0 if file.is_dir() else file.stat().st_size
        except OSError:
            continue
    return total


def _write(path: Path, edit: Edit) -> None:
    journal = Journal.open(path)
    try:
        journal.append(edit)
    finally:
        journal.close()
