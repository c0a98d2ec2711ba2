"""Keeps up with a journal that another process writes."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from rlm_tui.journal.blobs import FileBlobs, Texts
from rlm_tui.journal.errors import JournalError, reason
from rlm_tui.journal.events import Event, Text
from rlm_tui.journal.places import BLOBS, JOURNAL
from rlm_tui.journal.scan import Scan


class Follower:
    """Reads what is new, whole lines only. It waits for a file that is not there yet.

    Args:
        path: The run's directory, or its journal.

    Attributes:
        path: The run's directory.
        id: The run's id.
        notices: What is damaged or missing, in words. After damage nothing more is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.parent if path.name == JOURNAL and not path.is_dir() else path
        self.id = self.path.name
        self.notices: list[str] = []
        self._scan = Scan()
        self._damage = ""
        self._over = False
        self._texts = Texts(FileBlobs(self.path / BLOBS), self.notices)

    def poll(self, limit: int | None = None) -> list[Event]:
        """The events since the last time, oldest first; none when there is nothing new.

        Args:
            limit: How many at most; the rest is for the next time.

        Raises:
            JournalError: When the file is there and cannot be read.
        """
        if self._over:
            return []
        try:
            # Opened anew, because a buffer may hold the torn line that the writer has cut off since.
            with (self.path / JOURNAL).open("rb") as file:
                found = list(islice(self._scan.events(file), limit))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"cannot read {self.path / JOURNAL}: {reason(error)}") from error
        if not found:
            self._judge()
        return found

    def text(self, value: Text | None, *, strict: bool = False) -> str:
        """The whole text of an event's field, wherever it is kept; see `Texts.text`."""
        return self._texts.text(value, strict=strict)

    def _judge(self) -> None:
        """Damage is what is still there the next time: the first time, the writer may be cutting it off."""
        damage = self._scan.damage() if self._scan.stopped == "damaged" else ""
        if damage and damage == self._damage:
            self._over = True
            self.notices.append(f"{damage}; nothing after it is read")
        self._damage = damage
