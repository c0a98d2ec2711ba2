"""Branches: a new run with the causal past of one point of another, and where it opens."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from threading import Thread

from rlm_tui.debugger.edits import LEGAL, fits
from rlm_tui.debugger.likeness import Change
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Edit, Point
from rlm_tui.journal.fork import fork
from rlm_tui.journal.store import Journal, Reader

UNFINISHED = ".unfinished"
"""The folder of branches that are being written."""


def branch(
    source: Journal | Reader,
    at: str,
    point: Point,
    change: Change | None = None,
    why: str = "",
    *,
    changed: bool = False,
) -> Path:
    """Make a branch beside a run, which is not touched and goes on as it does.

    Args:
        source: The run's journal.
        at: The address it begins at.
        point: The point there.
        change: What is changed there at once, if anything.
        why: A remark to keep with it.
        changed: Whether it begins with what was changed there in the run.

    Returns:
        The branch's directory.

    Raises:
        JournalError: When there is no such point in the run, the change is none of that point's, or the branch can't
            be written.
    """
    if source.path is None:
        raise JournalError("this run is kept nowhere, so there is no place for a branch of it")
    edits: list[Edit] = []
    if change is not None:
        if change.field not in LEGAL.get(point, ()) or not fits(change.field, change.value):
            raise JournalError(f"that can't be made the {change.field} at {point}")
        edits.append(Edit(id=at, field=change.field, value=change.value, was=change.was, by="human"))
    # Under another name until it is whole: half a branch would ask again for what it lacks.
    made = Journal.create(source.path.parent / UNFINISHED)
    assert made.path is not None
    try:
        fork(source, made, at, point, edits=edits, changed=changed, why=why)
        made.close()
        return made.path.rename(source.path.parent / made.id)
    except BaseException:
        made.close()
        rmtree(made.path, ignore_errors=True)
        raise
    finally:
        with suppress(OSError):
            made.path.parent.rmdir()


def aside(make: Callable[[], Path]) -> Future[Path | str]:
    """Make a branch in a thread of its own: its run goes on meanwhile. A text is why there is none."""
    future: Future[Path | str] = Future()

    def work() -> None:
        try:
            future.set_result(make())
        except (JournalError, OSError) as error:
            future.set_result(str(error))
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it is
            future.set_exception(error)

    Thread(target=work, name="rlm-branch", daemon=True).start()
    return future
