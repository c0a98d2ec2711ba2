"""A block that stands: told to the host, evaluated in, stepped, and gone on with. Runs in the worker.

All of it happens in the main thread, in a signal handler or a trace function, so that the block's own state is exactly
what it was: whatever it was waiting for is still waited for when the handler returns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import perf_counter, process_time
from types import FrameType
from typing import Any

from rlm_tui.repl.blocks import Runner, error_text, unprintable, value_text
from rlm_tui.repl.changes import Changes, told
from rlm_tui.repl.look import NAME_WIDTH, listing, row
from rlm_tui.repl.names import load
from rlm_tui.repl.report import done
from rlm_tui.repl.source import block_of, run_source

FRAMES_CAP = 50
LOCALS_CAP = 100

_threads = sys._current_frames  # pyright: ignore[reportPrivateUsage]


class Stepper:
    """Lets a block stand again at its next line: traces frames of blocks' code only, and nothing when not stepping."""

    def __init__(self, runner: Runner) -> None:
        self._bell = runner.parts.bell
        self._wish = 0
        self._before: Any = None

    def arm(self, frame: FrameType | None, wish: int) -> None:
        """From here the next line of a block's code is one to stand at; `frame` is where the block is now."""
        if not self._wish:
            self._before = sys.gettrace()
        self._wish = wish
        while frame is not None:
            if block_of(frame.f_code) is not None:
                frame.f_trace = self._line
            frame = frame.f_back
        sys.settrace(self._call)

    def disarm(self) -> None:
        """Trace nothing more."""
        if self._wish:
            self._wish = 0
            before, self._before = self._before, None
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if self._wish and block_of(frame.f_code) is not None else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if not self._wish:
            return None
        if self._wish <= self._bell.over:
            self.disarm()
        elif event == "line" and frame.f_lineno:
            self._bell.halt(frame, self._wish)
        return self._line


class Stand:
    """What the bell calls when a block is to stand."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._parts = runner.parts
        self._bell = runner.parts.bell
        self._stepper = Stepper(runner)
        runner.disarm = self._stepper.disarm

    def __call__(self, interrupted: FrameType | None, wish: int) -> bool:
        """Stand until the host says otherwise. False when the block is at no line of its code: then at the next."""
        self._stepper.disarm()
        frames = _block_frames(interrupted)
        if not frames:
            self._stepper.arm(interrupted, wish)
            return False
        started = perf_counter()
        self._parts.limit(False)
        self._parts.output.flush()
        self._tell(frames, wish)
        following = self._serve(frames[-1], wish)
        self._runner.standing_locals = {}
        self._bell.over = max(self._bell.over, wish)
        self._parts.limit(True)
        self._runner.stood_s += perf_counter() - started
        if following:
            self._stepper.arm(interrupted, following)
        return True

    def _serve(self, frame: FrameType, wish: int) -> int:
        """Do what the host asks for; return the number of the next line's standing, 0 to go on."""
        control = self._bell.control
        while order := self._bell.next_order(wish):
            if order["kind"] == "eval":
                control.send(self._evaluate(frame, order["ask"], order))
                self._runner.standing_locals = _plain_locals(frame, self._runner.namespace)
            elif order["kind"] == "look":
                seen = {**frame.f_globals, **_names(frame)}
                control.send(self._runner.look(order["ask"], order["expression"], seen))
            elif order["kind"] == "step":
                return order["next"]
        return 0

    def _tell(self, frames: list[FrameType], wish: int) -> None:
        self._runner.standing_locals = _plain_locals(frames[-1], self._runner.namespace)
        in_module = frames[-1].f_locals is self._runner.namespace
        own = self._runner.variables() if in_module else self._runner.standing_locals
        threads = set(_threads()) - self._parts.own_threads
        self._bell.control.send(
            {
                "kind": "held",
                "block": self._bell.armed,
                "wish": wish,
                "line": frames[-1].f_lineno or 0,
                "frames": [_brief(frame) for frame in frames],
                "locals": [row(name, own[name]) for name in sorted(own)[:LOCALS_CAP]],
                "threads": len(threads),
            }
        )

    def _evaluate(self, frame: FrameType, label: str, order: dict[str, Any]) -> dict[str, Any]:
        """Run an order's code in a frame that stands, and return its `done` message."""
        parts, changes = self._parts, Changes()
        changes.note(self._visible(frame))
        started, cpu = perf_counter(), process_time()
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = parts.streams["stdout"], parts.streams["stderr"]  # type: ignore[assignment]
        parts.owners.aside = label
        parts.output.routes[label] = self._bell.control.send
        with parts.effects.aside() as effects:
            value, error, stopped = self._attempt(label, lambda: value_text(_run_in(frame, label, load(order))))
            text = None
            if error is not None:
                text, failed, again = self._attempt(label, lambda: error_text(error, parts.bounds))
                text, stopped = text if failed is None else unprintable(error), stopped or again
        parts.owners.aside = None
        parts.output.flush()
        del parts.output.routes[label]
        sys.stdout, sys.stderr = streams
        return done(
            label,
            status="aborted" if stopped else "ok" if error is None else "error",
            value=value,
            error=text,
            cuts=parts.output.cuts(label),
            effects=effects,
            started=started,
            cpu=cpu,
            **told(*changes.note(self._visible(frame))),
        )

    def _attempt(self, label: str, action: Callable[[], Any]) -> tuple[Any, BaseException | None, bool]:
        """Do something that may run the model's code; return how it went, and whether it was stopped."""
        value, failed = None, None
        try:
            try:
                self._parts.limit(True)
                self._bell.aside(label)
                value = action()
            finally:
                self._bell.busy = True  # no call, at which a signal could still be served
        except BaseException as error:  # noqa: BLE001 - any outcome is an outcome, as of a block
            failed = error
        stopped = self._bell.back()
        self._parts.limit(False)
        return value, failed, stopped

    def _visible(self, frame: FrameType) -> dict[str, object]:
        return {**self._runner.variables(), **_plain_locals(frame, self._runner.namespace)}


