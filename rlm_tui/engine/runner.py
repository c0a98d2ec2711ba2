"""`LocalRLMRunner`: the synchronous face over the engine. Code written for the seed runs with its import changed."""

from __future__ import annotations

import json
import queue
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rlm_tui.engine import backends
from rlm_tui.engine.backends import DirectLMBackend, LocalChildRLMBackend, RecursiveBackend
from rlm_tui.engine.dialect import Dialect
from rlm_tui.engine.face import ChildTrace, Face
from rlm_tui.engine.gate import Gates
from rlm_tui.engine.limits import TIMES
from rlm_tui.engine.options import Options
from rlm_tui.engine.prompts import RLM_SYSTEM_PROMPT
from rlm_tui.engine.run import EngineRun
from rlm_tui.engine.thread import EngineThread
from rlm_tui.engine.values import Context
from rlm_tui.journal.events import NodeEnd, NodeStatus, Usage, Via
from rlm_tui.journal.store import Journal
from rlm_tui.journal.tree import Node
from rlm_tui.llm.base import ChatModel, Reply
from rlm_tui.llm.callable import CallableModel

Message = dict[str, str]
ChatFn = Callable[..., str | Reply | Awaitable[str | Reply]]


@dataclass
class RLMRunResult:
    """What a run came to. The first five fields, their order and shape, are the seed's.

    Attributes:
        final_answer: The answer; None when it ended without one.
        messages: The root's history.
        iterations: The root's iterations.
        depth: The root's depth.
        child_traces: Its direct child RLMs, in the order they ended.
        tree: Everything, grandchildren and leaves included.
        status: How it ended.
        via: How the answer was declared.
        limit: The limit that applied, when one did.
        final_value: The typed answer when it is JSON-like.
        partial: ``answer["content"]`` of a run without an answer.
        usage: The tree's total; what is unknown is None.
    """

    final_answer: str | None
    messages: list[Message]
    iterations: int
    depth: int
    child_traces: list[ChildTrace]
    tree: Node | None = None
    status: NodeStatus = "final"
    via: Via | None = None
    limit: str | None = None
    final_value: Any = None
    partial: str | None = None
    usage: Usage | None = None


class LocalRLMRunner:
    """Runs RLMs in this process, each node's code in a worker process of its own.

    Args:
        llm_chat_fn: A chat function, sync or async, that takes the messages and perhaps a model name; or a `ChatModel`.
        backend_factory: Makes the backend of sub-calls; called once a run with the seed's keywords.
        on_subcall_start: Called with depth, model and the first 80 characters of the prompt when a child begins.
        on_subcall_complete: Called with depth, model, seconds and an error text or None when a child ended.
        verbose: Print a line an iteration of the root.
        journal: A directory for the run's journal, or a journal; None keeps it in memory.
        gates: Who may hold the run.
        max_budget: US dollars, whole tree. The other options are `Options`'.
    """

    def __init__(
        self,
        llm_chat_fn: ChatFn | ChatModel,
        *,
        system_prompt: str = RLM_SYSTEM_PROMPT,
        max_iterations: int = 30,
        max_depth: int = 2,
        depth: int = 0,
        env_max_iterations_multiplier: int = 5,
        max_batch_workers: int = 8,
        backend_factory: Callable[..., RecursiveBackend] | None = None,
        max_children_total: int | None = None,
        max_children_per_batch: int | None = None,
        result_truncation_limit: int | None = None,
        per_child_timeout_s: float | None = None,
        on_subcall_start: Callable[[int, str, str], None] | None = None,
        on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None,
        verbose: bool = False,
        sub_model: str | None = None,
        max_budget: float | None = None,
        max_tokens: int | None = None,
        max_timeout: float | None = None,
        max_errors: int | None = None,
        max_subcalls: int | None = None,
        block_timeout_s: float | None = 300.0,
        dialect: Dialect | str = "openenv",
        journal: Path | Journal | None = None,
        gates: Gates | None = None,
    ) -> None:
        given: dict[str, Any] = dict(locals())
        given["dialect"] = dialect if isinstance(dialect, str) else dialect.name
        self.options = Options(**{f.name: given[f.name] for f in fields(Options) if f.name in given})
        self.llm_chat_fn = llm_chat_fn
        self.backend_factory = backend_factory
        self.on_subcall_start = on_subcall_start
        self.on_subcall_complete = on_subcall_complete
        self.verbose = verbose
        self.chat = _as_model(llm_chat_fn)
        self.journal = journal
        self.gates = gates

    def run(
        self, context: Context, task_prompt: str, *, model: str | None = None, timeout_s: float | None = None
    ) -> RLMRunResult:
        """Answer a question about a context, in an engine thread of its own.

        Args:
            context: Text, a list of texts, or a dict: the value of ``context`` in the REPL.
            task_prompt: The question.
            model: The root's model, handed to the chat function; None lets it choose.
            timeout_s: Seconds of working time; the smaller of this and ``max_timeout`` counts.

        Raises:
            Exception: What the chat function raised, when the root's request failed; the result so far is its
                ``rlm_result``.
        """
        thread = EngineThread()
        said: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        one = _OneRun(self, context, task_prompt, model, timeout_s, said.put)
        future = thread.submit(one.go())
        future.add_done_callback(lambda _: said.put(None))
        try:
            return _pump(said, future)
        except KeyboardInterrupt:
            thread.call(one.engine.kill)
            future.exception(timeout=10)
            raise
        finally:
            thread.call(one.close).result(timeout=5)
            thread.close()

    async def arun(
        self, context: Context, task_prompt: str, *, model: str | None = None, timeout_s: float | None = None
    ) -> RLMRunResult:
        """The same on the caller's event loop. Cancelling it kills the run."""
        one = _OneRun(self, context, task_prompt, model, timeout_s, lambda act: act())
        try:
            return await one.go()
        finally:
            one.close()


