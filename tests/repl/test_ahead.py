"""Blocks that were begun before the one before them has ended: one after the other, each with its own calls and time."""

from __future__ import annotations

import asyncio
from typing import Any

from rlm_tui.repl.results import BlockResult
from rlm_tui.repl.running import Running
from tests.repl.desk import Desk, Watch, echo


def begin(desk: Desk, code: str, on_output: Any = lambda *_: None, **options: Any) -> Running:
    return desk.repl.begin(desk.address(), code, on_output=on_output, on_call=echo, **options)


async def finish(desk: Desk, *begun: Running) -> list[BlockResult]:
    return [await desk.repl.finish(running) for running in begun]


def test_they_run_in_their_order_with_their_own_calls_and_output(desk: Desk) -> None:
    async def both() -> tuple[list[BlockResult], Watch]:
        watch = Watch()
        codes = [f"x = {n} + globals().get('x', 0)\nprint(llm_query('q{n}'), x, flush=True)" for n in range(1, 6)]
        begun = [begin(desk, code, watch) for code in codes]
        return await finish(desk, *begun), watch

    results, watch = desk.wait(both())
    assert [result.stdout for result in results] == ["<q1> 1\n", "<q2> 3\n", "<q3> 6\n", "<q4> 10\n", "<q5> 15\n"]
    assert [block for block, *_ in watch.pieces] == [f"root/i1/b{n}" for n in range(1, 6)]
    assert desk.run("x").value == "15"


def test_one_that_is_begun_after_an_end_that_nobody_has_taken_yet_runs(desk: Desk) -> None:
    async def both() -> list[BlockResult]:
        first = begin(desk, "x = 1")
        await asyncio.shield(first.ended)
        return await finish(desk, first, begin(desk, "x + 1"))

    assert [result.value for result in desk.wait(both())] == [None, "2"]


def test_text_that_goes_in_a_file_is_there_until_its_block_has_run(desk: Desk) -> None:
    long = "x" * 4_000_000

    async def both() -> list[BlockResult]:
        return await finish(desk, begin(desk, "1"), begin(desk, f"len({long!r})"), begin(desk, f"len({long!r}) + 1"))

    assert [result.value for result in desk.wait(both())] == ["1", "4000000", "4000001"]


def test_time_is_counted_from_its_turn_on_and_a_timeout_is_of_one_alone(desk: Desk) -> None:
    async def all_three() -> list[BlockResult]:
        begun = [
            begin(desk, "import time\nuntil = time.monotonic() + 0.8\nwhile time.monotonic() < until: pass"),
            begin(desk, "while True: pass", timeout_s=0.5),
            begin(desk, "x = 3", timeout_s=0.5),
        ]
        return await finish(desk, *begun)

    assert [result.status for result in desk.wait(all_three())] == ["ok", "timeout", "ok"]
    assert desk.run("x").value == "3"


def test_what_is_sent_while_one_runs_that_breaks_builtins_is_read(desk: Desk) -> None:
    async def both() -> list[BlockResult]:
        watch = Watch()
        broken = "for name in ('len', 'min', 'int', 'bytearray'):\n    setattr(builtins, name, None)"
        first = begin(desk, f"import builtins, time\nprint('go', flush=True)\n{broken}\ntime.sleep(0.3)", watch)
        await watch.said("go")
        return await finish(desk, first, begin(desk, "len([1, 2])"))

    # What it does to itself by that is its own affair; the one after it runs.
    after = desk.wait(both())[1]
    assert (after.status, after.value) == ("ok", "2")


def test_one_that_ends_the_worker_ends_those_after_it_and_is_known(desk: Desk) -> None:
    async def all_three() -> tuple[list[BlockResult], list[bool]]:
        begun = [begin(desk, "x = 1"), begin(desk, "import os\nos._exit(3)"), begin(desk, "x = 2")]
        return await finish(desk, *begun), [running.over for running in begun]

    results, over = desk.wait(all_three())
    assert [result.status for result in results] == ["ok", "died", "died"]
    assert over == [True, False, False]
    assert not desk.repl.alive
    assert desk.run("1").status == "died"


def test_the_clock_of_one_that_waits_stands_while_it_is_held(desk: Desk) -> None:
    async def both() -> list[BlockResult]:
        desk.repl.hold_clock(True)
        begun = [
            begin(desk, "import time\ntime.sleep(0.6)", timeout_s=0.3),
            begin(desk, "import time\ntime.sleep(0.6)", timeout_s=0.3),
        ]
        return await finish(desk, *begun)

    assert [result.status for result in desk.wait(both())] == ["ok", "ok"]
    desk.repl.hold_clock(False)
    assert desk.run("while True: pass", timeout_s=0.3).status == "timeout"
