"""The host's handle on one worker: start it, run blocks in it, stop them, end it."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol, cast

from rlm_tui.repl import protocol
from rlm_tui.repl.launch import Worker
from rlm_tui.repl.link import END_S, Link
from rlm_tui.repl.results import (
    AnswerDict,
    BlockResult,
    CallCancelled,
    CallFailed,
    Conditions,
    Confine,
    Cut,
    Frame,
    Level,
    Looked,
    OnCall,
    OnOutput,
    Page,
    Proposed,
    Ready,
    ReplConfig,
    ReplDied,
    Standing,
    Status,
    Variable,
)
from rlm_tui.repl.running import ComputingClock, Running

__all__ = [
    "AnswerDict",
    "BlockResult",
    "CallCancelled",
    "CallFailed",
    "Conditions",
    "Confine",
    "Cut",
    "Frame",
    "Level",
    "Looked",
    "OnCall",
    "OnOutput",
    "Page",
    "Proposed",
    "Ready",
    "Repl",
    "ReplConfig",
    "ReplDied",
    "Standing",
    "Status",
    "Variable",
]

START_S = 60.0
"""Seconds a worker may take to be ready."""
KEPT_BLOCKS = 256
"""Ended blocks whose late output is still passed on."""


class Births(Protocol):
    """What starts workers."""

    async def worker(self, config: ReplConfig) -> Worker:
        """Return a started process that is not yet set up."""
        ...


class Repl:
    """One worker process with one namespace. Made by `start`; all methods belong to the loop it was started in."""

    ready: Ready
    """What the worker said of itself."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._link = Link(self._worker, self._dispatch, self._raw, self._bury)
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._running: Running | None = None
        self._last: Running | None = None
        self._blocks: dict[str, Running] = {}
        self._asks: dict[int, asyncio.Future[protocol.ValueMessage]] = {}
        self._ask_number = 0
        self._letters: list[str] = []
        self._held = False

    @classmethod
    async def start(cls, config: ReplConfig, source: Births | None = None) -> Repl:
        """Start a worker and wait until it is ready.

        Args:
            config: How it is born.
            source: Where it comes from; without one a process of its own is started.

        Raises:
            OSError: If the process cannot be started.
            ReplDied: If it ended, or was not ready in time.
        """
        repl = cls(Worker(config) if source is None else await source.worker(config))
        try:
            await repl._link.connect()
            repl._link.send(
                {
                    "kind": "setup",
                    "version": protocol.VERSION,
                    "names": dict(config.names),
                    "restore": sorted(config.restore),
                    "seed": config.seed,
                }
            )
            repl.ready = await asyncio.wait_for(asyncio.shield(repl._ready), START_S)
        except TimeoutError:
            await repl.close()
            raise ReplDied("the REPL died: it was not ready in time") from None
        except BaseException:
            await repl.close()
            raise
        return repl

    @property
    def unknown_messages(self) -> int:
        """How many messages of unknown kinds were ignored."""
        return self._link.unknown_messages

    @property
    def alive(self) -> bool:
        """Whether the worker can take another block."""
        return self._link.alive

    async def put(self, name: str, value: Any) -> None:
        """Bind a variable to a JSON-like value.

        Raises:
            ValueError: If the worker cannot take it, for its memory limit for instance.
            ReplDied: If the worker is gone.
        """
        letters: list[str] = []
        body = await asyncio.to_thread(self._packed, value, letters)
        answer = await self._ask({"kind": "put", "name": name, **body})
        self._worker.discard(letters)
        if answer.status != "ok":
            raise ValueError(answer.error or "the value was refused")

    def _packed(self, value: Any, letters: list[str]) -> dict[str, Any]:
        """Return how a value travels: in the message, or in a file when its text might not fit a frame."""
        kind, text = ("text", value) if type(value) is str else ("json", json.dumps(value, ensure_ascii=False))
        if len(text) * 6 < protocol.FRAME_CAP:
            return {"value": value}
        letters.append(self._worker.post(text))
        return {"path": letters[-1], "as": kind}

    async def execute(
        self,
        block: str,
        code: str,
        *,
        on_output: OnOutput,
        on_call: OnCall,
        timeout_s: float | None = None,
        grace_s: float = 2.0,
    ) -> BlockResult:
        """Run one block and return how it ended; never raises for what a block did.

        Args:
            block: The block's address; new for every block of this worker.
            code: Python source.
            on_output: Called with each piece of output as it comes, late ones too.
            on_call: Awaited once per sub-call, each in a task of its own.
            timeout_s: Computing seconds the block may take: the clock stands while a call is open or while held.
            grace_s: Seconds between the abort and the kill, after a timeout or when the caller is cancelled.

        Raises:
            RuntimeError: If a block is running.
            Exception: What `on_call` raised, other than the exceptions it may.
        """
        if self._running is not None:
            raise RuntimeError("a block is running")
        running = Running(block, on_output, on_call, self._reply)
        if not self._link.alive:
            running.die(self._link.obituary)
            return running.ended.result()
        self._running = self._last = running
        self._remember(running)
        running.clock = ComputingClock(timeout_s, lambda: self._stop(running, "timeout", grace_s))
        if self._held:
            running.clock.hold()
        try:
            self._link.send({"kind": "exec", "block": block, **self._packed(code, self._letters)})
            result = await asyncio.shield(running.ended)
            await running.settle(grace_s)
        except asyncio.CancelledError:
            self._stop(running, "aborted", grace_s)
            await asyncio.wait([running.ended], timeout=grace_s + END_S)
            await running.settle(grace_s)
            raise
        finally:
            self._running = None
            self._kill_if_running(running)
            self._worker.discard(self._letters)
            self._letters = []
        if running.failure is not None:
            raise running.failure
        return result

    def _remember(self, running: Running) -> None:
        self._blocks[running.block] = running
        if len(self._blocks) > KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]

    async def resolve(self, name: str, *, timeout_s: float | None = None) -> Proposed:
        """Return the value of a variable as a proposal; `str(value)` is made in the worker.

        Raises:
            LookupError: If there is no such variable; the text names near ones.
            ValueError: If it is None, or `str` of it raised.
            TimeoutError: If `str` of it took longer than `timeout_s`.
            ReplDied: If the worker is gone.
        """
        label = f"resolve:{self._ask_number + 1}"
        loop = asyncio.get_running_loop()
        timed_out: list[bool] = []
        over: list[bool] = []

        def expire() -> None:
            timed_out.append(True)
            self._link.abort(label, lambda: bool(over))
            timers.append(loop.call_later(2.0, self._link.kill))

        timers = [] if timeout_s is None else [loop.call_later(timeout_s, expire)]
        try:
            answer = await self._ask({"kind": "read", "name": name, "block": label})
        except ReplDied:
            if timed_out:
                raise TimeoutError(f"str() of {name!r} took too long; the REPL was killed") from None
            raise
        finally:
            over.append(True)
            for timer in timers:
                timer.cancel()
        if answer.proposed is not None:
            return answer.proposed
        if timed_out:
            raise TimeoutError(f"str() of {name!r} took too long")
        if answer.status == "missing":
            near = f"; near names: {answer.error}" if answer.error else ""
            raise LookupError(f"there is no variable {name!r}{near}")
        raise ValueError(answer.error or f"{name!r} is None")

    async def variables(self) -> list[Variable]:
        """Return the listing, also while a block runs; no code of the model's is run for it.

        Raises:
            ReplDied: If the worker is gone.
        """
        return list((await self._ask({"kind": "rows"})).rows)

    async def set_answer_ready(self, ready: bool) -> None:
        """Set `answer["ready"]` when `answer` is an exact dict.

        Raises:
            ReplDied: If the worker is gone.
        """
        await self._ask({"kind": "answer", "ready": ready})

    async def interrupt(self) -> None:
        """Abort the running block: its calls are cancelled first, then it is interrupted. Does nothing when idle."""
        if self._running is not None:
            self._stop(self._running, "aborted", None)

    def hold_clock(self, held: bool) -> None:
        """Stop the computing clock, or let it go on."""
        if held == self._held:
            return
        self._held = held
        if self._running is not None and self._running.clock is not None:
            (self._running.clock.hold if held else self._running.clock.release)()

    async def kill(self) -> None:
        """End the worker and its process group; a running block ends as "died"."""
        await self._link.end()

    async def close(self) -> None:
        """End the worker and remove its scratch directory; idempotent, and never hangs."""
        await self._link.end()
        await asyncio.to_thread(self._worker.remove_scratch)

    def _stop(self, running: Running, why: Any, grace_s: float | None) -> None:
        if running.ended.done():
            return
        if running.stopping != "timeout":
            running.stopping = why
        running.cancel_calls()
        self._link.abort(running.block, running.ended.done)
        if grace_s is not None:
            asyncio.get_running_loop().call_later(grace_s, self._kill_if_running, running)

    def _kill_if_running(self, running: Running) -> None:
        if not running.ended.done():
            self._link.kill()

    async def _ask(self, message: dict[str, Any]) -> protocol.ValueMessage:
        if not self._link.alive:
            raise ReplDied(self._link.obituary)
        self._ask_number += 1
        number = self._ask_number
        self._asks[number] = asyncio.get_running_loop().create_future()
        try:
            self._link.send({**message, "ask": number})
            return await self._asks[number]
        finally:
            self._asks.pop(number, None)

    def _reply(self, call: int, reply: dict[str, Any]) -> None:
        if "value" in reply:
            reply |= self._packed(reply.pop("value"), self._letters)
        self._link.send({"kind": "reply", "call": call, **reply})

    def _dispatch(self, message: protocol.Message) -> None:
        running = self._running
        match message:
            case protocol.OutMessage():
                if owner := self._blocks.get(message.block):
                    owner.output(message.stream, message.text)
            case protocol.CallMessage():
                self._call(message)
            case protocol.NoteMessage():
                if running is not None and message.block == running.block and not running.ended.done():
                    running.note(message.proposed)
            case protocol.DoneMessage():
                if running is not None and message.block == running.block:
                    self._link.drain_raw()
                    running.finish(message)
            case protocol.ValueMessage():
                ask = self._asks.get(message.ask)
                if ask is not None and not ask.done():
                    ask.set_result(message)
            case protocol.ReadyMessage():
                if not self._ready.done():
                    self._ready.set_result(_ready(message))

    def _call(self, message: protocol.CallMessage) -> None:
        running = self._running
        if running is None or message.block != running.block or running.ended.done():
            error = "BlockEnded: a thread that outlived its block cannot make sub-calls"
            self._reply(message.call, {"status": "error", "error": error})
        else:
            running.call(message)

    def _raw(self, text: str) -> None:
        if self._last is not None:
            self._last.output("raw", text)

    def _bury(self, reason: str) -> None:
        """Tell everyone who waits for the worker."""
        if self._running is not None:
            self._running.die(reason)
        for future in (self._ready, *self._asks.values()):
            if not future.done():
                future.set_exception(ReplDied(reason))
                # Whoever waited may have been cancelled meanwhile; that is nothing to complain of on stderr.
                future.exception()


def _ready(message: protocol.ReadyMessage) -> Ready:
    level = cast("Level", message.level)
    return Ready(message.python, message.platform, level, message.confinement, message.notices)
