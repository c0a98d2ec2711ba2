"""The breakpoints of a project, in a plain file, and those of one run. From any thread."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from rlm_tui.debugger.language import BreakpointError, Rule, parse
from rlm_tui.debugger.likeness import Breakpoint, BreakpointsLike, Refusal
from rlm_tui.journal import address
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Call

OFF = "off "
"""How a line of the file begins whose breakpoint is off."""
LARGEST = 1 << 16
"""Bytes of a file that is read."""
CHANGED = "The file was changed meanwhile; this is what it says now."
GONE = "There is no such breakpoint."
_HERE = re.compile(r"(\s*(?:\*|\w+)\s*)@(here|subtree)\b(?!\s*[\"'])")


@dataclass(slots=True, eq=False)
class Entry:
    """One line of the file, or one breakpoint of this run.

    Attributes:
        line: As written, without ``off``; a comment or an empty line as it stands.
        rule: As read; None when it is no breakpoint.
        on: Whether it is on.
        spent: Whether it is off for the rest of this run: it acts once and has, or its condition raised.
        hits: How often it fitted.
        error: Why it is none, or what its condition raised.
        at: Where the error is.
        kept: Whether it is in the file.
        about: The thing it was set at by a key; empty otherwise.
    """

    line: str
    rule: Rule | None = None
    on: bool = True
    spent: bool = False
    hits: int = 0
    error: str = ""
    at: int = -1
    kept: bool = True
    about: str = ""

    @property
    def listed(self) -> bool:
        """Whether it is a breakpoint, or was meant to be one."""
        return bool(self.line.strip()) and not self.line.lstrip().startswith("#")

    def shown(self) -> Breakpoint:
        """As a person sees it."""
        return Breakpoint(self.line.strip(), self.working, self.hits, self.error, self.at, self.kept)

    @property
    def working(self) -> bool:
        """Whether it is on now."""
        return self.on and not self.spent


def entry(line: str, here: str, *, kept: bool = True) -> Entry:
    """What a line is; one that is no breakpoint says why."""
    on = not line.lstrip().startswith(OFF)
    made = Entry(line if on else line.lstrip().removeprefix(OFF), on=on, kept=kept)
    if made.listed:
        try:
            made.rule = parse(made.line.strip(), here)
            if kept and made.rule.act == "set":
                # Such a file may come from anywhere, and where a context is sent is not for it to say.
                made.rule, made.error = None, "set is not obeyed from a file: give it with --break, or type it here."
        except BreakpointError as error:
            made.error, made.at = str(error), error.at
    return made


class Breakpoints:
    """The breakpoints of a project, and those given for this run.

    The file has one a line; ``#`` begins a comment, and ``off`` before a breakpoint turns it off. A line that is no
    breakpoint is shown as such, never obeyed and never lost. What was changed in it by hand is read before each
    change that is made here.

    Args:
        path: The file; None keeps nothing.
        given: Further ones, for this run only.

    Attributes:
        here: The node that ``here`` and ``subtree`` mean in a breakpoint that is added.
        run: The run they apply to, once there is one.
        version: Changes with every change.
    """

    def __init__(self, path: Path | None = None, given: Sequence[str] = ()) -> None:
        self._path = path
        self._lock = RLock()
        self.here = address.ROOT
        self.run: Run | None = None
        self.version = 0
        self._read: str = ""
        self._kept: list[Entry] = []
        self._own = [entry(line, address.ROOT, kept=False) for line in given]
        self.notice = self._load()

    @property
    def path(self) -> str:
        """The file they are kept in; empty when there is none."""
        return "" if self._path is None else str(self._path)

    # The file -----------------------------------------------------------------------------------------------------

    def _load(self) -> str:
        """Read the file if it says something else than before; why it can't be read, in words."""
        try:
            text = self._text()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return f"The breakpoints in {self._path} can't be read: {reason}."
        if text != self._read:
            known = {each.line: each for each in self._kept}
            # Not `splitlines`: a text in quotes may have what that takes for the end of a line.
            lines = text.removesuffix("\n").split("\n") if text else []
            self._kept = [entry(line, address.ROOT) for line in lines]
            for each in self._kept:
                if (before := known.get(each.line)) is not None:
                    each.hits, each.spent = before.hits, before.spent
                    each.error, each.at = (before.error, before.at) if before.spent else (each.error, each.at)
            self._read = text
            self.version += 1
        return ""

    def _text(self) -> str:
        if self._path is None or not self._path.exists():
            return ""
        if not self._path.is_file():
            # Such as a terminal or a pipe, where reading waits.
            raise OSError(0, "it is no plain file")
        with self._path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise OSError(0, "it is too large")
        return data.decode("utf-8-sig")

    def _save(self) -> Refusal:
        if self._path is None:
            return None
        text = "".join(f"{'' if each.on else OFF}{each.line}\n" for each in self._kept)
        if text == self._read:
            return None
        try:
            if len(data := text.encode("utf-8")) > LARGEST:
                return f"It holds for this run, but {self._path} would be too large to be read again."
            _replace(self._path, data)
        except (OSError, UnicodeEncodeError) as error:
            return f"It holds for this run, but can't be kept in {self._path}: {error}."
        self._read = text
        return None

    # What there is ------------------------------------------------------------------------------------------------

    def _listed(self) -> list[Entry]:
        return [each for each in (*self._kept, *self._own) if each.listed]

    def all(self) -> Sequence[Breakpoint]:
        """Every breakpoint: those of the file in its order, then those of this run."""
        with self._lock:
            return [each.shown() for each in self._listed()]

    def active(self) -> list[Entry]:
        """Those that are on and can be obeyed."""
        with self._lock:
            return [each for each in self._listed() if each.working and each.rule is not None]

    def check(self, text: str) -> Breakpoint:
        """What a line would be, without adding it."""
        return entry(text.strip(), self.here, kept=False).shown()

    # Changing -----------------------------------------------------------------------------------------------------

    def add(self, text: str) -> Refusal:
        """Add one, which is on."""
        with self._lock:
            made = entry(_anchored(text.strip(), self.here), self.here, kept=False)
            if made.rule is None:
                return made.error or "There is nothing to add."
            # One that speaks of this run's own things is of no use in another.
            made.kept = self._path is not None and made.rule.act != "set" and not _is_of_this_run(made.rule)
            if made.kept and (why := self._load()):
                return why
            (self._kept if made.kept else self._own).append(made)
            return self._changed()

    def change(self, index: int, text: str) -> Refusal:
        """Put another in the place of one."""
        with self._lock:
            made = entry(_anchored(text.strip(), self.here), self.here, kept=False)
            if made.rule is None:
                return made.error or "There is nothing to put there."
            found = self._at(index)
            if isinstance(found, str):
                return found
            if found.kept and made.rule.act == "set":
                return "set is not obeyed from a file; add it as a new one, which is for this run."
            found.line, found.rule, found.on, found.spent = made.line, made.rule, made.on, False
            found.error, found.at, found.hits = "", -1, 0
            return self._changed()

    def remove(self, index: int) -> Refusal:
        """Take one away."""
        with self._lock:
            found = self._at(index)
            if isinstance(found, str):
                return found
            (self._kept if found.kept else self._own).remove(found)
            return self._changed()

    def turn(self, index: int, on: bool) -> Refusal:
        """Turn one on or off."""
        with self._lock:
            found = self._at(index)
            if isinstance(found, str):
                return found
            if on and found.rule is None:
                return "It can't be turned on as it stands; change it first."
            found.on = on
            if on:
                found.error, found.at, found.spent = "", -1, False
            return self._changed()

    def _at(self, index: int) -> Entry | str:
        before = self.version
        why = self._load()
        if self.version != before:
            # What is shown is not what a person meant to change.
            return CHANGED
        listed = self._listed()
        if not 0 <= index < len(listed):
            return GONE
        return why if why and listed[index].kept else listed[index]

    def _changed(self) -> Refusal:
        self.version += 1
        return self._save()

    # At a thing of the run ----------------------------------------------------------------------------------------

    def toggle_at(self, id: str) -> Refusal:
        """Set a breakpoint at a thing of this run, or take away the one that is there."""
        with self._lock:
            there = [each for each in self._own if each.about == id]
            if there:
                self._own = [each for each in self._own if each.about != id]
                return self._changed()
            made = entry(self._line_at(id), address.ROOT, kept=False)
            made.about = id
            self._own.append(made)
            return self._changed()

    def _line_at(self, id: str) -> str:
        for suffix, point in (("/obs", "observe"), ("/answer", "final")):
            if id.endswith(suffix):
                return f'{point} @"{id.removesuffix(suffix)}"'
        if address.is_node(id):
            call = self.run.calls.get(id) if self.run is not None else None
            return f'{_point_of(call)} @"{id}"'
        return f'{"block" if "/b" in id.rsplit("~", 1)[-1] else "llm"} @"{id}"'

    def marks(self, id: str) -> Sequence[int]:
        """Which breakpoints were set at this very thing, as numbers in `all`."""
        with self._lock:
            if not any(each.about == id for each in self._own):
                return ()
            return [n for n, each in enumerate(self._listed()) if each.about == id]

    # Obeying ------------------------------------------------------------------------------------------------------

    def hit(self, one: Entry) -> bool:
        """Count that one fitted; whether it is to act this time. One that acts once is off from then on."""
        with self._lock:
            one.hits += 1
            assert one.rule is not None
            if one.rule.once:
                one.spent = True
                self.version += 1
            return one.hits % one.rule.every == 0

    def fail(self, one: Entry, error: str) -> None:
        """Turn one off whose condition raised; its file is not changed by that."""
        with self._lock:
            one.spent, one.error = True, error
            self.version += 1


def _point_of(call: Call | None) -> str:
    """Where one at a call stops: before it begins, else as its answer comes back. At the root: at each request."""
    if call is None:
        return "llm"
    return "call" if call.status == "open" and call.node is None and not call.attempts else "return"


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that it is there as it was or as it is to be, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".breakpoints-")
    made = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        made.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        made.replace(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise


def _is_of_this_run(rule: Rule) -> bool:
    scope = rule.scope
    return scope is not None and scope.kind != "depth" and scope.text.startswith(f"{address.ROOT}/")


def _anchored(text: str, here: str) -> str:
    """A line that says which node ``here`` and ``subtree`` mean, so that it says the same wherever it is read."""
    found = _HERE.match(text)
    if found is None:
        return text
    if here == address.ROOT:
        scope = "@root" if found[2] == "here" else ""
    else:
        scope = f'@"{here}"' if found[2] == "here" else f'@subtree "{here}"'
    return f"{found[1]}{scope}{text[found.end() :]}".strip()


if TYPE_CHECKING:
    _like: type[BreakpointsLike] = Breakpoints
