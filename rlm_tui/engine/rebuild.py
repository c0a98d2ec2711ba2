"""A REPL from its journal: the node's recorded blocks are run again with recorded answers. Costs no tokens.

What makes up a REPL's state is what the journal says of it, not what this process happened to run.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from rlm_tui.engine.compare import Compared, Comparing, call_words
from rlm_tui.engine.outcome import rows
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.slots import Computing
from rlm_tui.engine.subcalls import BlockCalls
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal import address
from rlm_tui.journal.events import ExecEnd, Finding, Rebuild, VariableRow, head
from rlm_tui.journal.tree import IN_FRAME, REPL_LOST, Block, Node
from rlm_tui.repl.process import Repl, ReplDied

UNREADY = 'answer["ready"] = False'
"""Code of the evaluation by which the engine takes back an answer that was rejected."""
GOES_ON: frozenset[Finding] = frozenset({"same", "output"})
"""Findings that hold nothing: the record is what counts."""
_NAMED_EFFECTS = 3
_MOST_SENTENCES = 4

Comparison = Callable[[], Compared]
"""What compares something that was run again with its record; in the order of the record, once each."""

Answering = Callable[[BlockCalls, Computing], Callable[..., Awaitable[str | list[str]]]]
"""From what serves a block's calls, and the slot it computes in, to what the REPL awaits for each."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that made up a REPL's state: run again, or named because it can't be."""

    block: Block
    kind: Literal["run", "unready", "unrepeatable", "died"] = "run"


@dataclass(slots=True)
class Divergence:
    """How a REPL that was made anew differs from the one there was.

    Attributes:
        message: In words.
        changed: The variables that are there and differ, as they are.
        removed: Those that are missing.
    """

    message: str
    changed: tuple[VariableRow, ...] = ()
    removed: tuple[str, ...] = ()


def steps(node: Node | None, waiting: str, left_out: frozenset[str] = frozenset()) -> list[Step]:
    """What a fresh REPL has to go through, oldest first, to be where a node's old one was.

    Args:
        node: The node as folded; None while nothing of it is in the journal.
        waiting: What waits for the REPL: it is to run again itself, so only what was before it counts.
        left_out: Addresses of blocks that ended the worker when they were run again.
    """
    ran = node.ran() if node is not None else []
    known = {block.id: block for block in ran}
    found: list[Step] = []
    for block in ran:
        if block.id == waiting:
            continue
        if block.id in left_out:
            found.append(Step(block, "died"))
        elif block.repeatable:
            found.append(Step(block, "unready" if _is_unready(block) else "run"))
        elif _kept_part(block) or _changed_inside(block, known.get(address.parent(block.id)), waiting):
            found.append(Step(block, "unrepeatable"))
    return found


def _is_unready(block: Block) -> bool:
    return block.origin == "eval" and block.by is None


def _kept_part(block: Block) -> bool:
    """Whether it was stopped somewhere in its middle, and what it had done by then was kept."""
    return block.status in ("aborted", "timeout") and REPL_LOST not in block.reasons and IN_FRAME not in block.reasons


def _changed_inside(block: Block, around: Block | None, waiting: str) -> bool:
    """Whether a person changed something inside a block that stood, and that block's outcome counts."""
    if IN_FRAME not in block.reasons or around is None or around.id == waiting:
        return False
    counts = around.seq < block.seq and (around.repeatable or _kept_part(around))
    return counts and bool(block.changed or block.removed)


def name_of(id: str) -> str:
    """A block as a sentence names it: ``block 2 of i1``, ``an evaluation beside block 2 of i1``."""
    row = id.rsplit("/", 1)[-1]
    if "+" in row:
        base = address.parent(id)
        beside = name_of(base) if row[:1] == "b" else base.rsplit("/", 1)[-1]
        return f"code put in before {beside}" if "+h" in row[row.rindex("+") :] else f"an evaluation beside {beside}"
    return f"block {address.number(id)} of {address.parent(id).rsplit('/', 1)[-1]}"


