"""The editor's colours: our code colours by the editor's own names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.widgets.text_area import TextAreaTheme

from rlm_tui.tui.rows.code import NAMES

_KEYWORDS = (
    "and", "in", "is", "not", "or", "del", "def", "lambda", "assert", "async", "await", "class", "global", "nonlocal",
    "pass", "with", "as", "return", "yield", "import", "from", "if", "elif", "else", "match", "case", "for", "while",
    "break", "continue", "try", "except", "raise", "finally",
)  # fmt: skip

_BUILTINS = (
    "abs", "all", "any", "bool", "bytes", "chr", "dict", "dir", "enumerate", "eval", "exec", "filter", "float",
    "format", "frozenset", "getattr", "hasattr", "int", "isinstance", "issubclass", "iter", "len", "list", "map", "max",
    "min", "next", "open", "ord", "pow", "print", "range", "repr", "reversed", "round", "set", "setattr", "slice",
    "sorted", "str", "sum", "super", "tuple", "type", "vars", "zip",
)  # fmt: skip

_OPERATORS = (
    "-", "-=", ":=", "!=", "*", "**", "**=", "*=", "/", "//", "//=", "/=", "&", "&=", "%", "%=", "^", "^=", "+", "+=",
    "<", "<<", "<<=", "<=", "=", "==", ">", ">=", ">>", ">>=", "@", "@=", "|", "|=", "~", "->",
)  # fmt: skip


def _quoted(names: Iterable[str]) -> str:
    return " ".join(f'"{name}"' for name in names)


QUERY = f"""
(comment) @comment
(string) @string
(interpolation) @plain
[{_quoted(_OPERATORS)}] @operator
[{_quoted(_KEYWORDS)}] @keyword
((call function: (identifier) @builtin) (#any-of? @builtin {_quoted(_BUILTINS)}))
[(integer) (float) (true) (false) (none)] @number
((identifier) @rlm (#any-of? @rlm {_quoted(sorted(NAMES))}))
"""
"""What is coloured in Python, as a tree-sitter query; later patterns win."""

_TOKENS = {
    "comment": "ink-3", "string": "code-string", "plain": "ink", "operator": "ink-2", "keyword": "code-keyword",
    "builtin": "code-keyword", "number": "code-number", "rlm": "live",
    "heading": "code-keyword",
}  # fmt: skip


def editor_theme(app: App[Any]) -> TextAreaTheme:
    """The theme of editors under the app's current theme.

    Args:
        app: Whose theme's tokens are taken.
    """
    variables = app.theme_variables

    def style(token: str) -> Style:
        weight = variables.get(f"{token}-style", "none")
        colour = Color.parse(variables[token]).rich_color
        return Style(color=colour) + Style.parse("none" if weight == "none" else weight)

    return TextAreaTheme("rlm", syntax_styles={name: style(token) for name, token in _TOKENS.items()})
