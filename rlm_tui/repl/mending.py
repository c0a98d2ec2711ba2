"""What blocks may break for the next one, and what is put back. Runs in the worker."""

from __future__ import annotations

import builtins
import signal
import sys
import types
from operator import is_
from typing import Any

from rlm_tui.repl.bell import SIGNALS, Bell

TIMERS = tuple(
    getattr(signal, name) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF") if hasattr(signal, name)
)
UNCATCHABLE = ("SIGKILL", "SIGSTOP")
TRIES = 100
"""How often a signal that raises may interrupt the putting back of its own handler."""

# A block may have replaced these too.
_all: Any = all
_map: Any = map
_getsignal, _setsignal = signal.getsignal, signal.signal


class Mending:
    """Remembers how things were when the worker was born.

    Args:
        module: The module whose `__dict__` is the node's namespace.
        streams: The worker's stdin, stdout and stderr, by name.
        bell: Has handlers of its own, put back at each block.
    """

    def __init__(self, module: types.ModuleType, streams: dict[str, object], bell: Bell) -> None:
        self._module = module
        self._namespace = module.__dict__
        self._streams = streams
        self._bell = bell
        self._builtins = {name: value for name, value in vars(builtins).items() if name != "_"}
        self._parts = [(f"sys.{name}", type(s), dict(vars(type(s)))) for name, s in streams.items() if _ours(s)]
        self._own = {name: dict(vars(s)) for name, s in streams.items() if _ours(s)}
        ours = {getattr(signal, name, None) for name in (*SIGNALS, *UNCATCHABLE)}
        self._handlers = {number: _getsignal(number) or signal.SIG_DFL for number in signal.valid_signals() - ours}
        self._mended: set[str] = set()

    def put_back(self, injected: dict[str, object]) -> list[str]:
        """Put back what a block has overwritten, and return what that was since the last time.

        Args:
            injected: The names that are ours in the namespace.
        """
        self.builtins()
        fixed = {"__builtins__": builtins, "__name__": "__main__", **injected}
        for name, value in fixed.items():
            if self._namespace.get(name) is not value:
                self._mend(name, self._namespace, name, value)
        if "print" in self._namespace and not callable(self._namespace["print"]):
            del self._namespace["print"]
            self._mended.add("print")
        self._put_back_streams()
        if sys.modules.get("__main__") is not self._module:
            self._mend("sys.modules['__main__']", sys.modules, "__main__", self._module)
        for name in SIGNALS:
            if hasattr(signal, name) and _getsignal(getattr(signal, name)) != self._bell.handle:
                self._mended.add(f"signal.{name}")
        self._bell.listen()
        mended, self._mended = sorted(self._mended), set()
        return mended

    def _put_back_streams(self) -> None:
        for label, kind, parts in self._parts:
            now = vars(kind)
            for name in [name for name in now if name not in parts]:
                delattr(kind, name)
                self._mended.add(label)
            for name, value in parts.items():
                if now.get(name) is not value:
                    setattr(kind, name, value)
                    self._mended.add(label)
        for name, stream in self._streams.items():
            if name in self._own and vars(stream) != self._own[name]:
                vars(stream).clear()
                vars(stream).update(self._own[name])
                self._mended.add(f"sys.{name}")
            if getattr(sys, name, None) is not stream:
                setattr(sys, name, stream)
                self._mended.add(f"sys.{name}")

    def builtins(self) -> None:
        """Put back the builtins."""
        current: dict[str, Any] = builtins.__dict__
        if _all(_map(is_, _map(current.get, self._builtins), self._builtins.values())):
            return
        for name, value in self._builtins.items():
            if current.get(name) is not value:
                self._mend(f"builtins.{name}", current, name, value)

    def hush(self) -> None:
        """Stop the timers a block has set, and put back the handlers of signals: what it began ends with it."""
        for _ in range(TRIES):
            try:
                for timer in TIMERS:
                    signal.setitimer(timer, 0)
                for number, handler in self._handlers.items():
                    if _getsignal(number) is not handler:
                        self._mended.add(f"signal.{_signal_name(number)}")
                        _setsignal(number, handler)
            except BaseException:  # noqa: BLE001 - a block's handler, which is on its way out
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
