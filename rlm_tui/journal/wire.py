"""Between an event and its line. Every character round-trips: a line is JSON in UTF-8 with ``surrogatepass``.

Lone surrogates are written as they are and not as ``\\uXXXX``, because JSON reads two such escapes in a row as one
character. Two kinds of field can hold a `Blob`. A field typed `Text` holds a text or a blob and nothing else. A field
of free JSON (``config``, ``params``, ``value`` of a hold or an edit …) may hold blobs anywhere inside; there a mapping
that has a key ``$blob`` of its own is written with one more ``$`` in front of that key, so it cannot be taken for one.
Fields and events of a newer version are kept as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError

from rlm_tui.journal.errors import JournalError
from rlm_tui.journal.events import KINDS, Blob, Event, Known, Unknown, dump, parse

INLINE_BYTES: Final = 4096
"""A text with more bytes than this in UTF-8 is kept in a file of its own."""

Keep = Callable[[str], Blob]
"""Puts a text away and names it."""

_Kind = Literal["text", "json", "models"]
_BLOB_KEY = re.compile(r"\$+blob")
_ESCAPED_KEY = re.compile(r"\$\$+blob")
_SHA256 = re.compile(r"[0-9a-f]{64}")

M = TypeVar("M", bound=BaseModel)


class BadLine(ValueError):
    """A line that is no event."""


def is_long(text: str) -> bool:
    """Whether a text has more than `INLINE_BYTES` bytes."""
    if len(text) * 4 <= INLINE_BYTES:
        return False
    return len(text) > INLINE_BYTES or len(text.encode("utf-8", "surrogatepass")) > INLINE_BYTES


def is_hash(name: str) -> bool:
    """Whether a blob's name is one; a name from a file is never used as a path before this was asked."""
    return _SHA256.fullmatch(name) is not None


def stow(event: Event, keep: Keep) -> Event:
    """The event as its journal gives it back: long texts put away, free JSON as JSON reads it.

    Raises:
        JournalError: When free JSON in it is nested too deeply to be written.
    """
    try:
        return event if isinstance(event, Unknown) else _stow_model(event, keep)
    except RecursionError as error:
        raise JournalError(f"cannot write {event.ev} at {event.id}: nested too deeply") from error


def encode(event: Event) -> bytes:
    """The line of a stowed event, with its end of line.

    Raises:
        JournalError: When free JSON in it is nested too deeply, or has an integer too long, to be written.
    """
    line = dump(event)
    try:
        for name, kind in _plan(type(event)):
            if kind == "json" and name in line:
                line[name] = _escape(getattr(event, name))
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise JournalError(f"cannot write {event.ev} at {event.id}: {_short(error)}") from error
    return text.encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> Event:
    """The event of a line.

    A known kind with a value that this version does not know becomes `Unknown`, like a kind it does not know.

    Raises:
        BadLine: When the line is no event at all, whole or torn.
    """
    try:
        data = json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise BadLine(_short(error)) from error
    if not isinstance(data, dict):
        raise BadLine("not an object")
    found = cast(dict[str, Any], data)
    if not (type(found.get("seq")) is int and isinstance(found.get("ev"), str) and isinstance(found.get("id"), str)):
        raise BadLine("not an event")
    return _event(found)


def blobs_in(value: Any) -> set[str]:
    """The names of all blobs that an event, or a value in one, refers to."""
    match value:
        case Blob():
            return {value.sha256}
        case BaseModel():
            return blobs_in(list(value.__dict__.values()) + list((value.model_extra or {}).values()))
        case dict():
            named = cast(dict[str, Any], value)
            own = {named["$blob"]} if isinstance(named.get("$blob"), str) else set[str]()
            return own.union(*(blobs_in(item) for item in named.values()))
        case list() | tuple():
            return set[str]().union(*(blobs_in(item) for item in cast(list[Any], value)))
        case _:
            return set()


