"""Blocks that do their worst: the host stays responsive, and the next block runs, here or in a fresh worker."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from rlm_tui.repl.process import BlockResult
from tests.repl.desk import DEADLINE_S, Desk

OPEN_DESCRIPTORS = """
import os
fds = []
for n in range(3, 256):
    try: fds.append(os.fstat(n) and n)
    except OSError: pass
"""


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import sys; sys.exit(1)", "SystemExit: 1"),
        ("raise SystemExit", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("exec('raise KeyboardInterrupt')", "KeyboardInterrupt"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("import json; json.loads('[' * 100000)", "RecursionError: maximum recursion depth exceeded"),
        ("'a' * 10 ** 11", "MemoryError"),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E: <exception str() failed>"),
        (
            "class M(type):\n    __name__ = property(lambda s: 1 / 0)\nclass E(Exception, metaclass=M): pass\nraise E",
            "",
        ),
        ("await x", "SyntaxError: 'await' outside function"),
        ("return 1", "SyntaxError: 'return' outside function"),
        ("yield", "SyntaxError: 'yield' outside function"),
        ("%pip install x", "SyntaxError: invalid syntax"),
        ("x = 'a\\0b", "source code string cannot contain null bytes"),
        ("import gc\ndef f(:", "SyntaxError: invalid syntax"),
        ("(" * 500, ""),
        ("import __main__, sys\nsys.modules.pop('__main__')\n1 / 0", "ZeroDivisionError: division by zero"),
        ("import rlm_tui", "ModuleNotFoundError: No module named 'rlm_tui'"),
        ("import sys; sys.modules['__main__'].serve", "AttributeError: module '__main__' has no attribute 'serve'"),
    ],
)
def test_errors_keep_the_worker(desk: Desk, code: str, ending: str) -> None:
    result = desk.run(code.replace("\\0", "\0"))
    assert result.status == "error"
    assert result.error
    assert ending in result.error
    assert "rlm_tui/" not in result.error
    assert desk.still_there()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os; os.abort()", "killed by signal 6 (SIGABRT)"),
        ("import ctypes; ctypes.string_at(0)", "killed by signal 11 (SIGSEGV)"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
        ("import os; os.closerange(3, 256)\nprint('x' * 100000)", ""),
    ],
)
def test_death_is_told(desk: Desk, code: str, reason: str) -> None:
    result = desk.run("print('before', flush=True)\n" + code)
    assert (result.status, result.stdout) == ("died", "before\n")
    assert (result.error or "").startswith("the REPL died: " + reason)
    assert not desk.repl.alive


@pytest.mark.parametrize(
    "frame",
    [
        "(1 << 32) - 1",
        "17 << 20",
        "b'[' * 100000",
        "b'1' * 5000",
        "b'not json'",
        "b'[]'",
        "b'{}'",
        "b'{\"kind\": 1}'",
        'b\'{"kind": "out", "block": "root/i1/b1", "stream": "raw", "text": ""}\'',
        'b\'{"kind": "out", "block": "root/i1/b1", "stream": "stdout", "text": 1}\'',
        'b\'{"kind": "call", "block": "root/i1/b1", "call": -1, "fn": "f", "prompt": "", "model": null}\'',
        'b\'{"kind": "done", "block": "root/i1/b1", "status": "fine"}\'',
        'b\'{"kind": "note", "block": "root/i1/b1", "via": "FINAL", "text": "", "type": "", "json": "{"}\'',
    ],
)
def test_a_broken_protocol_ends_the_worker(desk: Desk, frame: str) -> None:
    result = desk.run(
        OPEN_DESCRIPTORS + f"body = {frame}\n"
        "frame = body.to_bytes(4, 'big') if type(body) is int else len(body).to_bytes(4, 'big') + body\n"
        "for fd in fds:\n    try: os.write(fd, frame)\n    except OSError: pass\n"
        "llm_query('x')"
    )
    assert result.status == "died"
    assert (result.error or "").startswith("the REPL died: broke the protocol: ")


def test_forged_messages_for_others_are_ignored(desk: Desk) -> None:
    forged = [
        '{"kind": "done", "block": "root/i9/b9", "status": "ok", "value": "stolen", "error": null,'
        ' "answer_ready": null, "rows": [], "removed": [], "more": 0,'
        ' "put_back": [], "effects": [], "cuts": {}, "ms": 0, "cpu_ms": 0}',
        '{"kind": "note", "block": "root/i9/b9", "via": "FINAL", "text": "stolen", "type": "str"}',
        '{"kind": "out", "block": "root/i9/b9", "stream": "stdout", "text": "stolen"}',
        '{"kind": "call", "block": "root/i9/b9", "call": 900, "fn": "llm_query", "prompt": "x", "model": null}',
        '{"kind": "value", "ask": 900, "status": "ok", "rows": []}',
        '{"kind": "weather", "is": "fine"}',
    ]
    calls: list[str] = []

    async def call(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
        calls.append(block)
        return "y"

    # `ctl` gets them too; the host reads nothing from there yet.
    code = (
        OPEN_DESCRIPTORS
        + f"forged = {forged!r}\n"
        + (
            "for fd in fds:\n    for text in forged:\n"
            "        try: os.write(fd, len(text).to_bytes(4, 'big') + text.encode())\n        except OSError: pass\n"
            "llm_query('x')"
        )
    )
    result = desk.run(code, on_call=call)
    assert (result.status, result.value, result.stdout, result.finals) == ("ok", "'y'", "", ())
    assert calls == ["root/i1/b1"]
    assert desk.repl.unknown_messages >= 1
    assert desk.still_there()


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("import builtins; builtins.len = None", "builtins.len"),
        ("import sys; sys.stdout = None", "sys.stdout"),
        ("import sys; sys.stderr.close(); sys.stderr = open('e', 'w')", "sys.stderr"),
        ("del llm_query", "llm_query"),
        ("__builtins__ = {}", "__builtins__"),
        ("print = None", "print"),
        ("__name__ = 'other'", "__name__"),
        ("import sys; sys.modules['__main__'] = sys", "sys.modules['__main__']"),
    ],
)
def test_what_was_broken_is_put_back_and_named(desk: Desk, code: str, label: str) -> None:
    desk.run(code)
    result = desk.run("import __main__\nprint(len(llm_query('x')), __name__, hasattr(__main__, 'llm_query'))")
    assert (result.status, result.stdout) == ("ok", "3 __main__ True\n")
    assert result.put_back == (label,)
    assert desk.run("1").put_back == ()


def test_recursion_without_a_limit_is_survived(tmp_path: Path) -> None:
    with Desk(tmp_path, memory_bytes=256 << 20) as desk:
        result = desk.run("import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(n): return [f(n + 1)]\nf(0)")
        assert result.status in ("error", "died")


def test_filled_memory_is_an_error(tmp_path: Path) -> None:
    with Desk(tmp_path, memory_bytes=256 << 20) as desk:
        for code in (
            "kept = []\nwhile True: kept.append(bytearray(50_000_000))",
            "kept = []\nwhile True: kept.append([len(kept)])",
        ):
            result = desk.run(code)
            assert result.status == "error"
            assert (result.error or "").endswith("MemoryError\nThe REPL's memory limit of 256 MiB is reached.")
            assert int(desk.run("n = len(kept)\ndel kept\nn").value or 0) > 0


def test_many_threads_under_a_limit(tmp_path: Path) -> None:
    with Desk(tmp_path, memory_bytes=1 << 30) as desk:
        result = desk.run(
            "import threading\ndone = []\n"
            "def work(i): done.append(len([bytes(100) for _ in range(10000)]))\n"
            "threads = [threading.Thread(target=work, args=(i,)) for i in range(32)]\n"
            "for t in threads: t.start()\nfor t in threads: t.join()\nlen(done)"
        )
        assert (result.status, result.value) == ("ok", "32")


@pytest.mark.parametrize(
    "code", ["input()", "import sys; sys.stdin.readline() or input()", "import getpass; getpass.getpass()"]
)
def test_nobody_is_asked(desk: Desk, code: str) -> None:
    result = desk.run(code)
    assert (result.status, "EOFError" in (result.error or "")) == ("error", True)
    assert desk.still_there()


def test_a_large_file_is_refused(desk: Desk) -> None:
    result = desk.run("with open('big', 'wb') as f:\n    for _ in range(1000): f.write(bytes(1 << 20))")
    assert result.status == "error"
    limit = "The REPL's limit of 256 MiB for a file is reached."
    assert (result.error or "").endswith(f"OSError: [Errno 27] File too large\n{limit}")
    assert desk.still_there()


def test_a_fork_ends_nothing_of_ours(desk: Desk) -> None:
    result = desk.run(
        "import os\npid = os.fork()\nprint('parent' if pid else 'child', flush=True)\n"
        "if pid:\n    print(os.waitpid(pid, 0)[1])\nelse:\n    FINAL('child')\npid > 0"
    )
    assert (result.status, result.stdout, result.raw, result.value) == ("ok", "parent\n0\n", "child\n", "True")
    assert result.finals == ()
    assert desk.still_there()


def test_many_forks_are_gone_at_the_end(tmp_path: Path) -> None:
    with Desk(tmp_path) as desk:
        result = desk.run(
            "import os, time\npids = []\nfor _ in range(50):\n    pid = os.fork()\n"
            "    if not pid:\n        time.sleep(1e6)\n    pids.append(pid)\nprint(*pids)"
        )
        pids = [int(pid) for pid in result.stdout.split()]
        assert len(pids) == 50
        watched = [os.pidfd_open(pid) for pid in pids]
    for descriptor in watched:
        assert select.select([descriptor], [], [], DEADLINE_S)[0], "a fork has survived its worker"
        os.close(descriptor)


def test_async_works(desk: Desk) -> None:
    code = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x\n"
    assert (
        desk.run(code + "async def main(): return await asyncio.gather(f(1), f(2))\nasyncio.run(main())").value
        == "[1, 2]"
    )


def test_subprocesses_work_unconfined(tmp_path: Path) -> None:
    with Desk(tmp_path, confine="off") as desk:
        result = desk.run("import subprocess\nsubprocess.run(['echo', 'hi']).returncode")
        assert (result.value, result.raw) == ("0", "hi\n")


def test_large_source(desk: Desk) -> None:
    assert desk.run("x = 1\n" * 20_000 + "x").value == "1"
    assert desk.run("x = '" + "a" * 1_000_000 + "'\nlen(x)").value == "1000000"
    assert "line 20001" in (desk.run("x = 1\n" * 20_000 + "1 / 0").error or "")
    assert desk.run("x = '" + "é" * 20_000_000 + "'\nlen(x)").value == "20000000"


def test_a_module_of_the_blocks_own(desk: Desk) -> None:
    result = desk.run(
        "import __main__, dataclasses, pickle\n@dataclasses.dataclass\nclass P:\n    x: 'int'\n"
        "print(__main__.P is P, pickle.loads(pickle.dumps(P(1))), sorted(n for n in vars(__main__) if 'rlm' in n))"
    )
    assert result.stdout == "True P(x=1) []\n"


def test_an_exception_whose_text_never_ends(desk: Desk) -> None:
    result = desk.run("class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", timeout_s=0.2)
    assert result.status == "timeout"
    assert (result.error or "").endswith("E: <exception str() failed>")
    assert desk.still_there()


@pytest.mark.parametrize("use", ["FINAL_VAR('slow')", "FINAL(slow)", "slow", "answer['content'] = slow", "print(slow)"])
def test_a_value_whose_text_never_ends(desk: Desk, use: str) -> None:
    desk.run("class Slow:\n    def __str__(self):\n        while True: pass\n    __repr__ = __str__\nslow = Slow()")
    result = desk.run(use, timeout_s=0.2)
    assert (result.status, result.finals) == ("timeout", ())
    assert desk.run("answer['content'] = ''\n1").status == "ok"


def test_a_final_larger_than_a_frame_is_cut(desk: Desk) -> None:
    final = desk.run("big = 'x' * 200_000_000\nFINAL_VAR('big')").finals[0]
    assert (final.reason, final.json, len(final.text)) == ("final_capped", None, 2 << 20)
    large = desk.run("FINAL('\\x01' * 2_400_000)").finals[0]
    assert (large.reason, large.json, len(large.text)) == (None, None, 2_400_000)


def test_texts_that_raise(desk: Desk) -> None:
    desk.run("class Bad:\n    def __str__(self): raise KeyError('no')\n    __repr__ = __bool__ = __str__\nbad = Bad()")
    for use in ("FINAL(bad)", "bad", "answer['content'] = bad", "answer['ready'] = bad"):
        result = desk.run(use)
        assert (result.status, result.finals) == ("error", ()), use
        assert "KeyError" in (result.error or ""), use
        assert desk.run("answer = {}\n1").status == "ok"


def test_the_worker_reads_on_when_a_block_has_used_up_its_memory(tmp_path: Path) -> None:
    """What is asked, answered and stopped meanwhile goes through the thread that reads; it must not die of it."""

    async def work(desk: Desk) -> BlockResult:
        code = (
            "kept, size = [], 1 << 20\nwhile size:\n    try: kept.append(bytearray(size))\n"
            "    except MemoryError: size //= 2\n"
            "try: x = llm_query('x')\nfinally: kept.clear()\nlen(x)"
        )

        async def large(block: str, fn: str, prompt: list[str] | str, model: str | None) -> str:
            for _ in range(5):
                assert "kept" in {v.name for v in await desk.repl.variables()}
                assert len((await desk.repl.page("kept", 0, 500)).rows) > 100
            return "é" * 2_000_000

        return await desk.execute(code, on_call=large)

    with Desk(tmp_path, memory_bytes=256 << 20) as desk:
        result = desk.wait(work(desk))
        assert (result.status, result.value) == ("ok", "2000000"), result.error


def test_forks_of_forks_end_nothing_of_ours(desk: Desk) -> None:
    code = (
        "import os\npid = os.fork()\nif not pid:\n    inner = os.fork()\n    if inner: os.waitpid(inner, 0)\n"
        "    f = open('made', 'a'); f.write('x'); f.close()\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\nopen('made').read()"
    )
    assert desk.run(code).value == "'xx'"
    assert desk.run("len(llm_query('x'))").value == "3"
