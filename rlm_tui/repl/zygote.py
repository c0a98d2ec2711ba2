"""The process that a run's workers are forked from, as the host has it. Linux only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlm_tui.repl.child import Process, how_it_ended
from rlm_tui.repl.launch import Worker, command, environment
from rlm_tui.repl.lines import Ends, SocketLines
from rlm_tui.repl.policy import HOMES, MAIL, bwrap
from rlm_tui.repl.results import Conditions, Ready, ReplDied

START_S = 60.0
"""Seconds a zygote may take to be ready."""
END_S = 10.0
"""Seconds it is given to see off its children, before it is killed."""
MESSAGE_CAP = 64 << 10
"""Bytes of one message of the zygote's."""
COMPLAINT_CAP = 2000
"""Characters kept of what it wrote to its stderr."""


class Zygote:
    """A running zygote. It is trusted: it runs no code of the model's. All methods belong to the loop of `start`.

    Attributes:
        ready: What it said of itself, and with that of every worker it forks.
        alive: Whether it can fork.
        boxed: Whether it is in a sandbox, where its workers' homes are then made.
    """

    ready: Ready

    def __init__(self, conditions: Conditions, base: Path) -> None:
        """Start the process; not yet ready.

        Args:
            conditions: What its workers live under.
            base: The folder for their folders.

        Raises:
            OSError: If it cannot be started.
        """
        loop = asyncio.get_running_loop()
        self.alive = True
        self.boxed = conditions.confine == "bwrap"
        self._out: deque[tuple[bytes, list[int]]] = deque()
        self._ready: asyncio.Future[Ready] = loop.create_future()
        self._gone = asyncio.Event()
        self._workers: dict[int, Forked] = {}
        self._last = 0
        self._complaint = ""
        self._gifts: dict[str, asyncio.Future[str | None]] = {}
        self._host, rpc = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stderr, output = os.pipe()
        # Its own home is where its workers' homes are: a sandbox has no other place.
        home, self.mail = base / HOMES, base / MAIL
        try:
            argv = command((rpc.fileno(),), -1, conditions, base, zygote=True)
            variables = environment(conditions, home)
            if self.boxed:
                argv = bwrap(conditions, argv, base, variables)
            self._process = Process(argv, variables=variables, home=home, channels=(rpc.fileno(),), output=output)
        except BaseException:
            self._host.close()
            os.close(self._stderr)
            raise
        finally:
            rpc.close()
            os.close(output)
        os.set_blocking(self._stderr, False)
        self._host.setblocking(False)
        self._process.watch(self._ended)
        loop.add_reader(self._host, self._read)

    @classmethod
    async def start(cls, conditions: Conditions, base: Path) -> Zygote:
        """Start one and wait until it is ready.

        Raises:
            OSError: If it cannot be started.
            ReplDied: If it ended, or was not ready in time; nothing of it is left but the folders.
        """
        zygote = cls(conditions, base)
        try:
            async with asyncio.timeout(START_S):
                zygote.ready = await zygote._ready
        except TimeoutError:
            await zygote.end(0)
            raise ReplDied("the zygote died: it was not ready in time") from None
        except BaseException:
            await zygote.end(0)
            raise
        return zygote

    async def put(self, name: str, path: Path, kind: str) -> None:
        """Have it read a value that every worker forked later is born with.

        Args:
            name: The value's name.
            path: A file in `mail`.
            kind: What is in it: "text" or "json".

        Raises:
            ValueError: If it cannot take it.
            ReplDied: If it is gone.
        """
        gift = self._gifts[name] = asyncio.get_running_loop().create_future()
        self._send({"kind": "put", "name": name, "path": str(path), "as": kind})
        if (error := await gift) is not None:
            raise ValueError(error)

    def fork(self, worker: Forked, ends: Ends) -> int:
        """Have it fork a worker with these ends of its channels, and return the worker's number.

        Raises:
            ReplDied: If it is gone.
        """
        number = self._last + 1
        places = {"home": str(worker.home), "mail": str(worker.mail)}
        self._send({"kind": "fork", "child": number, **places}, (*ends.rpc, ends.ctl, ends.raw))
        self._last = number
        self._workers[number] = worker
        return number

    def signal(self, child: int, signum: int) -> None:
        """Have it send a signal to one of its workers; SIGKILL goes to all that the worker has started too."""
        with suppress(ReplDied):
            self._send({"kind": "signal", "child": child, "signal": int(signum)})

    async def end(self, wait_s: float = END_S) -> None:
        """End it with all its workers; idempotent, and it never hangs.

        Args:
            wait_s: Seconds it has for that before it is killed.
        """
        if wait_s and self.alive:
            with suppress(OSError):
                self._host.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._gone.wait()
        self._process.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._gone.wait()

    async def gone(self) -> None:
        """Wait until it has ended."""
        await self._gone.wait()

    def _send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        if not self.alive:
            raise ReplDied(self._obituary())
        # Whoever made the descriptors closes them as soon as this returns.
        self._out.append((json.dumps(message).encode(), [os.dup(descriptor) for descriptor in descriptors]))
        self._flush()

    def _flush(self) -> None:
        """Send what can be sent now, and come back for the rest."""
        loop = asyncio.get_running_loop()
        while self._out:
            data, descriptors = self._out[0]
            try:
                socket.send_fds(self._host, [data], descriptors)
            except BlockingIOError:
                loop.add_writer(self._host, self._flush)
                return
            except OSError:
                self._drop_unsent()
                raise ReplDied("the zygote died") from None
            self._forget_first()
        loop.remove_writer(self._host)

    def _forget_first(self) -> None:
        for descriptor in self._out.popleft()[1]:
            os.close(descriptor)

    def _read(self) -> None:
        """Take what it says."""
        with suppress(BlockingIOError):
            while self.alive and (data := self._host.recv(MESSAGE_CAP)):
                try:
                    self._take(json.loads(data))
                except (ValueError, KeyError, TypeError):
                    self._process.kill()
                    return
            asyncio.get_running_loop().remove_reader(self._host)

    def _take(self, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "ready" if not self._ready.done():
                notices = tuple(message["notices"])
                level, words = message["level"], message["confinement"]
                self._ready.set_result(Ready(message["python"], message["platform"], level, words, notices))
            case "given":
                self._gifts.pop(message["name"]).set_result(message["error"])
            case "gone":
                self._workers.pop(message["child"]).gone(message["status"])
            case "refused":
                self._workers.pop(message["child"]).gone(1, message["error"])
            case _:
                pass

    def _ended(self) -> None:
        self._read()
        self.alive = False
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._host)
        self._drop_unsent()
        self._host.close()
        with suppress(OSError):
            self._complaint = os.read(self._stderr, COMPLAINT_CAP).decode("utf-8", "replace").strip()
        os.close(self._stderr)
        for future in (self._ready, *self._gifts.values()):
            if not future.done():
                future.set_exception(ReplDied(self._obituary()))
                # Whoever waited may have been cancelled meanwhile; that is nothing to complain of on stderr.
                future.exception()
        for worker in list(self._workers.values()):
            worker.gone(-signal.SIGKILL, f"the zygote it was forked from has ended ({self._how_it_ended()})")
        self._workers.clear()
        self._gone.set()

    def _drop_unsent(self) -> None:
        asyncio.get_running_loop().remove_writer(self._host)
        while self._out:
            self._forget_first()

    def _how_it_ended(self) -> str:
        return how_it_ended(self._process.returncode)

    def _obituary(self) -> str:
        return f"the zygote died: {self._complaint or self._how_it_ended()}"


