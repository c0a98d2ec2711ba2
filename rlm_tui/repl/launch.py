"""A worker as a process: how it is started, signalled, seen to end, and cleaned up after. Host side."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlm_tui.repl.child import Process, how_it_ended, known_as
from rlm_tui.repl.folders import remove
from rlm_tui.repl.lines import Ends, Lines, SocketLines
from rlm_tui.repl.pipes import PipeLines
from rlm_tui.repl.policy import HOMES, MAIL, SITE_BYTES, ConfinementError, extra_environment, policy
from rlm_tui.repl.results import Conditions, ReplConfig

if TYPE_CHECKING:
    from rlm_tui.repl.memory import Watch

WORKER = Path(__file__).with_name("worker.py")
PLAIN = sys.platform == "win32"
"""Whether workers have to do with what every system has: no sockets handed over, no signals."""


def environment(conditions: Conditions, home: Path) -> dict[str, str]:
    """Return a worker's whole environment, built from nothing: no key of the host's is ever in it."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": str(conditions.hash_seed),
        # Without it, threads under an address limit hang in glibc's arenas.
        "MALLOC_ARENA_MAX": "2",
        **extra_environment(conditions),
    }
    if conditions.time_zone is not None:
        variables["TZ"] = conditions.time_zone
    if sys.platform == "win32" and "SYSTEMROOT" in os.environ:
        variables["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return variables


def command(rpc: Sequence[int], ctl: int, conditions: Conditions, base: Path, *, zygote: bool = False) -> list[str]:
    """Return a worker's command line. Not `-I`: it would ignore `PYTHONHASHSEED`.

    Args:
        rpc: Descriptor of its channel for everything, or two of them, as `Ends` has it.
        ctl: Descriptor of its channel for the running block; -1 for a zygote, which has none.
        conditions: What it lives under.
        base: The folder with the folders of all workers of its source.
        zygote: Whether it is to fork workers instead of being one.
    """
    interpreter = os.path.realpath(sys.executable)
    # In a sandbox the host's number means nothing, and the sandbox ends with the host by itself.
    host = 0 if conditions.confine == "bwrap" else os.getpid()
    numbers = [",".join(str(known_as(descriptor)) for descriptor in rpc), str(known_as(ctl)), str(host)]
    words = ["zygote"] * zygote + ["cache"] * (not sys.dont_write_bytecode)
    terms = json.dumps(policy(conditions, base))
    return [interpreter, "-s", "-S", "-P", "-B", str(WORKER), *numbers, terms, *words]


def make_base(conditions: Conditions) -> Path:
    """Make the private folder of a source: `homes` with every worker's scratch directory, `mail` with their letters.

    Raises:
        OSError: If there is no place for it.
    """
    base = Path(tempfile.mkdtemp(prefix="rlm-tui-", dir=conditions.scratch_root)).resolve()
    for name in (HOMES, MAIL):
        (base / name).mkdir(mode=0o700)
    return base


class Worker(ABC):
    """A worker that was started and is not yet set up, with the host's ends of its channels and its folders.

    Attributes:
        lines: Its channels.
        returncode: Exit status once it has ended, as in `subprocess`.
        base: The folder of its source.
        home: Its scratch directory, where it runs; in a sandbox it is only there.
        mail: Where the host leaves what is too large for a frame.
        given: Values its source was given, by name.
    """

    def __init__(self, base: Path, number: int, given: Mapping[str, Any], lines: Lines) -> None:
        """Make the folders, and start it.

        Args:
            base: The folder of its source.
            number: Its number among the workers of its source.
            given: Values its source was given, by name.
            lines: Its channels, which are closed with it.

        Raises:
            OSError: If it cannot be started; nothing is left behind.
        """
        self.base = base
        self.home = base / HOMES / str(number)
        self.mail = base / MAIL / str(number)
        self.given = given
        self.lines = lines
        self.returncode: int | None = None
        self._letters = itertools.count(1)
        try:
            self.mail.mkdir(mode=0o700)
            self._start(lines.ends)
        except BaseException:
            lines.close()
            self.remove_scratch()
            raise
        finally:
            lines.handed_over()

    @abstractmethod
    def _start(self, ends: Ends) -> None:
        """Start it with these ends of its channels."""

    @abstractmethod
    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when it has ended."""

    @abstractmethod
    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""

    @abstractmethod
    def kill(self) -> None:
        """End it and what it started, as far as that can be found; idempotent."""

    @abstractmethod
    def inherited(self, name: str) -> bool:
        """Whether it was born with the value its source was given under this name; else it has to be `put`."""

    def interrupt(self) -> None:
        """Ring the bell: SIGINT. Nothing where it hears what is said on `ctl` by itself."""
        if self.lines.rung:
            self.signal(signal.SIGINT)

    def break_in(self) -> None:
        """Ring the bell that a block answers where it stands: SIGUSR1. Nothing where it has none."""
        if self.can_stand:
            self.signal(signal.SIGUSR1)

    @property
    def can_stand(self) -> bool:
        """Whether there is a signal that a running block can be broken in to with."""
        return self.lines.rung and hasattr(signal, "SIGUSR1")

    def post(self, text: str) -> str:
        """Write a text that is too large for a frame to a file the worker may read, and return its path."""
        path = self.mail / str(next(self._letters))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return str(path)

    def discard(self, letters: list[str]) -> None:
        """Remove files that were posted and have been read."""
        for path in letters:
            Path(path).unlink(missing_ok=True)

    def how_it_ended(self) -> str:
        """Return "exit code 3" or "killed by signal 9 (SIGKILL)"."""
        return how_it_ended(self.returncode)

    def remove_scratch(self) -> None:
        """Remove the worker's folders, whatever it made in them."""
        remove(self.home)
        remove(self.mail)


class Spawned(Worker):
    """A worker that is a fresh interpreter."""

    def __init__(
        self,
        config: ReplConfig,
        base: Path | None = None,
        number: int = 1,
        given: Mapping[str, Any] | None = None,
        plain: bool = PLAIN,
    ) -> None:
        """Start the process, from the thread that is to outlive it: the kernel ends it with that thread.

        Args:
            config: How it is born.
            base: Its source's folder; None for a worker that has no source, and a folder of its own.
            number: Its number among the workers of its source.
            given: What its source was given; it has none of it.
            plain: Whether to do with what every system has: pipes, and nobody but its host to limit its memory.

        Raises:
            ConfinementError: If it is to be in a bubblewrap sandbox, which only a zygote can be.
            OSError: If it cannot be started; nothing is left behind.
        """
        if config.conditions.confine == "bwrap":
            raise ConfinementError("only a zygote can be put in a bubblewrap sandbox, with the workers it forks")
        self._conditions = config.conditions
        self._alone = base is None
        self._unlimited = plain or sys.platform != "linux"
        self._why: str | None = None
        base = base or make_base(config.conditions)
        try:
            super().__init__(base, number, given or {}, PipeLines() if plain else SocketLines())
        except BaseException:
            if self._alone:
                remove(base)
            raise

    def _start(self, ends: Ends) -> None:
        self.home.mkdir(mode=0o700)
        self._process = Process(
            command(ends.rpc, ends.ctl, self._conditions, self.base),
            variables=environment(self._conditions, self.home),
            home=self.home,
            channels=(*ends.rpc, ends.ctl),
            output=ends.raw,
        )

    def remove_scratch(self) -> None:
        """Remove its folders, whatever it made in them, and those made for it alone."""
        super().remove_scratch()
        if self._alone:
            remove(self.base)

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when the process has ended and was reaped."""

        memory = self._watch_memory() if self._unlimited else None

        def reaped() -> None:
            self.returncode = self._process.returncode
            if memory is not None:
                memory.end()
            ended()

        self._process.watch(reaped)

    def _watch_memory(self) -> Watch:
        from rlm_tui.repl.memory import Watch, in_words

        limit = self._conditions.memory_bytes + (SITE_BYTES if self._conditions.site else 0)

        def over() -> None:
            self._why = f"the REPL's memory limit of {in_words(limit)} is reached"
            self.kill()

        return Watch(self._process.pid, limit, over)

    def how_it_ended(self) -> str:
        """Return how it ended, or for what it was ended."""
        return self._why or super().how_it_ended()

    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""
        self._process.signal(signum)

    def kill(self) -> None:
        """End the process and its group; idempotent."""
        if sys.platform == "win32" and self.returncode is None:
            self._why = self._why or "killed"  # its exit code does not tell
        self._process.kill()

    def inherited(self, name: str) -> bool:
        """A fresh interpreter has nothing of what its source was given."""
        return False