def resolved(value: Any, text: Callable[[Blob], str]) -> Any:
    """A value of free JSON with the texts in the places of their blobs.

    Args:
        value: As an event has it.
        text: The text of a blob.
    """
    match value:
        case Blob():
            return text(value)
        case dict():
            return {key: resolved(item, text) for key, item in cast(dict[str, Any], value).items()}
        case list() | tuple():
            return [resolved(item, text) for item in cast(list[Any], value)]
        case _:
            return value


def _event(data: dict[str, Any]) -> Event:
    if data["ev"] in KINDS:
        known = dict(data)
        try:
            for name in _json_fields(data["ev"]):
                if name in known:
                    known[name] = _unescape(known[name])
            return parse(known)
        except (ValidationError, RecursionError):
            pass
    try:
        return Unknown.model_validate(data)
    except (ValidationError, RecursionError) as error:
        raise BadLine("not an event") from error


@cache
def _plan(model: type[BaseModel]) -> tuple[tuple[str, _Kind], ...]:
    """Which fields of a model can hold a blob, and how."""
    plan: list[tuple[str, _Kind]] = []
    for name, info in model.model_fields.items():
        parts = _parts(info.annotation)
        if name == "ev":
            continue
        if Any in parts:
            plan.append((name, "json"))
        elif Blob in parts:
            plan.append((name, "text"))
        elif any(isinstance(part, type) and issubclass(part, BaseModel) and _plan(part) for part in parts):
            plan.append((name, "models"))
    return tuple(plan)


def _parts(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {annotation} if not inner else {annotation}.union(*(_parts(part) for part in inner))


@cache
def _json_fields(ev: str) -> tuple[str, ...]:
    model = next(kind for kind in get_args(get_args(Known)[0]) if kind.model_fields["ev"].default == ev)
    return tuple(name for name, kind in _plan(model) if kind == "json")


def _stow_model(model: M, keep: Keep) -> M:
    """The same model when nothing in it is long, else a copy."""
    changed: dict[str, Any] = {}
    for name, kind in _plan(type(model)):
        old = getattr(model, name)
        if old is None:
            continue
        match kind:
            case "text":
                new = keep(old) if isinstance(old, str) and is_long(old) else old
            case "json":
                new = _stow_json(old, keep)
            case "models":
                new = _stow_models(old, keep)
        if new is not old:
            changed[name] = new
    return model.model_copy(update=changed) if changed else model


def _stow_models(value: Any, keep: Keep) -> Any:
    if isinstance(value, BaseModel):
        return _stow_model(value, keep)
    if not isinstance(value, tuple):
        return value
    old = cast(tuple[Any, ...], value)
    new = tuple(_stow_models(item, keep) for item in old)
    return old if all(a is b for a, b in zip(old, new, strict=True)) else new


def _stow_json(value: Any, keep: Keep) -> Any:
    """Free JSON as reading it again would give it; what is not JSON is named by its type, for a person to see."""
    match value:
        case None | bool() | int() | float() | Blob():
            return value
        case str():
            return keep(value) if is_long(value) else value
        case BaseModel():
            return _stow_json(dict(value), keep)
        case Mapping():
            pairs = cast(Mapping[Any, Any], value).items()
            return {key if isinstance(key, str) else str(key): _stow_json(item, keep) for key, item in pairs}
        case list() | tuple():
            return [_stow_json(item, keep) for item in cast(list[Any], value)]
        case _:
            return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _escape(value: Any) -> Any:
    match value:
        case Blob():
            return value.model_dump(by_alias=True, exclude_defaults=True)
        case dict():
            pairs = cast(dict[str, Any], value).items()
            return {"$" + key if _BLOB_KEY.fullmatch(key) else key: _escape(item) for key, item in pairs}
        case list():
            return [_escape(item) for item in cast(list[Any], value)]
        case _:
            return value


def _unescape(value: Any) -> Any:
    match value:
        case {"$blob": str(), "length": int()}:
            return Blob.model_validate(value)
        case dict():
            pairs = cast(dict[str, Any], value).items()
            return {key[1:] if _ESCAPED_KEY.fullmatch(key) else key: _unescape(item) for key, item in pairs}
        case list():
            return [_unescape(item) for item in cast(list[Any], value)]
        case _:
            return value


def _short(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
