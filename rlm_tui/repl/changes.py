"""What is new, different or gone in a namespace, without running any of the model's code. Runs in the worker."""

from __future__ import annotations

from typing import Any

from rlm_tui.repl.look import NAME_WIDTH, Row, exact_type, row

ROWS_CAP = 500
"""Rows told of one block."""
_SMALL = 4096
"""Length of a text, or bits of a number, up to which holding on to a variable's former value costs nothing."""


class Changes:
    """Compares variables with what they were before.

    A variable is different when it is another object, or when anything its row says is different: its type, its
    length, or what can be seen of it. So a list changed in place beyond the first items, its length kept, is not
    told of. A value that cannot change is only asked whether it is still the same one; it is held on to for that,
    since the number of an object may be another's a moment later.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Row | None]] = {}

    def note(self, variables: dict[str, object]) -> tuple[list[Row], list[str]]:
        """Return the rows that are new or differ since the last time, and the names that are gone."""
        known, self._known = self._known, {}
        changed: list[Row] = []
        for name, value in variables.items():
            former = known.get(name)
            if _fixed(value):
                seen = value, None
                same = former is not None and former[0] is value
            else:
                seen = id(value), row(name, value)
                same = former == seen
            self._known[name] = seen
            if not same:
                changed.append(seen[1] or row(name, value))
        changed.sort(key=lambda each: each[0])
        gone = [name[:NAME_WIDTH] for name in sorted(known.keys() - variables.keys())]
        return changed, gone


def told(changed: list[Row], removed: list[str]) -> dict[str, Any]:
    """Return the fields of a message that tell of changes, the rest of them counted."""
    more = max(0, len(changed) - ROWS_CAP) + max(0, len(removed) - ROWS_CAP)
    return {"rows": changed[:ROWS_CAP], "removed": removed[:ROWS_CAP], "more": more}


def _fixed(value: object) -> bool:
    """Whether a value cannot change and is small."""
    kind = exact_type(value)
    if type(kind) is not type:
        return False
    if kind in _ATOMS:
        return True
    if kind is str or kind is bytes:
        return len(value) <= _SMALL  # type: ignore[arg-type]
    return kind is int and value.bit_length() <= _SMALL  # type: ignore[attr-defined]


_ATOMS = frozenset({bool, float, complex, type(None), type(Ellipsis)})
