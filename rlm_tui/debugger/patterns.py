"""Regular expressions that cannot run away: read by rules of our own, and searched for by an automaton.

Python's own matcher may take time that grows exponentially with the text, and nothing can stop it meanwhile. Here all
ways to go on are followed at once, so that a search takes a time that grows with the text, and that is bounded.
Lines are searched one by one. What one character may be is still decided by Python's own rules.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

LARGEST = 2_000
"""Parts that a pattern may have, its repetitions written out."""
DEEPEST = 40
"""How deeply groups may be nested."""
SEARCH_S = 0.2
"""Seconds that one search may take."""
SLICE, SHORT = 1 << 16, 2_000
"""Characters between two looks at the clock; how long a line Python's own matcher may search for one repetition."""
KNOWN = 20_000
"""Steps of an automaton that are kept."""

Place = Literal["^", "$", "b", "B"]
"""Begin and end of a line; at a word's edge, or not."""

_ESCAPES = re.compile(r"\\(?:[dDwWsSnrtfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^\w\s])", re.ASCII)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_TIMES = re.compile(r"\*|\+|\?|\{(?=[\d,])(\d*)(,?)(\d*)\}")
_WORD = re.compile(r"\w")


class PatternError(ValueError):
    """It is no pattern, has something in it that is not known here, or searching took too long; in words."""


@dataclass(frozen=True, slots=True)
class _One:
    """Any of some characters, as Python writes them."""

    source: str


@dataclass(frozen=True, slots=True)
class _At:
    """A place, which takes no character."""

    place: Place


@dataclass(frozen=True, slots=True)
class _Row:
    """Parts, one after the other."""

    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class _Either:
    """One of several."""

    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class _Times:
    """A part so many times; ``most`` None is without an end."""

    part: _Part
    least: int
    most: int | None


_Part = _One | _At | _Row | _Either | _Times


@dataclass(slots=True)
class _Reading:
    """Reads a pattern, of which Python has found already that it is one."""

    text: str
    at: int = 0
    plain: bool = True
    endless: int = 0
    choices: int = 0

    def whole(self) -> _Part:
        part = self.either(0)
        if self.at < len(self.text):
            raise self.unknown()
        return part

    def unknown(self) -> PatternError:
        found = self.text[self.at : self.at + 3]
        hint = '; ask for it with another has("…")' if found in ("(?=", "(?!", "(?<") else ""
        return PatternError(f"has knows no {found!r}{hint}.")

    def either(self, depth: int) -> _Part:
        if depth > DEEPEST:
            raise PatternError("This pattern is nested too deeply.")
        rows = [self.row(depth)]
        while self.text[self.at : self.at + 1] == "|":
            self.at += 1
            rows.append(self.row(depth))
        self.choices += len(rows) - 1
        return rows[0] if len(rows) == 1 else _Either(tuple(rows))

    def row(self, depth: int) -> _Part:
        parts: list[_Part] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            before = self.endless, self.choices
            parts.append(self.times(self.part(depth), before))
        return parts[0] if len(parts) == 1 else _Row(tuple(parts))

    def part(self, depth: int) -> _Part:
        char, text = self.text[self.at], self.text
        if char == "(":
            start = "(?:" if text.startswith("(?:", self.at) else "("
            if start == "(" and text.startswith("(?", self.at):
                raise self.unknown()
            self.at, self.plain = self.at + len(start), False
            inner = self.either(depth + 1)
            self.at += 1
            return inner
        if char in "^$":
            self.at += 1
            return _At("^" if char == "^" else "$")
        if char == "\\" and (place := text[self.at + 1 : self.at + 2]) in ("b", "B"):
            self.at += 2
            return _At("b" if place == "b" else "B")
        found = _CLASS.match(text, self.at) if char == "[" else _ESCAPES.match(text, self.at) if char == "\\" else None
        if found is None and char in "[\\":
            raise self.unknown()
        source = found[0] if found is not None else char if char == "." else re.escape(char)
        self.plain = self.plain and found is None and char != "."
        self.at += len(found[0]) if found is not None else 1
        return _One(source)

    def times(self, part: _Part, before: tuple[int, int]) -> _Part:
        found = _TIMES.match(self.text, self.at)
        if found is None:
            return part
        if isinstance(part, _At):
            raise PatternError("A place can't be repeated.")
        self.at, self.plain = found.end(), False
        if self.text[self.at : self.at + 1] == "+":
            raise self.unknown()
        self.at += self.text[self.at : self.at + 1] == "?"
        least, most = _bounds(found)
        varied = (self.endless, self.choices) != before
        # A repetition of what is not always the same is what makes Python's own matcher run away.
        self.endless += 2 if varied else 1 if most is None or most - least > 1 else 0
        self.choices += most is not None and most - least == 1
        return _Times(part, least, most)


