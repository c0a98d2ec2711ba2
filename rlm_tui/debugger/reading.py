"""A run that is only read: one that ended, one that was left, or one that another process writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_tui.debugger.breakpoints import Breakpoints
from rlm_tui.debugger.likeness import Change, Ladder, Looked, Page, Refusal, Scope, SessionLike, WishKind
from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import Event, Point, RunStart, Text
from rlm_tui.journal.follow import Follower
from rlm_tui.journal.store import read

READ_ONLY = "This run is read-only: nothing runs it."

POLL_S = 0.2
"""Seconds between two looks at the file."""

_AT_A_TIME = 1_000


class ReadOnlySession:
    """A journal to look at. It keeps up with a process that still writes it.

    Args:
        path: The run's directory, or its journal.
        scenario: A name to show for the run; by default what its beginning says.

    Raises:
        JournalError: When it is not a run, or may not be read.
    """

    read_only = True

    def __init__(self, path: Path, *, scenario: str | None = None) -> None:
        self._reader = read(path)
        self._notices: list[str] = []
        self._follower: Follower | None = None
        self._closing = threading.Event()
        self._caught_up = threading.Event()
        self._thread: threading.Thread | None = None
        self.path = self._reader.path
        self.scenario = scenario or self._named()

    def _named(self) -> str | None:
        first = self._poll(Follower(self.path), 1)
        name = first[0].config.get("scenario") if first and isinstance(first[0], RunStart) else None
        return name if isinstance(name, str) else None

    @property
    def loading(self) -> bool:
        """Never: nobody is asked."""
        return False

    @property
    def notices(self) -> list[str]:
        """What is damaged, missing or unreadable, in words, as far as was read."""
        return [*self._notices, *self._reader.notices, *(self._follower.notices if self._follower else ())]

    def events(self) -> Iterator[Event]:
        """Everything so far, oldest first, read as it is taken.

        The first caller's last event is where `start` goes on from.
        """
        follower = Follower(self.path)
        mine = self._follower is None
        if mine:
            self._follower = follower
        return self._past(follower, mine)

    def _past(self, follower: Follower, mine: bool) -> Iterator[Event]:
        try:
            while found := self._poll(follower):
                yield from found
        finally:
            if mine:
                self._caught_up.set()

    def _poll(self, follower: Follower, most: int = _AT_A_TIME) -> list[Event]:
        try:
            return follower.poll(most)
        except JournalError as error:
            if str(error) not in self._notices:
                self._notices.append(str(error))
            return []

    def start(self, sink: Callable[[Event], None]) -> None:
        """Follow the file.

        Args:
            sink: Gets what comes after `events`, or everything when those were not asked for, in a thread of its own.
        """
        if self._follower is None:
            self._follower = Follower(self.path)
            self._caught_up.set()
        follower = self._follower
        self._thread = threading.Thread(target=self._follow, args=(follower, sink), name="rlm-follow", daemon=True)
        self._thread.start()

    def _follow(self, follower: Follower, sink: Callable[[Event], None]) -> None:
        while not self._caught_up.wait(POLL_S):
            if self._closing.is_set():
                return
        while not self._closing.is_set():
            found = self._poll(follower)
            for event in found:
                sink(event)
            if not found:
                self._closing.wait(POLL_S)

    def text(self, value: Text | None) -> str:
        """A text of the journal, whole."""
        return self._reader.text(value)

    def wants(self, node: str) -> WishKind | None:
        """Nothing can be asked of it."""
        return None

    def pausing(self, node: str) -> bool:
        """It never is."""
        return False

    @property
    def breakpoints(self) -> Breakpoints:
        """None: nothing passes here."""
        return Breakpoints()

    # Verbs, all refused -------------------------------------------------------------------------------------------

    def step(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def next(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def iteration(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def into(self, node: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def out(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def to(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def release(self, node: str, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def release_all(self) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def pause(self, node: str | None, scope: Scope = "node") -> Future[Refusal]:
        """Refused."""
        return _refused()

    @property
    def all_stop(self) -> bool:
        """Nothing runs that could stop."""
        return False

    def stop_all(self, on: bool) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def ladder(self, node: str) -> Ladder:
        """Nothing runs that could be stopped."""
        return Ladder()

    def harder(self, node: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def evaluate(self, node: str, code: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def look(self, node: str, expression: str) -> Future[Looked | str]:
        """Refused."""
        return _refused_words()

    def page(self, node: str, name: str, start: int, count: int) -> Future[Page | str]:
        """Refused."""
        return _refused_words()

    def complete(self, node: str, code: str, cursor: int) -> Future[Sequence[str] | str]:
        """Refused."""
        return _refused_words()

    def edit(self, id: str, field: str, value: Any, *, was: Any = None, note: str = "") -> Future[Refusal]:
        """Refused."""
        return _refused()

    def revert(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def skip(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def retry(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def try_now(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def give_up(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def take(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def force_final(self, node: str, *, text: str | None = None, var: str | None = None) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def supply(self, id: str, text: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def kill_node(self, id: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def insert(self, id: str, code: str, *, say: bool) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def say(self, node: str, text: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def note(self, id: str, text: str) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def resample(
        self, id: str, count: int, *, model: str | None = None, params: Mapping[str, Any] | None = None
    ) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def pick(self, id: str, sample: int) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def set_model(self, node: str, model: str | None, params: Mapping[str, Any] | None = None) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def set_limit(self, node: str, name: str, to: float) -> Future[Refusal]:
        """Refused."""
        return _refused()

    def fork(
        self, at: str, point: Point, change: Change | None = None, why: str = "", *, changed: bool = False
    ) -> Future[Path | str]:
        """Make a branch of this run; see `SessionLike.fork`."""
        from rlm_tui.debugger.fork import aside, branch

        return aside(lambda: branch(self._reader, at, point, change, why, changed=changed))

    @property
    def paced(self) -> bool:
        """Nobody speaks here."""
        return False

    def change_pace(self, *, faster: bool) -> str:
        """Nobody speaks here."""
        return ""

    # Ending -------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """Nothing runs that could be left."""

    def kill(self) -> None:
        """Nothing runs that could be ended; whoever writes the run is not disturbed."""

    def close(self, timeout: float = 1.0) -> None:
        """Stop following; within ``timeout`` seconds. A second time does nothing."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def _refused() -> Future[Refusal]:
    done: Future[Refusal] = Future()
    done.set_result(READ_ONLY)
    return done


def _refused_words() -> Future[Any]:
    done: Future[Any] = Future()
    done.set_result(READ_ONLY)
    return done


if TYPE_CHECKING:
    _like: type[SessionLike] = ReadOnlySession
