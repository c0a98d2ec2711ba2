"""One run on disk: ``journal.jsonl``, append only and with one writer, and ``blobs/`` for long texts.

A line is written before the act it announces, and before anyone sees the outcome it remembers. What a crash can leave
is an unfinished last line; the next writer cuts it off and says so, and nothing else is ever cut.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rlm_tui.journal import lock
from rlm_tui.journal.blobs import Blobs, FileBlobs, MemoryBlobs, Texts
from rlm_tui.journal.errors import JournalError, reason
from rlm_tui.journal.events import FORMAT, Edit, Event, RunEnd, Text
from rlm_tui.journal.linefile import LineFile, open_locked
from rlm_tui.journal.places import BLOBS, JOURNAL, find_run, list_runs, new_id, run_directory, runs_dir
from rlm_tui.journal.scan import Scan
from rlm_tui.journal.wire import blobs_in, encode, stow

Clock = Callable[[], float]
Sink = Callable[[Event], None]

_FIRST: Final = b'{"seq":0,"t":'
"""How every journal begins."""


class Journal:
    """The one writer of a run. Made by `create`, `open` or `memory`.

    Any thread may append; the others wait. Texts are read from any thread.

    Attributes:
        path: The run's directory; None in memory.
        id: The run's id.
        notices: What was cut, is damaged or is missing, in words.
        blobs: Where its long texts are.
        closed: Whether `close` was called.
    """

    def __init__(self, path: Path | None, id: str, blobs: Blobs, clock: Clock, notices: list[str]) -> None:
        self.path = path
        self.id = id
        self.notices = notices
        self.closed = False
        self.blobs = blobs
        self._texts = Texts(blobs, notices)
        self._clock = clock
        self._next = 0
        self._file: LineFile | None = None
        self._memory: list[Event] = []
        self._loaded: list[Event] | None = None
        self._sinks: list[Sink] = []
        self._due: deque[Event] = deque()
        self._delivering = False
        self._lock = threading.RLock()

    @classmethod
    def create(cls, runs_dir: Path, *, run_id: str | None = None, clock: Clock = time.time) -> Journal:
        """Begin a run in a directory of its own, readable by its owner only.

        Args:
            runs_dir: Where runs are; made if need be.
            run_id: Its id, when it is not to be a fresh one.
            clock: Seconds since the epoch.

        Raises:
            JournalError: When it is there already, or cannot be made.
        """
        path = _make_directory(runs_dir, run_id, clock)
        notices: list[str] = []
        blobs = FileBlobs(path / BLOBS)
        journal = cls(path, path.name, blobs, clock, notices)
        fd = open_locked(path / JOURNAL, new=True, notice=notices.append)
        journal._file = LineFile(fd, 0, blobs, notices.append)
        return journal

    @classmethod
    def memory(cls, *, clock: Clock = time.time) -> Journal:
        """A journal that no file has."""
        return cls(None, new_id(clock()), MemoryBlobs(), clock, [])

    @classmethod
    def open(cls, path: Path, *, clock: Clock = time.time) -> Journal:
        """Go on writing a run. A last line that is unfinished or no event is cut off, with a notice.

        Args:
            path: The run's directory, or its journal.
            clock: Seconds since the epoch.

        Raises:
            JournalError: When it is not a run, another process writes it, it is damaged before its last line, a newer
                version wrote it, or it cannot be written. The file is as it was then.
        """
        directory = run_directory(path)
        notices: list[str] = []
        blobs = FileBlobs(directory / BLOBS)
        fd = open_locked(directory / JOURNAL, new=False, notice=notices.append)
        try:
            scan, events = _load(directory)
            if scan.stopped != "end":
                os.ftruncate(fd, scan.end)
                notices.append(f"line {scan.count + 1} was cut off: {scan.why}")
            blobs.sweep()
        except OSError as error:
            os.close(fd)
            raise JournalError(f"cannot write {directory / JOURNAL}: {reason(error)}") from error
        except BaseException:
            os.close(fd)
            raise
        journal = cls(directory, directory.name, blobs, clock, notices + scan.newer())
        journal._next, journal._loaded = scan.count, events
        journal._file = LineFile(fd, scan.end, blobs, journal.notices.append)
        return journal

    def append(self, event: Event) -> Event:
        """Write one event, and hand it to the subscribers.

        Its long texts are written first. ``edit`` and ``run.end`` are on the disk when this returns; of the others a
        loss of power may take what was written in the last 100 ms, the death of this process takes nothing.

        Args:
            event: The event; its ``seq`` and ``t`` are given here.

        Returns:
            The event as the journal has it: numbered, stamped, its long texts replaced by blobs.

        Raises:
            JournalError: When the journal is closed, or the event cannot be written; nothing of it is there then.
        """
        return self._add(event, None)

    def copy(self, event: Event, source: Journal | Reader) -> Event:
        """Write an event of another run, at its own time and with a number of this one.

        Its long texts are linked to the same files where the file system can, so that either run can be deleted.

        Raises:
            JournalError: As for `append`.
        """
        for name in blobs_in(event):
            self.blobs.take(name, source.blobs)
        return self._add(event, event.t)

    def subscribe(self, sink: Sink) -> None:
        """Hand every event from now on to a function, in the writer's thread and in order.

        One that raises is dropped, with a notice: a watcher cannot end a run.
        """
        with self._lock:
            self._sinks.append(sink)

    def unsubscribe(self, sink: Sink) -> None:
        """Hand nothing more to a function; one that is not subscribed is no error."""
        with self._lock:
            self._sinks = [other for other in self._sinks if other != sink]

    def events(self) -> Iterator[Event]:
        """All events there are now, from the first."""
        with self._lock:
            if self.path is None or self._file is None:
                return iter(list(self._memory))
            loaded, self._loaded = self._loaded, None
            if loaded is not None and len(loaded) == self._next:
                return iter(loaded)
            return _events(self.path, self._file.size)

    def text(self, value: Text | None, *, strict: bool = False) -> str:
        """The whole text of an event's field, wherever it is kept; see `Texts.text`."""
        return self._texts.text(value, strict=strict)

    def close(self) -> None:
        """Sync, and let others write. Events and texts can still be read; a second time does nothing."""
        with self._lock:
            if not self.closed and self._file is not None:
                self._file.close()
            self.closed = True

    def _add(self, event: Event, t: float | None) -> Event:
        with self._lock:
            if self.closed:
                raise JournalError("the journal is closed")
            now = round(self._clock(), 6) if t is None else t
            kept = stow(event.model_copy(update={"seq": self._next, "t": now}), self.blobs.put)
            line = encode(kept)
            if self._file is None:
                self._memory.append(kept)
            else:
                self._file.write(line)
            self._next += 1
            self._loaded = None
            if self._file is not None and isinstance(kept, Edit | RunEnd):
                self._file.sync()
            self._due.append(kept)
            self._deliver()
            return kept

    def _deliver(self) -> None:
        """Hand on what is due. A subscriber that appends does not get ahead of the others."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._due:
                event = self._due.popleft()
                for sink in list(self._sinks):
                    try:
                        sink(event)
                    except Exception as error:  # noqa: BLE001 - whatever a watcher does wrong, the run goes on
                        self.unsubscribe(sink)
                        self.notices.append(f"a subscriber was dropped: {type(error).__name__}: {error}")
        finally:
            self._delivering = False


class Reader:
    """A run to look at; another process may be writing it. Made by `read`.

    Attributes:
        path: The run's directory.
        id: The run's id.
        notices: What is damaged, unfinished or missing, in words; about the lines, once `events` went through them.
        blobs: Where its long texts are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.notices: list[str] = []
        self.blobs = FileBlobs(path / BLOBS)
        self._texts = Texts(self.blobs, self.notices)

    def events(self) -> Iterator[Event]:
        """All events there are, from the first, up to the first damage."""
        scan = Scan()
        with (self.path / JOURNAL).open("rb") as file:
            yield from scan.events(file)
        for notice in _notices(scan):
            if notice not in self.notices:
                self.notices.append(notice)

    def text(self, value: Text | None, *, strict: bool = False) -> str:
        """The whole text of an event's field, wherever it is kept; see `Texts.text`."""
        return self._texts.text(value, strict=strict)