def _bounds(found: re.Match[str]) -> tuple[int, int | None]:
    match found[0]:
        case "*":
            return 0, None
        case "+":
            return 1, None
        case "?":
            return 0, 1
        case _:
            least = int(found[1] or 0)
            return least, int(found[3]) if found[3] else None if found[2] else least


@dataclass(slots=True)
class _Node:
    """A state: where to go on with one of some characters, or at a place; else where to be at the same time."""

    takes: re.Pattern[str] | None = None
    place: Place | None = None
    then: list[int] = field(default_factory=list[int])


class _State(dict[str, "_State"]):
    """Some nodes at once, after a character of a kind: where each character leads, as far as that is known."""

    def __init__(self, nodes: frozenset[int], before: str) -> None:
        super().__init__()
        self.nodes = nodes
        self.before = before


@dataclass(slots=True)
class Pattern:
    """A pattern that was read.

    Attributes:
        found: Python's own; only used where it is as fast.
        literal: The whole pattern, when it is just a text.
        quick: How long a line Python's own may search; None is any.
    """

    found: re.Pattern[str]
    literal: str | None
    quick: int | None
    _nodes: list[_Node]
    _first: int
    _states: dict[tuple[frozenset[int], str], _State] = field(default_factory=dict[tuple[frozenset[int], str], _State])
    _known: int = 0

    def searches(self, text: str) -> bool:
        """Whether it fits anywhere in a text, line by line; ``^`` and ``$`` are the ends of a line.

        Raises:
            PatternError: When that takes too long.
        """
        if self.literal is not None:
            return self.literal in text
        until = time.monotonic() + SEARCH_S
        for line in text.split("\n"):
            if self.quick is None or len(line) <= self.quick:
                if self.found.search(line) is not None:
                    return True
            elif self._walk(line, until):
                return True
            if time.monotonic() > until:
                raise PatternError("the search took too long")
        return False

    def _walk(self, line: str, until: float) -> bool:
        state = self._state(frozenset(), "")
        for start in range(0, len(line), SLICE):
            for char in line[start : start + SLICE]:
                after = state.get(char)
                if after is None:
                    after = self._step(state, char)
                    if time.monotonic() > until:
                        raise PatternError("the search took too long")
                if after is _FOUND:
                    return True
                state = after
            if time.monotonic() > until:
                raise PatternError("the search took too long")
        return self._closed(state, "") is None

    def _state(self, nodes: frozenset[int], before: str) -> _State:
        return self._states.setdefault((nodes, before), _State(nodes, before))

    def _step(self, state: _State, char: str) -> _State:
        """Where a character leads; from every character the search may begin anew."""
        closed = self._closed(state, char)
        if closed is None:
            after = _FOUND
        else:
            going = (self._nodes[n] for n in closed)
            moved = (node.then[0] for node in going if node.takes is not None and node.takes.match(char))
            after = self._state(frozenset(moved), _kind(char))
        self._known += 1
        if self._known > KNOWN:
            for each in self._states.values():
                each.clear()
            self._states.clear()
            self._known = 0
        state[char] = after
        return after

    def _closed(self, state: _State, char: str) -> Iterable[int] | None:
        """The nodes where it is, those included that take no character; None when the pattern fits already."""
        at_edge = (state.before == "word") != (_kind(char) == "word")
        holds = {"^": state.before == "", "$": char == "", "b": at_edge, "B": not at_edge and bool(state.before + char)}
        seen: set[int] = set()
        todo = [*state.nodes, self._first]
        while todo:
            n = todo.pop()
            if n in seen:
                continue
            seen.add(n)
            node = self._nodes[n]
            if node.takes is None:
                if not node.then:
                    return None
                if node.place is None or holds[node.place]:
                    todo += node.then
        return seen


