"""Code as lines: coloured, numbered, an edit shown as what went and what came."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from rlm_tui.tui import text
from rlm_tui.tui.rows.layout import Layout, wrap_spans
from rlm_tui.tui.rows.line import Line, Span
from rlm_tui.tui.view import View

if TYPE_CHECKING:
    from pygments.lexer import Lexer

NAMES = frozenset({
    "context", "answer", "llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched", "FINAL", "FINAL_VAR",
    "SHOW_VARS",
})  # fmt: skip
"""Names that the REPL gives to code: what makes it an RLM."""

COLOURED = 20_000
"""Characters of one piece of code that are coloured; the rest is plain."""


def coloured(code: str) -> list[list[Span]]:
    """Python code as painted pieces, line by line; harmless, whatever it is."""
    code = code[: text.CAP].replace("\r\n", "\n").expandtabs(text.TAB)
    shown = text.Cleaner()
    lines: list[list[Span]] = [[]]
    for words, piece in _tokens(code[:COLOURED]):
        for n, part in enumerate(piece.split("\n")):
            if n:
                lines.append([])
            if part:
                lines[-1].append((shown(part), words))
    for n, part in enumerate(code[COLOURED:].split("\n")):
        if n:
            lines.append([])
        if part:
            lines[-1].append((shown(part), "ink"))
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def _tokens(code: str) -> list[tuple[str, str]]:
    lexer = _lexer()
    return [(_words(kind, piece), piece) for _, kind, piece in lexer.get_tokens_unprocessed(code)]  # pyright: ignore


def _lexer() -> Lexer:
    from pygments.lexers.python import PythonLexer  # pyright: ignore[reportMissingTypeStubs]

    return PythonLexer()


def _words(kind: Any, piece: str) -> str:
    from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String

    if piece in NAMES and kind in Name:
        return "live"
    if kind in Keyword or kind in Operator.Word or kind in Name.Builtin:
        return "code-keyword"
    if kind in String:
        return "code-string"
    if kind in Number:
        return "code-number"
    if kind in Comment:
        return "ink-3"
    return "ink-2" if kind in Operator or kind in Punctuation else "ink"


def plain_spans(whole: str) -> list[list[Span]]:
    """A text as pieces of plain paint, line by line; harmless."""
    shown = text.Cleaner()
    return [[(shown(line.expandtabs(text.TAB)), "ink")] for line in whole[: text.CAP].replace("\r\n", "\n").split("\n")]


def numbered(view: View, layout: Layout, code: str, width: int, running: int | None = None) -> list[Line]:
    """Code with line numbers.

    Args:
        view: For the signs.
        layout: What was laid out before.
        code: The code.
        width: Cells of the pane.
        running: The line that waits for its calls, from 1.
    """
    lines = layout.keep(("code", code, str(width)), lambda: _numbered(code, width))
    return lines if running is None else marked(lines, running, view.glyphs.running_line, "live", width)


def marked(lines: list[Line], number: int, sign: str, ink: str, width: int) -> list[Line]:
    """Code with one line of it marked.

    Args:
        lines: The code, each line beginning with its number.
        number: The line, from 1; nothing is marked when there is none.
        sign: The sign in the gutter.
        ink: Its paint.
        width: Cells of the pane.
    """
    first = next((n for n, line in enumerate(lines) if line.spans and line.spans[0][0].strip() == str(number)), None)
    if first is None:
        return lines
    digits, *rest = lines[first].spans
    made = Line([(f" {sign}", ink), (digits[0][2:], "ink-2"), *rest], "on-raised")
    return [*lines[:first], made.fill(width - 1), *lines[first + 1 :]]


def _numbered(code: str, width: int) -> list[Line]:
    source = coloured(code)
    digits = max(2, len(str(len(source))))
    lines: list[Line] = []
    for n, spans in enumerate(source, 1):
        lines += _lines(spans, str(n), " ", "ink-3", digits, width)
    return lines


def _lines(
    spans: list[Span], number: str, sign: str, ink: str, digits: int, width: int, ground: str = ""
) -> list[Line]:
    """One line of code, wrapped below itself."""
    lines: list[Line] = []
    for n, row in enumerate(wrap_spans(spans, max(8, width - digits - 6))):
        line = Line(ground=ground).add("  " + (number if n == 0 else "").rjust(digits), "ink-3")
        line.add(f" {sign if n == 0 else ' '} ", ink)
        line.spans += row
        lines.append(line.fill(width - 1) if ground else line)
    return lines


def difference(layout: Layout, was: str, now: str, width: int, *, is_code: bool = True) -> list[Line]:
    """A text after a person's edit: what went is struck, what came stands on the hand's ground.

    Args:
        layout: What was laid out before.
        was: The text before.
        now: The text now; line numbers count this one.
        width: Cells of the pane.
        is_code: Whether it is coloured as code.
    """
    key = ("diff", was, now, str(width), str(is_code))
    return layout.keep(key, lambda: _difference(was, now, width, is_code))


def _difference(was: str, now: str, width: int, is_code: bool) -> list[Line]:
    split = coloured if is_code else plain_spans
    old, new = split(was), split(now)
    digits = max(2, len(str(len(new))))
    before = ["".join(piece for piece, _ in spans) for spans in old]
    after = ["".join(piece for piece, _ in spans) for spans in new]
    lines: list[Line] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            for n in range(c, d):
                lines += _lines(new[n], str(n + 1), " ", "ink-3", digits, width)
            continue
        for n in range(a, b):
            lines += _lines([(before[n], "ink-3 strike")], "", "-", "ink-3", digits, width)
        for n in range(c, d):
            lines += _lines(new[n], str(n + 1), "+", "human bold", digits, width, "on-human")
    return lines
