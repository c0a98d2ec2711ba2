"""Workers that are forked: what they share, what they do not, and what is left of them."""

from __future__ import annotations

import asyncio
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rlm_tui.repl import birth
from rlm_tui.repl.birth import open_source
from rlm_tui.repl.policy import ConfinementError, bwrap_refusal
from rlm_tui.repl.process import Conditions, Repl, ReplConfig, ReplDied
from tests.repl.desk import DEADLINE_S, NAMES, Desk
from tests.repl.forked import ForkedDesk, children

pytestmark = pytest.mark.skipif(not birth.can_fork(), reason="workers are not forked on this system")

ROOT = Path(__file__).parents[2]
MB = 1 << 20


def private_dirty(pid: int) -> int:
    found = re.search(r"^Private_Dirty: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def zygote_of(known: set[int]) -> int:
    (zygote,) = children() - known
    return zygote


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not ready():
            await asyncio.sleep(0)


def test_a_given_value_is_shared_uncopied(tmp_path: Path) -> None:
    known = children()
    with ForkedDesk(tmp_path) as desk:
        zygote = zygote_of(known)
        desk.wait(desk.source.give("context", "line of text\n" * (100 * MB // 13)))
        assert 100 * MB < private_dirty(zygote) < 150 * MB
        look = "print(context.count('text'), len(context) // 13)"
        root = desk.another()
        killed = desk.another()
        desk.wait(killed.kill())
        rebuilt = desk.another()
        for repl in (root, rebuilt):
            desk.wait(repl.inherit("context"))
            assert desk.ask(repl, look).split() == [str(100 * MB // 13)] * 2
            assert private_dirty(desk.number(repl)) < 25 * MB
        desk.wait(root.put("copy", "x" * 100 * MB))
        assert private_dirty(desk.number(root)) > 100 * MB
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_values_of_every_kind_are_given(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "é\ud800"], "b": {}}
    with ForkedDesk(tmp_path) as desk:
        desk.wait(desk.source.give("table", value))
        desk.wait(desk.source.give("text", "\ud800\r\nx"))
        desk.wait(desk.source.give("text", "\r\n\udfff"))
        repl = desk.another(restore=frozenset({"table"}))
        for name in ("table", "text"):
            desk.wait(repl.inherit(name))
        told = desk.ask(repl, "print(ascii((table, text)))\ntable = 1")
        assert told == ascii((value, "\r\n\udfff")) + "\n"
        assert desk.ask(repl, "print(table['b'])") == "{}\n"
        with pytest.raises(TypeError):
            desk.wait(desk.source.give("function", len))
        assert desk.number(desk.another())


SAME = """
import os, random, resource, signal, sys, threading, warnings
print(list({'a', 'b', 'c', 'd', 'e', 'f', frozenset('gh')}), hash('x'), hash(b'x'))
print(random.random(), random.gauss(0, 1), random.sample(range(1000), 5))
print(sys.flags, sys.argv, sys.path, sys.getrecursionlimit(), sys.getswitchinterval(), sys.orig_argv[1:5])
print({name: os.environ[name] for name in sorted(os.environ) if name not in ('HOME', 'TMPDIR')})
print([(s.name, str(signal.getsignal(s)).split(' at ')[0]) for s in signal.Signals])
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.set_wakeup_fd(-1), threading.active_count(), __name__)
print([resource.getrlimit(getattr(resource, n)) for n in ('RLIMIT_AS', 'RLIMIT_NOFILE', 'RLIMIT_FSIZE', 'RLIMIT_CORE')])
print(warnings.filters, os.getcwd() == os.environ['HOME'] == os.environ['TMPDIR'], os.umask(0), os.getpriority(0, 0))
found = []
for n in range(1024):
    try: found.append((os.fstat(n).st_mode, os.get_inheritable(n)))
    except OSError: pass
print(found)
"""


def test_a_forked_worker_is_as_a_spawned_one(tmp_path: Path) -> None:
    settings = {"hash_seed": 7, "time_zone": "Europe/Lisbon", "seed": "run/root/i1"}
    with Desk(tmp_path, **settings) as spawned, ForkedDesk(tmp_path, **settings) as forked:
        other = forked.another(seed="run/root/i2")
        told = spawned.run(SAME).stdout
        assert forked.run(SAME).stdout == told
        lines = forked.ask(other, SAME).splitlines()
        assert [new == old for new, old in zip(lines, told.splitlines(), strict=True)][:3] == [True, False, True]


def test_a_forked_worker_is_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    with ForkedDesk(tmp_path, confine="off") as desk:
        desk.another()
        told = desk.run(
            "import os\nprint(os.getsid(0) == os.getpgid(0) == os.getpid(), sorted(os.listdir('/proc/self/fd'))[:-1])\n"
            "print('sk-planted' in open('/proc/self/environ').read() + str(os.environ), os.listdir('.'))\n"
            "try: import rlm_tui\nexcept ImportError as e: print(e)"
        ).stdout.splitlines()
        assert told[0].startswith("True ")
        assert told[1:] == ["False []", "No module named 'rlm_tui'"]
        # /dev/null, the raw pipe twice, rpc and ctl; the sixth was the listing itself.
        assert told[0].count(",") == 4


def test_a_killed_worker_leaves_its_siblings(tmp_path: Path) -> None:
    with ForkedDesk(tmp_path) as desk:
        one, two = desk.another(), desk.another()
        desk.ask(two, "x = 1")
        for end in (one.kill(), desk.execute("import os\nos._exit(3)")):
            desk.wait(end)
            assert desk.ask(two, "print(x)") == "1\n"
        assert not one.alive
        assert "exit code 3" in (desk.run("1").error or "")
        assert desk.number(desk.another())


def test_a_killed_zygote_takes_its_children_and_is_started_again(tmp_path: Path) -> None:
    known = children()
    with ForkedDesk(tmp_path) as desk:
        desk.wait(desk.source.give("context", "kept"))
        first = zygote_of(known)
        worker = os.pidfd_open(desk.number(desk.repl))

        async def kill(_: object) -> None:
            os.kill(first, signal.SIGKILL)

        result = desk.while_running("print('go', flush=True)\nwhile True: pass", kill)
        assert result.status == "died"
        assert "the zygote it was forked from has ended (killed by signal 9 (SIGKILL))" in (result.error or "")
        assert select.select([worker], [], [], DEADLINE_S)[0]
        os.close(worker)
        again = desk.another()
        desk.wait(again.inherit("context"))
        assert desk.ask(again, "print(context)") == "kept\n"
        assert zygote_of(known) != first


LEAVINGS = [
    "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)",
    "import os\nos.fork() or __import__('time').sleep(1e6)",
    "import os\nos._exit(1)",
    "import os\nfor n in range(40):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)",
    "import threading\nthreading.Thread(target=llm_query, args=('x',)).start()",
    "import sys\nsys.stdout.write('x' * 100_000)",
]


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.full)])
def test_nothing_is_left_of_many(tmp_path: Path, count: int) -> None:
    async def one(source: birth.Source, number: int, turn: asyncio.Semaphore) -> None:
        async with turn:
            repl = await Repl.start(ReplConfig(NAMES), source)
            await repl.execute(
                "b", LEAVINGS[number % 6], on_output=lambda *_: None, on_call=lambda *_: asyncio.sleep(0, "")
            )
            await repl.close()

    async def many() -> None:
        source = await open_source(Conditions(scratch_root=tmp_path))
        before, zygote, (base,) = descriptors(), zygote_of(known), tmp_path.iterdir()
        turn = asyncio.Semaphore(8)
        await asyncio.gather(*(one(source, number, turn) for number in range(count)))
        assert descriptors() == before
        await until(lambda: not children(zygote))
        assert sorted(base.rglob("*")) == [base / "homes", base / "mail"]
        await source.close()
        await source.close()

    known, before = children(), descriptors()
    asyncio.run(many())
    assert children() == known
    assert descriptors() == before
    assert list(tmp_path.iterdir()) == []


def test_closing_a_source_ends_what_it_has(tmp_path: Path) -> None:
    async def close() -> None:
        source = await open_source(Conditions(scratch_root=tmp_path))
        repl = await Repl.start(ReplConfig(NAMES), source)
        running = asyncio.create_task(
            repl.execute("b", "while True: pass", on_output=lambda *_: None, on_call=lambda *_: asyncio.sleep(0, ""))
        )
        await asyncio.gather(source.close(), source.close())
        assert (await running).status == "died"
        with pytest.raises(RuntimeError, match="closed"):
            await source.worker(ReplConfig(NAMES))
        await repl.close()

    known = children()
    asyncio.run(close())
    assert children() == known
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_ends_with_a_source_open_leaves_no_folder(tmp_path: Path) -> None:
    host = f"""
import asyncio, os, sys, threading
from pathlib import Path
from rlm_tui.repl.birth import open_source
from rlm_tui.repl.process import Conditions, Repl, ReplConfig

async def work():
    source = await open_source(Conditions(scratch_root=Path({str(tmp_path)!r})))
    repl = await Repl.start(ReplConfig({{}}), source)
    code = "import os\\nprint(os.getpid(), flush=True)\\nopen('f', 'w').close()\\nwhile True: pass"
    def output(block, stream, text, late):
        print(text, flush=True)
        running.set()
    await repl.execute("b", code, on_output=output, on_call=None)

running = threading.Event()
threading.Thread(target=asyncio.run, args=(work(),), daemon=True).start()
running.wait()
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdin and process.stdout
        worker = os.pidfd_open(int(process.stdout.readline()))
        process.stdin.close()
        assert process.wait() == 0
    assert select.select([worker], [], [], DEADLINE_S)[0]
    os.close(worker)
    assert list(tmp_path.iterdir()) == []


def test_forged_messages_do_nothing_to_a_sibling(tmp_path: Path) -> None:
    forge = """
import json, os, socket
frames = [{'kind': 'gone', 'child': n, 'status': 0} for n in range(5)]
frames += [{'kind': 'fork', 'child': 9, 'home': '/', 'mail': '/'}]
frames += [{'kind': 'signal', 'child': n, 'signal': 9} for n in range(5)]
for n in range(256):
    for frame in frames:
        body = json.dumps(frame).encode()
        try: os.write(n, len(body).to_bytes(4, 'big') + body)
        except OSError: pass
"""
    with ForkedDesk(tmp_path) as desk:
        sibling = desk.another()
        desk.ask(sibling, "x = 1")
        for attack in (forge, f"{forge}\nos.write(3, b'x' * 100)\nos.write(4, b'x' * 100)"):
            attacker = desk.another()  # with its channels at 3 and 4
            result = attacker.execute("b", attack, on_output=lambda *_: None, on_call=lambda *_: asyncio.sleep(0, ""))
            assert desk.wait(result).status in ("ok", "died")
            assert desk.ask(sibling, "print(x)") == "1\n"
        assert desk.number(desk.another())


@pytest.mark.parametrize("turns", range(6))
def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path, turns: int) -> None:
    async def cancelled() -> None:
        source = await open_source(Conditions(scratch_root=tmp_path))
        before, zygote, (base,) = descriptors(), zygote_of(known), tmp_path.iterdir()
        task = asyncio.create_task(Repl.start(ReplConfig(NAMES), source))
        for _ in range(turns):
            await asyncio.sleep(0)  # lets it get further
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert descriptors() == before
        await until(lambda: not children(zygote))
        assert sorted(base.rglob("*")) == [base / "homes", base / "mail"]
        await source.close()

    known = children()
    asyncio.run(cancelled())


@pytest.mark.parametrize("turns", [1, 2, 4])
def test_a_source_that_is_cancelled_leaves_nothing(tmp_path: Path, turns: int) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(open_source(Conditions(scratch_root=tmp_path)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    known, before = children(), descriptors()
    asyncio.run(cancelled())
    assert children() == known
    assert descriptors() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="the administrator's processes are not counted: no fork is refused")
def test_a_refused_fork_is_told(tmp_path: Path) -> None:
    import resource

    known = children()
    with ForkedDesk(tmp_path) as desk:
        resource.prlimit(zygote_of(known), resource.RLIMIT_NPROC, (0, 0))
        with pytest.raises(ReplDied, match="could not be forked: Resource temporarily unavailable"):
            desk.another()
        assert desk.still_there()


DAEMON = """
import os, signal, time
there, back = os.pipe()
if not os.fork():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    os.setsid()
    if not os.fork():
        os.write(back, str(os.getpid()).encode())
        while True: time.sleep(1e6)
    os._exit(0)
print(os.read(there, 100).decode())
"""


def test_what_left_its_session_ends_with_its_own_worker(tmp_path: Path) -> None:
    with ForkedDesk(tmp_path, confine="off") as desk:
        one, two = desk.another(), desk.another()
        first, second = (os.pidfd_open(int(desk.ask(repl, DAEMON))) for repl in (one, two))
        desk.wait(one.kill())
        assert select.select([first], [], [], DEADLINE_S)[0]
        # The zygote has swept by the time it has forked another.
        assert desk.number(desk.another())
        assert not select.select([second], [], [], 0)[0]
        desk.wait(desk.source.close())
        assert select.select([second], [], [], DEADLINE_S)[0]
        os.close(first)
        os.close(second)


def test_a_source_without_forks_does_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(birth, "can_fork", lambda: False)
    known = children()
    with ForkedDesk(tmp_path) as desk:
        assert not desk.source.forks
        assert desk.source.ready == desk.repl.ready
        desk.wait(desk.source.give("context", "given"))
        repl = desk.another()
        desk.wait(repl.inherit("context"))
        assert desk.ask(repl, "print(context)") == "given\n"
        desk.wait(desk.repl.close())
        desk.wait(repl.close())
        (base,) = tmp_path.iterdir()
        assert sorted(base.rglob("*")) == [base / "homes", base / "mail"]
    assert children() == known
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_nothing_of_linux_is_imported_elsewhere(system: str) -> None:
    code = (
        "import asyncio, concurrent.futures.thread, importlib, shutil, site, subprocess, sys, tempfile, zoneinfo\n"
        f"sys.platform = {system!r}\n"
        "for name in ('resource', 'fcntl', 'select'): sys.modules.pop(name, None)\n"
        "from rlm_tui.repl import birth, launch, process\n"
        "assert not birth.can_fork()\n"
        "print(sorted({'resource', 'fcntl', 'ctypes', 'rlm_tui.repl.zygote', 'rlm_tui.repl.nest',"
        " 'rlm_tui.repl.confine', 'rlm_tui.repl.limits'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_sandbox_that_cannot_be_had_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    conditions = Conditions(scratch_root=tmp_path, confine="bwrap")
    with pytest.raises(ConfinementError, match="bubblewrap is not installed"):
        asyncio.run(open_source(conditions))
    with pytest.raises(ConfinementError):
        asyncio.run(Repl.start(ReplConfig(NAMES, conditions=conditions)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_workers_in_a_sandbox(tmp_path: Path) -> None:
    if (refusal := bwrap_refusal()) is not None:
        pytest.skip(refusal)
    known = children()
    with ForkedDesk(tmp_path, confine="bwrap") as desk:
        assert desk.repl.ready.level == desk.source.ready.level == "bwrap"
        desk.wait(desk.source.give("context", "c" * 5_000_000))
        full = desk.another()
        desk.wait(full.inherit("context"))
        desk.wait(full.put("letter", "l" * 20_000_000))
        assert desk.ask(full, "print(len(context), len(letter))") == "5000000 20000000\n"
        free = "import os\ns = os.statvfs('.')\nprint(s.f_bavail * s.f_frsize)"
        before = int(desk.ask(full, free))
        desk.ask(full, "import os\nos.mkdir('d')\nwith open('d/f', 'wb') as f: f.write(bytes(50_000_000))")
        assert int(desk.ask(full, free)) < before - 40_000_000
        desk.wait(full.close())
        while int(desk.run(free).stdout) < before - 1_000_000:
            pass
        assert desk.abort_while_running("while True: pass").status == "aborted"
        assert desk.still_there()
    assert children() == known
    assert list(tmp_path.iterdir()) == []
