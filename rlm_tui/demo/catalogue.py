"""The scenarios by name, and the models that play them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from rlm_tui.demo import unknown
from rlm_tui.demo.aggregation import AGGREGATION
from rlm_tui.demo.aggregation_variants import FLAKY, LEAF_ERROR, OVERSIZE, STORM
from rlm_tui.demo.broken import BROKEN
from rlm_tui.demo.multi_hop import MULTI_HOP, SHALLOW
from rlm_tui.demo.needle import INJECTED_FINAL, NEEDLE
from rlm_tui.demo.scenario import Scenario
from rlm_tui.llm.base import UnknownModelError
from rlm_tui.llm.pace import Pace
from rlm_tui.llm.scripted import ScriptedModel

PREFIX = "scripted:"
DEFAULT_SEED = 7


class UnknownScenarioError(LookupError):
    """No scenario and no variant has this name. The message is one line for a person and lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {one.name: one for one in (NEEDLE, AGGREGATION, MULTI_HOP, BROKEN)}
)
"""The scenarios, in the order of a list."""

VARIANTS: Mapping[str, Scenario] = MappingProxyType(
    {one.name: one for one in (INJECTED_FINAL, STORM, OVERSIZE, LEAF_ERROR, FLAKY, SHALLOW)}
)
"""Each is a scenario and one change, to the data or to the policy."""


def scenario(name: str) -> Scenario:
    """The scenario or variant of this name.

    Args:
        name: ``needle``, or ``needle+variant``; without ``scripted:``.

    Raises:
        UnknownScenarioError: When there is none.
    """
    found = SCENARIOS.get(name) or VARIANTS.get(name)
    if found is None:
        raise UnknownScenarioError(unknown(name))
    return found


def model_for(
    name: str, pace: Pace | None = None, sleeper: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> ScriptedModel:
    """The model that plays a scenario.

    Args:
        name: ``scripted:<scenario>`` or ``scripted:<scenario>+<variant>``.
        pace: Shared by all models of a run, so that it can be changed while they speak; instant when there is none.
        sleeper: Waits for some seconds.

    Raises:
        UnknownModelError: When no scenario has that name.
    """
    try:
        return ScriptedModel(scenario(name.removeprefix(PREFIX)).policy, pace, sleeper)
    except UnknownScenarioError as error:
        raise UnknownModelError(str(error)) from None