class Forked(Worker):
    """A worker that a zygote forks. Its zygote signals it, and tells of its end."""

    def __init__(self, zygote: Zygote, base: Path, number: int, given: Mapping[str, Any]) -> None:
        """Have it forked; that it could not be is told as its end.

        Args:
            zygote: Of the running loop.
            base: Its source's folder.
            number: Its number among the workers of its source.
            given: What the zygote has been given.

        Raises:
            ReplDied: If the zygote is gone; nothing is left behind.
            OSError: If there is no descriptor or no place on the disk for it; likewise.
        """
        self._zygote = zygote
        self._child = 0
        self._ended: Callable[[], None] | None = None
        self._why: str | None = None
        super().__init__(base, number, given, SocketLines())

    def _start(self, ends: Ends) -> None:
        if not self._zygote.boxed:
            self.home.mkdir(mode=0o700)
        self._child = self._zygote.fork(self, ends)

    def watch(self, ended: Callable[[], None]) -> None:
        """Have `ended` called once, in the running loop, when the process has ended."""
        self._ended = ended
        if self.returncode is not None:
            asyncio.get_running_loop().call_soon(ended)

    def gone(self, returncode: int, why: str | None = None) -> None:
        """Take note of its end.

        Args:
            returncode: As in `subprocess`.
            why: What is to be said of it, if not that.
        """
        self.returncode, self._why = returncode, why
        if self._ended is not None:
            self._ended()

    def signal(self, signum: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            self._zygote.signal(self._child, signum)

    def kill(self) -> None:
        """End it with its group, and with what it started in other sessions as far as that can be told."""
        self.signal(signal.SIGKILL)

    def inherited(self, name: str) -> bool:
        """Whether it was born with what its source was given under this name: with all that had been given then."""
        return name in self.given

    def how_it_ended(self) -> str:
        """Return how its process ended, or why there is none."""
        return self._why or super().how_it_ended()