@dataclass(slots=True)
class Rebuilding:
    """One pass over a node's record with a fresh REPL.

    Args:
        shared: The run.
        spec: The node.
        serving: From a block's address to what answers its calls from the journal.
        answering: How the REPL gets at that.
        at: Told the address of each block before it runs.
    """

    shared: Shared
    spec: NodeSpec
    serving: Callable[[str], BlockCalls]
    answering: Answering
    at: Callable[[str], None]
    comparing: Comparing = field(init=False)
    _differ: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.comparing = Comparing(self.shared.text)

    async def run(self, repl: Repl, todo: list[Step], waiting: str, slot: Computing) -> Divergence | None:
        """Bring a fresh REPL to where the old one was, and compare.

        Args:
            repl: A fresh REPL that has its ``context``.
            todo: What `steps` found.
            waiting: The address of what waits for the REPL.
            slot: What that computes in.

        Returns:
            What differs and is to be decided about; None when there is no such thing.

        Raises:
            DiedAgain: When a block ended the worker.
        """
        journal = self.shared.journal
        journal.append(Rebuild(id=waiting, done=0, of=len(todo), differs=" ".join(self._conditions(todo))))
        ended: Callable[[], None] = _nothing
        for done, step in enumerate(todo, 1):
            self.at(step.block.id)
            # What came of a block is compared and written down while the next one runs.
            compared = await self._meanwhile(self._again(repl, step, slot), ended)
            ended = partial(self._tell, step, done, len(todo), compared)
            if not repl.alive:
                ended()
                raise DiedAgain(step.block.id)
        ended()
        return self._divergence()

    @staticmethod
    async def _meanwhile(again: Coroutine[Any, Any, Comparison], act: Callable[[], None]) -> Comparison:
        """Do something while a block runs."""
        running = asyncio.ensure_future(again)
        try:
            await asyncio.sleep(0)  # it is begun
            act()
            return await running
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])

    def _tell(self, step: Step, done: int, of: int, compared: Comparison) -> None:
        found = compared()
        told = found.about(name_of(step.block.id))
        self.shared.journal.append(
            Rebuild(id=step.block.id, done=done, of=of, finding=found.finding, differs=told)
        )  # fmt: skip
        if found.finding not in GOES_ON:
            self._differ.append(told)

    def _divergence(self) -> Divergence | None:
        if not self._differ:
            return None
        more = len(self._differ) - _MOST_SENTENCES
        told = [*self._differ[:_MOST_SENTENCES], *([f"{more} more blocks differ."] if more > 0 else [])]
        comparing = self.comparing
        changed = [comparing.now[name] for name in sorted(comparing.differing) if name in comparing.now]
        removed = tuple(name for name in sorted(comparing.differing) if name not in comparing.now)
        return Divergence(" ".join(told), rows(changed), removed)

    async def _again(self, repl: Repl, step: Step, slot: Computing) -> Comparison:
        match step.kind:
            case "unready":
                return _found(await self._unready(repl))
            case "unrepeatable" if IN_FRAME in step.block.reasons:
                names = ", ".join(f"`{name[:40]}`" for name in _names(step.block)[:3])
                return _found(_unrepeatable(f"changed {names} inside a block that stood, and can't be repeated"))
            case "unrepeatable":
                how = "took too long" if step.block.status == "timeout" else "was stopped"
                return _found(_unrepeatable(f"{how} in its middle, and can't be stopped there again"))
            case "died":
                return _found(Compared("died", ("ended the REPL when it was run again, and is left out",)))
            case "run":
                return await self._run_again(repl, step.block, slot)

    @staticmethod
    async def _unready(repl: Repl) -> Compared:
        try:
            await repl.set_answer_ready(False)
        except ReplDied:
            return Compared("died", ("found the REPL ended",))
        return Compared()

    async def _run_again(self, repl: Repl, block: Block, slot: Computing) -> Comparison:
        calls = self.serving(block.id)
        had = {call.id: call_words(call.fn, head(call.prompt)) for call in block.calls}
        result = await repl.execute(
            block.id, self.shared.text(block.code), on_output=_ignore, on_call=self.answering(calls, slot),
            timeout_s=self.shared.options.block_timeout_s,
        )  # fmt: skip
        if result.status == "died" or not repl.alive:
            return _found(Compared("died", ("ended the REPL when it was run again; it had not ended it before",)))
        record = self.shared.effects.remembered("exec", block.id, ExecEnd)
        assert record is not None, "what has ended has an end"
        return partial(self.comparing.compare, record, result, calls.asked, had)

    def _conditions(self, todo: list[Step]) -> Iterator[str]:
        """What is not as it was recorded, and what is done a second time; a sentence each."""
        recorded = self.shared.run.environment
        then, now = recorded.get("python"), platform.python_version()
        if isinstance(then, str) and then != now:
            yield f"It was recorded with Python {then[:20]}; this is Python {now}."
        level, source = recorded.get("confinement_level"), self.shared.source
        if isinstance(level, str) and source is not None and level != source.ready.level:
            yield f"It was recorded at the level {level[:20]}; this is {source.ready.level}."
        effects = [effect for step in todo if step.kind == "run" for effect in step.block.effects]
        if effects:
            more = len(effects) - _NAMED_EFFECTS
            named = "; ".join(effect[:80] for effect in effects[:_NAMED_EFFECTS])
            yield f"Done once more: {named}{f'; and {more} more' if more > 0 else ''}."


def _found(compared: Compared) -> Comparison:
    return lambda: compared


def _unrepeatable(why: str) -> Compared:
    return Compared("unrepeatable", (why,))


def _nothing() -> None:
    """Before the first block has ended."""


class DiedAgain(ReplDied):
    """A block ended the worker when it was run again.

    Attributes:
        block: Its address.
    """

    def __init__(self, block: str) -> None:
        super().__init__(f"the REPL died while {name_of(block)} was run again")
        self.block = block


def _names(block: Block) -> list[str]:
    return [*(row.name for row in block.changed), *block.removed]


def _ignore(_block: str, _stream: str, _text: str, _late: bool) -> Any:
    """What a block printed is in the journal already."""
