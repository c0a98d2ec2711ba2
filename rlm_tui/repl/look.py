"""The variable listing, made without running any of the model's code. Runs in the worker.

Only exact type checks: `repr` of a `dict` subclass is the model's code, `isinstance` asks an object for its
`__class__`, and a metaclass can intercept `type(v).__name__`.
"""

from __future__ import annotations

import types
from typing import Any

WIDTH = 80
"""Characters of a brief."""
NAME_WIDTH = 200
"""Characters of a variable's or a type's name."""

_type_name = type.__dict__["__name__"].__get__
_module_dict: Any = types.ModuleType.__dict__["__dict__"].__get__  # pyright: ignore
_SIZED = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset, range})
_PLAIN = frozenset({bool, float, complex, type(None), type(Ellipsis)})
_BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", dict: "{}"}
_FUNCTIONS = frozenset({types.FunctionType, types.BuiltinFunctionType})

Row = tuple[str, str, int | None, str]


def exact_type(value: object) -> type[Any]:
    """Return the type a value really has, whatever its `__class__` says."""
    return type(value)


def type_name(value: object) -> str:
    """Return the name of a value's type, through the C slot."""
    return _type_name(type(value))[:NAME_WIDTH]


def size(value: Any) -> int | None:
    """Return the length of an exact builtin container, else None."""
    kind = exact_type(value)
    if type(kind) is not type or kind not in _SIZED:
        return None
    try:
        return len(value)
    except OverflowError:
        return None


def row(name: str, value: object) -> Row:
    """Return one row of the listing: name, type, length, brief."""
    return name[:NAME_WIDTH], type_name(value), size(value), brief(value)


def brief(value: object, depth: int = 2) -> str:
    """Return what can be said of a value in `WIDTH` characters; containers are opened `depth` levels deep."""
    text = _brief(value, depth)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _brief(value: Any, depth: int) -> str:
    kind = exact_type(value)
    if type(kind) is not type:  # even hashing such a type would ask its metaclass
        return f"<{_type_name(kind)[:NAME_WIDTH]}>"
    if kind is int:
        return repr(value) if value.bit_length() <= 256 else f"<int of {value.bit_length():,} bits>"
    if kind in _PLAIN:
        return repr(value)
    if kind in (str, bytes, bytearray):
        return repr(value) if len(value) <= WIDTH else repr(value[:WIDTH])[:WIDTH] + "…"
    if kind is range:
        return f"range({_brief(value.start, 0)}, {_brief(value.stop, 0)}, {_brief(value.step, 0)})"
    if kind in _BRACKETS:
        return _container(value, kind, depth)
    if kind in _FUNCTIONS or kind is types.ModuleType:
        return _named(value, kind)
    if issubclass(kind, type):
        return f"<class {_type_name(value)[:NAME_WIDTH]}>"
    return f"<{_type_name(kind)[:NAME_WIDTH]}>"


def _container(value: Any, kind: type[Any], depth: int) -> str:
    left, right = _BRACKETS[kind]
    if not value:
        return "set()" if kind is set else left + right
    if depth <= 0:
        return f"{left}…{right}"
    parts: list[str] = []
    room = WIDTH
    try:
        for item in value.items() if kind is dict else value:
            part = (
                f"{_brief(item[0], depth - 1)}: {_brief(item[1], depth - 1)}"
                if kind is dict
                else _brief(item, depth - 1)
            )
            parts.append(part)
            room -= len(part) + 2
            if room <= 0:
                break
    except RuntimeError:
        parts.append("…")
    if len(parts) < len(value) and parts[-1] != "…":
        parts.append("…")
    comma = "," if kind is tuple and len(value) == 1 else ""
    return left + ", ".join(parts) + comma + right


def _named(value: Any, kind: type[Any]) -> str:
    if kind is types.ModuleType:
        name: Any = _module_dict(value).get("__name__")
        what = "module"
    else:
        name = kind.__dict__["__name__"].__get__(value)
        what = "function"
    return f"<{what} {name[:NAME_WIDTH]}>" if type(name) is str else f"<{what}>"


def listing(namespace: dict[str, object], hidden: frozenset[str]) -> dict[str, object]:
    """Return the variables the model made: no injected names, no `__dunders__`, not `_`; only exact `str` names."""
    for _ in range(100):
        try:
            items = list(namespace.items())
            break
        except RuntimeError:
            continue
    else:
        return {}
    return {
        name: value
        for name, value in items
        if type(name) is str and name not in hidden and name != "_" and not name.startswith("__")
    }
