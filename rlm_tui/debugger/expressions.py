"""Conditions of breakpoints: a safe subset of Python, read by `ast` and worked out by a small interpreter of our own.

Nothing here is ever handed to ``eval``. What is allowed: names, constants, comparisons, ``and``, ``or``, ``not``,
arithmetic of numbers, ``in``, tuples of these, and calls of ``has``, ``len`` and four methods of a text.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlm_tui.debugger.patterns import PatternError, compiled

NAMES = frozenset(
    {"node", "depth", "iteration", "code", "reply", "prompt", "out", "error", "value", "tokens", "cost", "ms", "model",
     "fn", "n", "edited"}
)  # fmt: skip
"""What a condition may ask about; see `rules.Scene` for what each is."""

METHODS = frozenset({"startswith", "endswith", "lower", "strip"})
FUNCTIONS = frozenset({"has", "len"})
LONGEST, DEEPEST = 2_000, 40
"""Characters of a condition, and how deeply it may be nested."""
HIGHEST = 10**15
"""Numbers beyond this are no counts of anything here."""


class ExpressionError(ValueError):
    """It is no condition, or working it out failed; the message says why, for a person.

    Attributes:
        at: Where in the text, in characters; -1 when that is unknown.
    """

    def __init__(self, message: str, at: int = -1) -> None:
        super().__init__(message)
        self.at = at


_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b,
}  # fmt: skip
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: operator.not_, ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that was read and is allowed.

    Attributes:
        text: As written.
        tree: As read.
    """

    text: str
    tree: ast.expr = field(compare=False, repr=False)

    def value(self, look_up: Callable[[str], Any], searched: Callable[[], str]) -> Any:
        """Work it out.

        Args:
            look_up: Gives the value of a name.
            searched: Gives the text that `has` searches.

        Raises:
            ExpressionError: When that fails: a name that is not there compared with a number, a division by zero.
        """
        try:
            return _Working(look_up, searched).out(self.tree)
        except ExpressionError:
            raise
        except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise ExpressionError(f"{type(error).__name__}: {error}") from None