def _block_frames(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of blocks' code, outermost first, the innermost `FRAMES_CAP` of them.

    One that is not yet at a line is left out.
    """
    frames: list[FrameType] = []
    while frame is not None and len(frames) < FRAMES_CAP:
        if block_of(frame.f_code) is not None and frame.f_lineno:
            frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _brief(frame: FrameType) -> list[Any]:
    name = frame.f_code.co_qualname
    function = name[:NAME_WIDTH] if type(name) is str else ""
    return [frame.f_lineno or 0, function, (block_of(frame.f_code) or "")[:NAME_WIDTH]]


def _names(frame: FrameType) -> dict[str, object]:
    """Return a copy of a frame's own names; nothing when they are kept in something that is not the interpreter's."""
    names = frame.f_locals
    return dict(names) if type(names) is dict or type(names) is _VIEW else {}


def _plain_locals(frame: FrameType, namespace: dict[str, object]) -> dict[str, object]:
    """Return the variables a function's frame has of its own."""
    if frame.f_locals is namespace:
        return {}
    return {name: value for name, value in listing(_names(frame), frozenset()).items() if name.isidentifier()}


def _run_in(frame: FrameType, label: str, code: str) -> Any:
    """Run code in a frame, so that what it assigns is assigned there."""
    if frame.f_locals is frame.f_globals:
        return run_source(label, code, frame.f_globals)
    names = frame.f_locals
    if type(names) is not dict or sys.version_info >= (3, 13):
        return run_source(label, code, frame.f_globals, names)
    before = dict(names)
    try:
        return run_source(label, code, frame.f_globals, names)
    finally:
        after = dict(names)
        names = frame.f_locals  # read again: a closure may have assigned to the same names meanwhile
        names.update({name: value for name, value in after.items() if before.get(name, _NEW) is not value})
        _keep_locals(frame)


def _keep_locals(frame: FrameType) -> None:
    """Put what is in `f_locals` into the frame itself; a name that was deleted keeps its value."""
    from ctypes import c_int, py_object, pythonapi

    pythonapi.PyFrame_LocalsToFast(py_object(frame), c_int(0))


def _view() -> type[Any]:
    return type(sys._getframe().f_locals)  # pyright: ignore[reportPrivateUsage]


_VIEW = _view()
"""What `f_locals` of a function's frame is: a dict, or from 3.13 on a view of the frame."""
_NEW = object()
