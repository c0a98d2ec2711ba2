"""The host's handle on one worker: start it, run blocks in it, stop them, end it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

from rlm_tui.repl import messages, protocol
from rlm_tui.repl.asks import Asking
from rlm_tui.repl.birth import Source
from rlm_tui.repl.breakin import BreakIn
from rlm_tui.repl.launch import Spawned, Worker
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
    NotHere,
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
    "NotHere",
    "OnCall",
    "OnOutput",
    "Page",
    "Proposed",
    "Ready",
    "Repl",
    "ReplConfig",
    "ReplDied",
    "Running",
    "Standing",
    "Status",
    "Variable",
]

START_S = 60.0
"""Seconds a worker may take to be ready."""
ANSWER_S = 10.0
"""Seconds beyond its own that an answer may take, before it is taken for none."""
KEPT_BLOCKS = 256
"""Ended blocks whose late output is still passed on."""


class Repl(Asking):
    """One worker process with one namespace. Made by `start`; all methods belong to the loop it was started in."""

    ready: Ready
    """What the worker said of itself."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker, Link(worker, self._dispatch, self._control, self._raw, self._bury))
        self._broken = BreakIn(self._link)
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._running: Running | None = None
        self._next: deque[Running] = deque()
        self._last: Running | None = None
        self._blocks: dict[str, Running] = {}
        self._held = False

    @classmethod
    async def start(cls, config: ReplConfig, source: Source | None = None) -> Repl:
        """Start a worker and wait until it is ready. One that is not forked goes on loading, in its first block's time.

        Args:
            config: How it is born.
            source: Where it comes from; without one a process of its own is started.

        Raises:
            OSError: If the process cannot be started.
            ReplDied: If it ended, or was not ready in time.
        """
        repl = cls(Spawned(config) if source is None else await source.worker(config))
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
            async with asyncio.timeout(START_S):
                repl.ready = await repl._ready
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
        running = self.begin(block, code, on_output=on_output, on_call=on_call, timeout_s=timeout_s, grace_s=grace_s)
        return await self.finish(running, grace_s)

    def begin(
        self,
        block: str,
        code: str,
        *,
        on_output: OnOutput,
        on_call: OnCall,
        timeout_s: float | None = None,
        grace_s: float = 2.0,
    ) -> Running:
        """Have a block run as soon as those that were begun before have ended; `finish` waits for it.

        Between two blocks that are there already the worker waits for nobody. Arguments as of `execute`.
        """
        running = Running(block, on_output, on_call, self._reply)
        if not self._link.alive:
            running.die(self._link.obituary)
            return running
        running.clock = ComputingClock(timeout_s, lambda: self._stop(running, "timeout", grace_s))
        running.clock.hold()  # until it is its turn
        self._remember(running)
        self._link.send({"kind": "exec", "block": block, **self.packed(code, running.letters)})
        self._next.append(running)
        if self._running is None or self._running.ended.done():
            self._turn()
        return running

    def _turn(self) -> None:
        """What was begun next runs now."""
        if self._next:
            self._running = self._last = running = self._next.popleft()
            if running.clock is not None and not self._held:
                running.clock.release()

    async def finish(self, running: Running, grace_s: float = 2.0) -> BlockResult:
        """Wait for a block that was begun, and return how it ended; each once, in their order.

        Raises:
            Exception: As `execute`.
        """
        try:
            result = await asyncio.shield(running.ended)
            await running.settle(grace_s)
        except asyncio.CancelledError:
            self._stop(running, "aborted", grace_s)
            await asyncio.wait([running.ended], timeout=grace_s + END_S)
            await running.settle(grace_s)
            raise
        finally:
            if self._running is running:
                self._running = None
            self._kill_if_running(running)
            self._worker.discard(running.letters)
        if running.failure is not None:
            raise running.failure
        return result

    def _remember(self, running: Running) -> None:
        self._blocks[running.block] = running
        if len(self._blocks) > KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]

    async def interrupt(self) -> None:
        """Abort the running block: its calls are cancelled first, then it is interrupted. Does nothing when idle."""
        if self._running is not None:
            self._stop(self._running, "aborted", None)

    @property
    def standing(self) -> Standing | None:
        """Where the running block stands, if it does."""
        return self._broken.standing

    async def break_in(self) -> Standing | None:
        """Have the running block stand where it is, with nothing lost, and return where that is.

        Its clock stands as long as it does. Cancelling this takes the wish back.

        Returns:
            None when no block runs, or when it ended first.

        Raises:
            NotHere: If this system has no means to.
        """
        return None if self._running is None else await self._broken.ask(self._running)

    async def go(self) -> None:
        """Let the block go on from where it stands; nothing when none does.

        Raises:
            RuntimeError: If something is being evaluated in it.
        """
        self._broken.go()

    async def step(self) -> Standing | None:
        """Let the block that stands go on to its next line, and return where that is. Cancelling lets it go on.

        Returns:
            None when the block ended first, or none stood.

        Raises:
            NotHere: If this system has no means to.
            RuntimeError: If something is being evaluated in it.
        """
        return await self._broken.step()

    async def evaluate(
        self, ask: str, code: str, *, on_output: OnOutput, timeout_s: float | None = None
    ) -> BlockResult:
        """Run code in the frame that stands, where it can change what the block goes on with.

        Sub-calls and declared answers raise `SubcallError` in it. An evaluation over its time is aborted, and the
        worker killed if that does not help within two seconds.

        Args:
            ask: A name of its own, as a block's address is; tracebacks and output name it.
            code: Python source.
            on_output: Called with what it prints.
            timeout_s: Seconds it may take.

        Returns:
            As of a block; `changed` and `removed` name what it changed, the frame's own names among them.

        Raises:
            RuntimeError: If no block stands, or something is being evaluated.
            Exception: What `on_output` raised.
        """
        letters: list[str] = []
        try:
            return await self._broken.evaluate(ask, self.packed(code, letters), on_output, timeout_s)
        finally:
            self._worker.discard(letters)

    async def look(self, expression: str) -> Looked:
        """Evaluate an expression in a copy of the worker that is thrown away; nothing it does is seen here.

        It sees the names of the frame that stands, or else the node's. What it wrote to a file is written, though.

        Raises:
            RuntimeError: If a block runs and does not stand, or something is being evaluated.
            ReplDied: If the worker is gone.
        """
        send = None
        if self._running is not None:
            if self.standing is None:
                raise RuntimeError("a block is running")
            send = self._broken.order
        question = self._asks.ask({"kind": "look", "expression": expression}, send)
        try:
            async with asyncio.timeout(protocol.LOOK_S + ANSWER_S):
                answer = await question
        except TimeoutError:
            return Looked("timeout", "The REPL did not answer.")
        return answer.looked or Looked("error", answer.error or "The REPL had no answer.")

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
        self._broken.aborted()
        self._link.abort(running.block, running.ended.done)
        if grace_s is not None:
            asyncio.get_running_loop().call_later(grace_s, self._kill_if_running, running)

    def _kill_if_running(self, running: Running) -> None:
        if not running.ended.done():
            self._link.kill()

    def _reply(self, call: int, reply: dict[str, Any]) -> None:
        if "value" in reply:
            letters = self._running.letters if self._running is not None else []
            reply |= self.packed(reply.pop("value"), letters)
        self._link.send({"kind": "reply", "call": call, **reply})

    def _dispatch(self, message: messages.Message) -> None:
        running = self._running
        match message:
            case messages.OutMessage():
                if owner := self._blocks.get(message.block):
                    owner.output(message.stream, message.text)
            case messages.CallMessage():
                self._call(message)
            case messages.NoteMessage():
                if running is not None and message.block == running.block and not running.ended.done():
                    running.note(message.proposed)
            case messages.DoneMessage():
                if running is not None and message.block == running.block:
                    self._link.drain_raw()
                    running.finish(message)
                    self._broken.over()
                    self._turn()
            case messages.ValueMessage():
                self._asks.answered(message)
            case messages.CutMessage():
                if owner := self._blocks.get(message.block):
                    owner.cut(message.stream)
            case messages.HeldMessage():
                pass
            case messages.ReadyMessage():
                if not self._ready.done():
                    self._ready.set_result(_ready(message))

    def _control(self, message: messages.Message) -> None:
        match message:
            case messages.HeldMessage():
                self._broken.held(message)
            case messages.OutMessage():
                self._broken.output(message)
            case messages.DoneMessage():
                self._broken.done(message)
            case messages.ValueMessage():
                self._asks.answered(message)
            case _:
                pass

    def _call(self, message: messages.CallMessage) -> None:
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
        for running in (*((self._running,) if self._running is not None else ()), *self._next):
            running.die(reason)
        self._next.clear()
        self._broken.over(reason)
        self._asks.bury(reason)
        if not self._ready.done():
            self._ready.set_exception(ReplDied(reason))
            # Whoever waited may have been cancelled meanwhile; that is nothing to complain of on stderr.
            self._ready.exception()


def _ready(message: messages.ReadyMessage) -> Ready:
    level = cast("Level", message.level)
    return Ready(message.python, message.platform, level, message.confinement, message.notices)