def read(text: str) -> Expression:
    """Read a condition.

    Args:
        text: Its source.

    Raises:
        ExpressionError: When it is none, or has something in it that is not allowed.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"A condition has at most {LONGEST:,} characters.", LONGEST)
    lead = len(text) - len(text.lstrip())
    if (broken := re.search(r"[\n\r\f]", text.strip())) is not None:
        raise ExpressionError("A condition is one line.", lead + broken.start())
    try:
        with warnings.catch_warnings():
            # Such as of "\d" without an r before it: nobody could read it beside the screen.
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"This can't be read: {error.msg}.", lead + max(0, (error.offset or 1) - 1)) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("This can't be read.", 0) from None
    _Checking(text.strip(), lead).check(tree, 0)
    return Expression(text.strip(), tree)


@dataclass(slots=True)
class _Checking:
    """Refuses what is not allowed, and says where it stands."""

    text: str
    lead: int

    def _refuse(self, what: str, tree: ast.AST) -> ExpressionError:
        # `ast` counts bytes of UTF-8.
        before = self.text.encode("utf-8", "surrogatepass")[: getattr(tree, "col_offset", 0)]
        return ExpressionError(what, self.lead + len(before.decode("utf-8", "replace")))

    def check(self, tree: ast.expr, depth: int) -> None:
        if depth > DEEPEST:
            raise self._refuse("This is nested too deeply.", tree)
        match tree:
            case ast.Constant(value=str() | int() | float() | None as value):
                if isinstance(value, int | float) and not abs(value) <= HIGHEST:
                    raise self._refuse("This number is too large.", tree)
            case ast.Name(id=name):
                if name not in NAMES:
                    known = ", ".join(sorted(NAMES))
                    raise self._refuse(f"There is no {name!r} here. Names: {known}.", tree)
            case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
                self._all(values, depth)
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                self.check(operand, depth + 1)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                self._all([left, right], depth)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
                self._all([left, *others], depth)
            case ast.Call():
                self._call(tree, depth)
            case _:
                allowed = "names, constants, comparisons, and/or/not, arithmetic, in"
                raise self._refuse(f"This is not allowed in a condition; {allowed} are.", tree)

    def _all(self, trees: list[ast.expr], depth: int) -> None:
        for tree in trees:
            self.check(tree, depth + 1)

    def _call(self, tree: ast.Call, depth: int) -> None:
        match tree:
            case ast.Call(func=ast.Name(id="has"), args=[ast.Constant(value=str() as pattern)], keywords=[]):
                try:
                    compiled(pattern)
                except PatternError as error:
                    raise self._refuse(str(error), tree.args[0]) from None
            case ast.Call(func=ast.Name(id="len"), args=[one], keywords=[]):
                self.check(one, depth + 1)
            case ast.Call(func=ast.Attribute(value=of, attr=name), args=args, keywords=[]) if name in METHODS:
                self.check(of, depth + 1)
                self._all(args, depth)
            case _:
                raise self._refuse('Only has("…"), len(…), .startswith, .endswith, .lower, .strip are called.', tree)


@dataclass(slots=True)
class _Working:
    """Works a checked condition out."""

    look_up: Callable[[str], Any]
    searched: Callable[[], str]

    def out(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.BoolOp(op=op, values=values):
                return self._bool(isinstance(op, ast.And), values)
            case ast.Tuple(elts=values) | ast.List(elts=values):
                return tuple(self.out(each) for each in values)
            case ast.UnaryOp(op=op, operand=operand):
                return _UNARY[type(op)](self.out(operand))
            case ast.BinOp(left=left, op=op, right=right):
                return _number(_ARITHMETIC[type(op)](_number(self.out(left)), _number(self.out(right))))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._compare(self.out(left), ops, others)
            case ast.Call():
                return self._call(tree)
            case _:
                raise ExpressionError("This is not allowed in a condition.")

    def _bool(self, all_: bool, values: list[ast.expr]) -> Any:
        value: Any = all_
        for each in values:
            value = self.out(each)
            if bool(value) != all_:
                break
        return value

    def _compare(self, left: Any, ops: list[ast.cmpop], others: list[ast.expr]) -> bool:
        for op, other in zip(ops, others, strict=True):
            right = self.out(other)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True

    def _call(self, tree: ast.Call) -> Any:
        match tree.func, tree.args:
            case ast.Name(id="has"), [ast.Constant(value=str() as pattern)]:
                return has(pattern, self.searched())
            case ast.Name(id="len"), [one]:
                return len(self.out(one))
            case ast.Attribute(value=of, attr=name), args:
                text = self.out(of)
                if not isinstance(text, str):
                    raise ExpressionError(f".{name} is of a text, and this is {_named(text)}")
                return getattr(text, name)(*(self.out(each) for each in args))
            case _:
                raise ExpressionError("This can't be called.")


def _number(value: Any) -> float | int:
    if isinstance(value, int | float) and abs(value) <= HIGHEST:
        return value
    raise ExpressionError(f"Arithmetic is of numbers, and this is {_named(value)}")


def _named(value: Any) -> str:
    return "nothing" if value is None else "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def has(pattern: str, text: str) -> bool:
    """Whether a pattern fits anywhere in a text, looked at line by line; ``^`` and ``$`` are the ends of lines.

    Args:
        pattern: A regular expression, as `patterns.compiled` knows it.
        text: The text.

    Raises:
        ExpressionError: When the pattern is not allowed, or the search takes too long.
    """
    try:
        return compiled(pattern).searches(text)
    except PatternError as error:
        raise ExpressionError(str(error)) from None


def parts_of(template: str) -> list[tuple[str, Expression | None]]:
    """The parts of a text with conditions in braces: literal text, then what follows it.

    Args:
        template: As in ``fan-out {n}``; ``{{`` is a brace.

    Raises:
        ExpressionError: When a brace is not closed, or what stands in one is not allowed.
    """
    from string import Formatter

    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise ExpressionError(f"This text can't be read: {error}.") from None
    made: list[tuple[str, Expression | None]] = []
    for literal, name, spec, conversion in found:
        if spec or conversion:
            raise ExpressionError("Within braces stands a condition, and nothing else.")
        made.append((literal, None if name is None else read(name)))
    return made
