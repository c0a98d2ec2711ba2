"""The same worker where nothing is to be had but what every system has: pipes, threads, an interrupt from inside.

What is here runs for real, with all taken away from the worker and its host that Windows does not have. How Windows
hands a handle to a process, and how macOS and Windows tell what memory one takes, is not tried here.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_tui.repl import memory, pipes
from rlm_tui.repl.launch import Spawned
from rlm_tui.repl.process import NotHere, Repl
from tests.repl import bare, test_blocks, test_calls, test_hostile, test_output, test_stopping
from tests.repl.desk import DEADLINE_S, Watch, echo
from tests.repl.forked import children
from tests.repl.plain import PlainDesk

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PlainDesk]:
    with PlainDesk(tmp_path) as desk:
        yield desk


# What holds everywhere, with this file's desk; `-m full` has all the others too.
test_value_output_and_variables = test_blocks.test_value_output_and_variables
test_put_small_and_large = test_blocks.test_put_small_and_large
test_resolve_has_a_limit = test_blocks.test_resolve_has_a_limit
test_arguments_and_answers = test_calls.test_arguments_and_answers
test_an_answer_larger_than_a_frame = test_calls.test_an_answer_larger_than_a_frame
test_calls_of_many_threads_run_at_once = test_calls.test_calls_of_many_threads_run_at_once
test_the_listing_is_answered_during_a_call = test_calls.test_the_listing_is_answered_during_a_call
test_what_was_streamed_is_what_was_kept = test_output.test_what_was_streamed_is_what_was_kept
test_raw_output_over_the_cap_is_drained_and_counted = test_output.test_raw_output_over_the_cap_is_drained_and_counted
test_stdout_printed_before_death_is_kept = test_output.test_stdout_printed_before_death_is_kept
test_forged_messages_for_others_are_ignored = test_hostile.test_forged_messages_for_others_are_ignored
test_what_does_not_stop_is_killed = test_stopping.test_what_does_not_stop_is_killed
test_kill_while_running = test_stopping.test_kill_while_running
test_timeout_keeps_the_worker = test_stopping.test_timeout_keeps_the_worker
test_abort_of_a_pool_over_sub_calls = test_stopping.test_abort_of_a_pool_over_sub_calls
test_abort_during_a_call = test_stopping.test_abort_during_a_call
test_a_late_abort_never_hits_the_next_block = test_stopping.test_a_late_abort_never_hits_the_next_block
test_an_abort_that_comes_before_the_block_begins = test_stopping.test_an_abort_that_comes_before_the_block_begins
test_an_interrupt_of_the_blocks_own_is_its_error = test_stopping.test_an_interrupt_of_the_blocks_own_is_its_error
test_the_clock_stands_while_held = test_stopping.test_the_clock_stands_while_held


def test_an_abort_keeps_what_was_reached(desk: PlainDesk) -> None:
    result = desk.abort_while_running("while True: pass", first="before = 1")
    assert (result.status, (result.error or "").splitlines()[-1]) == ("aborted", "BlockAborted")
    assert desk.run("before").value == "1"


def test_what_only_a_signal_could_wake_is_killed(desk: PlainDesk) -> None:
    result = desk.run("import time\nprint('kept', flush=True)\ntime.sleep(1e6)", timeout_s=0.1, grace_s=0.1)
    assert (result.status, result.stdout) == ("timeout", "kept\n")
    assert not desk.repl.alive


def test_what_is_not_there_is_said_in_words(desk: PlainDesk) -> None:
    async def act(_: Watch) -> None:
        with pytest.raises(NotHere, match="no signal"):
            await desk.repl.break_in()
        with pytest.raises(NotHere, match="no signal"):
            await desk.repl.step()
        assert desk.repl.standing is None
        assert [row.name for row in await desk.repl.variables()] == ["answer", "kept"]
        assert (await desk.repl.page("kept", 1, 2)).text == "bc"
        await desk.repl.interrupt()

    assert desk.abort_while_running("while True: pass", first="kept = 'abcd'").status == "aborted"
    result = desk.while_running("print('go', flush=True)\nwhile True: pass", act)
    assert result.status == "aborted"
    looked = desk.wait(desk.repl.look("kept"))
    assert (looked.status, looked.text.split(",")[0]) == ("error", "This system has no fork")


def test_a_worker_says_what_is_missing(desk: PlainDesk, tmp_path: Path) -> None:
    ready = desk.repl.ready
    assert (ready.platform, ready.level, ready.confinement) == (bare.SYSTEM, "process", "process")
    told = " ".join(ready.notices)
    for word in ("no confinement", "broken in to", "stepped", "in a copy", "not in a sleep", "Memory", "programs"):
        assert word in told
    assert all(notice.endswith(".") for notice in ready.notices)
    with PlainDesk(tmp_path, confine="off") as off:
        assert off.repl.ready.confinement == "process (confinement off)"
        assert off.repl.ready.notices == ready.notices[1:]


def test_nothing_of_linux_is_loaded_in_a_worker(desk: PlainDesk) -> None:
    code = f"import sys\n[name for name in {[*bare.MODULES, *bare.OF_OURS]!r} if sys.modules.get(name)]"
    assert desk.run(code).value == "[]"


LOADED = """
import asyncio, concurrent.futures, ctypes, mimetypes, platform, shutil, site, subprocess, sys, sysconfig, tempfile
import weakref, zoneinfo
linux = {linux}
for name in linux:
    sys.modules[name] = None
