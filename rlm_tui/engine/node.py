"""One node's loop: ask, read, run, observe, until an answer is accepted or a limit applies."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_tui.engine import running, windup
from rlm_tui.engine.blocks import Blocks
from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.ending import Ending, Forced, Killed, OverTime, Stop
from rlm_tui.engine.gate import LimitHit, Observation, Request, Verdict
from rlm_tui.engine.hands import Hands, over, whole
from rlm_tui.engine.inforce import InForce
from rlm_tui.engine.limits import NodeLimits
from rlm_tui.engine.rebuild import UNREADY
from rlm_tui.engine.resampling import Resampling
from rlm_tui.engine.sampling import RequestFailed
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.values import NodeSpec, Turn, context_info
from rlm_tui.journal import address
from rlm_tui.journal.events import (
    ErrorInfo,
    ExecEnd,
    ExecStart,
    LlmEnd,
    NodeEnd,
    NodeStart,
    Obs,
    Proposal,
)
from rlm_tui.llm.base import ChatMessage, Reply
from rlm_tui.repl.process import Looked, Page


@dataclass(slots=True)
class Node:
    """One RLM loop, the root or a child.

    Args:
        shared: The run.
        spec: What it is asked to do.
        parent: The node whose block called it; None for the root.
        time_limits: Names and seconds of working time it may use.

    Attributes:
        messages: The history as it stands.
        done: Iterations begun.
        original: What a failed model request raised, as it was raised.
    """

    shared: Shared
    spec: NodeSpec
    parent: Node | None = None
    time_limits: dict[str, float] = field(default_factory=dict[str, float])
    messages: tuple[ChatMessage, ...] = ()
    done: int = 0
    original: BaseException | None = None
    on_start: Callable[[Node], None] | None = None
    blocks: Blocks = field(init=False)
    clock: WorkClock = field(init=False)
    limits: NodeLimits = field(init=False)
    hands: Hands = field(init=False)
    in_force: InForce = field(init=False)
    samples: Resampling = field(init=False)
    last_answer: Proposal | None = None
    """``answer["content"]`` as the last block left it."""
    sent: tuple[ChatMessage, ...] = ()
    """The messages of the request before."""
    _body: asyncio.Task[Ending] | None = None
    _stop: Stop | None = None
    _in_time: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while a time limit is in a gate's hand: nothing more is begun until that is decided."""
    _side: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    def __post_init__(self) -> None:
        self.clock = WorkClock(self.parent.clock if self.parent else None, worked=self.shared.worked(self.spec.id))
        self.limits = NodeLimits(self.shared.child_options if self.parent else self.shared.options)
        self.blocks = Blocks(self.shared, self.spec, self.clock, self.child)
        self.hands = Hands(self.shared, self.spec, self.blocks)
        self.in_force = InForce(self.shared, self.spec, self.clock, self.limits, dict(self.time_limits))
        self.samples = Resampling(self.shared, self.spec.id)
        self._in_time.set()

    # Its life -----------------------------------------------------------------------------------------------------

    async def run(self) -> NodeEnd:
        """Run to the end, however it ends; the end is in the journal before it is returned.

        Raises:
            asyncio.CancelledError: When the node above was cancelled; its end is written first.
        """
        shared, id = self.shared, self.spec.id
        if (end := shared.effects.remembered("node", id, NodeEnd)) is not None:
            return end
        shared.clocks[id], shared.hold_repl[id] = self.clock, self.blocks.hold
        if not shared.effects.started("node", id):
            shared.journal.append(self._start_event())
        if self.on_start is not None:
            self.on_start(self)
        self._recall_force()
        # The watchers first: a node that has no time left asks nobody.
        self.in_force.begin(self._watch)
        self.in_force.read()
        self._body = asyncio.create_task(self._loop(), name=id)
        try:
            return await self._end(await self._await_body())
        except asyncio.CancelledError:
            stays_open = shared.leaving or shared.journal.closed
            if not stays_open and shared.effects.remembered("node", id, NodeEnd) is None:
                await self._end(Ending("killed"))
            raise
        finally:
            self.in_force.end()
            shared.clocks.pop(id, None)
            shared.hold_repl.pop(id, None)
            await whole(self._close())

    async def _close(self) -> None:
        await self.samples.stop()
        await self.blocks.close()

    def _start_event(self) -> NodeStart:
        spec = self.spec
        limits = {"max_iterations": spec.max_iterations, "max_depth": spec.max_depth, **self.time_limits}
        return NodeStart(
            id=spec.id, depth=spec.depth, prompt=spec.task, context=context_info(spec.context), model=spec.model,
            limits=limits,
        )  # fmt: skip

    async def _await_body(self) -> Ending:
        body, me = self._body, asyncio.current_task()
        assert body is not None and me is not None
        try:
            return await asyncio.shield(body)
        except asyncio.CancelledError:
            above = me.cancelling() > 0
            if above:
                # The node above is going: end here first, bottom-up, then let it go on.
                self.stop(Killed())
            await over(body)
            if not above and not self.shared.leaving:
                return await windup.stopped(self, self._stop)
            raise
        except RequestFailed as failed:
            self.original = failed.original
            return Ending("error", error=failed.error)
        except Exception as error:  # noqa: BLE001 - a fault of ours ends this node with its words, not the whole run
            self.original = error
            detail = "".join(traceback.format_exception(error))
            info = ErrorInfo(kind="unknown", message=f"{type(error).__name__}: {error}", detail=detail)
            return Ending("error", error=info)

    def stop(self, reason: Stop) -> None:
        """End the node from outside: force an answer, kill it, or let a time limit apply. The first reason counts."""
        if self._stop is not None or (self._body is not None and self._body.done()):
            return
        self._stop = reason
        if self._body is not None:
            self._side.add(asyncio.create_task(self._interrupt(self._body)))

    async def _interrupt(self, body: asyncio.Task[Ending]) -> None:
        if self.blocks.running and not self.shared.leaving:
            await self.blocks.abort()
        body.cancel()

    @property
    def stopping(self) -> bool:
        """Whether it is being ended from outside: nothing that would follow may begin."""
        return self._stop is not None

    def _recall_force(self) -> None:
        """An end that a person decided on, and that was not come to when the process went, is come to now."""
        for name, value in self.shared.effects.edits(self.spec.id):
            if name == "final":
                self._stop = Forced(value.get("text"), value.get("var"))
            elif name == "kill":
                self._stop = Killed()

    async def _watch(self, name: str) -> None:
        times = self.in_force.times
        while True:
            await self.clock.reach(lambda: times[name])
            hit = LimitHit(name, self.clock.elapsed, times[name], "node")
            self._in_time.clear()
            hit = await self.shared.seam.pass_("limit", self.spec.id, hit, self.spec.id)
            if hit.raised is not None:
                times[name] = hit.raised
            elif times[name] <= hit.limit:
                # Not changed meanwhile, or not so that there is more.
                return self.stop(OverTime(hit))
            self._in_time.set()

    async def _end(self, ending: Ending) -> NodeEnd:
        await self.hands.settle()
        await self.samples.stop()
        self.blocks.flush()
        shared, id = self.shared, self.spec.id
        proposal, folded = ending.proposal, shared.run.nodes.get(id)
        partial = self.last_answer.text if self.last_answer and proposal is None else None
        end = shared.journal.append(
            NodeEnd(
                id=id,
                status=ending.status,
                value=proposal.text if proposal else None,
                data=proposal.data if proposal else None,
                type=proposal.type if proposal else None,
                via=ending.via or (proposal.via if proposal else None),
                limit=ending.limit,
                partial=partial or None,
                usage=folded.total.usage() if folded else None,
                error=ending.error,
                seconds=round(self.clock.elapsed, 3),
            )
        )
        assert isinstance(end, NodeEnd)
        return end

    async def child(self, spec: NodeSpec) -> NodeEnd:
        """Run a child RLM at its call's address."""
        seconds = self.shared.options.per_child_timeout_s
        limits = {} if seconds is None else {"per_child_timeout_s": seconds}
        return await Node(self.shared, spec, self, limits, on_start=self.on_start).run()

    # What a person asks of its REPL, see `Hands` ------------------------------------------------------------------

    async def break_in(self) -> str | None:
        """Stop the running block where it is; see `Hands.break_in`."""
        return await self.hands.break_in()

    async def abort_block(self) -> str | None:
        """End the running block, and keep its REPL; see `Hands.abort_block`."""
        return await self.hands.abort_block()

    async def kill_worker(self) -> str | None:
        """End the running block with its worker; see `Hands.kill_worker`."""
        return await self.hands.kill_worker()

    async def evaluate(self, code: str) -> str | None:
        """Run code of a person's; see `Hands.evaluate`."""
        return await self.hands.evaluate(code)

    async def look(self, expression: str) -> Looked:
        """Evaluate in a copy of the REPL; see `Hands.look`."""
        return await self.hands.look(expression)

    async def page(self, name: str, start: int, count: int) -> Page:
        """A part of a variable; see `Hands.page`."""
        return await self.hands.page(name, start, count)

    async def resample(self, id: str, count: int, model: str | None, params: Mapping[str, Any] | None) -> str | None:
        """Ask for more replies to a request whose reply is held; see `Resampling.ask`."""
        return await self.samples.ask(id, count, model, params)

    # Its loop -----------------------------------------------------------------------------------------------------

    async def _loop(self) -> Ending:
        if self._stop is not None:
            raise asyncio.CancelledError
        self.messages = tuple(self.shared.dialect.opening(self.spec))
        while True:
            if (hit := await self._hit()) is not None:
                return await windup.wind_up(self, hit)
            self.done += 1
            ending = await self._iterate(address.iteration(self.spec.id, self.done))
            if ending is not None:
                return ending

    async def _hit(self) -> LimitHit | None:
        """The limit that the next iteration would exceed, if it is let apply."""
        await self._in_time.wait()
        remembered = self._remembers(address.iteration(self.spec.id, self.done + 1)) or self._remembers(
            f"{self.spec.id}/default"
        )
        limits, id = self.limits, self.spec.id
        hit = await self.shared.stopped_at(
            id, id, lambda: limits.iteration(self.done), limits.raise_to, remembered=remembered
        )
        return hit if hit is not None or remembered else await self.spent()

    async def spent(self) -> LimitHit | None:
        """The token or money limit that one more model request would exceed, if it is let apply."""
        limits, id = self.shared.limits, self.spec.id
        return await self.shared.stopped_at(id, id, limits.spent, limits.raise_to)

    def _remembers(self, id: str) -> bool:
        return self.shared.effects.remembered("llm", id, LlmEnd) is not None

    async def _iterate(self, id: str) -> Ending | None:
        reply = await self._sample(id)
        parsed = self.shared.dialect.parse(reply.text, reply.finish_reason)
        runs, notes, hit = await running.run_all(self, id, parsed)
        turn = Turn(
            self.spec, self.done, parsed, tuple(runs), tuple(notes), reply_empty=not reply.text.strip(),
            variables=self._variables(),
        )  # fmt: skip
        proposal = await self._proposal(id, turn)
        if isinstance(proposal, str):
            turn, proposal = replace(turn, notes=(*turn.notes, proposal)), None
        if proposal is not None:
            verdict = await self._judge(id, turn, proposal)
            if verdict.accepted:
                self.messages += (_assistant(reply.text),)
                return Ending("final", verdict.proposal)
            turn = replace(turn, message=verdict.message)
        self.limits.turned(any(run.status in ("error", "timeout", "died") for run in runs if not run.inserted))
        await self._observe(id, reply, turn)
        return await windup.wind_up(self, hit) if hit is not None else None

    async def _sample(self, id: str) -> Reply:
        shared, node = self.shared, self.spec.id
        request = Request(self.messages, self.in_force.model, self.in_force.params)
        request = await shared.seam.pass_("llm", id, request, node, remembered=self._remembers(id))
        end = await shared.asking.ask(id, node, request, self.sent)
        # An edited message stays edited: what was sent is the history from here on.
        self.messages = self.sent = request.messages
        reply = Reply(shared.text(end.reply), end.finish_reason, end.usage, shared.text(end.reasoning))
        consumed = shared.effects.started("exec", address.block(id, 1)) > 0 or self._observed(id)
        reply = await shared.seam.pass_("reply", id, reply, node, remembered=consumed)
        await self.samples.stop()
        return reply

    def _variables(self) -> frozenset[str]:
        folded = self.shared.run.nodes.get(self.spec.id)
        return frozenset(folded.variables) if folded else frozenset()

    def _observed(self, id: str) -> bool:
        return self.shared.effects.remembered("obs", id, Obs) is not None

    async def _proposal(self, id: str, turn: Turn) -> Proposal | str | None:
        """What is proposed; a text tells the model why its ``FINAL_VAR`` can't be."""
        proposal = self.shared.dialect.choose_final(turn)
        if proposal is None or proposal.origin == "call" or proposal.var is None:
            return proposal
        return await self.resolve(f"{id}/final", proposal)

    async def resolve(self, id: str, proposal: Proposal) -> Proposal | str:
        """Ask the REPL for the variable a text names. An effect, so that a resume needs no live REPL for it."""
        name = proposal.var or ""
        start = ExecStart(id=id, code=f"FINAL_VAR({name!r})", origin="eval")
        if self.shared.effects.remembered("exec", id, ExecEnd) is None:
            await self.blocks.prepare(id)
        end = await self.shared.effects.once(start, lambda s: self.blocks.resolve(s, name), ExecEnd)
        if end.status != "ok" or not end.finals:
            return self.shared.text(end.error) or f"there is no variable {name!r}"
        found = end.finals[0]
        return proposal.model_copy(
            update={"text": self.shared.text(found.text), "data": found.data, "type": found.type}
        )

    async def _judge(self, id: str, turn: Turn, proposal: Proposal) -> Verdict:
        others = tuple(p for run in turn.runs for p in run.finals if p is not proposal)
        verdict = Verdict(proposal, others + tuple(p for p in turn.parsed.finals if p is not proposal))
        verdict = await self.shared.seam.pass_("final", id, verdict, self.spec.id, remembered=self._observed(id))
        if self._observed(id) and verdict.accepted:
            # The journal has the model being told to go on: it was rejected then.
            verdict = Verdict(proposal, accepted=False)
        if not verdict.accepted and proposal.origin == "dict":
            await self._unready(id)
        return verdict

    async def _unready(self, id: str) -> None:
        """Take a rejected answer back from the REPL, or remember that this was done."""
        folded = self.shared.run.iterations.get(id)
        mine = [b.id for b in folded.blocks if b.origin == "eval" and b.by is None] if folded else []
        start = ExecStart(id=mine[0] if mine else self.hands.free_id(id), code=UNREADY, origin="eval")
        if self.shared.effects.remembered("exec", start.id, ExecEnd) is None:
            await self.blocks.prepare(start.id)
        await self.shared.effects.once(start, self.blocks.unready, ExecEnd)

    async def _observe(self, id: str, reply: Reply, turn: Turn) -> None:
        """Tell the model what came of its reply: remembered, or made and handed through its gate."""
        shared = self.shared
        told = shared.effects.remembered("obs", id, Obs)
        if told is None:
            text = shared.dialect.observe(turn)
            observation = await shared.seam.pass_("observe", id, Observation(text), self.spec.id)
            raw = sum(len(run.output) + len(run.error or "") for run in turn.runs)
            shared.journal.append(Obs(id=id, text=observation.text, raw_length=raw))
            text = observation.text
        else:
            text = shared.text(told.text)
        self.messages += (_assistant(reply.text), {"role": "user", "content": text})


def _assistant(text: str) -> ChatMessage:
    return {"role": "assistant", "content": text}
