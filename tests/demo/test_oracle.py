"""Every scenario and variant, played by the real loop in real worker processes, equals its oracle."""

from __future__ import annotations

import pytest

from rlm_tui.demo.catalogue import SCENARIOS, VARIANTS, model_for, scenario
from tests.demo.desk import REPAIRS

EARLY, SEEDS = 3, 20


def seeds() -> list:
    return [pytest.param(seed, marks=() if seed < EARLY else pytest.mark.full) for seed in range(SEEDS)]


def run(name: str, seed: int, **limits):
    from rlm_tui import LocalRLMRunner

    data = scenario(name).make(seed)
    limits = {"max_depth": data.limits.max_depth, "max_iterations": data.limits.max_iterations, **limits}
    return LocalRLMRunner(model_for(f"scripted:{name}"), **limits).run(data.context, data.question), data.oracle


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("name", [name for name in (*SCENARIOS, *VARIANTS) if name not in REPAIRS])
def test_the_answer_is_the_oracles(name, seed):
    result, oracle = run(name, seed)
    assert result.final_answer == oracle
    assert result.status == "final"


def test_needle_takes_four_iterations_and_no_child():
    result, _ = run("needle", 0)
    assert (result.via, result.iterations, result.child_traces) == ("FINAL_VAR", 4, [])


@pytest.mark.parametrize(("depth", "iterations"), [(3, 4), (2, 4), (1, 5)])
def test_multi_hop_answers_in_a_shallow_tree_too(depth, iterations):
    result, oracle = run("multi-hop", 0, max_depth=depth)
    assert result.final_answer == oracle and result.iterations == iterations


def test_multi_hop_counts_its_direct_children():
    result, _ = run("multi-hop", 0)
    assert [trace.error for trace in result.child_traces] == [None] * 4
