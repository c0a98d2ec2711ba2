"""Model, parameters and limits that a person changes while a run goes on. Clocks are put forward, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from rlm_tui.engine.clocks import WorkClock
from rlm_tui.engine.node import Node
from rlm_tui.journal.events import LlmStart, Usage
from rlm_tui.llm.base import Reply
from tests.engine.person import Person, act, nothing, up_to
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

HOUR = 3600


def set_here(p: Person, node: str, *changes: tuple[str, Any]) -> None:
    """What a verb does: written down at the node's address, then read."""
    p.change(node, None, *changes)
    p.engine.changed(node)


def limit(name: str, to: float) -> tuple[str, Any]:
    return "limit", {"name": name, "to": to}


def late(node: Node, seconds: float = HOUR) -> None:
    """Let a node have worked longer."""
    node.clock._worked += seconds
    node.clock.wake()


def sent(p: Person) -> list[tuple[str, str, dict[str, Any]]]:
    """Address, model and parameters of every request."""
    return [(e.id.split("~")[0] + "~" * e.id.count("~"), e.model, dict(e.params)) for e in of_kind(p.journal, LlmStart)]


def at_first(point: str, do: Callable[[Person, str], None]) -> Callable[[Person], Awaitable[None]]:
    """A person who does something while the first value of a point is held."""

    async def script(p: Person) -> None:
        id, value, go = await p.at(point)
        p.points = ()
        do(p, id)
        go(value)

    return script


# Model and parameters -------------------------------------------------------------------------------------------------


def test_a_model_holds_for_the_nodes_own_requests_from_then_on() -> None:
    replies = (repl("a = llm_query('leaf')\nb = rlm_query('sub')"), "no code", repl("FINAL(a + b)"))
    change = ("model", "other"), ("params", {"temperature": 1})
    p = act(
        *replies, points=("block",), script=at_first("block", lambda p, _: set_here(p, "root", *change)),
        children={"sub": [repl("FINAL('c')")]}, max_depth=2,
    )  # fmt: skip

    new = "other", {"temperature": 1}
    assert sent(p) == [
        ("root/i1", "", {}), ("root/i1/b1~", "", {}), ("root/i1/b1~", "", {}), ("root/i2", *new), ("root/i3", *new)
    ]  # fmt: skip
    assert p.root.in_force.model == "other"


def test_a_run_that_is_gone_on_with_has_the_model_it_was_given() -> None:
    replies = (repl("a = 1"), repl("a = 2"), repl("FINAL(a)"))
    script = at_first("block", lambda p, _: set_here(p, "root", ("model", "other")))
    first = act(*replies, points=("block",), script=script)
    left = up_to(first.journal, lambda e: isinstance(e, LlmStart) and e.id == "root/i3")
    p = act(*replies, points=(), script=nothing, journal=left)

    assert [(id, model) for id, model, _ in sent(p)] == [("root/i1", ""), ("root/i2", "other"), ("root/i3", "other")]


def test_a_childs_model_is_the_childs_alone_also_when_it_is_gone_on_with() -> None:
    replies, sub = (repl("FINAL(rlm_query('sub'))"),), [repl("x = llm_query('leaf')"), repl("FINAL(llm_query('more'))")]

    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        go(value)
        id, value, go = await p.at("block")
        p.points = ()
        set_here(p, id.rsplit("/", 2)[0], ("model", "other"))
        go(value)

    first = act(*replies, points=("block",), script=script, children={"sub": sub}, max_depth=2)
    models = [
        ("root/i1", ""),
        ("root/i1/b1~", ""),
        ("root/i1/b1~~", ""),
        ("root/i1/b1~", "other"),
        ("root/i1/b1~~", ""),
    ]
    assert [(id, model) for id, model, _ in sent(first)] == models
    *_, last = (e for e in first.journal.events() if isinstance(e, LlmStart))
    left = up_to(first.journal, lambda e: e.seq == last.seq)
    p = act(*replies, points=(), script=nothing, journal=left, children={"sub": sub}, max_depth=2)

    assert [(id, model) for id, model, _ in sent(p)] == models


