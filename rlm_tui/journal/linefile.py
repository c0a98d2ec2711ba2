"""The file a journal is appended to: whole lines or nothing, and on the disk soon after."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rlm_tui.journal import lock
from rlm_tui.journal.blobs import FileBlobs
from rlm_tui.journal.errors import JournalError, reason

SYNC_SECONDS: Final = 0.1
"""The least time between two syncs that nobody waits for."""


def open_locked(path: Path, *, new: bool, notice: Callable[[str], None]) -> int:
    """Open a journal for appending, with the lock that only one process has.

    Args:
        path: The journal file.
        new: Whether it must not be there yet.
        notice: Told when the file system has no locks.

    Raises:
        JournalError: When it cannot be opened, or another process writes it.
    """
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | (os.O_CREAT | os.O_EXCL if new else 0)
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise JournalError(f"cannot write {path}: {reason(error)}") from error
    taken = lock.take(fd)
    if taken == "no":
        os.close(fd)
        raise JournalError(f"{path.parent} is in use: another process writes it; it can be read meanwhile")
    if taken == "unsupported":
        notice("this file system has no locks: nothing keeps a second writer out")
    return fd


class LineFile:
    """Appends lines to an open, locked file. One thread at a time may write.

    A ``write()`` survives the death of this process. Against the loss of power a thread syncs what was written, the
    blobs first, at most every `SYNC_SECONDS`.

    Args:
        fd: The file, from `open_locked`; `close` closes it.
        size: Its length in bytes, of whole lines.
        blobs: What its lines refer to.
        notice: Told, once, when the system cannot sync.
        every: Seconds between two syncs that nobody waits for.
    """

    def __init__(
        self, fd: int, size: int, blobs: FileBlobs, notice: Callable[[str], None], every: float = SYNC_SECONDS
    ) -> None:
        self.size = size
        self._fd = fd
        self._blobs = blobs
        self._notice = notice
        self._every = every
        self._torn = False
        self._failed = False
        self._syncing = threading.Lock()
        self._dirty = threading.Event()
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, line: bytes) -> None:
        """Append one line, whole or not at all.

        Raises:
            JournalError: When there is no room, or the file cannot be written; it ends where it did before.
        """
        try:
            if self._torn:
                self._cut()
            self._torn = True
            left = memoryview(line)
            while left:
                left = left[os.write(self._fd, left) :]
            self._torn = False
        except OSError as error:
            self._undo()
            raise JournalError(f"cannot write the journal: {reason(error)}") from error
        self.size += len(line)
        self._dirty.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._sync_often, name="journal-sync", daemon=True)
            self._thread.start()

    def sync(self) -> None:
        """Return when everything written so far is on the disk, or the system has said that it cannot tell."""
        with self._syncing:
            self._dirty.clear()
            try:
                self._blobs.sync()
                getattr(os, "fdatasync", os.fsync)(self._fd)
            except OSError as error:
                if not self._failed:
                    self._notice(f"the disk does not confirm what was written: {reason(error)}")
                self._failed = True

    def close(self) -> None:
        """Sync, and give the lock and the file up."""
        self._leaving.set()
        self._dirty.set()
        if self._thread is not None:
            self._thread.join()
        self.sync()
        lock.release(self._fd)
        os.close(self._fd)

    def _sync_often(self) -> None:
        while True:
            self._dirty.wait()
            if self._leaving.is_set():
                return
            self.sync()
            self._leaving.wait(self._every)

    def _cut(self) -> None:
        os.ftruncate(self._fd, self.size)
        self._torn = False

    def _undo(self) -> None:
        try:
            self._cut()
        except OSError:
            # Tried again before the next line; until then readers see an unfinished line, which none takes for one.
            self._torn = True
