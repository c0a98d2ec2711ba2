"""Code that a person runs in a block that stands."""

from __future__ import annotations

import asyncio

import pytest

from rlm_tui.repl.process import BlockResult, Standing
from tests.repl.desk import Desk, Watch
from tests.repl.standing import GO, evaluate, standing_in


def test_it_is_like_a_block_in_the_frame_that_stands(desk: Desk) -> None:
    results: list[BlockResult] = []
    watch = Watch()

    async def act(_: Standing) -> None:
        for code in (
            "print('seen'); n += 1; added = [n]; del shared['a']; n",
            "[i * n for i in range(2) if (lambda: n)()]",
            "n = sum(n for _ in range(2))\nn",
            "1 +",
            "undefined",
            "shared['stop'] = 1",
        ):
            results.append(await evaluate(desk, code, on_output=watch))

    code = (
        "shared = {'a': 1}\ndef f():\n    n = 1\n    print('go', flush=True)\n"
        "    while 'stop' not in shared: pass\n    return n\nf()"
    )
    assert standing_in(desk, code, act).value == "4"
    first, *others = results
    assert (first.status, first.value, first.stdout) == ("ok", "2", "seen\n")
    assert [(v.name, v.brief) for v in first.changed] == [("added", "[2]"), ("n", "2"), ("shared", "{}")]
    assert [r.value for r in others] == ["[0, 2]", "4", None, None, None]
    assert [v.name for v in others[1].changed] == ["n"]
    assert "SyntaxError" in (others[2].error or "")
    assert (others[3].error or "").startswith('Traceback (most recent call last):\n  File "<block root/i1/b1+e1>"')
    assert watch.text() == "seen\n"


def test_a_cell_that_a_closure_changed_is_not_set_back(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        await evaluate(desk, "bump()\nother = 5\nstop.append(1)")

    code = (
        "stop = []\ndef f():\n    n, other = 0, 0\n    def bump():\n        nonlocal n\n        n += 10\n"
        "    print('go', flush=True)\n    while not stop: pass\n    return n, other\nf()"
    )
    assert standing_in(desk, code, act).value == "(10, 5)"


def test_its_output_is_its_own(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        result = await evaluate(desk, "import sys\nprint('mine')\nprint('err', file=sys.stderr)\nstop.append(1)")
        assert (result.stdout, result.stderr) == ("mine\n", "err\n")
        assert [v.name for v in result.changed] == ["stop", "sys"]

    code = (
        "import contextlib, io\nstop, kept = [], io.StringIO()\nprint('go', flush=True)\n"
        "with contextlib.redirect_stdout(kept):\n    print('kept')\n    while not stop: pass\n    print('on')\nkept.getvalue()"
    )
    result = standing_in(desk, code, act)
    assert (result.stdout, result.stderr, result.value) == ("go\n", "", "'kept\\non\\n'")


def test_it_makes_no_calls_and_declares_nothing(desk: Desk) -> None:
    errors: list[str] = []

    async def act(_: Standing) -> None:
        for code in ("llm_query('x')", "FINAL('x')", "stop.append(1)"):
            errors.append((await evaluate(desk, code)).error or "")

    result = standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nllm_query('y')", act)
    assert (result.status, result.value, result.finals) == ("ok", "'<y>'", ())
    assert ["SubcallError: NotPossible" in error for error in errors] == [True, True, False]


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)"])
def test_over_its_time_it_is_aborted_and_the_block_stands_on(desk: Desk, code: str) -> None:
    async def act(stands: Standing) -> None:
        result = await evaluate(desk, "kept = 1\n" + code, timeout_s=0.1)
        assert (result.status, [v.name for v in result.changed if v.name == "kept"]) == ("timeout", ["kept"])
        assert desk.repl.standing == stands
        assert (await evaluate(desk, "stop.append(kept)")).status == "ok"

    assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nstop", act).value == "[1]"


def test_a_caller_that_is_cancelled_aborts_it(desk: Desk) -> None:
    async def act(stands: Standing) -> None:
        watch = Watch()
        task = asyncio.create_task(evaluate(desk, "print('on it', flush=True)\nwhile True: pass", on_output=watch))
        await watch.said("on it")
        with pytest.raises(RuntimeError, match="being evaluated"):
            await desk.repl.go()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await evaluate(desk, "stop.append(1)")).status == "ok"

    assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass", act).status == "ok"


def test_what_nothing_stops_is_killed(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        result = await evaluate(desk, "sum(range(10 ** 12))", timeout_s=0.1)
        assert (result.status, "SIGKILL" in (result.error or "")) == ("timeout", True)

    assert standing_in(desk, GO + "while True: pass", act).status == "died"


def test_an_abort_of_the_block_ends_it_too(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        watch = Watch()
        task = asyncio.create_task(evaluate(desk, "print('on it', flush=True)\nwhile True: pass", on_output=watch))
        await watch.said("on it")
        await desk.repl.interrupt()
        assert (await task).status == "aborted"

    assert standing_in(desk, GO + "while True: pass", act).status == "aborted"
    assert desk.still_there()


def test_a_large_one_and_large_output(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        result = await evaluate(desk, f"big = '{'x' * 5_000_000}'\nprint(big * 4)\nlen(big)")
        assert (result.value, len(result.stdout), result.cuts["stdout"].total) == ("5000000", 1 << 24, 20_000_001)
        await evaluate(desk, "stop.append(1)")

    assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nlen(big)", act).value == "5000000"


def test_a_defect_of_the_caller_is_raised(desk: Desk) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    async def act(_: Standing) -> None:
        with pytest.raises(ZeroDivisionError, match="ours"):
            await evaluate(desk, "print(1)", on_output=broken)
        await evaluate(desk, "stop.append(1)")

    assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass", act).status == "ok"


def test_nothing_stands(desk: Desk) -> None:
    with pytest.raises(RuntimeError, match="no block stands"):
        desk.wait(evaluate(desk, "1"))
