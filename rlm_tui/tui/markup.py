"""What is coloured in a text that is edited: fenced code in prose, headings, the lines between messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_tui.tui.rows.code import COLOURED, coloured

Highlight = tuple[int, int | None, str]
"""From and to which byte of the shown line, and the name of the colour; None is its end."""

NAMES = {
    "live": "rlm", "code-keyword": "keyword", "code-string": "string", "code-number": "number", "ink-3": "comment",
    "ink-2": "operator",
}  # fmt: skip
"""The editor's names for our inks of code."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*(\w*)")
_HEADING = re.compile(r" {0,3}#{1,6} ")
_PYTHON = frozenset({"", "repl", "python", "py", "python3"})


def prose(lines: list[str], rule: str = "") -> dict[int, list[Highlight]]:
    """The colours of a text, by line.

    Args:
        lines: The text as it is shown, line by line.
        rule: What stands around the roles between messages; empty when there are none.
    """
    found: dict[int, list[Highlight]] = {}
    fence, begun, left = "", 0, COLOURED
    for n, line in enumerate(lines):
        if rule and line.startswith(f"{rule} ") and line.endswith(f" {rule}"):
            # A fence that one message leaves open ends with it.
            found[n] = [(0, None, "heading")]
            fence = ""
        elif opened := _FENCE.match(line):
            if not fence:
                fence, begun = opened[1], n + 1
                found[n] = [(0, None, "comment")]
                if opened[2].lower() not in _PYTHON:
                    begun = -1
            elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                found[n] = [(0, None, "comment")]
                code = "\n".join(lines[begun:n]) if begun >= 0 else ""
                if 0 < len(code) <= left:
                    left -= len(code)
                    found.update(_code(code, begun))
                fence = ""
        elif not fence and _HEADING.match(line):
            found[n] = [(0, None, "heading")]
    if fence and 0 <= begun < len(lines) and len(code := "\n".join(lines[begun:])) <= left:
        # On its way: the fence is still being typed.
        found.update(_code(code, begun))
    return found


def _code(code: str, first: int) -> Iterator[tuple[int, list[Highlight]]]:
    # A tab stays one character here; the editor widens it.
    code = code.replace("\t", " ")
    for n, spans in enumerate(coloured(code), first):
        at, row = 0, list[Highlight]()
        for piece, ink in spans:
            end = at + len(piece.encode("utf-8", "replace"))
            if name := NAMES.get(ink):
                row.append((at, end, name))
            at = end
        yield n, row
