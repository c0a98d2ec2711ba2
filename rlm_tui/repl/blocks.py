"""Runs blocks in the namespace of one node. Runs in the worker."""

from __future__ import annotations

import ast
import builtins
import os
import signal
import sys
import types
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any, NamedTuple

from rlm_tui.repl.channel import Bell, Channel
from rlm_tui.repl.look import NAME_WIDTH, Row, exact_type, listing, row, type_name
from rlm_tui.repl.names import Names
from rlm_tui.repl.report import ERROR_CAP, Effects, block_traceback, cut_middle, remember_source
from rlm_tui.repl.streams import Output, Owners

ROWS_CAP = 500
VALUE_CAP = 1 << 20
"""Characters of the `repr` of a trailing expression."""
RESERVE = 4 << 20
"""Bytes set aside while the model's code runs, and given back at its end: even raising the limit takes memory."""

_threads = sys._current_frames  # pyright: ignore[reportPrivateUsage]
_exit = os._exit


class Parts(NamedTuple):
    """What a worker is made of; `streams` are its stdin, stdout and stderr."""

    channel: Channel
    bell: Bell
    owners: Owners
    output: Output
    effects: Effects
    names: Names
    module: types.ModuleType
    streams: dict[str, object]
    limit: Callable[[bool], None]
    own_threads: set[int]


