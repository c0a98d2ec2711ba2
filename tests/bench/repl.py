"""Workers: how they are born, how far away they are, what a block costs in one, and what is left of many."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from rlm_tui.repl.birth import Source, open_source
from rlm_tui.repl.process import Conditions, Repl, ReplConfig
from tests.bench.table import Row

NAMES = {"llm_query": "ask", "FINAL": "final"}
BLOCK = "total = sum(n * n for n in range(100))\nprint(total)"
LOOP = "x = 0\nfor i in range(5_000_000):\n    x += i & 3\n"
MB = 1 << 20
T = TypeVar("T")

STANDING = {
    "a loop": "while True: pass",
    "time.sleep": "import time\ntime.sleep(1e6)",
    "Event.wait": "import threading\nthreading.Event().wait()",
    "a regular expression": "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a sub-call": "llm_query('never')",
}


def rows() -> Iterator[Row]:
    yield from _births()
    yield from _round_trips()
    yield from _computing()
    yield from _stops()
    yield from _large_context()
    yield from _many()


async def _answer(*_: object) -> str:
    return "y"


async def _never(*_: object) -> str:
    return await asyncio.get_running_loop().create_future()


async def _block(
    repl: Repl, code: str = BLOCK, on_call: Callable[..., Awaitable[str]] = _answer, name: str = "b"
) -> None:
    result = await repl.execute(name, code, on_output=lambda *_: None, on_call=on_call)
    assert result.status in ("ok", "aborted"), result.error


def _with_source(act: Callable[[Source], Awaitable[T]]) -> T:
    async def work() -> T:
        source = await open_source(Conditions())
        try:
            return await act(source)
        finally:
            await source.close()

    return asyncio.run(work())


def _ms(times: list[float]) -> float:
    return statistics.median(times) * 1000


def _births() -> Iterator[Row]:
    config = ReplConfig(NAMES)
    bare = BareForks()

    async def forked(source: Source) -> tuple[list[float], list[float]]:
        ours: list[float] = []
        floor: list[float] = []
        for _ in range(100):
            floor.append(bare.one())
            began = time.perf_counter()
            repl = await Repl.start(config, source)
            await _block(repl)
            ours.append(time.perf_counter() - began)
            await repl.close()
        return ours, floor

    ours, floor = _with_source(forked)
    bare.close()
    yield Row("fork a child to the end of its first block", _ms(ours), "ms", _ms(floor), "os.fork, exec of it, wait")

    # As installed, where a worker's own parts are compiled beforehand.
    sys.dont_write_bytecode = False

    async def spawned() -> tuple[list[float], list[float], list[float]]:
        ours: list[float] = []
        whole: list[float] = []
        floor: list[float] = []
        for _ in range(30):
            began = time.perf_counter()
            subprocess.run([os.path.realpath(sys.executable), "-S", "-s", "-c", ""], check=True)
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            repl = await Repl.start(config)
            ours.append(time.perf_counter() - began)
            await _block(repl)
            whole.append(time.perf_counter() - began)
            await repl.close()
        return ours, whole, floor

    ours, whole, floor = asyncio.run(spawned())
    bare_name = "a bare interpreter, -S -s"
    yield Row("spawn a worker until it is ready", _ms(ours), "ms", _ms(floor), bare_name)
    yield Row("… to the end of a block sent at once", _ms(whole), "ms", _ms(floor), bare_name)

    async def opened() -> tuple[float, float]:
        began = time.perf_counter()
        source = await open_source(Conditions())
        took = time.perf_counter() - began
        repl = await Repl.start(config, source)
        await _block(repl)
        whole = time.perf_counter() - began
        await repl.close()
        await source.close()
        return took, whole

    both = [asyncio.run(opened()) for _ in range(15)]
    yield Row("open a source: a zygote until it is ready", _ms([took for took, _ in both]), "ms", _ms(floor), bare_name)
    yield Row("… to the end of a block sent at once", _ms([whole for _, whole in both]), "ms", _ms(floor), bare_name)


class BareForks:
    """A process as large as a zygote that forks, executes the block and waits, and says how long that took."""

    CODE = (
        "import os, sys, time\nfor name in {names!r}.split(): __import__(name)\n"
        "code = {code!r}\ndevnull = os.open('/dev/null', os.O_WRONLY)\nfor _ in sys.stdin:\n"
        "    began = time.perf_counter()\n    pid = os.fork()\n"
        "    if not pid:\n        os.dup2(devnull, 1)\n        exec(code, {{}})\n        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n    print(time.perf_counter() - began, flush=True)\n"
    )

    def __init__(self) -> None:
        from rlm_tui.repl.nest import PRELOADED

        code = self.CODE.format(names=PRELOADED, code=BLOCK)
        self._process = subprocess.Popen(
            [os.path.realpath(sys.executable), "-S", "-s", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def one(self) -> float:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def _round_trips() -> Iterator[Row]:
    async def measure(source: Source) -> tuple[list[float], list[float], list[float]]:
        repl = await Repl.start(ReplConfig(NAMES), source)
        blocks: list[float] = []
        calls: list[float] = []
        for number in range(1000):
            began = time.perf_counter()
            await _block(repl, "x = 1", name=f"b{number}")
            blocks.append(time.perf_counter() - began)
        code = (
            "import time\ntimes = []\nfor _ in range(1000):\n    began = time.perf_counter()\n    llm_query('x')\n"
            "    times.append(time.perf_counter() - began)\nFINAL(sorted(times)[500])"
        )
        result = await repl.execute("calls", code, on_output=lambda *_: None, on_call=_answer)
        calls.append(float(result.finals[0].text))
        await repl.close()
        return blocks, calls, [await _echo() for _ in range(3)]

    blocks, calls, floor = _with_source(measure)
    yield Row("a block there and back, median of 1,000", _ms(blocks), "ms", _ms(floor), "a line through cat and back")
    yield Row("a sub-call there and back, median of 1,000", _ms(calls), "ms", _ms(floor), "a line through cat and back")


async def _echo() -> float:
    cat = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    assert cat.stdin and cat.stdout
    times: list[float] = []
    for _ in range(300):
        began = time.perf_counter()
        cat.stdin.write(b"x\n")
        await cat.stdout.readline()
        times.append(time.perf_counter() - began)
    cat.stdin.close()
    await cat.wait()
    return statistics.median(times)


def _computing() -> Iterator[Row]:
    bare_code = f"import time\nbegan = time.process_time()\nexec({LOOP!r}, {{}})\nprint(time.process_time() - began)"

    def bare() -> float:
        command = [os.path.realpath(sys.executable), "-S", "-s", "-c", bare_code]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    async def measure(source: Source) -> tuple[list[float], list[float]]:
        repl = await Repl.start(ReplConfig(NAMES), source)
        ours: list[float] = []
        floor: list[float] = []
        for number in range(7):
            floor.append(bare())
            result = await repl.execute(f"b{number}", LOOP, on_output=lambda *_: None, on_call=_answer)
            ours.append(result.cpu_ms / 1000)
        await repl.close()
        return ours, floor

    ours, floor = _with_source(measure)
    # The least of several: what is above it is the machine's.
    name = "a block of 5 million steps, processor time"
    yield Row(name, min(ours) * 1000, "ms", min(floor) * 1000, "the same in a bare interpreter")


def _stops() -> Iterator[Row]:
    async def one(repl: Repl, code: str, name: str) -> float:
        said = asyncio.Event()
        running = asyncio.create_task(
            repl.execute(name, f"print('go', flush=True)\n{code}", on_output=lambda *_: said.set(), on_call=_never)
        )
        await said.wait()
        await asyncio.sleep(0.02)  # it prints a moment before it stands where it is to be stopped
        began = time.perf_counter()
        await repl.interrupt()
        result = await running
        assert result.status == "aborted", result
        return time.perf_counter() - began

    async def measure(source: Source) -> dict[str, list[float]]:
        repl = await Repl.start(ReplConfig(NAMES), source)
        times = {
            what: [await one(repl, code, f"{what}-{number}") for number in range(9)] for what, code in STANDING.items()
        }
        await repl.close()
        return times

    times = _with_source(measure)
    bare = [_bare_stop() for _ in range(9)]
    for what, took in times.items():
        yield Row(f"abort a block in {what}", _ms(took), "ms", _ms(bare), "SIGINT to a bare interpreter's end")


def _bare_stop() -> float:
    command = [os.path.realpath(sys.executable), "-S", "-s", "-c", "print(1, flush=True)\nwhile True: pass"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.02)
        began = time.perf_counter()
        process.send_signal(signal.SIGINT)
        process.wait()
        return time.perf_counter() - began


def _large_context() -> Iterator[Row]:
    context = "line of text\n" * (100 * MB // 13)

    async def measure(source: Source) -> tuple[float, float, float, float]:
        small = await _first(source)
        began = time.perf_counter()
        await source.give("context", context)
        given = time.perf_counter() - began
        large = statistics.median([await _first(source) for _ in range(5)])
        repl = await Repl.start(ReplConfig(NAMES), source)
        await repl.inherit("context")
        result = await repl.execute(
            "b",
            "import os\ncontext.count('text')\nFINAL(os.getpid())",
            on_output=lambda *_: None,
            on_call=_answer,
        )
        private = _private(int(result.finals[0].text))
        await repl.close()
        return given, small, large, private

    async def _first(source: Source) -> float:
        began = time.perf_counter()
        repl = await Repl.start(ReplConfig(NAMES), source)
        await _block(repl)
        took = time.perf_counter() - began
        await repl.close()
        return took

    given, small, large, private = _with_source(measure)
    yield Row("give 100 MB of text to the zygote, once", given * 1000, "ms")
    yield Row("fork with it, to the first block", large * 1000, "ms", small * 1000, "before it was given")
    yield Row("private memory of a worker that has read it", private / MB, "MB", 100, "its size")


def _private(pid: int) -> int:
    found = re.search(r"^Private_Dirty: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _many() -> Iterator[Row]:
    count = 1000

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def processes() -> int:
        tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
        return sum(len((task / "children").read_text().split()) for task in tasks)

    async def measure(root: Path) -> float:
        source = await open_source(Conditions(scratch_root=root))
        turn = asyncio.Semaphore(8)

        async def one() -> None:
            async with turn:
                repl = await Repl.start(ReplConfig(NAMES), source)
                await _block(repl, "open('f', 'w').write('x')")
                await repl.close()

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        took = time.perf_counter() - began
        await source.close()
        return took

    before = descriptors(), processes()
    bare = BareForks()
    floor = sum(bare.one() for _ in range(count))
    bare.close()
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder)))
        left = len(list(Path(folder).rglob("*")))
    yield Row(f"{count:,} children, eight at a time", took, "s", floor, "as many bare forks, one by one")
    yield Row(
        "… processes, descriptors and folders they left",
        processes() - before[1] + descriptors() - before[0] + left,
        "left",
    )
