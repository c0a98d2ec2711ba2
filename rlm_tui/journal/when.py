"""Since when a variable is there, and since when it has a value: from what each block reported of its REPL.

A report is a row: name, type, size, and a brief of at most 80 characters. Where a value is longer than its brief, only
its beginning can be compared, and that is said.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rlm_tui.journal.events import VariableRow
from rlm_tui.journal.tree import Block, Node

REPORTED = 80
"""Characters of a text that its brief is made of."""

_CUT = "…"

Fit = Literal["exact", "beginning", ""]
"""How a value compares: it is the one; as far as its brief goes it is; or it is not."""


@dataclass(frozen=True, slots=True)
class Change:
    """A block after which a variable was another.

    Attributes:
        block: The block's address.
        node: The node's.
        what: ``first`` there, ``changed``, or ``removed``.
        name: The variable.
        row: What it was then; None when it is gone.
        fit: How it compares with the value asked for; empty when none was, or it is another.
    """

    block: str
    node: str
    what: Literal["first", "changed", "removed"]
    name: str
    row: VariableRow | None
    fit: Fit = ""

    @property
    def whole(self) -> bool:
        """Whether the brief is all of the value."""
        return self.row is not None and is_whole(self.row)


def changes(node: Node, name: str, value: str | None = None) -> Iterator[Change]:
    """Every block of a node after which a variable was another, in the order in which they ran.

    Args:
        node: The node.
        name: The variable.
        value: A value to compare with, as a person types it: as Python writes it, or a text without its quotes.
    """
    there = False
    for block in node.ran():
        row = next((row for row in block.changed if row.name == name), None)
        if row is not None:
            yield _change(node, block, "changed" if there else "first", row, value)
            there = True
        elif there and name in block.removed:
            yield Change(block.id, node.id, "removed", name, None)
            there = False


def since(node: Node, name: str, value: str) -> Change | None:
    """The first change that gave a variable a value: for certain, else as far as can be told."""
    found = [change for change in changes(node, name, value) if change.fit]
    return next((change for change in found if change.fit == "exact"), found[0] if found else None)


def _change(node: Node, block: Block, what: Literal["first", "changed"], row: VariableRow, value: str | None) -> Change:
    return Change(block.id, node.id, what, row.name, row, "" if value is None else fits(row, value))


def is_whole(row: VariableRow) -> bool:
    """Whether a row's brief is all of its value: a text's when it is as long, a container's when nothing is left out.

    A value that is only named (``<Model>``) is never whole.
    """
    if row.type in ("str", "bytes", "bytearray"):
        return not row.brief.endswith(_CUT)
    return _CUT not in row.brief and not row.brief.startswith("<")


def fits(row: VariableRow, value: str) -> Fit:
    """How a variable compares with a value.

    Args:
        row: What was reported of it.
        value: The value, as a person types it.
    """
    value = value.strip()
    if row.type == "str":
        return _text_fits(row, _typed(value))
    written = _written(value)
    if is_whole(row):
        return "exact" if row.brief in (value, written) else ""
    begins = row.brief.split(_CUT, 1)[0].rstrip(", ")
    if len(begins) < 2 or row.brief.startswith("<"):
        return ""
    return "beginning" if value.startswith(begins) or written.startswith(begins) else ""


def _text_fits(row: VariableRow, text: str) -> Fit:
    if row.size is not None and row.size != len(text):
        return ""
    if is_whole(row):
        return "exact" if row.brief == repr(text) else ""
    # Which quotes Python takes is decided by the part that was reported.
    begins = row.brief.removesuffix(_CUT)
    return "beginning" if len(begins) > 1 and repr(text[:REPORTED]).startswith(begins) else ""


def _typed(value: str) -> str:
    """The text that somebody means who may have left out its quotes."""
    found = _literal(value)
    return found if isinstance(found, str) else value


def _written(value: str) -> str:
    """A value as Python writes it, where it is one."""
    found = _literal(value)
    return value if found is None else repr(found)


def _literal(value: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