sys.platform = {system!r}
import rlm_tui.repl.birth, rlm_tui.repl.process
print([name for name in sys.modules if name in {ours} or (name in linux and sys.modules[name])])
print(rlm_tui.repl.birth.can_fork(), rlm_tui.repl.launch.PLAIN)
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_nothing_of_linux_is_loaded_by_a_host(system: str) -> None:
    ours = [*bare.OF_OURS, "rlm_tui.repl.zygote", "rlm_tui.repl.limits", "rlm_tui.repl.memory"]
    linux = ["resource", "fcntl", "grp", "pwd", "termios", "tty", "pty", "_posixsubprocess", "_posixshmem"]
    code = LOADED.format(linux=linux, ours=ours, system=system)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", f"False {system == 'win32'}"], done.stderr


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def threads() -> int:
    return sum(thread.name == "rlm-tui-pipe" for thread in threading.enumerate())


def wait_until_closed(count: int) -> None:
    """Wait until the threads have ended, and closed what they had open."""
    end = time.monotonic() + DEADLINE_S
    while descriptors() > count or threads():
        assert time.monotonic() < end, (descriptors(), count, threads())
        time.sleep(0.01)


def test_nothing_is_left_after_many_workers(tmp_path: Path) -> None:
    endings = ["1", "import os; os._exit(1)", "import os; os.closerange(0, 256)", "print('x' * 3_000_000)"]

    async def many(desk: PlainDesk) -> None:
        before = descriptors()
        for i in range(12):
            repl = await Repl.start(desk.config, desk.source)
            await repl.put("context", "c" * 20_000_000 if i == 0 else "c")
            await repl.execute("b", endings[i % 4], on_output=lambda *_: None, on_call=echo)
            await repl.close()
            await repl.close()
        unused = Spawned(desk.config, plain=True)
        unused.kill()
        unused.lines.close()
        unused.lines.close()
        unused.remove_scratch()
        # Those of the desk's own worker stay.
        while threads() > 4 or descriptors() > before:
            await asyncio.sleep(0.01)

    known, before = children(), descriptors()
    with PlainDesk(tmp_path) as desk:
        desk.wait(many(desk))
    wait_until_closed(before)
    for pid in children() - known:  # the one that never was connected has nobody who reaps it
        assert os.waitpid(pid, 0)[0] == pid
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = descriptors()
    with PlainDesk(tmp_path) as desk:
        inside = descriptors()
        monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
        with pytest.raises(FileNotFoundError):
            desk.wait(Repl.start(desk.config, desk.source))
        with pytest.raises(FileNotFoundError):
            Spawned(desk.config, plain=True)
        assert descriptors() == inside
    wait_until_closed(before)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_goes_on_keeps_no_thread(tmp_path: Path) -> None:
    """It has the worker's stdout, which so never comes to an end."""
    before = descriptors()
    with PlainDesk(tmp_path) as desk:
        sleeper = "import sys, time; print('still', flush=True); time.sleep(1e6)"
        code = f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {sleeper!r}])\nchild.pid"
        watch = Watch()

        async def start() -> int:
            result = await desk.execute(code, watch)
            await watch.until(lambda watch: "still" in watch.text("raw") + watch.text("raw", late=True))
            return int(result.value or "")

        pid = desk.wait(start())
    try:
        wait_until_closed(before)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_process_output_that_never_ends_stops_nothing(desk: PlainDesk) -> None:
    flood = "def f():\n    while not stop: os.write(1, b'x' * 60_000)\n"
    code = f"import os, threading\nstop = []\n{flood}threading.Thread(target=f, daemon=True).start()"
    assert desk.run(code).status == "ok"
    assert desk.run("sum(range(1000))").value == "499500"
    assert desk.abort_while_running("while True: pass").status == "aborted"
    assert desk.run("stop.append(1)").status == "ok"


