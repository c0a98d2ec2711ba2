"""Runs blocks in the namespace of one node. Runs in the worker."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from mmap import ACCESS_COPY, mmap
from time import perf_counter, process_time
from typing import Any, NamedTuple, Protocol

from rlm_tui.repl.asking import look, page
from rlm_tui.repl.bell import Bell, BlockAborted
from rlm_tui.repl.bounds import Bounds
from rlm_tui.repl.changes import Changes, told
from rlm_tui.repl.channel import Channel
from rlm_tui.repl.limits import reached
from rlm_tui.repl.look import Row, exact_type, listing, row, type_name
from rlm_tui.repl.mending import Mending, stop_timers
from rlm_tui.repl.names import Names, SubcallError
from rlm_tui.repl.report import ERROR_CAP, Effects, block_traceback, cut_middle, done, where_raised
from rlm_tui.repl.source import run_source
from rlm_tui.repl.streams import Output, Owners

RESERVE = 4 << 20
"""Bytes of address space set aside while the model's code runs, and given back at its end: even raising the limit
takes memory. Mapped, never touched: it costs nothing."""

_threads = sys._current_frames  # pyright: ignore[reportPrivateUsage]
_exit = os._exit


class Limit(Protocol):
    """The limit of the address space."""

    def begin(self) -> None:
        """Set all that is limited in this process."""
        ...

    def __call__(self, tight: bool) -> None:
        """Set it, tight while a block runs or with the head-room."""
        ...


class Parts(NamedTuple):
    """What a worker is made of.

    `bounds` says what it can't do; `streams` are its stdin, stdout and stderr.
    """

    channel: Channel
    bell: Bell
    bounds: Bounds
    owners: Owners
    output: Output
    effects: Effects
    names: Names
    module: types.ModuleType
    streams: dict[str, object]
    limit: Limit
    own_threads: set[int]


class Runner:
    """One node's namespace, and the running of blocks in it.

    Attributes:
        parts: What the worker is made of.
        namespace: The `__dict__` of the module blocks run in.
        standing_locals: The names of a function's frame, while a block stands in one.
        stood_s: Seconds the running block stood.
        disarm: Takes back that a block is to stand at its next line.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.namespace = parts.module.__dict__
        self._injected: dict[str, object] = {}
        self._restore: frozenset[str] = frozenset()
        self._mending = Mending(parts.module, parts.streams, parts.bell.handlers)
        self._changes = Changes()
        self._begun = False
        self.standing_locals: dict[str, object] = {}
        self.stood_s = 0.0
        self.disarm: Callable[[], None] = lambda: None
        self._pid = 0
        self._reserve: mmap | None = None
        self.namespace["answer"] = {"content": "", "ready": False}
        self._changes.note(self.variables())

    def begin(self, kinds: dict[str, str], restore: list[str]) -> None:
        """Give the namespace what every block is to find in it, in the process that is to run them.

        Args:
            kinds: Injected name to its kind.
            restore: Further names that are put back before each block.
        """
        self._pid = os.getpid()
        self._restore = frozenset(restore)
        self._injected = self.parts.names.make(kinds)
        self.namespace.update(self._injected)

    def put(self, name: str, value: object) -> None:
        """Bind a variable; one named in `restore` comes back to this value before each block."""
        self.namespace[name] = value
        if name in self._restore:
            self._injected[name] = value

    def set_ready(self, ready: bool) -> None:
        """Set `answer["ready"]` when `answer` is an exact dict."""
        answer = self.namespace.get("answer")
        if type(answer) is dict:
            answer["ready"] = ready

    def rows(self, cap: int) -> list[Row]:
        """Return the listing; safe from any thread and while a block runs."""
        variables = self.variables()
        return [row(name, variables[name]) for name in sorted(variables)[:cap]]

    def variables(self) -> dict[str, object]:
        """Return the variables the model made."""
        return listing(self.namespace, self.parts.names.hidden)

    def page(self, name: str, start: int, count: int) -> dict[str, Any]:
        """Return a `value` message with a part of a variable's value; safe from any thread and while a block runs."""
        visible = {**self.variables(), **self.standing_locals}
        if name not in visible:
            return {"status": "missing"}
        return {"status": "ok", "page": page(visible[name], start, count)}

    def look(self, ask: int, expression: str, seen: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a `value` message with what an expression gives in a copy, where it sees these names or the node's."""
        with self.parts.effects.aside():
            return look(self, ask, expression, dict(self.namespace) if seen is None else seen)

    def resolve(self, name: str, ask: str) -> dict[str, Any]:
        """Return a `value` message with the proposal for a variable; `str(value)` may be the model's code."""
        names = self.parts.names
        if name not in names.variables():
            return {"status": "missing", "error": ", ".join(names.near(name))}
        if names.variables()[name] is None:
            return {"status": "none"}
        self.parts.bell.rung = False
        proposed, error = self._attempt(ask, lambda: names.proposal("FINAL_VAR", names.variables()[name], name))
        self.parts.limit(False)
        if error is None:
            return {"status": "ok", "proposed": proposed}
        return {"status": "error", "error": f"str() of {name!r} raised {type_name(error)}"}

    def run(self, block: str, code: str) -> dict[str, Any]:
        """Run one block and return its `done` message; whatever it does is an outcome."""
        parts = self.parts
        put_back = self._mending.put_back(self._injected)
        self._known_now()
        started, cpu, self.stood_s = perf_counter(), process_time(), 0.0
        parts.bell.rung = False
        parts.owners.begin(block)
        value, error = self._attempt(block, lambda: self._execute(block, code))
        text: str | None = None
        if error is not None:
            text = self._told(block, error)
        ready, failed = self._attempt(block, lambda: self._answer(block))
        if failed is not None and error is None:
            error, text = failed, self._told(block, failed)
        self._leave_fork()
        parts.limit(False)
        self._mending.builtins(quickly=True)
        parts.output.flush()
        aborted = parts.bell.rung
        parts.owners.end(set(_threads()) - parts.own_threads)
        return done(
            block,
            status="aborted" if aborted else "ok" if error is None else "error",
            value=value,
            error=text,
            answer_ready=ready,
            put_back=put_back,
            effects=parts.effects.take(),
            cuts=parts.output.cuts(block),
            started=started,
            cpu=cpu,
            stood_s=self.stood_s,
            **told(*self._changes.note(self.variables())),
        )

    def _told(self, block: str, error: BaseException) -> str:
        bell = self.parts.bell
        rung = bell.rung
        text, failed = self._attempt(block, lambda: error_text(error, self.parts.bounds), tight=False)
        if bell.rung and not rung and (failed is not None or type(error) is SubcallError):
            # Stopping a block cancels its call first, and rings while that is being told: then the stop is told.
            text, failed = self._attempt(block, lambda: stop_text(error), tight=False)
        return text if failed is None else unprintable(error)

    def _attempt(self, block: str, action: Callable[[], Any], tight: bool = True) -> tuple[Any, BaseException | None]:
        """Do something that may run the model's code; it can be stopped meanwhile."""
        bell = self.parts.bell
        value: Any = None
        failed: BaseException | None = None
        try:
            try:
                self.parts.limit(tight)
                self._reserve = _set_aside()
                bell.arm(block)
                value = action()
            finally:
                bell.armed = None  # no call, at which a signal could still be served
                self._reserve = None
        except BaseException as error:  # noqa: BLE001 - any outcome of a block is an outcome, SystemExit too
            failed = error
        # One signal of each timer may have come meanwhile, and its handler raises at the end of any call. No more of
        # this belongs here: where no memory is left, 3.11 to 3.13 can't enter a handler that is far into a function.
        try:
            try:
                try:
                    stop_timers()
                except BaseException:  # noqa: BLE001 - a block's handler may raise anything
                    stop_timers()
            except BaseException:  # noqa: BLE001 - the next timer's
                stop_timers()
        except BaseException:  # noqa: BLE001 - the last one's
            pass
        if failed is not None:
            self.parts.limit(False)
        self._mending.hush()
        self.disarm()
        return value, failed

    def _execute(self, block: str, code: str) -> str | None:
        value = run_source(block, code, self.namespace)
        if value is not None:
            self.namespace["_"] = value
        return value_text(value)

    def _answer(self, block: str) -> bool | None:
        """Return whether `answer` is ready, and declare its content; None when it is not an exact dict."""
        answer: Any = self.namespace.get("answer")
        if exact_type(answer) is not dict:
            return None
        content = answer.get("content", "")
        if not (type(content) is str and not content):
            fields = self.parts.names.proposal("answer", content)
            self.parts.channel.send({"kind": "note", "block": block, **fields})
        return bool(answer.get("ready"))

    def _leave_fork(self) -> None:
        if os.getpid() != self._pid:
            _exit(0)

    def _known_now(self) -> None:
        """Take note of the variables as they are before the first block."""
        if not self._begun:
            self._begun = True
            self._changes.note(self.variables())


def value_text(value: object) -> str | None:
    """Return the `repr` of what a last expression gave; may run the model's code."""
    return None if value is None else str.__str__(repr(value))


def error_text(error: BaseException, bounds: Bounds) -> str:
    """Return an error's traceback, and what of ours it tells of, if anything; may run the model's code.

    Args:
        error: What was raised.
        bounds: What the worker can't do.
    """
    reason = reached(error)
    text = cut_middle(block_traceback(error), ERROR_CAP)
    if reason is not None:
        return f"{text}\n{reason[0].upper()}{reason[1:]} is reached."
    bound = bounds.hit(error)
    return f"{text}\n{bound}" if bound else text


def stop_text(error: BaseException) -> str:
    """Return the traceback of a stop in the place of an error that could not be told because of it."""
    return block_traceback(BlockAborted().with_traceback(where_raised(error)))


def unprintable(error: BaseException) -> str:
    """Return what can be said of an error whose own text could not be made."""
    return f"{type_name(error)}: its message could not be printed"


def _set_aside() -> mmap | None:
    """Return the reserve; less of it, or none, when memory is full: a block needs some to let go of things."""
    for size, room in ((RESERVE, 2 * RESERVE), (RESERVE // 4, RESERVE // 2)):
        try:
            mmap(-1, room, access=ACCESS_COPY).close()
            return mmap(-1, size, access=ACCESS_COPY)
        except OSError:
            continue
    return None
