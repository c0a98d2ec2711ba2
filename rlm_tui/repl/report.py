"""What is told of a block beside its output: its error, and what it did outside. Runs in the worker."""

from __future__ import annotations

import os
import sys
import traceback
import types
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

from rlm_tui.repl.source import block_of

EFFECTS_CAP = 200
EFFECT_WIDTH = 300
"""Characters of one effect."""
VALUE_CAP = 1 << 20
"""Characters of the `repr` of a trailing expression."""
ERROR_CAP = 256 << 10
"""Characters of a traceback; cut in the middle."""
FRAMES = 100
"""Frames kept at each end of a deep recursion."""

_traceback = BaseException.__dict__["__traceback__"]
_context: Any = BaseException.__dict__["__context__"]
_members: Any = BaseExceptionGroup.__dict__["exceptions"].__get__
_cause = BaseException.__dict__["__cause__"]


def block_traceback(error: BaseException) -> str:
    """Return the traceback of an error with only the frames of blocks; may run the model's code (`__str__`)."""
    while type(error) is MemoryError and type(_context.__get__(error)) is MemoryError:
        error = _context.__get__(error)  # the first one knows where it was raised
    _keep_block_frames(error, set())
    trace = _traceback.__get__(error)
    lines = traceback.TracebackException(type(error), error, trace).format()
    text = "".join(lines)
    if trace is None and error.__context__ is None:
        text = text.removeprefix("Traceback (most recent call last):\n")
    return text.rstrip("\n")


def where_raised(error: BaseException) -> types.TracebackType | None:
    """Return an error's traceback through the C slot."""
    return _traceback.__get__(error)


def _keep_block_frames(error: BaseException, seen: set[int]) -> None:
    """Take frames that are not a block's out of an error and everything chained to it."""
    stack: list[BaseException] = [error]
    while stack:
        error = stack.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        _traceback.__set__(error, _trimmed(_traceback.__get__(error)))
        chained: list[BaseException | None] = [_cause.__get__(error), _context.__get__(error)]
        stack += [each for each in chained if each is not None]
        if issubclass(type(error), BaseExceptionGroup):
            stack += _members(error)


def _trimmed(trace: types.TracebackType | None) -> types.TracebackType | None:
    links: list[types.TracebackType] = []
    while trace is not None:
        if block_of(trace.tb_frame.f_code) is not None:
            links.append(trace)
            if len(links) > 4 * FRAMES:
                links = links[:FRAMES] + links[-FRAMES:]
        trace = trace.tb_next
    kept: types.TracebackType | None = None
    for link in reversed(links):
        kept = types.TracebackType(kept, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return kept


def cut_middle(text: str, cap: int) -> str:
    """Return a text with its middle left out if it is longer than `cap`."""
    if len(text) <= cap:
        return text
    return f"{text[: cap // 2]}\n… ({len(text) - cap:,} characters left out)\n{text[-(cap // 2) :]}"


class Effects:
    """Records what a block opens for writing, removes, connects to or starts. A record for people, not a fence."""

    def __init__(self, running: Callable[[], bool]) -> None:
        self._running = running
        self._seen: dict[str, None] = {}

    def listen(self) -> None:
        """Install the audit hook; it cannot be removed again."""
        sys.addaudithook(self._hook)

    def take(self) -> list[str]:
        """Return the effects since the last time; the last entry counts the ones left out."""
        seen, self._seen = list(self._seen), {}
        more = len(seen) - EFFECTS_CAP
        return seen if more <= 0 else [*seen[: EFFECTS_CAP - 1], f"… {more + 1:,} more"]

    @contextmanager
    def aside(self) -> Generator[list[str]]:
        """Keep apart what happens meanwhile: it is in the list that is given, at the end."""
        before, self._seen = self._seen, {}
        effects: list[str] = []
        try:
            yield effects
        finally:
            effects += self.take()
            self._seen = before

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        verb = _VERBS.get(event)
        if verb is None or not self._running() or len(self._seen) >= 50 * EFFECTS_CAP:
            return
        if event == "open" and not (type(args[2]) is int and args[2] & _WRITING):
            return
        what = args[1] if event in _SECOND else args[0] if args else ""
        self._seen.setdefault(f"{verb} {_plain(what)}".rstrip())


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SECOND = frozenset({"socket.connect", "socket.bind"})
_VERBS = {
    "open": "write",
    "os.remove": "remove",
    "os.rmdir": "remove",
    "os.rename": "rename",
    "os.mkdir": "make",
    "os.link": "link",
    "os.symlink": "link",
    "os.truncate": "write",
    "shutil.rmtree": "remove",
    "socket.connect": "connect",
    "socket.bind": "bind",
    "subprocess.Popen": "start",
    "os.system": "start",
    "os.exec": "start",
    "os.posix_spawn": "start",
    "os.fork": "fork",
    "os.kill": "signal",
}


def done(
    block: str,
    *,
    status: str,
    value: str | None,
    error: str | None,
    cuts: dict[str, Any],
    effects: list[str],
    started: float,
    cpu: float,
    stood_s: float = 0.0,
    **more: Any,
) -> dict[str, Any]:
    """Return the message that says how a block ended.

    Args:
        block: The block's name.
        status: "ok", "error" or "aborted".
        value: `repr` of its last expression, whole.
        error: Its traceback.
        cuts: What was not kept of its streams.
        effects: What it did outside.
        started: When it began, on the clock of `perf_counter`; `cpu` on that of `process_time`.
        stood_s: Seconds of that in which it stood.
        more: Further fields: "rows", "removed", "more"; "answer_ready"; "put_back".
    """
    if value is not None and len(value) > VALUE_CAP:
        cuts = {**cuts, "value": {"kept": VALUE_CAP, "total": len(value), "tail": ""}}
        value = value[:VALUE_CAP]
    return {
        "kind": "done",
        "block": block,
        "status": status,
        "value": value,
        "error": error,
        "answer_ready": None,
        "put_back": [],
        "effects": effects,
        "cuts": cuts,
        "ms": max(0.0, perf_counter() - started - stood_s) * 1000,
        "cpu_ms": (process_time() - cpu) * 1000,
        **more,
    }


def _plain(value: object) -> str:
    """Return an argument of an audit event as text, without running any code of the model's."""
    kind = type(value)
    if kind is str:
        return str.__str__(value)[:EFFECT_WIDTH]  # type: ignore[arg-type]
    if kind is tuple and all(type(part) in (str, int) for part in value):  # type: ignore[attr-defined]
        return ":".join(str(part) for part in value)[:EFFECT_WIDTH]  # type: ignore[attr-defined]
    return repr(value)[:EFFECT_WIDTH] if kind in (bytes, int) else ""
