"""The language in which a run is searched: words, and a few names with a colon.

All of it must fit: ``max "gust log" /\\d+\\.\\d/`` are words, a phrase and a regular expression, in any letters' case;
``kind:`` ``status:`` ``in:`` ``node:`` and ``depth`` say where to look, ``edited`` and ``error`` at what. ``|`` means
either, and so does the same name twice; ``-`` before a part means not.
"""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

Field = Literal[
    "code", "reply", "reasoning", "output", "error", "prompt", "system", "answer", "observe", "note", ""
]  # fmt: skip
"""Which text of a thing a hit is in; empty when the thing itself is what fits."""

KINDS: Final = ("rlm", "llm", "block", "reply", "observe", "final", "note", "prompt", "eval")
FIELDS: Final[dict[str, frozenset[str]]] = {
    "code": frozenset({"code"}), "reply": frozenset({"reply", "reasoning"}), "output": frozenset({"output", "error"}),
    "prompt": frozenset({"prompt", "system"}), "answer": frozenset({"answer"}), "observe": frozenset({"observe"}),
    "note": frozenset({"note"}), "error": frozenset({"error"}), "system": frozenset({"system"}),
    "reasoning": frozenset({"reasoning"}),
}  # fmt: skip
"""What may stand after ``in:``, and the texts that it means."""

STATUSES: Final[dict[str, frozenset[str]]] = {
    "error": frozenset({"error"}), "timeout": frozenset({"timeout"}), "held": frozenset({"held"}),
    "done": frozenset({"done", "answered"}), "answered": frozenset({"answered"}), "killed": frozenset({"killed"}),
    "refused": frozenset({"refused"}), "limit": frozenset({"limit"}), "skipped": frozenset({"skipped"}),
    "supplied": frozenset({"supplied"}), "unanswered": frozenset({"unanswered"}), "queued": frozenset({"new"}),
    "running": frozenset({"sampling", "executing", "waiting", "between"}), "sampling": frozenset({"sampling"}),
    "executing": frozenset({"executing"}), "waiting": frozenset({"waiting"}),
}  # fmt: skip
"""What may stand after ``status:``, and the states that it means."""

FLAGS: Final = ("edited", "error")

