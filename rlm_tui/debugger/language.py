"""The language of breakpoints: ``POINT [@SCOPE] [if EXPR] [every N | once] [do ACTION]``."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from rlm_tui.debugger.expressions import Expression, ExpressionError, parts_of, read
from rlm_tui.journal import address
from rlm_tui.journal.events import Point

POINTS: tuple[Point, ...] = tuple(point for point in get_args(Point) if point != "line")
"""Where a breakpoint may stop a run."""
ACTIONS: dict[str, frozenset[Point]] = {
    "hold": frozenset(POINTS),
    "log": frozenset(POINTS),
    "answer": frozenset({"call", "return"}),
    "set": frozenset({"llm", "call"}),
    "skip": frozenset({"block"}),
}
"""What a breakpoint may do, and at which points."""
LONGEST = 4_000
"""Characters of a line."""

Act = Literal["hold", "log", "answer", "set", "skip"]
_WORDS = ("if", "every", "once", "do")
_DEPTH = re.compile(r"depth\s*(>=|<=|==|>|<)\s*(\d{1,4})")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?|\'(?:[^\'\\]|\\.)*\'?')
"""The same, or up to the end of the line when it is not closed, so that no part is looked at twice."""
_PAIR = re.compile(r"([A-Za-z_]\w*)=(\"(?:[^\"\\]|\\.)*\"|\S+)\s*")


class BreakpointError(ValueError):
    """A line is no breakpoint; the message says why, for a person.

    Attributes:
        at: Where in the line, in characters.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in the tree a breakpoint applies.

    Attributes:
        kind: ``depth`` with a bound, ``subtree`` of an address, or ``label``: a thing, or what is called like that.
        compare: For a depth, how it is compared.
        text: An address, or a pattern for the labels of calls; ``*`` stands for anything.
        depth: The bound.
    """

    kind: Literal["depth", "subtree", "label"]
    text: str = ""
    compare: str = ""
    depth: int = 0

    def fits(self, id: str, node: str, depth: int, label: str) -> bool:
        """Whether something is in it.

        Args:
            id: Its address.
            node: Its node's.
            depth: That node's depth; the root's is 0.
            label: The first line of what that node was asked.
        """
        match self.kind:
            case "depth":
                return _compared(depth, self.compare, self.depth)
            case "subtree":
                return address.within(self.text, node) or address.within(self.text, id)
            case "label":
                return self.text in (id, node) or fnmatchcase(label, self.text)


@dataclass(frozen=True, slots=True)
class Rule:
    """A breakpoint that was read.

    Attributes:
        text: The line, as written.
        points: Where it stops a run.
        scope: Where in the tree; None is everywhere.
        condition: What must be so; None is always.
        every: It acts at each so-manieth time that it fits.
        once: It acts the first time that it fits, and is off then.
        act: What it does.
        says: For ``log`` and ``answer``, the parts of the text.
        sets: For ``set``, the model or parameters.
    """

    text: str
    points: frozenset[Point]
    scope: Scope | None = None
    condition: Expression | None = None
    every: int = 1
    once: bool = False
    act: Act = "hold"
    says: tuple[tuple[str, Expression | None], ...] = ()
    sets: dict[str, Any] = field(default_factory=dict[str, Any])


def _compared(depth: int, how: str, bound: int) -> bool:
    match how:
        case ">=":
            return depth >= bound
        case "<=":
            return depth <= bound
        case ">":
            return depth > bound
        case "<":
            return depth < bound
        case _:
            return depth == bound


def parse(line: str, here: str = address.ROOT) -> Rule:
    """Read a breakpoint.

    Args:
        line: One line.
        here: The address of the node that ``here`` and ``subtree`` mean.

    Raises:
        BreakpointError: When it is none.
    """
    text = line.strip()
    lead = len(line) - len(line.lstrip())
    if "\n" in text or "\r" in text or len(text) > LONGEST:
        raise BreakpointError(f"A breakpoint is one line of at most {LONGEST:,} characters.", 0)
    try:
        return _read(text, here)
    except BreakpointError as error:
        raise BreakpointError(str(error), lead + error.at) from None


def _read(text: str, here: str) -> Rule:
    head = re.match(r"\*|[a-z]+", text)
    if head is None or (head[0] != "*" and head[0] not in POINTS):
        raise BreakpointError(f"A breakpoint begins with a point: {' '.join(POINTS)} or *.", 0)
    points: frozenset[Point] = frozenset(point for point in POINTS if head[0] in ("*", point))
    at = _blank(text, head.end())
    scope = None
    if text[at : at + 1] == "@":
        scope, at = _scope(text, at + 1, here)
    parts: dict[str, tuple[str, int]] = {}
    found = list(_words(text, at))
    if text[at : found[0][1] if found else None].strip():
        raise BreakpointError("After the point may come @scope, if, every, once and do, in this order.", at)
    for n, (word, start) in enumerate(found):
        end = found[n + 1][1] if n + 1 < len(found) else len(text)
        if any(_WORDS.index(word) <= _WORDS.index(other) for other in parts):
            raise BreakpointError(f"{word} does not belong here: if, every or once, do come in this order.", start)
        parts[word] = text[start + len(word) : end], start + len(word)
    if "every" in parts and "once" in parts:
        raise BreakpointError("A breakpoint acts every so many times, or once.", parts["once"][1] - 4)
    condition = _condition(*parts["if"]) if "if" in parts else None
    every = _every(*parts["every"]) if "every" in parts else 1
    if "once" in parts and parts["once"][0].strip():
        raise BreakpointError("After once comes only do.", _blank(text, parts["once"][1]))
    act, says, sets = _action(*parts["do"], points) if "do" in parts else ("hold", (), {})
    return Rule(text, points, scope, condition, every, "once" in parts, act, says, sets)


def _blank(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _words(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The words that begin a part, and where; not within quotes. What follows ``do`` is its own."""
    while at < len(text):
        if (quoted := _QUOTED.match(text, at)) is not None:
            at = quoted.end()
        elif (word := re.compile(r"\w+").match(text, at)) is not None:
            if word[0] in _WORDS:
                yield word[0], at
                if word[0] == "do":
                    return
            at = word.end()
        else:
            at += 1


