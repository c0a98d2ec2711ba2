"""Birth and death of a worker: what it inherits, and what is left of it."""

from __future__ import annotations

import ast
import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rlm_tui.repl.folders import remove
from rlm_tui.repl.messages import Message, ReadyMessage
from rlm_tui.repl.process import Conditions, Repl, ReplConfig
from tests.repl.desk import DEADLINE_S, NAMES, Desk

KEYS = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "SSH_AUTH_SOCK"]


def test_no_key_is_in_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.setenv(key, "sk-planted")
    monkeypatch.setenv("LD_LIBRARY_PATH_OTHER", "sk-planted")
    with Desk(tmp_path, time_zone="Europe/Lisbon", hash_seed=5, confine="off") as desk:
        code = "import os\nprint(dict(os.environ))\nprint(open('/proc/self/environ').read())"
        result = desk.run(code)
        stdout = result.stdout
        assert (result.status, "sk-planted" in stdout) == ("ok", False)
        environ = ast.literal_eval(stdout.partition("\n")[0])
        home = environ.pop("HOME")
        assert environ.pop("TMPDIR") == home == desk.run("os.getcwd()").value.strip("'")  # type: ignore[union-attr]
        assert environ == {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "TZ": "Europe/Lisbon",
            "PYTHONUTF8": "1",
            "PYTHONHASHSEED": "5",
            "MALLOC_ARENA_MAX": "2",
        }


def test_a_worker_is_alone(desk: Desk) -> None:
    result = desk.run(
        "import os, resource, stat\n"
        "print(os.getsid(0) == os.getpgid(0) == os.getpid(), oct(stat.S_IMODE(os.stat('.').st_mode)), os.listdir())\n"
        "print(os.path.samestat(os.fstat(0), os.stat('/dev/null')), resource.getrlimit(resource.RLIMIT_CORE))\n"
        "print([r for r in (resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_AS))])"
    )
    assert result.stdout == ("True 0o700 []\nTrue (0, 0)\n[(268435456, 268435456), (2147483648, 2214592512)]\n")
    assert desk.repl.ready.python == sys.version.partition(" ")[0]


def test_nothing_is_left_after_many_workers(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def children() -> set[str]:
        return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())

    async def twenty() -> int:
        before = descriptors()
        for i in range(20):
            repl = await Repl.start(ReplConfig(NAMES, conditions=Conditions(scratch_root=tmp_path)))
            await repl.put("context", "c")
            code = "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a', 0)"
            code += "\nos.fork() or __import__('time').sleep(1e6)" if i % 4 == 0 else ""
            code += "\nos._exit(1)" if i % 4 == 1 else ""
            await repl.execute("b", code, on_output=lambda *_: None, on_call=lambda *_: asyncio.sleep(0, ""))
            await repl.close()
            await repl.close()
        return descriptors() - before

    known = children()
    assert asyncio.run(twenty()) == 0
    assert children() <= known
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_cannot_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(FileNotFoundError):
        asyncio.run(Repl.start(ReplConfig(NAMES, conditions=Conditions(scratch_root=tmp_path))))
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


OWN = "print(os.getpid(), flush=True)\n"


@pytest.mark.parametrize(
    "code",
    [
        OWN + "while True: pass",
        OWN + "sum(range(10 ** 12))",
        OWN + "llm_query('x')",
        OWN + "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nllm_query('x')",
        "pid = os.fork()\nif pid: print(pid, flush=True)\nwhile True: pass",
    ],
)
@pytest.mark.parametrize("forked", [False, True])
def test_no_worker_outlives_its_host(tmp_path: Path, code: str, forked: bool) -> None:
    host = textwrap.dedent(
        f"""
        import asyncio, sys
        from pathlib import Path
        from rlm_tui.repl.birth import open_source
        from rlm_tui.repl.process import Conditions, Repl, ReplConfig

        async def main():
            conditions = Conditions(scratch_root=Path({str(tmp_path)!r}))
            source = await open_source(conditions) if {forked} else None
            repl = await Repl.start(ReplConfig({{"llm_query": "ask"}}, conditions=conditions), source)
            def output(block, stream, text, late):
                if stream == "stdout":  # newer versions of Python warn about the fork on stderr
                    sys.stdout.write(text)
                    sys.stdout.flush()
            async def call(*_):
                await asyncio.sleep(1e6)
            code = "import os\\n" + {code!r}
            await repl.execute("b", code, on_output=output, on_call=call)

        asyncio.run(main())
        """
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE, cwd=root, text=True) as process:
        assert process.stdout is not None
        worker = os.pidfd_open(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
    assert select.select([worker], [], [], DEADLINE_S)[0], "the worker has outlived its host"
    os.close(worker)


def test_large_values_leave_no_files(tmp_path: Path) -> None:
    async def large(*_: object) -> str:
        return "y" * 20_000_000

    with Desk(tmp_path) as desk:
        desk.wait(desk.repl.put("context", "x" * 20_000_000))
        assert desk.run("len(llm_query(context[:1]))", on_call=large).value == "20000000"
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_removing_a_folder_never_leaves_it(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (outside / "kept").touch()
    outside.chmod(0o555)
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "dangling").symlink_to("nowhere")
    os.link(outside / "kept", folder / "hard")
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "inner" / "file").touch(0)
    (folder / "closed" / "inner").chmod(0o500)
    (folder / "closed").chmod(0)
    remove(folder)
    assert not folder.exists()
    remove(folder)
    folder.symlink_to(outside)
    remove(folder)
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert outside.stat().st_mode & 0o777 == 0o555


def test_a_folder_of_any_depth_is_removed(tmp_path: Path) -> None:
    with Desk(tmp_path) as desk:
        code = (
            "import os\nfor n in range(1100):\n    os.mkdir('deep')\n    os.chdir('deep')\n    open('f', 'w').close()"
        )
        assert desk.run(code).status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_closing_while_a_block_runs(tmp_path: Path) -> None:
    with Desk(tmp_path) as desk:

        async def close(_: object) -> None:
            await desk.repl.close()

        assert desk.while_running("print('go', flush=True)\nwhile True: pass", close).status == "died"
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_not_ready_is_not_left(tmp_path: Path) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(Repl.start(ReplConfig(NAMES, conditions=Conditions(scratch_root=tmp_path))))
        await asyncio.sleep(0)  # lets the process be started
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_is_cancelled_as_the_worker_is_ready_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Repl._dispatch
    starting: list[asyncio.Task[Repl]] = []

    def ready_and_cancelled(self: Repl, message: Message) -> None:
        take(self, message)
        if isinstance(message, ReadyMessage):
            starting[0].cancel()

    monkeypatch.setattr(Repl, "_dispatch", ready_and_cancelled)

    async def cancelled() -> None:
        starting.append(
            asyncio.create_task(Repl.start(ReplConfig(NAMES, conditions=Conditions(scratch_root=tmp_path))))
        )
        with pytest.raises(asyncio.CancelledError):
            await starting[0]

    asyncio.run(cancelled())
    assert list(tmp_path.iterdir()) == []
