"""The seed's backend names: descriptions of how sub-calls are answered, and the protocol of a caller's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from rlm_tui.engine.options import Options

_LIMITS = (
    "max_batch_workers", "max_children_total", "max_children_per_batch", "result_truncation_limit",
    "per_child_timeout_s",
)  # fmt: skip


@runtime_checkable
class RecursiveBackend(Protocol):
    """Anything that answers sub-calls (the seed's protocol). Called in a thread, recorded as opaque."""

    def query(self, prompt: str, model: str | None = None) -> str:
        """Answer ``llm_query``."""
        ...

    def query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        """Answer ``llm_query_batched``."""
        ...

    def recursive_query(self, prompt: str, model: str | None = None) -> str:
        """Answer ``rlm_query``."""
        ...

    def recursive_query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        """Answer ``rlm_query_batched``."""
        ...


@dataclass(frozen=True, slots=True)
class BackendLimits:
    """Limits of a backend, with the seed's names and defaults."""

    max_depth: int = 1
    max_batch_workers: int = 8
    max_children_total: int | None = None
    max_children_per_batch: int | None = None
    result_truncation_limit: int | None = None
    per_child_timeout_s: float | None = None


class DirectLMBackend:
    """A description: sub-calls are answered by one model request each.

    Given to a runner by ``backend_factory``, its chat function and limits are used; the calls themselves stay native,
    with their place in the tree and their gates. Its four methods ask the chat function directly.

    Args:
        llm_chat_fn: The chat function.
        depth: The depth of the node it serves.
        limits: Its limits; None means the defaults.
    """

    def __init__(self, llm_chat_fn: Callable[..., Any], *, depth: int = 0, limits: BackendLimits | None = None) -> None:
        self.llm_chat_fn = llm_chat_fn
        self.depth = depth
        self.limits = limits or BackendLimits()
        self.max_depth = self.limits.max_depth
        self.child_traces: list[Any] = []

    def query(self, prompt: str, model: str | None = None) -> str:
        """Ask the chat function once."""
        return str(self.llm_chat_fn([{"role": "user", "content": prompt}], model))

    def query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        """Ask the chat function once for each prompt, in order."""
        return [self.query(prompt, model) for prompt in prompts]

    def recursive_query(self, prompt: str, model: str | None = None) -> str:
        """The same as `query`: a direct backend has no children."""
        return self.query(prompt, model)

    def recursive_query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        """The same as `query_batched`."""
        return self.query_batched(prompts, model)


class LocalChildRLMBackend(DirectLMBackend):
    """A description: ``rlm_query`` makes a child RLM with these prompts and limits.

    Args:
        llm_chat_fn: The chat function.
        runner_factory: Makes the runner of a child, used only by the methods called directly.
        system_prompt: What a child is taught.
        max_iterations: Iterations of a child.
        env_max_iterations_multiplier: Blocks per iteration of a child.
        depth: The depth of the node it serves.
        limits: Its limits; None means the defaults.
        on_subcall_start: Called with depth, model and the first 80 characters of the prompt.
        on_subcall_complete: Called with depth, model, seconds and an error text or None.
    """

    def __init__(
        self,
        llm_chat_fn: Callable[..., Any],
        *,
        runner_factory: Callable[..., Any],
        system_prompt: str,
        max_iterations: int,
        env_max_iterations_multiplier: int,
        depth: int = 0,
        limits: BackendLimits | None = None,
        on_subcall_start: Callable[[int, str, str], None] | None = None,
        on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None,
    ) -> None:
        super().__init__(llm_chat_fn, depth=depth, limits=limits)
        self.runner_factory = runner_factory
        self.system_prompt = system_prompt
        self.max_iterations = max_iterations
        self.env_max_iterations_multiplier = env_max_iterations_multiplier
        self.on_subcall_start = on_subcall_start
        self.on_subcall_complete = on_subcall_complete

    def recursive_query(self, prompt: str, model: str | None = None) -> str:
        """Run a child RLM on the prompt, or ask once where children end."""
        if self.depth + 1 >= self.max_depth:
            return self.query(prompt, model)
        runner = self.runner_factory(
            self.llm_chat_fn,
            system_prompt=self.system_prompt,
            max_iterations=self.max_iterations,
            max_depth=self.max_depth,
            depth=self.depth + 1,
            env_max_iterations_multiplier=self.env_max_iterations_multiplier,
            max_batch_workers=self.limits.max_batch_workers,
        )
        return runner.run(prompt, prompt, model=model, timeout_s=self.limits.per_child_timeout_s).final_answer or ""

    def recursive_query_batched(self, prompts: list[str], model: str | None = None) -> list[str]:
        """Run a child RLM on each prompt, in order."""
        return [self.recursive_query(prompt, model) for prompt in prompts]


def tighten(options: Options, backend: DirectLMBackend) -> tuple[Options, Options]:
    """A run's options under a described backend: of every limit the tighter one.

    Args:
        options: The runner's own.
        backend: What ``backend_factory`` made. A direct one has no children.

    Returns:
        The root's options, and those of its children, who have the backend's prompt.
    """
    deepest = backend.max_depth if isinstance(backend, LocalChildRLMBackend) else options.depth + 1
    tighter: dict[str, Any] = {"max_depth": min(options.max_depth, deepest)}
    for name in _LIMITS:
        both = [v for v in (getattr(options, name), getattr(backend.limits, name)) if v is not None]
        tighter[name] = min(both) if both else None
    options = replace(options, **tighter)
    if not isinstance(backend, LocalChildRLMBackend):
        return options, options
    return options, replace(
        options,
        system_prompt=backend.system_prompt,
        max_iterations=min(options.max_iterations, backend.max_iterations),
        env_max_iterations_multiplier=min(options.env_max_iterations_multiplier, backend.env_max_iterations_multiplier),
    )
