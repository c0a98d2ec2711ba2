"""What was typed and not applied: kept beside the run, so that neither a closed form nor a killed process loses it.

A draft is no act, so it is never in the journal. It is gone once it is applied or thrown away.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, cast

FILE = "drafts.json"

SAVE_AFTER = 0.3
"""Seconds without a key before what was typed is written."""

MOST = 2_000_000
"""Characters of one draft that are kept in the file; a longer one lives as long as the process."""

Key = tuple[str, str]
"""The address of what a text is for, and the field."""


class Drafts:
    """The drafts of one run, by address and field.

    Args:
        directory: Where the run is kept; None keeps drafts in memory only.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._file = directory / FILE if directory is not None else None
        self._texts: dict[Key, str] = _read(self._file) if self._file is not None else {}
        self._changed = False

    def get(self, key: Key) -> str | None:
        """What was typed there and not applied."""
        return self._texts.get(key)

    def put(self, key: Key, text: str) -> None:
        """Keep a text; in the file from the next `save`."""
        self._changed |= self._texts.get(key) != text
        self._texts[key] = text

    def drop(self, *keys: Key) -> None:
        """Forget texts, in the file too: they were applied or thrown away."""
        for key in keys:
            self._changed |= self._texts.pop(key, None) is not None
        self.save()

    def save(self) -> str | None:
        """Write what changed, whole or not at all.

        Returns:
            Why it could not be written, in words; the texts are still here.
        """
        if self._file is None or not self._changed:
            return None
        try:
            _write(self._file, self._texts)
        except OSError as error:
            return f"What is typed here could not be saved: {error.strerror or type(error).__name__}."
        self._changed = False
        return None

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, key: object) -> bool:
        return key in self._texts


def _read(file: Path) -> dict[Key, str]:
    """The drafts of a file; those of a damaged one are none, for a draft must never be in the way of a run."""
    try:
        found = json.loads(file.read_text(encoding="ascii"))
    except (OSError, ValueError, RecursionError):
        return {}
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    return {(row[0], row[1]): row[2] for row in rows if _is_row(row)}


def _is_row(row: Any) -> bool:
    if not isinstance(row, list):
        return False
    parts = cast("list[Any]", row)
    return len(parts) == 3 and all(isinstance(part, str) for part in parts)


def _write(file: Path, texts: dict[Key, str]) -> None:
    rows = [[id, field, text] for (id, field), text in texts.items() if len(text) <= MOST]
    if not rows:
        file.unlink(missing_ok=True)
        return
    # Made readable by its owner only.
    fd, name = tempfile.mkstemp(dir=file.parent, prefix=".drafts-")
    try:
        with os.fdopen(fd, "w", encoding="ascii") as out:
            json.dump(rows, out)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
