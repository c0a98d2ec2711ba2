"""Stopping a block, through gates of a test: break in, step, abort, kill; and what runs again after that."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from rlm_tui.engine.ending import Forced
from rlm_tui.engine.gate import Broken, Failure
from rlm_tui.journal.events import CallEnd, ExecEnd, NodeEnd, Obs
from tests.engine.person import DEAF, LOOP, Person, act, edit
from tests.engine.scripts import of_kind, repl
from tests.runs import DEADLINE_S

# Break in ---------------------------------------------------------------------------------------------------------


def test_breaking_in_shows_where_it_is_and_going_on_loses_nothing() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        assert p.root.blocks.running
        assert await p.root.break_in() is None
        id, value, go = await p.at("line")
        assert isinstance(value, Broken)
        assert (id, value.line in (3, 4), value.action) == ("root/i1/b1", True, "go")
        assert [(function, block) for _, function, block in value.frames] == [("<module>", "root/i1/b1")]
        assert ("n", "int") in [row[:2] for row in value.locals]
        assert p.root.blocks.standing is not None
        assert await p.root.break_in() is not None
        await p.root.evaluate("n = 10**12")
        go(value)

    p = act(repl(LOOP), repl("FINAL(n)"), points=("line",), script=script)
    assert [end.status for end in p.ends("root/i1/b1")] == ["ok"]
    assert int(p.run.nodes["root"].value or 0) in (10**12, 10**12 + 1)


def test_stepping_passes_the_gate_at_each_line() -> None:
    lines: list[int] = []

    async def script(p: Person) -> None:
        await p.printed()
        await p.root.break_in()
        for action in ("step", "step", "step", "abort"):
            _, value, go = await p.at("line")
            lines.append(value.line)
            go(replace(value, action=action))
        _, failure, go = await p.at("error")
        assert failure.error.kind == "aborted"
        go(failure)

    p = act(repl(LOOP), repl("FINAL(n > 0)"), points=("line", "error"), script=script)
    assert set(lines) == {3, 4}
    assert all(one != other for one, other in itertools.pairwise(lines))
    (end,) = p.ends("root/i1/b1")
    assert (end.status, end.by, [row.name for row in end.changed]) == ("aborted", "human", ["n"])
    assert p.run.nodes["root"].value == "True"


def test_nothing_is_broken_in_to_that_does_not_run() -> None:
    async def script(p: Person) -> None:
        _, value, go = await p.at("block")
        for refusal in (await p.root.break_in(), await p.root.abort_block(), await p.root.kill_worker()):
            assert refusal is not None
            assert "running" in refusal
        go(value)

    act(repl("x = 1\nFINAL(x)"), points=("block",), script=script)


def test_a_block_that_ends_first_never_stands() -> None:
    release = asyncio.Event()

    async def answer(prompt: str) -> str:
        await release.wait()
        return "done"

    async def script(p: Person) -> None:
        await p.until(lambda event: event.ev == "call.start")
        await p.root.break_in()
        _, value, go = await p.at("line")
        assert value.line == 1
        release.set()
        await p.until(lambda event: isinstance(event, CallEnd))
        go(value)

    p = act(repl("x = llm_query('q')\nFINAL(x)"), points=("line",), script=script, leaf=answer)
    assert p.run.nodes["root"].value == "done"


def test_the_clocks_stand_and_the_slot_is_free_while_a_block_stands() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        before = p.engine.shared.slots.exec._value
        await p.root.break_in()
        _, value, go = await p.at("line")
        assert p.engine.shared.slots.exec._value == before + 1
        assert p.root.clock._since is None
        repl = p.root.blocks.repl
        assert repl is not None
        assert repl._running.clock._timer is None
        await p.root.evaluate("n = 10**12")
        go(value)

    p = act(repl(LOOP), repl("FINAL(1)"), points=("line",), script=script)
    assert [end.status for end in p.ends("root/i1/b1")] == ["ok"]


@pytest.mark.parametrize("how", ["kill", "force", "leave"])
def test_a_node_that_ends_while_its_block_stands_ends(how: str) -> None:
    async def script(p: Person) -> None:
        await p.printed()
        await p.root.break_in()
        await p.at("line")
        if how == "leave":
            p.engine.leave()
        elif how == "kill":
            p.engine.kill()
        else:
            p.engine.stop("root", Forced("forced"))

    p = act(repl(LOOP), points=("line",), script=script, cancelled=how == "leave")
    assert p.run.held == {}
    ends = [(e.ev, e.status) for e in p.journal.events() if isinstance(e, ExecEnd | NodeEnd)]
    status = {"kill": "killed", "force": "final"}.get(how)
    assert ends == ([] if how == "leave" else [("exec.end", "aborted"), ("node.end", status)])


# Abort ------------------------------------------------------------------------------------------------------------


def test_an_aborted_block_keeps_its_variables_and_the_model_is_told() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        assert await p.root.abort_block() is None
        id, failure, go = await p.at("error")
        assert (id, failure.error.kind) == ("root/i1/b1", "aborted")
        go(failure)

    p = act(repl(LOOP), repl("FINAL(n > 0)"), points=("error",), script=script)
    (end,) = p.ends("root/i1/b1")
    assert (end.status, end.by, end.stdout) == ("aborted", "human", "begun\n")
    (told,) = of_kind(p.journal, Obs)
    assert "The block was stopped by a person. The variables it had set are kept." in told.text
    assert p.run.nodes["root"].value == "True"
    assert p.rebuilds() == []


def test_running_an_aborted_block_again_makes_the_repl_anew_first() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        await p.root.abort_block()
        id, failure, go = await p.at("error")
        p.journal.append(edit(id, "code", "seen = 'n' in globals()\nprint(x, seen)"))
        go(replace(failure, action="retry"))

    p = act(repl("x = 1"), repl(LOOP), repl("FINAL(seen)"), points=("error",), script=script)
    assert p.rebuilds() == [("root/i2/b1", 0, 1, "same"), ("root/i1/b1", 1, 1, "same")]
    assert [(end.status, end.by) for end in p.ends("root/i2/b1")] == [("aborted", "human"), ("ok", None)]
    assert p.ends("root/i2/b1")[1].stdout == "1 False\n"
    assert "n" not in p.run.nodes["root"].variables


def test_a_block_that_runs_again_asks_again_for_what_was_cancelled_and_not_for_what_was_answered() -> None:
    waits, stuck, asked = asyncio.Event(), asyncio.Event(), list[str]()

    async def answer(prompt: str) -> str:
        asked.append(prompt)
        if prompt == "slow" and not waits.is_set():
            waits.set()
            await stuck.wait()
        return f"<{prompt}>"

    code = (
        "from concurrent.futures import ThreadPoolExecutor\na = llm_query('quick')\n"
        "with ThreadPoolExecutor(2) as pool:\n    out = [a, *pool.map(llm_query, ['slow'])]\nFINAL(out)"
    )

    async def script(p: Person) -> None:
        await asyncio.wait_for(waits.wait(), DEADLINE_S)
        await p.root.abort_block()
        _, failure, go = await p.at("error")
        go(replace(failure, action="retry"))

    p = act(repl(code), points=("error",), script=script, leaf=answer)
    assert asked == ["quick", "slow", "slow"]
    assert p.run.nodes["root"].value == "['<quick>', '<slow>']"
    assert [call.status for call in p.run.calls.values()] == ["ok", "ok"]
    assert p.run.blocks["root/i1/b1"].open_calls == 0


def test_a_child_that_was_cancelled_with_its_block_goes_on_when_that_runs_again() -> None:
    begun, stuck = asyncio.Event(), asyncio.Event()

    async def answer(prompt: str) -> str:
        if not begun.is_set():
            begun.set()
            await stuck.wait()
        return "deep"

    async def script(p: Person) -> None:
        await asyncio.wait_for(begun.wait(), DEADLINE_S)
        await p.root.abort_block()
        _, failure, go = await p.at("error")
        assert [node.status for node in p.run.nodes.values()] == ["open", "killed"]
        go(replace(failure, action="retry"))

    p = act(
        repl("out = rlm_query('child')\nFINAL(out)"),
        points=("error",),
        script=script,
        leaf=answer,
        children={"child": [repl("a = 1"), repl("x = llm_query('q')"), repl("FINAL([a, x])")]},
    )
    assert p.run.nodes["root"].value == "[1, 'deep']"
    assert [node.status for node in p.run.nodes.values()] == ["final", "final"]


def test_a_block_that_is_aborted_again_and_again_counts_its_attempts() -> None:
    attempts: list[int] = []

    async def script(p: Person) -> None:
        for n in range(3):
            await p.printed(times=n + 1)
            assert await p.root.abort_block() is None
            _, failure, go = await p.at("error")
            assert isinstance(failure, Failure)
            attempts.append(failure.attempt)
            go(replace(failure, action="retry" if n < 2 else "apply"))

    act(repl(LOOP), repl("FINAL(1)"), points=("error",), script=script)
    assert attempts == [1, 2, 3]


# Kill -------------------------------------------------------------------------------------------------------------


def test_a_killed_worker_is_made_anew_at_once_to_before_the_block_and_can_run_it_again() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        assert await p.root.abort_block() is None
        assert await p.root.kill_worker() is None
        id, failure, go = await p.at("error")
        assert (id, failure.error.kind) == ("root/i2/b1", "died")
        assert p.rebuilds() == [("root/i2/b1", 0, 1, "same"), ("root/i1/b1", 1, 1, "same")]
        assert p.root.blocks.repl is not None
        assert p.root.blocks.repl.alive
        assert (await p.root.look("x")).text == "1"
        assert await p.root.evaluate("y = x + 1") is None
        p.journal.append(edit(id, "code", "print(x, y)"))
        go(replace(failure, action="retry"))

    p = act(repl("x = 1"), repl(DEAF), repl("FINAL(y)"), points=("error",), script=script)
    assert [(end.status, end.by) for end in p.ends("root/i2/b1")] == [("died", "human"), ("ok", None)]
    assert p.ends("root/i2/b1")[1].stdout == "1 2\n"
    # It is alive: nothing is made anew a second time.
    assert len(p.rebuilds()) == 2
    assert "ended by a person" in str(p.ends("root/i2/b1")[0].error)


def test_a_death_that_nobody_decides_goes_on_with_the_repl_of_before() -> None:
    async def script(p: Person) -> None:
        await p.printed()
        await p.root.kill_worker()

    p = act(repl("x = 1"), repl(DEAF), repl("FINAL(x)"), points=(), script=script)
    assert p.run.nodes["root"].value == "1"
