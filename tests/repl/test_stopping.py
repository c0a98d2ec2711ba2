"""The ladder: time limits, abort, kill."""

from __future__ import annotations

import asyncio

import pytest

from rlm_tui.repl.process import BlockResult
from tests.repl.desk import Desk, Watch, echo, never

ENDLESS = [
    "while True: pass",
    "while True: print(1)",
    "import time; time.sleep(1e6)",
    "import threading; threading.Event().wait()",
    "import threading, time\nt = threading.Thread(target=time.sleep, args=(1e6,), daemon=True)\nt.start()\nt.join()",
    "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
    "7 ** (10 ** 8)",
    "import asyncio; asyncio.run(asyncio.sleep(1e6))",
]


@pytest.mark.parametrize("code", ENDLESS)
def test_abort_keeps_the_worker_and_its_variables(desk: Desk, code: str) -> None:
    result = desk.abort_while_running(code, first="before = 1")
    assert result.status == "aborted"
    assert (result.error or "").endswith("BlockAborted")
    assert desk.run("print(before)").stdout == "1\n"


@pytest.mark.parametrize(
    "code",
    [
        "sum(range(10 ** 12))",
        # So deep that what is raised between two tries is still inside another.
        "def resist(depth):\n    while True:\n        try:\n            while not depth: pass\n"
        "            resist(depth - 1)\n        except BaseException: pass\nresist(50)",
        "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nwhile True: pass",
    ],
)
def test_what_does_not_stop_is_killed(desk: Desk, code: str) -> None:
    result = desk.run("print('kept')\n" + code, timeout_s=0.1, grace_s=0.1)
    assert result.status == "timeout"
    assert "SIGKILL" in (result.error or "")
    assert not desk.repl.alive


def test_kill_while_running(desk: Desk) -> None:
    async def kill(_: Watch) -> None:
        await desk.repl.kill()

    result = desk.while_running("print('go', flush=True)\nsum(range(10 ** 12))", kill)
    assert (result.status, result.stdout) == ("died", "go\n")
    assert result.error == "the REPL died: killed by signal 9 (SIGKILL)"


def test_our_handler_is_put_back(desk: Desk) -> None:
    desk.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert desk.run("1").put_back == ("signal.SIGINT",)
    assert desk.abort_while_running("while True: pass").status == "aborted"
    desk.run("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})")
    assert desk.abort_while_running("while True: pass").status == "aborted"


def test_a_masked_signal_still_stops_the_block(desk: Desk) -> None:
    """Another thread of the worker lets it through."""
    code = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\nwhile True: pass"
    result = desk.run(code, timeout_s=0.1)
    assert result.status == "timeout"
    assert desk.still_there()


def test_timeout_keeps_the_worker(desk: Desk) -> None:
    result = desk.run("x = 1\nwhile True: pass", timeout_s=0.1)
    assert result.status == "timeout"
    assert desk.run("x").value == "1"


