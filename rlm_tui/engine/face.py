"""What the seed's callers expect to hear while a run goes on: callbacks, traces of children, the verbose line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from rlm_tui.engine.run import EngineRun
from rlm_tui.journal import address
from rlm_tui.journal.events import CallEnd, Edit, Event, LlmEnd, NodeStart
from rlm_tui.journal.tree import Call

PREVIEW = 80


@dataclass
class ChildTrace:
    """One direct child RLM. The first five fields are the seed's; previews have 80 characters, times are seconds."""

    depth: int
    duration_s: float
    prompt_preview: str
    result_preview: str | None
    error: str | None
    address: str = ""
    status: str = "ok"


class Face:
    """Turns events into callbacks. Real children only, as in the seed; who needs ids subscribes to the journal.

    Args:
        engine: The run.
        deliver: Takes an act to the caller's thread, in order.
        on_start: See `LocalRLMRunner`.
        on_complete: See `LocalRLMRunner`.
        verbose: Whether to print a line an iteration of the root.
    """

    def __init__(
        self,
        engine: EngineRun,
        deliver: Callable[[Callable[[], None]], None],
        on_start: Callable[[int, str, str], None] | None,
        on_complete: Callable[[int, str, float, str | None], None] | None,
        *,
        verbose: bool,
    ) -> None:
        self._engine = engine
        self._deliver = deliver
        self._on_start = on_start
        self._on_complete = on_complete
        self._verbose = verbose
        engine.journal.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        match event:
            case NodeStart() if event.id != address.ROOT:
                self._child_started(event)
            case CallEnd():
                self._call_ended(event)
            case LlmEnd(status="ok") if self._verbose and address.parent(event.id) == address.ROOT:
                self._iteration(event)
            case _:
                pass

    def _child_started(self, event: NodeStart) -> None:
        call = self._engine.shared.run.calls.get(event.id)
        if call is None or self._on_start is None:
            return
        prompt, start = self._engine.journal.text(call.prompt)[:PREVIEW], self._on_start
        self._tell(event.id, lambda: start(event.depth, call.model or "default", prompt))

    def _call_ended(self, event: CallEnd) -> None:
        call = self._engine.shared.run.calls.get(event.id)
        if call is None or call.node is None:
            return
        if self._on_complete is not None:
            complete, depth, error = self._on_complete, call.node.depth, self._error(call)
            self._tell(event.id, lambda: complete(depth, call.model or "default", event.seconds, error))

    def _error(self, call: Call) -> str | None:
        if call.status == "killed":
            return "killed by user"
        return call.error.message if call.error is not None else None

    def traces(self) -> list[ChildTrace]:
        """The root's direct child RLMs, in the order they ended."""
        root = self._engine.shared.run.root
        ended = [call for call in root.calls() if call.node is not None and call.ended is not None] if root else []
        return [self._trace(call, self._error(call)) for call in sorted(ended, key=lambda call: call.ended or 0.0)]

    def _trace(self, call: Call, error: str | None) -> ChildTrace:
        text = self._engine.journal.text
        value = None if call.value is None else text(call.value)[:PREVIEW]
        depth = call.node.depth if call.node else 0
        return ChildTrace(depth, call.seconds, text(call.prompt)[:PREVIEW], value, error, call.id, call.status)

    def _iteration(self, event: LlmEnd) -> None:
        k, depth = address.number(event.id), self._engine.options.depth
        if not k:
            return
        shared = self._engine.shared
        parsed = shared.dialect.parse(shared.text(event.reply), event.finish_reason)
        line = f"[depth={depth}] iteration={k} code_blocks={len(parsed.blocks)}\n"
        self._deliver(lambda: _write(line))

    def _tell(self, id: str, act: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - a failed callback is noted and changes nothing (the seed)
                note = Edit(
                    id=id, field="note", value=f"callback failed: {type(error).__name__}: {error}", by="callback"
                )
                self._note(note)

        self._deliver(guarded)

    def _note(self, note: Edit) -> None:
        loop = self._engine.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._append, note)

    def _append(self, note: Edit) -> None:
        if not self._engine.journal.closed:
            self._engine.journal.append(note)


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()
