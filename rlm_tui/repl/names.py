"""The functions a block finds in its namespace: sub-calls, FINAL and friends. Runs in the worker."""

from __future__ import annotations

import traceback
from _queue import SimpleQueue
from collections.abc import Callable
from typing import Any

from rlm_tui.repl.channel import OPEN_CALLS_CAP, Channel
from rlm_tui.repl.look import exact_type, listing, type_name
from rlm_tui.repl.streams import Output, Owners
from rlm_tui.repl.wire import dumps, encode, loads

NOTE_CAP = 15 << 20
"""Bytes of a declared answer, as encoded; beyond it the value and then the text are cut."""
NOTES_CAP = 200
"""Declared answers of one block."""
NOTES_SIZE = 32 << 20
"""Bytes of them all, as encoded."""
CAPPED_TEXT = 2 << 20
"""Characters kept of a declared answer that is over the cap."""


class SubcallError(RuntimeError):
    """A sub-call failed; the message is `<ErrorType>: <message>`, or `cancelled`."""


SubcallError.__module__ = "__main__"


def survives_json(value: Any, depth: int = 64) -> bool:
    """Whether a value comes back from JSON unchanged: exact builtins only, `str` keys, finite floats."""
    kind = exact_type(value)
    if type(kind) is not type or depth == 0:
        return False
    if kind is float:
        return value - value == 0
    if kind is list:
        return all(survives_json(item, depth - 1) for item in value)
    if kind is dict:
        return all(type(key) is str and survives_json(item, depth - 1) for key, item in value.items())
    return kind in (str, int, bool, type(None))


def as_json(value: object) -> str | None:
    """Return the JSON text of a value that survives it, else None."""
    try:
        if type(value) is str and len(value) > NOTE_CAP:
            return None
        return dumps(value) if survives_json(value) else None
    except (ValueError, RuntimeError):
        return None


