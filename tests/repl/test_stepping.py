"""A block that stands goes on to its next line, and no further."""

from __future__ import annotations

import asyncio

import pytest

from rlm_tui.repl.process import BlockResult, Standing
from tests.repl.desk import Desk, Watch
from tests.repl.standing import GO, evaluate, standing_in

CODE = (
    "def f(n):\n    m = n + 1\n    return m\n"  # 1-3
    "stop = False\nprint('go', flush=True)\nwhile not stop: pass\n"  # 4-6
    "a = f(1)\nimport json\nb = json.dumps([a])\nc = [f(i) for i in (1, 2)]\n"  # 7-10
    "for i in range(2):\n    d = i\nc\n"  # 11-13
)


def steps(desk: Desk, code: str, stop: str = "stop = True") -> tuple[list[int], BlockResult]:
    lines: list[int] = []

    async def act(_: Standing) -> None:
        await evaluate(desk, stop)
        while stands := await desk.repl.step():
            assert desk.repl.standing == stands
            lines.append(stands.line)

    return lines, standing_in(desk, code, act)


def test_line_by_line_to_the_end(desk: Desk) -> None:
    lines, result = steps(desk, CODE)
    assert (result.status, result.value) == ("ok", "[2, 3]")
    # How often a loop on one line and a comprehension are stood at differs between versions of Python.
    assert [line for line in lines if line not in (6, 10)] == [7, 2, 3, 8, 9, 2, 3, 2, 3, 11, 12, 11, 12, 11, 13]
    assert 10 in lines


def test_nothing_is_left_armed(desk: Desk) -> None:
    steps(desk, CODE)
    assert desk.run("import sys\nsys.gettrace() is None").value == "True"

    async def act(_: Standing) -> None:
        await evaluate(desk, "import sys\nstop = True")
        await desk.repl.step()

    code = "def f():\n    stop = False\n    print('go', flush=True)\n    while not stop: pass\n    return sys.gettrace()\nf() is None"
    assert standing_in(desk, code, act).value == "True"


def test_it_returns_to_an_outer_frame(desk: Desk) -> None:
    code = "def f():\n    global stop\n    stop = False\n    print('go', flush=True)\n    while not stop: pass\nf()\nend = 1"
    lines, result = steps(desk, code, "global stop; stop = True")
    assert (result.status, lines[-1]) == ("ok", 7)


def test_a_step_over_a_long_line_can_be_taken_back_or_broken_in_to(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        first = "import threading; stop, more = False, threading.Event()\n"
        code = first + GO + "while not stop: pass\nmore.wait()\nend = 1\nend"
        task = asyncio.create_task(desk.execute(code, watch))
        await watch.said("go")
        await desk.repl.break_in()
        await evaluate(desk, "stop = True")
        while (stands := await desk.repl.step()) and stands.line != 4:
            pass
        step = asyncio.create_task(desk.repl.step())
        await asyncio.sleep(0)  # lets the step be sent
        again = await desk.repl.break_in()
        assert again is not None
        assert (again.line, await step) == (4, again)
        taken_back = asyncio.create_task(desk.repl.step())
        await asyncio.sleep(0)
        taken_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taken_back
        assert await desk.repl.break_in()
        await evaluate(desk, "more.set()")
        await desk.repl.go()
        return await task

    assert desk.wait(work()).value == "1"


def test_a_tracer_of_the_blocks_own_is_put_back(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        await desk.repl.step()
        await evaluate(desk, "stop = True")

    code = "import sys\ndef mine(*_): return None\nsys.settrace(mine)\nstop = False\n" + GO
    result = standing_in(
        desk, code + "while not stop: pass\nkept = sys.gettrace() is mine\nsys.settrace(None)\nkept", act
    )
    assert (result.status, result.value) == ("ok", "True")
