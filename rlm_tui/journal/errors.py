"""What can go wrong with a journal."""

from __future__ import annotations

import errno


class JournalError(Exception):
    """One clear line for a person: not a run, locked, damaged, disk full, no permission, a newer format."""


def reason(error: OSError) -> str:
    """Why a file could not be used, in the words of a person rather than of the system."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "the disk is full"
        case errno.EFBIG:
            return "the file has reached the largest size allowed"
        case errno.EACCES | errno.EPERM:
            return "permission denied"
        case errno.EROFS:
            return "the file system is read-only"
        case errno.ENOENT:
            return "it is not there"
        case _:
            return error.strerror or type(error).__name__