_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
    ">": operator.gt, "<": operator.lt, "=": operator.eq, ":": operator.eq,
}  # fmt: skip
_NAMES: Final = ("kind", "status", "in", "node", "depth", "when")
_PART = re.compile(
    r"""(?P<no>-(?=\S))?(?:
        "(?P<phrase>[^"]*)(?:"|\Z)
      | /(?P<regex>(?:[^/\\]|\\.)+)/(?=\s|\Z)
      | depth\s*(?P<compare>>=|<=|==|!=|>|<|=|:)\s*(?P<depth>[^\s]*)
      | (?P<name>[A-Za-z]+):(?P<value>"[^"]*"?|\S*)
      | (?P<word>\S+)
    )""",
    re.VERBOSE,
)
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\??|\)(?:[*+]|\{\d*,)?|[*+|]|\{\d*,", re.DOTALL)
_WHEN = re.compile(r"when\s+(?P<name>[^\W\d]\w*)\s*(?:(?P<op>==?)\s*(?P<value>.*))?\Z", re.DOTALL)


class BadQuery(ValueError):
    """A query that can't be understood; its text says why, for the person who types it."""


@dataclass(frozen=True, slots=True)
class Words:
    """Something that a text must have, or must not.

    Attributes:
        text: It, in small letters; empty for a regular expression.
        pattern: The regular expression, when it is one.
        negated: Whether no text may have it.
    """

    text: str = ""
    pattern: re.Pattern[str] | None = None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep something must be; the root is 0."""

    compare: str
    depth: int
    negated: bool = False

    def fits(self, depth: int) -> bool:
        """Whether a depth is meant."""
        return _COMPARE[self.compare](depth, self.depth) is not self.negated


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. Empty sets ask for nothing.

    Attributes:
        text: As it was typed.
        words: What texts must have or must not.
        kinds: Kinds of which a text must be one, and of which it must be none.
        fields: Texts to look in, and texts not to.
        states: States of which a thing must be in one, and in none.
        nodes: Addresses of nodes (a ``*`` at the end: all below too) to look in, and not to.
        depths: How deep.
        flags: By name, whether it must be so or must not.
    """

    text: str
    words: tuple[Words, ...] = ()
    kinds: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    fields: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    states: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    nodes: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    depths: tuple[Depth, ...] = ()
    flags: tuple[tuple[str, bool], ...] = ()

    @property
    def wanted(self) -> tuple[Words, ...]:
        """The words that must be there."""
        return tuple(words for words in self.words if not words.negated)

    @property
    def unwanted(self) -> tuple[Words, ...]:
        """The words that must not."""
        return tuple(words for words in self.words if words.negated)


@dataclass(frozen=True, slots=True)
class When:
    """Since when a variable is there, or has a value.

    Attributes:
        text: As it was typed.
        name: The variable.
        value: The value as typed, None for any.
    """

    text: str
    name: str
    value: str | None = None


def parse(text: str, here: str = "root") -> Query | When:
    """Understand a query.

    Args:
        text: As typed. A quote that is not closed yet reaches to the end.
        here: The address of the node that ``node:here`` means.

    Returns:
        What is looked for; a `When` for ``when NAME`` and ``when NAME == VALUE``.

    Raises:
        BadQuery: When it can't be understood, with what is wrong, or when it is empty.
    """
    said = text.strip()
    if not said:
        raise BadQuery("Type what to look for.")
    if (when := _WHEN.match(said)) is not None:
        value = when["value"]
        if when["op"] and not value:
            raise BadQuery(f"Type the value of {when['name']} after {when['op']}.")
        return When(said, when["name"], value)
    maker = _Maker(here)
    for found in _parts(said):
        maker.take(found)
    return maker.query(said)


def _parts(said: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(said):
        if said[at].isspace():
            at += 1
            continue
        found = _PART.match(said, at)
        assert found is not None, "any character begins a word"
        yield found
        at = found.end()


class _Maker:
    """Gathers the parts of a query."""

    def __init__(self, here: str) -> None:
        self._here = here
        self._words: list[Words] = []
        self._depths: list[Depth] = []
        self._flags: dict[str, bool] = {}
        self._sets: dict[tuple[str, bool], set[str]] = {}

    def take(self, found: re.Match[str]) -> None:
        """One part."""
        no = found["no"] is not None
        if found["phrase"] is not None:
            self._word(found["phrase"], no)
        elif found["regex"] is not None:
            self._words.append(Words(pattern=_pattern(found["regex"]), negated=no))
        elif found["compare"] is not None:
            if not found["depth"].isdecimal():
                raise BadQuery(f"depth{found['compare']} needs a number: the root is 0, its children 1.")
            self._depths.append(Depth(found["compare"], int(found["depth"]), no))
        elif found["name"] is not None:
            self._named(found["name"], found["value"].strip('"'), no, found.group())
        elif found["word"] in FLAGS:
            self._flags[found["word"]] = not no
        else:
            self._word(found["word"], no)

    def _word(self, word: str, no: bool) -> None:
        if word:
            self._words.append(Words(lowered(word), negated=no))

    def _named(self, name: str, value: str, no: bool, whole: str) -> None:
        match name.lower():
            case "kind":
                self._choose("kind", {kind: frozenset({kind}) for kind in KINDS}, value, no)
            case "status" | "state":
                self._choose("status", STATUSES, value, no)
            case "in":
                self._choose("in", FIELDS, value, no)
            case "node":
                if not value:
                    raise BadQuery("node: needs an address, a part of one, or here.")
                nodes = [self._here if one == "here" else one.replace("…", "*") for one in value.split("|") if one]
                self._sets.setdefault(("node", no), set()).update(nodes)
            case other if close := get_close_matches(other, _NAMES, 1, 0.75):
                raise BadQuery(f"There is no {name}: here. {close[0]}: is meant? In quotes it is searched for.")
            case _:
                self._word(whole.removeprefix("-") if no else whole, no)

    def _choose(self, name: str, choices: dict[str, frozenset[str]], value: str, no: bool) -> None:
        chosen = self._sets.setdefault((name, no), set())
        for one in value.lower().split("|"):
            if one not in choices:
                begins = [choice for choice in choices if one and choice.startswith(one)]
                if begins:
                    raise BadQuery(f"{name}:{one} may become {' or '.join(begins)}.")
                can = " ".join(choices)
                raise BadQuery(f"{name}:{one} is none of {can}." if one else f"{name}: can be {can}.")
            chosen |= choices[one]

    def query(self, said: str) -> Query:
        """All of it."""

        def both(name: str) -> tuple[frozenset[str], frozenset[str]]:
            return frozenset(self._sets.get((name, False), ())), frozenset(self._sets.get((name, True), ()))

        return Query(
            said, tuple(self._words), both("kind"), both("in"), both("status"), both("node"), tuple(self._depths),
            tuple(self._flags.items()),
        )  # fmt: skip


def lowered(text: str) -> str:
    """A text in small letters, each character still where it was."""
    low = text.lower()
    # One letter has a small form of two characters.
    return low if len(low) == len(text) else text.replace("İ", "i").lower()


def _pattern(source: str) -> re.Pattern[str]:
    source = source.replace("\\/", "/")
    if _explodes(source):
        raise BadQuery(f"/{source}/ repeats a repetition, which can take for ever. Write it with one of them.")
    try:
        with warnings.catch_warnings():
            # A person who types one is told of errors, not of what a later Python may read differently.
            warnings.simplefilter("ignore")
            return re.compile(source, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        where = getattr(error, "pos", None)
        at = f" at character {where + 1}" if isinstance(where, int) else ""
        raise BadQuery(f"/{source}/ is no regular expression: {getattr(error, 'msg', error)}{at}.") from error


def _explodes(source: str) -> bool:
    """Whether a group that repeats has something in it that repeats, or a choice: its time may double by the letter."""
    inside = [False]
    for found in re.finditer(
        r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\??|\)(?:[*+]|\{\d*,)?|[*+|]|\{\d*,", source, re.DOTALL
    ):
        piece = found.group()
        if piece[0] == "(":
            inside.append(False)
        elif piece[0] == ")":
            repeats = inside.pop() if len(inside) > 1 else False
            if repeats and len(piece) > 1:
                return True
            inside[-1] = inside[-1] or repeats or len(piece) > 1
        elif piece[0] in "*+|{":
            inside[-1] = True
    return False