_FOUND = _State(frozenset(), "")
"""Where every match leads."""


def _kind(char: str) -> str:
    return "" if not char else "word" if _WORD.match(char) else "other"


@dataclass(slots=True)
class _Building:
    """Makes nodes of a pattern, from its end to its begin."""

    flags: int
    nodes: list[_Node] = field(default_factory=lambda: [_Node()])
    taken: dict[str, re.Pattern[str]] = field(default_factory=dict[str, "re.Pattern[str]"])

    def add(self, node: _Node) -> int:
        if len(self.nodes) >= LARGEST:
            raise PatternError(f"This pattern has more than {LARGEST:,} parts, its repetitions written out.")
        self.nodes.append(node)
        return len(self.nodes) - 1

    def build(self, part: _Part, then: int) -> int:
        match part:
            case _One(source):
                takes = self.taken.setdefault(source, re.compile(source, self.flags))
                return self.add(_Node(takes, None, [then]))
            case _At(place):
                return self.add(_Node(None, place, [then]))
            case _Row(()):
                # Repeated it would cost time and no node.
                return self.add(_Node(None, None, [then]))
            case _Row(parts):
                for each in reversed(parts):
                    then = self.build(each, then)
                return then
            case _Either(parts):
                return self.add(_Node(None, None, [self.build(each, then) for each in parts]))
            case _Times(inner, least, most):
                return self.times(inner, least, most, then)

    def times(self, inner: _Part, least: int, most: int | None, then: int) -> int:
        if most is None:
            again = self.add(_Node(None, None, [then]))
            self.nodes[again].then.append(self.build(inner, again))
            then = again
        else:
            after = then
            for _ in range(most - least):
                then = self.add(_Node(None, None, [after, self.build(inner, then)]))
        for _ in range(least):
            then = self.build(inner, then)
        return then


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Pattern:
    """A pattern, read and allowed.

    Known are characters, ``.``, classes, ``\\d \\w \\s \\b`` and their opposites, ``^ $``, groups, ``|``,
    ``* + ? {n,m}`` and, at its begin, ``(?i)``. Not known are what looks ahead or back, and what refers to a group.

    Args:
        pattern: A regular expression.

    Raises:
        PatternError: When it is none, or has something in it that is not known.
    """
    if "\b" in pattern:
        raise PatternError(r'There is a backspace in this; write r"\b" with an r before the quotes.')
    try:
        with warnings.catch_warnings():
            # Such as of a bracket within brackets: nobody could read it beside the screen.
            warnings.simplefilter("ignore")
            found = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"This is no regular expression: {error}.") from None
    any_case = pattern.startswith("(?i)")
    reading = _Reading(pattern[4:] if any_case else pattern)
    part = reading.whole()
    building = _Building(found.flags & re.IGNORECASE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = building.build(part, 0)
    literal = pattern if reading.plain and not any_case and _is_text(part) else None
    quick = 0 if reading.endless > 1 or reading.choices > 3 else SHORT if reading.endless else None
    return Pattern(found, literal, quick, building.nodes, first)


def _is_text(part: _Part) -> bool:
    return isinstance(part, _One) or (isinstance(part, _Row) and all(isinstance(each, _One) for each in part.parts))
