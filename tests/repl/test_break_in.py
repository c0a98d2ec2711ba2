"""Rung two: a running block is made to stand, looked at, evaluated in, stepped, and goes on with nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rlm_tui.repl.process import BlockResult, Looked, ReplDied, Standing
from tests.repl.desk import Desk, Watch, never

GO = "print('go', flush=True)\n"


def nothing(*_: object) -> None:
    return None


def standing_in(desk: Desk, code: str, act: Callable[[Standing], Awaitable[Any]], **options: Any) -> BlockResult:
    """Run a block that prints `go`, break in to it, await `act`, let it go on if it still stands; return its end."""

    saying_go = 1 + code[: code.index("print('go'")].count("\n")

    async def broken(_: Watch) -> None:
        while (stands := await desk.repl.break_in()) and stands.line == saying_go:
            await desk.repl.go()
        assert stands is not None
        assert desk.repl.standing == stands
        await act(stands)
        await desk.repl.go()

    return desk.while_running(code, broken, **options)


async def evaluate(desk: Desk, code: str, **options: Any) -> BlockResult:
    options.setdefault("on_output", nothing)
    return await desk.repl.evaluate("root/i1/b1+e1", code, **options)


@pytest.mark.parametrize(
    ("wait", "line"),
    [
        ("while not done: pass", 2),
        ("import time\nwhile not done: time.sleep(0.01)", 3),
        ("import threading\ne = threading.Event()\nwhile not done: e.wait(0.01)", 4),
        ("import re\nwhile not done: re.match(r'(a+)+$', 'a' * 22 + 'b')", 3),
        ("while not done: 7 ** 200_000", 2),
        ("while not done:\n    try: 1 / 0\n    except BaseException: pass", None),
    ],
)
def test_it_goes_on_with_nothing_lost(desk: Desk, wait: str, line: int | None) -> None:
    desk.run("done = []")
    seen: list[Standing] = []

    async def act(stands: Standing) -> None:
        seen.append(stands)
        result = await evaluate(desk, "done.append(1)")
        assert [v.name for v in result.changed] == ["done"]

    result = standing_in(desk, GO + wait + "\nprint('the end')\n'whole'", act)
    assert (result.status, result.stdout, result.value) == ("ok", "go\nthe end\n", "'whole'")
    assert seen[0].block == "root/i1/b2"
    assert line is None or seen[0].line == line
    assert [(f.function, f.block) for f in seen[0].frames] == [("<module>", "root/i1/b2")]


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(1e6)",
        "import threading; threading.Event().wait()",
        "import threading, time\nt = threading.Thread(target=time.sleep, args=(1e6,), daemon=True)\nt.start(); t.join()",
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
        "import asyncio; asyncio.run(asyncio.sleep(1e6))",
        "while True:\n    try:\n        for _ in range(10 ** 9): str(1)\n    except Exception: pass",
    ],
)
def test_it_stands_wherever_it_waits_and_can_be_aborted_there(desk: Desk, code: str) -> None:
    async def act(stands: Standing) -> None:
        assert stands.line >= 2
        assert stands.threads == ("threading.Thread" in code)
        await desk.repl.interrupt()
        assert desk.repl.standing is None

    result = standing_in(desk, GO + code, act)
    assert result.status == "aborted"
    assert (result.error or "").endswith("BlockAborted")
    assert desk.still_there()


def test_a_reply_that_comes_while_it_stands_is_there_afterwards(desk: Desk) -> None:
    async def work() -> tuple[BlockResult, BlockResult]:
        asked, answer = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def call(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
            asked.set()
            return await answer

        task = asyncio.create_task(desk.execute("x = [1]\ny = llm_query('q')\nx.append(y)\nx", on_call=call))
        await asked.wait()
        stands = await desk.repl.break_in()
        assert stands is not None
        assert stands.line == 2
        evaluated = await evaluate(desk, "x.append(2)")
        answer.set_result("late")
        # The worker's reading thread has the reply when it has answered what was asked after it.
        await desk.repl.variables()
        assert desk.repl.standing == stands
        await desk.repl.go()
        return await task, evaluated

    result, evaluated = desk.wait(work())
    assert (result.status, result.value) == ("ok", "[1, 2, 'late']")
    assert [(v.name, v.brief) for v in evaluated.changed] == [("x", "[1, 2]")]


def test_frames_and_locals(desk: Desk) -> None:
    desk.run("def outer(n):\n    inner_list = [n]\n    return wait(inner_list)")
    seen: list[Standing] = []

    async def act(stands: Standing) -> None:
        seen.append(stands)
        await evaluate(desk, "stop = True")

    code = "def wait(given):\n    stop = False\n    print('go', flush=True)\n    while not stop: pass\n    return len(given)\nouter(7)"
    assert standing_in(desk, code, act).value == "1"
    assert [(f.line, f.function, f.block) for f in seen[0].frames] == [
        (6, "<module>", "root/i1/b2"),
        (3, "outer", "root/i1/b1"),
        (4, "wait", "root/i1/b2"),
    ]
    assert [(v.name, v.brief) for v in seen[0].locals] == [("given", "[7]"), ("stop", "False")]
    assert seen[0].line == 4


def test_nothing_of_the_models_runs_for_what_is_told(desk: Desk) -> None:
    code = (
        "ran = []\ndef bad(*a, **k):\n    ran.append(1)\n    raise ZeroDivisionError\n"
        "class Plain:\n    __repr__ = __len__ = __iter__ = __hash__ = __eq__ = __getattribute__ = bad\n"
        "class Space(dict):\n    items = keys = __getitem__ = __len__ = bad\n"
        "class Meta(type):\n    __prepare__ = classmethod(lambda *a: Space())\n"
        "def f():\n    value, deep = Plain(), [Plain()]\n    print('go', flush=True)\n    while not stop: pass\n"
        "stop = []\nf()\nlen(ran)"
    )
    rows: dict[str, str] = {}

    async def act(stands: Standing) -> None:
        rows.update({v.name: v.brief for v in stands.locals})
        await evaluate(desk, "stop.append(1)")

    assert standing_in(desk, code, act).value == "0"
    assert rows == {"value": "<Plain>", "deep": "[<Plain>]"}


def test_what_is_told_is_bounded(desk: Desk) -> None:
    seen: list[Standing] = []

    async def act(stands: Standing) -> None:
        seen.append(stands)
        await evaluate(desk, "stop.append(1)")

    code = (
        "stop = []\ndef f(n):\n    if n: return f(n - 1)\n    print('go', flush=True)\n    while not stop: pass\n"
        "for i in range(300): globals()[f'v{i}'] = 'x' * 10**6\nf(400)\n"
        "def g(): " + "; ".join(f"a{i} = {i}" for i in range(300)) + "; f(0)\ng()"
    )
    assert standing_in(desk, code, act).status == "ok"
    assert len(seen[0].frames) == 50
    assert len(seen[0].locals) == 1
    assert all(len(v.brief) <= 100 for v in seen[0].locals)


class TestEvaluate:
    def test_it_is_like_a_block_in_the_frame_that_stands(self, desk: Desk) -> None:
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

    def test_a_cell_that_a_closure_changed_is_not_set_back(self, desk: Desk) -> None:
        async def act(_: Standing) -> None:
            await evaluate(desk, "bump()\nother = 5\nstop.append(1)")

        code = (
            "stop = []\ndef f():\n    n, other = 0, 0\n    def bump():\n        nonlocal n\n        n += 10\n"
            "    print('go', flush=True)\n    while not stop: pass\n    return n, other\nf()"
        )
        assert standing_in(desk, code, act).value == "(10, 5)"

    def test_its_output_is_its_own(self, desk: Desk) -> None:
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

    def test_it_makes_no_calls_and_declares_nothing(self, desk: Desk) -> None:
        errors: list[str] = []

        async def act(_: Standing) -> None:
            for code in ("llm_query('x')", "FINAL('x')", "stop.append(1)"):
                errors.append((await evaluate(desk, code)).error or "")

        result = standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nllm_query('y')", act)
        assert (result.status, result.value, result.finals) == ("ok", "'<y>'", ())
        assert ["SubcallError: NotPossible" in error for error in errors] == [True, True, False]

    @pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(1e6)"])
    def test_over_its_time_it_is_aborted_and_the_block_stands_on(self, desk: Desk, code: str) -> None:
        async def act(stands: Standing) -> None:
            result = await evaluate(desk, "kept = 1\n" + code, timeout_s=0.1)
            assert (result.status, [v.name for v in result.changed if v.name == "kept"]) == ("timeout", ["kept"])
            assert desk.repl.standing == stands
            assert (await evaluate(desk, "stop.append(kept)")).status == "ok"

        assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nstop", act).value == "[1]"

    def test_a_caller_that_is_cancelled_aborts_it(self, desk: Desk) -> None:
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

    def test_what_nothing_stops_is_killed(self, desk: Desk) -> None:
        async def act(_: Standing) -> None:
            result = await evaluate(desk, "sum(range(10 ** 12))", timeout_s=0.1)
            assert (result.status, "SIGKILL" in (result.error or "")) == ("timeout", True)

        assert standing_in(desk, GO + "while True: pass", act).status == "died"

    def test_an_abort_of_the_block_ends_it_too(self, desk: Desk) -> None:
        async def act(_: Standing) -> None:
            watch = Watch()
            task = asyncio.create_task(evaluate(desk, "print('on it', flush=True)\nwhile True: pass", on_output=watch))
            await watch.said("on it")
            await desk.repl.interrupt()
            assert (await task).status == "aborted"

        assert standing_in(desk, GO + "while True: pass", act).status == "aborted"
        assert desk.still_there()

    def test_a_large_one_and_large_output(self, desk: Desk) -> None:
        async def act(_: Standing) -> None:
            result = await evaluate(desk, f"big = '{'x' * 5_000_000}'\nprint(big * 4)\nlen(big)")
            assert (result.value, len(result.stdout), result.cuts["stdout"].total) == ("5000000", 1 << 24, 20_000_001)
            await evaluate(desk, "stop.append(1)")

        assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass\nlen(big)", act).value == "5000000"

    def test_a_defect_of_the_caller_is_raised(self, desk: Desk) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("ours")

        async def act(_: Standing) -> None:
            with pytest.raises(ZeroDivisionError, match="ours"):
                await evaluate(desk, "print(1)", on_output=broken)
            await evaluate(desk, "stop.append(1)")

        assert standing_in(desk, "stop = []\n" + GO + "while not stop: pass", act).status == "ok"

    def test_nothing_stands(self, desk: Desk) -> None:
        with pytest.raises(RuntimeError, match="no block stands"):
            desk.wait(evaluate(desk, "1"))


class TestStep:
    CODE = (
        "def f(n):\n    m = n + 1\n    return m\n"  # 1-3
        "stop = False\nprint('go', flush=True)\nwhile not stop: pass\n"  # 4-6
        "a = f(1)\nimport json\nb = json.dumps([a])\nc = [f(i) for i in (1, 2)]\n"  # 7-10
        "for i in range(2):\n    d = i\nc\n"  # 11-13
    )

    def steps(self, desk: Desk, code: str, stop: str = "stop = True") -> tuple[list[int], BlockResult]:
        lines: list[int] = []

        async def act(_: Standing) -> None:
            await evaluate(desk, stop)
            while stands := await desk.repl.step():
                assert desk.repl.standing == stands
                lines.append(stands.line)

        return lines, standing_in(desk, code, act)

    def test_line_by_line_to_the_end(self, desk: Desk) -> None:
        lines, result = self.steps(desk, self.CODE)
        assert (result.status, result.value) == ("ok", "[2, 3]")
        without_comprehension = [line for line in lines if line != 10]
        assert without_comprehension == [6, 7, 1, 2, 3, 8, 9, 1, 2, 3, 1, 2, 3, 11, 12, 11, 12, 11, 13] or (
            without_comprehension == [6, 7, 2, 3, 8, 9, 2, 3, 2, 3, 11, 12, 11, 12, 11, 13]
        )
        assert 10 in lines

    def test_nothing_is_left_armed(self, desk: Desk) -> None:
        self.steps(desk, self.CODE)
        assert desk.run("import sys\nsys.gettrace() is None").value == "True"

        async def act(_: Standing) -> None:
            await evaluate(desk, "import sys\nstop = True")
            await desk.repl.step()

        code = "def f():\n    stop = False\n    print('go', flush=True)\n    while not stop: pass\n    return sys.gettrace()\nf() is None"
        assert standing_in(desk, code, act).value == "True"

    def test_it_returns_to_an_outer_frame(self, desk: Desk) -> None:
        code = "def f():\n    global stop\n    stop = False\n    print('go', flush=True)\n    while not stop: pass\nf()\nend = 1"
        lines, result = self.steps(desk, code, "global stop; stop = True")
        assert (result.status, lines[-1]) == ("ok", 7)

    def test_a_step_over_a_long_line_can_be_taken_back_or_broken_in_to(self, desk: Desk) -> None:
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

    def test_a_tracer_of_the_blocks_own_is_put_back(self, desk: Desk) -> None:
        async def act(_: Standing) -> None:
            await desk.repl.step()
            await evaluate(desk, "stop = True")

        code = "import sys\ndef mine(*_): return None\nsys.settrace(mine)\nstop = False\n" + GO
        result = standing_in(
            desk, code + "while not stop: pass\nkept = sys.gettrace() is mine\nsys.settrace(None)\nkept", act
        )
        assert (result.status, result.value) == ("ok", "True")


def test_its_clock_stands_while_it_stands(desk: Desk) -> None:
    """With the clock running, the evaluation alone would use the limit up."""

    async def act(_: Standing) -> None:
        wait = "import time\nend = time.monotonic() + 0.8\nwhile time.monotonic() < end: pass\nstop.append(1)"
        assert (await evaluate(desk, wait)).status == "ok"

    result = standing_in(desk, "stop = []\n" + GO + "while not stop: pass\n'done'", act, timeout_s=0.5)
    assert (result.status, result.value) == ("ok", "'done'")
    assert result.ms < 800


def test_a_limit_still_holds_afterwards(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        return None

    assert standing_in(desk, GO + "while True: pass", act, timeout_s=0.3).status == "timeout"
    assert desk.still_there()


def test_idle_there_is_nothing_to_break_in_to(desk: Desk) -> None:
    assert desk.wait(desk.repl.break_in()) is None
    assert desk.wait(desk.repl.step()) is None
    desk.wait(desk.repl.go())
    assert desk.still_there()


def test_a_block_that_ends_first(desk: Desk) -> None:
    async def work() -> list[Standing | None]:
        seen: list[Standing | None] = []
        for _ in range(20):
            task = asyncio.create_task(desk.execute("1"))
            await asyncio.sleep(0)  # lets `execute` send the block
            stands = await desk.repl.break_in()
            seen.append(stands)
            if stands:
                assert stands.line == 1
                await desk.repl.go()
            assert (await task).value == "1"
        return seen

    desk.wait(work())
    assert desk.still_there()


def test_a_bell_before_the_first_line_has_the_block_stand_there(desk: Desk) -> None:
    async def work() -> tuple[Standing | None, BlockResult]:
        task = asyncio.create_task(desk.execute("a = 1\nb = 2\nb"))
        await asyncio.sleep(0)  # lets `execute` send the block
        desk.repl._link.control({"kind": "break", "block": "root/i1/b1", "wish": 1, "again": False})
        desk.repl._link.control({"kind": "go", "block": "root/i1/b1", "wish": 0})
        stands = await desk.repl.break_in()
        await desk.repl.go()
        return stands, await task

    stands, result = desk.wait(work())
    assert result.value == "2"
    assert stands is None or stands.line in (1, 2, 3)


def test_a_wish_that_was_taken_back_stops_nothing(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        code = "import time\nend = time.monotonic() + 0.5\n" + GO + "while time.monotonic() < end: pass\n'done'"
        task = asyncio.create_task(desk.execute(code, watch))
        await watch.said("go")
        wish = asyncio.create_task(desk.repl.break_in())
        await asyncio.sleep(0)  # lets the wish be sent
        wish.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wish
        return await task

    result = desk.wait(work())
    assert (result.status, result.value, desk.repl.standing) == ("ok", "'done'", None)


def test_a_bell_for_another_block_is_ignored(desk: Desk) -> None:
    desk.run("1")

    async def ring(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
        once = iter([False])
        desk.repl._link.knock("root/i1/b1", 99, lambda: next(once, True))
        desk.repl._link.ring_once()
        return "answer"

    result = desk.run("x = llm_query('ring')\nfor _ in range(100000): pass\nx", on_call=ring)
    assert (result.status, result.value) == ("ok", "'answer'")


def test_an_unannounced_signal_is_nothing(desk: Desk) -> None:
    assert desk.run("import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)\n'on'").value == "'on'"


def test_a_block_may_defeat_it_and_the_next_one_not(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        code = "import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n" + GO + "while True: pass"
        task = asyncio.create_task(desk.execute(code, watch))
        await watch.said("go")
        wish = asyncio.create_task(desk.repl.break_in())
        await asyncio.sleep(0)
        await desk.repl.interrupt()
        assert await wish is None
        return await task

    assert desk.wait(work()).status == "aborted"

    async def act(_: Standing) -> None:
        await evaluate(desk, "stop.append(1)")

    result = standing_in(desk, "stop = []\n" + GO + "while not stop: pass", act)
    assert (result.status, result.put_back) == ("ok", ("signal.SIGUSR1",))


def test_a_kill_while_it_stands(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        await desk.repl.kill()
        assert desk.repl.standing is None
        with pytest.raises((RuntimeError, ReplDied)):
            await evaluate(desk, "1")

    assert standing_in(desk, GO + "while True: pass", act).status == "died"


def test_a_caller_that_is_cancelled_while_it_stands(desk: Desk) -> None:
    async def work() -> None:
        watch = Watch()
        task = asyncio.create_task(desk.execute("kept = 1\n" + GO + "while True: pass", watch))
        await watch.said("go")
        assert await desk.repl.break_in()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    desk.wait(work())
    assert desk.run("kept").value == "1"


def test_pages_listing_and_looks_while_it_stands(desk: Desk) -> None:
    async def act(_: Standing) -> None:
        assert await desk.repl.look("(n, [n + i for i in (1, 2)], items.append(9), items)") == Looked(
            "ok", "(5, [6, 7], None, [0, 9])"
        )
        page = await desk.repl.page("items", 0, 10)
        assert [v.brief for v in page.rows] == ["0"]
        assert (await desk.repl.page("stop", 0, 10)).total == 0
        assert {"stop", "f"} <= {v.name for v in await desk.repl.variables()}
        await evaluate(desk, "stop.append(1)")

    code = "stop = []\ndef f():\n    n, items = 5, [0]\n    print('go', flush=True)\n    while not stop: pass\n    return items\nf()"
    assert standing_in(desk, code, act).value == "[0]"


def test_break_in_while_output_is_written(desk: Desk) -> None:
    """The main thread is in the middle of a frame most of the time; every frame arrives whole."""

    async def work() -> tuple[BlockResult, int]:
        watch = Watch()
        code = GO + "for i in range(400): print(str(i % 10) * 200_000)\n'end'"
        task = asyncio.create_task(desk.execute(code, watch))
        await watch.said("go")
        count = 0
        while not task.done():
            if await desk.repl.break_in():
                count += 1
                await desk.repl.go()
            await asyncio.sleep(0)
        return await task, count

    result, count = desk.wait(work())
    assert (result.status, result.value) == ("ok", "'end'")
    assert result.stdout == ("go\n" + "".join(str(i % 10) * 200_000 + "\n" for i in range(400)))[: 1 << 24]
    assert result.cuts["stdout"].total == 3 + 400 * 200_001
    assert count > 0


def test_break_in_in_between_many_calls(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        code = GO + "total = 0\nfor i in range(300): total += len(llm_query(str(i)))\ntotal"
        task = asyncio.create_task(desk.execute(code, watch))
        await watch.said("go")
        while not task.done():
            if await desk.repl.break_in():
                await desk.repl.go()
            await asyncio.sleep(0)
        return await task

    assert desk.wait(work()).value == str(sum(len(f"<{i}>") for i in range(300)))


def test_an_abort_while_a_call_stands_open(desk: Desk) -> None:
    async def act(stands: Standing) -> None:
        assert stands.line == 2
        await desk.repl.interrupt()

    assert standing_in(desk, GO + "llm_query('x')", act, on_call=never).status == "aborted"
    assert desk.still_there()


@pytest.mark.parametrize("frame", ["b'{}'", "b'[' * 100000", "(1 << 32) - 1", 'b\'{"kind": "held", "wish": 1}\''])
def test_garbage_on_ctl_breaks_the_protocol(desk: Desk, frame: str) -> None:
    code = (
        "import os, socket\nfds = []\nfor n in range(3, 64):\n    try: fds.append(n) if os.path.samestat(os.fstat(n), os.fstat(n)) else 0\n    except OSError: pass\n"
        f"body = {frame}\n"
        "frame = body.to_bytes(4, 'big') if type(body) is int else len(body).to_bytes(4, 'big') + body\n"
        "socks = [n for n in fds if __import__('stat').S_ISSOCK(os.fstat(n).st_mode)]\n"
        "os.write(max(socks), frame)\nimport time\ntime.sleep(1e6)"
    )
    result = desk.run(code)
    assert result.status == "died"
    assert (result.error or "").startswith("the REPL died: broke the protocol: ")


def test_a_forged_standing_is_ignored(desk: Desk) -> None:
    forged = (
        '{"kind": "held", "block": "root/i1/b1", "wish": 1, "line": 1, "frames": [[1, "f", "b"]], "locals": [],'
        ' "threads": 0}'
    )
    code = (
        "import os, stat\nsocks = [n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}') and "
        "stat.S_ISSOCK(os.fstat(n).st_mode)]\n"
        f"body = {forged!r}.encode()\nos.write(max(socks), len(body).to_bytes(4, 'big') + body)\n'on'"
    )
    assert desk.run(code).value == "'on'"
    assert desk.repl.standing is None
    assert desk.still_there()
