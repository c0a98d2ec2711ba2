"""`LocalRLMRunner`: the synchronous face over the engine. Code written for the seed runs with its import changed."""

from __future__ import annotations

import json
import queue
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

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

ENDING_S = 15.0
"""Seconds that a killed tree may take: blocks are aborted, then their processes are killed."""

CLOSING_S = 5.0

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
        journal: Where runs are kept, each in a directory of its own; or a journal, and what it holds of a run already
            is gone on with; None keeps it in memory.
        gates: Who may hold the run.
        max_budget: US dollars, whole tree. The other options are `Options`'.

    Raises:
        ConfinementError: From `run` and `arun`, an `OSError`: ``confine`` asks for a sandbox that cannot be had.
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
        depth_models: Mapping[int, str] | None = None,
        max_budget: float | None = None,
        max_tokens: int | None = None,
        max_timeout: float | None = None,
        max_errors: int | None = None,
        max_subcalls: int | None = None,
        block_timeout_s: float | None = 300.0,
        dialect: Dialect | str = "openenv",
        journal: Path | Journal | None = None,
        gates: Gates | None = None,
        confine: Literal["auto", "off", "bwrap"] = "auto",
        allow_site: bool = False,
        allow_network: bool = False,
    ) -> None:
        self.llm_chat_fn = llm_chat_fn
        self.system_prompt = system_prompt
        self.max_iterations = max_iterations
        self.max_depth = max_depth
        self.depth = depth
        self.env_max_iterations_multiplier = env_max_iterations_multiplier
        self.max_batch_workers = max_batch_workers
        self.backend_factory = backend_factory
        self.max_children_total = max_children_total
        self.max_children_per_batch = max_children_per_batch
        self.result_truncation_limit = result_truncation_limit
        self.per_child_timeout_s = per_child_timeout_s
        self.on_subcall_start = on_subcall_start
        self.on_subcall_complete = on_subcall_complete
        self.verbose = verbose
        self.sub_model = sub_model
        self.depth_models = dict(depth_models or {})
        self.max_budget = max_budget
        self.max_tokens = max_tokens
        self.max_timeout = max_timeout
        self.max_errors = max_errors
        self.max_subcalls = max_subcalls
        self.block_timeout_s = block_timeout_s
        self.dialect = dialect
        self.journal = journal
        self.gates = gates
        self.confine: Literal["auto", "off", "bwrap"] = confine
        self.allow_site = allow_site
        self.allow_network = allow_network
        self.chat = _as_model(llm_chat_fn)

    @property
    def options(self) -> Options:
        """The options as they stand now: what the seed lets be changed between runs can be changed."""
        given = {f.name: getattr(self, f.name) for f in fields(Options) if hasattr(self, f.name)}
        given["dialect"] = self.dialect if isinstance(self.dialect, str) else self.dialect.name
        return Options(**given)

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
        said: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        one = _OneRun(self, context, task_prompt, model, timeout_s, said.put)
        thread = EngineThread()
        future = thread.submit(one.go())
        future.add_done_callback(lambda _: said.put(None))
        try:
            return _pump(said, future)
        finally:
            if not future.done():
                # Ctrl-C, or whatever else ends this thread's patience: the tree ends, and the journal says so.
                thread.call(one.engine.kill)
                wait([future], ENDING_S)
            thread.call(one.close).result(CLOSING_S)
            thread.close()

    async def arun(
        self, context: Context, task_prompt: str, *, model: str | None = None, timeout_s: float | None = None
    ) -> RLMRunResult:
        """The same on the caller's event loop, where the callbacks are called too. Cancelling it kills the run."""
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
        options, chat = runner.options, runner.chat
        seconds = [s for s in (timeout_s, options.max_timeout) if s is not None]
        options = replace(options, max_timeout=min(seconds) if seconds else None)
        on_start, on_complete = runner.on_subcall_start, runner.on_subcall_complete
        backend = _backend(runner, options)
        described = backend if isinstance(backend, DirectLMBackend) else None
        self._opaque = None if described is not None else backend
        child_options = sub_chat = None
        if described is not None:
            options, child_options = backends.tighten(options, described)
            sub_chat = _as_model(described.llm_chat_fn)
        if isinstance(described, LocalChildRLMBackend):
            on_start, on_complete = described.on_subcall_start or on_start, described.on_subcall_complete or on_complete
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
            dialect=None if isinstance(runner.dialect, str) else runner.dialect,
            opaque=self._opaque,
            child_options=child_options,
            sub_models=None if sub_chat is None else lambda _name: sub_chat,
        )
        self.face = Face(self.engine, deliver, on_start, on_complete, verbose=runner.verbose)

    async def go(self) -> RLMRunResult:
        end = await self.engine.go()
        result = self._result(end)
        root = self.engine.root
        if end.status == "error" and root is not None:
            original = root.original or RuntimeError(end.error.message if end.error else "the run failed")
            with suppress(AttributeError, TypeError):
                original.rlm_result = result  # pyright: ignore[reportAttributeAccessIssue]
            raise original
        return result

    def _result(self, end: NodeEnd) -> RLMRunResult:
        run, text = self.engine.shared.run, self.journal.text
        answer = None if end.value is None else text(end.value)
        if answer is None and end.status == "limit" and end.limit in TIMES:
            answer = f"Error: child timeout after {end.seconds or 0.0:.3f}s"
        opaque = self._opaque
        return RLMRunResult(
            final_answer=answer,
            messages=self._messages(),
            iterations=len(run.root.iterations) if run.root else 0,
            depth=self.engine.options.depth,
            child_traces=self.face.traces() if opaque is None else list(getattr(opaque, "child_traces", [])),
            tree=run.root,
            status=end.status,
            via=end.via,
            limit=end.limit,
            final_value=_value(text(end.data) if end.data is not None else None),
            partial=text(end.partial) if end.partial else None,
            usage=end.usage,
        )

    def _messages(self) -> list[Message]:
        """The root's history: as it ran, or, when it had ended before, as its last request was sent."""
        root, folded, text = self.engine.root, self.engine.shared.run.root, self.journal.text
        if root is not None and root.messages:
            return [dict(message) for message in root.messages]
        if folded is None or folded.last_attempt is None:
            return []
        sent = [{"role": m.role, "content": text(m.content)} for m in folded.last_attempt.messages()]
        reply = folded.iterations[-1].reply if folded.status == "final" else None
        return sent if reply is None else [*sent, {"role": "assistant", "content": text(reply)}]

    def close(self) -> None:
        if self._own:
            self.journal.close()


def _value(data: str | None) -> Any:
    return None if data is None else json.loads(data)


def _journal(given: Path | Journal | None) -> Journal:
    if isinstance(given, Journal):
        return given
    return Journal.memory() if given is None else Journal.create(Path(given))


def _as_model(chat: Any) -> ChatModel:
    return chat if hasattr(chat, "stream") else CallableModel(chat)


def _backend(runner: LocalRLMRunner, options: Options) -> RecursiveBackend | None:
    if runner.backend_factory is None:
        return None
    return runner.backend_factory(
        runner.llm_chat_fn,
        system_prompt=options.system_prompt,
        max_iterations=options.max_iterations,
        max_depth=options.max_depth,
        depth=options.depth,
        env_max_iterations_multiplier=options.env_max_iterations_multiplier,
    )