def _pump(said: queue.SimpleQueue[Callable[[], None] | None], future: Future[RLMRunResult]) -> RLMRunResult:
    """Deliver callbacks on this thread, in order, until the run is over."""
    while (act := said.get()) is not None:
        act()
    return future.result()


class _OneRun:
    """One call of `run`: a new run with new counters."""

    def __init__(
        self,
        runner: LocalRLMRunner,
        context: Context,
        task: str,
        model: str | None,
        timeout_s: float | None,
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        options, chat, opaque = runner.options, runner.chat, None
        on_start, on_complete = runner.on_subcall_start, runner.on_subcall_complete
        backend = _backend(runner)
        if isinstance(backend, DirectLMBackend):
            options, chat = backends.tighten(options, backend), _as_model(backend.llm_chat_fn)
            if isinstance(backend, LocalChildRLMBackend):
                on_start, on_complete = backend.on_subcall_start or on_start, backend.on_subcall_complete or on_complete
        elif backend is not None:
            opaque = backend
        seconds = [s for s in (timeout_s, options.max_timeout) if s is not None]
        self._own = not isinstance(runner.journal, Journal)
        self.journal = _journal(runner.journal)
        self.engine = EngineRun(
            self.journal,
            lambda _name: chat,
            context=context,
            task=task,
            model=model or "",
            options=options,
            gates=runner.gates,
            time_limits={"max_timeout": min(seconds)} if seconds else {},
            opaque=opaque,
        )
        self.face = Face(self.engine, deliver, on_start, on_complete, verbose=runner.verbose)

    async def go(self) -> RLMRunResult:
        end = await self.engine.go()
        result = self._result(end)
        root = self.engine.root
        if end.status == "error" and root is not None:
            original = root.original or RuntimeError(end.error.message if end.error else "the run failed")
            original.rlm_result = result  # type: ignore[attr-defined] - kept for a caller who wants it
            raise original
        return result

    def _result(self, end: NodeEnd) -> RLMRunResult:
        root, run, text = self.engine.root, self.engine.shared.run, self.journal.text
        answer = None if end.value is None else text(end.value)
        if answer is None and end.status == "limit" and end.limit in TIMES:
            answer = f"Error: child timeout after {end.seconds or 0.0:.3f}s"
        return RLMRunResult(
            final_answer=answer,
            messages=[dict(message) for message in root.messages] if root else [],
            iterations=root.done if root else 0,
            depth=self.engine.options.depth,
            child_traces=self.face.traces,
            tree=run.root,
            status=end.status,
            via=end.via,
            limit=end.limit,
            final_value=_value(text(end.data) if end.data is not None else None),
            partial=text(end.partial) if end.partial else None,
            usage=end.usage,
        )

    def close(self) -> None:
        if self._own:
            self.journal.close()


def _value(data: str | None) -> Any:
    return None if data is None else json.loads(data)


def _journal(given: Path | Journal | None) -> Journal:
    if isinstance(given, Journal):
        return given
    return Journal.memory() if given is None else Journal.create(given)


def _as_model(chat: Any) -> ChatModel:
    return chat if hasattr(chat, "stream") else CallableModel(chat)


def _backend(runner: LocalRLMRunner) -> RecursiveBackend | None:
    if runner.backend_factory is None:
        return None
    options = runner.options
    return runner.backend_factory(
        runner.llm_chat_fn,
        system_prompt=options.system_prompt,
        max_iterations=options.max_iterations,
        max_depth=options.max_depth,
        depth=options.depth,
        env_max_iterations_multiplier=options.env_max_iterations_multiplier,
    )
