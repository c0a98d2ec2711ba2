"""Sub-calls: what the functions in a block ask for, one item at a time; a batch is a gather over items."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.compare import call_words
from rlm_tui.engine.gate import Answer, Ask, LimitHit, Request
from rlm_tui.engine.items import Item, refusals
from rlm_tui.engine.limits import TIMES, Batch, Fn
from rlm_tui.engine.opaque import OpaqueCall
from rlm_tui.engine.prompts import child_task
from rlm_tui.engine.sampling import RequestFailed
from rlm_tui.engine.shared import Shared, UnderWay
from rlm_tui.engine.slots import Seat, Window
from rlm_tui.engine.values import NodeSpec
from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, CallStart, ErrorInfo, NodeEnd, length
from rlm_tui.repl.process import CallFailed

NOT_RECORDED = "this call has no recorded answer, and a REPL that is rebuilt asks nobody"

BREATH = 64
"""Items of a large batch after which other tasks have their turn."""

Children = Callable[[NodeSpec], Awaitable[NodeEnd]]
"""Runs a child RLM at its call's address."""


@dataclass(slots=True)
class BlockCalls:
    """Answers the sub-calls of one run of one block.

    Args:
        shared: The run.
        spec: The node whose block it is.
        clock: The node's working clock.
        block: The block's address.
        children: Runs a child.
        recorded: Answer from the journal, as when a REPL is rebuilt; nothing is made live unless a person says so.

    Attributes:
        asked: Every call that the code asked for, by address, in words.
    """

    shared: Shared
    spec: NodeSpec
    clock: WorkClock
    block: str
    children: Children
    recorded: bool = False
    notes: list[str] = field(default_factory=list[str])
    asked: dict[str, str] = field(default_factory=dict[str, str])
    _window: Window = field(init=False)
    _times: dict[str, int] = field(default_factory=dict[str, int])
    _batches: int = 0

    def __post_init__(self) -> None:
        self._window = Window(self.shared.options.max_batch_workers)

    async def serve(self, fn: str, prompts: str | Sequence[str], model: str | None) -> str | list[str]:
        """Answer one call of the code.

        Args:
            fn: The function's name, as the code called it.
            prompts: One prompt, or those of a batch.
            model: The model the code named, if it did.

        Raises:
            CallFailed: When a single call failed; in a batch the item is a text that begins with ``Error:``.
        """
        if fn not in get_args(Fn):
            raise CallFailed(f"NameError: there is no function {fn[:80]!r} to call")
        opaque = self._opaque_call(fn, None if isinstance(prompts, str) else len(prompts))
        if isinstance(prompts, str):
            item = self._item(fn, prompts, model, None, 0, opaque)
            self._write_start(item)
            end = await self._answer(item)
            self.notes += refusals([item], [end])
            return self._received(item, end)
        self._batches += 1
        batch = Batch(self._batches, len(prompts))
        items = [self._item(fn, prompt, model, batch, n, opaque) for n, prompt in enumerate(prompts, 1)]
        try:
            for n, item in enumerate(items, 1):
                self._write_start(item)
                if n % BREATH == 0:
                    await asyncio.sleep(0)
            batch.children = sum(item.ran_as == "rlm" and self._let_through(item) for item in items)
            # A group, because a batch that is cancelled must have seen every item end before its block does.
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._answer(item)) for item in items]
        except asyncio.CancelledError:
            # Some may never have had a turn.
            for item in items:
                self._kill(item, time.monotonic())
            raise
        ends = [task.result() for task in tasks]
        self.notes += refusals(items, ends)
        return [self._received(item, end) for item, end in zip(items, ends, strict=True)]

    def _received(self, item: Item, end: CallEnd) -> str:
        value = "" if end.value is None else self.shared.text(end.value)
        self.notes += item.notes(end, value)
        return item.received(end, value)

    def _opaque_call(self, fn: str, size: int | None) -> OpaqueCall | None:
        backend = self.shared.opaque
        return None if backend is None else OpaqueCall(backend, fn, size)

    def _item(
        self, fn: str, prompt: str, model: str | None, batch: Batch | None, index: int, opaque: OpaqueCall | None
    ) -> Item:
        kind = "rlm" if fn.startswith("rlm") else "llm"
        first = address.call(self.block, kind, prompt, model, 1)
        self._times[first] = nth = self._times.get(first, 0) + 1
        id = address.call(self.block, kind, prompt, model, nth)
        self.asked[id] = call_words(fn, prompt)
        if opaque is not None:
            return Item(id, fn, prompt, model, batch, index, "opaque", opaque=opaque)
        deep = kind == "rlm" and self.spec.depth + 1 >= self.spec.max_depth
        ran_as = "rlm" if kind == "rlm" and not deep else "llm"
        return Item(id, fn, prompt, model, batch, index, ran_as, "depth" if deep else None)

    def _write_start(self, item: Item) -> None:
        if not self.recorded:
            self._write_asked(item)

    def _write_asked(self, item: Item) -> None:
        if self.shared.effects.started("call", item.id):
            return
        batch = item.batch
        fields: dict[str, Any] = {"batch": batch.key, "item": item.index, "size": batch.size} if batch else {}
        self.shared.journal.append(
            CallStart.model_validate(
                {
                    "id": item.id, "fn": item.fn, "prompt": item.prompt, "model": item.model,
                    "ran_as": item.ran_as, "reason": item.depth_reason, **fields,
                }
            )
        )  # fmt: skip

    async def _answer(self, item: Item) -> CallEnd:
        end = self.shared.effects.remembered("call", item.id, CallEnd)
        if end is not None and (self.recorded or self.shared.beginning != ("return", item.id)):
            item.leave_batch()
            return self._returned(end, self.shared.seam.edited(item.id, self._as_answer(end)))
        work = self._unrecorded(item) if self.recorded else self._in_turn(item, None, end)
        return await self._until_decided(item, asyncio.create_task(work))

    async def _until_decided(self, item: Item, task: asyncio.Task[CallEnd]) -> CallEnd:
        """Wait for a call to come back, or for a person to end it before."""
        shared, began = self.shared, time.monotonic()
        # A call asked for again, in a block that runs again, comes after the one before is over.
        mine = shared.under_way[item.id] = UnderWay(task)
        try:
            return await task
        except asyncio.CancelledError:
            me = asyncio.current_task()
            above = me is None or me.cancelling() > 0 or shared.leaving or shared.journal.closed
            if mine.decided is not None and not above:
                item.leave_batch()
                if not (mine.counted or self._began(item)):
                    self._count(item)
                return self._finish(mine.decided, began)
            # Also one that still waited for its seat, or that a person ended at the same moment.
            self._kill(item, began, mine.decided)
            raise
        finally:
            if shared.under_way.get(item.id) is mine:
                del shared.under_way[item.id]

    def _kill(self, item: Item, began: float, decided: CallEnd | None = None) -> None:
        """End a call that was asked for and has no end; not when the process goes and the run can be gone on with."""
        effects, going = self.shared.effects, self.shared.leaving or self.shared.journal.closed
        if not going and effects.started("call", item.id) and effects.remembered("call", item.id, CallEnd) is None:
            self._finish(decided or CallEnd(id=item.id, status="killed"), began)

    async def _unrecorded(self, item: Item) -> CallEnd:
        """A call that a rebuild met and the first run did not: not made, unless a person lets it go or answers it."""
        ask = replace(self._ask(item), unrecorded=True)
        ask = await self.shared.seam.pass_("call", item.id, ask, self.spec.id)
        if ask.unrecorded and ask.supplied is None and not ask.killed:
            item.leave_batch()
            return CallEnd(id=item.id, status="error", error=ErrorInfo(kind="unknown", message=NOT_RECORDED))
        self._write_asked(item)
        return await self._in_turn(item, replace(ask, unrecorded=False))

    async def _in_turn(self, item: Item, ask: Ask | None, end: CallEnd | None = None) -> CallEnd:
        """Ask for an item when it has a seat.

        Args:
            item: The item.
            ask: What a gate made of it, when it has passed there already.
            end: What came of it, when only that is to be decided about.
        """
        if item.opaque is not None:
            # All items of its batch are asked at once: none may wait for another's seat.
            return await self._live(item, ask, end)
        async with self._window:
            self.shared.seats[item.id] = Seat(self._window)
            try:
                return await self._live(item, ask, end)
            finally:
                del self.shared.seats[item.id]

    async def _live(self, item: Item, ask: Ask | None, end: CallEnd | None) -> CallEnd:
        shared, mine, began = self.shared, self.shared.under_way[item.id], time.monotonic()
        if end is None:
            end = self._finish(await self._allowed(item) or await self._asked_for(item, ask), began)
        while True:
            mine.back = True
            answer = await shared.seam.pass_("return", item.id, self._as_answer(end), self.spec.id)
            if not answer.retry or item.ran_as != "llm":
                return self._returned(end, answer)
            if await self._stopped_at(item, shared.limits.spent) is None:
                mine.back, began = False, time.monotonic()
                again = shared.seam.edited(item.id, self._ask(item))
                end = self._finish(await self._leaf(item, again, once_more=True), began)

    def _finish(self, end: CallEnd, began: float) -> CallEnd:
        limit = self.shared.options.result_truncation_limit
        long = limit is not None and end.status == "ok" and length(end.value) > limit
        cut = limit if long else None
        seconds = round(time.monotonic() - began, 3)
        written = self.shared.journal.append(end.model_copy(update={"seconds": seconds, "cut": cut}))
        assert isinstance(written, CallEnd)
        return written

    async def _allowed(self, item: Item) -> CallEnd | None:
        """None when the item may be asked; the refusal when a limit applies."""
        if self._began(item):
            return None
        limits, child = self.shared.limits, item.ran_as == "rlm"
        refused = await self._stopped_at(item, lambda: next(limits.for_call(child, item.batch), None))
        if refused is not None:
            item.leave_batch()
            return CallEnd(id=item.id, status="refused", limit=refused.name)
        self._count(item)
        return None

    def _count(self, item: Item) -> None:
        self.shared.under_way[item.id].counted = True
        self.shared.limits.reserve(item.ran_as == "rlm", item.batch)

    def _began(self, item: Item) -> bool:
        """Whether a child was let through, and began, before this process: it goes on from its own events."""
        return self.shared.effects.started("node", item.id) > 0

    def _let_through(self, item: Item) -> bool:
        """Whether an item counts already: it began, or it ended and was not refused."""
        end = self.shared.effects.remembered("call", item.id, CallEnd)
        return self._began(item) if end is None else end.status != "refused"

    async def _stopped_at(self, item: Item, check: Callable[[], LimitHit | None]) -> LimitHit | None:
        return await self.shared.stopped_at(item.id, self.spec.id, check, self.shared.limits.raise_to)

    def _ask(self, item: Item) -> Ask:
        by_depth = self.shared.options.depth_models.get(self.spec.depth + 1)
        return Ask(item.fn, item.prompt, item.model or by_depth or self.spec.sub_model or self.spec.model)

    async def _asked_for(self, item: Item, ask: Ask | None) -> CallEnd:
        if ask is None and self._began(item):
            # What was changed at its address since then holds for the child itself.
            ask = self.shared.seam.edited(item.id, self._ask(item), last=self.shared.effects.edits_before(item.id))
        if ask is None:
            ask = await self.shared.seam.pass_("call", item.id, self._ask(item), self.spec.id)
        if ask.killed or ask.supplied is not None:
            item.leave_batch()
            return CallEnd(id=item.id, status="killed" if ask.killed else "supplied", value=ask.supplied)
        if item.opaque is not None:
            return await self._opaque(item, item.opaque, ask)
        return await (self._child(item, ask) if item.ran_as == "rlm" else self._leaf(item, ask))

    async def _leaf(self, item: Item, ask: Ask, *, once_more: bool = False) -> CallEnd:
        request = Request(({"role": "user", "content": ask.prompt},), ask.model, self.spec.params)
        try:
            end = await self.shared.asking.ask(item.id, self.spec.id, request, leaf=True, once_more=once_more)
        except RequestFailed as failed:
            return CallEnd(id=item.id, status="error", error=failed.error)
        return CallEnd(id=item.id, status="ok", value=self.shared.text(end.reply), usage=end.usage)

    async def _child(self, item: Item, ask: Ask) -> CallEnd:
        options = self.shared.child_options
        spec = NodeSpec(
            id=item.id,
            depth=self.spec.depth + 1,
            task=child_task(ask.prompt),
            context=ask.prompt,
            model=ask.model,
            system_prompt=options.system_prompt,
            max_iterations=options.max_iterations,
            max_depth=self.spec.max_depth,
            sub_model=self.spec.sub_model,
            params=self.spec.params,
        )
        end = await self.children(spec)
        value = None if end.value is None else self.shared.text(end.value)
        match end.status:
            case "error":
                return CallEnd(id=item.id, status="error", error=end.error, usage=end.usage)
            case "killed" if value is None:
                return CallEnd(id=item.id, status="killed", usage=end.usage)
            case "limit" if end.limit in TIMES and value is None:
                message = f"child timeout after {end.seconds or 0.0:.3f}s"
                error = ErrorInfo(kind="timeout", message=message)
                return CallEnd(id=item.id, status="timeout", error=error, usage=end.usage)
            case _:
                return CallEnd(id=item.id, status="ok", value=value, usage=end.usage)

    async def _opaque(self, item: Item, call: OpaqueCall, ask: Ask) -> CallEnd:
        """Ask a caller's own backend: children it hides are not in the tree, and the tree says so."""
        try:
            value = await call.answer(item.index, ask.prompt, ask.model or None)
        except Exception as error:  # noqa: BLE001 - whatever a foreign backend raises is this call's error
            info = ErrorInfo(kind="unknown", message=f"{type(error).__name__}: {error}")
            return CallEnd(id=item.id, status="error", error=info)
        return CallEnd(id=item.id, status="ok", value=value)

    def _as_answer(self, end: CallEnd) -> Answer:
        return Answer(end.status, self.shared.text(end.value), end.error)

    def _returned(self, end: CallEnd, answer: Answer) -> CallEnd:
        if not answer.supplied:
            return end
        return end.model_copy(update={"status": "supplied", "value": answer.text, "error": None, "cut": None})
