"""Names to scenarios, names to models."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from rlm_tui.demo import DEFAULT, NAMES
from rlm_tui.demo.catalogue import SCENARIOS, UnknownScenarioError, model_for, scenario
from rlm_tui.llm.base import ChatRequest, Models, UnknownModelError
from rlm_tui.llm.pace import Pace


def test_every_scenario_is_found_by_its_name_and_has_one_line():
    assert DEFAULT in SCENARIOS
    assert list(SCENARIOS) == list(NAMES)
    for name, one in SCENARIOS.items():
        assert scenario(name) is one and one.name == name
        assert one.title and "\n" not in one.title and len(one.title) < 80


@pytest.mark.parametrize("name", ["", "neddle", "needle+nothing", "scripted:needle"])
def test_an_unknown_scenario_is_one_line_that_lists_the_known(name):
    with pytest.raises(UnknownScenarioError) as caught:
        scenario(name)
    line = str(caught.value)
    assert "\n" not in line and repr(name) in line and "needle, aggregation, multi-hop" in line


@pytest.mark.parametrize("name", ["scripted:", "scripted:nope", "scripted:needle+nope"])
def test_an_unknown_model_is_refused_before_anything_runs(name):
    models = Models()
    models.register("scripted:", model_for)
    with pytest.raises(UnknownModelError, match="multi-hop"):
        models.get(name)


def test_the_pace_handed_in_is_the_one_that_counts():
    naps = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    async def speak(pace: Pace) -> None:
        request = ChatRequest(({"role": "user", "content": "hello"},), "scripted:needle")
        async for _ in model_for("scripted:needle", pace, nap).stream(request):
            pass

    pace = Pace("instant")
    asyncio.run(speak(pace))
    assert naps == []
    pace.set("fast")
    asyncio.run(speak(pace))
    assert naps


def test_scenarios_need_neither_screen_nor_provider_nor_engine():
    code = (
        "import sys, rlm_tui.demo.catalogue\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('textual', 'litellm')"
        " or m.startswith(('rlm_tui.engine', 'rlm_tui.debugger', 'rlm_tui.repl', 'rlm_tui.tui'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