@pytest.mark.parametrize("code", ["while True: pass", "llm_query('x')", "time.sleep(1e6)"])
def test_no_worker_outlives_its_host(tmp_path: Path, code: str) -> None:
    host = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from tests.repl.desk import never
        from tests.repl.plain import PlainDesk

        def output(block, stream, text, late):
            sys.stdout.write(text)
            sys.stdout.flush()

        with PlainDesk(Path({str(tmp_path)!r})) as desk:
            code = "import os, time\\nprint(os.getpid(), flush=True)\\n" + {code!r}
            desk.run(code, on_output=output, on_call=never)
        """
    )
    with subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        worker = os.pidfd_open(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
    assert select.select([worker], [], [], DEADLINE_S)[0], "the worker has outlived its host"
    os.close(worker)


def test_a_worker_over_its_memory_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[memory.Watch] = []
    end = memory.Watch.end
    monkeypatch.setattr(memory.Watch, "end", lambda self: (ended.append(self), end(self)))
    with PlainDesk(tmp_path, memory_bytes=200 << 20) as desk:
        assert desk.run("kept = b'x' * (100 << 20)").status == "ok"
        result = desk.run("import time\nprint('more', flush=True)\nmuch = b'x' * (150 << 20)\ntime.sleep(1e6)")
        assert (result.status, result.stdout) == ("died", "more\n")
        assert result.error == "the REPL died: the REPL's memory limit of 200 MiB is reached"
        # Of the worker that told what is true of all, and of this one: a number may be another's afterwards.
        assert len(set(ended)) == 2


def test_memory_in_words_and_structures() -> None:
    assert [memory.in_words(count) for count in (2 << 30, 300 << 20, 1536 << 20)] == ["2 GiB", "300 MiB", "1536 MiB"]
    assert memory.taken(os.getpid() if memory.taken(1 << 30) is None else 0)
    # As the manuals have it, where a pointer takes eight bytes.
    assert (ctypes.sizeof(memory._Usage), memory._Usage.footprint.offset) == (96, 72)
    assert (ctypes.sizeof(memory._Counters), memory._Counters.promised.offset) == (72, 56)


def test_process_output_comes_before_what_was_said_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is slow to be read: here, until what was said has come, or the wait for it has begun."""
    order: list[bytes] = []
    read = pipes._read

    async def work() -> None:
        lines, said = pipes.PipeLines(), asyncio.Event()

        def slow(descriptor: int) -> bytes:
            data = read(descriptor)
            while descriptor == lines._from_raw and not order and not lines._marks._written:
                time.sleep(0.001)
            return data

        def take(data: bytes) -> None:
            order.append(data)
            said.set()

        monkeypatch.setattr(pipes, "_read", slow)
        os.write(lines.ends.raw, b"raw")
        os.write(lines.ends.rpc[1], b"said")
        await lines.connect(take, take, order.append, lambda: None)
        await said.wait()
        lines.handed_over()
        lines.close()

    before = descriptors()
    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))
    wait_until_closed(before)
    assert order == [b"raw", b"said"]


def test_only_so_much_waits_for_a_loop_that_is_busy() -> None:
    received: list[bytes] = []
    whole = b"x" * (4 * pipes.PIECES * pipes.READ)

    async def work() -> None:
        lines, all_there = pipes.PipeLines(), asyncio.Event()

        def take(data: bytes) -> None:
            received.append(data)
            if sum(map(len, received)) >= len(whole):
                all_there.set()

        def write() -> None:
            rest = whole
            while rest:
                rest = rest[os.write(lines.ends.raw, rest) :]

        await lines.connect(take, take, take, lambda: None)
        writer = threading.Thread(target=write)
        writer.start()
        end = time.monotonic() + DEADLINE_S
        while lines._room[1]._value and time.monotonic() < end:
            time.sleep(0.001)  # the loop is busy with this
        assert lines._room[1]._value == 0
        assert received == []
        await all_there.wait()
        writer.join()
        lines.handed_over()
        lines.close()

    before = descriptors()
    asyncio.run(asyncio.wait_for(work(), DEADLINE_S))
    wait_until_closed(before)
    assert b"".join(received) == whole


@given(st.lists(st.binary(max_size=60), max_size=6), st.data())
def test_marks_are_found_however_they_are_cut(texts: list[bytes], data: st.DataObject) -> None:
    marks = pipes._Marks(-1)
    texts = [text.replace(b"?", marks._mark[: len(text) % 33]) for text in texts]
    whole = b"".join(text + marks._mark for text in texts)
    said, kept, met = b"", b"", 0
    while whole:
        size = data.draw(st.integers(1, 40))
        part, whole = whole[:size], whole[size:]
        text, kept, count = marks.found(kept + part)
        said, met = said + text, met + count
        assert len(kept) < len(marks._mark)
    assert (said, kept, met) == (b"".join(texts), b"", len(texts))
