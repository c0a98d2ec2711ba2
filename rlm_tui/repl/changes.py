"""What is new, different or gone in a namespace, without running any of the model's code. Runs in the worker."""

from __future__ import annotations

from itertools import islice
from operator import is_, itemgetter
from typing import Any

from rlm_tui.repl.look import NAME_WIDTH, WIDTH, Row, exact_type, row

ROWS_CAP = 500
"""Rows told of one block."""
LOOKED_INTO = 5000
"""Values that can change which are looked into after a block; of the rest only another object is told."""
_SMALL = 4096
"""Length of a text, or bits of a number, up to which holding on to a variable's former value costs nothing."""
_SEEN = WIDTH // 3 + 2
"""Items of a container that its brief can show: the shortest takes three characters."""
_Former = tuple[Any, int, Row, list[Any] | None]
"""Of a variable: its value if it can't change, the number of the object, its row, what of it is held on to."""
_NOT_HELD = object()
_name_of = itemgetter(0)
_ATOMS = frozenset({bool, float, complex, type(None), type(Ellipsis)})


class Changes:
    """Compares variables with what they were before.

    A variable is different when it is another object, or when anything its row says is different: its type, its
    length, or what can be seen of it. So a list changed in place beyond the first items, its length kept, is not
    told of. What cannot change is only asked whether it is still the same one; it is held on to for that, since the
    number of an object may be another's a moment later.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Former] = {}

    def note(self, variables: dict[str, object]) -> tuple[list[Row], list[str]]:
        """Return the rows that are new or differ since the last time, and the names that are gone."""
        known = self._known
        changed: list[Row] = []
        looked = 0
        for name, value in variables.items():
            former = known.get(name)
            if former is not None:
                if former[0] is value:
                    continue
                looked += 1
                if former[1] == id(value) and (looked > LOOKED_INTO or _looks_the_same(value, former)):
                    continue
            seen = row(name, value)
            if former is None or former[1:3] != (id(value), seen):
                changed.append(seen)
            parts = _fixed_parts(value)
            known[name] = (value if parts is not None and _fixed(value) else _NOT_HELD), id(value), seen, parts
        changed.sort(key=_name_of)
        gone = sorted(known.keys() - variables.keys()) if len(known) > len(variables) else []
        for name in gone:
            del known[name]
        return changed, [name[:NAME_WIDTH] for name in gone]


def told(changed: list[Row], removed: list[str]) -> dict[str, Any]:
    """Return the fields of a message that tell of changes, the rest of them counted."""
    more = max(0, len(changed) - ROWS_CAP) + max(0, len(removed) - ROWS_CAP)
    return {"rows": changed[:ROWS_CAP], "removed": removed[:ROWS_CAP], "more": more}


def _looks_the_same(value: Any, former: _Former) -> bool:
    """Whether a value is the same as before, and its row too, as far as that can be told without making the row."""
    _, _, seen, parts = former
    if parts is None:
        return False
    now = _parts(value)
    return now is not None and len(now) == len(parts) and seen[2] == _length(value) and all(map(is_, now, parts))


def _fixed_parts(value: Any) -> list[Any] | None:
    """Return what a row can show of a value, to be held on to; None if any of it is large or could change."""
    parts = _parts(value)
    return parts if parts is not None and all(map(_fixed, parts)) else None


def _parts(value: Any) -> list[Any] | None:
    """Return the value itself, or for a container the items its brief shows; None where that says nothing."""
    kind = exact_type(value)
    if type(kind) is not type:
        return None
    if kind is list or kind is tuple:
        return list(value[:_SEEN])
    if kind is dict:
        try:
            return [*islice(value, _SEEN), *islice(value.values(), _SEEN)]
        except RuntimeError:  # changed by a thread meanwhile
            return None
    return [value]


def _length(value: Any) -> int | None:
    return len(value) if exact_type(value) in (list, tuple, dict, str, bytes) else None


def _fixed(value: Any) -> bool:
    """Whether a value cannot change and is small."""
    kind = exact_type(value)
    if type(kind) is not type:
        return False
    if kind is str or kind is bytes:
        return len(value) <= _SMALL
    return kind in _ATOMS or (kind is int and value.bit_length() <= _SMALL)
