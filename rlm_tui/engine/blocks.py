"""Running one node's blocks: its REPL, started when it is first needed, and rebuilt when it is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, cast

from rlm_tui.engine import finals
from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.pieces import Kind, Pieces
from rlm_tui.engine.prompts import no_such_variable
from rlm_tui.engine.rebuild import rebuild
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.slots import Computing
from rlm_tui.engine.subcalls import BlockCalls, Children
from rlm_tui.engine.values import BlockRun, Context, NodeSpec
from rlm_tui.journal.events import CutInfo, ExecEnd, ExecStart, Proposal, Text, VariableRow, Via
from rlm_tui.repl.process import (
    BlockResult,
    CallCancelled,
    CallFailed,
    Conditions,
    Proposed,
    Repl,
    ReplConfig,
    ReplDied,
)

REBUILT = (
    "The REPL had to be started again; the blocks before were run again with their recorded results, "
    "so variables from them are there."
)


@dataclass(slots=True)
class Blocks:
    """One node's REPL and what ran in it.

    Args:
        shared: The run.
        spec: The node.
        clock: The node's working clock.
        children: Runs a child RLM at its call's address.
    """

    shared: Shared
    spec: NodeSpec
    clock: WorkClock
    children: Callable[[NodeSpec], Any]
    repl: Repl | None = None
    ran: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Address and code of what makes up the REPL's state, oldest first."""
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    _lost: bool = False
    _held: int = 0

    def __post_init__(self) -> None:
        self._idle.set()

    @property
    def running(self) -> bool:
        """Whether a block runs right now."""
        return not self._idle.is_set()

    def hold(self, held: bool) -> None:
        """Stop or start the computing clock: the node, or one above it, is held."""
        self._held += 1 if held else -1
        if self.repl is not None:
            self.repl.hold_clock(self._held > 0)

    async def live(self) -> Repl:
        """The node's REPL with everything that ran in it.

        Raises:
            ReplDied: When it can't be started or rebuilt.
        """
        if self.repl is not None and self.repl.alive:
            return self.repl
        if self.repl is not None:
            await self.repl.close()
        options = self.shared.options
        dialect = self.shared.dialect
        config = ReplConfig(
            names=dialect.names,
            restore=frozenset({"context"}) if dialect.restores_context else frozenset(),
            seed=f"{options.seed}:{self.spec.id}",
            conditions=Conditions(hash_seed=options.hash_seed, scratch_root=self.shared.scratch),
        )
        try:
            self.repl = await Repl.start(config)
        except OSError as error:
            raise ReplDied(f"the REPL could not be started: {error}") from error
        self.repl.hold_clock(self._held > 0)
        await self.repl.put("context", self.spec.context)
        await rebuild(self.repl, self.ran, lambda id: self._serving(id, recorded=True).serve)
        return self.repl

    def recall(self, id: str, code: str, end: ExecEnd) -> None:
        """Take code that an earlier process ran: what a REPL of this one has to run again."""
        if end.status in ("ok", "error"):
            self.ran.append((id, code))
        self._lost = end.status == "died"

    def recall_evaluation(self, start: ExecStart, end: ExecEnd) -> None:
        """Take an evaluation that changed the REPL, in this process or an earlier one."""
        if end.status == "ok":
            self.ran.append((start.id, self.shared.text(start.code)))

    def _serving(self, id: str, *, recorded: bool = False) -> BlockCalls:
        children = cast(Children, self.children)
        return BlockCalls(self.shared, self.spec, self.clock, id, children, recorded=recorded)

    async def execute(self, start: ExecStart) -> ExecEnd:
        """Run one block; whatever it does is an outcome, not an exception."""
        try:
            return await self._execute(start)
        except asyncio.CancelledError:
            # Stopped before its code began, or while a lost worker was waited for: what began has an end.
            if not (self.shared.leaving or self.shared.journal.closed):
                self.shared.journal.append(ExecEnd(id=start.id, status="aborted"))
            raise

    async def _execute(self, start: ExecStart) -> ExecEnd:
        calls = self._serving(start.id)
        output = _Output(Pieces(self.shared.journal, start.id))
        code = self.shared.text(start.code)
        async with Computing(self.shared.slots) as slot:
            rebuilt = self._lost
            try:
                repl = await self.live()
            except ReplDied as died:
                return ExecEnd(id=start.id, status="died", error=str(died))
            self._idle.clear()
            try:
                result = await repl.execute(
                    start.id, code, on_output=output.take, on_call=self._answering(calls, slot),
                    timeout_s=self.shared.options.block_timeout_s,
                )  # fmt: skip
            finally:
                self._idle.set()
                output.pieces.flush()
        self._lost = not repl.alive
        if result.status in ("ok", "error"):
            self.ran.append((start.id, code))
        notes = [*calls.notes, *([REBUILT] if rebuilt else []), *_put_back(result)]
        return self._end(start.id, code, result, output, notes)

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

    def _end(self, id: str, code: str, result: BlockResult, output: _Output, notes: list[str]) -> ExecEnd:
        answer = _proposal(result.answer.content, id) if result.answer and result.answer.content else None
        ready = result.answer is not None and result.answer.ready
        if ready and answer is None:
            answer = Proposal(text="", via="answer", origin="dict", block=id, reasons=("empty_final",))
        said = [_proposal(final, id) for final in result.finals]
        printed = [p.model_copy(update={"block": id}) for p in finals.printed(code, result.stdout, self._is_data)]
        proposed = finals.of_block(said, printed, answer if ready else None, failed=result.status != "ok")
        return ExecEnd(
            id=id,
            status=result.status,
            stdout=result.stdout,
            stderr=result.stderr,
            stderr_at=output.stderr_at(len(result.stdout), len(result.stderr)),
            raw=result.raw,
            value=result.value,
            error=result.error,
            changed=tuple(VariableRow(name=v.name, type=v.type, size=v.size, brief=v.brief) for v in result.changed),
            removed=result.removed,
            more_variables=result.more_variables,
            finals=proposed,
            answer=answer,
            put_back=result.put_back,
            effects=result.effects,
            cuts={name: CutInfo(kept=c.kept, total=c.total, tail=c.tail) for name, c in result.cuts.items()},
            notes=tuple(notes),
            reasons=("clobbered_name",) if result.put_back else (),
            ms=result.ms,
            cpu_ms=result.cpu_ms,
        )

    def _is_data(self, text: str) -> bool:
        """Whether a text stands in the context or in an answer this node has received: then it is data."""
        node = self.shared.run.nodes.get(self.spec.id)
        answers = (self.shared.text(call.value) for call in node.calls()) if node else ()
        return any(text in data for data in (*_strings(self.spec.context), *answers))

    async def resolve(self, start: ExecStart, name: str) -> ExecEnd:
        """Read a variable for a textual ``FINAL_VAR``; the error of a missing one is a note with near names."""
        try:
            proposed = await (await self.live()).resolve(name, timeout_s=self.shared.options.block_timeout_s)
        except LookupError:
            node = self.shared.run.nodes.get(self.spec.id)
            near = get_close_matches(name, list(node.variables) if node else (), 3)
            return ExecEnd(id=start.id, status="error", error=no_such_variable(name, near))
        except (ValueError, TimeoutError, ReplDied) as error:
            return ExecEnd(id=start.id, status="error", error=f"FINAL_VAR({name}) was not taken: {error}")
        return ExecEnd(id=start.id, status="ok", finals=(_proposal(proposed, None),))

    async def unready(self, start: ExecStart) -> ExecEnd:
        """Set ``answer["ready"]`` back, so that a rejected answer does not propose itself again."""
        try:
            await (await self.live()).set_answer_ready(False)
        except ReplDied as error:
            return ExecEnd(id=start.id, status="died", error=str(error))
        return ExecEnd(id=start.id, status="ok")

    async def abort(self, grace_s: float = 2.0) -> None:
        """Stop the running block: its calls first, so that none is left below; then the code; at last the worker."""
        repl = self.repl
        for task in list(self._calls):
            task.cancel()
        await _settled(*self._calls)
        if repl is None:
            return
        await repl.interrupt()
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            await repl.kill()
            await self._idle.wait()

    async def close(self) -> None:
        """End the worker."""
        for task in list(self._calls):
            task.cancel()
        if self.repl is not None:
            await self.repl.close()


