"""Names to scenarios, names to models."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_tui.demo import DEFAULT, NAMES
from rlm_tui.demo.catalogue import DEFAULT_SEED, SCENARIOS, VARIANTS, UnknownScenarioError, model_for, scenario
from rlm_tui.llm.base import ChatRequest, Models, UnknownModelError
from rlm_tui.llm.pace import Pace


def test_every_scenario_and_variant_is_found_by_its_name_and_has_one_line():
    assert DEFAULT in SCENARIOS
    assert list(SCENARIOS) == [name for name in NAMES if "+" not in name]
    assert list(VARIANTS) == [name for name in NAMES if "+" in name]
    for name, one in (SCENARIOS | VARIANTS).items():
        assert scenario(name) is one and one.name == name
        assert one.title and "\n" not in one.title and len(one.title) < 80


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_its_scenario_and_one_change_to_data_or_policy(name):
    base, one = scenario(name.split("+")[0]), scenario(name)
    assert (one.policy != base.policy) != (one.make != base.make)
    assert one.make(4).oracle == base.make(4).oracle and one.make(4).question == base.make(4).question


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "needle, aggregation, multi-hop, broken"),
        ("neddle", "needle, aggregation, multi-hop, broken"),
        ("neddle+storm", "needle, aggregation, multi-hop, broken"),
        ("scripted:needle", "needle, aggregation, multi-hop, broken"),
        ("needle+nothing", "no variant 'nothing' of needle (known: needle+injected-final)"),
        ("needle+", "no variant '' of needle (known: needle+injected-final)"),
        ("aggregation+storm+flaky", "no variant 'storm+flaky' of aggregation (known: aggregation+storm, "),
        ("broken+storm", "no variant 'storm' of broken (it has none)"),
    ],
)
def test_an_unknown_name_is_one_line_that_lists_the_known(name, says):
    with pytest.raises(UnknownScenarioError) as caught:
        scenario(name)
    line = str(caught.value)
    assert "\n" not in line and says in line
    assert repr(name) in line or "variant" in line


@pytest.mark.parametrize("name", ["scripted:", "scripted:nope", "scripted:needle+nope"])
def test_an_unknown_model_is_refused_before_anything_runs(name):
    models = Models()
    models.register("scripted:", model_for)
    with pytest.raises(UnknownModelError, match=r"known: .*needle"):
        models.get(name)


def played(*args: str, runs: Path) -> subprocess.CompletedProcess[str]:
    """The command, without the settings of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RLM_TUI_", "XDG_"))}
    command = [sys.executable, "-m", "rlm_tui.cli", "demo", *args]
    env = clean | {"RLM_TUI_RUNS_DIR": str(runs), "HOME": str(runs)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_variant_is_played_by_its_name(tmp_path):
    done = played("multi-hop+shallow", "--headless", "--json", runs=tmp_path)
    assert json.loads(done.stdout)["final_answer"] == scenario("multi-hop").make(DEFAULT_SEED).oracle
    assert done.returncode == 0


def test_an_unknown_variant_is_refused_before_there_is_a_run(tmp_path):
    done = played("multi-hop+deep", "--headless", runs=tmp_path)
    assert done.stderr == "rlm-tui: no variant 'deep' of multi-hop (known: multi-hop+shallow)\n"
    assert done.returncode == 2 and not list(tmp_path.iterdir())


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
