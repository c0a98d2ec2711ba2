"""Searches a run: every text of its fold, the long ones whole, in the order in which the run is told.

It may be done in another thread than the one that folds. What comes while it searches may be in it or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from rlm_tui.journal import address
from rlm_tui.journal.blobs import placeholder
from rlm_tui.journal.events import Blob, Text
from rlm_tui.journal.query import Field, Query, Words, lowered
from rlm_tui.journal.run import Run
from rlm_tui.journal.subjects import Piece, Subject, subjects

HEAD: Final = 160
"""Characters of a line that a hit carries."""
BEFORE: Final = 40
"""How many of these are before the match, where the line is longer."""
PER_TEXT: Final = 500
"""Lines of one text that are hits; the rest is only said to be there."""
LINE: Final = 10_000
"""Characters of a line that a regular expression sees at a time."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A line in which something was found, or a thing that fits.

    Attributes:
        id: The address of the thing.
        row: The address of the node or the sub-call that it is of.
        kind: What it is: ``block``, ``reply`` …
        field: Which of its texts.
        line: The line, from 1; 0 when the thing itself fits.
        offset: Where the match begins in the whole text, in characters.
        length: Characters of the match.
        head: The line, or the part of it around the match.
        at: Where the match begins in ``head``.
        source: The text it is in.
    """

    id: str
    row: str
    kind: str
    field: Field = ""
    line: int = 0
    offset: int = 0
    length: int = 0
    head: str = ""
    at: int = 0
    source: Text = ""


class Search:
    """One search. Iterate over it for the hits, first ones first.

    Args:
        run: The fold.
        query: What is looked for.
        text: Gives the whole of a text, wherever it is kept; called in the searching thread.
        stop: Says whether to give up; asked often.

    Attributes:
        looked: How many things were looked at.
        missing: How many texts are gone or damaged, and were not searched.
        cut: Whether a text had more hits than are given.
    """

    def __init__(
        self, run: Run, query: Query, text: Callable[[Text | None], str], *, stop: Callable[[], bool] = lambda: False
    ) -> None:
        self._run = run
        self._query = query
        self._text = text
        self._stop = stop
        self.looked = 0
        self.missing = 0
        self.cut = False

    def __iter__(self) -> Iterator[Hit]:
        told: set[str] = set()
        for subject in subjects(self._run):
            if self._stop():
                return
            self.looked += 1
            if not self._fits(subject):
                continue
            pieces = self._pieces(subject)
            if not self._query.wanted:
                # A node is met at its question and at its answer: it is one thing.
                if pieces and subject.id not in told and not self._has_unwanted(pieces):
                    if subject.id == subject.row:
                        told.add(subject.id)
                    yield Hit(subject.id, subject.row, subject.kind, head=_first(pieces))
                continue
            yield from self._lines(subject, pieces)

    def _fits(self, subject: Subject) -> bool:
        q = self._query
        if q.nodes[0] and not any(_is_in(subject.row, node) for node in q.nodes[0]):
            return False
        if any(_is_in(subject.row, node) for node in q.nodes[1]):
            return False
        if (q.states[0] and subject.state not in q.states[0]) or subject.state in q.states[1]:
            return False
        if not all(depth.fits(subject.depth) for depth in q.depths):
            return False
        return all((subject.edited if flag == "edited" else subject.failed) is on for flag, on in q.flags)

    def _pieces(self, subject: Subject) -> list[Piece]:
        """The texts to look in; the whole thing has to be of no unwanted kind."""
        q = self._query
        if any(piece.kinds & q.kinds[1] for piece in subject.pieces):
            return []
        return [
            piece
            for piece in subject.pieces
            if (not q.kinds[0] or piece.kinds & q.kinds[0])
            and (not q.fields[0] or piece.field in q.fields[0])
            and piece.field not in q.fields[1]
        ]

    def _whole(self, text: Text) -> str:
        whole = self._text(text)
        if isinstance(text, Blob) and whole == placeholder(text):
            self.missing += 1
            return ""
        return whole

    def _has_unwanted(self, pieces: list[Piece]) -> bool:
        unwanted = self._query.unwanted
        if not unwanted:
            return False
        texts = [(whole, lowered(whole)) for whole in (self._whole(piece.text) for piece in pieces)]
        return any(self._has(words, whole, low) for whole, low in texts for words in unwanted)

    def _has(self, words: Words, whole: str, low: str) -> bool:
        if words.pattern is None:
            return words.text in low
        return next(self._matches(words, whole, low), None) is not None

    def _lines(self, subject: Subject, pieces: list[Piece]) -> Iterator[Hit]:
        """The lines that have one of the words, when the thing has all of them."""
        wanted = self._query.wanted
        seen: set[Words] = set()
        texts: list[tuple[Piece, str, dict[int, tuple[int, int]]]] = []
        for piece in pieces:
            if self._stop():
                return
            whole = self._whole(piece.text)
            if not whole:
                continue
            low = lowered(whole)
            if any(self._has(words, whole, low) for words in self._query.unwanted):
                return
            found: dict[int, tuple[int, int]] = {}
            for words in wanted:
                here = dict(islice(self._matches(words, whole, low), PER_TEXT + 1))
                if here:
                    seen.add(words)
                found |= {line: min(match, found.get(line, match)) for line, match in here.items()}
            if found:
                texts.append((piece, whole, found))
        if len(seen) < len(set(wanted)):
            return
        for piece, whole, found in texts:
            self.cut |= len(found) > PER_TEXT
            yield from _hits(subject, piece, whole, found)

    def _matches(self, words: Words, whole: str, low: str) -> Iterator[tuple[int, tuple[int, int]]]:
        """The first match of each line: where the line begins, where the match does, and how long it is."""
        return _literal(words.text, low) if words.pattern is None else self._regular(words, whole)

    def _regular(self, words: Words, whole: str) -> Iterator[tuple[int, tuple[int, int]]]:
        pattern = words.pattern
        assert pattern is not None
        start = 0
        for n, line in enumerate(whole.split("\n")):
            if n % 256 == 0 and self._stop():
                return
            for part in range(0, max(1, len(line)), LINE):
                found = pattern.search(line[part : part + LINE] if len(line) > LINE else line)
                if found is not None and found.group():
                    yield start, (start + part + found.start(), len(found.group()))
                    break
            start += len(line) + 1


def _literal(word: str, low: str) -> Iterator[tuple[int, tuple[int, int]]]:
    at = low.find(word)
    while at >= 0:
        yield low.rfind("\n", 0, at) + 1, (at, len(word))
        end = low.find("\n", at)
        at = low.find(word, end) if end >= 0 else -1


def _hits(subject: Subject, piece: Piece, whole: str, found: dict[int, tuple[int, int]]) -> Iterator[Hit]:
    line, counted = 1, 0
    for start in sorted(found)[:PER_TEXT]:
        at, length = found[start]
        line += whole.count("\n", counted, start)
        counted = start
        end = whole.find("\n", at)
        end = len(whole) if end < 0 else end
        begin = start if end - start <= HEAD else max(start, at - BEFORE)
        head = whole[begin : min(end, begin + HEAD)]
        kind = subject.kind if subject.kind in piece.kinds else min(piece.kinds)
        yield Hit(subject.id, subject.row, kind, piece.field, line, at, length, head, at - begin, piece.text)


def _first(pieces: list[Piece]) -> str:
    text = pieces[0].text
    return (text.head if isinstance(text, Blob) else text[:HEAD]).strip().split("\n", 1)[0][:HEAD]


def _is_in(row: str, node: str) -> bool:
    if node.endswith("*"):
        return row.startswith(node[:-1])
    return row == node or (node not in ("", address.ROOT) and "/" not in node and node in row.rsplit("/", 1)[-1])