def test_abort_of_a_pool_over_sub_calls(desk: Desk) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool:\n    list(pool.map(llm_query, map(str, range(20))))"
    )
    cancelled: list[str] = []

    async def work() -> BlockResult:
        waiting = asyncio.Event()

        async def call(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
            assert isinstance(prompt, str)
            waiting.set()
            try:
                return await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                cancelled.append(prompt)
                raise

        task = asyncio.create_task(desk.execute(code, on_call=call))
        await waiting.wait()
        await desk.repl.interrupt()
        return await task

    assert desk.wait(work()).status == "aborted"
    assert cancelled
    assert desk.still_there()


def test_abort_during_a_call(desk: Desk) -> None:
    result = desk.abort_while_running("llm_query('x')", on_call=never)
    assert result.status == "aborted"
    assert desk.still_there()


def test_a_late_abort_never_hits_the_next_block(desk: Desk) -> None:
    assert desk.abort_while_running("while True: pass").status == "aborted"

    async def ring() -> None:
        once = iter([False])
        desk.repl._link.abort("root/i1/b1", lambda: next(once, True))

    async def ring_often(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
        for _ in range(20):
            await ring()
        return "answer"

    desk.wait(ring())
    assert desk.run("sum(range(1000))").value == "499500"
    result = desk.run("x = llm_query('ring')\nfor _ in range(100000): pass\nx", on_call=ring_often)
    assert (result.status, result.value) == ("ok", "'answer'")
    assert desk.abort_while_running("while True: pass").status == "aborted"


def test_a_bell_rung_again_does_not_disturb_the_clean_up(desk: Desk) -> None:
    """The clean-up lasts longer than it takes to ring for the second and third time."""
    wait = "end = time.monotonic() + 0.4\n    while time.monotonic() < end: pass"
    code = f"import time\ntry:\n    print('go', flush=True)\n    while True: pass\nfinally:\n    {wait}\n    clean = 1"

    async def abort(_: Watch) -> None:
        await desk.repl.interrupt()

    assert desk.while_running(code, abort).status == "aborted"
    assert desk.run("clean").value == "1"


def test_an_abort_that_comes_before_the_block_begins(desk: Desk) -> None:
    async def work() -> BlockResult:
        task = asyncio.create_task(desk.execute("x = 1\nwhile True: pass"))
        await asyncio.sleep(0)  # lets `execute` send the block
        await desk.repl.interrupt()
        return await task

    assert desk.wait(work()).status == "aborted"
    assert desk.still_there()


def test_interrupt_of_an_idle_worker_does_nothing(desk: Desk) -> None:
    desk.wait(desk.repl.interrupt())
    assert desk.still_there()


@pytest.mark.parametrize("code", ["raise KeyboardInterrupt", "import os, signal; os.kill(os.getpid(), signal.SIGINT)"])
def test_an_interrupt_of_the_blocks_own_is_its_error(desk: Desk, code: str) -> None:
    result = desk.run(code + "\nwhile True: pass")
    assert result.status == "error"
    assert (result.error or "").endswith("KeyboardInterrupt")
    assert desk.still_there()


def test_cancelling_the_caller_aborts_the_block(desk: Desk) -> None:
    async def work() -> None:
        watch = Watch()
        task = asyncio.create_task(desk.execute("x = 1\nprint('go', flush=True)\nwhile True: pass", watch))
        await watch.said("go")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    desk.wait(work())
    assert desk.run("x").value == "1"


def test_cancelling_the_caller_kills_what_does_not_stop(desk: Desk) -> None:
    async def work() -> None:
        watch = Watch()
        code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass"
        task = asyncio.create_task(desk.execute(code, watch, grace_s=0.1))
        await watch.said("go")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    desk.wait(work())
    assert not desk.repl.alive


def test_the_clock_stands_while_a_call_is_open(desk: Desk) -> None:
    """With the clock running, the call alone would use the limit up twice over."""

    async def slow(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
        await asyncio.sleep(1.0)
        return "late"

    result = desk.run("llm_query('x')", on_call=slow, timeout_s=0.5)
    assert (result.status, result.value) == ("ok", "'late'")


def test_the_clock_stands_while_held(desk: Desk) -> None:
    async def work() -> BlockResult:
        watch = Watch()
        desk.repl.hold_clock(True)
        wait = "end = time.monotonic() + 0.6\nwhile time.monotonic() < end: pass"
        code = f"import time\n{wait}\nprint('done')\nwhile True: pass"
        task = asyncio.create_task(desk.execute(code, watch, timeout_s=0.3))
        await watch.said("done")
        desk.repl.hold_clock(False)
        return await task

    result = desk.wait(work())
    assert (result.status, result.stdout) == ("timeout", "done\n")


def test_two_blocks_at_once_are_refused(desk: Desk) -> None:
    async def second(_: Watch) -> None:
        with pytest.raises(RuntimeError, match="running"):
            await desk.execute("2")
        await desk.repl.interrupt()

    assert desk.while_running("print('go', flush=True)\nwhile True: pass", second).status == "aborted"


def test_a_defect_of_the_caller_is_raised(desk: Desk) -> None:
    async def broken(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        desk.run("llm_query('x')", on_call=broken)
    assert desk.run("llm_query('x')", on_call=echo).value == "'<x>'"
