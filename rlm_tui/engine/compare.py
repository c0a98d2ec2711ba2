"""How a block that was run again compares with its record: in words, as the ends of sentences about that block."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rlm_tui.journal.events import ExecEnd, Finding, Text
from rlm_tui.repl.process import BlockResult, Variable

_MOVES = re.compile(r"0x[0-9a-fA-F]+|\b\d+(?:\.\d+)?\s*(?:ns|us|µs|μs|ms|s|secs?|seconds?|min|minutes?)\b")
"""What differs between two runs of the same code without meaning anything: addresses and durations."""
_TRACEBACK = "Traceback (most recent call last):"
_TYPE = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")
_NAMED = 3
"""Variables or calls that are named; the others are counted."""
_CLIP = 40


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found: the worst of it, and all of it in words (``made `x` an int; it was a list``)."""

    finding: Finding = "same"
    differs: tuple[str, ...] = ()

    def about(self, block: str) -> str:
        """Whole sentences about a block; empty when nothing differs."""
        if not self.differs:
            return ""
        first, *more = self.differs
        return " ".join([f"{block[:1].upper()}{block[1:]} {first}.", *(f"It {part}." for part in more)])


@dataclass(slots=True)
class Comparing:
    """The names of one REPL as recorded and as they are when its blocks are run again, block by block.

    Only names and types are compared, of what changed: a row may be missing where a new object took an old one's
    place in memory, so what is compared is what all the rows so far add up to.

    Args:
        text: Resolves a text of the journal.
    """

    text: Callable[[Text | None], str]
    recorded: dict[str, str] = field(default_factory=dict[str, str])
    now: dict[str, Variable] = field(default_factory=dict[str, Variable])
    differing: set[str] = field(default_factory=set[str])
    """Names that were found to differ, at any block."""

    def compare(
        self, record: ExecEnd, result: BlockResult, asked: Mapping[str, str], had: Mapping[str, str]
    ) -> Compared:
        """Compare one block that ended by itself when it was recorded.

        Args:
            record: Its recorded end.
            result: What came of it now.
            asked: The calls that it asked for now: address to words.
            had: Those it asked for then.
        """
        state = [*self._ending(record, result), *self._names(record, result)]
        calls = [*_calls("asked for {} not recorded", [w for id, w in asked.items() if id not in had])]
        calls += _calls("did not ask for {} recorded", [w for id, w in had.items() if id not in asked])
        output = list(self._output(record, result))
        finding: Finding = "calls" if calls else "state" if state else "output" if output else "same"
        return Compared(finding, (*state, *calls, *output))

    def _ending(self, record: ExecEnd, result: BlockResult) -> Iterable[str]:
        if result.status in ("aborted", "timeout"):
            yield "was stopped before it ended" if result.status == "aborted" else "took too long, and was stopped"
            return
        then, now = exception(self.text(record.error)), exception(result.error or "")
        if then != now:
            yield f"ended with {now or 'no error'}; it had ended with {then or 'no error'}"

    def _names(self, record: ExecEnd, result: BlockResult) -> Iterable[str]:
        touched = {row.name: row.type for row in record.changed} | dict.fromkeys(record.removed, "")
        self.recorded |= {row.name: row.type for row in record.changed}
        self.now |= {row.name: row for row in result.changed}
        for name in record.removed:
            self.recorded.pop(name, None)
        for name in result.removed:
            self.now.pop(name, None)
        partial = bool(record.more_variables or result.more_variables)
        found: list[str] = []
        for name in dict.fromkeys([*touched, *(row.name for row in result.changed), *result.removed]):
            then, now = self.recorded.get(name), self.now.get(name)
            same = then == (now and now.type) or (partial and (then is None or now is None))
            if same:
                self.differing.discard(name)
            elif name not in self.differing:
                self.differing.add(name)
                found.append(_name(name, then, now))
        yield from found[:_NAMED]
        if len(found) > _NAMED:
            yield f"left {len(found) - _NAMED} more variables different"

    def _output(self, record: ExecEnd, result: BlockResult) -> Iterable[str]:
        pairs = (
            ("printed", record.stdout, result.stdout),
            ("wrote to stderr", record.stderr, result.stderr),
            ("wrote past Python", record.raw, result.raw),
            ("ended with the value", record.value, result.value),
        )
        for verb, then, now in pairs:
            if (differs := _first_difference(self.text(then), now or "")) is not None:
                was, is_ = differs
                yield f"{verb} {_clipped(is_)}; it was {_clipped(was)}"


def exception(error: str) -> str:
    """The name of the exception a traceback ends with; empty when there is none."""
    last = error[error.rfind(_TRACEBACK) + len(_TRACEBACK) :] if _TRACEBACK in error else error
    for line in last.splitlines():
        if found := _TYPE.match(line):
            return found.group()
    return last.strip().partition("\n")[0][:_CLIP]


def _name(name: str, then: str | None, now: Variable | None) -> str:
    shown = f"`{name[:_CLIP]}`"
    if now is None:
        return f"did not leave {shown}, {_a(then or '')}"
    return f"left {shown}, {_a(now.type)}, which was not there" if then is None else (
        f"made {shown} {_a(now.type)}; it was {_a(then)}"
    )  # fmt: skip


def _a(type_: str) -> str:
    return f"{'an' if type_[:1].lower() in 'aeiou' else 'a'} {type_[:_CLIP]}"


def _calls(words: str, calls: Sequence[str]) -> Iterable[str]:
    if calls:
        many = f"{len(calls)} call{'s' if len(calls) > 1 else ''} that {'are' if len(calls) > 1 else 'is'}"
        more = " …" if len(calls) > _NAMED else ""
        yield f"{words.format(many)}: {', '.join(calls[:_NAMED])}{more}"


def call_words(fn: str, prompt: str) -> str:
    """A call as a sentence names it."""
    return f"{fn[:_CLIP]} {_clipped(prompt)}"


def _first_difference(then: str, now: str) -> tuple[str, str] | None:
    """The first lines that differ once what always differs is taken out; None when none do."""
    then, now = _MOVES.sub("…", then), _MOVES.sub("…", now)
    if then == now:
        return None
    ours, theirs = now.splitlines(), then.splitlines()
    for n in range(max(len(ours), len(theirs))):
        one, other = ours[n : n + 1], theirs[n : n + 1]
        if one != other:
            return "".join(other), "".join(one)
    return theirs[-1] if theirs else "", ours[-1] if ours else ""


def _clipped(text: str) -> str:
    return "nothing" if not text else repr(text if len(text) <= _CLIP else f"{text[:_CLIP]}…")
