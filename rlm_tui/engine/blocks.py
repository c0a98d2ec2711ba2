"""What runs in one node's REPL, one thing after the other; how it is stopped, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

from rlm_tui.engine import outcome
from rlm_tui.engine.breakin import BreakIn
from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.keeping import Keeping
from rlm_tui.engine.outcome import Output
from rlm_tui.engine.pieces import Pieces
from rlm_tui.engine.prompts import no_such_variable
from rlm_tui.engine.rebuild import Divergence, Rebuilding, Step
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.slots import Computing
from rlm_tui.engine.subcalls import BlockCalls, Children
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal.events import ExecEnd, ExecStart
from rlm_tui.journal.tree import REPL_LOST
from rlm_tui.repl.process import BlockResult, CallCancelled, Looked, Repl, ReplDied, Standing

REBUILT = (
    "The REPL had to be started again; the blocks before were run again with their recorded results, "
    "so variables from them are there."
)
OVER = "The block ended before this could run in it."
NO_BLOCK = "No block of this node is running."


@dataclass(slots=True)
class Blocks:
    """One node's REPL and what runs in it. Whatever runs there by itself runs one after the other.

    Args:
        shared: The run.
        spec: The node.
        clock: The node's working clock.
        children: Runs a child RLM at its call's address.

    Attributes:
        current: The address of what runs in it, None while it is idle; also while that is run again.
        rebuilding: Whether it is being made anew.
    """

    shared: Shared
    spec: NodeSpec
    clock: WorkClock
    children: Callable[[NodeSpec], Any]
    current: str | None = None
    rebuilding: bool = False
    _keeping: Keeping = field(init=False)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    _break: BreakIn | None = None
    _stopped_by: str | None = None
    """Who stops what runs now, when a person does."""
    _lost: bool = False
    """Whether the newest block of the loop took its REPL with it."""
    _held: int = 0
    _pieces: dict[str, Pieces] = field(default_factory=dict[str, Pieces])
    """By address: threads that outlive what ran there still print."""

    def __post_init__(self) -> None:
        self._keeping = Keeping(self.shared, self.spec, self._rebuild)
        self._idle.set()

    @property
    def repl(self) -> Repl | None:
        """The REPL; None before it was first needed, and one that has ended until it is needed again."""
        return self._keeping.repl

    @property
    def running(self) -> bool:
        """Whether anything runs in the REPL right now, standing or not."""
        return not self._idle.is_set()

    @property
    def standing(self) -> Standing | None:
        """Where the running block was stopped, when it stands."""
        return self.repl.standing if self.repl is not None and self.running else None

    def hold(self, held: bool) -> None:
        """Stop or start the computing clock: the node, or one above it, is held, or its block stands."""
        self._held += 1 if held else -1
        self._hold_clock()

    def _hold_clock(self) -> None:
        # What a person evaluates while the node is held does compute.
        evaluated = self.current is not None and "+e" in self.current.rsplit("/", 1)[-1]
        self._keeping.held = self._held > 0 and not evaluated
        if self.repl is not None:
            self.repl.hold_clock(self._keeping.held)

    async def _rebuild(self, repl: Repl, todo: list[Step], waiting: str, slot: Computing) -> Divergence | None:
        self.rebuilding = True
        self._idle.clear()
        try:
            rebuilding = Rebuilding(self.shared, self.spec, self._recorded, self._answering, self._at)
            return await rebuilding.run(repl, todo, waiting, slot)
        finally:
            self.rebuilding = False
            self._at(None)
            self._idle.set()

    def _at(self, id: str | None) -> None:
        self.current = id
        self._hold_clock()

    def _recorded(self, id: str) -> BlockCalls:
        return self._serving(id, recorded=True)

    def _serving(self, id: str, *, recorded: bool = False) -> BlockCalls:
        children = cast(Children, self.children)
        return BlockCalls(self.shared, self.spec, self.clock, id, children, recorded=recorded)

    async def prepare(self, id: str) -> None:
        """Have a REPL for what is to run, before its start is written; see `Keeping.prepare`."""
        await self._keeping.prepare(id)

    async def discard(self) -> None:
        """End the REPL: the next one is made anew, up to what it is made for."""
        await self._keeping.discard()

    def recall(self, start: ExecStart, end: ExecEnd) -> None:
        """Take the end of a block that an earlier process ran."""
        self._note_loss(start, end.status == "died" or REPL_LOST in end.reasons)

    def _note_loss(self, start: ExecStart, lost: bool) -> None:
        # The model is told with its own next block, and not with what a person put in before that.
        self._lost = lost or (self._lost and start.origin != "model")

    # Running something --------------------------------------------------------------------------------------------

    async def execute(self, start: ExecStart) -> ExecEnd:
        """Run one block, or what a person evaluates; whatever it does is an outcome, not an exception."""
        return await self._with_an_end(start, self._execute_in_turn(start))

    async def evaluate_inside(self, start: ExecStart) -> ExecEnd:
        """Run a person's code in the frame that stands; the block does not go on meanwhile."""
        return await self._with_an_end(start, self._evaluate_inside(start))

    async def _with_an_end(self, start: ExecStart, running: Coroutine[Any, Any, ExecEnd]) -> ExecEnd:
        try:
            end = await running
        except asyncio.CancelledError:
            # Stopped before its code began, or while a lost worker was waited for: what began has an end.
            if not self._going:
                self.shared.journal.append(ExecEnd(id=start.id, status="aborted", by=_stopped_by(start, None)))
            raise
        if self._going and end.status in ("aborted", "died"):
            # It did not end by itself: the process goes, and the run can be gone on with.
            raise asyncio.CancelledError
        return end

    @property
    def _going(self) -> bool:
        """Whether the process goes: then no end is written any more."""
        return self.shared.leaving or self.shared.journal.closed

    async def _execute_in_turn(self, start: ExecStart) -> ExecEnd:
        async with self._keeping.turn:
            return await self._execute(start)

    async def _execute(self, start: ExecStart) -> ExecEnd:
        calls = self._serving(start.id)
        output = Output(self._pieces_of(start.id))
        code, rebuilt = self.shared.text(start.code), self._lost and start.origin == "model"
        self._stopped_by = None
        async with Computing(self.shared.slots) as slot:
            try:
                repl = await self._keeping.live(start.id, slot)
            except ReplDied as died:
                return ExecEnd(id=start.id, status="died", error=str(died), by=start.by)
            result = await self._run(repl, start.id, code, output, calls, slot)
        notes = list(calls.notes)
        if start.origin != "eval":
            self._note_loss(start, not repl.alive)
            notes += [REBUILT] if rebuilt else []
        end = self._end(start, code, result, output, notes, lost=not repl.alive)
        return self._keeping.noting_divergence(end.model_copy(update={"unasked": self._unasked(start.id, calls)}))

    def _unasked(self, id: str, calls: BlockCalls) -> tuple[str, ...]:
        """The calls that the block had made when it ran before, and did not make now."""
        block = self.shared.run.blocks.get(id)
        return tuple(call.id for call in block.calls if call.id not in calls.asked) if block is not None else ()

    async def _run(
        self, repl: Repl, id: str, code: str, output: Output, calls: BlockCalls, slot: Computing
    ) -> BlockResult:
        self._idle.clear()
        self._at(id)
        self._break = breaking = BreakIn(
            self.shared.seam, repl, self.spec.id, id, slot, self.hold, self._abort_by_hand
        )  # fmt: skip
        try:
            return await repl.execute(
                id, code, on_output=output.take, on_call=self._answering(calls, slot),
                timeout_s=self.shared.options.block_timeout_s,
            )  # fmt: skip
        finally:
            self._break = None
            self._at(None)
            self._idle.set()
            output.pieces.flush()
            await breaking.take_back()

    async def _evaluate_inside(self, start: ExecStart) -> ExecEnd:
        repl, breaking = self.repl, self._break
        output = Output(self._pieces_of(start.id))
        code = self.shared.text(start.code)
        over = ExecEnd(id=start.id, status="aborted", error=OVER, by=start.by)
        if repl is None or breaking is None:
            return over
        try:
            async with breaking.asking:
                if repl.standing is None:
                    return over
                result = await repl.evaluate(
                    start.id, code, on_output=output.take, timeout_s=self.shared.options.block_timeout_s
                )
        except ReplDied as died:
            return ExecEnd(id=start.id, status="died", error=str(died), by=start.by)
        finally:
            output.pieces.flush()
        return self._end(start, code, result, output, [], lost=not repl.alive)

    async def look(self, expression: str, waiting: str) -> Looked:
        """Evaluate in a copy of the REPL, when its turn comes.

        Raises:
            ReplDied: When there is none.
        """
        async with self._keeping.turn, Computing(self.shared.slots) as slot:
            return await (await self._keeping.live(waiting, slot)).look(expression)

    async def look_inside(self, expression: str) -> Looked | None:
        """Evaluate in a copy of the block that stands; None when none does."""
        repl, breaking = self.repl, self._break
        if repl is None or breaking is None:
            return None
        async with breaking.asking:
            return await repl.look(expression) if repl.standing is not None else None

    def _end(
        self, start: ExecStart, code: str, result: BlockResult, output: Output, notes: list[str], *, lost: bool
    ) -> ExecEnd:
        stopped = result.status in ("aborted", "died")
        by = self._stopped_by if stopped else None
        error = outcome.error_text(result, by, self.shared.options.block_timeout_s, lost=lost)
        end = outcome.exec_end(start.id, code, result, output, notes, self._is_data, error=error, lost=lost)
        return end.model_copy(update={"by": _stopped_by(start, by) if stopped else start.by})

    def _pieces_of(self, id: str) -> Pieces:
        self._pieces[id] = pieces = Pieces(self.shared.journal, id)
        return pieces

    def flush(self) -> None:
        """Write down what has been printed so far."""
        for pieces in self._pieces.values():
            pieces.flush()

    def _answering(self, calls: BlockCalls, slot: Computing) -> Callable[..., Any]:
        async def on_call(_block: str, fn: str, prompts: Any, model: str | None) -> str | list[str]:
            task = asyncio.ensure_future(calls.serve(fn, prompts, model))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
            try:
                async with slot.waiting():
                    return await task
            except asyncio.CancelledError:
                await _settled(task)
                raise CallCancelled("the call was cancelled") from None

        return on_call

    def _is_data(self, text: str) -> bool:
        """Whether a text stands in the context or in an answer this node has received: then it is data."""
        node = self.shared.run.nodes.get(self.spec.id)
        answers = (self.shared.text(call.value) for call in node.calls()) if node else ()
        return any(text in data for data in (*outcome.strings(self.spec.context), *answers))

    # What the loop itself asks of it ------------------------------------------------------------------------------

    async def resolve(self, start: ExecStart, name: str) -> ExecEnd:
        """Read a variable for a textual ``FINAL_VAR``; the error of a missing one is a note with near names."""
        try:
            async with self._keeping.turn, Computing(self.shared.slots) as slot:
                repl = await self._keeping.live(start.id, slot)
                proposed = await repl.resolve(name, timeout_s=self.shared.options.block_timeout_s)
        except LookupError:
            node = self.shared.run.nodes.get(self.spec.id)
            near = get_close_matches(name, list(node.variables) if node else (), 3)
            return ExecEnd(id=start.id, status="error", error=no_such_variable(name, near))
        except (ValueError, TimeoutError, ReplDied) as error:
            return ExecEnd(id=start.id, status="error", error=f"FINAL_VAR({name}) was not taken: {error}")
        return ExecEnd(id=start.id, status="ok", finals=(outcome.proposal(proposed, None),))

    async def unready(self, start: ExecStart) -> ExecEnd:
        """Set ``answer["ready"]`` back, so that a rejected answer does not propose itself again."""
        try:
            async with self._keeping.turn, Computing(self.shared.slots) as slot:
                await (await self._keeping.live(start.id, slot)).set_answer_ready(False)
        except ReplDied as error:
            return ExecEnd(id=start.id, status="died", error=str(error))
        return ExecEnd(id=start.id, status="ok")

    # Stopping it --------------------------------------------------------------------------------------------------

    async def break_in(self) -> str | None:
        """Stop the running block where it is; a refusal in words when there is none."""
        return NO_BLOCK if self._break is None else await self._break.begin()

    async def stop_by_hand(self) -> str | None:
        """Abort what runs, as a person's wish: its calls first, then the code; the REPL stays."""
        if not self.running or self.repl is None:
            return NO_BLOCK
        if self._break is not None:
            await self._break.take_back()
        await self._abort_by_hand()
        return None

    async def _abort_by_hand(self) -> None:
        self._stopped_by = "human"
        if self.repl is not None:
            await self.repl.interrupt()

    async def kill_by_hand(self) -> str | None:
        """End the worker of what runs, as a person's wish."""
        if not self.running or self.repl is None:
            return NO_BLOCK
        self._stopped_by = "human"
        await self.repl.kill()
        return None

    async def abort(self, grace_s: float = 2.0) -> None:
        """Stop what runs, for its node ends: calls first, so that none is left below; then code; then worker."""
        self._keeping.ending = True
        if self._break is not None:
            await self._break.take_back()
        for task in list(self._calls):
            task.cancel()
        await _settled(*self._calls)
        if self.repl is None:
            return
        await (self.repl.kill if self.rebuilding else self.repl.interrupt)()
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            await self.repl.kill()
            await self._idle.wait()

    async def close(self) -> None:
        """End the worker, for good."""
        for task in list(self._calls):
            task.cancel()
        await self._keeping.close()


def _stopped_by(start: ExecStart, by: str | None) -> str | None:
    """Who is to be named in the end of what did not end by itself: what a person evaluates is theirs in any case."""
    return by or (start.by if start.origin == "eval" else None)


async def _settled(*tasks: asyncio.Future[Any]) -> None:
    """Wait until all are through, whatever became of them."""
    if tasks:
        await asyncio.wait(tasks)
