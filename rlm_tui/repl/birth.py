"""Where a run's workers come from: forked from one zygote where that can be had, else started afresh. Host side."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rlm_tui.repl.folders import remove
from rlm_tui.repl.launch import PLAIN, Spawned, Worker, make_base
from rlm_tui.repl.policy import MAIL, ConfinementError, bwrap_refusal
from rlm_tui.repl.results import Conditions, Ready, ReplConfig, ReplDied

if TYPE_CHECKING:
    from rlm_tui.repl.zygote import Zygote


class Source(Protocol):
    """What a run's workers come from. All methods belong to the loop it was opened in.

    Attributes:
        ready: What is true of every worker: the Python it runs on, and how far it is shut in.
        forks: Whether workers are forked.
    """

    ready: Ready
    forks: bool

    async def give(self, name: str, value: Any) -> None:
        """Hold a JSON-like value for every later worker to inherit; a forked one shares it, uncopied.

        Raises:
            ValueError: If it cannot be held, for want of memory for instance.
            OSError, ReplDied: If no worker can be had any more.
        """
        ...

    async def worker(self, config: ReplConfig) -> Worker:
        """Return a started process that is not yet set up.

        Args:
            config: How it is born; its conditions are the source's.

        Raises:
            OSError, ReplDied: If it cannot be started; nothing is left behind.
            RuntimeError: If the source is closed.
        """
        ...

    async def close(self) -> None:
        """End every worker and remove every folder; idempotent, and never hangs."""
        ...


async def open_source(conditions: Conditions) -> Source:
    """Return a source of workers that live under these conditions.

    Raises:
        ConfinementError: If they ask for a sandbox that cannot be had. It is never made do without.
        OSError, ReplDied: If no worker can be had; nothing is left behind.
    """
    boxed = conditions.confine == "bwrap"
    if boxed and (refusal := await asyncio.to_thread(bwrap_refusal)) is not None:
        raise ConfinementError(refusal)
    if can_fork():
        source = Forking(conditions)
    elif boxed:
        raise ConfinementError("bubblewrap needs a kernel that hands out descriptors of processes (Linux 5.3)")
    else:
        source = Spawning(conditions)
    try:
        await source.open()
    except ReplDied as error:
        await source.close()
        if boxed:
            raise ConfinementError(f"bubblewrap is there, but no worker: {error}") from None
        raise
    except BaseException:
        await source.close()
        raise
    return source


def can_fork() -> bool:
    """Whether workers can be forked here: on Linux, with descriptors of processes."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class Spawning:
    """A source of fresh interpreters."""

    ready: Ready
    forks = False

    def __init__(self, conditions: Conditions, plain: bool = PLAIN) -> None:
        """Make its folder.

        Args:
            conditions: What its workers live under.
            plain: Whether they have to do with what every system has, as of `Spawned`.

        Raises:
            OSError: If there is no place for it.
        """
        self._conditions = conditions
        self._plain = plain
        self._given: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._workers: list[Worker] = []
        self._closed = False
        self.base = make_base(conditions)
        # Also when the program ends with the source open.
        self._remove = weakref.finalize(self, remove, self.base)

    async def open(self) -> None:
        """Start a worker to learn what is true of all, and end it.

        Raises:
            OSError, ReplDied: If it cannot be started.
        """
        from rlm_tui.repl.process import Repl

        repl = await Repl.start(ReplConfig({}, conditions=self._conditions), self)
        self.ready = repl.ready
        await repl.close()

    async def give(self, name: str, value: Any) -> None:
        """Hold a value for every later worker, which has to be `put` it."""
        self._given[name] = value

    async def worker(self, config: ReplConfig) -> Worker:
        """Return a started process that is not yet set up."""
        if self._closed:
            raise RuntimeError("the source is closed")
        self._workers = [worker for worker in self._workers if worker.returncode is None]
        self._workers.append(Spawned(config, self.base, next(self._numbers), dict(self._given), self._plain))
        return self._workers[-1]

    async def close(self) -> None:
        """End every worker and remove every folder; idempotent."""
        self._closed = True
        for worker in self._workers:
            worker.kill()
        await asyncio.to_thread(self._remove)


class Forking:
    """A source whose workers are forked from a zygote; one that died is started again when it is needed."""

    ready: Ready
    forks = True

    def __init__(self, conditions: Conditions) -> None:
        """Make its folder.

        Raises:
            OSError: If there is no place for it.
        """
        self._conditions = conditions
        self._given: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._letters = itertools.count(1)
        self._turn = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._closed = False
        self.base = make_base(conditions)
        # Also when the program ends with the source open.
        self._remove = weakref.finalize(self, remove, self.base)

    async def open(self) -> None:
        """Start the zygote.

        Raises:
            OSError, ReplDied: If it cannot be started.
        """
        async with self._turn:
            self.ready = (await self._living()).ready

    async def give(self, name: str, value: Any) -> None:
        """Have the zygote hold a value; every worker forked later shares it."""
        async with self._turn:
            await self._hand_over(await self._living(), name, value)
            self._given[name] = value

    async def worker(self, config: ReplConfig) -> Worker:
        """Have a worker forked."""
        from rlm_tui.repl.zygote import Forked

        async with self._turn:
            while True:
                zygote = await self._living()
                try:
                    return Forked(zygote, self.base, next(self._numbers), dict(self._given))
                except ReplDied:
                    await zygote.gone()

    async def close(self) -> None:
        """End the zygote with every worker and remove every folder; idempotent, and never hangs."""
        self._closed = True
        async with self._turn:
            try:
                if self._zygote is not None:
                    await self._zygote.end()
            finally:
                await asyncio.to_thread(self._remove)

    async def _living(self) -> Zygote:
        """Return the zygote; one that died is started again, and given again what it was given."""
        if self._closed:
            raise RuntimeError("the source is closed")
        if self._zygote is None or not self._zygote.alive:
            from rlm_tui.repl.zygote import Zygote

            zygote = await Zygote.start(self._conditions, self.base)
            try:
                for name, value in self._given.items():
                    await self._hand_over(zygote, name, value)
            except BaseException:
                await zygote.end(0)
                raise
            self._zygote = zygote
        return self._zygote

    async def _hand_over(self, zygote: Zygote, name: str, value: Any) -> None:
        letter = self.base / MAIL / f"given-{next(self._letters)}"
        try:
            kind = await asyncio.to_thread(_write, letter, value)
            await zygote.put(name, letter, kind)
        finally:
            letter.unlink(missing_ok=True)


def _write(path: Path, value: Any) -> str:
    kind, text = ("text", value) if type(value) is str else ("json", json.dumps(value, ensure_ascii=False))
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return kind