def read(path: Path) -> Reader:
    """Look at a run without a lock.

    Args:
        path: The run's directory, or its journal.

    Raises:
        JournalError: When it is not a run, or may not be read.
    """
    directory = run_directory(path)
    try:
        with (directory / JOURNAL).open("rb") as file:
            _check_ours(directory, file.read(len(_FIRST)))
    except OSError as error:
        raise JournalError(f"cannot read {directory / JOURNAL}: {reason(error)}") from error
    return Reader(directory)


def in_use(path: Path) -> bool:
    """Whether a process writes a run right now.

    Raises:
        JournalError: When it is not a run, or may not be read.
    """
    journal = run_directory(path) / JOURNAL
    try:
        with journal.open("rb") as file:
            return lock.is_taken(file.fileno())
    except OSError as error:
        raise JournalError(f"cannot read {journal}: {reason(error)}") from error


def _make_directory(runs: Path, run_id: str | None, clock: Clock) -> Path:
    if run_id is not None and (Path(run_id).name != run_id or run_id in ("", "..") or "\0" in run_id):
        raise JournalError(f"{run_id!r} cannot be a run's id")
    while True:
        path, there = runs / (run_id or new_id(clock())), False
        try:
            runs.mkdir(parents=True, exist_ok=True)
            there = True
            path.mkdir(mode=0o700)
        except FileExistsError as error:
            if run_id is not None or not runs.is_dir():
                raise JournalError(f"{path if runs.is_dir() else runs} is there already") from error
        except OSError as error:
            if there and isinstance(error, FileNotFoundError):
                # Branches that are made beside this one remove their folder when they leave it empty.
                continue
            raise JournalError(f"cannot make {path}: {reason(error)}") from error
        else:
            return path


