"""One process writes a journal.

On POSIX the lock is ``flock`` on the journal itself; the system drops it with the process. On Windows it is one byte,
locked far beyond any end of the file, so that readers are not in its way. A file system without locks gives none.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import Final, Literal

_PROBE_SECONDS: Final = 0.2
"""How long to go on trying: someone who only looks whether a run is written holds the lock for an instant."""

Taken = Literal["yes", "no", "unsupported"]


def take(fd: int) -> Taken:
    """Lock an open file, without waiting for another process that means to keep it."""
    until = time.monotonic() + _PROBE_SECONDS
    while (taken := _try(fd, alone=True)) == "no" and time.monotonic() < until:
        time.sleep(0.01)
    return taken


def is_taken(fd: int) -> bool:
    """Whether someone else has an open file locked right now."""
    taken = _try(fd, alone=False)
    if taken == "yes":
        release(fd)
    return taken == "no"


if sys.platform == "win32":
    import msvcrt

    _FAR: Final = 0x7FFF_FFF0

    def _try(fd: int, *, alone: bool) -> Taken:
        os.lseek(fd, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return "no"
        return "yes"

    def release(fd: int) -> None:
        """Give the lock up."""
        os.lseek(fd, _FAR, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try(fd: int, *, alone: bool) -> Taken:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            return "no" if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else "unsupported"
        return "yes"

    def release(fd: int) -> None:
        """Give the lock up."""
        fcntl.flock(fd, fcntl.LOCK_UN)