def test_a_default_answer_is_asked_of_the_model_that_holds() -> None:
    script = at_first("block", lambda p, _: set_here(p, "root", ("model", "other")))
    p = act(repl("1"), "FINAL(2)", points=("block",), script=script, max_iterations=1)

    assert sent(p)[-1][:2] == ("root/default", "other")


# Limits of counting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "change", "status", "iterations"),
    [
        ({"max_iterations": 2}, limit("max_iterations", 4), "final", 4),
        ({"max_iterations": 9}, limit("max_iterations", 2), "exhausted", 2),
        ({"max_errors": 1}, limit("max_errors", 9), "final", 4),
        ({}, limit("max_errors", 1), "limit", 1),
        ({"max_subcalls": 1}, limit("max_subcalls", 9), "final", 4),
    ],
)
def test_a_limit_is_raised_or_lowered_in_the_middle_of_a_run(
    options: dict[str, Any], change: tuple[str, Any], status: str, iterations: int
) -> None:
    code = repl("x = llm_query('q')\nassert x == '<q>', x\n1 / 0")
    script = at_first("block", lambda p, _: set_here(p, "root", change))
    p = act(code, code, code, repl("FINAL(x)"), points=("block",), script=script, **options)

    root = p.run.nodes["root"]
    assert (root.status, len(root.iterations)) == (status, iterations)
    if status == "final":
        assert root.value == "<q>"


def test_a_limit_of_the_tree_is_changed_at_its_root_while_a_child_is_held_at_it() -> None:
    async def script(p: Person) -> None:
        id, hit, go = await p.at("limit")
        assert (hit.name, "~rlm" in id) == ("max_tokens", True)
        set_here(p, "root", limit("max_tokens", 1000))
        p.points = ()
        go(hit)

    def priced(text: str) -> Reply:
        return Reply(text, "stop", Usage(prompt=10, completion=10))

    p = act(
        *map(priced, (repl("x = rlm_query('sub')"), repl("FINAL(x)"))), points=("limit",), script=script,
        children={"sub": [priced(repl("1")), priced(repl("FINAL('deep')"))]}, max_depth=2, max_tokens=40,
    )  # fmt: skip
    assert p.run.nodes["root"].value == "deep"


def test_a_change_of_one_limit_does_not_bring_back_what_another_was_before() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("observe")
        set_here(p, "root", limit("max_subcalls", 1))
        p.points = ("limit",)
        go(value)
        id, hit, go = await p.at("limit")
        assert (hit.name, hit.limit, "~llm" in id) == ("max_subcalls", 1, True)
        go(p.change(id, hit, limit("max_subcalls", 5)))
        p.points = ("observe",)
        _, value, go = await p.at("observe")
        set_here(p, "root", limit("max_iterations", 7))
        assert p.root.in_force.limit("max_subcalls") == (2, 5)
        p.points = ()
        go(value)

    p = act(
        repl("x = llm_query('1')"), repl("x = llm_query('2')"), repl("FINAL(llm_query('3'))"), points=("observe",),
        script=script,
    )  # fmt: skip
    assert (p.run.nodes["root"].value, p.root.in_force.limit("max_iterations")) == ("<3>", (2, 7))


def test_what_is_used_of_a_limit_and_what_it_is() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("observe")
        asks = p.root.in_force.limit
        assert asks("max_iterations") == (0, 30)
        assert asks("max_steps") == (1, 150)
        assert asks("max_subcalls") == (1, None)
        assert asks("max_tokens") == (0, None)
        assert asks("max_timeout") == (pytest.approx(p.root.clock.elapsed), None)
        assert asks("per_child_timeout_s") is None
        assert asks("max_depth") is None
        go(value)

    act(repl("llm_query('q')"), repl("FINAL(1)"), points=("observe",), script=script)


