"""Two runs side by side: what is at the same address, what of it differs, and what differed first."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

from rlm_tui.journal.events import Blob, Text
from rlm_tui.journal.run import Run
from rlm_tui.journal.tree import Attempt, Block, Call, Iteration, Node

Kind = Literal["node", "iteration", "block", "call", "obs", "answer"]
Read = Callable[[Text | None], str]
"""Resolves a text of a run."""

_BEFORE: Final = frozenset({"prompt", "messages", "reply", "code"})
"""Parts that are there before anything below them; the others are what came of it."""
_AROUND: Final = frozenset({"block", "call"})
"""Kinds with other pairs below them that what they came to can follow from."""
_MOVES = re.compile(r"0x[0-9a-fA-F]{6,}")
"""What differs between two runs of the same code without meaning anything: addresses of objects."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two runs have at one address.

    Attributes:
        id: The address; an observation's ends in ``/obs``, a node's answer in ``/answer``.
        kind: What it is.
        depth: Of the node it is of (of a sub-call, of the node that asked); the root's is 0.
        left: The thing of the left run (`Node`, `Iteration`, `Block`, `Call`; of an observation its iteration, of an
            answer its node); None when that run has none.
        right: The same of the right run.
        same: Whether both have it, and nothing that counts differs. Times, costs and attempts do not count.
        differs: Which parts differ: ``prompt messages reply code output value status obs``; none when one has none.
    """

    id: str
    kind: Kind
    depth: int
    left: Any | None
    right: Any | None
    same: bool
    differs: tuple[str, ...] = ()


@dataclass(slots=True)
class Comparison:
    """Two runs, compared.

    Attributes:
        left: The one.
        right: The other.
        pairs: What either has, in the order in which a run is told; the addresses of both merged.
        first: Which of those that differ the others can follow from; None when all are the same.
    """

    left: Run
    right: Run
    pairs: list[Pair] = field(default_factory=list[Pair])
    first: Pair | None = None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first is None


def compare(left: Run, right: Run, text_left: Read, text_right: Read) -> Comparison:
    """Compare two runs, thing by thing and by address.

    Args:
        left: A run, as far as it has come.
        right: Another.
        text_left: Resolves the texts of the left one.
        text_right: Resolves those of the right one.
    """
    return _Comparing(Comparison(left, right), text_left, text_right).run()


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)
Two = tuple[T | None, T | None]


@dataclass(frozen=True, slots=True)
class _Over:
    """All below a pair was seen: what came of it can be told apart from what it follows from."""

    pair: Pair


@dataclass(frozen=True, slots=True)
class _Child:
    """The children of a call are to be walked now."""

    left: Node | None
    right: Node | None


class _Comparing:
    def __init__(self, into: Comparison, left: Read, right: Read) -> None:
        self.into, self.left, self.right = into, left, right
        self._asked: dict[Attempt, tuple[bytes, ...]] = {}

    def run(self) -> Comparison:
        """Walk both trees at once. The children wait in a list and not in a recursion: chains of them are long."""
        waiting = [self._node(self.into.left.root, self.into.right.root)]
        while waiting:
            found = next(waiting[-1], None)
            match found:
                case None:
                    waiting.pop()
                case _Child():
                    waiting.append(self._node(found.left, found.right))
                case _Over():
                    self._note(found.pair, late=True)
                case Pair():
                    self.into.pairs.append(found)
                    self._note(found, late=False)
        return self.into

    def _note(self, pair: Pair, *, late: bool) -> None:
        early = not pair.differs or bool(_BEFORE.intersection(pair.differs)) or pair.kind not in _AROUND
        if self.into.first is None and not pair.same and (late or early):
            self.into.first = pair

    # The walk -----------------------------------------------------------------------------------------------------

    def _node(self, left: Node | None, right: Node | None) -> Iterator[Pair | _Over | _Child]:
        if left is None and right is None:
            return
        one = _either(left, right)
        depth = one.depth
        yield self._pair(one.id, "node", depth, left, right, self._of_node)
        for mine, theirs in _both(_turns(left), _turns(right)):
            yield from self._iteration(depth, mine, theirs)
        ended = _there(left, _has_ended), _there(right, _has_ended)
        if any(ended):
            yield self._pair(f"{one.id}/answer", "answer", depth, *ended, self._of_answer)

    def _iteration(
        self, depth: int, left: Iteration | None, right: Iteration | None
    ) -> Iterator[Pair | _Over | _Child]:
        one = _either(left, right)
        yield self._pair(one.id, "iteration", depth, left, right, self._of_iteration)
        for mine, theirs in _both(left.blocks if left else (), right.blocks if right else ()):
            yield from self._block(depth, mine, theirs)
        told = _there(left, _has_observed), _there(right, _has_observed)
        if any(told):
            yield self._pair(f"{one.id}/obs", "obs", depth, *told, self._of_obs)

    def _block(self, depth: int, left: Block | None, right: Block | None) -> Iterator[Pair | _Over | _Child]:
        one = _either(left, right)
        pair = self._pair(one.id, "block", depth, left, right, self._of_block)
        yield pair
        for mine, theirs in _both(left.calls if left else (), right.calls if right else ()):
            call = self._pair(_either(mine, theirs).id, "call", depth, mine, theirs, self._of_call)
            yield call
            yield _Child(mine.node if mine else None, theirs.node if theirs else None)
            yield _Over(call)
        yield _Over(pair)

    def _pair(
        self, id: str, kind: Kind, depth: int, left: T | None, right: T | None, parts: Callable[[T, T], Iterator[str]]
    ) -> Pair:
        if left is None or right is None:
            return Pair(id, kind, depth, left, right, same=False)
        differs = tuple(parts(left, right))
        return Pair(id, kind, depth, left, right, not differs, differs)

    # What differs -------------------------------------------------------------------------------------------------

    def _of_node(self, left: Node, right: Node) -> Iterator[str]:
        if not self._same(left.prompt, right.prompt) or not self._same(left.context.text, right.context.text):
            yield "prompt"

    def _of_answer(self, left: Node, right: Node) -> Iterator[str]:
        if left.status != right.status:
            yield "status"
        if not self._same(left.value, right.value):
            yield "value"

    def _of_iteration(self, left: Iteration, right: Iteration) -> Iterator[str]:
        mine, theirs = _last(left), _last(right)
        if (mine and theirs) and self._messages(mine, self.left) != self._messages(theirs, self.right):
            yield "messages"
        if not self._same(left.reply, right.reply):
            yield "reply"

    def _of_obs(self, left: Iteration, right: Iteration) -> Iterator[str]:
        if not self._same(left.obs, right.obs):
            yield "obs"

    def _of_block(self, left: Block, right: Block) -> Iterator[str]:
        if not self._same(left.code, right.code):
            yield "code"
        if left.status != right.status:
            yield "status"
        printed = ((left.stdout, right.stdout), (left.stderr, right.stderr), (left.raw, right.raw))
        if not all(self._alike(*two) for two in (*printed, (left.error, right.error))):
            yield "output"
        if not self._alike(left.value, right.value):
            yield "value"

    def _of_call(self, left: Call, right: Call) -> Iterator[str]:
        if not self._same(_prompt(left), _prompt(right)):
            yield "prompt"
        if _outcome(left) != _outcome(right):
            yield "status"
        if not self._same(left.value, right.value):
            yield "value"

    def _same(self, left: Text | None, right: Text | None) -> bool:
        """Whether two texts are, wherever they are kept; None is a text that is not there."""
        if isinstance(left, Blob) and isinstance(right, Blob):
            return left.sha256 == right.sha256
        if left is None or right is None:
            return left is right
        return self.left(left) == self.right(right)

    def _alike(self, left: Text | None, right: Text | None) -> bool:
        if self._same(left, right):
            return True
        if left is None or right is None:
            return False
        return _MOVES.sub("0x", self.left(left)) == _MOVES.sub("0x", self.right(right))

    def _messages(self, attempt: Attempt, read: Read) -> bytes:
        """A hash of the messages as sent. Each is a hash over the one before, so that only what is new is read."""
        chain: list[Attempt] = []
        at: Attempt | None = attempt
        while at is not None and at not in self._asked:
            chain.append(at)
            at = at.previous
        for each in reversed(chain):
            before, hashes = self._before(each), list[bytes]()
            for message in each.add:
                so_far = hashlib.sha256(hashes[-1] if hashes else before)
                so_far.update(f"{message.role}\0".encode("utf-8", "surrogatepass"))
                so_far.update(_hash(message.content, read))
                hashes.append(so_far.digest())
            # Of its own messages only: whole lists would take memory with the square of a run's length.
            self._asked[each] = tuple(hashes)
        return self._asked[attempt][-1] if self._asked[attempt] else self._before(attempt)

    def _before(self, attempt: Attempt) -> bytes:
        """The hash of the messages that a request has from those before it."""
        wanted, at = attempt.base, attempt.previous
        while at is not None:
            if wanted > at.base and (own := self._asked[at]):
                return own[min(wanted - at.base, len(own)) - 1]
            wanted, at = min(wanted, at.base), at.previous
        return b""


def _hash(text: Text, read: Read) -> bytes:
    """The hash of a text, wherever it is kept: a blob is named by it."""
    if isinstance(text, Blob):
        return text.sha256.encode()
    return hashlib.sha256(read(text).encode("utf-8", "surrogatepass")).hexdigest().encode()


def _turns(node: Node | None) -> Sequence[Iteration]:
    if node is None:
        return ()
    return node.iterations if node.default is None else [*node.iterations, node.default]


def _last(turn: Iteration) -> Attempt | None:
    return turn.answered or (turn.attempts[-1] if turn.attempts else None)


def _prompt(call: Call) -> Text:
    return call.prompt if call.edited_prompt is None else call.edited_prompt


def _outcome(call: Call) -> str:
    return "unasked" if call.unasked else call.status


def _has_ended(node: Node) -> bool:
    return node.status != "open"


def _has_observed(turn: Iteration) -> bool:
    return turn.obs is not None


def _there(thing: T | None, condition: Callable[[T], bool]) -> T | None:
    return thing if thing is not None and condition(thing) else None


def _either(left: T | None, right: T | None) -> T:
    one = right if left is None else left
    assert one is not None, "one of the two has it"
    return one


def _both(left: Iterable[T], right: Iterable[T]) -> Iterator[Two[T]]:
    """Two lists merged by address, each in its own order."""
    mine, theirs = {thing.id: thing for thing in left}, {thing.id: thing for thing in right}
    waiting = iter(theirs.values())
    for thing in mine.values():
        if thing.id in theirs:
            for other in waiting:
                if other.id == thing.id:
                    break
                if other.id not in mine:
                    yield None, other
        yield thing, theirs.get(thing.id)
    for other in waiting:
        if other.id not in mine:
            yield None, other
