"""The scenarios by name, and the models that play them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from rlm_tui.demo import unknown
from rlm_tui.demo.aggregation import AGGREGATION
from rlm_tui.demo.broken import BROKEN
from rlm_tui.demo.multi_hop import MULTI_HOP
from rlm_tui.demo.needle import NEEDLE
from rlm_tui.demo.scenario import Scenario
from rlm_tui.llm.base import UnknownModelError
from rlm_tui.llm.pace import Pace
from rlm_tui.llm.scripted import ScriptedModel

PREFIX = "scripted:"
DEFAULT_SEED = 7


class UnknownScenarioError(LookupError):
    """No scenario has this name. The message is one line for a person and lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {one.name: one for one in (NEEDLE, AGGREGATION, MULTI_HOP, BROKEN)}
)
"""Every scenario and variant, in the order of a list."""


def scenario(name: str) -> Scenario:
    """The scenario of this name.

    Args:
        name: ``needle``, or ``needle+variant``; without ``scripted:``.

    Raises:
        UnknownScenarioError: When there is none.
    """
    if name not in SCENARIOS:
        raise UnknownScenarioError(unknown(name))
    return SCENARIOS[name]


def model_for(
    name: str, pace: Pace | None = None, sleeper: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> ScriptedModel:
    """The model that plays a scenario.

    Args:
        name: ``scripted:<scenario>``.
        pace: Shared by all models of a run, so that it can be changed while they speak; instant when there is none.
        sleeper: Waits for some seconds.

    Raises:
        UnknownModelError: When no scenario has that name.
    """
    try:
        return ScriptedModel(scenario(name.removeprefix(PREFIX)).policy, pace, sleeper)
    except UnknownScenarioError as error:
        raise UnknownModelError(str(error)) from None