def _load(directory: Path) -> tuple[Scan, list[Event]]:
    scan = Scan()
    with (directory / JOURNAL).open("rb") as file:
        _check_ours(directory, file.read(len(_FIRST)))
        events = list(scan.events(file))
    if scan.stopped == "damaged":
        raise JournalError(f"{directory / JOURNAL}: {scan.damage()}; it can be read up to there")
    written = getattr(events[0], "format", None) if events else None
    if isinstance(written, int) and written > FORMAT:
        raise JournalError(
            f"{directory} has format {written}, of a newer version; this one writes {FORMAT} and can only read it"
        )
    return scan, events


def _check_ours(directory: Path, beginning: bytes) -> None:
    """A file that is not a journal is never cut. Nulls are what a loss of power can leave of a first line."""
    if not (_FIRST.startswith(beginning) or not beginning.strip(b"\0")):
        raise JournalError(f"{directory} is not a run: {JOURNAL} does not begin as a journal does")


def _events(directory: Path, until: int) -> Iterator[Event]:
    with (directory / JOURNAL).open("rb") as file:
        yield from Scan().events(file, until)


def _notices(scan: Scan) -> list[str]:
    match scan.stopped:
        case "damaged":
            stop = [f"{scan.damage()}; this is what is before it"]
        case "torn":
            stop = [f"line {scan.count + 1} is left out: {scan.why}"]
        case _:
            stop = []
    return stop + scan.newer()


__all__ = [
    "Journal", "JournalError", "Reader", "find_run", "in_use", "list_runs", "read", "runs_dir",
]  # fmt: skip
