"""Long texts, each under the SHA-256 of its bytes: in files beside a journal, or in memory with one."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from rlm_tui.journal.errors import JournalError, reason
from rlm_tui.journal.events import Blob, Text
from rlm_tui.journal.wire import is_hash

HEAD: Final = 256
"""Characters of a long text that its event keeps."""

CACHE_CHARACTERS: Final = 8_000_000
"""How much text is kept at hand after it was read."""

_TEMPORARY = ".tmp"


def placeholder(blob: Blob) -> str:
    """The line that stands for a text whose file is gone or damaged."""
    return f"[the text is missing: {blob.length:,} characters, blob {blob.sha256[:12]}]"


class Blobs(Protocol):
    """Where a journal keeps its long texts."""

    def put(self, text: str) -> Blob:
        """Keep a text and name it; a text that is there already is not kept twice."""
        ...

    def bytes_of(self, name: str) -> bytes | None:
        """The bytes under a name, None when they are missing or are not what the name says."""
        ...

    def take(self, name: str, source: Blobs) -> None:
        """Have what another journal has under a name; what it lacks too stays missing."""
        ...

    def sync(self) -> None:
        """Return when everything kept so far is on the disk."""
        ...


class MemoryBlobs:
    """Long texts in memory."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, text: str) -> Blob:
        """Keep a text and name it."""
        data, blob = _named(text)
        self._kept.setdefault(blob.sha256, data)
        return blob

    def bytes_of(self, name: str) -> bytes | None:
        """The bytes under a name, None when they are missing."""
        return self._kept.get(name)

    def take(self, name: str, source: Blobs) -> None:
        """Have what another journal has under a name."""
        if name not in self._kept and (data := source.bytes_of(name)) is not None:
            self._kept[name] = data

    def sync(self) -> None:
        """Nothing to wait for."""


class FileBlobs:
    """Long texts as files of a directory, which is made when the first one is kept.

    A file is written under another name and renamed, so what has a blob's name is whole.

    Args:
        folder: The run's ``blobs`` directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: set[str] = set()
        self._unsynced: list[str] = []
        self._lock = threading.Lock()

    def put(self, text: str) -> Blob:
        """Keep a text and name it.

        Raises:
            JournalError: When it cannot be written; nothing of it is left then.
        """
        data, blob = _named(text)
        if not self._has(blob.sha256, len(data)):
            self._write(blob.sha256, data)
        return blob

    def bytes_of(self, name: str) -> bytes | None:
        """The bytes under a name, None when they are missing or are not what the name says."""
        if not is_hash(name):
            return None
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == name else None

    def take(self, name: str, source: Blobs) -> None:
        """Have what another journal has under a name: the same file where the file system can, else a copy.

        Raises:
            JournalError: When it cannot be written.
        """
        if not is_hash(name) or name in self._known:
            return
        if isinstance(source, FileBlobs):
            try:
                self.folder.mkdir(exist_ok=True)
                os.link(source.folder / name, self.folder / name)
                self._remember(name)
                return
            except OSError:
                # No hard links here, another file system, or it is there already: the copy below tells.
                pass
        if (data := source.bytes_of(name)) is not None and not self._has(name, len(data)):
            self._write(name, data)

    def sync(self) -> None:
        """Return when everything kept so far is on the disk.

        Raises:
            OSError: When the system says it is not.
        """
        with self._lock:
            names, self._unsynced = self._unsynced, []
        for name in names:
            _fsync(self.folder / name, os.O_RDWR)
        if names and os.name == "posix":
            _fsync(self.folder, os.O_RDONLY)

    def sweep(self) -> None:
        """Remove what a crash left half-written; only for the one writer."""
        for left in self.folder.glob(f"*{_TEMPORARY}"):
            left.unlink(missing_ok=True)

    def _has(self, name: str, size: int) -> bool:
        if name in self._known:
            return True
        try:
            there = (self.folder / name).stat().st_size == size
        except OSError:
            return False
        if there:
            self._remember(name)
        return there

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.folder / (name + _TEMPORARY)
        try:
            self.folder.mkdir(exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(self.folder / name)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise JournalError(f"cannot write in {self.folder.parent}: {reason(error)}") from error
        self._remember(name)

    def _remember(self, name: str) -> None:
        self._known.add(name)
        with self._lock:
            self._unsynced.append(name)


class Texts:
    """Reads long texts, with the latest ones at hand. Safe to use from any thread.

    Args:
        blobs: Where they are.
        notices: Gets a line for each text that is missing.
    """

    def __init__(self, blobs: Blobs, notices: list[str]) -> None:
        self._blobs = blobs
        self._notices = notices
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def text(self, value: Text | None, *, strict: bool = False) -> str:
        """The whole text, wherever it is kept; empty for None.

        Args:
            value: What an event's field has.
            strict: Whether the text is to be acted on, so that nothing may stand in its place.

        Returns:
            The text; one line that says so where it is missing or damaged.

        Raises:
            JournalError: When it is missing or damaged, and ``strict``.
        """
        if not isinstance(value, Blob):
            return value or ""
        found = self._get(value)
        if found is not None:
            return found
        line = placeholder(value)
        if line not in self._notices:
            self._notices.append(line)
        if strict:
            raise JournalError(line.strip("[]"))
        return line

    def _get(self, blob: Blob) -> str | None:
        with self._lock:
            if (found := self._cache.get(blob.sha256)) is not None:
                self._cache.move_to_end(blob.sha256)
                return found
        data = self._blobs.bytes_of(blob.sha256)
        if data is None:
            return None
        try:
            text = data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return None
        with self._lock:
            if blob.sha256 not in self._cache:
                self._cache[blob.sha256] = text
                self._size += len(text)
            while self._size > CACHE_CHARACTERS and len(self._cache) > 1:
                self._size -= len(self._cache.popitem(last=False)[1])
        return text


def _named(text: str) -> tuple[bytes, Blob]:
    data = text.encode("utf-8", "surrogatepass")
    sha256 = hashlib.sha256(data).hexdigest()
    return data, Blob.model_construct(sha256=sha256, length=len(text), head=text[:HEAD])


def _fsync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
