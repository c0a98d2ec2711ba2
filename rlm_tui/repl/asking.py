"""What is asked of a worker without changing it: an expression in a copy, a page of a value. Runs in the worker."""

from __future__ import annotations

import io
import itertools
import os
import select
import signal
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from rlm_tui.repl.look import brief, exact_type, row, type_name
from rlm_tui.repl.report import ERROR_CAP, block_traceback, cut_middle
from rlm_tui.repl.source import remember_source
from rlm_tui.repl.wire import decode, encode

if TYPE_CHECKING:
    from rlm_tui.repl.blocks import Runner

LOOK_S = 2.0
"""Seconds a copy may take."""
END_S = 1.0
"""Seconds to wait for the end of a copy that was ended."""
LOOK_TEXT = 1 << 20
"""Characters kept of a look's result, and of its output."""
PAGE_TEXT = 64 << 10
"""Characters of one page of text."""
PAGE_ROWS = 500
_LARGEST = (1 << 53) - 1

_exit = os._exit  # pyright: ignore[reportPrivateUsage]
_threads = sys._current_frames  # pyright: ignore[reportPrivateUsage]


def look(runner: Runner, ask: int, expression: str, seen: dict[str, Any]) -> dict[str, Any]:
    """Evaluate an expression in a forked copy that is thrown away, and return the `value` message.

    Args:
        runner: The one whose copy it is.
        ask: The number of the question.
        expression: Python source.
        seen: The names it sees; the copy's own, so nothing it does to them is seen here.
    """
    if not hasattr(os, "fork"):
        return _looked(ask, "error", "This system has no fork, so nothing can be tried in a copy of the REPL.")
    ours, theirs = os.pipe()
    try:
        pid = _fork()
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        return _looked(ask, "error", f"The REPL could not be copied: {error.strerror}.")
    if pid == 0:
        try:
            os.close(ours)
            _in_copy(runner, theirs, expression, seen)
        finally:
            _exit(0)
    os.close(theirs)
    body = _receive(ours)
    os.close(ours)
    return _answer(runner, ask, body, _ended(pid))


def _fork() -> int:
    with warnings.catch_warnings():
        # That a copy of a process with threads may hang is known here, and what the time limit is for.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _in_copy(runner: Runner, pipe: int, expression: str, seen: dict[str, Any]) -> None:
    """Evaluate and say what it gave. A kernel's alarm ends the copy, in case nobody may signal it."""
    sys.settrace(None)
    runner.parts.channel.thrown_away = True
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, LOOK_S)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    runner.parts.limit(True)
    said = io.StringIO()
    sys.stdout = sys.stderr = said
    status = "ok"
    try:
        remember_source("<look>", expression)
        text = str.__str__(repr(eval(compile(expression.strip(), "<look>", "eval", dont_inherit=True), seen)))
    except BaseException as error:  # noqa: BLE001 - any outcome is one; the copy ends here in any case
        runner.parts.limit(False)
        status, text = "error", cut_middle(block_traceback(error), ERROR_CAP)
    runner.parts.limit(False)
    result = [status, cut_middle(text, LOOK_TEXT), cut_middle(said.getvalue(), LOOK_TEXT)]
    body = encode(result)
    body = len(body).to_bytes(4, "big") + body
    while body:
        body = body[os.write(pipe, body) :]


def _receive(pipe: int) -> bytes | None:
    """Return what the copy said; None if it was not done in time, nothing if it ended before it said anything."""
    end = monotonic() + LOOK_S
    body = bytearray()
    while len(body) < 4 or len(body) < 4 + int.from_bytes(body[:4], "big"):
        if not select.select([pipe], [], [], max(0.0, end - monotonic()))[0]:
            return None
        part = os.read(pipe, 1 << 20)
        if not part or len(body) > 16 * LOOK_TEXT:
            return b""
        body += part
    return bytes(body[4:])


def _ended(pid: int) -> int:
    """End the copy, and return how it ended; 0 also when it will not."""
    with suppress(OSError):  # where it may not be signalled, its own alarm ends it
        os.kill(pid, signal.SIGKILL)
    end = monotonic() + END_S
    with suppress(ChildProcessError):  # a block has had it reaped
        while True:
            reaped, status = os.waitpid(pid, os.WNOHANG)
            if reaped:
                return os.waitstatus_to_exitcode(status)
            if monotonic() > end:
                break
            sleep(0.001)
    return 0


def _answer(runner: Runner, ask: int, body: bytes | None, code: int) -> dict[str, Any]:
    if body is None or (not body and code == -signal.SIGALRM):
        leftover = set(_threads()) - runner.parts.own_threads
        why = (
            " Other threads are running, and a lock that one of them holds stays locked in a copy." if leftover else ""
        )
        return _looked(ask, "timeout", f"No answer within {LOOK_S:g} s; the copy was ended.{why}")
    try:
        status, text, output = decode(body)
        if status in ("ok", "error") and type(text) is str and type(output) is str:
            return _looked(ask, status, text, output)
    except (ValueError, TypeError, RecursionError):
        pass
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return _looked(ask, "died", f"The copy ended without an answer ({how}).")


def _looked(ask: int, status: str, text: str, output: str = "") -> dict[str, Any]:
    looked = {"status": status, "text": text, "output": output}
    return {"kind": "value", "ask": ask, "status": "ok", "rows": [], "looked": looked}


def page(value: Any, start: int, count: int) -> dict[str, Any]:
    """Return a part of a value, at most `PAGE_TEXT` characters or `PAGE_ROWS` items; runs none of the model's code."""
    kind = exact_type(value)
    known = kind if type(kind) is type else None
    fields: dict[str, Any] = {"kind": "plain", "type": type_name(value), "total": 0, "start": 0, "text": "", "rows": []}
    if known in (str, bytes, bytearray):
        part = value[start : start + min(count, PAGE_TEXT)]
        text = part if known is str else repr(bytes(part))[2:-1]
        return {**fields, "kind": "text", "total": len(value), "start": start, "text": text}
    if known in (list, tuple, dict, set, frozenset, range):
        rows = _items(value, known, start, min(count, PAGE_ROWS))
        return {**fields, "kind": "items", "total": _length(value), "start": start, "rows": rows}
    return {**fields, "text": brief(value)}


def _items(value: Any, kind: type[Any] | None, start: int, count: int) -> list[Any]:
    if kind in (list, tuple, range):
        return [row(str(start + i), item) for i, item in enumerate(value[start : start + count])]
    rows: list[Any] = []
    items: Iterable[Any] = value.items() if kind is dict else value
    with suppress(RuntimeError):  # changed by a thread meanwhile: what was read so far is right
        for i, item in enumerate(itertools.islice(items, start, start + count)):
            rows.append(row(brief(item[0]), item[1]) if kind is dict else row(str(start + i), item))
    return rows


def _length(value: Any) -> int:
    try:
        return min(len(value), _LARGEST)
    except OverflowError:
        return _LARGEST
