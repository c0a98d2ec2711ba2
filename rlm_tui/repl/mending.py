"""What blocks may break for the next one, and what is put back. Runs in the worker."""

from __future__ import annotations

import _signal  # pyright: ignore
import builtins
import signal
import sys
import types
from collections.abc import Callable, Mapping
from itertools import repeat
from operator import is_
from typing import Any

from rlm_tui.repl.bell import unblock

TIMERS = tuple(
    getattr(signal, name) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF") if hasattr(signal, name)
)
UNCATCHABLE = ("SIGKILL", "SIGSTOP")
TRIES = 100
"""How often a signal that raises may interrupt the putting back of its own handler."""

# A block may have replaced these too.
_all: Any = all
_map: Any = map
_len: Any = len
# The C functions: those of `signal` compare a handler with the names they know, which asks the handler.
_getsignal: Callable[[int], Any] = _signal.getsignal  # pyright: ignore
_setsignal: Callable[[int, Any], Any] = _signal.signal  # pyright: ignore
_ignored: int = _signal.SIG_IGN  # pyright: ignore
# Through the C slots: a block may have given our classes another metaclass, or another way to look things up.
_parts_of: Any = type.__dict__["__dict__"].__get__  # pyright: ignore
_set_part, _remove_part = type.__setattr__, type.__delattr__
_attribute: Any = object.__getattribute__
_set_class: Any = object.__dict__["__class__"].__set__  # pyright: ignore


def _all_timers_off() -> Callable[[], object]:
    """Return what stops every timer, in one call into C: only when it is done can a signal be served, and raise."""
    if not TIMERS:
        return lambda: None
    return zip(*(map(signal.setitimer, repeat(timer), repeat(0.0)) for timer in TIMERS), strict=False).__next__


stop_timers = _all_timers_off()
"""Stops the timers a block has set. What their handlers may still raise is raised when it is done."""


class Mending:
    """Remembers how things were when the worker was born.

    Args:
        module: The module whose `__dict__` is the node's namespace.
        streams: The worker's stdin, stdout and stderr, by name.
        handlers: Those of the worker's own signals, which may not be installed yet.
    """

    def __init__(
        self, module: types.ModuleType, streams: dict[str, object], handlers: Mapping[int, Callable[..., object]]
    ) -> None:
        self._module = module
        self._namespace = module.__dict__
        self._streams = streams
        self._builtins = {name: value for name, value in vars(builtins).items() if name != "_"}
        self._in_order = list(vars(builtins).values())
        self._ours = {name: stream for name, stream in streams.items() if _ours(stream)}
        self._own = {name: dict(vars(stream)) for name, stream in self._ours.items()}
        self._kinds = {name: type(stream) for name, stream in self._ours.items()}
        self._metas = {kind: type(kind) for kind in self._kinds.values()}
        self._parts = {kind: dict(vars(kind)) for kind in self._kinds.values()}
        catchable = _signal.valid_signals() - {getattr(_signal, name, None) for name in UNCATCHABLE}  # pyright: ignore
        # None is a handler that is not Python's to know.
        known: dict[int, Any] = {n: handler for n in catchable if (handler := _getsignal(n)) is not None}  # pyright: ignore
        self._handlers = {**known, **handlers}
        self._rung = frozenset(handlers)
        self._mended: set[str] = set()
        self._untouched = True

    def put_back(self, injected: dict[str, object]) -> list[str]:
        """Put back what a block has overwritten, and return what that was since the last time.

        Before anything of the model's has run there are only names that were bound to something else.

        Args:
            injected: The names that are ours in the namespace.
        """
        if not self._untouched:
            self._all_but_names()
        fixed = {"__builtins__": builtins, "__name__": "__main__", **injected}
        for name, value in fixed.items():
            if self._namespace.get(name) is not value:
                self._mend(name, self._namespace, name, value)
        if "print" in self._namespace and not callable(self._namespace["print"]):
            del self._namespace["print"]
            self._mended.add("print")
        mended, self._mended = sorted(self._mended), set()
        return mended

    def _all_but_names(self) -> None:
        self.builtins()
        self._put_back_streams()
        if sys.modules.get("__main__") is not self._module:
            self._mend("sys.modules['__main__']", sys.modules, "__main__", self._module)
        self.hush()
        unblock(self._rung)

    def _put_back_streams(self) -> None:
        for name, stream in self._ours.items():
            kind = self._kinds[name]
            if self._put_back_class(kind) | self._put_back_own(stream, kind, self._own[name]):
                self._mended.add(f"sys.{name}")
        for name, stream in self._streams.items():
            if getattr(sys, name, None) is not stream:
                setattr(sys, name, stream)
                self._mended.add(f"sys.{name}")

    def _put_back_class(self, kind: type[Any]) -> bool:
        """Return whether anything of it had been changed."""
        if other := type(kind) is not self._metas[kind]:
            _set_class(kind, self._metas[kind])
        now, parts = _parts_of(kind), self._parts[kind]
        if len(now) == len(parts) and _all(_map(is_, _map(now.get, parts), parts.values())):
            return other
        for name in [name for name in now if name not in parts]:
            _remove_part(kind, name)
        for name, value in parts.items():
            if now.get(name) is not value:
                _set_part(kind, name, value)
        return True

    def _put_back_own(self, stream: object, kind: type[Any], own: dict[str, Any]) -> bool:
        if other := type(stream) is not kind:
            _set_class(stream, kind)
        now = _attribute(stream, "__dict__")
        # Never `==`, which would ask what the block has put there.
        if len(now) == len(own) and _all(_map(is_, now, own)) and _all(_map(is_, now.values(), own.values())):
            return other
        now.clear()
        now.update(own)
        return True

    def builtins(self, quickly: bool = False) -> None:
        """Put back the builtins.

        Args:
            quickly: Whether to take them for unchanged where their values are, in the same order: no name is read,
                each of which is on a page that a fork still shares.
        """
        current: dict[str, Any] = builtins.__dict__
        if quickly and _len(current) == _len(self._in_order) and _all(_map(is_, current.values(), self._in_order)):
            return
        if _all(_map(is_, _map(current.get, self._builtins), self._builtins.values())):
            return
        for name, value in self._builtins.items():
            if current.get(name) is not value:
                self._mend(f"builtins.{name}", current, name, value)

    def hush(self) -> None:
        """Stop timers and put back the handlers of signals: what a block has set up ends with it."""
        self._untouched = False
        for _ in range(TRIES):
            try:
                stop_timers()
                for number, handler in self._handlers.items():
                    if _getsignal(number) is not handler:
                        self._mended.add(f"signal.{_signal_name(number)}")
                        _setsignal(number, _ignored)  # forgets one that waits, which might end us
                        _setsignal(number, handler)
            except BaseException:  # noqa: BLE001 - raised by a block's handler, which is on its way out
                continue
            return

    def _mend(self, label: str, where: Any, name: str, value: object) -> None:
        where[name] = value
        self._mended.add(label)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _ours(stream: object) -> bool:
    return type(stream).__module__ != "_io"
