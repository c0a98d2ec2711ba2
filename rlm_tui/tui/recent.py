"""The runs of a folder as home lists them: read in a thread that is not the screen's, newest first."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from rlm_tui.journal.places import list_runs
from rlm_tui.journal.summary import Summary, summarize


class Recent:
    """The runs of a folder.

    Args:
        runs: The folder; it need not exist.

    Attributes:
        all: What was read of them, newest first; replaced, or longer, when there is more.
        total: How many there are, as far as that is known.
        known: Whether all of them were read once.
        version: Counts how often what is here changed.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._reading = Lock()
        self._over = False
        self.all: list[Summary] = []
        self.total = 0
        self.known = False
        self.version = 0

    def close(self) -> None:
        """Nobody looks any more: read no further journal."""
        self._over = True

    def read(self) -> None:
        """Read all of them. In a thread of its own: of a long run that takes a moment."""
        with self._reading:
            paths = list_runs(self._runs)
            # The first time each is shown as it is read; later on what is shown stays until all are read again.
            found = list[Summary]() if self.known else self.all
            found.clear()
            self.total = len(paths)
            for path in paths:
                if self._over:
                    return
                found.append(summarize(path))
                self.version += 0 if self.known else 1
            self.all, self.known = found, True
            self.version += 1

    def look_again(self) -> None:
        """Read again only those that somebody writes. In a thread of its own."""
        with self._reading:
            for n, one in enumerate(self.all):
                if one.state == "running" and not self._over:
                    self.all[n] = summarize(one.path)
            self.version += 1

    @property
    def moving(self) -> bool:
        """Whether any of them is being written."""
        return any(one.state == "running" for one in list(self.all))