# Limits of time -------------------------------------------------------------------------------------------------------


def test_a_time_limit_is_raised_while_it_runs_and_applies_when_it_is_reached() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        set_here(p, "root", limit("max_timeout", 3 * HOUR))
        late(p.root, 2 * HOUR)
        p.points = ("limit",)
        go(value)
        await p.printed()
        late(p.root, 2 * HOUR)
        _, hit, go = await p.at("limit")
        assert (hit.name, hit.limit, hit.used > 3 * HOUR) == ("max_timeout", 3 * HOUR, True)
        go(hit)

    code = "print('begun')\nwhile True: pass"
    p = act(repl(code), points=("block",), script=script, max_timeout=HOUR)
    assert (p.run.nodes["root"].status, p.run.nodes["root"].limit) == ("limit", "max_timeout")


@pytest.mark.parametrize("before", [None, 9 * HOUR])
def test_a_time_limit_is_lowered_or_set_where_there_was_none(before: float | None) -> None:
    async def script(p: Person) -> None:
        await p.printed()
        set_here(p, "root", limit("max_timeout", HOUR))
        late(p.root)

    p = act(repl("print('begun')\nwhile True: pass"), points=(), script=script, max_timeout=before)
    assert (p.run.nodes["root"].status, p.run.nodes["root"].limit) == ("limit", "max_timeout")


def test_a_time_limit_that_is_lowered_below_what_was_worked_does_not_strike_while_the_node_is_held() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("observe")
        late(p.root, 2 * HOUR)
        p.points = ("limit",)
        set_here(p, "root", limit("max_timeout", HOUR))
        await asyncio.sleep(0)
        assert p.held.empty()
        go(value)
        _, hit, go = await p.at("limit")
        p.points = ()
        go(replace(hit, raised=9.0 * HOUR))

    p = act(repl("1"), repl("FINAL(2)"), points=("observe",), script=script, max_timeout=9 * HOUR)
    assert p.run.nodes["root"].status == "final"


@pytest.mark.parametrize(("to", "status"), [(3 * HOUR, "final"), (HOUR / 2, "limit")])
def test_a_time_limit_that_is_changed_while_its_hit_is_held(to: float, status: str) -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        go(value)
        p.points = ("limit",)
        late(p.root, 2 * HOUR)
        _, hit, go = await p.at("limit")
        assert hit.limit == HOUR
        set_here(p, "root", limit("max_timeout", to))
        p.points = ()
        go(hit)

    p = act(repl("1"), repl("FINAL(2)"), points=("block",), script=script, max_timeout=HOUR)
    assert p.run.nodes["root"].status == status


def test_a_run_that_is_gone_on_with_has_the_time_it_was_given() -> None:
    script = at_first("block", lambda p, _: set_here(p, "root", limit("max_timeout", 5 * HOUR)))
    replies = (repl("1"), repl("FINAL(2)"))
    first = act(*replies, points=("block",), script=script, max_timeout=HOUR)
    left = up_to(first.journal, lambda e: isinstance(e, LlmStart) and e.id == "root/i2")

    async def look(p: Person) -> None:
        _, value, go = await p.at("llm")
        assert p.root.in_force.times == {"max_timeout": 5 * HOUR}
        late(p.root, 2 * HOUR)
        go(value)

    p = act(*replies, points=("llm",), script=look, journal=left, max_timeout=HOUR)
    assert p.run.nodes["root"].status == "final"


def test_who_waits_for_a_time_looks_again_when_the_clock_is_woken() -> None:
    async def main() -> None:
        clock, at = WorkClock(), [float(HOUR)]
        waiting = asyncio.ensure_future(clock.reach(lambda: at[0]))
        await asyncio.sleep(0)
        clock.stop()
        at[0] = 0.0
        clock.wake()
        await asyncio.sleep(0)
        assert not waiting.done(), "the clock stands"
        clock.go()
        await asyncio.wait_for(waiting, DEADLINE_S)

    asyncio.run(main())