class Runner:
    """One node's namespace, and the running of blocks in it."""

    def __init__(self, parts: Parts, kinds: dict[str, str], restore: list[str]) -> None:
        self._parts = parts
        self._namespace = parts.module.__dict__
        self._injected = parts.names.make(kinds)
        self._restore = frozenset(restore)
        self._builtins = dict(vars(builtins))
        self._mended: set[str] = set()
        self._known: dict[str, tuple[int, Row]] = {}
        self._pid = os.getpid()
        self._reserve: bytes | None = None
        self._namespace.update(self._injected)
        self._namespace["answer"] = {"content": "", "ready": False}

    def put(self, name: str, value: object) -> None:
        """Bind a variable; one named in `restore` comes back to this value before each block."""
        self._namespace[name] = value
        if name in self._restore:
            self._injected[name] = value

    def set_ready(self, ready: bool) -> None:
        """Set `answer["ready"]` when `answer` is an exact dict."""
        answer = self._namespace.get("answer")
        if type(answer) is dict:
            answer["ready"] = ready

    def rows(self, cap: int) -> list[Row]:
        """Return the listing; safe from any thread and while a block runs."""
        variables = listing(self._namespace, self._parts.names.hidden)
        return [row(name, variables[name]) for name in sorted(variables)[:cap]]

    def resolve(self, name: str, ask: str) -> dict[str, Any]:
        """Return a `value` message with the proposal for a variable; `str(value)` may be the model's code."""
        names = self._parts.names
        if name not in names.variables():
            return {"status": "missing", "error": ", ".join(names.near(name))}
        if names.variables()[name] is None:
            return {"status": "none"}
        self._parts.bell.rung = False
        proposed, error = self._attempt(ask, lambda: names.proposal("FINAL_VAR", names.variables()[name], name))
        self._parts.limit(False)
        if error is None:
            return {"status": "ok", "proposed": proposed}
        return {"status": "error", "error": f"str() of {name!r} raised {type_name(error)}"}

    def run(self, block: str, code: str) -> dict[str, Any]:
        """Run one block and return its `done` message; whatever it does is an outcome."""
        parts = self._parts
        self._put_back()
        put_back, self._mended = sorted(self._mended), set()
        self._known_now()
        started, cpu = perf_counter(), process_time()
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
        self._mend_builtins()
        parts.output.flush()
        aborted = parts.bell.rung
        parts.owners.end(set(_threads()) - parts.own_threads)
        changed, removed = self._changes()
        return {
            "kind": "done",
            "block": block,
            "status": "aborted" if aborted else "ok" if error is None else "error",
            "value": value[:VALUE_CAP] if value is not None else None,
            "error": text,
            "answer_ready": ready,
            "rows": changed[:ROWS_CAP],
            "removed": removed[:ROWS_CAP],
            "more": max(0, len(changed) - ROWS_CAP) + max(0, len(removed) - ROWS_CAP),
            "put_back": put_back,
            "effects": parts.effects.take(),
            "cuts": parts.output.cuts(block) | _value_cut(value),
            "ms": (perf_counter() - started) * 1000,
            "cpu_ms": (process_time() - cpu) * 1000,
        }

    def _told(self, block: str, error: BaseException) -> str:
        text, failed = self._attempt(block, lambda: cut_middle(block_traceback(error), ERROR_CAP), tight=False)
        return text if failed is None else f"{type_name(error)}: its message could not be printed"

    def _attempt(self, block: str, action: Callable[[], Any], tight: bool = True) -> tuple[Any, BaseException | None]:
        """Do something that may run the model's code; it can be stopped meanwhile."""
        bell = self._parts.bell
        try:
            try:
                self._reserve = bytes(RESERVE)
                self._parts.limit(tight)
                bell.arm(block)
                return action(), None
            finally:
                bell.armed = None  # no call, at which a signal could still be served
                self._reserve = None
        except BaseException as error:  # noqa: BLE001 - any outcome of a block is an outcome, SystemExit too
            self._parts.limit(False)
            return None, error

    def _execute(self, block: str, code: str) -> str | None:
        filename = f"<block {block}>"
        remember_source(filename, code)
        tree: Any = compile(code, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        last: Any = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        body = compile(tree, filename, "exec", dont_inherit=True)
        tail = compile(ast.Expression(last.value), filename, "eval", dont_inherit=True) if last else None
        exec(body, self._namespace)
        value = eval(tail, self._namespace) if tail else None
        if value is None:
            return None
        self._namespace["_"] = value
        return str.__str__(repr(value))

    def _answer(self, block: str) -> bool | None:
        """Return whether `answer` is ready, and declare its content; None when it is not an exact dict."""
        answer: Any = self._namespace.get("answer")
        if exact_type(answer) is not dict:
            return None
        content = answer.get("content", "")
        if not (type(content) is str and not content):
            fields = self._parts.names.proposal("answer", content)
            self._parts.channel.send({"kind": "note", "block": block, **fields})
        return bool(answer.get("ready"))

    def _put_back(self) -> None:
        """Put back what a block has overwritten, and remember which."""
        self._mend_builtins()
        fixed = {"__builtins__": builtins, "__name__": "__main__", **self._injected}
        for name, value in fixed.items():
            if self._namespace.get(name) is not value:
                self._mend(name, self._namespace, name, value)
        if "print" in self._namespace and not callable(self._namespace["print"]):
            del self._namespace["print"]
            self._mended.add("print")
        for name, stream in self._parts.streams.items():
            if getattr(sys, name, None) is not stream:
                setattr(sys, name, stream)
                self._mended.add(f"sys.{name}")
        if sys.modules.get("__main__") is not self._parts.module:
            self._mend("sys.modules['__main__']", sys.modules, "__main__", self._parts.module)
        if signal.getsignal(signal.SIGINT) != self._parts.bell.handle:
            self._mended.add("signal.SIGINT")
        self._parts.bell.listen()

    def _mend(self, label: str, where: Any, name: str, value: object) -> None:
        where[name] = value
        self._mended.add(label)

    def _mend_builtins(self) -> None:
        current = builtins.__dict__
        for name, value in self._builtins.items():
            if current.get(name) is not value and name != "_":
                current[name] = value
                self._mended.add(f"builtins.{name}")

    def _leave_fork(self) -> None:
        if os.getpid() != self._pid:
            _exit(0)

    def _known_now(self) -> None:
        """Take note of the variables as they are before the first block."""
        if not self._known:
            self._changes()

    def _changes(self) -> tuple[list[Row], list[str]]:
        """Return the rows that are new or differ since the last time, and the names that are gone."""
        variables = listing(self._namespace, self._parts.names.hidden)
        known, self._known = self._known, {}
        changed: list[Row] = []
        for name in sorted(variables):
            seen = id(variables[name]), row(name, variables[name])
            self._known[name] = seen
            if known.get(name) != seen:
                changed.append(seen[1])
        return changed, [name[:NAME_WIDTH] for name in sorted(known.keys() - variables.keys())]


def _value_cut(value: str | None) -> dict[str, dict[str, Any]]:
    if value is None or len(value) <= VALUE_CAP:
        return {}
    return {"value": {"kept": VALUE_CAP, "total": len(value), "tail": ""}}
