"""One running block as the host sees it: its calls, its clock, what was kept of its output. Host side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

from rlm_tui.repl.messages import CallMessage, DoneMessage
from rlm_tui.repl.meter import Budget, Meter
from rlm_tui.repl.protocol import NOTES_CAP, NOTES_SIZE, OPEN_CALLS_CAP, OUTPUT_CAP, RAW_CAP, ProtocolError
from rlm_tui.repl.results import (
    AnswerDict,
    BlockResult,
    CallCancelled,
    CallFailed,
    Cut,
    OnCall,
    OnOutput,
    Proposed,
    Status,
)

Reply = Callable[[int, dict[str, Any]], None]
LATE_CUT = "\n… (more was printed after the block's end than is kept; the rest is left out)\n"


class ComputingClock:
    """Counts the seconds a block computes: it stands while anything holds it."""

    def __init__(self, limit_s: float | None, expired: Callable[[], None]) -> None:
        self._left = limit_s
        self._expired = expired
        self._holds = 0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._start()

    def hold(self) -> None:
        """Stop the clock; holds nest."""
        self._holds += 1
        if self._holds == 1:
            self._stop()

    def release(self) -> None:
        """Undo one hold."""
        self._holds -= 1
        if self._holds == 0:
            self._start()

    def close(self) -> None:
        """Never expire."""
        self._stop()
        self._left = None

    def _start(self) -> None:
        if self._left is not None:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._timer = loop.call_later(max(0.0, self._left), self._expired)

    def _stop(self) -> None:
        if self._timer is not None and self._left is not None:
            self._timer.cancel()
            self._timer = None
            self._left -= asyncio.get_running_loop().time() - self._since


class Kept:
    """What was kept of one stream."""

    def __init__(self, budget: Budget) -> None:
        self._meter = Meter(budget)
        self._parts: list[str] = []
        self._open = True

    def add(self, text: str) -> str:
        """Keep a piece and return the part of it that was kept."""
        part = self._meter.take(text)
        if part and self._open:
            self._parts.append(part)
        return part

    def close(self) -> str:
        """Return everything kept so far, and let go of it: what comes later is only counted."""
        text = "".join(self._parts)
        self._open = False
        self._parts = []
        return text

    @property
    def cut(self) -> Cut | None:
        """What was not kept, if anything."""
        return Cut(self._meter.kept, self._meter.total, self._meter.tail) if self._meter.cut else None


class Running:
    """A block between `exec` and its end.

    Attributes:
        ended: Done when the worker said so, or is gone.
        over: Whether the worker said so.
        letters: Files in which something is handed to it, until it has ended.
        stopping: Why the block is being stopped, if it is.
        failure: What `on_output` raised, or `on_call` beside the two exceptions it may.
    """

    def __init__(self, block: str, on_output: OnOutput, on_call: OnCall, reply: Reply) -> None:
        self.block = block
        self.ended: asyncio.Future[BlockResult] = asyncio.get_running_loop().create_future()
        self.over = False
        self.letters: list[str] = []
        self.stopping: Literal["aborted", "timeout"] | None = None
        self.failure: Exception | None = None
        self.clock: ComputingClock | None = None
        self._on_output = on_output
        self._on_call = on_call
        self._reply = reply
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: set[int] = set()
        self._told: set[str] = set()
        self._cancelled_any = False
        self._finals: list[Proposed] = []
        self._declared = 0
        self._content: Proposed | None = None
        self._started = time.perf_counter()
        tagged = Budget(OUTPUT_CAP)
        self._streams = {"stdout": Kept(tagged), "stderr": Kept(tagged), "raw": Kept(Budget(RAW_CAP))}

    def output(self, stream: str, text: str) -> None:
        """Take a piece of output, and pass on what is kept of it; after the end it is late, and only passed on."""
        part = self._streams[stream].add(text)
        if part:
            self._pass_on(stream, part)
        if len(part) < len(text) and self.ended.done():
            self.cut(stream)

    def cut(self, stream: str) -> None:
        """Say, once, that late output of a stream is not kept any more; what is cut before the end is in the result."""
        if stream not in self._told:
            self._told.add(stream)
            self._pass_on(stream, LATE_CUT)

    def _pass_on(self, stream: str, text: str) -> None:
        late = self.ended.done()
        try:
            self._on_output(self.block, stream, text, late)
        except Exception as error:  # noqa: BLE001 - the caller's defect: the line to the worker must not break, `execute` raises it
            if late:
                loop = asyncio.get_running_loop()
                loop.call_exception_handler({"message": "late output could not be passed on", "exception": error})
            self.failure = self.failure or error

    def note(self, proposed: Proposed) -> None:
        """Take a declared answer.

        Raises:
            ProtocolError: If there are more, or larger ones, than a worker lets through.
        """
        if proposed.via == "answer":
            if self._content is not None:
                raise ProtocolError("an answer is declared twice")
            self._content = proposed
            return
        self._declared += sum(len(part or "") for part in (proposed.text, proposed.json, proposed.name, proposed.type))
        if len(self._finals) == NOTES_CAP or self._declared > NOTES_SIZE:
            raise ProtocolError("too many declared answers")
        self._finals.append(proposed)

    def call(self, message: CallMessage) -> None:
        """Answer a call in a task of its own; at once with `cancelled` while the block is being stopped.

        Raises:
            ProtocolError: If its number is not new, or more calls are open than a worker lets through.
        """
        if message.call in self._seen:
            raise ProtocolError("a call's number is not new")
        self._seen.add(message.call)
        if self.stopping is not None:
            self._cancelled_any = True
            self._reply(message.call, {"status": "cancelled"})
            return
        if len(self._calls) >= OPEN_CALLS_CAP:
            raise ProtocolError("too many open calls")
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._calls[message.call] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.clock:
            self.clock.hold()

    async def _answer(self, message: CallMessage) -> None:
        try:
            value = await self._on_call(self.block, message.fn, message.prompt, message.model)
            reply = {"status": "ok", "value": value}
        except CallFailed as error:
            reply = {"status": "error", "error": str(error)}
        except (CallCancelled, asyncio.CancelledError):
            reply = {"status": "cancelled"}
        except Exception as error:  # noqa: BLE001 - the caller's defect: the block must not wait for ever, `execute` raises it
            self.failure = self.failure or error
            reply = {"status": "error", "error": "InternalError: the sub-call could not be made"}
        self._close_call(message.call, reply)

    def _close_call(self, call: int, reply: dict[str, Any]) -> None:
        if self._calls.pop(call, None) is not None:
            self._reply(call, reply)
            if self.clock:
                self.clock.release()

    def cancel_calls(self) -> None:
        """Answer every open call with `cancelled`, then cancel its task."""
        for call, task in list(self._calls.items()):
            self._cancelled_any = True
            self._close_call(call, {"status": "cancelled"})
            task.cancel()

    async def settle(self, grace_s: float) -> None:
        """Wait until the tasks of cancelled calls have wound up, but not for ever."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)

    def finish(self, done: DoneMessage) -> None:
        """The worker said the block has ended."""
        self.over = True
        answer = None if done.answer_ready is None else AnswerDict(done.answer_ready, self._content)
        self._end(
            status=self._status(done.status),
            value=done.value,
            error=done.error,
            answer=answer,
            changed=done.rows,
            removed=done.removed,
            more_variables=done.more,
            put_back=done.put_back,
            effects=done.effects,
            cuts=done.cuts | self._own_cuts(),
            ms=done.ms,
            cpu_ms=done.cpu_ms,
        )

    def _status(self, status: str) -> Status:
        # A call cancelled by the stop may end the block before the signal is seen: it was stopped all the same.
        stopped = status == "aborted" or (self.stopping is not None and self._cancelled_any)
        if stopped:
            return self.stopping or "aborted"
        return "ok" if status == "ok" else "error"

    def die(self, reason: str) -> None:
        """The worker is gone."""
        elapsed = (time.perf_counter() - self._started) * 1000
        status: Status = "timeout" if self.stopping == "timeout" else "died"
        self._end(status=status, error=reason, cuts=self._own_cuts(), ms=elapsed)

    def abandon(self) -> None:
        """What it was part of has been stopped, and it with that."""
        elapsed = (time.perf_counter() - self._started) * 1000
        self._end(status=self.stopping or "aborted", cuts=self._own_cuts(), ms=elapsed)

    def _own_cuts(self) -> dict[str, Cut]:
        return {name: kept.cut for name, kept in self._streams.items() if kept.cut is not None}

    def _end(self, **fields: Any) -> None:
        if self.ended.done():
            return
        if self.clock:
            self.clock.close()
        self.cancel_calls()
        texts = {name: kept.close() for name, kept in self._streams.items()}
        self.ended.set_result(BlockResult(**texts, finals=tuple(self._finals), **fields))
