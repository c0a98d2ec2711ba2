"""Rung two: a running block is made to stand, looked at, evaluated in, stepped, and goes on with nothing lost."""

from __future__ import annotations

import asyncio

import pytest

from rlm_tui.repl.process import BlockResult, Looked, ReplDied, Standing
from tests.repl.desk import Desk, Watch, never
from tests.repl.standing import GO, evaluate, standing_in


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
        "import threading, time\nt = threading.Thread(target=time.sleep, args=(1e6,), daemon=True)\nt.start()\nprint('go', flush=True)\nt.join()",
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

    # A thread is one of the block's once it has begun.
    result = standing_in(desk, code if "print('go'" in code else GO + code, act)
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


def test_a_frame_without_names_of_its_own_shows_none(desk: Desk) -> None:
    seen: list[Standing] = []

    async def act(stands: Standing) -> None:
        seen.append(stands)
        await evaluate(desk, "stop.append(1)")

    code = "stop = []\ndef f():\n    print('go', flush=True)\n    while not stop: pass\nf()"
    assert standing_in(desk, code, act).status == "ok"
    assert (seen[0].frames[-1].function, seen[0].locals) == ("f", ())


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
        desk.repl._link.control({"kind": "break", "block": "root/i1/b1", "wish": 1, "again": False})
        task = asyncio.create_task(desk.execute("a = 1\nb = 2\nb"))
        await asyncio.sleep(0)  # lets `execute` send the block
        stands = await desk.repl.break_in()
        await desk.repl.go()
        return stands, await task

    stands, result = desk.wait(work())
    assert stands is not None
    assert (stands.line, result.value) == (1, "2")


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
