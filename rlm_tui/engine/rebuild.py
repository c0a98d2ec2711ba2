"""A REPL from its journal: the node's recorded blocks are run again with recorded answers. Costs no tokens.

What makes up a REPL's state is what the journal says of it, not what this process happened to run.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Iterator
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
from rlm_tui.repl.process import Repl, ReplDied, Running

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


@dataclass(frozen=True, slots=True)
class _Begun:
    """A block that is run again, or will be when its turn comes, and what answers its calls."""

    block: Block
    running: Running
    calls: BlockCalls


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
        telling, begun = _Later(_nothing), None
        try:
            for done, step in enumerate(todo, 1):
                self.at(step.block.id)
                now = begun or self._begin(repl, step, slot)
                # The REPL has the next block before it is through with this one, and what came of this one is compared
                # and written down while that runs.
                begun = self._begin(repl, todo[done], slot) if now is not None and done < len(todo) else None
                compared = await (self._again(repl, step) if now is None else self._ran_again(repl, now, begun))
                telling.now()
                telling = _Later(partial(self._tell, step, done, len(todo), compared))
                if compared is _DIED:
                    raise DiedAgain(step.block.id)
        except BaseException:
            # One that is not whole is of no use to anybody.
            await repl.kill()
            raise
        finally:
            telling.now()
        return self._divergence()

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

    async def _again(self, repl: Repl, step: Step) -> Comparison:
        match step.kind:
            case "unready":
                return await self._unready(repl)
            case "unrepeatable" if IN_FRAME in step.block.reasons:
                names = ", ".join(f"`{name[:40]}`" for name in _names(step.block)[:3])
                return _found(_unrepeatable(f"changed {names} inside a block that stood, and can't be repeated"))
            case "unrepeatable":
                how = "took too long" if step.block.status == "timeout" else "was stopped"
                return _found(_unrepeatable(f"{how} in its middle, and can't be stopped there again"))
            case _:
                return _found(Compared("died", ("ended the REPL when it was run again, and is left out",)))

    @staticmethod
    async def _unready(repl: Repl) -> Comparison:
        try:
            await repl.set_answer_ready(False)
        except ReplDied:
            return _DIED
        return _found(Compared())

    def _begin(self, repl: Repl, step: Step, slot: Computing) -> _Begun | None:
        """Have a block run when its turn comes; None of what is not run."""
        if step.kind != "run":
            return None
        block, calls = step.block, self.serving(step.block.id)
        running = repl.begin(
            block.id, self.shared.text(block.code), on_output=_ignore, on_call=self.answering(calls, slot),
            timeout_s=self.shared.options.block_timeout_s,
        )  # fmt: skip
        return _Begun(block, running, calls)

    async def _ran_again(self, repl: Repl, begun: _Begun, after: _Begun | None) -> Comparison:
        """Wait for a block that was begun; it ended the REPL if no other can have."""
        result = await repl.finish(begun.running)
        if not begun.running.over or (after is None and not repl.alive):
            return _DIED
        record = self.shared.effects.remembered("exec", begun.block.id, ExecEnd)
        assert record is not None, "what has ended has an end"
        had = {call.id: call_words(call.fn, head(call.prompt)) for call in begun.block.calls}
        return partial(self.comparing.compare, record, result, begun.calls.asked, had)

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


_DIED: Comparison = _found(Compared("died", ("ended the REPL when it was run again; it had not ended it before",)))


def _unrepeatable(why: str) -> Compared:
    return Compared("unrepeatable", (why,))


def _nothing() -> None:
    """Before the first block has ended."""


class _Later:
    """Something that is done in the loop's next turn, or when it has to be, whichever comes first."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._fault: Exception | None = None
        asyncio.get_running_loop().call_soon(self._do)

    def _do(self) -> None:
        act, self._act = self._act, _nothing
        try:
            act()
        except Exception as error:  # noqa: BLE001 - not the loop's: `now` raises it
            self._fault = error

    def now(self) -> None:
        """Have it done."""
        self._do()
        if self._fault is not None:
            raise self._fault


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