def _scope(text: str, at: int, here: str) -> tuple[Scope | None, int]:
    if (depth := _DEPTH.match(text, at)) is not None:
        return Scope("depth", "", depth[1], int(depth[2])), depth.end()
    if (quoted := _STRING.match(text, at)) is not None:
        return Scope("label", _string(quoted[0], at)), quoted.end()
    word = re.compile(r"\w+").match(text, at)
    match word[0] if word is not None else "":
        case "root":
            return Scope("depth", "", "==", 0), at + 4
        case "here":
            return Scope("label", here), at + 4
        case "subtree":
            quoted = _STRING.match(text, _blank(text, at + 7))
            if quoted is None:
                return Scope("subtree", here), at + 7
            return Scope("subtree", _string(quoted[0], at)), quoted.end()
        case _:
            raise BreakpointError('A scope is here, subtree, root, depth>=N or a "label" with *.', at)


def _string(quoted: str, at: int) -> str:
    try:
        with warnings.catch_warnings():
            # Such as of "\d": nobody could read it beside the screen.
            warnings.simplefilter("ignore")
            return str(ast.literal_eval(quoted))
    except (ValueError, SyntaxError):
        raise BreakpointError("This text can't be read.", at) from None


def _condition(text: str, at: int) -> Expression:
    if not text.strip():
        raise BreakpointError("After if comes a condition.", at)
    try:
        return read(text)
    except ExpressionError as error:
        raise BreakpointError(str(error), at + max(0, error.at)) from None


def _every(text: str, at: int) -> int:
    if re.fullmatch(r"\s*\d{1,9}\s*", text) is None or not int(text):
        raise BreakpointError("After every comes a number from 1.", at)
    return int(text)


def _action(
    text: str, at: int, points: frozenset[Point]
) -> tuple[Act, tuple[tuple[str, Expression | None], ...], dict[str, Any]]:
    start = _blank(text, 0)
    word = re.compile(r"\w*").match(text, start)
    name = word[0] if word is not None else ""
    rest, at_rest = text[start + len(name) :].strip(), at + _blank(text, start + len(name))
    act = next((act for act in get_args(Act) if act == name), None)
    if act is None:
        raise BreakpointError(f"What it does is one of {', '.join(ACTIONS)}.", at + start)
    if not points <= ACTIONS[name]:
        where = " and ".join(point for point in POINTS if point in ACTIONS[name])
        raise BreakpointError(f"{name} is possible at {where}.", at + start)
    match act:
        case "log" | "answer":
            return act, _says(rest, at_rest), {}
        case "set":
            return act, (), _sets(rest, at_rest, points)
        case _:
            if rest:
                raise BreakpointError(f"Nothing comes after {name}.", at_rest)
            return act, (), {}


def _says(text: str, at: int) -> tuple[tuple[str, Expression | None], ...]:
    if _STRING.fullmatch(text) is None:
        raise BreakpointError('A text in quotes comes here: "…".', at)
    try:
        return tuple(parts_of(_string(text, at)))
    except ExpressionError as error:
        raise BreakpointError(str(error), at) from None


def _sets(text: str, at: int, points: frozenset[Point]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    end = 0
    while (pair := _PAIR.match(text, end)) is not None:
        name, value, end = pair[1], pair[2], pair.end()
        found[name] = _value(value)
    if end < len(text) or not found:
        raise BreakpointError("After set come model=NAME, temperature=0.2 and the like.", at + end)
    if found.keys() - {"model"} and "call" in points:
        raise BreakpointError("At a call only the model can be set.", at)
    if not isinstance(found.get("model", "x"), str) or not found.get("model", "x"):
        raise BreakpointError("A model is a name.", at)
    return found


def _value(text: str) -> Any:
    try:
        # The journal has no place for what is no number.
        return json.loads(text, parse_constant=str, parse_float=lambda number: _finite(float(number), number))
    except (ValueError, RecursionError):
        return text


def _finite(number: float, text: str) -> float | str:
    return number if math.isfinite(number) else text