class _Output:
    """A block's output as it comes: on to the journal in pieces, and where in stdout its stderr fell."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self._stdout = 0
        self._stderr: list[tuple[int, int]] = []

    def take(self, _block: str, stream: str, text: str, late: bool) -> None:
        self.pieces.add(cast(Kind, stream), text, late)
        if late:
            return
        if stream == "stdout":
            self._stdout += len(text)
        elif stream == "stderr":
            if self._stderr and self._stderr[-1][0] == self._stdout:
                self._stderr[-1] = (self._stdout, self._stderr[-1][1] + len(text))
            else:
                self._stderr.append((self._stdout, len(text)))

    def stderr_at(self, stdout: int, stderr: int) -> tuple[tuple[int, int], ...]:
        """Within what was kept of both streams."""
        kept: list[tuple[int, int]] = []
        for offset, length in self._stderr:
            if take := min(length, stderr):
                kept.append((min(offset, stdout), take))
            stderr -= take
        return tuple(kept)


def as_they_came(stdout: str, stderr: str, stderr_at: tuple[tuple[int, int], ...]) -> str:
    """Both streams in the order they were written."""
    parts: list[str] = []
    done = told = 0
    for offset, length in stderr_at:
        parts += [stdout[done:offset], stderr[told : told + length]]
        done, told = offset, told + length
    return "".join([*parts, stdout[done:], stderr[told:]])


def block_run(text: Callable[[Text | None], str], id: str, code: str, end: ExecEnd, *, shown: bool = True) -> BlockRun:
    """A block's outcome as the dialect reads it.

    Args:
        text: Resolves a text of the journal.
        id: The block's address.
        code: The code as run.
        end: Its end, remembered or new.
        shown: Whether the observation has it.
    """
    output = as_they_came(text(end.stdout), text(end.stderr), end.stderr_at)
    for more in (text(end.raw), text(end.value)):
        if more:
            output += ("" if not output or output.endswith("\n") else "\n") + more
    return BlockRun(
        id=id,
        code=code,
        status=end.status,
        output=output,
        error=None if end.error is None else text(end.error),
        finals=tuple(final.model_copy(update={"text": text(final.text)}) for final in end.finals),
        notes=end.notes,
        shown=shown,
    )


def _proposal(said: Proposed, block: str | None) -> Proposal:
    return Proposal(
        text=said.text,
        data=said.json,
        type=said.type,
        via=cast(Via, said.via),
        origin="dict" if said.via == "answer" else "call",
        block=block,
        var=said.name,
        reasons=(said.reason,) if said.reason else (),
    )


def _put_back(result: BlockResult) -> Iterator[str]:
    if result.put_back:
        yield f"These names belong to the REPL and were put back: {', '.join(result.put_back)}."


def _strings(value: Context | Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, item in cast(dict[str, Any], value).items():
                yield key
                yield from _strings(item)
        case list():
            for item in cast(list[Any], value):
                yield from _strings(item)
        case _:
            yield json.dumps(value)


async def _settled(*tasks: asyncio.Future[Any]) -> None:
    """Wait until all are through, whatever became of them."""
    if tasks:
        await asyncio.wait(tasks)


__all__ = ["Blocks", "CallFailed", "as_they_came", "block_run"]