class Names:
    """Makes the injected functions, and the proposals they declare."""

    def __init__(self, namespace: dict[str, object], channel: Channel, output: Output, owners: Owners) -> None:
        self._namespace = namespace
        self._channel = channel
        self._output = output
        self._owners = owners
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._unused = iter(range(OPEN_CALLS_CAP))
        self.hidden: frozenset[str] = frozenset()
        self._declared: dict[str, list[int]] = {}
        self._makers: dict[str, Callable[[str], Callable[..., object]]] = {
            "ask": self._ask,
            "ask_batch": self._ask_batch,
            "final": lambda _: self._final,
            "final_var": lambda _: self._final_var,
            "show_vars": lambda _: lambda: sorted(self.variables()),
            "format_exc": lambda _: _format_exc,
            "safe_json_dumps": lambda _: _safe_json_dumps,
        }

    def make(self, kinds: dict[str, str]) -> dict[str, object]:
        """Return the functions for these names and kinds."""
        made: dict[str, object] = {}
        for name, kind in kinds.items():
            made[name] = _plain(self._makers[kind](name), name)
        self.hidden = frozenset(kinds)
        return made

    def variables(self) -> dict[str, object]:
        """Return the variables the model made, with `context` and `answer`."""
        return listing(self._namespace, self.hidden)

    def _ask(self, fn: str) -> Callable[..., object]:
        def ask(prompt: Any, model: Any = None) -> str:
            return self._call(fn, _exact(prompt, f"{fn}() needs a str prompt"), model)

        return ask

    def _ask_batch(self, fn: str) -> Callable[..., object]:
        def ask_batch(prompts: Any, model: Any = None) -> list[str]:
            if issubclass(type(prompts), (str, bytes, dict)):
                raise TypeError(f"{fn}() needs a list of str prompts, not {type(prompts).__name__}")
            return self._call(fn, [_exact(p, f"{fn}() needs a list of str prompts") for p in prompts], model)

        return ask_batch

    def _call(self, fn: str, prompt: str | list[str], model: Any) -> Any:
        block = self._owners.mine()
        if model is not None:
            model = _exact(model, f"{fn}() needs a str model")
        if self._channel.orphan:
            raise SubcallError("NotPossible: a forked copy of the REPL cannot make sub-calls")
        if block == self._owners.aside:
            raise SubcallError("NotPossible: no sub-call can be made from inside a block that stands")
        if block != self._owners.running:
            raise SubcallError("BlockEnded: a thread that outlived its block cannot make sub-calls")
        self._output.flush()
        if next(self._unused, None) is None:
            self._turns.get()
        try:
            reply = self._channel.call({"block": block, "fn": fn, "prompt": prompt, "model": model})
        finally:
            self._turns.put(None)
        if reply["status"] == "ok":
            return load(reply)
        raise SubcallError("cancelled" if reply["status"] == "cancelled" else reply["error"])

    def _final(self, value: object) -> str:
        return f"FINAL({self.propose('FINAL', value)})"

    def _final_var(self, name: object) -> str:
        found, value, reason = self.resolve(name)
        return f"FINAL({self.propose('FINAL_VAR', value, found, reason)})"

    def resolve(self, name: Any) -> tuple[str, object, str | None]:
        """Return name, value and reason for what FINAL_VAR was given.

        Raises:
            NameError: If no variable has that name, nor holds that object.
            ValueError: If the variable is None.
        """
        variables = self.variables()
        found, reason = None, None
        if issubclass(type(name), str) and str.__str__(name).strip() in variables:
            found = str.__str__(name).strip()
        else:
            found = next((key for key, value in variables.items() if value is name and name is not None), None)
            reason = "final_var_unquoted"
        if found is None:
            raise NameError(self._unknown(name))
        if variables[found] is None:
            raise ValueError(f"FINAL_VAR: {found!r} is None, which is not an answer")
        return found, variables[found], reason

    def _unknown(self, name: Any) -> str:
        if not issubclass(type(name), str):
            return "FINAL_VAR needs the name of a variable as a string; SHOW_VARS() lists them"
        near = self.near(str.__str__(name))
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return f"FINAL_VAR: there is no variable {str.__str__(name)[:80]!r}.{hint} SHOW_VARS() lists them"

    def near(self, name: str) -> list[str]:
        """Return up to three variables with a name like this one."""
        from difflib import get_close_matches

        return get_close_matches(name[:80], list(self.variables()), 3)

    def propose(self, via: str, value: Any, name: str | None = None, reason: str | None = None) -> str:
        """Declare a value and return its text; `str(value)` may be the model's code."""
        block = self._owners.mine()
        if block == self._owners.aside:
            raise SubcallError("NotPossible: no answer can be declared from inside a block that stands")
        sizes = self._declared.setdefault(block, [])
        often = f"{via} was called more than {NOTES_CAP} times in this block"
        if len(sizes) >= NOTES_CAP:
            raise RuntimeError(often)
        fields = self.proposal(via, value, name, reason)
        body = encode({"kind": "note", "block": block, **fields})
        # Without a lock, which a signal could leave taken: whoever finds too much has been counted, and sends nothing.
        sizes.append(len(body))
        if len(sizes) > NOTES_CAP:
            raise RuntimeError(often)
        if sum(sizes) > NOTES_SIZE:
            raise RuntimeError(f"{via} was given more than {NOTES_SIZE >> 20} MiB in this block, all calls together")
        self._channel.send_body(body)
        return fields["text"]

    def proposal(self, via: str, value: Any, name: str | None = None, reason: str | None = None) -> dict[str, Any]:
        """Return a proposal's fields, cut so that they fit one frame."""
        text = str.__str__(str(value))
        if reason is None and (value is None or not text):
            reason = "empty_final"
        kind = type_name(value)
        fields = {"via": via, "text": text, "json": as_json(value), "type": kind, "name": name, "reason": reason}
        if not _fits(fields):
            fields["json"] = None
        if not _fits(fields):
            fields["text"], fields["reason"] = text[:CAPPED_TEXT], "final_capped"
        return fields


def load(message: dict[str, Any]) -> Any:
    """Return the value of a message: in it, or in the file it names (kind "text" or "json")."""
    if "path" not in message:
        return message["value"]
    with open(message["path"], encoding="utf-8", errors="surrogatepass", newline="") as file:  # noqa: PTH123 - pathlib is slow to import
        text = file.read()
    return text if message["as"] == "text" else loads(text)


def _format_exc(limit: int | None = None, chain: bool = True) -> str:
    return traceback.format_exc(limit, chain)


def _safe_json_dumps(obj: object) -> str:
    import json

    return json.dumps(obj, default=repr)


def _fits(fields: dict[str, Any]) -> bool:
    longest = sum(len(value) for value in fields.values() if value)
    if longest * 6 <= NOTE_CAP:
        return True
    return longest <= NOTE_CAP and len(encode(fields)) <= NOTE_CAP


def _exact(value: Any, need: str) -> str:
    if not issubclass(type(value), str):
        raise TypeError(f"{need}, not {type(value).__name__}")
    return str.__str__(value)


def _plain(function: Any, name: str) -> object:
    """Give a function the name a block knows it by; the bound ones are wrapped for it."""
    if hasattr(function, "__func__"):
        bound = function

        def wrapper(value: Any) -> object:
            return bound(value)

        function = wrapper
    function.__name__ = function.__qualname__ = name
    function.__module__ = "__main__"
    return function
