"""Where in its node's loop something stands: the order in which one node goes through its own things.

A node asks, reads, runs block after block, decides about an answer, and observes; then it asks again. What happens in
one node has this order whatever the clock says of other nodes.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum
from typing import Final, NamedTuple

from rlm_tui.journal import address
from rlm_tui.journal.events import Chunk, Edit, Event, ExecEnd, ExecStart, Hold, LlmEnd, LlmStart, Obs, Point, part

_ROW = re.compile(r"(?:/(?:i(\d+)|default))?(?:/b(\d+)|(/final))?(?:\+([hes])(\d+))?$")
_DEFAULT: Final = math.inf


class Step(IntEnum):
    """What a node does in one iteration, in this order."""

    LLM = 0
    REPLY = 1
    BLOCK = 2
    RESOLVE = 3
    """The read of a textual ``FINAL_VAR``."""
    FINAL = 4
    UNREADY = 5
    """A rejected answer is taken back from the REPL."""
    OBSERVE = 6


class Part(IntEnum):
    """What a block goes through, in this order."""

    LIMIT = 0
    GATE = 1
    INSERTED = 2
    """Code that a person put in before it."""
    RUN = 3


class Position(NamedTuple):
    """A place in one node's loop. They compare as they come.

    Attributes:
        turn: The iteration, from 1; infinity is the request of a default answer.
        step: What it does there.
        j: The block, from 1.
        part: What that goes through.
        k: The piece of code put in before it, from 1.
    """

    turn: float
    step: Step
    j: int = 0
    part: Part = Part.LIMIT
    k: int = 0


class Row(NamedTuple):
    """An address taken apart.

    Attributes:
        node: The node (or the sub-call) that it is of.
        turn: The iteration; 0 is the node itself.
        j: The block, 0 when it is none.
        resolves: Whether it is the read of a ``FINAL_VAR``.
        beside: ``h``, ``e`` or ``s`` for what stands beside a block or an iteration.
        k: The how-manieth of these.
    """

    node: str
    turn: float = 0
    j: int = 0
    resolves: bool = False
    beside: str = ""
    k: int = 0

    @property
    def runs(self) -> Position:
        """Where code at this address runs; an evaluation has no place of its own."""
        if self.resolves:
            return Position(self.turn, Step.RESOLVE)
        if self.beside == "h":
            return Position(self.turn, Step.BLOCK, self.j, Part.INSERTED, self.k)
        return Position(self.turn, Step.BLOCK, self.j, Part.RUN)

    def at(self, point: Point) -> Position | None:
        """Where a point at this address is passed; None for a limit of a node, which is met whenever it is."""
        match point:
            case "llm":
                return Position(self.turn, Step.LLM)
            case "reply":
                return Position(self.turn, Step.REPLY)
            case "block":
                return Position(self.turn, Step.BLOCK, self.j, Part.GATE)
            case "line":
                return self.runs
            case "error":
                return self.runs if self.j or self.resolves else Position(self.turn, Step.LLM)
            case "limit":
                return Position(self.turn, Step.BLOCK, self.j, Part.LIMIT) if self.j else None
            case "observe":
                return Position(self.turn, Step.OBSERVE)
            case "final":
                return Position(self.turn, Step.FINAL)
            case "call" | "return":
                return None


def row(id: str) -> Row:
    """Take an address apart. Of one that a newer version made, the part that is known counts."""
    while not address.is_node(id) and address.parent(id) == id and "/" in id:
        id = id.rsplit("/", 1)[0]
    node = address.node_of(id)
    found = _ROW.fullmatch(id, len(node))
    if found is None or id == node:
        return Row(node)
    turn, j, resolves, beside, k = found.groups()
    default = id.startswith("/default", len(node))
    return Row(
        node, _DEFAULT if default else int(turn or 0), int(j or 0), resolves is not None, beside or "", int(k or 0)
    )  # fmt: skip


def position(event: Event, row: Row) -> Position | None:
    """Where an event of a node's loop belongs, by what it is of; None where only the time tells.

    Args:
        event: One at an iteration's or a block's address, or beside one.
        row: That address.
    """
    match event:
        case LlmStart() | LlmEnd():
            return Position(row.turn, Step.LLM)
        case ExecStart() | ExecEnd() | Chunk():
            return None if row.beside == "e" else row.runs
        case Obs():
            return Position(row.turn, Step.OBSERVE)
        case Hold():
            return row.at(event.point)
        case Edit():
            return _changes(event, row)
        case _:
            return None


def _changes(edit: Edit, row: Row) -> Position | None:
    """Where a change comes to count: with what it changed."""
    match edit.field:
        case "messages" | "model" | "params" | "prompt":
            return row.at("llm")
        case "answer":
            # Given to a request that had failed.
            return row.at("llm")
        case "say":
            return row.at("observe" if part(edit.value, "at") == "observe" else "llm")
        case "reply":
            return row.at("reply")
        case "code" | "skip" | "insert":
            return row.at("block")
        case "obs":
            return row.at("observe")
        case "final":
            return row.at("final")
        case "limit":
            return row.at("limit")
        case "kill" | "note":
            return None
