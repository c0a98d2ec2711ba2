"""One run: its journal, its root, and what ends it. Everything a node needs is put together here."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from rlm_tui.engine.again import beginning, differences
from rlm_tui.engine.backends import RecursiveBackend
from rlm_tui.engine.dialect import Dialect
from rlm_tui.engine.dialect import dialect as named
from rlm_tui.engine.effects import Effects
from rlm_tui.engine.ending import Killed, Stop
from rlm_tui.engine.gate import Gates, OpenGates
from rlm_tui.engine.limits import TreeLimits
from rlm_tui.engine.node import Node
from rlm_tui.engine.options import Options
from rlm_tui.engine.sampling import Asking
from rlm_tui.engine.seam import Seam
from rlm_tui.engine.shared import Shared
from rlm_tui.engine.slots import Slots
from rlm_tui.engine.values import Context, NodeSpec, context_info
from rlm_tui.journal import address
from rlm_tui.journal.events import RESUME, CallEnd, Edit, Go, NodeEnd, RunEnd, RunStart
from rlm_tui.journal.redact import redact
from rlm_tui.journal.run import Run
from rlm_tui.journal.store import Journal
from rlm_tui.llm.base import ChatModel
from rlm_tui.repl.birth import Source, open_source
from rlm_tui.repl.process import Ready, ReplDied

RECORDED_PACKAGES = ("rlm-tui", "litellm", "pydantic", "textual")


class EngineRun:
    """A run over a journal that holds more or less of it already.

    Args:
        journal: Where it is written; an empty one begins a new run.
        models: From a model's name to the model.
        context: The value that is ``context`` in the root's REPL.
        task: The question.
        model: The root's model.
        options: What it may do.
        gates: Who may hold it; open ones when None.
        dialect: The rules for prompts, parsing and finishing; those the options name when None.
        time_limits: Names and seconds of working time of the root; ``max_timeout`` of the options when None.
        opaque: A caller's own backend for sub-calls.
        child_options: What child RLMs may do, when that is not the same.
        sub_models: From a model's name to the model, for sub-calls and children, when that is not the same.
        config: What else ``run.start`` is to keep (scenario, API base …); keys are removed.
        scratch: Where REPLs make their private directories.

    Attributes:
        beginning: Where it opens when it is a branch that nobody has gone on with: the point, and its address.
        differences: What of the machine is not as it was when the run began, in sentences; known once it is gone on
            with.
    """

    def __init__(
        self,
        journal: Journal,
        models: Callable[[str], ChatModel],
        *,
        context: Context,
        task: str,
        model: str = "",
        options: Options | None = None,
        gates: Gates | None = None,
        dialect: Dialect | None = None,
        time_limits: Mapping[str, float] | None = None,
        opaque: RecursiveBackend | None = None,
        child_options: Options | None = None,
        sub_models: Callable[[str], ChatModel] | None = None,
        config: Mapping[str, Any] | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.options = options or Options()
        self.journal = journal
        self._config = dict(config or {})
        past = list(journal.events())
        run = Run(past)
        journal.subscribe(run.apply)
        self.beginning = beginning(run, past)
        effects = Effects(journal, past)
        slots = Slots(self.options.max_batch_workers)
        seam = Seam(effects, gates or OpenGates())
        self.shared = Shared(
            journal=journal,
            run=run,
            effects=effects,
            seam=seam,
            asking=Asking(effects, seam, slots, models, sub_models, streams=self.options.stream),
            slots=slots,
            limits=TreeLimits(self.options, run),
            options=self.options,
            dialect=dialect or named(self.options.dialect),
            child_options=child_options or self.options,
            opaque=opaque,
            scratch=scratch,
            loaded_at=run.last,
        )
        spec = NodeSpec(
            id=address.ROOT,
            depth=self.options.depth,
            task=task,
            context=context,
            model=model,
            system_prompt=self.options.system_prompt,
            max_iterations=self.options.max_iterations,
            max_depth=self.options.max_depth,
            sub_model=self.options.sub_model,
            params=self.options.params,
        )
        self.nodes: dict[str, Node] = {}
        self._spec = spec
        if time_limits is None:
            time_limits = {} if self.options.max_timeout is None else {"max_timeout": self.options.max_timeout}
        self._limits = dict(time_limits)
        self._killed_early = False
        self.differences: list[str] = []
        self.root: Node | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    async def go(self) -> NodeEnd:
        """Run to the end.

        Raises:
            ConfinementError: When the sandbox that was asked for can't be had; nothing is written then.
            OSError, ReplDied: When no worker can be had at all; nothing is written then.
            asyncio.CancelledError: When it was left: nothing ended, the journal can be gone on with. Also when the task
                was cancelled without that: then the run ended as killed.
        """
        shared = self.shared
        if shared.leaving:
            raise asyncio.CancelledError
        self.loop = asyncio.get_running_loop()
        if shared.effects.remembered("node", address.ROOT, NodeEnd) is not None:
            return await self._go()
        source = await open_source(shared.conditions)
        try:
            # Held while the first request is on its way, or while what is remembered is gone through.
            shared.source, shared.giving = source, asyncio.create_task(self._give(source))
            if shared.leaving:
                raise asyncio.CancelledError
            return await self._go()
        finally:
            shared.source = None
            if shared.giving is not None:
                shared.giving.cancel()
            await source.close()

    async def _give(self, source: Source) -> Context | None:
        with suppress(ValueError, OSError, ReplDied):
            await source.give("context", self._spec.context)
            return self._spec.context
        # What can't be held fails where it is used: there it is a node's error.
        return None

    async def _go(self) -> NodeEnd:
        shared = self.shared
        now = environment(self.options.hash_seed, shared.source.ready if shared.source else None)
        if shared.run.start is None:
            self._write_start(now)
        elif shared.run.end is None:
            self._write_resumed(now)
        self.root = Node(shared, self._spec, None, self._limits, on_start=self._note_node)
        if self._killed_early:
            self.root.stop(Killed())
        try:
            end = await self.root.run()
        except asyncio.CancelledError:
            killed = shared.effects.remembered("node", address.ROOT, NodeEnd)
            if killed is not None and not shared.journal.closed:
                self._write_end(killed)
            raise
        self._write_end(end)
        return end

    def _write_end(self, end: NodeEnd) -> None:
        if self.shared.run.end is not None:
            return
        totals = self.shared.run.totals
        self.shared.journal.append(
            RunEnd(
                id=address.ROOT,
                status=end.status,
                value=end.value,
                error=end.error,
                totals={
                    "requests": totals.requests,
                    "tokens": totals.tokens,
                    "cost": totals.cost,
                    "unpriced": totals.unpriced,
                    "scripted": totals.scripted,
                },
            )
        )

    def _note_node(self, node: Node) -> None:
        self.nodes[node.spec.id] = node

    def _write_start(self, now: dict[str, Any]) -> None:
        config = {"model": self._spec.model, **self.options.config(), **self._config}
        self.shared.journal.append(
            RunStart(
                id=address.ROOT,
                run=self.journal.id,
                task=self._spec.task,
                context=context_info(self._spec.context),
                config=redact(config),
                environment=now,
            )
        )

    def _write_resumed(self, now: dict[str, Any]) -> None:
        """Say that it is gone on with, so that the time between counts for nobody, and what is not as it was."""
        shared = self.shared
        shared.journal.append(Go(id=address.ROOT, verb=RESUME))
        shared.loaded_at = shared.run.last
        self.differences = list(differences(shared.run.environment, now))
        for told in self.differences:
            shared.journal.append(Edit(id=address.ROOT, field="note", value=told, by=RESUME))

    def stop(self, node: str, reason: Stop) -> bool:
        """End a node, and with it everything below; False when it does not run."""
        at = self.nodes.get(node)
        if at is None or self.shared.effects.remembered("node", node, NodeEnd) is not None:
            return False
        at.stop(reason)
        return True

    def supply(self, call: str, text: str) -> str | None:
        """Answer a sub-call that no child works on: its request is cancelled, and its block gets the text.

        Args:
            call: Its address.
            text: The answer.

        Returns:
            A refusal in words, when it has come back.
        """
        return self._decide(CallEnd(id=call, status="supplied", value=text, by="human"))

    def kill_call(self, call: str) -> str | None:
        """End a sub-call that no child works on, without an answer; a refusal when it has come back."""
        return self._decide(CallEnd(id=call, status="killed", by="human"))

    def _decide(self, end: CallEnd) -> str | None:
        now = self.shared.under_way.get(end.id)
        return None if now is not None and now.decide(end) else "This call has come back."

    def changed(self, node: str) -> None:
        """What holds for a node was changed by an ``edit`` at its address: it is read again."""
        at = self.nodes.get(node)
        if at is not None:
            at.in_force.read()

    def kill(self) -> None:
        """End the run: every node gets its end, lowest first."""
        if self.root is None:
            self._killed_early = True
        self.stop(address.ROOT, Killed())

    def leave(self) -> None:
        """Stop working and end nothing: requests are cancelled, workers end, the journal can be gone on with."""
        self.shared.leaving = True
        if self.root is not None:
            self.root.stop(Killed())


def environment(hash_seed: int, ready: Ready | None) -> dict[str, Any]:
    """What ``run.start`` keeps of the machine, and no more: names of fields, never the process's environment.

    Args:
        hash_seed: That of every REPL.
        ready: What is true of every REPL, when one was started.
    """
    packages: dict[str, str] = {}
    for name in RECORDED_PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "packages": packages,
        "hash_seed": hash_seed,
        "time_zone": time.strftime("%Z"),
        "confinement": ready.confinement if ready else "",
        "confinement_level": ready.level if ready else "",
        "confinement_notices": list(ready.notices) if ready else [],
    }
