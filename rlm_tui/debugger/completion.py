"""How what a person types for a REPL may go on: names at once, attributes and keys from a copy of the REPL.

The REPL itself is never asked to run anything: names are known from the journal, and what only the values know is
looked at in a forked copy that is thrown away.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlm_tui.debugger.asking import Asking
from rlm_tui.engine.gate import Broken
from rlm_tui.repl.results import Looked

MOST = 200
"""Words that are offered."""
LONGEST = 200
"""Characters of what stands before a dot or a bracket."""

_KEY = re.compile(r"(?P<of>[\w.\[\]'\"-]+)\[\s*(?P<quote>['\"])(?P<stem>[^'\"\\\n]*)$")
_ATTRIBUTE = re.compile(r"(?P<of>[\w.\[\]'\" -]+?)\s*\.\s*(?P<stem>\w*)$")
_NAME = re.compile(r"(?<![\w.])(?P<stem>[^\W\d]\w*)$")
_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
_DOT = re.compile(r"[)\]}]\s*\.\s*\w*$")
_NOTHING = "Nothing here could go on."
_A_CALL = "Only names, attributes and constant keys can be looked into: a call would have to be made."


@dataclass(slots=True)
class Completion:
    """What may follow, in the REPLs of one run.

    Args:
        asking: What people evaluate in it.
    """

    asking: Asking

    async def complete(self, node: str, code: str, cursor: int) -> Sequence[str] | str:
        """Whole words that what stands before the cursor may become; a text is why there are none.

        Args:
            node: The node's address.
            code: What was typed.
            cursor: Where the cursor is in it, in characters.
        """
        before = code[: max(0, cursor)].lstrip().removeprefix("?")
        line = before[-LONGEST * 2 :]
        if (key := _KEY.search(line)) is not None:
            return await self._from_a_copy(node, key["of"], key["stem"], _KEYS)
        if (attribute := _ATTRIBUTE.search(line)) is not None:
            return await self._from_a_copy(node, attribute["of"], attribute["stem"], _ATTRIBUTES)
        if _DOT.search(line) is not None:
            return _A_CALL
        name = _NAME.search(line)
        return _sorted(self._names(node), name["stem"]) if name is not None else _NOTHING

    def _names(self, node: str) -> set[str]:
        shared = self.asking.engine.shared
        folded = shared.run.nodes.get(node)
        found = {*shared.dialect.names, "context", "answer", *_BUILTINS, *keyword.kwlist}
        found.update(folded.variables if folded is not None else ())
        for hand in self.asking.gates.hands(node):
            if isinstance(hand.value, Broken):
                found.update(name for name, *_ in hand.value.locals)
        return {name for name in found if name.isidentifier()}

    async def _from_a_copy(self, node: str, of: str, stem: str, expression: str) -> Sequence[str] | str:
        of = _path_at_the_end(of)
        if not of:
            return _A_CALL
        looked = await self.asking.look(node, expression.format(of=of, stem=repr(stem), most=MOST))
        if not isinstance(looked, Looked):
            return looked
        if looked.status != "ok":
            return looked.text.strip().rpartition("\n")[2] or _NOTHING
        try:
            words = str(ast.literal_eval(looked.text)).split("\n")
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return "There are too many to list; type more of it."
        return _sorted(words, stem)


_ATTRIBUTES = "'\\n'.join([n for n in dir({of}) if n.startswith({stem}) and n.isidentifier()][:{most}])"
_KEYS = (
    "'\\n'.join([k for k in {of} if type(k) is str and k.startswith({stem}) and k.isprintable() and len(k) < 99]"
    "[:{most}]) if isinstance({of}, dict) else ''"
)


def _path_at_the_end(text: str) -> str:
    """The longest end of a text that only names things: no call, no arithmetic. Empty when there is none."""
    for start in range(max(0, len(text) - LONGEST), len(text)):
        if start and (text[start - 1].isalnum() or text[start - 1] in "_."):
            continue
        part = text[start:].strip()
        try:
            tree = ast.parse(part, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if part and _names_only(tree):
            return part
    return ""


def _names_only(tree: ast.expr) -> bool:
    match tree:
        case ast.Name():
            return True
        case ast.Attribute(value=of):
            return _names_only(of)
        case ast.Subscript(value=of, slice=ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant())):
            return _names_only(of)
        case _:
            return False


def _sorted(words: Iterable[str], stem: str) -> Sequence[str] | str:
    """The words that fit; those that begin with an underscore only when that was typed."""
    fitting = {word for word in words if word.startswith(stem) and (stem[:1] == "_" or word[:1] != "_")} - {""}
    return sorted(fitting, key=lambda word: (word.lower(), word))[:MOST] or _NOTHING
