"""Reads the lines of a journal from where it got to, as far as they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal

from rlm_tui.journal.events import Event, Unknown
from rlm_tui.journal.wire import BadLine, decode

Stop = Literal["end", "torn", "damaged"]


class Scan:
    """How far a journal was read.

    Attributes:
        end: The offset, in bytes, after the last event that was read.
        count: How many events that is; the next one's ``seq``.
        unknown: How many of them are of a newer version.
        stopped: ``end`` of the file; ``torn``, the last line is unfinished or no event; ``damaged``, a line before the
            last is no event.
        why: What is wrong with the line after ``end``, when something is.
    """

    def __init__(self) -> None:
        self.end = 0
        self.count = 0
        self.unknown = 0
        self.stopped: Stop = "end"
        self.why = ""

    def events(self, file: BinaryIO, until: int | None = None) -> Iterator[Event]:
        """The events from ``end`` on. The attributes say how it went once this is exhausted.

        Args:
            file: The journal, open for reading.
            until: Where to stop though there may be more, in bytes.
        """
        file.seek(self.end)
        while until is None or self.end < until:
            line = file.readline()
            event = self._event(line) if line else None
            if event is None:
                self.stopped = self._stop(line, file)
                return
            self.end += len(line)
            self.count += 1
            self.unknown += isinstance(event, Unknown)
            yield event
        self.stopped = "end"

    def _event(self, line: bytes) -> Event | None:
        if not line.endswith(b"\n"):
            self.why = "it is unfinished"
            return None
        try:
            event = decode(line)
        except BadLine as error:
            self.why = str(error)
            return None
        if event.seq != self.count:
            self.why = f"its number is {event.seq} where {self.count} was due"
            return None
        return event

    def _stop(self, line: bytes, file: BinaryIO) -> Stop:
        if not line:
            return "end"
        # Only the last line can be without an end; what has come after it by now is the rest of it.
        return "damaged" if line.endswith(b"\n") and file.read(1) else "torn"

    def damage(self) -> str:
        """The damage in words, with the number of the line, from 1."""
        return f"line {self.count + 1} is damaged: {self.why}"

    def newer(self) -> list[str]:
        """What to tell about events of a newer version: one line, or none."""
        if not self.unknown:
            return []
        subject = "1 event is" if self.unknown == 1 else f"{self.unknown:,} events are"
        return [f"{subject} from a newer version, and kept as they came"]
