"""A reply's blocks, one after the other: each through its gate, and what a death, a person or a rebuild makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from rlm_tui.engine.gate import Code, Failure, LimitHit
from rlm_tui.engine.outcome import block_run
from rlm_tui.engine.values import BlockRun, CodeBlock, ParsedReply
from rlm_tui.journal import address
from rlm_tui.journal.events import ErrorInfo, ExecEnd, ExecStart, Proposal

if TYPE_CHECKING:
    from rlm_tui.engine.node import Node


async def run_all(node: Node, id: str, parsed: ParsedReply) -> tuple[list[BlockRun], list[str], LimitHit | None]:
    """Run the blocks of a reply.

    Args:
        node: Whose reply it is.
        id: The iteration's address.
        parsed: The reply as read.

    Returns:
        What ran, lines for the model about what did not, and the limit that applied, if one did.
    """
    runs: list[BlockRun] = []
    for j, block in enumerate(parsed.blocks, 1):
        block_id = address.block(id, j)
        if (hit := await _step_hit(node, block_id)) is not None:
            return runs, [f"The limit on executed blocks was reached: block {j} and any after it did not run."], hit
        runs += await _run(node, block_id, block, tuple(later.code for later in parsed.blocks[j:]))
        node.limits.steps += runs[-1].status != "skipped"
    return runs, [], None


async def _step_hit(node: Node, id: str) -> LimitHit | None:
    remembered = node.shared.effects.remembered("exec", id, ExecEnd) is not None
    return await node.shared.stopped_at(
        id, node.spec.id, node.limits.step, node.limits.raise_to, remembered=remembered
    )  # fmt: skip


async def _run(node: Node, id: str, block: CodeBlock, after: tuple[str, ...]) -> list[BlockRun]:
    """A block, and before it what a person put in."""
    remembered = node.shared.effects.remembered("exec", id, ExecEnd)
    code = Code(block.code, after=after)
    code = await node.shared.seam.pass_("block", id, code, node.spec.id, remembered=remembered is not None)
    runs = [
        await _one(node, ExecStart(id=address.inserted(id, k), code=put.code, origin="human", by="human"), put.say)
        for k, put in enumerate(code.before, 1)
    ]
    start = ExecStart(id=id, code=code.code, span=(block.span.start, block.span.end), reasons=block.reasons)
    return [*runs, await _one(node, start, code.say_skipped, skip=code.skip)]


async def _one(node: Node, start: ExecStart, say: bool, *, skip: bool = False) -> BlockRun:
    """Run one piece of code, or remember what came of it.

    Args:
        node: Whose it is.
        start: The intent.
        say: Whether the model is shown it, where that is for a person to say: skipped, or put in by one.
        skip: Whether it is not to run.
    """
    shared = node.shared
    end = shared.effects.remembered("exec", start.id, ExecEnd)
    code = shared.text(start.code)
    if end is not None:
        node.blocks.recall(start, end)
    else:
        code, end = await _live(node, start, code, skip)
    if end.answer is not None or end.status in ("ok", "error"):
        # What was skipped, or is gone with its process, left the answer as it was.
        node.last_answer = _whole(node, end.answer)
    inserted = start.origin == "human"
    shown = say if inserted or end.status == "skipped" else True
    return replace(block_run(shared.text, start.id, code, end, shown=shown), inserted=inserted)


async def _live(node: Node, start: ExecStart, code: str, skip: bool) -> tuple[str, ExecEnd]:
    """Run a block, once more for each time that a person wants what failed tried again."""
    shared, id, attempt = node.shared, start.id, 1
    while True:
        end = await _execute(node, start.model_copy(update={"code": code}), skip)
        error = _to_decide(shared.text(end.error), end)
        if error is None:
            return code, end
        if error.kind == "died" and end.by is not None:
            # Who killed it wants the REPL back at once, to look at it or to go on from there.
            await node.blocks.prepare(id)
        failure = await shared.seam.pass_("error", id, Failure(error, attempt), node.spec.id)
        if failure.action != "retry":
            return code, end
        if error.kind == "aborted":
            await node.blocks.discard()
        attempt += 1
        code = shared.seam.edited(id, Code(code)).code


def _to_decide(text: str, end: ExecEnd) -> ErrorInfo | None:
    """What passes the ``error`` gate: not the failures of the model's code, which the model is told of."""
    match end.status:
        case "died":
            return ErrorInfo(kind="died", message=text or "the REPL died")
        case "aborted" if end.by is not None:
            return ErrorInfo(kind="aborted", message="The block was stopped by a person.", detail=text)
        case _:
            return None


async def _execute(node: Node, start: ExecStart, skip: bool) -> ExecEnd:
    if not skip:
        await node.blocks.prepare(start.id)
    if node.stopping:
        raise asyncio.CancelledError
    end = await node.shared.effects.do(start, _skipped if skip else node.blocks.execute)
    if node.stopping:
        # It was aborted to stop this node: nothing that would follow from it may begin.
        raise asyncio.CancelledError
    return end


async def _skipped(start: ExecStart) -> ExecEnd:
    return ExecEnd(id=start.id, status="skipped")


def _whole(node: Node, proposal: Proposal | None) -> Proposal | None:
    return proposal and proposal.model_copy(update={"text": node.shared.text(proposal.text)})
