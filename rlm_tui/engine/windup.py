"""The last steps of a node that gave no answer by itself: what still counts, and the default answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_tui.engine.ending import Ending, Forced, Killed, OverTime, Stop
from rlm_tui.engine.gate import LimitHit, Request, Verdict
from rlm_tui.engine.limits import EXHAUSTED
from rlm_tui.engine.sampling import RequestFailed
from rlm_tui.journal.events import ErrorInfo, LlmEnd, Proposal
from rlm_tui.llm.base import Reply

if TYPE_CHECKING:
    from rlm_tui.engine.node import Node


async def wind_up(node: Node, hit: LimitHit) -> Ending:
    """End a node at a limit that applies.

    Money, time and error limits end it without an answer. When iterations or steps ran out, an answer that was built
    in the REPL counts; else the model is asked once more, for an answer and no code.
    """
    if hit.name not in EXHAUSTED:
        return Ending("limit", limit=hit.name)
    if node.last_answer is not None and node.last_answer.text:
        return Ending("exhausted", node.last_answer, limit=hit.name, via="answer")
    return await _default(node, hit)


async def _default(node: Node, hit: LimitHit) -> Ending:
    shared, spec, id = node.shared, node.spec, f"{node.spec.id}/default"
    remembered = shared.effects.remembered("llm", id, LlmEnd) is not None
    if not remembered and (spent := await node.spent()) is not None:
        return Ending("limit", limit=spent.name)
    messages = (*node.messages, shared.dialect.last_request(spec))
    request = Request(messages, node.in_force.model, node.in_force.params)
    request = await shared.seam.pass_("llm", id, request, spec.id, remembered=remembered)
    try:
        end = await shared.asking.ask(id, spec.id, request, node.sent)
    except RequestFailed as failed:
        node.original = failed.original
        return Ending("error", limit=hit.name, error=failed.error)
    reply = await shared.seam.pass_("reply", id, Reply(shared.text(end.reply), end.finish_reason), spec.id)
    proposal = shared.dialect.read_default(reply.text)
    if proposal is not None and proposal.var is not None:
        found = await node.resolve(f"{id}/final", proposal)
        proposal = None if isinstance(found, str) else found
    if proposal is not None:
        verdict = await shared.seam.pass_("final", id, Verdict(proposal), spec.id)
        proposal = verdict.proposal if verdict.accepted else None
    return Ending("exhausted", proposal, limit=hit.name, via="default" if proposal else None)


async def stopped(node: Node, stop: Stop | None) -> Ending:
    """End a node that was stopped from outside; the act in flight is over by now."""
    match stop:
        case Forced(text=str() as text):
            return Ending("final", _by_hand(text, None), via="forced")
        case Forced(var=str() as name):
            found = await node.resolve(f"{node.spec.id}/final", _by_hand("", name))
            if isinstance(found, str):
                return Ending("error", error=ErrorInfo(kind="request", message=found))
            return Ending("final", found, via="forced")
        case OverTime(hit=hit):
            return _over_time(node, hit)
        case Killed() | _:
            return Ending("killed")


def _over_time(node: Node, hit: LimitHit) -> Ending:
    """A proposal of the iteration that was cut short still counts."""
    folded = node.shared.run.nodes.get(node.spec.id)
    last = folded.iterations[-1] if folded and folded.iterations else None
    for block in reversed(last.blocks if last and last.obs is None else []):
        if block.origin == "eval":
            continue
        for final in block.finals:
            if final.refused is None and (final.var is None or final.origin == "call"):
                whole = final.model_copy(update={"text": node.shared.text(final.text)})
                return Ending("final", whole, limit=hit.name)
    return Ending("limit", limit=hit.name)


def _by_hand(text: str, var: str | None) -> Proposal:
    return Proposal(text=text, via="forced", origin="human", var=var)
