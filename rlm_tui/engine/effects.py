"""Do once, remember: every act with an outcome that must not be repeated by accident goes through here.

Remembered is the last end whose status is an outcome; an error or a cancelled attempt at a model request is none.
So a run, a resume and a fork are one code path: the same loop over a journal that holds more or less already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, TypeVar, cast

from rlm_tui.journal import address
from rlm_tui.journal.events import (
    CallEnd,
    CallStart,
    Edit,
    Event,
    ExecEnd,
    ExecStart,
    Hold,
    LlmEnd,
    LlmStart,
    NodeEnd,
    NodeStart,
    Obs,
)
from rlm_tui.journal.hands import REVERTED, is_of
from rlm_tui.journal.store import Journal
from rlm_tui.journal.wire import resolved

Family = Literal["llm", "exec", "call", "node", "obs"]
E = TypeVar("E", bound=Event)


def family(event: Event) -> Family | None:
    """The family an event's memory is kept under, None for those that are not remembered."""
    match event:
        case LlmStart() | LlmEnd():
            return "llm"
        case ExecStart() | ExecEnd():
            return "exec"
        case CallStart() | CallEnd():
            return "call"
        case NodeStart() | NodeEnd():
            return "node"
        case Obs():
            return "obs"
        case _:
            return None


def _is_outcome(event: Event) -> bool:
    return isinstance(event, ExecEnd | CallEnd | NodeEnd | Obs) or (
        isinstance(event, LlmEnd) and event.status in ("ok", "partial")
    )


class Effects:
    """The memory of one run, kept by family and address, over its journal.

    Args:
        journal: The run's journal, with whatever it holds already.
        past: The same events, where somebody has read them.
    """

    def __init__(self, journal: Journal, past: Iterable[Event] | None = None) -> None:
        self.journal = journal
        self._ends: dict[tuple[Family, str], Event] = {}
        self._starts: dict[tuple[Family, str], int] = {}
        self._edits: dict[str, list[Edit]] = {}
        self._held: dict[str, tuple[int, Hold]] = {}
        """By address, what was held there last, and how many changes there were before."""
        self._before_start: dict[str, int] = {}
        self._killed: dict[str, list[str]] = {}
        """By block, the calls that ended only because it was stopped."""
        self._cut_short: dict[str, list[str]] = {}
        """By node, the blocks that ended only because it was."""
        for event in journal.events() if past is None else past:
            self._learn(event)
        journal.subscribe(self._learn)

    def _learn(self, event: Event) -> None:
        if isinstance(event, Edit):
            self._learn_edit(event)
            return
        if isinstance(event, Hold):
            self._held[event.id] = len(self._edits.get(event.id, ())), event
            return
        kind = family(event)
        if kind is None:
            return
        if isinstance(event, LlmStart | ExecStart | CallStart | NodeStart):
            self._starts[kind, event.id] = self._starts.get((kind, event.id), 0) + 1
            self._ends.pop((kind, event.id), None)
            if kind == "exec":
                self._forget_killed(event.id)
            elif kind == "llm":
                # A plain sub-call that had come back is asked once more.
                self._ends.pop(("call", event.id), None)
            elif kind == "node":
                self._before_start.setdefault(event.id, len(self._edits.get(event.id, ())))
        elif _is_outcome(event):
            self._ends[kind, event.id] = event
            if isinstance(event, CallEnd) and event.status == "killed":
                self._killed.setdefault(address.parent(event.id), []).append(event.id)
            if isinstance(event, ExecEnd) and event.status == "aborted" and event.by is None:
                self._cut_short.setdefault(address.node_of(event.id), []).append(event.id)

    def _forget_killed(self, block: str) -> None:
        """A block that runs again asks again for what was cancelled when it was stopped; a child goes on from there."""
        for id in self._killed.pop(block, ()):
            for kind in ("call", "node"):
                self._ends.pop((kind, id), None)
                self._starts.pop((kind, id), None)
            for cut_short in self._cut_short.pop(id, ()):
                self._ends.pop(("exec", cut_short), None)

    def _learn_edit(self, edit: Edit) -> None:
        edits = self._edits.setdefault(edit.id, [])
        if edit.note == REVERTED and edit.id in self._held:
            before, hold = self._held[edit.id]
            edits[before:] = [other for other in edits[before:] if not is_of(other, hold)]
        else:
            edits.append(edit)

    def remembered(self, kind: Family, id: str, as_: type[E]) -> E | None:
        """The outcome at an address, or None while there is none."""
        end = self._ends.get((kind, id))
        return end if isinstance(end, as_) else None

    def started(self, kind: Family, id: str) -> int:
        """How often an act at an address was begun."""
        return self._starts.get((kind, id), 0)

    def edits(self, id: str) -> list[tuple[str, Any]]:
        """Changes of people at an address, oldest first: field and value, with texts resolved."""
        return [(edit.field, resolved(edit.value, self.journal.text)) for edit in self._edits.get(id, ())]

    def edits_before(self, node: str) -> int:
        """How many of the changes at an address were made before its node began."""
        return self._before_start.get(node, 0)

    async def once(
        self,
        start: Event,
        live: Callable[[Any], Awaitable[E]],
        as_: type[E],
        again: Callable[[Any, E], Awaitable[Event | None]] | None = None,
    ) -> E:
        """Do an act, unless the journal has its outcome.

        Args:
            start: The intent, written before the act.
            live: Does the act and makes its end.
            as_: The kind of the end.
            again: Asked after an end that is no outcome: waits, and makes the next start; None gives up.

        Returns:
            The end: remembered, or written before it is returned. No outcome only after ``again`` gave up.
        """
        kind = family(start)
        assert kind is not None, f"{start.ev} is not an act"
        end = self.remembered(kind, start.id, as_)
        return end if end is not None else await self.do(start, live, again)

    async def do(
        self,
        start: Event,
        live: Callable[[Any], Awaitable[E]],
        again: Callable[[Any, E], Awaitable[Event | None]] | None = None,
    ) -> E:
        """Do an act though its outcome may be known already: a retry that a person asked for."""
        while True:
            self.journal.append(start)
            end = cast(E, self.journal.append(await live(start)))
            following = None if _is_outcome(end) or again is None else await again(start, end)
            if following is None:
                return end
            start = following
