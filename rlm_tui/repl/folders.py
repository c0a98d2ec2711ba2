"""Removing what a worker leaves on the disk. Runs on both sides."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

TRIES = 3
"""How often a folder is emptied in which something that is just ending still makes files."""


def remove(folder: Path) -> None:
    """Remove a folder with everything in it: of any mode, any depth, and never through a link.

    What cannot be removed is left.
    """
    for _ in range(TRIES):
        for place in reversed(_emptied(folder)):
            try:
                place.rmdir()
            except OSError:
                continue
        if not os.path.lexists(folder):
            return


def _emptied(folder: Path) -> list[Path]:
    """Remove the files of a folder, and bring every folder in it up into it, so that no path becomes long."""
    if folder.is_symlink():
        return []
    folders = [folder]
    numbers = itertools.count()
    mark = os.urandom(8).hex()
    for place in folders:
        try:
            with os.scandir(_opened(place)) as entries:
                found = list(entries)
        except OSError:
            continue
        for entry in found:
            path = Path(entry.path)
            try:
                if entry.is_dir(follow_symlinks=False):
                    # A folder must be writable to be moved.
                    folders.append(_opened(path).rename(folder / f"{mark}-{next(numbers)}"))
                else:
                    path.unlink()
            except OSError:
                continue
    return folders


def _opened(folder: Path) -> Path:
    """Give ourselves every right to a folder, and return it."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(0o700)
    return folder
