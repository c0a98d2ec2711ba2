"""What a run may do, and how much: the options of `LocalRLMRunner`, as the whole tree shares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rlm_tui.engine.prompts import RLM_SYSTEM_PROMPT


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one run. Names and defaults of the first group are the seed's.

    Attributes:
        system_prompt: What every node is taught.
        max_iterations: Iterations of one node.
        max_depth: Levels of nodes: 2 gives one level of children, 1 or 0 none.
        depth: The root's depth.
        env_max_iterations_multiplier: A node may run ``max_iterations`` times this many blocks.
        max_batch_workers: Active sub-calls of one block, and model requests of the whole run at one time.
        max_children_total: Child RLMs of the whole tree.
        max_children_per_batch: Child RLMs of one batch.
        result_truncation_limit: Characters of a sub-call's answer that the code receives.
        per_child_timeout_s: Seconds of working time of each child.
        sub_model: The model of sub-calls that name none; None means the calling node's.
        depth_models: The same by depth, from 1, and before it: children at that depth, and plain sub-calls of the
            nodes above them.
        max_budget: US dollars, whole tree.
        max_tokens: Tokens in and out, whole tree.
        max_timeout: Seconds of working time of the root.
        max_errors: Iterations in a row with a failed block, per node.
        max_subcalls: Sub-calls of the whole tree, every item of a batch counted.
        block_timeout_s: Seconds of computing time of one block.
        dialect: The name of the rules for prompts, parsing and finishing.
        params: Request parameters for the provider.
        stream: Whether nodes' replies are asked for in pieces; a leaf's answer never is.
        seed: Seeds ``random`` in every REPL, together with its node's address.
        hash_seed: ``PYTHONHASHSEED`` of every REPL.
        confine: How far REPLs are shut in: ``auto``, ``off`` or ``bwrap``.
        allow_site: Whether blocks may import installed packages.
        allow_network: Whether blocks may connect.
    """

    system_prompt: str = RLM_SYSTEM_PROMPT
    max_iterations: int = 30
    max_depth: int = 2
    depth: int = 0
    env_max_iterations_multiplier: int = 5
    max_batch_workers: int = 8
    max_children_total: int | None = None
    max_children_per_batch: int | None = None
    result_truncation_limit: int | None = None
    per_child_timeout_s: float | None = None

    sub_model: str | None = None
    depth_models: Mapping[int, str] = field(default_factory=dict[int, str])
    max_budget: float | None = None
    max_tokens: int | None = None
    max_timeout: float | None = None
    max_errors: int | None = None
    max_subcalls: int | None = None
    block_timeout_s: float | None = 300.0
    dialect: str = "openenv"
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stream: bool = True
    seed: int = 0
    hash_seed: int = 0
    confine: Literal["auto", "off", "bwrap"] = "auto"
    allow_site: bool = False
    allow_network: bool = False

    @property
    def max_steps(self) -> int:
        """Blocks one node may run."""
        return self.max_iterations * self.env_max_iterations_multiplier

    def config(self) -> dict[str, Any]:
        """The options as ``run.start`` keeps them."""
        return asdict(self)
